//! A public key, and the check of its signatures.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U64, U2048, U4096, Uint};
use p256::AffinePoint;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::elliptic_curve::point::AffineCoordinates;
use sha2::{Digest, Sha256};

use crate::der::{OBJECT_IDENTIFIER, Reader};

/// `rsaEncryption`, 1.2.840.113549.1.1.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `id-ecPublicKey`, 1.2.840.10045.2.1.
const ELLIPTIC_CURVE: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// `prime256v1`, 1.2.840.10045.3.1.7.
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The prefix of a SHA-256 that is signed with RSA (RFC 8017, 9.2).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0, 4, 32,
];

/// The number of bytes of a number of P-256.
const P256_LENGTH: usize = 32;

/// The parameters for powers modulo a number: in the length of nearly all keys, or in the longest that is accepted. Code
/// for any length would take 40 KB more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there are few, for as long as an instance lives")]
pub(crate) enum Modulus {
    Bits2048(FixedMontyParams<{ U2048::LIMBS }>),
    Bits4096(FixedMontyParams<{ U4096::LIMBS }>),
}

impl Modulus {
    /// Takes a big-endian number of at most 4096 bits. Returns `None` for an even one.
    fn new(bytes: &[u8]) -> Option<Self> {
        Some(if bytes.len() <= U2048::BYTES {
            Self::Bits2048(FixedMontyParams::new_vartime(Odd::new(number(bytes)).into_option()?))
        } else {
            Self::Bits4096(FixedMontyParams::new_vartime(Odd::new(number(bytes)).into_option()?))
        })
    }

    /// Whether a power of a number equals another number. Returns `false` if the number is not less than the modulus.
    fn has_power(&self, base: &[u8], exponent: u32, expected: &[u8]) -> bool {
        match self {
            Self::Bits2048(parameters) => has_power(parameters, base, exponent, expected),
            Self::Bits4096(parameters) => has_power(parameters, base, exponent, expected),
        }
    }
}

/// Whether a power of a number equals another one. All numbers are public, so the time may depend on them.
fn has_power<const LIMBS: usize>(
    parameters: &FixedMontyParams<LIMBS>,
    base: &[u8],
    exponent: u32,
    expected: &[u8],
) -> bool {
    let base = number(base);
    base < *parameters.modulus().as_ref()
        && FixedMontyForm::new(&base, parameters).pow_vartime(&U64::from_u32(exponent)).retrieve()
            == number(expected)
}

/// Reads a big-endian number of at most as many bits as the type has.
fn number<const LIMBS: usize>(bytes: &[u8]) -> Uint<LIMBS> {
    Uint::from_be_slice_truncated(bytes, Uint::<LIMBS>::BITS)
}

/// How a token is signed (RFC 7518, 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RSA with PKCS #1 v1.5 and SHA-256.
    Rs256,
    /// ECDSA with the curve P-256 and SHA-256.
    Es256,
}

impl Algorithm {
    /// Finds an algorithm by its name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// A public key. It serves one algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// A modulus of 2048 to 4096 bits, big-endian and as powers are computed with it, and an exponent.
    Rsa { bytes: Vec<u8>, modulus: Box<Modulus>, exponent: u32 },
    /// A point on the curve.
    P256(VerifyingKey),
}

impl PublicKey {
    /// Makes a key from big-endian numbers. Errs with the reason.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, String> {
        let modulus = trim(modulus);
        let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !(2048..=4096).contains(&bits) {
            return Err(format!("has {bits} bits; RSA keys must have 2048 to 4096"));
        }
        let exponent = trim(exponent);
        let value = exponent.iter().fold(0, |value: u32, byte| value << 8 | u32::from(*byte));
        match Modulus::new(modulus).filter(|_| exponent.len() <= 4 && value >= 3 && value % 2 == 1) {
            Some(number) => {
                Ok(Self::Rsa { bytes: modulus.to_vec(), modulus: Box::new(number), exponent: value })
            }
            None => Err("is RSA with invalid numbers".to_owned()),
        }
    }

    /// Makes a key from the big-endian coordinates of a point. Errs with the reason.
    pub(crate) fn p256(x: &[u8], y: &[u8]) -> Result<Self, String> {
        let coordinates = <[u8; P256_LENGTH]>::try_from(x).ok().zip(<[u8; P256_LENGTH]>::try_from(y).ok());
        // Not through an encoded point: that may be compressed, and the code to decompress it would be in the component.
        let point = coordinates.map(|(x, y)| AffinePoint::from_coordinates(&x.into(), &y.into()));
        let key = point.and_then(|point| VerifyingKey::from_affine(point.into_option()?).ok());
        key.map(Self::P256).ok_or_else(|| "is not a point on P-256".to_owned())
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280, RFC 3279, RFC 5480), if its kind is known. Errs with
    /// the reason.
    pub(crate) fn from_info(der: &[u8]) -> Result<Option<Self>, String> {
        let broken = || "has a broken key".to_owned();
        let Info { algorithm, curve, key } = Info::parse(der).ok_or_else(broken)?;
        match (algorithm, curve) {
            (RSA, _) => {
                let (modulus, exponent) = pair(key).ok_or_else(broken)?;
                Self::rsa(modulus, exponent).map(Some)
            }
            (ELLIPTIC_CURVE, Some(P256)) => {
                let point = key.strip_prefix(&[4]).and_then(|point| point.split_at_checked(P256_LENGTH));
                let (x, y) = point.ok_or_else(broken)?;
                Self::p256(x, y).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The algorithm that it serves.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
        }
    }

    /// Whether it has signed a message. A signature of `ES256` is two numbers of 32 bytes.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if self.algorithm() != algorithm {
            return false;
        }
        let hash: [u8; 32] = Sha256::digest(message).into();
        match self {
            // The signed bytes are compared as a whole, and never parsed.
            Self::Rsa { bytes, modulus, exponent } => {
                signature.len() == bytes.len()
                    && modulus.has_power(signature, *exponent, &padded(&hash, bytes.len()))
            }
            Self::P256(key) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(&hash, &signature).is_ok()),
        }
    }

    /// The thumbprint, a name that follows from the key itself (RFC 7638).
    pub(crate) fn thumbprint(&self) -> String {
        let json = match self {
            Self::Rsa { bytes, exponent, .. } => {
                let (e, n) = (base64url(trim(&exponent.to_be_bytes())), base64url(bytes));
                format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
            }
            Self::P256(key) => {
                let point = key.as_affine();
                let (x, y) = (base64url(&point.x()), base64url(&point.y()));
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
        };
        base64url(&Sha256::digest(json))
    }
}

