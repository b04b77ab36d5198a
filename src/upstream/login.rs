//! What an upstream asks for before it answers: `WWW-Authenticate`, and the answer of its token service.

use serde::Deserialize;

use super::Url;
use crate::http::query::encode;
use crate::json::read_json;
use lighter_fetch::Response;

/// How long a token lives if its service does not say (Docker's token specification), in seconds.
const TOKEN_LIFE: u64 = 60;

/// What an upstream asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A user and a password.
    Basic,
    /// A token, of the service at `realm`.
    Bearer { realm: String, service: String },
}

impl Challenge {
    /// Reads the challenges of an answer. A token goes before a password.
    pub(super) fn of(response: &Response) -> Option<Self> {
        let headers = response.headers.iter().filter(|(name, _)| name == "www-authenticate");
        let all: Vec<Self> =
            headers.filter_map(|(_, value)| Self::parse(str::from_utf8(value).ok()?)).collect();
        all.into_iter().max_by_key(|challenge| *challenge != Self::Basic)
    }

    fn parse(header: &str) -> Option<Self> {
        let (scheme, mut rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service) = (None, String::new());
        while let Some((name, after)) = rest.split_once('=') {
            let quoted = after.strip_prefix('"').map(|quoted| quoted.split_once('"').unwrap_or((quoted, "")));
            let (value, after) =
                quoted.unwrap_or_else(|| after.split_at(after.find(',').unwrap_or(after.len())));
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value.trim().to_owned()),
                "service" => value.trim().clone_into(&mut service),
                _ => {}
            }
            rest = after.trim_start_matches([',', ' ']);
        }
        Some(Self::Bearer { realm: realm?, service })
    }
}

/// The URL that gives a token to pull from a repository.
pub(super) fn token_url(realm: &Url, service: &str, repository: &str) -> Url {
    let begins = if realm.target.contains('?') { "&" } else { "?" };
    let slash = if realm.target.is_empty() { "/" } else { "" };
    let service = if service.is_empty() { String::new() } else { format!("service={}&", encode(service)) };
    realm.join(&format!("{slash}{begins}{service}scope={}", encode(&format!("repository:{repository}:pull"))))
}

/// The answer of a token service.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Reads a token, and how many seconds it lives.
pub(super) fn token(answer: &[u8]) -> Option<(String, u64)> {
    let answer: Answer = read_json(answer)?;
    let token = answer.token.into_iter().chain(answer.access_token).find(|token| !token.is_empty())?;
    let is_plain = token.bytes().all(|b| b.is_ascii_graphic());
    is_plain.then(|| (token, answer.expires_in.unwrap_or(TOKEN_LIFE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = |realm: &str, service: &str| {
            Some(Challenge::Bearer { realm: realm.to_owned(), service: service.to_owned() })
        };
        for (header, expected) in [
            (r#"Bearer realm="https://a/t",service="b",scope="x:y:pull,push""#, bearer("https://a/t", "b")),
            (r#"bearer service=b, realm="https://a/t""#, bearer("https://a/t", "b")),
            (r#"Bearer scope="a,realm=b",realm="c""#, bearer("c", "")),
            (r#"Bearer realm="open"#, bearer("open", "")),
            (r#"Basic realm="x""#, Some(Challenge::Basic)),
            ("Basic", Some(Challenge::Basic)),
            ("Bearer", None),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn tokens_are_read() {
        assert_eq!(token(br#"{"token":"a","expires_in":300,"x":1}"#), Some(("a".to_owned(), 300)));
        assert_eq!(token(br#"{"token":"","access_token":"b"}"#), Some(("b".to_owned(), 60)));
        for bad in [&b"{}"[..], b"", b"[]", br#"{"token":"a\r\nb"}"#, br#"{"token":1}"#] {
            assert_eq!(token(bad), None);
        }
    }

    #[test]
    fn a_token_is_asked_for_by_scope() {
        let url = |realm: &str| token_url(&Url::parse(realm).unwrap(), "a b", "c/d").target;
        assert_eq!(url("https://a/t"), "/t?service=a%20b&scope=repository%3Ac%2Fd%3Apull");
        assert_eq!(url("https://a/t?x=y"), "/t?x=y&service=a%20b&scope=repository%3Ac%2Fd%3Apull");
        assert_eq!(url("https://a"), "/?service=a%20b&scope=repository%3Ac%2Fd%3Apull");
    }
}
