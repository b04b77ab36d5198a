//! Who sends a request, and what they may do.

use super::rules::{Action, Rules};
use super::token::{Claims, ResourceActions};

/// Who sends a request, as far as that is known, and so what they may do.
pub struct Caller<'a> {
    rights: Rights<'a>,
    /// Who they are; empty for an anonymous caller.
    pub(super) name: String,
    /// Whether they have shown credentials, if only a token of an anonymous caller.
    is_known: bool,
}

enum Rights<'a> {
    /// Everything: there is no access control.
    Everything,
    /// What the rules say.
    Rules(&'a Rules),
    /// What a token says, and the rules that it was made by, if those are here.
    Token(Vec<ResourceActions>, Option<&'a Rules>),
}

/// What a request requires of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement<'a> {
    /// To have logged in: the request asks whether this is a registry, and whether credentials are right.
    Login,
    /// To list the repositories.
    Catalog,
    /// To do something to a repository.
    Repository(Action, &'a str),
}

impl<'a> Caller<'a> {
    /// The caller when access control is off: may do everything.
    pub fn unlimited() -> Self {
        Self { rights: Rights::Everything, name: String::new(), is_known: true }
    }

    /// A user with this name, or an anonymous caller without one, where rules decide.
    pub(super) fn of_rules(rules: &'a Rules, name: &str) -> Self {
        Self { rights: Rights::Rules(rules), name: name.to_owned(), is_known: !name.is_empty() }
    }

    /// The bearer of a token, and the rules that it was made by, if those are here.
    pub(super) fn of_token(claims: Claims, rules: Option<&'a Rules>) -> Self {
        Self { rights: Rights::Token(claims.access, rules), name: claims.sub, is_known: true }
    }

    /// A caller without a token, where nothing else counts.
    pub(super) fn without_token() -> Self {
        Self { rights: Rights::Token(Vec::new(), None), name: String::new(), is_known: false }
    }

    /// Whether the caller is subject to no rule.
    pub fn is_unlimited(&self) -> bool {
        matches!(self.rights, Rights::Everything)
    }

    /// Whether the caller has a name: an anonymous one has none.
    pub fn has_name(&self) -> bool {
        !self.name.is_empty()
    }

    /// Whether the caller has brought a token.
    pub fn has_token(&self) -> bool {
        matches!(self.rights, Rights::Token(..)) && self.is_known
    }

    /// Whether the caller may do something to a repository.
    pub fn may(&self, action: Action, repository: &str) -> bool {
        match &self.rights {
            Rights::Everything => true,
            Rights::Rules(rules) => rules.allow(self.user(), repository, action),
            Rights::Token(access, _) => {
                access.iter().any(|access| access.allows("repository", repository, action.as_str()))
            }
        }
    }

    /// Whether a list of the repositories that the caller may have shows this one: one that they may
    /// pull. A token for the list names no repository.
    pub fn may_see(&self, repository: &str) -> bool {
        match &self.rights {
            Rights::Everything | Rights::Token(_, None) => true,
            Rights::Rules(rules) | Rights::Token(_, Some(rules)) => {
                rules.allow(self.user(), repository, Action::Pull)
            }
        }
    }

    /// Whether the caller may list the repositories.
    pub(super) fn may_list(&self) -> bool {
        match &self.rights {
            Rights::Everything => true,
            Rights::Rules(rules) => rules.allow_catalog(self.user()),
            Rights::Token(access, _) => access.iter().any(|access| access.allows("registry", "catalog", "*")),
        }
    }

    /// Whether the caller may do what a request is for.
    pub fn meets(&self, requirement: Requirement) -> bool {
        match requirement {
            Requirement::Login => self.is_known,
            Requirement::Catalog => self.may_list(),
            Requirement::Repository(action, repository) => self.may(action, repository),
        }
    }

    /// Whether the caller would meet a requirement with a token that the token service here gives. `None` as rules
    /// is for a service elsewhere, whose rules are not known.
    pub(super) fn could_meet(&self, requirement: Requirement, rules: Option<&Rules>) -> bool {
        match (rules, &self.rights) {
            (Some(rules), Rights::Token(..)) => Caller::of_rules(rules, &self.name).meets(requirement),
            (Some(_), _) => self.name.is_empty(),
            (None, _) => true,
        }
    }

    /// The caller's name, if they have one.
    fn user(&self) -> Option<&str> {
        Some(self.name.as_str()).filter(|name| !name.is_empty())
    }
}
