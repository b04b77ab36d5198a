//! Configuration, by distribution's variables: `REGISTRY_` and the path in its configuration file,
//! joined with `_`.
//!
//! `docs/configuration.md` is the table of them.

use core::time::Duration;

use crate::auth::{Auth, Variables};
use crate::duration;
use crate::purge::Purging;

/// What the environment says.
#[derive(Debug, Default)]
pub struct Config {
    /// What signs `_state`. Without it, a secret is made once and kept in storage.
    pub http_secret: Option<String>,
    /// How a `Location` begins.
    pub location: Location,
    /// The path below which the registry is served, without a slash at its end; mostly empty.
    pub prefix: String,
    /// Whether blobs, manifests and tags may be deleted.
    pub delete: bool,
    /// Whether everything that would change something is refused.
    pub read_only: bool,
    /// Which uploads that nobody completes are removed, if any are.
    pub purging: Option<Purging>,
    /// What of a manifest must be here.
    pub validation: Validation,
    /// How requests are logged, if they are.
    pub access_log: Option<Format>,
    /// Who may do what; everybody everything without it.
    pub auth: Option<Auth>,
    /// What is to be told to whoever reads the log: that there is no access control, if nobody said that
    /// there should be none, and variables that begin with `REGISTRY_` and mean nothing here, each with
    /// what may have been meant.
    pub notices: Vec<String>,
}

/// How a `Location` begins.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Location {
    /// With `/`: wherever the client found the registry, it finds it again.
    #[default]
    Relative,
    /// With this scheme and host.
    Host(String),
    /// With the scheme and host that the client used, as the proxies in between tell.
    Forwarded,
}

/// What of a manifest must be in the repository when it is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validation {
    /// The config and layers of an image.
    pub images: bool,
    /// The manifests of an index.
    pub indexes: bool,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `name=value`, for people.
    Text,
    /// JSON, for programs.
    Json,
}

impl Default for Validation {
    fn default() -> Self {
        Self { images: true, indexes: true }
    }
}

/// What is told until it is said that it is meant so.
const OPEN: &str = "there is no access control: whoever reaches this registry may push and delete; REGISTRY_AUTH=htpasswd \
                    changes that, and REGISTRY_AUTH=none says that it is meant so";

const HTTP_HOST: &str = "REGISTRY_HTTP_HOST";
const HTTP_PREFIX: &str = "REGISTRY_HTTP_PREFIX";
const HTTP_RELATIVE_URLS: &str = "REGISTRY_HTTP_RELATIVEURLS";
const HTTP_SECRET: &str = "REGISTRY_HTTP_SECRET";
const LOG_ACCESS_LOG_DISABLED: &str = "REGISTRY_LOG_ACCESSLOG_DISABLED";
const LOG_FORMATTER: &str = "REGISTRY_LOG_FORMATTER";
const DELETE_ENABLED: &str = "REGISTRY_STORAGE_DELETE_ENABLED";
const READ_ONLY: &str = "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED";
const PURGING_AGE: &str = "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE";
const PURGING_DRY_RUN: &str = "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_DRYRUN";
const PURGING_ENABLED: &str = "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED";
const PURGING_INTERVAL: &str = "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_INTERVAL";
/// By this whoever gives the registry its environment says why a part of it cannot be read. It then serves
/// nothing: that part may be what keeps others out.
pub const UNREADABLE: &str = "LIGHTER_UNREADABLE";
const VALIDATION_DISABLED: &str = "REGISTRY_VALIDATION_DISABLED";
const VALIDATION_PLATFORMS: &str = "REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS";

/// What drivers read themselves. They share the environment.
const OF_DRIVERS: [&str; 3] = [
    "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY",
    "REGISTRY_STORAGE_KEYVALUE_CHUNKSIZE",
    "REGISTRY_STORAGE_KEYVALUE_STORE",
];

const NAMES: [&str; 14] = [
    HTTP_HOST,
    HTTP_PREFIX,
    HTTP_RELATIVE_URLS,
    HTTP_SECRET,
    LOG_ACCESS_LOG_DISABLED,
    LOG_FORMATTER,
    DELETE_ENABLED,
    READ_ONLY,
    PURGING_AGE,
    PURGING_DRY_RUN,
    PURGING_ENABLED,
    PURGING_INTERVAL,
    VALIDATION_DISABLED,
    VALIDATION_PLATFORMS,
];

