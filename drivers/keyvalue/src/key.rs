//! Keys: of the contract, and of the store.

use sha2::{Digest, Sha256};

use crate::bucket::{Error, Result};

/// The longest key that every store takes, in bytes.
const LIMIT: usize = 255;

/// Stands before the hash. It is in no key of the contract.
const HASHED: char = '~';

/// Fails unless a key, or a prefix of keys, is of the form that `wit/types.wit` states.
pub(crate) fn check(key: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed);
    if key.split('/').all(is_segment) {
        return Ok(());
    }
    Err(Error::Other(format!("{key:?} is not a key")))
}

/// Returns the prefix that a key is directly under, which may be empty, and its last segment.
pub(crate) fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

/// The store's key of one kind for a key of the contract.
pub(crate) fn stored(kind: char, key: &str) -> String {
    let plain = format!("{kind}/{key}");
    if plain.len() <= LIMIT {
        return plain;
    }
    let mut short: String = plain.chars().take(LIMIT - 65).collect();
    short.push(HASHED);
    for byte in Sha256::digest(&plain) {
        short.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
    }
    short
}

/// The same for one of several things of a key.
pub(crate) fn numbered(kind: char, key: &str, number: u32) -> String {
    stored(kind, &format!("{key}#{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked() {
        for key in ["a", "docker/registry/v2/blobs/sha256/ab/data", "_uploads/0-1/data", "a.tmp"] {
            assert_eq!(check(key), Ok(()), "{key}");
        }
        for key in ["", "/", "/a", "a/", "a//b", ".", "a/../b", "a b", "a#1", "a~b", "ä"] {
            assert!(check(key).is_err(), "{key}");
        }
    }

    #[test]
    fn keys_stay_short_and_apart() {
        let long = |last: &str| format!("{}/{last}", "segment/".repeat(40));
        assert_eq!(stored('v', "a/b"), "v/a/b");
        assert_eq!(stored('v', &"k".repeat(253)).len(), 255);
        assert_eq!(stored('v', &"k".repeat(254)).len(), 255);
        assert_eq!(stored('v', &long("a")), stored('v', &long("a")));
        assert_ne!(stored('v', &long("a")), stored('v', &long("b")));
        assert_ne!(stored('v', &long("a")), stored('b', &long("a")));
        assert_ne!(numbered('h', &long("a"), 1), numbered('h', &long("a"), 2));
        assert_eq!(numbered('h', &long("a"), 1).len(), 255);
    }

    #[test]
    fn a_key_is_directly_under_its_prefix() {
        assert_eq!(split("a/b/c"), ("a/b", "c"));
        assert_eq!(split("a"), ("", "a"));
    }
}
