//! X.509 certificates (RFC 5280), as far as a token server's bundle has them: when one is valid, and its key.
//!
//! A certificate is trusted because it is in the bundle, byte for byte. Who issued it says nothing, and a
//! chain is not followed: the token servers that are in use send the name of their key (Harbor, GitLab,
//! Keycloak, docker_auth, Portus: `kid`) or their own certificate, which distribution's documentation has
//! people put into the bundle.

use lighter::clock::rfc3339;

use crate::der::{Element, INTEGER, Reader, SEQUENCE};
use crate::public_key::PublicKey;

/// The tags of the version, which is not always there, and of the two forms of a time.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A certificate of the bundle.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// All of it.
    pub(crate) der: Vec<u8>,
    /// The key as a `SubjectPublicKeyInfo`, and as what it is, if it is of a kind that is known.
    pub(crate) key_info: Vec<u8>,
    pub(crate) key: Option<PublicKey>,
    not_before: String,
    not_after: String,
}

impl Certificate {
    /// Reads a certificate, DER. The kind of its key may be unknown.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
        let mut fields = Reader::structure(der)?.sequence()?;
        fields.take_if(VERSION);
        let _serial_number = fields.take(INTEGER)?;
        let (_algorithm, _issuer) = (fields.take(SEQUENCE)?, fields.take(SEQUENCE)?);
        let mut validity = fields.sequence()?;
        let (not_before, not_after) = (time(validity.element()?)?, time(validity.element()?)?);
        let _subject = fields.take(SEQUENCE)?;
        let key_info = fields.take(SEQUENCE)?.encoded;
        let key = PublicKey::from_info(key_info).ok().flatten();
        Some(Self { der: der.to_vec(), key_info: key_info.to_vec(), key, not_before, not_after })
    }

    /// Whether a time, in seconds since 1970, is within that of the certificate.
    pub(crate) fn is_valid_at(&self, seconds: u64) -> bool {
        let time: String = rfc3339(seconds).chars().filter(char::is_ascii_digit).collect();
        (&self.not_before..=&self.not_after).contains(&&time)
    }
}

/// Reads a time: year, month, day, hour, minute and second in 14 digits, which are in the order of time.
fn time(element: Element) -> Option<String> {
    let digits = str::from_utf8(element.content).ok()?.strip_suffix('Z')?;
    let century = match element.tag {
        UTC_TIME if digits < "50" => "20",
        UTC_TIME => "19",
        GENERALIZED_TIME => "",
        _ => return None,
    };
    let time = format!("{century}{digits}");
    (time.len() == 14 && time.bytes().all(|byte| byte.is_ascii_digit())).then_some(time)
}
