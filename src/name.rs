//! Repository names and tags: the grammar that a client's text must match before it becomes part of a storage key.

use core::fmt;

/// The longest repository name, in bytes (distribution's limit, which clients know).
pub const NAME_MAX: usize = 255;

/// The longest tag, in bytes (OCI Distribution Spec, "Pulling manifests").
pub const TAG_MAX: usize = 128;

/// A repository name: lower-case components joined by `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Checks a name against the OCI Distribution Spec's grammar and [`NAME_MAX`]. Errs with what
    /// is wrong, for the client.
    pub fn parse(name: &str) -> Result<Self, &'static str> {
        if name.len() > NAME_MAX {
            return Err("a repository name has at most 255 characters");
        }
        if !name.split('/').all(is_component) {
            return Err(
                "a repository name is made of components joined by '/', each of a-z and 0-9, with '.', '_', '__' or dashes between them",
            );
        }
        Ok(Self(name.to_owned()))
    }

    /// Takes the name of a repository that is stored, whatever registry has stored it. It must be of the form of keys, which is
    /// less strict, and may not be served.
    pub fn stored(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    component.starts_with(alphanumeric)
        && component.ends_with(alphanumeric)
        && component
            .split(alphanumeric)
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'))
}

/// Whether a text is a tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= TAG_MAX
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        for name in
            ["a", "a/b", "library/ubuntu", "a.b", "a_b", "a__b", "a-b", "a---b", "0/1", "blobs", "tags/list"]
        {
            assert!(Name::parse(name).is_ok(), "{name}");
        }
        for name in [
            "", "/", "a/", "/a", "a//b", "A", "a.", ".a", "a..b", "a___b", "a._b", "a-_b", "a_-b", "-a",
            "a-", "..", "a/../b", "a b", "ä", "a\0b", "_a", "a\\b", "a:b",
        ] {
            assert!(Name::parse(name).is_err(), "{name}");
        }
        assert!(Name::parse(&"a".repeat(255)).is_ok());
        assert!(Name::parse(&"a".repeat(256)).is_err());
    }

    #[test]
    fn tags_follow_the_grammar() {
        for tag in ["v1", "_", "1.0", "A-b_c.d", &"t".repeat(128)] {
            assert!(is_tag(tag), "{tag}");
        }
        for tag in ["", ".", "..", "-a", ".a", "a/b", "a:b", "ä", &"t".repeat(129)] {
            assert!(!is_tag(tag), "{tag}");
        }
    }
}
