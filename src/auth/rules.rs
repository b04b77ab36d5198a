//! Who may do what: one small JSON document.
//!
//! ```json
//! {
//!   "groups": { "ci": ["builder", "deployer"] },
//!   "catalog": ["authenticated"],
//!   "admin": ["user:root"],
//!   "repositories": {
//!     "*": { "authenticated": ["pull"] },
//!     "public/*": { "anonymous": ["pull"], "group:ci": ["pull", "push"] },
//!     "home/{user}/*": { "authenticated": ["*"] }
//!   }
//! }
//! ```
//!
//! A pattern is a repository's name, or the beginning of one and a `*`; `{user}`, between slashes, stands for
//! the caller's name. Only the longest matching pattern decides.

use serde_json::{Map, Value};

use crate::pattern::{self, is_of_repository, stem_of};

/// What is done to a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reading blobs, manifests, tags and referrers.
    Pull,
    /// Uploading blobs, cancelling uploads, and storing manifests and tags.
    Push,
    /// Deleting blobs, manifests and tags.
    Delete,
    /// All actions.
    All,
}

impl Action {
    /// The actions that have a name in scopes.
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

/// The callers that a rule is about.
#[derive(Clone, Debug)]
enum Subject {
    /// Every caller, with a name or without.
    Anonymous,
    /// Every caller with a name.
    Authenticated,
    /// The callers with one of these names: a user, or the members of a group.
    Named(Vec<String>),
}

impl Subject {
    fn includes(&self, user: Option<&str>) -> bool {
        match self {
            Self::Anonymous => true,
            Self::Authenticated => user.is_some(),
            Self::Named(names) => user.is_some_and(|user| names.iter().any(|name| name == user)),
        }
    }
}

/// The actions that a pattern grants to each subject.
type Grants = Vec<(Subject, Vec<Action>)>;

/// Who may do what.
#[derive(Clone, Debug)]
pub struct Rules {
    catalog: Vec<Subject>,
    admin: Vec<Subject>,
    repositories: Vec<(String, Grants)>,
}

impl Default for Rules {
    /// Every caller with a name may do everything to every repository, and others nothing, as in distribution. Nobody
    /// may run the commands of an operator.
    fn default() -> Self {
        let everything = ("*".to_owned(), vec![(Subject::Authenticated, vec![Action::All])]);
        Self { catalog: vec![Subject::Authenticated], admin: Vec::new(), repositories: vec![everything] }
    }
}

impl Rules {
    /// Reads the document. Errs, for the log, with what is wrong in it and where.
    pub fn parse(json: &str) -> Result<Self, String> {
        let document: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let document = object(&document, "the document")?;
        for name in document.keys() {
            if !["groups", "catalog", "admin", "repositories"].contains(&name.as_str()) {
                return Err(format!(
                    "unknown member {name:?}; expected groups, catalog, admin or repositories"
                ));
            }
        }
        let no_groups = Map::new();
        let groups = document.get("groups").map_or(Ok(&no_groups), |groups| object(groups, "groups"))?;
        for (name, members) in groups {
            texts(members, name)?;
        }
        let subject = |text: &str| subject(text, groups);
        let of_all = |name: &str| -> Result<Vec<Subject>, String> {
            let named = document.get(name).map_or(Ok(Vec::new()), |named| texts(named, name))?;
            named.into_iter().map(subject).collect()
        };
        let mut repositories = Vec::new();
        let all = document.get("repositories").ok_or("repositories is missing")?;
        for (pattern, grants) in object(all, "repositories")? {
            check(pattern)?;
            let mut read = Vec::new();
            for (name, actions) in object(grants, pattern)? {
                let actions = texts(actions, name)?.into_iter().map(action).collect::<Result<_, _>>()?;
                read.push((subject(name)?, actions));
            }
            repositories.push((pattern.clone(), read));
        }
        Ok(Self { catalog: of_all("catalog")?, admin: of_all("admin")?, repositories })
    }

    /// Whether a user may do something to a repository. `None` is an anonymous caller.
    pub fn allow(&self, user: Option<&str>, repository: &str, action: Action) -> bool {
        let matching = self
            .repositories
            .iter()
            .filter_map(|(pattern, grants)| Some((specificity(pattern, user, repository)?, grants)));
        let Some((_, grants)) = matching.max_by_key(|(specificity, _)| *specificity) else { return false };
        grants.iter().any(|(subject, actions)| {
            subject.includes(user) && (actions.contains(&action) || actions.contains(&Action::All))
        })
    }

    /// Whether a user may list the repositories. The list shows those that the user may pull.
    pub fn allow_catalog(&self, user: Option<&str>) -> bool {
        self.catalog.iter().any(|subject| subject.includes(user))
    }

    /// Whether a user may run the commands of an operator, which are about all repositories.
    pub fn allow_admin(&self, user: Option<&str>) -> bool {
        self.admin.iter().any(|subject| subject.includes(user))
    }
}

fn subject(text: &str, groups: &Map<String, Value>) -> Result<Subject, String> {
    match text.split_once(':') {
        None if text == "anonymous" => Ok(Subject::Anonymous),
        None if text == "authenticated" => Ok(Subject::Authenticated),
        Some(("user", name)) if !name.is_empty() => Ok(Subject::Named(vec![name.to_owned()])),
        Some(("group", name)) => {
            let members = groups.get(name).ok_or_else(|| format!("there is no group {name:?}"))?;
            Ok(Subject::Named(texts(members, name)?.into_iter().map(str::to_owned).collect()))
        }
        _ => Err(format!("unknown subject {text:?}; use anonymous, authenticated, user:NAME or group:NAME")),
    }
}

fn action(name: &str) -> Result<Action, String> {
    Action::parse(name).ok_or_else(|| format!("unknown action {name:?}; use pull, push, delete or *"))
}

fn object<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{name} is not an object"))
}

