//! The variables of access control: an invalid one is named in the log, and closes the registry.

use std::fs;

use super::{Caller, RULES, basic, entries, entry, form, options, with_users};
use crate::habits::expect;
use crate::server::{Options, SECRET, Server};

fn with(variables: &[(&str, &str)]) -> Options {
    variables.iter().fold(Server::with_secret(SECRET), |options, (name, value)| options.env(name, value))
}

#[test]
fn what_is_set_up_by_half_serves_nothing() {
    const AUTH: (&str, &str) = ("REGISTRY_AUTH", "htpasswd");
    let entries = &*entries();
    let set = ("REGISTRY_AUTH_HTPASSWD_ENTRIES", entries);
    let rules = |rules| ("REGISTRY_AUTH_RULES", rules);
    let path = "/var/lib/registry/htpasswd";
    for (variables, reason) in [
        (&[("REGISTRY_AUTH", "silly")][..], "REGISTRY_AUTH must be `htpasswd`, `token` or `none`"),
        (&[AUTH], "neither REGISTRY_AUTH_HTPASSWD_PATH nor REGISTRY_AUTH_HTPASSWD_ENTRIES is set"),
        (&[set], "REGISTRY_AUTH_HTPASSWD_ENTRIES is set, but REGISTRY_AUTH is not"),
        (
            &[("REGISTRY_AUTH", "none"), set],
            "REGISTRY_AUTH_HTPASSWD_ENTRIES is set, but REGISTRY_AUTH is not",
        ),
        (&[("REGISTRY_AUTHS", "htpasswd")], "did you mean REGISTRY_AUTH?"),
        (&[AUTH, set, ("REGISTRY_AUTH_RULE", "{}")], "did you mean REGISTRY_AUTH_RULES?"),
        (&[AUTH, set, ("REGISTRY_AUTH_HTPASSWD_PATH", path)], "are both set"),
        (&[AUTH, ("REGISTRY_AUTH_HTPASSWD_PATH", path)], "cannot read /var/lib/registry/htpasswd"),
        (&[AUTH, ("REGISTRY_AUTH_HTPASSWD_PATH", "/etc/htpasswd")], "cannot read /etc/htpasswd"),
        (
            &[AUTH, ("REGISTRY_AUTH_HTPASSWD_ENTRIES", "ann:secret")],
            "line 1: the hash of \\\"ann\\\" is not bcrypt",
        ),
        (&[AUTH, ("REGISTRY_AUTH_HTPASSWD_ENTRIES", "secret")], "line 1 is not of the form NAME:HASH"),
        (&[AUTH, set, rules("secret")], "REGISTRY_AUTH_RULES: "),
        (&[AUTH, set, rules(r#"{"repositories": {"*": {"ann": ["pull"]}}}"#)], "unknown subject"),
        (&[AUTH, set, rules(r#"{"repositories": {"home/{user}*": {}}}"#)], "is not a pattern"),
        (&[AUTH, set, ("REGISTRY_AUTH_RULES_PATH", path)], "REGISTRY_AUTH_RULES_PATH: cannot read"),
        (
            &[AUTH, set, ("REGISTRY_AUTH_TOKEN_SERVICE", "a\"b")],
            "REGISTRY_AUTH_TOKEN_SERVICE must be plain text",
        ),
        (
            &[AUTH, set, ("REGISTRY_AUTH_HTPASSWD_REALM", "a\\b")],
            "REGISTRY_AUTH_HTPASSWD_REALM must be plain text",
        ),
    ] {
        let server = with(variables).start();
        for target in ["/v2/", "/token", "/v2/team/app/tags/list"] {
            let answer = Caller::user(&server, "ann").send("GET", target);
            assert_eq!(answer.status(), "503 Service Unavailable", "{variables:?}: {answer}");
            assert!(!answer.text().contains("REGISTRY_"), "{answer}");
        }
        let line = server.logged(reason);
        for secret in ["$2", "secret", "password"] {
            assert!(!line.contains(secret), "{secret}: {line}");
        }
    }
}

#[test]
fn a_user_without_bcrypt_is_left_out_and_the_others_log_in() {
    let options =
        with(&[("REGISTRY_AUTH", "htpasswd"), ("REGISTRY_AUTH_HTPASSWD_PATH", "/var/lib/registry/htpasswd")]);
    let sha = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    fs::write(
        options.data().join("htpasswd"),
        format!("bob:{sha}\n{}\n", entries().replace("bob:", "bo:").replace(',', "\n")),
    )
    .unwrap();
    let server = options.start();
    expect(Caller::user(&server, "ann").send("GET", "/token"), "200 OK");
    expect(Caller::user(&server, "ann").send("GET", "/v2/"), "200 OK");
    let line = server.logged("REGISTRY_AUTH_HTPASSWD_PATH: line 1: the hash of \"bob\" is not bcrypt");
    assert!(line.ends_with("this user cannot log in") && !server.log().contains("5en6"), "{}", server.log());
    expect(Caller::with(&server, &basic("bob", "secret")).send("GET", "/token"), "401 Unauthorized");
}

#[test]
fn users_and_rules_may_be_in_files() {
    over_files!();
    let options = with(&[
        ("REGISTRY_AUTH", "htpasswd"),
        ("REGISTRY_AUTH_HTPASSWD_PATH", "/var/lib/registry/htpasswd"),
        ("REGISTRY_AUTH_RULES_PATH", "/var/lib/registry/rules.json"),
    ]);
    fs::write(options.data().join("htpasswd"), format!("# users\n\n{}\n", entries().replace(',', "\r\n")))
        .unwrap();
    fs::write(options.data().join("rules.json"), RULES).unwrap();
    let server = options.with_fresh_instances().start();
    Caller::user(&server, "ann").push_image("team/app", &["v1"]);
    expect(Caller::user(&server, "bob").send("GET", "/v2/team/app/tags/list"), "403 Forbidden");
    // They are read by every new instance.
    fs::write(server.data().join("htpasswd"), entry("dan", "new")).unwrap();
    fs::write(server.data().join("rules.json"), r#"{"repositories": {"*": {"user:dan": ["pull"]}}}"#)
        .unwrap();
    expect(Caller::with(&server, &basic("dan", "new")).send("GET", "/v2/team/app/tags/list"), "200 OK");
    fs::write(server.data().join("rules.json"), "").unwrap();
    expect(Caller::user(&server, "ann").send("GET", "/v2/"), "503 Service Unavailable");
}

#[test]
fn a_read_only_registry_gives_tokens() {
    const READ_ONLY: &str = "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED";
    let server = options().start();
    Caller::user(&server, "ann").push_image("team/app", &["v1"]);
    let read_only = options().env(READ_ONLY, "true").on_data_of(&server).start();
    let ann = Caller::user(&read_only, "ann").with_token(&format!("scope={}", super::SCOPE));
    expect(ann.send("GET", "/v2/team/app/manifests/v1"), "200 OK");
    expect(ann.send("POST", "/v2/team/app/blobs/uploads/"), "405 Method Not Allowed");
    expect(read_only.post("/token").body(form("cy")).send(), "200 OK");
    // Without a secret it can sign none. Whoever sends a password each time needs none.
    let options = Server::without_secret().env("REGISTRY_AUTH", "htpasswd");
    let options = options.env("REGISTRY_AUTH_HTPASSWD_ENTRIES", &entries()).env(READ_ONLY, "true");
    let without = options.on_data_of(&server).start();
    expect(without.get("/token").send(), "503 Service Unavailable");
    expect(Caller::with(&without, "Bearer x").send("GET", "/v2/"), "503 Service Unavailable");
    without.logged("set REGISTRY_HTTP_SECRET");
    expect(Caller::user(&without, "ann").send("GET", "/v2/team/app/manifests/v1"), "200 OK");
}

#[test]
fn a_secret_that_the_registry_made_signs_tokens() {
    let options = || {
        let options = Server::without_secret().env("REGISTRY_AUTH", "htpasswd");
        options.env("REGISTRY_AUTH_HTPASSWD_ENTRIES", &entries()).with_fresh_instances()
    };
    let server = options().start();
    let ann = Caller::user(&server, "ann").with_token("scope=repository:team/app:pull,push");
    ann.push_image("team/app", &["v1"]);
    // Another registry over the directory takes it, and one over another does not.
    let other = options().on_data_of(&server).start();
    let authorization = ann.authorization.as_deref().unwrap();
    expect(Caller::with(&other, authorization).send("GET", "/v2/team/app/manifests/v1"), "200 OK");
    expect(Caller::with(&options().start(), authorization).send("GET", "/v2/"), "401 Unauthorized");
    // Neither does one of another name.
    let named = options().on_data_of(&server).env("REGISTRY_AUTH_TOKEN_SERVICE", "another").start();
    expect(Caller::with(&named, authorization).send("GET", "/v2/"), "401 Unauthorized");
}

#[test]
fn an_open_registry_says_so_until_it_is_told_that_it_is_meant_so() {
    const NOTICE: &str = "access control is off";
    let server = Server::start();
    expect(server.get("/v2/").send(), "200 OK");
    server.logged(NOTICE);
    expect(server.get("/token").send(), "404 Not Found");
    for options in [Server::with_secret(SECRET).env("REGISTRY_AUTH", "none"), with_users()] {
        let server = options.start();
        expect(Caller::user(&server, "ann").send("GET", "/v2/"), "200 OK");
        server.logged("GET /v2/ status=200");
        assert!(!server.log().contains(NOTICE), "{}", server.log());
    }
}

#[test]
fn credentials_count_for_nothing_where_there_is_no_access_control() {
    let server = Server::start();
    for authorization in ["Basic x", "Bearer x", &basic("ann", "x")] {
        expect(Caller::with(&server, authorization).send("GET", "/v2/"), "200 OK");
    }
}