impl Config {
    /// Reads the variables of an environment. An empty one counts as not set. Errs, for the log, with
    /// the variable whose value is none.
    pub fn from_environment(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let mut config = Self { delete: true, access_log: Some(Format::Text), ..Self::default() };
        let (mut access_log, mut forwarded) = (true, false);
        let (mut purges, mut purging) = (true, Purging::default());
        let mut auth = Variables::default();
        for (name, value) in variables.into_iter().filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                HTTP_SECRET => config.http_secret = Some(value),
                HTTP_HOST => config.location = Location::Host(host(&value)?),
                HTTP_RELATIVE_URLS => forwarded = !flag(&name, &value)?,
                HTTP_PREFIX => config.prefix = prefix(&value)?,
                DELETE_ENABLED => config.delete = flag(&name, &value)?,
                READ_ONLY => config.read_only = flag(&name, &value)?,
                PURGING_ENABLED => purges = flag(&name, &value)?,
                PURGING_AGE => purging.age = duration(&name, &value)?,
                PURGING_INTERVAL => purging.interval = duration(&name, &value)?,
                PURGING_DRY_RUN => purging.dry_run = flag(&name, &value)?,
                VALIDATION_DISABLED if flag(&name, &value)? => {
                    config.validation = Validation { images: false, indexes: false };
                }
                VALIDATION_DISABLED => {}
                VALIDATION_PLATFORMS => match value.as_str() {
                    "all" => {}
                    "none" => config.validation.indexes = false,
                    _ => return Err(format!("{name} is `all` or `none`, not {value:?}")),
                },
                LOG_FORMATTER => match value.as_str() {
                    "text" => config.access_log = Some(Format::Text),
                    "json" => config.access_log = Some(Format::Json),
                    _ => return Err(format!("{name} is `text` or `json`, not {value:?}")),
                },
                LOG_ACCESS_LOG_DISABLED => access_log = !flag(&name, &value)?,
                of_auth if Variables::NAMES.contains(&of_auth) => auth.push(name, value),
                known if OF_DRIVERS.contains(&known) => {}
                UNREADABLE => return Err(value),
                // Left out, it would leave open what is to be closed.
                unknown if unknown.starts_with("REGISTRY_AUTH") => return Err(guess(unknown)),
                unknown if unknown.starts_with("REGISTRY_") => config.notices.push(guess(unknown)),
                _ => {}
            }
        }
        if !auth.are_decided() {
            config.notices.insert(0, OPEN.to_owned());
        }
        config.auth = auth.read()?;
        config.purging = Some(purging).filter(|_| purges && !config.read_only);
        config.access_log = config.access_log.filter(|_| access_log);
        if forwarded && config.location == Location::Relative {
            config.location = Location::Forwarded;
        }
        Ok(config)
    }
}

fn flag(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{name} is `true` or `false`, not {value:?}")),
    }
}

fn duration(name: &str, value: &str) -> Result<Duration, String> {
    let invalid = || format!("{name} is a duration, such as `168h` or `1h30m`, not {value:?}");
    duration::parse(value).ok_or_else(invalid)
}

fn host(value: &str) -> Result<String, String> {
    let host = value.trim_end_matches('/');
    let authority = host.strip_prefix("https://").or_else(|| host.strip_prefix("http://"));
    if authority.is_some_and(|authority| !authority.is_empty() && authority.bytes().all(is_of_host)) {
        return Ok(host.to_owned());
    }
    Err(format!("{HTTP_HOST} is a scheme and a host, such as https://registry.example.com, not {value:?}"))
}

/// Whether a byte may stand in a host with its port.
pub fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_')
}

fn prefix(value: &str) -> Result<String, String> {
    let prefix = value.trim_end_matches('/');
    if prefix.is_empty() || is_prefix(prefix) {
        return Ok(prefix.to_owned());
    }
    Err(format!("{HTTP_PREFIX} is a path that begins with `/`, not {value:?}"))
}

/// Whether a text is the beginning of a path, without a slash at its end.
pub fn is_prefix(prefix: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_' | b'~');
    prefix.starts_with('/')
        && !prefix.starts_with("//")
        && !prefix.ends_with('/')
        && prefix.bytes().all(allowed)
}

/// Says of an unknown variable which known one is the nearest.
fn guess(unknown: &str) -> String {
    let nearest =
        NAMES.iter().chain(&OF_DRIVERS).chain(&Variables::NAMES).min_by_key(|name| distance(name, unknown));
    match nearest {
        Some(name) if distance(name, unknown) <= (unknown.len() - "REGISTRY_".len()) * 3 / 5 => {
            format!("{unknown} means nothing here; is it {name}?")
        }
        _ => format!("{unknown} means nothing here"),
    }
}

