//! Keys: of the contract, and of the store.

use lighter_hash::{Algorithm, Digest};

/// The longest key that every store takes, in bytes.
const LIMIT: usize = 255;

/// Stands before the hash. It is in no key of the contract.
const HASHED: char = '~';

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
    short.push_str(Digest::of(Algorithm::Sha256, plain.as_bytes()).hex());
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
