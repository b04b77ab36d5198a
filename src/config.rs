//! Configuration, by distribution's variables: `REGISTRY_` and the path in its configuration file,
//! joined with `_`.
//!
//! `docs/configuration.md` is the table of them.

mod mapping;

use core::time::Duration;

use crate::auth::{Auth, TokenServer, variables};
use crate::duration;
use crate::immutable_tags::ImmutableTags;
use crate::purge::Purging;
use crate::retention::Rules;
use crate::upstream::{self, Upstreams};
use lighter_storage::{Environment, Settings};

/// The registry's configuration. The default is that of an environment without variables, but without notices.
#[derive(Debug)]
pub struct Config {
    /// The secret that signs `_state`. Without one, the registry makes a secret once and keeps it in storage.
    pub http_secret: Option<String>,
    /// How a `Location` begins.
    pub location: Location,
    /// The path below which the registry is served, without a slash at its end; usually empty.
    pub prefix: String,
    /// Whether blobs, manifests and tags may be deleted.
    pub delete: bool,
    /// Whether every request that would change something is refused.
    pub read_only: bool,
    /// Which abandoned uploads are removed, if any.
    pub purging: Option<Purging>,
    /// Which content of a manifest must exist when it is pushed.
    pub validation: Validation,
    /// Whether there are pages for people.
    pub pages: bool,
    /// The format of the access log, if there is one.
    pub access_log: Option<Format>,
    /// What is kept.
    pub keeping: Keeping,
    /// Access control. Without it, every caller may do everything.
    pub auth: Option<Auth>,
    /// Whether the commands of an operator are answered over HTTP.
    pub commands: bool,
    /// Notices for the operator, in the log: that access control is off, unless that is set explicitly, and each
    /// unknown variable that begins with `REGISTRY_`, with the one that was probably meant.
    pub notices: Vec<String>,
}

/// What an operator wants to be kept, whoever pushes or cleans up.
#[derive(Debug, Default)]
pub struct Keeping {
    /// Which tags are neither moved nor deleted.
    pub immutable_tags: ImmutableTags,
    /// What is kept of each repository. Without rules, that is everything.
    pub retention: Option<Rules>,
    /// The registries that this one is a mirror of, if there are any, with how long what came from them is kept.
    pub upstreams: Option<Upstreams>,
}

/// How a `Location` begins.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Location {
    /// With `/`: the client continues at the address where it found the registry.
    #[default]
    Relative,
    /// With this scheme and host.
    Host(String),
    /// With the scheme and host that the client used, as the proxies in between report them.
    Forwarded,
}

/// Which content of a manifest must be in the repository when the manifest is pushed.
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

/// The notice that access control is off, unless the operator has set that explicitly.
const OPEN: &str = "access control is off: anyone who can reach this registry can push and delete; set REGISTRY_AUTH=htpasswd \
                    to turn it on, or REGISTRY_AUTH=none to keep it off without this notice";

const HTTP_COMMANDS_ENABLED: &str = "REGISTRY_HTTP_COMMANDS_ENABLED";
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
const RETENTION: &str = "REGISTRY_RETENTION";
const RETENTION_PATH: &str = "REGISTRY_RETENTION_PATH";
const TAGS_IMMUTABLE: &str = "REGISTRY_TAGS_IMMUTABLE";
const UI_ENABLED: &str = "REGISTRY_UI_ENABLED";
const VALIDATION_DISABLED: &str = "REGISTRY_VALIDATION_DISABLED";
const VALIDATION_PLATFORMS: &str = "REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS";

const NAMES: [&str; 19] = [
    HTTP_COMMANDS_ENABLED,
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
    RETENTION,
    RETENTION_PATH,
    TAGS_IMMUTABLE,
    UI_ENABLED,
    VALIDATION_DISABLED,
    VALIDATION_PLATFORMS,
];

impl Default for Config {
    fn default() -> Self {
        Self {
            http_secret: None,
            location: Location::Relative,
            prefix: String::new(),
            delete: true,
            read_only: false,
            purging: Some(Purging::default()),
            validation: Validation::default(),
            pages: true,
            access_log: Some(Format::Text),
            keeping: Keeping::default(),
            auth: None,
            commands: false,
            notices: Vec::new(),
        }
    }
}

