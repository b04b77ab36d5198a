//! X.509 certificates (RFC 5280), as far as a token server has them.
//!
//! A chain is made of signatures, names, times and of who may issue. What a certificate is for, the names
//! of hosts and revocation say nothing about a token. An issuer whose names are constrained is not
//! believed, and neither is a certificate with a critical extension that is not known here.

use super::der::{BIT_STRING, Element, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE};
use super::public_key::{Algorithm, PublicKey};
use crate::clock::rfc3339;

/// `sha256WithRSAEncryption`, 1.2.840.113549.1.1.11.
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
/// `ecdsa-with-SHA256`, 1.2.840.10045.4.3.2.
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// The tags of what is not always there: the version, two numbers that nobody uses, the extensions.
const VERSION: u8 = 0xa0;
const ISSUER_ID: u8 = 0x81;
const SUBJECT_ID: u8 = 0x82;
const EXTENSIONS: u8 = 0xa3;

const BOOLEAN: u8 = 0x01;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The names of the extensions that are known, 2.5.29.x.
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const SUBJECT_NAMES: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];

/// `keyCertSign`, the sixth bit of a key's usage.
const SIGNS_CERTIFICATES: u8 = 0x04;

/// A time: year, month, day, hour, minute and second in 14 digits.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time(String);

impl Time {
    /// The time so many seconds after 1970 began.
    pub(super) fn of(seconds: u64) -> Self {
        Self(rfc3339(seconds).chars().filter(char::is_ascii_digit).collect())
    }

    fn read(element: Element) -> Option<Self> {
        let digits = str::from_utf8(element.content).ok()?.strip_suffix('Z')?;
        let century = match element.tag {
            UTC_TIME if digits < "50" => "20",
            UTC_TIME => "19",
            GENERALIZED_TIME => "",
            _ => return None,
        };
        let time = format!("{century}{digits}");
        (time.len() == 14 && time.bytes().all(|byte| byte.is_ascii_digit())).then_some(Self(time))
    }
}

/// A certificate.
#[derive(Debug)]
pub(super) struct Certificate {
    /// All of it.
    der: Vec<u8>,
    /// What is signed, how, and the signature. `None` if we do not know how.
    signed: Vec<u8>,
    algorithm: Option<Algorithm>,
    signature: Vec<u8>,
    /// Whose the key is, and who says so.
    subject: Vec<u8>,
    issuer: Vec<u8>,
    /// The key as a `SubjectPublicKeyInfo`, and as what it is, if we know that.
    pub(super) key_info: Vec<u8>,
    pub(super) key: Option<PublicKey>,
    not_before: Time,
    not_after: Time,
    extensions: Option<Extensions>,
}

/// What the extensions of a certificate say.
#[derive(Debug, Default)]
struct Extensions {
    /// It may issue others, and so many issuers may come between.
    issues: Option<usize>,
    /// It has a usage, and that is not to issue others.
    has_other_usage: bool,
    /// It may issue others with some names.
    has_name_constraints: bool,
    /// One is critical and not known here.
    is_beyond_us: bool,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Certificate {
    /// Reads a certificate, DER. The kind of its key may be unknown.
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        let mut certificate = Reader::structure(der)?;
        let signed = certificate.element()?;
        let algorithm = certificate.element()?;
        let signature = certificate.bits()?;
        certificate.end()?;

        let mut fields = Reader::structure(signed.encoded)?;
        fields.take_if(VERSION);
        let _serial_number = fields.take(INTEGER)?;
        if fields.element()?.encoded != algorithm.encoded {
            return None;
        }
        let issuer = fields.take(SEQUENCE)?;
        let mut validity = fields.sequence()?;
        let (not_before, not_after) = (Time::read(validity.element()?)?, Time::read(validity.element()?)?);
        validity.end()?;
        let subject = fields.take(SEQUENCE)?;
        let key_info = fields.take(SEQUENCE)?.encoded;
        fields.take_if(ISSUER_ID);
        fields.take_if(SUBJECT_ID);
        let extensions = match fields.take_if(EXTENSIONS) {
            Some(extensions) => Some(Extensions::read(extensions.content)?),
            None => None,
        };
        fields.end()?;

        let name = Reader::structure(algorithm.encoded)?.take(OBJECT_IDENTIFIER)?.content;
        Some(Self {
            der: der.to_vec(),
            signed: signed.encoded.to_vec(),
            algorithm: match name {
                SHA256_WITH_RSA => Some(Algorithm::Rs256),
                ECDSA_WITH_SHA256 => Some(Algorithm::Es256),
                _ => None,
            },
            signature: signature.to_vec(),
            subject: subject.encoded.to_vec(),
            issuer: issuer.encoded.to_vec(),
            key: PublicKey::from_info(key_info).ok().flatten(),
            key_info: key_info.to_vec(),
            not_before,
            not_after,
            extensions,
        })
    }

