//! X.509 certificates (RFC 5280), as far as a token server's bundle needs them: the time of validity, and the key.
//!
//! A certificate is trusted because it is in the bundle, byte for byte. Its issuer is ignored, and chains are not
//! followed: the token servers in use send the name of their key (Harbor, GitLab, Keycloak, docker_auth, Portus:
//! `kid`) or their own certificate, which the operator puts into the bundle, as distribution's documentation says.

use lighter::clock::rfc3339;

use crate::der::{Element, INTEGER, Reader, SEQUENCE};
use crate::public_key::PublicKey;

/// The tags of the optional version, and of the two forms of a time.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// A certificate of the bundle.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// The whole certificate.
    pub(crate) der: Vec<u8>,
    /// The key as a `SubjectPublicKeyInfo`, and parsed if its kind is known.
    pub(crate) key_info: Vec<u8>,
    pub(crate) key: Option<PublicKey>,
    not_before: String,
    not_after: String,
}

impl Certificate {
    /// Reads a certificate in DER. The kind of its key may be unknown.
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

    /// Whether the certificate is valid at a time, in seconds since 1970.
    pub(crate) fn is_valid_at(&self, seconds: u64) -> bool {
        let time: String = rfc3339(seconds).chars().filter(char::is_ascii_digit).collect();
        (&self.not_before..=&self.not_after).contains(&&time)
    }
}

/// Reads a time: year, month, day, hour, minute and second in 14 digits, which can be
/// compared as text.
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