fn texts<'a>(value: &'a Value, name: &str) -> Result<Vec<&'a str>, String> {
    let texts = value.as_array().and_then(|texts| texts.iter().map(Value::as_str).collect());
    texts.ok_or_else(|| format!("{name} is not a list of strings"))
}

/// The placeholder for the caller's name.
const USER: &str = "{user}";

/// Checks a pattern: apart from wildcards it must be part of a valid name, and a user's name must stand alone between
/// slashes. With `home/{user}*`, everything of `ann` would also belong to `an`.
fn check(pattern: &str) -> Result<(), String> {
    let literal = |part: &str| part == USER || part.bytes().all(is_of_repository);
    let (stem, is_open) = stem_of(pattern);
    if !pattern.is_empty() && stem.split('/').all(literal) && !(is_open && stem.ends_with(USER)) {
        return Ok(());
    }
    Err(format!(
        "{pattern:?} is not a pattern: use the name of a repository, or its beginning and a `*`; {USER} must stand \
         between slashes"
    ))
}

/// How specific a pattern is, if it matches a repository's name.
fn specificity(pattern: &str, user: Option<&str>, repository: &str) -> Option<(usize, bool, bool)> {
    let (stem, is_open) = stem_of(pattern);
    let stem = if stem.contains(USER) { stem.replace(USER, user?) } else { stem.to_owned() };
    let (length, is_whole) = pattern::specificity(&stem, is_open, repository)?;
    // Of two that are the same otherwise, a pattern for one user goes before one for all.
    Some((length, is_whole, !pattern.contains(USER)))
}

#[cfg(test)]
mod tests {
    use super::Action::{Delete, Pull, Push};
    use super::*;

    const RULES: &str = r#"{
        "groups": { "ci": ["builder"] },
        "catalog": ["user:ann"],
        "admin": ["group:ci"],
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
        assert!(rules.allow_admin(Some("builder")) && !rules.allow_admin(Some("ann")));
        assert!(!rules.allow_admin(None));
    }

    #[test]
    fn a_user_cannot_be_a_pattern() {
        let rules = r#"{"repositories": {"home/{user}/x": {"authenticated": ["push"]}}}"#;
        let rules = Rules::parse(rules).unwrap();
        assert!(!rules.allow(Some("*"), "home/ann/x", Push));
        assert!(rules.allow(Some("a/b"), "home/a/b/x", Push));
    }

    #[test]
    fn one_user_may_have_less_than_all() {
        let rules = r#"{"repositories": {
            "home/{user}/*": {"authenticated": ["*"]},
            "home/ann/*": {"user:ann": ["pull"]}
        }}"#;
        let rules = Rules::parse(rules).unwrap();
        assert!(
            rules.allow(Some("ann"), "home/ann/x", Pull) && !rules.allow(Some("ann"), "home/ann/x", Push)
        );
        assert!(rules.allow(Some("bob"), "home/bob/x", Push));
    }

    #[test]
    fn without_rules_a_name_is_all_it_takes() {
        let rules = Rules::default();
        assert!(rules.allow(Some("ann"), "a/b", Delete) && rules.allow_catalog(Some("ann")));
        assert!(!rules.allow(None, "a/b", Pull) && !rules.allow_catalog(None));
        assert!(!rules.allow_admin(Some("ann")) && !rules.allow_admin(None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, named) in [
            ("", "EOF"),
            ("{}", "repositories"),
            (r#"{"repositories": {}, "repository": {}}"#, "repository"),
            (r#"{"repositories": {"a": {"ann": ["pull"]}}}"#, "unknown subject \"ann\""),
            (r#"{"repositories": {"a": {"user:": ["pull"]}}}"#, "unknown subject \"user:\""),
            (r#"{"repositories": {"a": {"user:ann": ["pusg"]}}}"#, "unknown action \"pusg\""),
            (r#"{"repositories": {"a": {"user:ann": "pull"}}}"#, "user:ann is not a list of strings"),
            (r#"{"repositories": {"a": ["pull"]}}"#, "a is not an object"),
            ("[]", "the document is not an object"),
            (r#"{"groups": {"ci": 1}, "repositories": {}}"#, "ci is not a list of strings"),
            (r#"{"repositories": {"a/*/b": {}}}"#, "\"a/*/b\" is not a pattern"),
            (r#"{"repositories": {"A": {}}}"#, "\"A\" is not a pattern"),
            (r#"{"repositories": {"home/{user}*": {}}}"#, "\"home/{user}*\" is not a pattern"),
            (r#"{"repositories": {"home/x{user}/*": {}}}"#, "\"home/x{user}/*\" is not a pattern"),
            (r#"{"repositories": {"a": {"group:ci": ["pull"]}}}"#, "no group \"ci\""),
            (r#"{"repositories": {}, "catalog": ["group:ci"]}"#, "no group \"ci\""),
            (r#"{"repositories": {}, "admin": ["ann"]}"#, "unknown subject \"ann\""),
            (r#"{"repositories": {}, "admin": "user:ann"}"#, "admin is not a list of strings"),
        ] {
            let error = Rules::parse(json).unwrap_err();
            assert!(error.contains(named), "{json}: {error}");
        }
    }
}
