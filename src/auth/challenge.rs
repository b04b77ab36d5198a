//! The challenge that asks a client for credentials: `WWW-Authenticate` (RFC 6750, 3).

use super::Auth;
use super::caller::Requirement;
use super::rules::Action;
use crate::name::Name;

/// Writes the challenge of a service whose token service is at `realm`. It names the scope even if the client's token is
/// invalid, because many clients learn the scope only from here. `from` is the repository that a blob is to be mounted
/// from, if any; `error` says what is wrong with the token, or is empty.
pub fn challenge(
    realm: &str,
    service: &str,
    requirement: Requirement,
    from: Option<&str>,
    error: &str,
) -> String {
    let mut challenge = format!("Bearer realm=\"{realm}\",service=\"{service}\"");
    for (name, value) in [("scope", &*scope(requirement, from)), ("error", error)] {
        if !value.is_empty() {
            challenge.push_str(&format!(",{name}=\"{value}\""));
        }
    }
    challenge
}

/// Writes the challenge that asks for a name and a password (RFC 7617, 2).
pub fn basic_challenge(auth: &Auth) -> String {
    format!("Basic realm=\"{}\"", auth.basic_realm)
}

/// The scope that meets a requirement.
fn scope(requirement: Requirement, from: Option<&str>) -> String {
    let (repository, actions) = match requirement {
        Requirement::Login => return String::new(),
        Requirement::Catalog => return "registry:catalog:*".to_owned(),
        Requirement::Admin => return "registry:admin:*".to_owned(),
        Requirement::Repository(Action::Push, repository) => (repository, "pull,push"),
        Requirement::Repository(action, repository) => (repository, action.as_str()),
    };
    let scope = format!("repository:{repository}:{actions}");
    match from.map(Name::parse) {
        Some(Ok(from)) if from.as_str() != repository => format!("{scope} repository:{from}:pull"),
        _ => scope,
    }
}
