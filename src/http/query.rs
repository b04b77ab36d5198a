//! Percent-encoding, in paths and queries.

/// The parameters of a request's query, decoded. Bodies are never read for parameters: a form type
/// on a blob's bytes, which `curl --data-binary` sends, must not swallow them.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses what follows the `?`. A parameter that does not decode to UTF-8 is ignored.
    pub fn parse(query: &str) -> Self {
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(&name.replace('+', " "))?, decode(&value.replace('+', " "))?))
        };
        Self(query.split('&').filter(|part| !part.is_empty()).filter_map(pair).collect())
    }

    /// The first value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All parameters, in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The query without a parameter, encoded.
    pub fn without(&self, name: &str) -> String {
        let others = self.0.iter().filter(|(n, _)| n != name);
        let pairs: Vec<String> =
            others.map(|(n, value)| format!("{}={}", encode(n), encode(value))).collect();
        pairs.join("&")
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Decodes `%XX`. Returns `None` if the result is not UTF-8, or if a `%` is not followed by two hexadecimal digits.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (hex, rest) = part.split_at_checked(2)?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// Encodes a value of a query: all but letters, digits, `-`, `_`, `.` and `~`.
pub fn encode(text: &str) -> String {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    loop {
        let (plain, after) = rest.split_at(rest.iter().take_while(|b| is_plain(b)).count());
        out.push_str(str::from_utf8(plain).unwrap_or_default());
        let Some((odd, after)) = after.split_first() else { return out };
        let digit = |n: u8| char::from(if n < 10 { b'0' + n } else { b'A' + n - 10 });
        out.extend(['%', digit(odd >> 4), digit(odd & 15)]);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query =
            Query::parse("digest=sha256%3Aab&mount&from=a%2Fb&x=1+2&&tag=a&tag=b&bad=%ff&_state=ab%3D%3D");
        assert_eq!(query.get("digest"), Some("sha256:ab"));
        assert_eq!(query.get("mount"), Some(""));
        assert_eq!(query.get("from"), Some("a/b"));
        assert_eq!(query.get("x"), Some("1 2"));
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(query.get("bad"), None);
        assert_eq!(query.get("_state"), Some("ab=="));
        assert_eq!(query.get("none"), None);
    }

    #[test]
    fn broken_escapes_are_refused() {
        for bad in ["%", "%1", "%zz", "%+1", "a%", "%ff", "%é"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        assert_eq!(decode("%2e%2E/%C3%A9").as_deref(), Some("../é"));
    }

    #[test]
    fn what_is_encoded_decodes() {
        let text = "sha256:a/b c=&%+é~_.-";
        assert_eq!(decode(&encode(text)).as_deref(), Some(text));
        assert_eq!(encode("ab_-=="), "ab_-%3D%3D");
    }
}
