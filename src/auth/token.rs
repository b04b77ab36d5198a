//! Tokens: JSON Web Tokens (RFC 7519) with the `access` claim of distribution's token
//! authentication.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::Value;
use sha2::Sha256;

use super::rules::Action;
use crate::json::read_json;

/// How far clocks may be apart, in seconds (distribution's leeway).
pub(super) const LEEWAY: u64 = 60;

/// `{"alg":"HS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// The longest token that is read, in bytes.
const LENGTH_MAX: usize = 16 * 1024;

/// What a token may be used for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceActions {
    /// `repository`, or `registry`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A repository's name, or `catalog`.
    pub name: String,
    /// What may be done; `*` is everything.
    pub actions: Vec<String>,
}

impl ResourceActions {
    fn read(access: &Value) -> Option<Self> {
        let kind = text(access.get("type")?)?;
        Some(Self { kind, name: text(access.get("name")?)?, actions: texts(access.get("actions")?)? })
    }

    /// Whether an action is among those of a resource.
    pub fn allows(&self, kind: &str, name: &str, action: &str) -> bool {
        let is_named = |named: &String| named == action || named == Action::All.as_str();
        self.kind == kind && self.name == name && self.actions.iter().any(is_named)
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The caller's name; empty for an anonymous caller.
    pub sub: String,
    /// The services that the token is for.
    pub aud: Vec<String>,
    /// When the token expires, in seconds since 1970.
    pub exp: u64,
    /// When the token becomes valid, in seconds since 1970.
    pub nbf: u64,
    /// When the token was issued, in seconds since 1970.
    pub iat: u64,
    /// The token's id.
    pub jti: String,
    /// What the token allows.
    pub access: Vec<ResourceActions>,
}

impl Claims {
    /// Reads claims. `iss`, `aud` and `exp` are required. If a claim does not have the form of RFC 7519,
    /// none is read. (Derived code for this would be 10 KB longer.)
    fn read(json: &[u8]) -> Option<Self> {
        let claims: Value = read_json(json)?;
        let text = |name: &str| claims.get(name).map_or(Some(String::new()), text);
        let time = |name: &str| claims.get(name).map_or(Some(0), Value::as_u64);
        Some(Self {
            iss: text("iss").filter(|iss| !iss.is_empty())?,
            sub: text("sub")?,
            aud: match claims.get("aud")? {
                Value::String(one) => vec![one.clone()],
                several => texts(several)?,
            },
            exp: claims.get("exp")?.as_u64()?,
            nbf: time("nbf")?,
            iat: time("iat")?,
            jti: text("jti")?,
            access: match claims.get("access") {
                None | Some(Value::Null) => Vec::new(),
                Some(access) => {
                    access.as_array()?.iter().map(ResourceActions::read).collect::<Option<_>>()?
                }
            },
        })
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(text).collect()
}

/// Why a token is refused.
#[derive(Debug, PartialEq, Eq)]
pub enum TokenError {
    /// The token was never valid for this registry. The reason is for the log.
    Invalid(&'static str),
    /// The token was valid until it expired.
    Expired(Box<Claims>),
}

/// The parts of a token. None is trusted yet.
pub struct Parts<'a> {
    /// The header, which says how the token is signed, still encoded.
    pub header: &'a str,
    /// The signed part.
    pub message: &'a str,
    /// The signature.
    pub signature: Vec<u8>,
    payload: &'a str,
}

impl<'a> Parts<'a> {
    /// Splits a token into its parts.
    pub fn of(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > LENGTH_MAX {
            return Err(TokenError::Invalid("the token is too long"));
        }
        let malformed = || TokenError::Invalid("the token is not three parts in base64url");
        let (message, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = message.split_once('.').ok_or_else(malformed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
        Ok(Self { header, message, signature, payload })
    }

    /// Decodes the header.
    pub fn header(&self) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(self.header).ok()
    }

    /// Reads and checks the claims, after the signature was verified.
    pub fn claims(&self, issuer: &str, service: &str, now: u64) -> Result<Claims, TokenError> {
        let payload = URL_SAFE_NO_PAD.decode(self.payload).ok();
        let claims = payload.and_then(|json| Claims::read(&json));
        let claims = claims.ok_or(TokenError::Invalid("the token's claims cannot be read"))?;
        if claims.iss != issuer {
            return Err(TokenError::Invalid("the token comes from another issuer"));
        }
        if !claims.aud.iter().any(|aud| aud == service) {
            return Err(TokenError::Invalid("the token is for another service"));
        }
        if claims.nbf.max(claims.iat) > now.saturating_add(LEEWAY) {
            return Err(TokenError::Invalid("the token is not valid yet"));
        }
        if claims.exp.saturating_add(LEEWAY) < now {
            return Err(TokenError::Expired(Box::new(claims)));
        }
        Ok(claims)
    }
}

/// The key that signs this registry's own tokens: HS256 (RFC 7518, 3.2).
#[derive(Clone)]
pub struct TokenKey(Hmac<Sha256>);

impl TokenKey {
    /// Derives the key from the registry's secret, so that something that is signed with the secret itself never counts
    /// as a token.
    #[expect(clippy::expect_used, reason = "an HMAC key may have any length")]
    pub fn new(secret: &[u8]) -> Self {
        let hmac = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
        Self(hmac(&hmac(secret).chain_update(b"lighter: tokens").finalize().into_bytes()))
    }

