//! The variables of access control.

use super::{Auth, Backend, PATIENCE, Passwords, Rules, TokenServer};
use lighter_storage::Settings;

pub(crate) const AUTH: &str = "REGISTRY_AUTH";
const ENTRIES: &str = "REGISTRY_AUTH_HTPASSWD_ENTRIES";
const PATH: &str = "REGISTRY_AUTH_HTPASSWD_PATH";
const BASIC_REALM: &str = "REGISTRY_AUTH_HTPASSWD_REALM";
const RULES: &str = "REGISTRY_AUTH_RULES";
const RULES_PATH: &str = "REGISTRY_AUTH_RULES_PATH";
const ISSUER: &str = "REGISTRY_AUTH_TOKEN_ISSUER";
const REALM: &str = "REGISTRY_AUTH_TOKEN_REALM";
const SERVICE: &str = "REGISTRY_AUTH_TOKEN_SERVICE";

/// The names of the variables of access control, except those of a token server.
pub(crate) const NAMES: [&str; 9] =
    [AUTH, ENTRIES, PATH, BASIC_REALM, RULES, RULES_PATH, ISSUER, REALM, SERVICE];

/// Reads the variables of access control, and the files that they name. Returns `None` if access control is off.
/// `server` is given if this product accepts the tokens of an outside server. Adds the users that are left out to
/// `notices`. Errs, for the log, with the variable that is wrong.
pub(crate) fn read(
    settings: &Settings,
    server: Option<&TokenServer>,
    notices: &mut Vec<String>,
) -> Result<Option<Auth>, String> {
    let backend = match settings.get(AUTH) {
        Some("htpasswd") => Backend::Rules(passwords(settings, notices)?, rules(settings)?),
        Some("token") => token_server(settings, server)?,
        Some("none") | None => return without(settings),
        Some(other) => return Err(format!("{AUTH} must be `htpasswd`, `token` or `none`, not {other:?}")),
    };
    let text = |name: &'static str, default: &str| settings.get(name).unwrap_or(default).to_owned();
    let auth = Auth {
        service: text(SERVICE, "lighter"),
        issuer: text(ISSUER, "lighter"),
        realm: settings.get(REALM).map(str::to_owned),
        basic_realm: text(BASIC_REALM, "Lighter"),
        patience: PATIENCE,
        backend,
    };
    let quoted = [
        (SERVICE, Some(&auth.service)),
        (BASIC_REALM, Some(&auth.basic_realm)),
        (REALM, auth.realm.as_ref()),
    ];
    for (name, value) in quoted {
        // These values stand between quotes in a header.
        if value.is_some_and(|value| {
            value.bytes().any(|b| matches!(b, b'"' | b'\\') || !(b' '..=b'~').contains(&b))
        }) {
            return Err(format!("{name} must be plain text without quotes"));
        }
    }
    Ok(Some(auth))
}

/// Access control is off. Errs if one of its other variables is set, since the operator then expects it to be on.
fn without(settings: &Settings) -> Result<Option<Auth>, String> {
    match settings.names().find(|name| name.starts_with(AUTH) && *name != AUTH) {
        Some(name) => Err(format!("{name} is set, but {AUTH} is not `htpasswd` or `token`")),
        None => Ok(None),
    }
}

fn passwords(settings: &Settings, notices: &mut Vec<String>) -> Result<Passwords, String> {
    let (name, text) = settings
        .text_or_file(ENTRIES, PATH)?
        .ok_or_else(|| format!("{AUTH} is htpasswd, and neither {PATH} nor {ENTRIES} is set"))?;
    // A hash has no comma, and lines are hard to put into some environments.
    let text = if name == ENTRIES { text.replace(',', "\n") } else { text };
    let mut left_out = Vec::new();
    let passwords = Passwords::parse(&text, &mut left_out).map_err(|error| format!("{name}: {error}"))?;
    notices.extend(left_out.iter().map(|notice| format!("{name}: {notice}")));
    Ok(passwords)
}

fn rules(settings: &Settings) -> Result<Rules, String> {
    match settings.text_or_file(RULES, RULES_PATH)? {
        Some((name, rules)) => Rules::parse(&rules).map_err(|error| format!("{name}: {error}")),
        None => Ok(Rules::default()),
    }
}

fn token_server(settings: &Settings, server: Option<&TokenServer>) -> Result<Backend, String> {
    let server = server.ok_or_else(|| {
        format!("{AUTH} is token, and this component has passwords only; use the one for token servers")
    })?;
    for name in [ISSUER, REALM, SERVICE] {
        settings.get(name).ok_or_else(|| format!("{AUTH} is token, and {name} is not set"))?;
    }
    (server.open)(settings).map(Backend::TokenServer)
}
