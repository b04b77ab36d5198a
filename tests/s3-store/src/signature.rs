//! AWS Signature Version 4, as a store checks it: of headers, and of presigned URLs.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::Options;
use crate::request::{Request, Result, decode, encode, refuse};
use crate::time::read_amz_date;

/// How far a client's clock may be off, in seconds.
const SKEW_MAX: i64 = 15 * 60;

/// The longest time that a presigned URL may be good for, in seconds.
const EXPIRY_MAX: i64 = 7 * 24 * 60 * 60;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Checks that a request is signed, and that its payload is what was signed.
pub(crate) fn check(request: &Request, options: &Options, now: i64) -> Result<()> {
    match (request.header("authorization"), request.parameter("X-Amz-Signature")) {
        (Some(_), Some(_)) => refuse(400, "InvalidArgument", "Only one auth mechanism allowed"),
        (Some(header), None) => check_header(request, header, options, now),
        (None, Some(signature)) => check_presigned(request, &signature, options, now),
        (None, None) => refuse(403, "AccessDenied", "the request is not signed"),
    }
}

fn check_header(request: &Request, header: &str, options: &Options, now: i64) -> Result<()> {
    let Some(fields) = header.strip_prefix(ALGORITHM) else {
        return refuse(400, "InvalidArgument", "Unsupported Authorization Type");
    };
    let field = |name: &str| {
        let field = fields.split(',').find_map(|field| field.trim().strip_prefix(name));
        field.and_then(|field| field.strip_prefix('=')).unwrap_or_default()
    };
    let date = request.header("x-amz-date").unwrap_or_default();
    let Some(signed_at) = read_amz_date(date) else {
        return refuse(403, "AccessDenied", "no valid x-amz-date");
    };
    if signed_at.abs_diff(now) > SKEW_MAX.unsigned_abs() {
        return refuse(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        );
    }
    let Some(payload) = request.header("x-amz-content-sha256") else {
        return refuse(
            400,
            "InvalidRequest",
            "Missing required header for this request: x-amz-content-sha256",
        );
    };
    let signed: Vec<&str> = field("SignedHeaders").split(';').collect();
    let must_be_signed = |name: &str| name == "host" || name.starts_with("x-amz-");
    let unsigned =
        request.headers.iter().find(|(name, _)| must_be_signed(name) && !signed.contains(&&**name));
    if let Some((name, _)) = unsigned {
        return refuse(403, "AccessDenied", format!("the header {name} is not signed"));
    }
    let expected = Signing { request, options, date, signed: &signed, payload };
    expected.check(field("Credential"), field("Signature"))?;
    if payload != UNSIGNED && payload != sha256(&request.body) && options.checks_payload {
        let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return refuse(400, "XAmzContentSHA256Mismatch", text);
    }
    Ok(())
}

fn check_presigned(request: &Request, signature: &str, options: &Options, now: i64) -> Result<()> {
    let parameter = |name: &str| request.parameter(name).unwrap_or_default();
    if parameter("X-Amz-Algorithm") != ALGORITHM {
        return refuse(400, "AuthorizationQueryParametersError", "X-Amz-Algorithm");
    }
    let (date, expires) = (parameter("X-Amz-Date"), parameter("X-Amz-Expires").parse::<i64>());
    let (Some(signed_at), Ok(expires @ 1..=EXPIRY_MAX)) = (read_amz_date(&date), expires) else {
        return refuse(400, "AuthorizationQueryParametersError", "X-Amz-Date or X-Amz-Expires");
    };
    if now > signed_at + expires || signed_at > now + SKEW_MAX {
        return refuse(403, "AccessDenied", "Request has expired");
    }
    let headers = parameter("X-Amz-SignedHeaders");
    let signed: Vec<&str> = headers.split(';').collect();
    let expected = Signing { request, options, date: &date, signed: &signed, payload: UNSIGNED };
    expected.check(&parameter("X-Amz-Credential"), signature)
}

struct Signing<'a> {
    request: &'a Request,
    options: &'a Options,
    date: &'a str,
    signed: &'a [&'a str],
    payload: &'a str,
}

impl Signing<'_> {
    fn check(&self, credential: &str, signature: &str) -> Result<()> {
        let Options { access_key, secret_key, region, .. } = self.options;
        let day = self.date.get(..8).unwrap_or_default();
        let scope = format!("{day}/{region}/s3/aws4_request");
        let Some((key, its_scope)) = credential.split_once('/') else {
            return refuse(400, "AuthorizationHeaderMalformed", "no credential");
        };
        if key != access_key {
            return refuse(403, "InvalidAccessKeyId", "The access key does not exist");
        }
        if its_scope != scope {
            return refuse(400, "AuthorizationHeaderMalformed", format!("expecting the scope {scope}"));
        }
        if !self.signed.contains(&"host") || !self.signed.is_sorted() {
            return refuse(403, "AccessDenied", "host is not signed, or the headers are not in order");
        }
        let text = format!("{ALGORITHM}\n{}\n{scope}\n{}", self.date, sha256(self.canonical().as_bytes()));
        let mut derived = hmac(format!("AWS4{secret_key}").as_bytes(), day);
        for part in [region, "s3", "aws4_request"] {
            derived = hmac(&derived, part);
        }
        if hex(&hmac(&derived, &text)) != signature {
            return refuse(403, "SignatureDoesNotMatch", "The signature does not match");
        }
        Ok(())
    }

    fn canonical(&self) -> String {
        let request = self.request;
        let mut query: Vec<(String, String)> = request.query();
        query.retain(|(name, _)| name != "X-Amz-Signature");
        for (name, value) in &mut query {
            (*name, *value) = (encode(name, false), encode(value, false));
        }
        query.sort();
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers = self.signed.iter().map(|name| {
            let value = request.header(name).unwrap_or_default();
            format!("{name}:{}\n", value.split_whitespace().collect::<Vec<_>>().join(" "))
        });
        format!(
            "{}\n{}\n{}\n{}\n{}\n{}",
            request.method,
            encode(&decode(request.path()), true),
            query.join("&"),
            headers.collect::<String>(),
            self.signed.join(";"),
            self.payload
        )
    }
}