/// How many letters have to be changed, added or removed to make one word of another (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut above = i + 1;
        let mut left_above = i;
        let mut next = vec![above];
        for (b, up) in other.bytes().zip(row.iter().skip(1)) {
            above = (left_above + usize::from(a != b)).min(above + 1).min(up + 1);
            next.push(above);
            left_above = *up;
        }
        row = next;
    }
    row.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, String> {
        Config::from_environment(variables.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    #[test]
    fn without_variables_there_are_defaults() {
        let config = config(&[("HOME", "/root"), (HTTP_SECRET, "")]).unwrap();
        assert_eq!(config.http_secret, None);
        assert_eq!(config.location, Location::Relative);
        assert!(config.delete && !config.read_only && config.validation == Validation::default());
        assert_eq!((config.access_log, config.notices), (Some(Format::Text), vec![OPEN.to_owned()]));
    }

    #[test]
    fn a_wrong_value_is_named() {
        for (name, value) in [
            (DELETE_ENABLED, "yes"),
            (READ_ONLY, "1"),
            (HTTP_HOST, "registry.example.com"),
            (HTTP_HOST, "https://a b"),
            (HTTP_PREFIX, "registry"),
            (HTTP_PREFIX, "/a\r\nb"),
            (LOG_FORMATTER, "logstash"),
            (PURGING_AGE, "7d"),
            (PURGING_AGE, "-1h"),
            (PURGING_INTERVAL, "3600"),
            (PURGING_ENABLED, "perhaps"),
            (PURGING_DRY_RUN, "perhaps"),
            (VALIDATION_PLATFORMS, "some"),
            (HTTP_RELATIVE_URLS, "maybe"),
        ] {
            assert!(config(&[(name, value)]).unwrap_err().contains(name), "{name}={value}");
        }
    }

    #[test]
    fn purging_is_on_unless_it_is_switched_off() {
        let purging = |variables: &[_]| config(variables).unwrap().purging;
        assert_eq!(purging(&[]), Some(Purging::default()));
        assert_eq!(purging(&[(PURGING_ENABLED, "false")]), None);
        assert_eq!(purging(&[(READ_ONLY, "true"), (PURGING_ENABLED, "true")]), None);
        let [age, interval] = [5_400, 60].map(Duration::from_secs);
        let set = [(PURGING_AGE, "1h30m"), (PURGING_INTERVAL, "1m"), (PURGING_DRY_RUN, "true")];
        assert_eq!(purging(&set), Some(Purging { age, interval, dry_run: true }));
        // Even one that is not needed.
        assert!(config(&[(PURGING_ENABLED, "false"), (PURGING_AGE, "a week")]).is_err());
    }

    #[test]
    fn a_host_goes_before_what_proxies_say() {
        for order in [[0, 1], [1, 0]] {
            let variables = [(HTTP_HOST, "https://r.example.com/"), (HTTP_RELATIVE_URLS, "false")];
            let config = config(&order.map(|i| variables[i])).unwrap();
            assert_eq!(config.location, Location::Host("https://r.example.com".into()));
        }
        assert_eq!(config(&[(HTTP_RELATIVE_URLS, "false")]).unwrap().location, Location::Forwarded);
    }

    #[test]
    fn an_unknown_variable_is_told_with_the_nearest_name() {
        let unknown = |name| config(&[(name, "x"), ("REGISTRY_AUTH", "none")]).unwrap().notices.remove(0);
        assert!(unknown("REGISTRY_HTTP_SECRETS").ends_with("is it REGISTRY_HTTP_SECRET?"));
        assert!(unknown("REGISTRY_STORAGE_DELETE").ends_with("is it REGISTRY_STORAGE_DELETE_ENABLED?"));
        assert!(unknown("REGISTRY_X").ends_with("means nothing here"));
    }

    #[test]
    fn access_control_is_set_up_whole_or_not_at_all() {
        const ANN: &str = "ann:$2y$04$KBEVYEW/IQWzCPDyv/XkmeYLUbIvvXyC0lr7EAYtMhIPkfHIz1IWG";
        let auth = |variables: &[(&str, &str)]| config(variables).map(|config| config.auth);
        assert!(auth(&[("REGISTRY_AUTH", "none")]).unwrap().is_none());
        let set = [("REGISTRY_AUTH", "htpasswd"), ("REGISTRY_AUTH_HTPASSWD_ENTRIES", ANN)];
        assert_eq!(auth(&set).unwrap().unwrap().service, "lighter");
        for (variables, named) in [
            (&[("REGISTRY_AUTH", "silly")][..], "REGISTRY_AUTH is"),
            (&[("REGISTRY_AUTH", "htpasswd")], "neither"),
            (&[("REGISTRY_AUTH_HTPASSWD_ENTRIES", ANN)], "but REGISTRY_AUTH is not"),
            (&[("REGISTRY_AUTH", "none"), ("REGISTRY_AUTH_RULES", "{}")], "REGISTRY_AUTH_RULES is set"),
            (
                &[set[0], set[1], ("REGISTRY_AUTH_RULES", "{}")],
                "REGISTRY_AUTH_RULES: repositories is missing",
            ),
            (
                &[set[0], set[1], ("REGISTRY_AUTH_TOKEN_SERVICE", "a\"b")],
                "REGISTRY_AUTH_TOKEN_SERVICE is plain",
            ),
            (&[set[0], ("REGISTRY_AUTH_HTPASSWD_PATH", "/nowhere")], "cannot read /nowhere"),
            (&[set[0], set[1], ("REGISTRY_AUTH_RULE", "{}")], "is it REGISTRY_AUTH_RULES?"),
            (&[("REGISTRY_AUTHS", "htpasswd")], "is it REGISTRY_AUTH?"),
            (
                &[set[0], ("REGISTRY_AUTH_HTPASSWD_ENTRIES", "ann:x")],
                "REGISTRY_AUTH_HTPASSWD_ENTRIES: line 1",
            ),
        ] {
            let error = auth(variables).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn words_have_a_distance() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
