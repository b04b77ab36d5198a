//! The variables of access control.

use super::{Auth, By, OpenTokenServer, PATIENCE, Passwords, Rules};
use crate::storage::Settings;

pub(crate) const AUTH: &str = "REGISTRY_AUTH";
const ENTRIES: &str = "REGISTRY_AUTH_HTPASSWD_ENTRIES";
const PATH: &str = "REGISTRY_AUTH_HTPASSWD_PATH";
const BASIC_REALM: &str = "REGISTRY_AUTH_HTPASSWD_REALM";
const RULES: &str = "REGISTRY_AUTH_RULES";
const RULES_PATH: &str = "REGISTRY_AUTH_RULES_PATH";
const ISSUER: &str = "REGISTRY_AUTH_TOKEN_ISSUER";
const REALM: &str = "REGISTRY_AUTH_TOKEN_REALM";
const SERVICE: &str = "REGISTRY_AUTH_TOKEN_SERVICE";

/// All of them but the first, which says what the others are for.
const OTHERS: [&str; 8] = [ENTRIES, PATH, BASIC_REALM, RULES, RULES_PATH, ISSUER, REALM, SERVICE];

/// The variables of access control.
pub(crate) struct Variables<'a> {
    settings: &'a Settings,
    auth: Option<&'a str>,
    /// One of the others that is set.
    other: Option<&'a str>,
}

impl<'a> Variables<'a> {
    /// Takes them from settings. It asks for all, also those that are for another kind of access control.
    pub(crate) fn of(settings: &'a Settings) -> Self {
        Self { settings, auth: settings.get(AUTH), other: settings.first_of(&OTHERS) }
    }

    /// Whether it is said if there is access control.
    pub(crate) fn are_decided(&self) -> bool {
        self.auth.is_some()
    }

    /// Reads them, and the files that they name. None where there is no access control. `open` is there where
    /// the tokens of an outside server can be taken. Adds to `notices` who is left out. Errs, for the log, with the variable that is wrong.
    pub(crate) fn read(
        &self,
        open: Option<OpenTokenServer>,
        notices: &mut Vec<String>,
    ) -> Result<Option<Auth>, String> {
        let by = match self.auth {
            Some("htpasswd") => By::Rules(self.passwords(notices)?, self.rules()?),
            Some("token") => self.token_server(open)?,
            Some("none") | None => return self.without(),
            Some(_) => {
                return Err(format!(
                    "{AUTH} is `htpasswd`, `token` or `none`, or a mapping with one of them"
                ));
            }
        };
        let text = |name: &'static str, default: &str| self.get(name).unwrap_or(default).to_owned();
        let auth = Auth {
            service: text(SERVICE, "lighter"),
            issuer: text(ISSUER, "lighter"),
            realm: self.get(REALM).map(str::to_owned),
            basic_realm: text(BASIC_REALM, "Lighter"),
            patience: PATIENCE,
            by,
        };
        let quoted = [
            (SERVICE, Some(&auth.service)),
            (BASIC_REALM, Some(&auth.basic_realm)),
            (REALM, auth.realm.as_ref()),
        ];
        for (name, value) in quoted {
            // They stand between quotes in a header.
            if value.is_some_and(|value| {
                value.bytes().any(|b| matches!(b, b'"' | b'\\') || !(b' '..=b'~').contains(&b))
            }) {
                return Err(format!("{name} is plain text without quotes"));
            }
        }
        Ok(Some(auth))
    }

    /// Whoever sets up access control and leaves it off is told.
    fn without(&self) -> Result<Option<Auth>, String> {
        match self.other {
            Some(name) => Err(format!("{name} is set, but {AUTH} is not `htpasswd` or `token`")),
            None => Ok(None),
        }
    }

    fn passwords(&self, notices: &mut Vec<String>) -> Result<Passwords, String> {
        let (name, text) = match (self.get(ENTRIES), self.settings.file(PATH)) {
            // A hash has no comma, and lines are hard to put into some environments.
            (Some(entries), None) => (ENTRIES, entries.replace(',', "\n")),
            (None, Some(file)) => (PATH, file?),
            (Some(_), Some(_)) => return Err(format!("{ENTRIES} and {PATH} are both set")),
            (None, None) => {
                return Err(format!("{AUTH} is htpasswd, and neither {PATH} nor {ENTRIES} is set"));
            }
        };
        let mut left_out = Vec::new();
        let passwords = Passwords::parse(&text, &mut left_out).map_err(|error| format!("{name}: {error}"))?;
        notices.extend(left_out.iter().map(|notice| format!("{name}: {notice}")));
        Ok(passwords)
    }

    fn rules(&self) -> Result<Rules, String> {
        let wrong = |name: &'static str| move |error: String| format!("{name}: {error}");
        match (self.get(RULES), self.settings.file(RULES_PATH)) {
            (Some(rules), None) => Rules::parse(rules).map_err(wrong(RULES)),
            (None, Some(file)) => Rules::parse(&file?).map_err(wrong(RULES_PATH)),
            (Some(_), Some(_)) => Err(format!("{RULES} and {RULES_PATH} are both set")),
            (None, None) => Ok(Rules::default()),
        }
    }

    fn token_server(&self, open: Option<OpenTokenServer>) -> Result<By, String> {
        let open = open.ok_or_else(|| {
            format!("{AUTH} is token, and this component has passwords only; use the one for token servers")
        })?;
        for name in [ISSUER, REALM, SERVICE] {
            self.get(name).ok_or_else(|| format!("{AUTH} is token, and {name} is not set"))?;
        }
        open(self.settings).map(By::TokenServer)
    }

    fn get(&self, name: &'static str) -> Option<&'a str> {
        self.settings.get(name)
    }
}