    /// Signs claims.
    #[expect(clippy::expect_used, reason = "strings and numbers can always be written as JSON")]
    pub fn sign(&self, claims: &Claims) -> String {
        let claims = serde_json::to_vec(claims).expect("serializable");
        let message = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.0.clone().chain_update(&message).finalize().into_bytes();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Checks a token that [`Self::sign`] has made.
    pub fn verify(&self, token: &str, issuer: &str, service: &str, now: u64) -> Result<Claims, TokenError> {
        let parts = Parts::of(token)?;
        // There is only one way to sign, so a token cannot choose another.
        if parts.header != HEADER {
            return Err(TokenError::Invalid("the token is not signed with HS256 as this registry signs"));
        }
        let signed = self.0.clone().chain_update(parts.message).verify_slice(&parts.signature);
        signed.map_err(|_| TokenError::Invalid("the token is not signed with this registry's key"))?;
        parts.claims(issuer, service, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        let access =
            ResourceActions { kind: "repository".into(), name: "a/b".into(), actions: vec!["pull".into()] };
        Claims {
            iss: "lighter".into(),
            sub: "ann".into(),
            aud: vec!["registry".into()],
            exp: 1300,
            nbf: 1000,
            iat: 1000,
            jti: "1".into(),
            access: vec![access],
        }
    }

    fn verify(token: &str, now: u64) -> Result<Claims, TokenError> {
        TokenKey::new(b"secret").verify(token, "lighter", "registry", now)
    }

    fn signed(claims: &Claims) -> String {
        TokenKey::new(b"secret").sign(claims)
    }

    #[test]
    fn what_was_signed_is_good_for_its_time() {
        let token = signed(&claims());
        for now in [940, 1000, 1300, 1360] {
            assert_eq!(verify(&token, now), Ok(claims()), "{now}");
        }
        assert_eq!(verify(&token, 939), Err(TokenError::Invalid("the token is not valid yet")));
        assert_eq!(verify(&token, 1361), Err(TokenError::Expired(Box::new(claims()))));
    }

    #[test]
    fn tokens_from_elsewhere_are_refused() {
        let other = TokenKey::new(b"another").sign(&claims());
        assert_eq!(
            verify(&other, 1000),
            Err(TokenError::Invalid("the token is not signed with this registry's key"))
        );
        for (wrong, reason) in [
            (Claims { iss: "x".into(), ..claims() }, "the token comes from another issuer"),
            (Claims { aud: vec!["x".into()], ..claims() }, "the token is for another service"),
            (Claims { aud: vec![], ..claims() }, "the token is for another service"),
            (Claims { nbf: 2000, ..claims() }, "the token is not valid yet"),
            (Claims { iat: 2000, nbf: 0, ..claims() }, "the token is not valid yet"),
        ] {
            assert_eq!(verify(&signed(&wrong), 1000), Err(TokenError::Invalid(reason)));
        }
        let several = Claims { aud: vec!["x".into(), "registry".into()], ..claims() };
        assert_eq!(verify(&signed(&several), 1000), Ok(several));
    }

    #[test]
    fn no_token_chooses_how_it_is_checked() {
        let token = signed(&claims());
        let (_, rest) = token.split_once('.').unwrap();
        for alg in ["none", "None", "HS512", "RS256", "hs256"] {
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#));
            let unsigned = format!("{header}.{}.", rest.split_once('.').unwrap().0);
            let reason = TokenError::Invalid("the token is not signed with HS256 as this registry signs");
            assert_eq!(verify(&format!("{header}.{rest}"), 1000), Err(reason));
            assert!(verify(&unsigned, 1000).is_err());
        }
    }

    #[test]
    fn a_token_that_was_touched_is_refused() {
        let token = signed(&claims());
        for at in 0..token.len() {
            let mut touched = token.clone();
            let other = if &token[at..=at] == "A" { "B" } else { "A" };
            touched.replace_range(at..=at, other);
            assert!(verify(&touched, 1000).is_err(), "byte {at}");
        }
        for broken in ["", ".", "..", "a.b", "a.b.c.d", "*.*.*", &"a".repeat(LENGTH_MAX + 1)] {
            assert!(verify(broken, 1000).is_err(), "{broken}");
        }
    }

    #[test]
    fn the_secret_itself_signs_no_token() {
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims()).unwrap());
        let message = format!("{HEADER}.{claims}");
        let hmac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
        let signature = URL_SAFE_NO_PAD.encode(hmac.chain_update(&message).finalize().into_bytes());
        assert!(verify(&format!("{message}.{signature}"), 1000).is_err());
    }

