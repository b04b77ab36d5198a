//! Retention: which tags and manifests of a repository are kept, and the removal of the others.
//!
//! ```json
//! {
//!   "repositories": {
//!     "*": { "keep_newest": 10, "keep_days": 30, "keep_tags": ["latest", "v*"], "keep_untagged_days": 7 },
//!     "prod/*": {}
//!   }
//! }
//! ```
//!
//! A pattern of repositories is that of the access rules, and only the longest matching one decides. A tag is kept if one
//! of the three members for tags keeps it, and all are kept if there is none of them. `decide` says what follows from that.
//!
//! What came from an upstream goes, besides, if it was not pulled for as long as [`Caches`] says.

mod apply;
mod caches;
mod contents;
mod decide;

use core::fmt;

use serde_json::{Map, Value};

pub use self::apply::{Finding, Outcome, Subject, apply};
pub use self::caches::Caches;
use crate::name::Name;
use crate::pattern::{RepositoryPattern, TagPattern};
use lighter_storage::nearest;

const REPOSITORIES: &str = "repositories";
const NEWEST: &str = "keep_newest";
const DAYS: &str = "keep_days";
const TAGS: &str = "keep_tags";
const UNTAGGED_DAYS: &str = "keep_untagged_days";

/// The seconds of a day.
const DAY: u64 = 86_400;

/// The greatest number in the document.
const MOST: u64 = 1_000_000;

/// What is kept of each repository.
#[derive(Clone, Debug)]
pub struct Rules(Vec<(RepositoryPattern, Rule)>);

/// What is kept of a repository. By default that is everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// So many tags: those that were pushed last.
    pub newest: Option<u64>,
    /// Tags that were pushed so many days ago, or less.
    pub days: Option<u64>,
    /// Tags that match one of these.
    pub tags: Option<Vec<TagPattern>>,
    /// Manifests without a tag that were pushed so many days ago, or less.
    pub untagged_days: Option<u64>,
    /// What came from an upstream: only if it was pulled so recently.
    pub cached: Option<Cached>,
}

/// How long what came from an upstream is kept without a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// That time, in seconds.
    pub seconds: u64,
    /// The same in words.
    pub why: String,
}

/// Writes which tags the rule keeps, as the reason for the removal of another.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.newest.map(|number| format!("the newest {number}")));
        parts.extend(self.days.map(|number| format!("those of the last {number} days")));
        parts.extend(self.tags.iter().flatten().map(|pattern| format!("`{}`", pattern.as_str())));
        f.write_str(&parts.join(", "))
    }
}

impl Rules {
    /// Reads the document. Errs, for the log, with what is wrong in it and where. Nothing in it can mean that all of a
    /// repository is removed at once.
    pub fn parse(json: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let document = object(&document, "the document", &[REPOSITORIES])?;
        let all = document.get(REPOSITORIES).ok_or("repositories is missing")?;
        let all = all.as_object().ok_or("repositories is not an object")?;
        let mut rules = Vec::new();
        for (pattern, value) in all {
            rules.push((RepositoryPattern::parse(pattern)?, rule(pattern, value)?));
        }
        Ok(Self(rules))
    }

    /// The rule for a repository, if a pattern matches it.
    pub fn of(&self, repository: &Name) -> Option<&Rule> {
        let matching = self
            .0
            .iter()
            .filter_map(|(pattern, rule)| Some((pattern.specificity(repository.as_str())?, rule)));
        matching.max_by_key(|(specificity, _)| *specificity).map(|(_, rule)| rule)
    }
}

fn rule(pattern: &str, value: &Value) -> Result<Rule, String> {
    let members = object(value, pattern, &[NEWEST, DAYS, TAGS, UNTAGGED_DAYS])?;
    let number = |name| number(members, name).map_err(|wrong| format!("{pattern}: {wrong}"));
    Ok(Rule {
        newest: number(NEWEST)?,
        days: number(DAYS)?,
        tags: tags(members).map_err(|wrong| format!("{pattern}: {wrong}"))?,
        untagged_days: number(UNTAGGED_DAYS)?,
        cached: None,
    })
}

fn object<'a>(value: &'a Value, what: &str, known: &[&str]) -> Result<&'a Map<String, Value>, String> {
    let members = value.as_object().ok_or_else(|| format!("{what} is not an object"))?;
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(members),
        Some(name) => Err(match nearest(name, name.len() * 3 / 5, known.iter().copied()) {
            Some(meant) => format!("{what}: unknown member {name:?}; did you mean {meant}?"),
            None => format!("{what}: unknown member {name:?}; use {}", known.join(", ")),
        }),
    }
}

