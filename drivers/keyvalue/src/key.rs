//! Keys: of the contract, and of the store.

use lighter_hash::{Algorithm, Digest};

/// What is stored, and the letter that its keys begin with. [`crate`] has the map.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A value.
    Value,
    /// A blob.
    Blob,
    /// A page of the index.
    Index,
    /// A chunk of content.
    Chunk,
    /// The state that a writer of an upload has left: numbered.
    State,
    /// The number of an upload's last writer, or of one before it.
    LastWriter,
    /// The counter by which one becomes a writer of an upload: numbered.
    Writer,
    /// When a writer was about to acquire an upload: numbered.
    AcquiredAt,
    /// That the upload of a superseded writer has ended: numbered.
    Ended,
}

impl Kind {
    const fn letter(self) -> char {
        match self {
            Self::Value => 'v',
            Self::Blob => 'b',
            Self::Index => 'i',
            Self::Chunk => 'c',
            // The number tells them apart.
            Self::State | Self::LastWriter => 'u',
            Self::Writer => 'h',
            Self::AcquiredAt => 't',
            Self::Ended => 'e',
        }
    }
}

/// The longest key that every store takes, in bytes.
const LIMIT: usize = 255;

/// Stands before the hash. It is in no key of the contract.
const HASHED: char = '~';

/// Returns the prefix that a key is directly under, which may be empty, and its last segment.
pub(crate) fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

/// The store's key of one kind for a key of the contract.
pub(crate) fn stored(kind: Kind, key: &str) -> String {
    shortened(format!("{}/{key}", kind.letter()))
}

/// The same for one of several things of a key.
pub(crate) fn numbered(kind: Kind, key: &str, number: u32) -> String {
    stored(kind, &format!("{key}#{number}"))
}

/// The counter by which one creates what is stored under a key: see `cell`.
pub(crate) fn counter(kind: Kind, key: &str, number: u32) -> String {
    shortened(format!("{}/{key}#{number}", kind.letter().to_ascii_uppercase()))
}

fn shortened(plain: String) -> String {
    if plain.len() <= LIMIT {
        return plain;
    }
    let mut short: String = plain.chars().take(LIMIT - 65).collect();
    short.push(HASHED);
    short.push_str(Digest::of(Algorithm::Sha256, plain.as_bytes()).hex());
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_short_and_apart() {
        let long = |last: &str| format!("{}/{last}", "segment/".repeat(40));
        assert_eq!(stored(Kind::Value, "a/b"), "v/a/b");
        assert_eq!(stored(Kind::Value, &"k".repeat(253)).len(), 255);
        assert_eq!(stored(Kind::Value, &"k".repeat(254)).len(), 255);
        assert_eq!(stored(Kind::Value, &long("a")), stored(Kind::Value, &long("a")));
        assert_ne!(stored(Kind::Value, &long("a")), stored(Kind::Value, &long("b")));
        assert_ne!(stored(Kind::Value, &long("a")), stored(Kind::Blob, &long("a")));
        assert_ne!(numbered(Kind::Writer, &long("a"), 1), numbered(Kind::Writer, &long("a"), 2));
        assert_eq!(numbered(Kind::Writer, &long("a"), 1).len(), 255);
    }

    #[test]
    fn keys_are_those_of_every_version() {
        let plain = [
            (Kind::Value, "v/k"),
            (Kind::Blob, "b/k"),
            (Kind::Index, "i/k"),
            (Kind::Chunk, "c/k"),
            (Kind::LastWriter, "u/k"),
        ];
        for (kind, expected) in plain {
            assert_eq!(stored(kind, "k"), expected);
        }
        for (kind, expected) in [
            (Kind::State, "u/k#2"),
            (Kind::Writer, "h/k#2"),
            (Kind::AcquiredAt, "t/k#2"),
            (Kind::Ended, "e/k#2"),
        ] {
            assert_eq!(numbered(kind, "k", 2), expected);
        }
        assert_eq!(counter(Kind::Value, "k", 2), "V/k#2");
        assert_eq!(counter(Kind::Index, "", 1), "I/#1");
    }

    #[test]
    fn a_key_is_directly_under_its_prefix() {
        assert_eq!(split("a/b/c"), ("a/b", "c"));
        assert_eq!(split("a"), ("", "a"));
    }
}
