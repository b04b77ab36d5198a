//! Invalid variables: the client learns that the registry is misconfigured, and the log names the variable.

use insta::assert_snapshot;

use crate::server::Server;

#[test]
fn a_registry_that_is_configured_wrongly_serves_nothing() {
    let server = Server::with_secret("s").env("REGISTRY_STORAGE_DELETE_ENABLED", "perhaps").start();
    assert_snapshot!(server.get("/v2/").send(), @r#"
    503 Service Unavailable
    content-length: 122
    content-type: application/json

    {"errors":[{"code":"UNAVAILABLE","message":"service unavailable","detail":"the registry is misconfigured; see its log"}]}
    "#);
    assert_snapshot!(server.head("/v2/").send(), @"
    503 Service Unavailable
    content-length: 122
    content-type: application/json
    ");
    for (method, target) in
        [("GET", "/"), ("POST", "/v2/a/blobs/uploads/"), ("PUT", "/v2/a/manifests/v1"), ("GET", "/x")]
    {
        let answer = server.request(method, target).send();
        assert_eq!(answer.status(), "503 Service Unavailable", "{method} {target}: {answer}");
        assert!(!answer.text().contains("REGISTRY_"), "{method} {target}: {answer}");
    }
    let line = server.logged("PUT /v2/a/manifests/v1 status=503");
    let reason = r#"REGISTRY_STORAGE_DELETE_ENABLED must be `true` or `false`, not \"perhaps\""#;
    assert!(line.contains(reason), "{line}");
    assert!(!server.root().exists());
}

#[test]
fn every_wrong_value_is_named() {
    for (name, value) in [
        ("REGISTRY_HTTP_HOST", "registry.example.com"),
        ("REGISTRY_HTTP_PREFIX", "registry"),
        ("REGISTRY_HTTP_RELATIVEURLS", "perhaps"),
        ("REGISTRY_LOG_ACCESSLOG_DISABLED", "1"),
        ("REGISTRY_LOG_FORMATTER", "logstash"),
        ("REGISTRY_STORAGE_DELETE_ENABLED", "tRUE"),
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "{}"),
        ("REGISTRY_UI_ENABLED", "1"),
        ("REGISTRY_VALIDATION_DISABLED", "none"),
        ("REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS", "list"),
    ] {
        let server = Server::with_secret("s").env(name, value).start();
        assert_eq!(server.get("/v2/").send().status(), "503 Service Unavailable", "{name}={value}");
        server.logged(&format!("{name} must be "));
    }
}

/// distribution reads the value of a variable as YAML, so people give it a mapping.
#[test]
fn a_variable_may_be_a_mapping() {
    let read_only = "405 Method Not Allowed";
    for (name, value) in [
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY", r#"{"enabled":true}"#),
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY", r#"{"enabled":"True"}"#),
        ("REGISTRY_STORAGE_MAINTENANCE", r#"{"readonly":{"enabled":true}}"#),
        ("REGISTRY_STORAGE", r#"{"maintenance":{"readonly":{"enabled":"on"}}}"#),
    ] {
        let server = Server::with_secret("s").env(name, value).start();
        assert_eq!(server.post("/v2/a/b/blobs/uploads/").send().status(), read_only, "{name}={value}");
    }
    let server = Server::with_secret("s").env("REGISTRY_STORAGE_DELETE", r#"{"enabled":false}"#).start();
    assert_eq!(server.delete("/v2/a/b/manifests/v1").send().status(), "405 Method Not Allowed");
    assert_eq!(server.post("/v2/a/b/blobs/uploads/").send().status(), "202 Accepted");
}

#[test]
fn a_mapping_that_cannot_be_read_keeps_the_registry_from_serving() {
    for (name, value) in [
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "true"),
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY", "enabled: true"),
        ("REGISTRY_STORAGE_DELETE", r#"{"enabled":false"#),
        ("REGISTRY_HTTP", "{\"secret\":\"hidden\""),
        ("REGISTRY_AUTH", "{htpasswd: {entries: hidden}}"),
    ] {
        let server = Server::with_secret("s").env(name, value).start();
        assert_eq!(server.get("/v2/").send().status(), "503 Service Unavailable", "{name}={value}");
        let line = server.logged(&format!("{name} is not a JSON object"));
        assert!(!line.contains("hidden"), "{line}");
    }
}

#[test]
fn an_empty_variable_is_none() {
    over_files!();
    let server = Server::without_secret()
        .env("REGISTRY_HTTP_SECRET", "")
        .env("REGISTRY_HTTP_HOST", "")
        .env("REGISTRY_STORAGE_DELETE_ENABLED", "")
        .start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    assert!(started.location().starts_with("/v2/"), "{started}");
    assert!(server.data().join("lighter/http-secret").is_file());
}

#[test]
fn an_unknown_variable_is_told_with_the_nearest_name() {
    let server = Server::with_secret("s")
        .env("REGISTRY_HTTP_SECRETS", "the value of what is misspelt")
        .env("REGISTRY_STORAGE_DELETE_ENABLE", "false")
        .env("REGISTRY_REDIS_ADDR", "localhost:6379")
        .start();
    // It serves all the same: what is meant for distribution does no harm.
    assert_eq!(server.get("/v2/").send().status(), "200 OK");
    server.logged("unknown variable REGISTRY_HTTP_SECRETS; did you mean REGISTRY_HTTP_SECRET?");
    server.logged(
        "unknown variable REGISTRY_STORAGE_DELETE_ENABLE; did you mean REGISTRY_STORAGE_DELETE_ENABLED?",
    );
    server.logged("unknown variable REGISTRY_REDIS_ADDR");
    server.logged("GET /v2/ status=200");
    assert!(!server.log().contains("misspelt"), "{}", server.log());
}

#[test]
fn the_documentation_has_every_variable_that_is_read() {
    let sources = [
        include_str!("../crates/token-server/src/lib.rs"),
        include_str!("../src/auth/variables.rs"),
        include_str!("../src/config.rs"),
        include_str!("../src/upstream.rs"),
        include_str!("../drivers/filesystem/src/host.rs"),
        include_str!("../drivers/keyvalue/src/host.rs"),
        include_str!("../drivers/s3/src/settings.rs"),
    ];
    let constant = |line: &'static str| {
        let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
        let (_, value) = line.strip_prefix("const ")?.split_once(": &str = \"REGISTRY_")?;
        value.strip_suffix("\";")
    };
    let mut read: Vec<&str> = sources.iter().flat_map(|source| source.lines()).filter_map(constant).collect();
    read.sort_unstable();
    let documented: Vec<&str> = include_str!("../docs/configuration.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `REGISTRY_")?.split('`').next())
        .collect();
    assert_eq!(documented, read);
    assert!(read.len() > 10, "{read:?}");
}
