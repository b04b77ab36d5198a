//! Who sends a request, and what they may do.

use super::rules::{Action, Rules};
use super::token::{Claims, ResourceActions};

/// The sender of a request, with the rights that follow from its credentials.
pub struct Caller<'a> {
    rights: Rights<'a>,
    /// The caller's name; empty for an anonymous caller.
    pub(super) name: String,
    /// Whether the request had credentials. An anonymous caller's token counts.
    is_known: bool,
}

enum Rights<'a> {
    /// Everything: access control is off.
    Everything,
    /// What the rules say.
    Rules(&'a Rules),
    /// What a token says, and the rules that it was made by if this registry made it.
    Token(Vec<ResourceActions>, Option<&'a Rules>),
}

/// What a request requires of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement<'a> {
    /// To have logged in. The request asks whether this is a registry, and whether credentials are right.
    Login,
    /// To list the repositories.
    Catalog,
    /// To run the commands of an operator.
    Admin,
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

    /// The bearer of a token, and the rules that it was made by if this registry made it.
    pub(super) fn of_token(claims: Claims, rules: Option<&'a Rules>) -> Self {
        Self { rights: Rights::Token(claims.access, rules), name: claims.sub, is_known: true }
    }

    /// A caller without a token, where only tokens are accepted.
    pub(super) fn without_token() -> Self {
        Self { rights: Rights::Token(Vec::new(), None), name: String::new(), is_known: false }
    }

    /// Whether access control is off.
    pub fn is_unlimited(&self) -> bool {
        matches!(self.rights, Rights::Everything)
    }

    /// Whether the caller has a name. An anonymous caller has none.
    pub fn has_name(&self) -> bool {
        !self.name.is_empty()
    }

    /// The caller's name; empty for an anonymous caller.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the request had a token.
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

    /// Whether a list of the repositories shows this one to the caller, who must be allowed to pull it. A token for the
    /// list names no repository, so the rules decide.
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

    /// Whether the caller may run the commands of an operator.
    pub(super) fn may_administer(&self) -> bool {
        match &self.rights {
            Rights::Everything => true,
            Rights::Rules(rules) => rules.allow_admin(self.user()),
            Rights::Token(access, _) => access.iter().any(|access| access.allows("registry", "admin", "*")),
        }
    }

    /// Whether the caller meets the requirement of a request.
    pub fn meets(&self, requirement: Requirement) -> bool {
        match requirement {
            Requirement::Login => self.is_known,
            Requirement::Catalog => self.may_list(),
            Requirement::Admin => self.may_administer(),
            Requirement::Repository(action, repository) => self.may(action, repository),
        }
    }

    /// Whether the caller would meet a requirement with a token from this registry's token service. `rules` is `None` for
    /// an outside token server, whose rules are not known.
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
