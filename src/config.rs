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
mod tests {
    use super::*;
    use crate::name::Name;

    fn config(variables: &[(&str, &str)]) -> Result<Config, String> {
        Config::read(&settings(environment(variables), [&[], &[]])?, None)
    }

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let read_file = |path: &str| std::fs::read_to_string(path).map_err(|error| error.to_string());
        Environment { variables, read_elsewhere: Vec::new(), read_file }
    }

    #[test]
    fn a_mapping_may_have_variables_of_the_storage_if_that_sees_it() {
        const DIRECTORY: &str = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY";
        let mapping = [("REGISTRY_STORAGE", r#"{"filesystem":{"rootdirectory":"/x"}}"#)];
        let linked = settings(environment(&mapping), [&[DIRECTORY], &[]]).unwrap();
        assert_eq!((linked.get(DIRECTORY), linked.unknown().count()), (Some("/x"), 0));

        let composed = Environment { read_elsewhere: vec![DIRECTORY], ..environment(&mapping) };
        let error = settings(composed, [&[], &[]]).err().unwrap();
        assert_eq!(error, format!("{DIRECTORY} is set in a mapping; set it as a variable of its own"));
        let variable = [mapping[0], (DIRECTORY, "/x")];
        let composed = Environment { read_elsewhere: vec![DIRECTORY], ..environment(&variable) };
        assert_eq!(settings(composed, [&[], &[]]).unwrap().unknown().count(), 0);
    }

    #[test]
    fn without_variables_there_are_defaults() {
        let read = config(&[("HOME", "/root"), (HTTP_SECRET, "")]).unwrap();
        assert_eq!(read.notices, [OPEN]);
        for config in [read, Config::default()] {
            assert_eq!(config.http_secret, None);
            assert_eq!(config.location, Location::Relative);
            assert!(config.delete && !config.read_only && config.validation == Validation::default());
            assert_eq!(config.access_log, Some(Format::Text));
        }
    }

    #[test]
    fn a_wrong_value_is_named() {
        for (name, value) in [
            (DELETE_ENABLED, "perhaps"),
            (DELETE_ENABLED, "tRUE"),
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
            (RETENTION, "yes"),
            (RETENTION, r#"{"repositories": {"*": {"keep_newest": 0}}}"#),
            (RETENTION_PATH, "/nothing/there"),
            (TAGS_IMMUTABLE, "v*"),
            (VALIDATION_PLATFORMS, "some"),
            (HTTP_RELATIVE_URLS, "maybe"),
            (HTTP_COMMANDS_ENABLED, "perhaps"),
            (UI_ENABLED, "0"),
        ] {
            assert!(config(&[(name, value)]).unwrap_err().contains(name), "{name}={value}");
        }
    }

    #[test]
    fn rules_of_retention_are_in_a_variable_or_in_a_file() {
        const RULES: &str = r#"{"repositories": {"*": {"keep_newest": 3}}}"#;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), RULES).unwrap();
        let path = file.path().to_str().unwrap();
        let newest = |variables: &[_]| {
            let rules = config(variables).unwrap().keeping.retention?;
            rules.of(&Name::parse("a").unwrap()).unwrap().newest
        };
        assert_eq!(newest(&[]), None);
        assert_eq!(newest(&[(RETENTION, RULES)]), Some(3));
        assert_eq!(newest(&[(RETENTION_PATH, path)]), Some(3));
        let error = config(&[(RETENTION, RULES), (RETENTION_PATH, path)]).unwrap_err();
        assert!(error.contains("are both set"), "{error}");
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
        // Even a variable that is not needed.
        assert!(config(&[(PURGING_ENABLED, "false"), (PURGING_AGE, "a week")]).is_err());
    }

    #[test]
    fn commands_are_on_where_access_is_controlled() {
        const ANN: &str = "ann:$2y$04$KBEVYEW/IQWzCPDyv/XkmeYLUbIvvXyC0lr7EAYtMhIPkfHIz1IWG";
        let auth = [("REGISTRY_AUTH", "htpasswd"), ("REGISTRY_AUTH_HTPASSWD_ENTRIES", ANN)];
        let commands = |variables: &[_]| config(variables).unwrap().commands;
        assert!(!commands(&[]) && !commands(&[("REGISTRY_AUTH", "none")]) && commands(&auth));
        assert!(commands(&[(HTTP_COMMANDS_ENABLED, "true")]));
        assert!(!commands(&[auth[0], auth[1], (HTTP_COMMANDS_ENABLED, "false")]));
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
        assert!(unknown("REGISTRY_HTTP_SECRETS").ends_with("did you mean REGISTRY_HTTP_SECRET?"));
        assert!(
            unknown("REGISTRY_STORAGE_DELETES").ends_with("did you mean REGISTRY_STORAGE_DELETE_ENABLED?")
        );
        assert!(unknown("REGISTRY_X") == "unknown variable REGISTRY_X");
    }

    #[test]
    fn booleans_are_those_of_yaml() {
        for (text, value) in [
            ("true", true),
            ("True", true),
            ("TRUE", true),
            ("yes", true),
            ("On", true),
            ("Y", true),
            ("False", false),
            ("FALSE", false),
            ("no", false),
            ("OFF", false),
            ("n", false),
        ] {
            assert_eq!(config(&[(READ_ONLY, text)]).unwrap().read_only, value, "{text}");
        }
    }

    #[test]
    fn a_mapping_sets_what_it_contains() {
        let read_only = |name, value| config(&[(name, value)]).unwrap().read_only;
        for value in [r#"{"enabled":true}"#, r#"{"enabled":"TRUE"}"#, "{ \"enabled\": \"yes\" }"] {
            assert!(read_only("REGISTRY_STORAGE_MAINTENANCE_READONLY", value), "{value}");
        }
        assert!(read_only("REGISTRY_STORAGE_MAINTENANCE", r#"{"readonly":{"enabled":true}}"#));
        assert!(read_only(
            "REGISTRY_STORAGE",
            r#"{"maintenance":{"readonly":{"enabled":true}},"cache":null}"#
        ));
        assert!(!config(&[("REGISTRY_STORAGE_DELETE", r#"{"enabled":false}"#)]).unwrap().delete);
        let http = r#"{"secret":"s","host":"https://r.example.com","addr":":5000"}"#;
        let http = config(&[("REGISTRY_HTTP", http)]).unwrap();
        assert_eq!(http.http_secret.as_deref(), Some("s"));
        assert_eq!(http.location, Location::Host("https://r.example.com".into()));
        let is_of_address = |notice: &String| notice.contains("REGISTRY_HTTP_ADDR");
        assert!(http.notices.iter().any(is_of_address), "{:?}", http.notices);
    }

    #[test]
    fn what_cannot_be_read_as_a_mapping_is_named_and_nothing_is_served() {
        for (name, value) in [
            ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "true"),
            ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "enabled: true"),
            ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "{\"enabled\":true"),
            ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "[enabled]"),
            ("REGISTRY_STORAGE_DELETE", "enabled: [true"),
            ("REGISTRY_HTTP", "{\"secret\":\"hidden\""),
            ("REGISTRY_AUTH_HTPASSWD", "path"),
        ] {
            let error = config(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(&format!("{name} is not a JSON object")), "{name}={value}: {error}");
            assert!(!error.contains("hidden"), "{error}");
        }
        let error = config(&[("REGISTRY_STORAGE", r#"{"maintenance":{"readonly":true}}"#)]).unwrap_err();
        assert!(error.starts_with("REGISTRY_STORAGE_MAINTENANCE_READONLY is not a JSON object"), "{error}");
        let error = config(&[("REGISTRY_STORAGE_DELETE", r#"{"enabled":"perhaps"}"#)]).unwrap_err();
        assert!(error.contains("REGISTRY_STORAGE_DELETE_ENABLED must be `true` or `false`"), "{error}");
        // The value is the name of a driver.
        assert!(config(&[("REGISTRY_STORAGE", "filesystem")]).is_ok());
    }

    #[test]
    fn access_control_may_be_a_mapping() {
        let auth = |value: &str| config(&[("REGISTRY_AUTH", value)]).map(|config| config.auth);
        let ann = r#""entries":"ann:$2y$04$KBEVYEW/IQWzCPDyv/XkmeYLUbIvvXyC0lr7EAYtMhIPkfHIz1IWG""#;
        let set = auth(&format!(r#"{{"htpasswd":{{{ann},"realm":"Here"}}}}"#)).unwrap().unwrap();
        assert_eq!(set.basic_realm, "Here");
        for (value, named) in [
            (r#"{"htpasswd":{"path":"/a"},"token":{}}"#, "must have one member"),
            ("{}", "must have one member"),
            (r#"{"rules":{"repositories":{}}}"#, "REGISTRY_AUTH_RULES must be a string"),
            (r#"{"htpasswd":{"path":["/a"]}}"#, "REGISTRY_AUTH_HTPASSWD_PATH must be a string"),
            (r#"{"silly":{}}"#, "REGISTRY_AUTH must be "),
            (r#"{"htpasswd":null}"#, "neither"),
            (r#"{"htpasswd":{"entries":"ann:$2y"}"#, "REGISTRY_AUTH is not a JSON object"),
            (r#"{"htpasswd":{"pth":"/a"}}"#, "REGISTRY_AUTH_HTPASSWD_PTH"),
        ] {
            let error = auth(value).unwrap_err();
            assert!(error.contains(named) && !error.contains("$2y"), "{value}: {error}");
        }
        assert!(auth(r#"{"none":{}}"#).unwrap().is_none());
    }

    #[test]
    fn access_control_is_set_up_whole_or_not_at_all() {
        const ANN: &str = "ann:$2y$04$KBEVYEW/IQWzCPDyv/XkmeYLUbIvvXyC0lr7EAYtMhIPkfHIz1IWG";
        let auth = |variables: &[(&str, &str)]| config(variables).map(|config| config.auth);
        assert!(auth(&[("REGISTRY_AUTH", "none")]).unwrap().is_none());
        let set = [("REGISTRY_AUTH", "htpasswd"), ("REGISTRY_AUTH_HTPASSWD_ENTRIES", ANN)];
        assert_eq!(auth(&set).unwrap().unwrap().service, "lighter");
        for (variables, named) in [
            (&[("REGISTRY_AUTH", "silly")][..], "REGISTRY_AUTH must be"),
            (&[("REGISTRY_AUTH", "htpasswd")], "neither"),
            (&[("REGISTRY_AUTH_HTPASSWD_ENTRIES", ANN)], "but REGISTRY_AUTH is not"),
            (&[("REGISTRY_AUTH", "none"), ("REGISTRY_AUTH_RULES", "{}")], "REGISTRY_AUTH_RULES is set"),
            (
                &[set[0], set[1], ("REGISTRY_AUTH_RULES", "{}")],
                "REGISTRY_AUTH_RULES: repositories is missing",
            ),
            (
                &[set[0], set[1], ("REGISTRY_AUTH_TOKEN_SERVICE", "a\"b")],
                "REGISTRY_AUTH_TOKEN_SERVICE must be plain",
            ),
            (&[set[0], ("REGISTRY_AUTH_HTPASSWD_PATH", "/nowhere")], "cannot read /nowhere"),
            (&[set[0], set[1], ("REGISTRY_AUTH_RULE", "{}")], "did you mean REGISTRY_AUTH_RULES?"),
            (&[("REGISTRY_AUTHS", "htpasswd")], "did you mean REGISTRY_AUTH?"),
            (
                &[set[0], ("REGISTRY_AUTH_HTPASSWD_ENTRIES", "ann:x")],
                "REGISTRY_AUTH_HTPASSWD_ENTRIES: line 1",
            ),
        ] {
            let error = auth(variables).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
