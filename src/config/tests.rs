//! Configurations that are read, and those that are refused.

use super::*;
use crate::name::Name;

fn config(variables: &[(&str, &str)]) -> Result<Config, String> {
    Config::read(&settings(environment(variables), [&[], &[]])?, None)
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
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
    assert!(unknown("REGISTRY_STORAGE_DELETES").ends_with("did you mean REGISTRY_STORAGE_DELETE_ENABLED?"));
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
    assert!(read_only("REGISTRY_STORAGE", r#"{"maintenance":{"readonly":{"enabled":true}},"cache":null}"#));
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
        (&[set[0], set[1], ("REGISTRY_AUTH_RULES", "{}")], "REGISTRY_AUTH_RULES: repositories is missing"),
        (
            &[set[0], set[1], ("REGISTRY_AUTH_TOKEN_SERVICE", "a\"b")],
            "REGISTRY_AUTH_TOKEN_SERVICE must be plain",
        ),
        (&[set[0], ("REGISTRY_AUTH_HTPASSWD_PATH", "/nowhere")], "cannot read /nowhere"),
        (&[set[0], set[1], ("REGISTRY_AUTH_RULE", "{}")], "did you mean REGISTRY_AUTH_RULES?"),
        (&[("REGISTRY_AUTHS", "htpasswd")], "did you mean REGISTRY_AUTH?"),
        (&[set[0], ("REGISTRY_AUTH_HTPASSWD_ENTRIES", "ann:x")], "REGISTRY_AUTH_HTPASSWD_ENTRIES: line 1"),
    ] {
        let error = auth(variables).unwrap_err();
        assert!(error.contains(named), "{error}");
    }
}
