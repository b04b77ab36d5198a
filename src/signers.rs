//! The signers of uploads' state and of tokens, which share one secret. The registry makes the secret once and keeps it in
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

/// The signers, which share one secret.
pub struct Signers {
    /// Signs the state of uploads.
    pub states: Secret,
    /// Signs tokens.
    pub tokens: TokenKey,
}

/// The signers, made when they are first needed.
#[derive(Default)]
pub struct LazySigners(OnceLock<Signers>);

impl LazySigners {
    /// Returns the signers, with the configured secret or the one in storage. The first request that needs the latter
    /// makes it; if several do so at once, all use the one that was stored.
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

/// Reads the secret from storage, or makes one. A read-only registry stores none.
fn kept_secret<S: Storage>(storage: &S, config: &Config) -> Result<Vec<u8>> {
    if let Some(secret) = storage.get(HTTP_SECRET)? {
        return stored_secret(secret);
    }
    if config.read_only && config.auth.is_some() {
        let source = "a read-only registry cannot store a secret, and it needs one to sign tokens; set \
                      REGISTRY_HTTP_SECRET";
        return Err(Error::from(Code::Unavailable).with_source(source));
    }
    let mut secret = [0; SECRET_LENGTH];
    getrandom::fill(&mut secret).map_err(|error| Error::internal(error.to_string()))?;
    // A signed state cannot be used in a read-only registry, so the secret need not be stored.
    if config.read_only || storage.create(HTTP_SECRET, &secret)? {
        return Ok(secret.to_vec());
    }
    stored_secret(storage.get(HTTP_SECRET)?.unwrap_or_default())
}

/// Checks a secret from storage. Lighter did not make a shorter one, and signing with it would protect nothing.
fn stored_secret(secret: Vec<u8>) -> Result<Vec<u8>> {
    if secret.len() == SECRET_LENGTH {
        return Ok(secret);
    }
    let source = format!(
        "{HTTP_SECRET} in storage is not {SECRET_LENGTH} bytes long; remove it to have a new one made"
    );
    Err(Error::from(Code::Unavailable).with_source(source))
}