/// Returns the name that libtrust gives to the key in a `SubjectPublicKeyInfo`: 240 bits of its SHA-256 in
/// base32, with colons.
pub(crate) fn fingerprint(info: &[u8]) -> String {
    let hash = Sha256::digest(info);
    let mut name = String::with_capacity(59);
    for (group, bytes) in hash.chunks_exact(5).take(6).enumerate() {
        let bits = bytes.iter().fold(0, |bits: u64, byte| bits << 8 | u64::from(*byte));
        for place in 0..8 {
            if place % 4 == 0 && group + place > 0 {
                name.push(':');
            }
            let digit = (bits >> (35 - 5 * place) & 31) as u8;
            name.push(char::from(if digit < 26 { b'A' + digit } else { b'2' + digit - 26 }));
        }
    }
    name
}

/// The parts of a `SubjectPublicKeyInfo`.
struct Info<'a> {
    algorithm: &'a [u8],
    curve: Option<&'a [u8]>,
    key: &'a [u8],
}

impl<'a> Info<'a> {
    fn parse(der: &'a [u8]) -> Option<Self> {
        let mut info = Reader::structure(der)?;
        let mut algorithm = info.sequence()?;
        let key = info.bits()?;
        info.end()?;
        let name = algorithm.take(OBJECT_IDENTIFIER)?.content;
        let curve = algorithm.take_if(OBJECT_IDENTIFIER).map(|curve| curve.content);
        Some(Self { algorithm: name, curve, key })
    }
}

/// Reads a structure of two numbers.
fn pair(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut pair = Reader::structure(der)?;
    let numbers = (pair.unsigned()?, pair.unsigned()?);
    pair.end()?;
    Some(numbers)
}

/// Returns the bytes that RSA signs for a SHA-256 (RFC 8017, 9.2).
fn padded(hash: &[u8], length: usize) -> Vec<u8> {
    let mut padded = vec![0, 1];
    padded.resize(length.saturating_sub(DIGEST_INFO.len() + hash.len() + 1), 0xff);
    padded.push(0);
    padded.extend_from_slice(&DIGEST_INFO);
    padded.extend_from_slice(hash);
    padded
}

/// Takes away the zeros at the beginning of a big-endian number.
fn trim(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_less_than_the_modulus() {
        let has_power = |modulus: &[u8], base: &[u8], exponent, power: &[u8]| {
            Modulus::new(modulus).unwrap().has_power(base, exponent, power)
        };
        assert!(has_power(&[7], &[3], 5, &[5]) && !has_power(&[7], &[3], 5, &[4]));
        assert!(has_power(&[1, 0, 0, 0, 1], &[0, 0, 1, 0, 0], 3, &[0xff, 0xff, 0, 1]));
        for base in [7, 8] {
            assert!(!has_power(&[7], &[base], 3, &[0]) && !has_power(&[7], &[base], 3, &[1]));
        }
        assert!(Modulus::new(&[8]).is_none() && Modulus::new(&[0xfe; 512]).is_none());
        // One less than the modulus is minus one, in each length.
        for length in 250..=512 {
            let ones = vec![0xff; length];
            let mut less = ones.clone();
            less[length - 1] -= 1;
            assert!(has_power(&ones, &less, 65_537, &less), "{length}");
            assert!(!has_power(&ones, &ones, 65_537, &vec![0; length]));
        }
    }

    #[test]
    fn padding_fills_what_is_left() {
        let padded = padded(&[7; 32], 256);
        assert_eq!(padded.len(), 256);
        assert_eq!(padded[..3], [0, 1, 0xff]);
        assert_eq!(padded[203..206], [0xff, 0, 0x30]);
        assert_eq!(padded[224..], [7; 32]);
    }
}
