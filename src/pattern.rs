//! Patterns of the names of repositories and tags, as the configuration has them.

use crate::name::TAG_MAX;

/// What stands for any text in a pattern.
const ANY: u8 = b'*';

/// Splits a pattern of repositories into the beginning of names, and whether more may follow it.
pub fn stem_of(pattern: &str) -> (&str, bool) {
    pattern.strip_suffix(char::from(ANY)).map_or((pattern, false), |stem| (stem, true))
}

/// Whether a byte may stand in a pattern of repositories for itself.
pub fn is_of_repository(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-' | b'/')
}

/// How specific a pattern is, if it matches the name of a repository. At the same length, a whole name goes before a
/// beginning.
pub fn specificity(stem: &str, is_open: bool, repository: &str) -> Option<(usize, bool)> {
    let matches = if is_open { repository.starts_with(stem) } else { repository == stem };
    matches.then_some((stem.len(), !is_open))
}

/// A pattern of repositories: the name of one, or the beginning of names and a `*`, as in the rules of access control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryPattern {
    stem: String,
    is_open: bool,
}

impl RepositoryPattern {
    /// Reads a pattern. Errs, for the log, with what is wrong.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let (stem, is_open) = stem_of(pattern);
        if !pattern.is_empty() && stem.bytes().all(is_of_repository) {
            return Ok(Self { stem: stem.to_owned(), is_open });
        }
        Err(format!(
            "{pattern:?} is not a pattern of repositories: use the name of a repository, or its beginning and a `*`"
        ))
    }

    /// How specific the pattern is, if it matches the name of a repository.
    pub fn specificity(&self, repository: &str) -> Option<(usize, bool)> {
        specificity(&self.stem, self.is_open, repository)
    }
}

/// A pattern of tags: a tag, in which each `*` stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagPattern(String);

impl TagPattern {
    /// Reads a pattern. Errs, for the log, with what is wrong.
    pub fn parse(pattern: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'*');
        if !pattern.is_empty() && pattern.len() <= TAG_MAX && pattern.bytes().all(allowed) {
            return Ok(Self(pattern.to_owned()));
        }
        Err(format!("{pattern:?} is not a pattern of tags: use a tag, in which each `*` stands for any text"))
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a tag matches. The time is at most the length of the pattern times that of the tag.
    pub fn matches(&self, tag: &str) -> bool {
        let (pattern, tag) = (self.0.as_bytes(), tag.as_bytes());
        let (mut at, mut of_tag) = (0, 0);
        // Where the pattern goes on after its last `*`, and what that stands for ends.
        let mut retry = None;
        while let Some(byte) = tag.get(of_tag) {
            match pattern.get(at) {
                Some(&ANY) => {
                    at += 1;
                    retry = Some((at, of_tag));
                }
                Some(wanted) if wanted == byte => {
                    at += 1;
                    of_tag += 1;
                }
                _ => {
                    // The last `*` stands for one byte more.
                    let Some((after, end)) = retry else { return false };
                    (at, of_tag) = (after, end + 1);
                    retry = Some((at, of_tag));
                }
            }
        }
        pattern.iter().skip(at).all(|byte| *byte == ANY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_matched_whole_or_by_its_beginning() {
        for (pattern, repository, specificity) in [
            ("*", "a/b", Some((0, false))),
            ("a/*", "a/b", Some((2, false))),
            ("a*", "a", Some((1, false))),
            ("a/b", "a/b", Some((3, true))),
            ("a/*", "a", None),
            ("a", "a/b", None),
        ] {
            let pattern = RepositoryPattern::parse(pattern).unwrap();
            assert_eq!(pattern.specificity(repository), specificity, "{pattern:?} {repository}");
        }
        for wrong in ["", "A", "a/*/b", "**", "a:b", "a b", "{user}/*"] {
            assert!(RepositoryPattern::parse(wrong).unwrap_err().contains("not a pattern"), "{wrong}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text_in_a_tag() {
        for (pattern, matching, other) in [
            ("v1", &["v1"][..], &["v", "v11", "xv1", ""][..]),
            ("*", &["v1", "_", ""], &[]),
            ("v*", &["v", "v1", "vv"], &["av", "V1"]),
            ("*-rc", &["1-rc", "-rc", "a-rc-rc"], &["1-rc1", "rc"]),
            ("v*.*.*", &["v1.2.3", "v..", "v1.2.3.4"], &["v1.2", "1.2.3"]),
            ("a*a", &["aa", "aba", "aaa"], &["a", "ab", "ba"]),
            ("a*b*b", &["abb", "a1b2b"], &["ab", "aXb", "bab"]),
            ("*x*", &["x", "axb"], &["ab"]),
            ("a**b", &["ab", "acb"], &["a", "b"]),
        ] {
            let pattern = TagPattern::parse(pattern).unwrap();
            for tag in matching {
                assert!(pattern.matches(tag), "{pattern:?} {tag}");
            }
            for tag in other {
                assert!(!pattern.matches(tag), "{pattern:?} {tag}");
            }
        }
        for wrong in ["", "a/b", "a b", "ä", "[a]", "a:b", &"a".repeat(129)] {
            assert!(TagPattern::parse(wrong).unwrap_err().contains("not a pattern"), "{wrong}");
        }
    }
}
