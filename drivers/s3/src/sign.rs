//! AWS Signature Version 4: of a request's headers, and of a URL.

use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::date::amz_date;

/// The hash that stands for a payload which is not signed.
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Who signs, and where it counts.
pub(crate) struct Signer {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    /// The token of a temporary key.
    pub(crate) session_token: Option<String>,
    pub(crate) region: String,
    /// A day, and the key of its requests, which takes longer to derive than to sign with.
    pub(crate) derived: Mutex<(String, [u8; 32])>,
}

/// What is signed.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    pub(crate) authority: &'a str,
    /// The path, encoded.
    pub(crate) path: &'a str,
    /// The query, encoded and in order.
    pub(crate) query: &'a str,
}

impl Signer {
    /// Adds the headers that sign a request, at a time in seconds since 1970. Of the headers that are there, it signs
    /// those whose names begin with `x-amz-`, and none else need be.
    pub(crate) fn sign(
        &self,
        request: &Signed,
        headers: &mut Vec<(&'static str, String)>,
        payload: &str,
        now: u64,
    ) {
        let date = amz_date(now);
        headers.push(("x-amz-content-sha256", payload.to_owned()));
        headers.push(("x-amz-date", date.clone()));
        headers.extend(self.session_token.iter().map(|token| ("x-amz-security-token", token.clone())));
        let mut signed: Vec<(&str, &str)> = vec![("host", request.authority)];
        let is_signed = |(name, _): &&(&'static str, String)| name.starts_with("x-amz-");
        signed.extend(headers.iter().filter(is_signed).map(|(name, value)| (*name, value.as_str())));
        signed.sort_unstable();
        let names = names(&signed);
        let signature = self.signature(request, request.query, &signed, payload, &date);
        let (key, scope) = (&self.access_key, self.scope(&date));
        let value =
            format!("{ALGORITHM} Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}");
        headers.push(("authorization", value));
    }

    /// Returns the query of a URL that anyone may use from a time on, in seconds since 1970, for so many seconds.
    pub(crate) fn presign(&self, request: &Signed, seconds: u32, now: u64) -> String {
        let date = amz_date(now);
        let credential = encode(&format!("{}/{}", self.access_key, self.scope(&date)), false);
        let mut query = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={date}&X-Amz-Expires={seconds}"
        );
        if let Some(token) = &self.session_token {
            query += "&X-Amz-Security-Token=";
            query += &encode(token, false);
        }
        query += "&X-Amz-SignedHeaders=host";
        let signature = self.signature(request, &query, &[("host", request.authority)], UNSIGNED, &date);
        query + "&X-Amz-Signature=" + &signature
    }

    fn scope(&self, date: &str) -> String {
        format!("{}/{}/s3/aws4_request", date.get(..8).unwrap_or_default(), self.region)
    }

    fn signature(
        &self,
        request: &Signed,
        query: &str,
        signed: &[(&str, &str)],
        payload: &str,
        date: &str,
    ) -> String {
        let mut canonical = format!("{}\n{}\n{query}\n", request.method, request.path);
        for (name, value) in signed {
            canonical = canonical + name + ":" + value.trim() + "\n";
        }
        canonical = canonical + "\n" + &names(signed) + "\n" + payload;
        let text = format!("{ALGORITHM}\n{date}\n{}\n{}", self.scope(date), sha256(canonical.as_bytes()));
        hex(&hmac(&self.key_of(date.get(..8).unwrap_or_default()), &text))
    }

    /// The key that the requests of a day are signed with.
    fn key_of(&self, day: &str) -> [u8; 32] {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if derived.0 != day {
            let mut key = hmac(format!("AWS4{}", self.secret_key).as_bytes(), day);
            for part in [self.region.as_str(), "s3", "aws4_request"] {
                key = hmac(&key, part);
            }
            *derived = (day.to_owned(), key);
        }
        derived.1
    }
}

/// The names of signed headers.
fn names(signed: &[(&str, &str)]) -> String {
    let mut names = String::new();
    for (name, _) in signed {
        names.push_str(if names.is_empty() { "" } else { ";" });
        names.push_str(name);
    }
    names
}

/// The SHA-256 of bytes, as hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    // A key may have any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from(if number < 10 { b'0' + number } else { b'a' + number - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Encodes text for a URL: all but letters, digits and `-._~`, and `/` if it is a path.
pub(crate) fn encode(text: &str, is_path: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || is_path && byte == b'/'
        {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of AWS's documentation of Signature Version 4 for S3, and the time of its examples.
    fn published() -> (Signer, u64) {
        let signer = Signer {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: None,
            region: "us-east-1".to_owned(),
            derived: Mutex::default(),
        };
        (signer, 1_369_353_600)
    }

    const AUTHORITY: &str = "examplebucket.s3.amazonaws.com";

    #[test]
    fn headers_are_signed_as_published() {
        let (signer, now) = published();
        let empty = sha256(b"");
        let signature = |path: &str, query: &str| {
            let mut headers = Vec::new();
            let request = Signed { method: "GET", authority: AUTHORITY, path, query };
            signer.sign(&request, &mut headers, &empty, now);
            headers
        };
        // "GET Bucket Lifecycle" and "Get Bucket (List Objects)".
        let authorization = |signature: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                 SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"
            )
        };
        assert_eq!(
            signature("/", "lifecycle="),
            [
                ("x-amz-content-sha256", empty.clone()),
                ("x-amz-date", "20130524T000000Z".to_owned()),
                (
                    "authorization",
                    authorization("fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
                ),
            ]
        );
        // On another day the key is another one.
        let request = Signed { method: "GET", authority: AUTHORITY, path: "/", query: "" };
        signer.sign(&request, &mut Vec::new(), &empty, now + 86_400);
        assert_eq!(
            signature("/", "max-keys=2&prefix=J").pop().unwrap().1,
            authorization("34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
        );
    }

    #[test]
    fn headers_of_the_service_are_signed_in_order() {
        let (signer, now) = published();
        let headers = |class: &str| {
            let mut headers =
                vec![("content-type", "a/b".to_owned()), ("x-amz-storage-class", class.to_owned())];
            let request = Signed { method: "PUT", authority: AUTHORITY, path: "/a", query: "" };
            signer.sign(&request, &mut headers, UNSIGNED, now);
            headers.pop().unwrap().1
        };
        let (one, other) = (headers("A"), headers("B"));
        assert!(
            one.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"),
            "{one}"
        );
        assert_ne!(one, other);
    }

    #[test]
    fn a_url_is_signed_as_published() {
        let (signer, now) = published();
        let request = Signed { method: "GET", authority: AUTHORITY, path: "/test.txt", query: "" };
        assert_eq!(
            signer.presign(&request, 86_400, now),
            "X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        );
    }

    #[test]
    fn a_temporary_key_has_its_token_signed() {
        let (signer, now) = published();
        let signer = Signer { session_token: Some("a/token+".to_owned()), ..signer };
        let request = Signed { method: "GET", authority: AUTHORITY, path: "/", query: "" };
        assert!(
            signer.presign(&request, 60, now).contains("&X-Amz-Security-Token=a%2Ftoken%2B&X-Amz-Signed")
        );
        let mut headers = Vec::new();
        signer.sign(&request, &mut headers, UNSIGNED, now);
        assert!(headers.contains(&("x-amz-security-token", "a/token+".to_owned())));
        assert!(headers.pop().unwrap().1.contains("x-amz-date;x-amz-security-token,"));
    }

    #[test]
    fn text_is_encoded() {
        assert_eq!(encode("a/b c~+ä", true), "a/b%20c~%2B%C3%A4");
        assert_eq!(encode("a/b", false), "a%2Fb");
    }
}
