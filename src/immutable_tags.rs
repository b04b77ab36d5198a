//! Which tags are immutable: a tag that exists is neither moved nor deleted.
//!
//! ```text
//! *:v*, prod/*:*, !prod/*:latest
//! ```
//!
//! The list has patterns of a repository and a tag, separated by commas or whitespace. The last one that matches decides,
//! and with `!` before it, it makes tags mutable.

use crate::name::Name;
use crate::pattern::{RepositoryPattern, TagPattern};

/// Patterns of immutable tags. By default there are none.
#[derive(Clone, Debug, Default)]
pub struct ImmutableTags(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    repositories: RepositoryPattern,
    tags: TagPattern,
    is_immutable: bool,
}

impl ImmutableTags {
    /// Reads the list. Errs, for the log, with the pattern that is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words = text.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let rules: Vec<Rule> = words.map(rule).collect::<Result<_, _>>()?;
        if rules.is_empty() {
            return Err("there is no pattern in it".to_owned());
        }
        Ok(Self(rules))
    }

    /// Whether a tag of a repository is immutable once it exists.
    pub fn include(&self, repository: &Name, tag: &str) -> bool {
        let matches = |rule: &&Rule| {
            rule.tags.matches(tag) && rule.repositories.specificity(repository.as_str()).is_some()
        };
        self.0.iter().rfind(matches).is_some_and(|rule| rule.is_immutable)
    }
}

fn rule(word: &str) -> Result<Rule, String> {
    let (pattern, is_immutable) = word.strip_prefix('!').map_or((word, true), |pattern| (pattern, false));
    let (repositories, tags) = pattern
        .split_once(':')
        .ok_or_else(|| format!("{word:?} must be REPOSITORY:TAG, such as `*:v*` or `prod/*:*`"))?;
    Ok(Rule {
        repositories: RepositoryPattern::parse(repositories)?,
        tags: TagPattern::parse(tags)?,
        is_immutable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let tags =
            ImmutableTags::parse("*:v*, prod/*:*\n!prod/*:latest !prod/test/*:* prod/test/a:v1").unwrap();
        for (repository, tag, expected) in [
            ("a", "v1", true),
            ("a", "latest", false),
            ("prod/a", "x", true),
            ("prod/a", "latest", false),
            ("prod", "x", false),
            ("prod/test/b", "v1", false),
            ("prod/test/a", "v1", true),
            ("prod/test/a", "v2", false),
        ] {
            let name = Name::parse(repository).unwrap();
            assert_eq!(tags.include(&name, tag), expected, "{repository}:{tag}");
        }
        assert!(!ImmutableTags::default().include(&Name::parse("a").unwrap(), "v1"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            (" , ", "no pattern"),
            ("v*", "\"v*\" must be REPOSITORY:TAG"),
            ("*:v*,!latest", "\"!latest\" must be REPOSITORY:TAG"),
            ("A:v1", "\"A\" is not a pattern of repositories"),
            ("a/*/b:v1", "\"a/*/b\" is not a pattern of repositories"),
            (":v1", "\"\" is not a pattern of repositories"),
            ("a:", "\"\" is not a pattern of tags"),
            ("*:v[0-9]", "\"v[0-9]\" is not a pattern of tags"),
            ("a:b:c", "\"b:c\" is not a pattern of tags"),
        ] {
            let error = ImmutableTags::parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