    #[test]
    fn the_header_is_what_it_says() {
        let header = URL_SAFE_NO_PAD.decode(HEADER).unwrap();
        assert_eq!(header, br#"{"alg":"HS256","typ":"JWT"}"#);
    }

    #[test]
    fn claims_are_read_in_every_form() {
        let read = |claims: &str| Claims::read(claims.as_bytes());
        let one = read(r#"{"iss": "i", "aud": "a", "exp": 9}"#).unwrap();
        assert_eq!((one.aud, one.exp, one.access, one.sub), (vec!["a".to_owned()], 9, vec![], String::new()));
        let access = r#"[{"type": "repository", "class": "image", "name": "a", "actions": ["*"]}]"#;
        let several =
            format!(r#"{{"iss": "i", "aud": ["a", "b"], "exp": 9, "access": {access}, "x": {{}}}}"#);
        let several = read(&several).unwrap();
        assert_eq!(several.aud.len(), 2);
        assert!(several.access[0].allows("repository", "a", "push"));
        assert_eq!(read(r#"{"iss": "i", "aud": "a", "exp": 9, "access": null}"#).unwrap().access, vec![]);
        for broken in [
            "",
            "[]",
            "{}",
            r#"{"iss": "i", "aud": "a"}"#,
            r#"{"iss": "i", "exp": 9}"#,
            r#"{"aud": "a", "exp": 9}"#,
            r#"{"iss": "i", "aud": "a", "exp": -1}"#,
            r#"{"iss": "i", "aud": "a", "exp": "9"}"#,
            r#"{"iss": "i", "aud": 1, "exp": 9}"#,
            r#"{"iss": "i", "aud": [1], "exp": 9}"#,
            r#"{"iss": "i", "aud": "a", "exp": 9, "nbf": 1.5}"#,
            r#"{"iss": "i", "aud": "a", "exp": 9, "sub": 1}"#,
            r#"{"iss": "i", "aud": "a", "exp": 9, "access": [{"type": "repository"}]}"#,
        ] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }
}