    /// Whether a time is within that of the certificate.
    pub(super) fn is_valid_at(&self, time: &Time) -> bool {
        (&self.not_before..=&self.not_after).contains(&time)
    }

    /// Whether nothing critical in it is unknown.
    pub(super) fn is_understood(&self) -> bool {
        self.extensions.as_ref().is_none_or(|extensions| !extensions.is_beyond_us)
    }

    /// Whether it says nothing about whether it may issue others, as those of the first version do. An
    /// operator may trust such a one.
    pub(super) fn is_unmarked(&self) -> bool {
        self.extensions.is_none()
    }

    /// Whether it may have issued another, below which there are so many issuers, and has.
    pub(super) fn has_issued(&self, other: &Self, between: usize) -> bool {
        let may_issue = self.extensions.as_ref().is_none_or(|extensions| extensions.may_issue(between));
        let (Some(key), Some(algorithm)) = (&self.key, other.algorithm) else { return false };
        may_issue
            && self.subject == other.issuer
            && key.verify_der(algorithm, &other.signed, &other.signature)
    }
}

impl Extensions {
    fn read(der: &[u8]) -> Option<Self> {
        let mut all = Self::default();
        let mut extensions = Reader::structure(der)?;
        while !extensions.is_empty() {
            let mut extension = extensions.sequence()?;
            let name = extension.take(OBJECT_IDENTIFIER)?.content;
            let is_critical = match extension.take_if(BOOLEAN).map(|critical| critical.content) {
                Some([0xff]) => true,
                Some(_) => return None,
                None => false,
            };
            let value = extension.take(OCTET_STRING)?.content;
            extension.end()?;
            match name {
                BASIC_CONSTRAINTS => all.issues = basic_constraints(value)?,
                KEY_USAGE => {
                    let (_unused, usage) = Reader::new(value).take(BIT_STRING)?.content.split_first()?;
                    all.has_other_usage = usage.first().is_none_or(|usage| usage & SIGNS_CERTIFICATES == 0);
                }
                NAME_CONSTRAINTS => all.has_name_constraints = true,
                SUBJECT_NAMES | EXTENDED_KEY_USAGE => {}
                _ => all.is_beyond_us |= is_critical,
            }
        }
        Some(all)
    }

    fn may_issue(&self, between: usize) -> bool {
        let issues = self.issues.is_some_and(|most| between <= most);
        issues && !self.has_other_usage && !self.has_name_constraints && !self.is_beyond_us
    }
}

/// Reads who may issue, and how many issuers may come between.
#[expect(clippy::option_option, reason = "the outer one is that this is no DER")]
fn basic_constraints(der: &[u8]) -> Option<Option<usize>> {
    let mut constraints = Reader::structure(der)?;
    let is_issuer = constraints.take_if(BOOLEAN).is_some_and(|is| is.content == [0xff]);
    let most = match constraints.is_empty() {
        true => usize::MAX,
        false => match constraints.unsigned()? {
            [] => 0,
            [most] => usize::from(*most),
            _ => usize::MAX,
        },
    };
    constraints.end()?;
    Some(is_issuer.then_some(most))
}
