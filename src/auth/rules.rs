//! Who may do what: one small JSON document.
//!
//! ```json
//! {
//!   "groups": { "ci": ["builder", "deployer"] },
//!   "catalog": ["authenticated"],
//!   "repositories": {
//!     "*": { "authenticated": ["pull"] },
//!     "public/*": { "anonymous": ["pull"], "group:ci": ["pull", "push"] },
//!     "home/{user}/*": { "authenticated": ["*"] }
//!   }
//! }
//! ```
//!
//! A pattern is a repository's name, or the beginning of one and a `*`; `{user}` stands for the name
//! of whoever asks, between slashes. Of the patterns that match, the longest decides, alone.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What is done to a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Reading of blobs, manifests, tags and referrers.
    Pull,
    /// Uploading, and cancelling what was begun; storing of manifests and tags.
    Push,
    /// Deleting of blobs, manifests and tags.
    Delete,
    /// All of them.
    #[serde(rename = "*")]
    All,
}

impl Action {
    /// Those that have a name of their own.
    pub const EACH: [Self; 3] = [Self::Pull, Self::Push, Self::Delete];

    /// Finds an action by the name that scopes have for it.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Pull, Self::Push, Self::Delete, Self::All].into_iter().find(|action| action.as_str() == name)
    }

    /// The name that scopes have for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::All => "*",
        }
    }
}

/// Whom a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
enum Who {
    /// Everybody, with a name or without.
    Anonymous,
    /// Everybody with a name.
    Authenticated,
    User(String),
    Group(String),
}

impl TryFrom<String> for Who {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "anonymous" => Ok(Self::Anonymous),
            None if text == "authenticated" => Ok(Self::Authenticated),
            Some(("user", name)) if !name.is_empty() => Ok(Self::User(name.to_owned())),
            Some(("group", name)) if !name.is_empty() => Ok(Self::Group(name.to_owned())),
            _ => Err(format!(
                "{text:?} is nobody; there are anonymous, authenticated, user:NAME and group:NAME"
            )),
        }
    }
}

/// Who may do what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    #[serde(default)]
    groups: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    catalog: Vec<Who>,
    repositories: BTreeMap<String, BTreeMap<Who, Vec<Action>>>,
}

impl Default for Rules {
    /// Whoever has a name may do everything, and nobody else anything: what distribution does.
    fn default() -> Self {
        let everything = BTreeMap::from([(Who::Authenticated, vec![Action::All])]);
        Self {
            groups: BTreeMap::new(),
            catalog: vec![Who::Authenticated],
            repositories: BTreeMap::from([("*".to_owned(), everything)]),
        }
    }
}

impl Rules {
    /// Reads the document. Errs, for the log, with what is wrong in it and where.
    pub fn parse(json: &str) -> Result<Self, String> {
        let rules: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        for pattern in rules.repositories.keys() {
            check(pattern)?;
        }
        let named = rules.repositories.values().flat_map(BTreeMap::keys).chain(&rules.catalog);
        for who in named {
            if let Who::Group(name) = who
                && !rules.groups.contains_key(name)
            {
                return Err(format!("there is no group {name:?}"));
            }
        }
        Ok(rules)
    }

    /// Whether someone may do something to a repository. Nobody has no name.
    pub fn allow(&self, user: Option<&str>, repository: &str, action: Action) -> bool {
        let matching = self
            .repositories
            .iter()
            .filter_map(|(pattern, grants)| Some((specificity(pattern, user, repository)?, grants)));
        let Some((_, grants)) = matching.max_by_key(|(specificity, _)| *specificity) else { return false };
        grants.iter().any(|(who, actions)| {
            self.includes(who, user) && (actions.contains(&action) || actions.contains(&Action::All))
        })
    }

    /// Whether someone may list the repositories. What is listed is what they may pull.
    pub fn allow_catalog(&self, user: Option<&str>) -> bool {
        self.catalog.iter().any(|who| self.includes(who, user))
    }

    fn includes(&self, who: &Who, user: Option<&str>) -> bool {
        match who {
            Who::Anonymous => true,
            Who::Authenticated => user.is_some(),
            Who::User(name) => user == Some(name),
            Who::Group(group) => {
                let members = self.groups.get(group);
                user.is_some_and(|user| {
                    members.is_some_and(|members| members.iter().any(|name| name == user))
                })
            }
        }
    }
}

/// Stands for the name of whoever asks.
const USER: &str = "{user}";

