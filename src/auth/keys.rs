//! The public keys of an outside token server, which verify the signatures of its tokens.
//!
//! The key of a token is found as distribution does (`registry/auth/token/token.go`): by the chain of
//! certificates in the token's header, by the key in it, or by a key's name. Two algorithms are known,
//! `RS256` and `ES256`, and a key serves the one of its type alone: no token can choose what its key is
//! taken for.

mod certificate;
mod der;
mod jwk;
mod modular;
mod pem;
mod public_key;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use certificate::{Certificate, Time};
pub use jwk::Jwk;
use public_key::{Algorithm, PublicKey};

/// How many certificates a token may bring along. More are not looked at.
const MAX_CHAIN: usize = 5;

/// The keys of an outside token server.
#[derive(Debug)]
pub struct Keys {
    keys: Vec<Key>,
    /// Whom to believe about other keys.
    certificates: Vec<Certificate>,
}

/// A key and what it is called.
#[derive(Debug)]
struct Key {
    public: PublicKey,
    names: Vec<String>,
}

/// The header of a token, which says how it is signed, to be read from JSON (RFC 7515, 4.1). Other
/// members are passed over.
#[derive(Debug, Deserialize)]
pub struct Header {
    /// The algorithm.
    pub alg: String,
    /// The name of the key.
    pub kid: Option<String>,
    /// The certificate of the key in base64, and each further one certifies the one before.
    pub x5c: Option<Vec<String>>,
    /// The key itself.
    pub jwk: Option<Jwk>,
    /// What must be understood. Nothing is.
    crit: Option<IgnoredAny>,
}

impl Keys {
    /// Reads a set of keys, JSON (RFC 7517, 5): those with RSA of 2048 to 4096 bits, and with the curve
    /// P-256. Keys of other kinds, for another use or another algorithm are passed over. Errs with a
    /// sentence for the log if the text is broken or no key is left.
    pub fn from_jwks(json: &str) -> Result<Self, String> {
        let set: jwk::Set = serde_json::from_slice(json.as_bytes())
            .map_err(|error| format!("this is no set of JSON Web Keys: {error}"))?;
        let mut keys = Vec::new();
        for key in set.keys {
            let Some(public) = key.public_key()? else { continue };
            let names = key.kid.into_iter().chain([public.thumbprint()]).collect();
            keys.push(Key { public, names });
        }
        Self::some(keys, Vec::new())
    }

    /// Reads certificates, PEM, as distribution does from `REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE`, and bare
    /// public keys (`PUBLIC KEY`). Keys of other kinds than in [`from_jwks`](Self::from_jwks) and what
    /// else stands in the text are passed over. Errs with a sentence for the log if the text is broken or
    /// no key is left.
    pub fn from_certificates(pem: &str) -> Result<Self, String> {
        let (mut keys, mut certificates) = (Vec::new(), Vec::new());
        for (number, block) in (1..).zip(pem::blocks(pem)) {
            let (label, mut info) = block?;
            let wrong = |why| format!("{label} {number} of the bundle {why}");
            if label == pem::CERTIFICATE {
                let certificate = Certificate::parse(&info).ok_or_else(|| wrong("is broken".to_owned()))?;
                info = certificate.key_info.clone();
                certificates.push(certificate);
            }
            let Some(public) = PublicKey::from_info(&info).map_err(wrong)? else { continue };
            let names = vec![public_key::fingerprint(&info), public.thumbprint()];
            keys.push(Key { public, names });
        }
        Self::some(keys, certificates)
    }

    fn some(keys: Vec<Key>, certificates: Vec<Certificate>) -> Result<Self, String> {
        if keys.is_empty() {
            return Err("there is no key of RSA or P-256 that verifies signatures".to_owned());
        }
        Ok(Self { keys, certificates })
    }

    /// Adds the keys of another source.
    pub fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.certificates.extend(other.certificates);
    }

    /// Whether a token's signature is of one of the keys, at a time in seconds since 1970. The message is
    /// what is signed, the token up to its second dot.
    ///
    /// If the header has certificates and there are some here, the first must be one of these or lead to
    /// one. Else a key in the header must be a known one; else the key's name selects it: the `kid` of a
    /// JSON Web Key, or the fingerprint of libtrust of a certificate's key, or the thumbprint (RFC 7638)
    /// of any. If nothing names a key and there is only one of the type, it is that one.
    pub fn verify(&self, header: &Header, message: &[u8], signature: &[u8], now: u64) -> bool {
        let Some(algorithm) = Algorithm::parse(&header.alg) else { return false };
        let is_signed_by = |key: &PublicKey| key.verify(algorithm, message, signature);
        if header.crit.is_some() {
            return false;
        }
        if let Some(chain) = header.x5c.as_deref()
            && !chain.is_empty()
            && !self.certificates.is_empty()
        {
            return self.certified(chain, &Time::of(now)).is_some_and(|key| is_signed_by(&key));
        }
        if let Some(jwk) = &header.jwk {
            let Ok(Some(key)) = jwk.public_key() else { return false };
            return self.keys.iter().any(|known| known.public == key) && is_signed_by(&key);
        }
        if let Some(kid) = &header.kid {
            return self.keys.iter().any(|key| key.names.contains(kid) && is_signed_by(&key.public));
        }
        let mut fitting = self.keys.iter().filter(|key| key.public.algorithm() == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => is_signed_by(&only.public),
            _ => false,
        }
    }

    /// Returns the key of a chain's first certificate, if the chain leads to one of ours.
    fn certified(&self, chain: &[String], now: &Time) -> Option<PublicKey> {
        if chain.len() > MAX_CHAIN {
            return None;
        }
        let parse = |text: &String| Certificate::parse(&STANDARD.decode(text).ok()?);
        let chain = chain.iter().map(parse).collect::<Option<Vec<_>>>()?;
        for (at, certificate) in chain.iter().enumerate() {
            if !certificate.is_valid_at(now) {
                return None;
            }
            if self.certificates.contains(certificate) {
                break;
            }
            if !certificate.is_understood() {
                return None;
            }
            let issued =
                |issuer: &&Certificate| issuer.is_valid_at(now) && issuer.has_issued(certificate, at);
            if self.certificates.iter().any(|anchor| issued(&anchor)) {
                break;
            }
            chain.get(at + 1).filter(|next| !next.is_unmarked()).filter(issued)?;
        }
        chain.into_iter().next()?.key
    }
}