fn number(members: &Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    let Some(value) = members.get(name) else { return Ok(None) };
    match value.as_u64() {
        Some(number @ 1..=MOST) => Ok(Some(number)),
        _ => Err(format!("{name} must be a whole number from 1 to {MOST}")),
    }
}

fn tags(members: &Map<String, Value>) -> Result<Option<Vec<TagPattern>>, String> {
    let Some(value) = members.get(TAGS) else { return Ok(None) };
    let texts: Option<Vec<&str>> =
        value.as_array().and_then(|texts| texts.iter().map(Value::as_str).collect());
    let texts = texts.filter(|texts| !texts.is_empty());
    let texts = texts.ok_or_else(|| format!("{TAGS} must be a list of patterns, at least one"))?;
    texts.into_iter().map(TagPattern::parse).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pattern_decides_alone() {
        let rules = Rules::parse(
            r#"{"repositories": {
                "a/*": { "keep_newest": 3, "keep_days": 30, "keep_tags": ["latest", "v*"], "keep_untagged_days": 7 },
                "a/b": { "keep_days": 1 },
                "a/b/*": {}
            }}"#,
        )
        .unwrap();
        let of = |name| rules.of(&Name::parse(name).unwrap());
        let tags = ["latest", "v*"].map(|tag| TagPattern::parse(tag).unwrap()).to_vec();
        let whole =
            Rule { newest: Some(3), days: Some(30), tags: Some(tags), untagged_days: Some(7), cached: None };
        assert_eq!(of("a/c"), Some(&whole));
        assert_eq!(of("a/b"), Some(&Rule { days: Some(1), ..Rule::default() }));
        assert_eq!(of("a/b/c"), Some(&Rule::default()));
        assert_eq!(of("b"), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, named) in [
            ("", "EOF"),
            ("[]", "the document is not an object"),
            ("{}", "repositories is missing"),
            (r#"{"repositories": []}"#, "repositories is not an object"),
            (
                r#"{"repositories": {}, "repositoris": {}}"#,
                r#"the document: unknown member "repositoris"; did you mean repositories?"#,
            ),
            (r#"{"repositories": {"A": {}}}"#, r#""A" is not a pattern of repositories"#),
            (r#"{"repositories": {"a": []}}"#, "a is not an object"),
            (
                r#"{"repositories": {"a": {"keep_newst": 1}}}"#,
                r#"a: unknown member "keep_newst"; did you mean keep_newest?"#,
            ),
            (
                r#"{"repositories": {"a": {"x": 1}}}"#,
                r#"a: unknown member "x"; use keep_newest, keep_days, keep_tags, keep_untagged_days"#,
            ),
            (
                r#"{"repositories": {"a": {"keep_newest": 0}}}"#,
                "a: keep_newest must be a whole number from 1",
            ),
            (r#"{"repositories": {"a": {"keep_newest": null}}}"#, "keep_newest must be a whole number"),
            (r#"{"repositories": {"a": {"keep_days": "7"}}}"#, "a: keep_days must be a whole number"),
            (r#"{"repositories": {"a": {"keep_days": 1.5}}}"#, "keep_days must be a whole number"),
            (r#"{"repositories": {"a": {"keep_days": -1}}}"#, "keep_days must be a whole number"),
            (r#"{"repositories": {"a": {"keep_days": 1000001}}}"#, "from 1 to 1000000"),
            (
                r#"{"repositories": {"a": {"keep_untagged_days": 0}}}"#,
                "keep_untagged_days must be a whole number",
            ),
            (r#"{"repositories": {"a": {"keep_tags": []}}}"#, "a: keep_tags must be a list of patterns"),
            (r#"{"repositories": {"a": {"keep_tags": "v*"}}}"#, "keep_tags must be a list of patterns"),
            (r#"{"repositories": {"a": {"keep_tags": [1]}}}"#, "keep_tags must be a list of patterns"),
            (r#"{"repositories": {"a": {"keep_tags": ["v[1]"]}}}"#, r#"a: "v[1]" is not a pattern of tags"#),
        ] {
            let error = Rules::parse(json).unwrap_err();
            assert!(error.contains(named), "{json}: {error}");
        }
    }
}