/// Checks a pattern: what of it is no wildcard can be a part of a name, and a user's name stands alone
/// between slashes. With `home/{user}*`, all that is ann's would be an's too.
fn check(pattern: &str) -> Result<(), String> {
    let allowed =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-' | b'/');
    let literal = |part: &str| part == USER || part.bytes().all(allowed);
    let (stem, is_open) = pattern.strip_suffix('*').map_or((pattern, false), |stem| (stem, true));
    if !pattern.is_empty() && stem.split('/').all(literal) && !(is_open && stem.ends_with(USER)) {
        return Ok(());
    }
    Err(format!(
        "{pattern:?} is no pattern: it is a repository's name, or the beginning of one and a `*`; {USER} stands \
         between slashes"
    ))
}

/// How much of a repository's name a pattern says, if it matches.
fn specificity(pattern: &str, user: Option<&str>, repository: &str) -> Option<usize> {
    let (stem, is_open) = pattern.strip_suffix('*').map_or((pattern, false), |stem| (stem, true));
    let stem = if stem.contains(USER) { stem.replace(USER, user?) } else { stem.to_owned() };
    let matches = if is_open { repository.starts_with(&stem) } else { repository == stem };
    // A whole name goes before a beginning of the same length.
    matches.then_some(2 * stem.len() + usize::from(!is_open))
}

#[cfg(test)]
mod tests {
    use super::Action::{Delete, Pull, Push};
    use super::*;

    const RULES: &str = r#"{
        "groups": { "ci": ["builder"] },
        "catalog": ["user:ann"],
        "repositories": {
            "*": { "authenticated": ["pull"] },
            "public/*": { "anonymous": ["pull"], "group:ci": ["pull", "push"] },
            "public/secret": { "user:ann": ["*"] },
            "home/{user}/*": { "authenticated": ["*"] }
        }
    }"#;

    #[test]
    fn the_longest_pattern_decides_alone() {
        let rules = Rules::parse(RULES).unwrap();
        for (user, repository, may) in [
            (None, "a", &[][..]),
            (Some("bob"), "a", &[Pull]),
            (None, "public/a", &[Pull]),
            (Some("bob"), "public/a", &[Pull]),
            (Some("builder"), "public/a/b", &[Pull, Push]),
            (Some("builder"), "public/secret", &[]),
            (Some("ann"), "public/secret", &[Pull, Push, Delete]),
            (None, "public/secret", &[]),
            (None, "public", &[]),
            (Some("bob"), "home/bob/a", &[Pull, Push, Delete]),
            (Some("bob"), "home/ann/a", &[Pull]),
            (None, "home/bob/a", &[]),
            (None, "home/{user}/a", &[]),
        ] {
            for action in Action::EACH {
                let allowed = rules.allow(user, repository, action);
                assert_eq!(allowed, may.contains(&action), "{user:?} {action:?} {repository}");
            }
        }
        assert!(rules.allow_catalog(Some("ann")) && !rules.allow_catalog(Some("bob")));
        assert!(!rules.allow_catalog(None));
    }

    #[test]
    fn a_user_cannot_be_a_pattern() {
        let rules = r#"{"repositories": {"home/{user}/x": {"authenticated": ["push"]}}}"#;
        let rules = Rules::parse(rules).unwrap();
        assert!(!rules.allow(Some("*"), "home/ann/x", Push));
        assert!(rules.allow(Some("a/b"), "home/a/b/x", Push));
    }

    #[test]
    fn without_rules_a_name_is_all_it_takes() {
        let rules = Rules::default();
        assert!(rules.allow(Some("ann"), "a/b", Delete) && rules.allow_catalog(Some("ann")));
        assert!(!rules.allow(None, "a/b", Pull) && !rules.allow_catalog(None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, named) in [
            ("", "EOF"),
            ("{}", "repositories"),
            (r#"{"repositories": {}, "repository": {}}"#, "repository"),
            (r#"{"repositories": {"a": {"ann": ["pull"]}}}"#, "\"ann\" is nobody"),
            (r#"{"repositories": {"a": {"user:": ["pull"]}}}"#, "\"user:\" is nobody"),
            (r#"{"repositories": {"a": {"user:ann": ["pusg"]}}}"#, "pusg"),
            (r#"{"repositories": {"a/*/b": {}}}"#, "\"a/*/b\" is no pattern"),
            (r#"{"repositories": {"A": {}}}"#, "\"A\" is no pattern"),
            (r#"{"repositories": {"home/{user}*": {}}}"#, "\"home/{user}*\" is no pattern"),
            (r#"{"repositories": {"home/x{user}/*": {}}}"#, "\"home/x{user}/*\" is no pattern"),
            (r#"{"repositories": {"a": {"group:ci": ["pull"]}}}"#, "no group \"ci\""),
            (r#"{"repositories": {}, "catalog": ["group:ci"]}"#, "no group \"ci\""),
        ] {
            let error = Rules::parse(json).unwrap_err();
            assert!(error.contains(named), "{json}: {error}");
        }
    }
}
