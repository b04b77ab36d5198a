//! `_state`: the signed token that an upload's client carries from one request to the next.
//!
//! It is distribution's token (`registry/handlers/hmac.go`), so either registry can finish an upload that the
//! other began, if they have the same secret:
//! `base64url(HMAC-SHA256(secret, json) || json)`, with padding.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::json::read_json;

/// The length of the signature, in bytes.
const MAC_LENGTH: usize = 32;

/// The state of an upload when the token was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UploadState {
    /// The repository.
    pub name: String,
    /// The upload.
    #[serde(rename = "UUID")]
    pub uuid: String,
    /// The number of bytes that were proven to be stored, see [`upload_proof`](crate::upload_proof).
    pub offset: u64,
    /// When the upload began: RFC 3339, in UTC.
    pub started_at: String,
    /// The algorithm that a client announced with `digest-algorithm`, if it is not SHA-256.
    /// distribution ignores this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
}

/// The secret that signs and checks tokens.
pub struct Secret(Hmac<Sha256>);

impl Secret {
    /// Takes the bytes of a secret, of any length.
    #[expect(clippy::expect_used, reason = "an HMAC key may have any length")]
    pub fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("a key of any length"))
    }

    /// Signs a state.
    #[expect(clippy::expect_used, reason = "strings and a number can always be written as JSON")]
    pub fn seal(&self, state: &UploadState) -> String {
        let json = serde_json::to_vec(state).expect("serializable");
        let mut token = self.0.clone().chain_update(&json).finalize().into_bytes().to_vec();
        token.extend_from_slice(&json);
        URL_SAFE.encode(token)
    }

    /// Signs a text that is not a state, for a purpose. A text begins with no brace, so neither passes for the other.
    pub fn sign(&self, purpose: &'static str, text: &str) -> String {
        URL_SAFE.encode(self.0.clone().chain_update(purpose).chain_update(text).finalize().into_bytes())
    }

    /// Whether a signature is that of a text, for a purpose.
    pub fn has_signed(&self, purpose: &'static str, text: &str, signature: &str) -> bool {
        let signed = self.0.clone().chain_update(purpose).chain_update(text);
        URL_SAFE.decode(signature).is_ok_and(|signature| signed.verify_slice(&signature).is_ok())
    }

    /// Checks a token and returns its state. Errs with the reason, for the log.
    pub fn open(&self, token: &str) -> Result<UploadState, &'static str> {
        let token = URL_SAFE.decode(token).map_err(|_| "_state is not base64url")?;
        let (mac, json) = token.split_at_checked(MAC_LENGTH).ok_or("_state is too short")?;
        let signed = self.0.clone().chain_update(json).verify_slice(mac);
        signed.map_err(|_| "_state is not signed with this registry's secret")?;
        read_json(json).ok_or("_state is signed, but is not the state of an upload")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(name: &str, uuid: &str, offset: u64, started_at: &str) -> UploadState {
        let (name, uuid, started_at) = (name.into(), uuid.into(), started_at.into());
        UploadState { name, uuid, offset, started_at, algorithm: None }
    }

    fn vectors() -> [(&'static [u8], UploadState, &'static str); 2] {
        [
            (
                b"asecret",
                state("demo1/demo1", "11501b54-0000-4000-8000-000000000001", 434, "2025-11-11T02:57:30Z"),
                "C4xnCzvuXjEXgWyMhNs476c3-teSR8jXM4DuqJwPN_d7Ik5hbWUiOiJkZW1vMS9kZW1vMSIsIlVVSUQiOiIxMTUwMWI1NC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDEiLCJPZmZzZXQiOjQzNCwiU3RhcnRlZEF0IjoiMjAyNS0xMS0xMVQwMjo1NzozMFoifQ==",
            ),
            (
                b"s",
                state("a", "u", 0, "2025-11-11T02:57:30.123456789Z"),
                "ZqMwzvVqe9cNk_-Lr9EoEmMvlgu1Wsy9-O5LP-EwblZ7Ik5hbWUiOiJhIiwiVVVJRCI6InUiLCJPZmZzZXQiOjAsIlN0YXJ0ZWRBdCI6IjIwMjUtMTEtMTFUMDI6NTc6MzAuMTIzNDU2Nzg5WiJ9",
            ),
        ]
    }

    #[test]
    fn tokens_are_distributions_in_both_directions() {
        for (secret, state, token) in vectors() {
            let secret = Secret::new(secret);
            assert_eq!(secret.seal(&state), token);
            assert_eq!(secret.open(token), Ok(state));
        }
    }

    #[test]
    fn a_token_that_was_touched_is_refused() {
        let [(secret, _, token), (_, _, foreign)] = vectors();
        let secret = Secret::new(secret);
        assert_eq!(secret.open(foreign), Err("_state is not signed with this registry's secret"));
        assert_eq!(secret.open(""), Err("_state is too short"));
        assert_eq!(secret.open("e30="), Err("_state is too short"));
        assert_eq!(secret.open("*"), Err("_state is not base64url"));
        assert_eq!(secret.open(&token.replace('=', "")), Err("_state is not base64url"));
        for at in 0..token.len() - 2 {
            let mut touched = token.to_owned();
            let other = if &token[at..=at] == "A" { "B" } else { "A" };
            touched.replace_range(at..=at, other);
            assert!(secret.open(&touched).is_err(), "byte {at}");
        }
    }

    #[test]
    fn an_announced_algorithm_travels_along() {
        let secret = Secret::new(b"s");
        let state =
            UploadState { algorithm: Some("sha512".into()), ..state("a", "u", 0, "2025-11-11T02:57:30Z") };
        assert_eq!(secret.open(&secret.seal(&state)), Ok(state));
    }
}
