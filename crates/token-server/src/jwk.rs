//! JSON Web Keys (RFC 7517, RFC 7518).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::public_key::{Algorithm, PublicKey};

/// A set of keys.
#[derive(Debug, Deserialize)]
pub(crate) struct Set {
    pub(crate) keys: Vec<Jwk>,
}

/// A key of any kind.
#[derive(Debug, Deserialize)]
pub(crate) struct Jwk {
    kty: String,
    pub(crate) kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    /// Returns the key, if its kind is known and it is meant to verify signatures. Errs with a sentence for the log if
    /// it is broken, or has a wrong size.
    pub(crate) fn public_key(&self) -> Result<Option<PublicKey>, String> {
        let algorithm = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Algorithm::Rs256,
            ("EC", Some("P-256")) => Algorithm::Es256,
            _ => return Ok(None),
        };
        if self.usage.as_deref().is_some_and(|usage| usage != "sig")
            || self.alg.as_deref().is_some_and(|alg| Algorithm::parse(alg) != Some(algorithm))
        {
            return Ok(None);
        }
        let key = match algorithm {
            Algorithm::Rs256 => PublicKey::rsa(&self.number("n", &self.n)?, &self.number("e", &self.e)?),
            Algorithm::Es256 => PublicKey::p256(&self.number("x", &self.x)?, &self.number("y", &self.y)?),
        };
        key.map(Some).map_err(|why| format!("the key {:?} {why}", self.name()))
    }

    fn number(&self, member: &str, value: &Option<String>) -> Result<Vec<u8>, String> {
        let text = value.as_deref().unwrap_or_default().trim_end_matches('=');
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(number) if !number.is_empty() => Ok(number),
            _ => Err(format!("the key {:?} has no {member:?} in base64url", self.name())),
        }
    }

    fn name(&self) -> &str {
        self.kid.as_deref().unwrap_or_default()
    }
}
