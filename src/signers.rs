//! What signs: the state of uploads, and tokens, both by one secret. The registry makes it once and keeps it in
//! storage, unless one is configured.

use std::sync::OnceLock;

use crate::auth::token::TokenKey;
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::layout::HTTP_SECRET;
use crate::upload_state::Secret;
use lighter_storage::Storage;

/// The length of a secret that the registry makes, in bytes.
const SECRET_LENGTH: usize = 32;

/// What signs, all by one secret.
pub struct Signers {
    /// Signs the state of uploads.
    pub states: Secret,
    /// Signs tokens.
    pub tokens: TokenKey,
}

/// The signers, once they were needed.
#[derive(Default)]
pub struct LazySigners(OnceLock<Signers>);

impl LazySigners {
    /// Returns the signers: by the configured secret, or by the one that storage keeps. The first request that needs
    /// the latter makes it; of several at once, all use the one that was stored.
    pub fn get<S: Storage>(&self, storage: &S, config: &Config) -> Result<&Signers> {
        if let Some(signers) = self.0.get() {
            return Ok(signers);
        }
        let secret = match &config.http_secret {
            Some(secret) => secret.clone().into_bytes(),
            None => kept_secret(storage, config)?,
        };
        let (states, tokens) = (Secret::new(&secret), TokenKey::new(&secret));
        Ok(self.0.get_or_init(|| Signers { states, tokens }))
    }
}

/// Reads the secret that storage keeps, or makes one. A read-only registry keeps none.
fn kept_secret<S: Storage>(storage: &S, config: &Config) -> Result<Vec<u8>> {
    if let Some(secret) = storage.get(HTTP_SECRET)? {
        return stored_secret(secret);
    }
    if config.read_only && config.auth.is_some() {
        let source = "a read-only registry keeps no secret, and without one it can make no tokens; set \
                      REGISTRY_HTTP_SECRET";
        return Err(Error::from(Code::Unavailable).log(source));
    }
    let mut secret = [0; SECRET_LENGTH];
    getrandom::fill(&mut secret).map_err(|error| Error::internal(error.to_string()))?;
    // Nothing that is signed in a read-only registry can be used there, so the secret need not be kept.
    if config.read_only || storage.create(HTTP_SECRET, &secret)? {
        return Ok(secret.to_vec());
    }
    stored_secret(storage.get(HTTP_SECRET)?.unwrap_or_default())
}

/// Takes a secret from storage. A short one was not made here, and signing with it would be no better than not
/// signing.
fn stored_secret(secret: Vec<u8>) -> Result<Vec<u8>> {
    if secret.len() == SECRET_LENGTH {
        return Ok(secret);
    }
    let source = format!(
        "{HTTP_SECRET} in storage is not {SECRET_LENGTH} bytes long; remove it to have a new one made"
    );
    Err(Error::from(Code::Unavailable).log(source))
}