/// Reads the settings from a host's environment: its variables, and the variables that mappings among them stand for.
/// `of_parts` names the variables that other parts of the product read. Errs, for the log, with the variable that
/// cannot be read.
pub fn settings(environment: Environment, of_parts: [&[&'static str]; 2]) -> Result<Settings, String> {
    let Environment { variables, read_elsewhere, read_file } = environment;
    let [of_storage, of_token_server] = of_parts;
    let known =
        [&NAMES[..], &variables::NAMES, &upstream::NAMES, of_storage, of_token_server, &read_elsewhere]
            .concat();
    let is_set = |name: &str, all: &[(String, String)]| all.iter().any(|(set, _)| set == name);
    let unseen: Vec<_> = read_elsewhere.into_iter().filter(|name| !is_set(name, &variables)).collect();
    let flat = mapping::flatten(variables, &known)?;
    match unseen.into_iter().find(|name| is_set(name, &flat)) {
        Some(name) => Err(format!("{name} is set in a mapping; set it as a variable of its own")),
        None => Ok(Settings::new(flat, known, read_file)),
    }
}

impl Config {
    /// Reads the settings. `server` is given if this product accepts the tokens of an outside server. Errs, for the log,
    /// with the variable whose value is invalid.
    pub fn read(settings: &Settings, server: Option<&TokenServer>) -> Result<Self, String> {
        let mut notices = Vec::new();
        if settings.get(variables::AUTH).is_none() {
            notices.push(OPEN.to_owned());
        }
        let auth = variables::read(settings, server, &mut notices);
        let unknown =
            settings.unknown().map(|name| (name.starts_with(variables::AUTH), settings.guess(name)));
        let (of_auth, others): (Vec<_>, Vec<_>) = unknown.partition(|(is_of_auth, _)| *is_of_auth);
        notices.extend(others.into_iter().map(|(_, notice)| notice));
        // Ignoring an unknown variable of access control could leave the registry open.
        let auth = match (auth, of_auth.into_iter().next()) {
            (Ok(auth), None) => auth,
            (Err(wrong), None) | (Ok(_), Some((_, wrong))) => return Err(wrong),
            (Err(wrong), Some((_, unknown))) => return Err(format!("{wrong}; {unknown}")),
        };
        let read_only = flag(settings, READ_ONLY, false)?;
        let keeping = Keeping::read(settings, &mut notices)?;
        if keeping.upstreams.is_some() && read_only {
            return Err(format!(
                "{READ_ONLY} is set, and a mirror stores what it fetches: remove it, or REGISTRY_PROXY_*"
            ));
        }
        Ok(Self {
            http_secret: settings.get(HTTP_SECRET).map(str::to_owned),
            location: location(settings)?,
            prefix: prefix(settings.get(HTTP_PREFIX).unwrap_or_default())?,
            delete: flag(settings, DELETE_ENABLED, true)?,
            read_only,
            purging: purging(settings)?,
            validation: validation(settings)?,
            pages: flag(settings, UI_ENABLED, true)?,
            access_log: access_log(settings)?,
            // Where everybody may do everything, that does not go without saying.
            commands: flag(settings, HTTP_COMMANDS_ENABLED, auth.is_some())?,
            keeping,
            auth,
            notices,
        })
    }
}

fn location(settings: &Settings) -> Result<Location, String> {
    let is_relative = flag(settings, HTTP_RELATIVE_URLS, true)?;
    match settings.get(HTTP_HOST) {
        Some(value) => Ok(Location::Host(host(value)?)),
        None if is_relative => Ok(Location::Relative),
        None => Ok(Location::Forwarded),
    }
}

fn validation(settings: &Settings) -> Result<Validation, String> {
    let indexes = choice(settings, VALIDATION_PLATFORMS, [("all", true), ("none", false)])?;
    if flag(settings, VALIDATION_DISABLED, false)? {
        return Ok(Validation { images: false, indexes: false });
    }
    Ok(Validation { images: true, indexes })
}

fn purging(settings: &Settings) -> Result<Option<Purging>, String> {
    let default = Purging::default();
    let purging = Purging {
        age: duration(settings, PURGING_AGE)?.unwrap_or(default.age),
        interval: duration(settings, PURGING_INTERVAL)?.unwrap_or(default.interval),
        dry_run: flag(settings, PURGING_DRY_RUN, default.dry_run)?,
    };
    let purges = flag(settings, PURGING_ENABLED, true)? && !flag(settings, READ_ONLY, false)?;
    Ok(Some(purging).filter(|_| purges))
}

fn access_log(settings: &Settings) -> Result<Option<Format>, String> {
    let format = choice(settings, LOG_FORMATTER, [("text", Format::Text), ("json", Format::Json)])?;
    Ok(if flag(settings, LOG_ACCESS_LOG_DISABLED, false)? { None } else { Some(format) })
}

impl Keeping {
    /// Reads this part of the configuration, which the commands need without the rest. Errs, for the log, with the variable
    /// that is wrong.
    pub fn read(settings: &Settings, notices: &mut Vec<String>) -> Result<Self, String> {
        Ok(Self {
            immutable_tags: immutable_tags(settings)?,
            retention: retention(settings)?,
            upstreams: upstream::read(settings, notices)?,
        })
    }
}

fn immutable_tags(settings: &Settings) -> Result<ImmutableTags, String> {
    let tags = settings.get(TAGS_IMMUTABLE).map(ImmutableTags::parse).transpose();
    Ok(tags.map_err(|wrong| format!("{TAGS_IMMUTABLE}: {wrong}"))?.unwrap_or_default())
}

fn retention(settings: &Settings) -> Result<Option<Rules>, String> {
    let Some((name, text)) = settings.text_or_file(RETENTION, RETENTION_PATH)? else { return Ok(None) };
    Rules::parse(&text).map(Some).map_err(|wrong| format!("{name}: {wrong}"))
}

/// Reads a boolean in every spelling that distribution accepts, which are those of `gopkg.in/yaml.v2`.
fn flag(settings: &Settings, name: &str, default: bool) -> Result<bool, String> {
    match settings.get(name) {
        None => Ok(default),
        Some("true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y") => Ok(true),
        Some("false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N") => {
            Ok(false)
        }
        Some(value) => Err(format!("{name} must be `true` or `false`, not {value:?}")),
    }
}

/// Reads one of two words. The first one is the default.
fn choice<T>(settings: &Settings, name: &str, words: [(&str, T); 2]) -> Result<T, String> {
    let [(first, default), (second, other)] = words;
    match settings.get(name) {
        None => Ok(default),
        Some(value) if value == first => Ok(default),
        Some(value) if value == second => Ok(other),
        Some(value) => Err(format!("{name} must be `{first}` or `{second}`, not {value:?}")),
    }
}

fn duration(settings: &Settings, name: &str) -> Result<Option<Duration>, String> {
    let Some(value) = settings.get(name) else { return Ok(None) };
    let invalid = || format!("{name} must be a duration, such as `168h` or `1h30m`, not {value:?}");
    duration::parse(value).ok_or_else(invalid).map(Some)
}

fn host(value: &str) -> Result<String, String> {
    let host = value.trim_end_matches('/');
    let authority = host.strip_prefix("https://").or_else(|| host.strip_prefix("http://"));
    if authority.is_some_and(|authority| !authority.is_empty() && authority.bytes().all(is_of_host)) {
        return Ok(host.to_owned());
    }
    Err(format!(
        "{HTTP_HOST} must be a scheme and a host, such as https://registry.example.com, not {value:?}"
    ))
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
    Err(format!("{HTTP_PREFIX} must be a path that begins with `/`, not {value:?}"))
}

/// Whether a text is the beginning of a path, without a slash at its end.
pub fn is_prefix(prefix: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_' | b'~');
    prefix.starts_with('/')
        && !prefix.starts_with("//")
        && !prefix.ends_with('/')
        && prefix.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
