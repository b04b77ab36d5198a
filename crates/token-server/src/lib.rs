//! The public keys of an outside token server, which verify the signatures of its tokens. A registry with
//! `REGISTRY_AUTH=token` needs them.
//!
//! The key of a token is found as distribution does (`registry/auth/token/token.go`): by the certificate in
//! the token's header, by the key in it, or by a key's name. Unlike in distribution, the certificate itself must
//! be in the bundle. Two algorithms are known, `RS256` and `ES256`, and a key serves only the one of its type, so a
//! token cannot choose how its key is used.

mod certificate;
mod der;
mod jwk;
mod pem;
mod public_key;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use certificate::Certificate;
use jwk::Jwk;
use lighter::auth::{TokenServer, VerifyToken};
use lighter::json::read_json;
use lighter_storage::Settings;
use public_key::{Algorithm, PublicKey};

const JWKS: &str = "REGISTRY_AUTH_TOKEN_JWKS";
const CERTIFICATES: &str = "REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE";

/// The keys of a token server, to be handed to a registry.
pub const TOKEN_SERVER: TokenServer = TokenServer { variables: &[JWKS, CERTIFICATES], open };

/// Reads the keys from the files that the settings name.
fn open(settings: &Settings) -> Result<Box<dyn VerifyToken>, String> {
    let wrong = |name: &'static str| move |error: String| format!("{name}: {error}");
    let jwks = settings.file(JWKS).map(|file| Keys::from_jwks(&file?).map_err(wrong(JWKS)));
    let certificates =
        settings.file(CERTIFICATES).map(|file| Keys::from_certificates(&file?).map_err(wrong(CERTIFICATES)));
    let mut sources = [jwks, certificates].into_iter().flatten();
    let first = sources.next();
    let mut all = first
        .ok_or_else(|| format!("REGISTRY_AUTH is token, and neither {JWKS} nor {CERTIFICATES} is set"))??;
    for more in sources {
        all.extend(more?);
    }
    Ok(Box::new(all))
}

/// The keys of an outside token server.
#[derive(Debug)]
struct Keys {
    keys: Vec<TrustedKey>,
    certificates: Vec<Certificate>,
}

/// A key and its names.
#[derive(Debug)]
struct TrustedKey {
    public: PublicKey,
    names: Vec<String>,
}

/// The header of a token, which says how it is signed, to be read from JSON (RFC 7515, 4.1). Other
/// members are ignored.
#[derive(Debug, Deserialize)]
struct Header {
    /// The algorithm.
    alg: String,
    /// The name of the key.
    kid: Option<String>,
    /// The certificate of the key in base64. Further ones are ignored.
    x5c: Option<Vec<String>>,
    /// The key itself.
    jwk: Option<Jwk>,
    /// The members that the registry must understand. It understands none, so a token with this member is refused.
    crit: Option<IgnoredAny>,
}

impl VerifyToken for Keys {
    fn verify(&self, header: &[u8], message: &[u8], signature: &[u8], now: u64) -> Result<(), &'static str> {
        let header = read_json(header).ok_or("the token's header cannot be read")?;
        self.verify_as(&header, message, signature, now)
    }
}

impl Keys {
    /// Reads a JSON Web Key Set (RFC 7517, 5): the keys with RSA of 2048 to 4096 bits, and those with the curve P-256.
    /// Keys of other kinds, for another use or for another algorithm are ignored. Errs with a
    /// sentence for the log if the text is broken or no key is left.
    fn from_jwks(json: &str) -> Result<Self, String> {
        let set: jwk::Set =
            serde_json::from_str(json).map_err(|error| format!("not a JSON Web Key Set: {error}"))?;
        let mut keys = Vec::new();
        for key in set.keys {
            let Some(public) = key.public_key()? else { continue };
            let names = key.kid.into_iter().chain([public.thumbprint()]).collect();
            keys.push(TrustedKey { public, names });
        }
        Self::some(keys, Vec::new())
    }

    /// Reads certificates in PEM, as distribution does from `REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE`, and bare
    /// public keys (`PUBLIC KEY`). Keys of other kinds than in [`from_jwks`](Self::from_jwks) and any
    /// other text are ignored. Errs with a sentence for the log if the text is broken or
    /// no key is left.
    fn from_certificates(pem: &str) -> Result<Self, String> {
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
            keys.push(TrustedKey { public, names });
        }
        Self::some(keys, certificates)
    }

    fn some(keys: Vec<TrustedKey>, certificates: Vec<Certificate>) -> Result<Self, String> {
        if keys.is_empty() {
            return Err("there is no RSA or P-256 key for verifying signatures".to_owned());
        }
        Ok(Self { keys, certificates })
    }

    /// Adds the keys of another source.
    fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.certificates.extend(other.certificates);
    }

    /// Checks that one of the keys has signed a token, at a time in seconds since 1970. The message is the signed part, the
    /// token up to its second dot. Errs with the reason, for the log.
    ///
    /// If the header has certificates, and the bundle has some, the first must be in the bundle, and valid. Otherwise a key
    /// in the header must be a known one. Otherwise the key's name selects it: the `kid` of a JSON Web Key, the libtrust
    /// fingerprint of a certificate's key, or the thumbprint (RFC 7638) of any key. If the header names no key and there is
    /// only one of the type, that one is used.
    fn verify_as(
        &self,
        header: &Header,
        message: &[u8],
        signature: &[u8],
        now: u64,
    ) -> Result<(), &'static str> {
        let algorithm = Algorithm::parse(&header.alg).ok_or("the token is not signed with RS256 or ES256")?;
        if header.crit.is_some() {
            return Err("the token's header has a critical member that this registry does not know");
        }
        let keys = self.named_by(header, algorithm, now)?;
        if keys.is_empty() {
            return Err("the token names a key that this registry does not know");
        }
        let is_signed = keys.iter().any(|key| key.verify(algorithm, message, signature));
        is_signed.then_some(()).ok_or("the token is not signed by the token server")
    }

    /// Finds the keys that a header names.
    fn named_by(
        &self,
        header: &Header,
        algorithm: Algorithm,
        now: u64,
    ) -> Result<Vec<&PublicKey>, &'static str> {
        let first = header.x5c.as_deref().and_then(<[String]>::first);
        if let Some(first) = first.filter(|_| !self.certificates.is_empty()) {
            let certificate = STANDARD.decode(first).ok().and_then(|der| self.certificate(&der));
            let certificate =
                certificate.ok_or("the token's certificate is not in the bundle; chains are not followed")?;
            if !certificate.is_valid_at(now) {
                return Err("the token's certificate is not valid at this time");
            }
            return Ok(certificate.key.iter().collect());
        }
        let keys = self.keys.iter();
        if let Some(jwk) = &header.jwk {
            let key = jwk.public_key().ok().flatten();
            return Ok(keys
                .map(|known| &known.public)
                .filter(|known| Some(*known) == key.as_ref())
                .collect());
        }
        if let Some(kid) = &header.kid {
            return Ok(keys.filter(|key| key.names.contains(kid)).map(|key| &key.public).collect());
        }
        let fitting: Vec<_> =
            keys.map(|key| &key.public).filter(|key| key.algorithm() == algorithm).collect();
        if fitting.len() > 1 {
            return Err("the token names no key, and there are several");
        }
        Ok(fitting)
    }

    fn certificate(&self, der: &[u8]) -> Option<&Certificate> {
        self.certificates.iter().find(|certificate| certificate.der == der)
    }
}
