//! The commands of an operator, under the real `wasmtime run` beside the server, and over HTTP.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Output;

use insta::assert_snapshot;
use serde_json::Value;

use crate::client::Response;
use crate::content::{noise, push_blob, sha256};
use crate::habits::expect;
use crate::images::{MANIFEST, manifest};
use crate::manifests::{put, server_with_blobs};
use crate::server::Server;

/// A server that answers commands over HTTP, with an image in one repository and a blob of it in another.
fn server() -> Server {
    let server = Server::with_secret("s").env("REGISTRY_HTTP_COMMANDS_ENABLED", "true").start();
    for (repository, blob) in [("a/b", &b"{}"[..]), ("a/b", b"hello"), ("c", b"hello"), ("c", b"of c alone")]
    {
        push_blob(&server, repository, blob);
    }
    expect(put(&server, "v1", MANIFEST, &manifest(b"hello")), "201 Created");
    server
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What a command has printed, which must have ended with this status and said nothing else.
pub(crate) fn printed(output: &Output, status: i32) -> String {
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(status), String::new()), "{output:?}");
    text(&output.stdout)
}

/// Calls a command over HTTP until it is over. Returns what it has found, its end, and the number of calls.
pub(crate) fn call(server: &Server, command: &str, query: &str) -> (Vec<String>, Value, u32) {
    let (mut found, mut from) = (Vec::new(), String::new());
    for calls in 1..1000 {
        let answer =
            expect(server.post(&format!("/v2/_lighter/{command}?{query}&from={from}")).send(), "200 OK");
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        let text = answer.text();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let end: Value = serde_json::from_str(&lines.pop().unwrap()).unwrap();
        found.extend(lines);
        match end["next"].as_str() {
            None => return (found, end, calls),
            Some(next) => from = next.to_owned(),
        }
    }
    panic!("{command} has no end");
}

/// The file of a blob.
pub(crate) fn file(server: &Server, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").unwrap();
    server.root().join(format!("blobs/sha256/{}/{hex}/data", &hex[..2]))
}

#[test]
fn the_file_that_serves_runs_commands_beside_it() {
    over_files!();
    let server = server();
    assert_snapshot!(printed(&server.command(&["usage"], &[]), 0), @"
          394 B alone         5 B shared       3 blobs  a/b
           10 B alone         5 B shared       2 blobs  c
    409 B in 4 blobs, 0 B of them in no repository
    ");
    assert_snapshot!(printed(&server.command(&["usage", "--json"], &[]), 0), @r#"
    {"repository":"a/b","blobs":3,"alone":394,"shared":5}
    {"repository":"c","blobs":2,"alone":10,"shared":5}
    {"command":"usage","blobs":4,"bytes":409,"unlinked":0,"over":true}
    "#);
    assert_snapshot!(printed(&server.command(&["check"], &[]), 0), @"read 4 blobs with 409 B, looked into 2 repositories: 0 findings");
    assert_snapshot!(printed(&server.command(&["uploads"], &[]), 0), @"0 uploads with 0 B");
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = expect(server.patch(&started.location()).body("abc").send(), "202 Accepted");
    let uploads = printed(&server.command(&["uploads"], &[]), 0);
    let id = started.header("docker-upload-uuid");
    assert!(uploads.starts_with("   0h00m         3 B  a/b  ") && uploads.contains(id), "{uploads}");
    // The server has not been disturbed.
    expect(server.put(&patched.completed_by(&sha256(b"abcd"))).body("d").send(), "201 Created");
    assert_snapshot!(printed(&server.command(&["uploads", "--json"], &[]), 0), @r#"{"command":"uploads","uploads":0,"bytes":0,"over":true}"#);
}

#[test]
fn a_damaged_blob_is_found_and_removed_and_a_push_heals_it() {
    over_files!();
    let server = server();
    let digest = sha256(b"hello");
    fs::write(file(&server, &digest), "hellO").unwrap();
    assert_snapshot!(printed(&server.command(&["check"], &[]), 1), @"
    the blob sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 of 5 bytes does not match its digest
    a/b: has the broken blob sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    c: has the broken blob sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    read 4 blobs with 409 B, looked into 2 repositories: 1 findings
    ");
    // A client that asks would not push it.
    let target = format!("/v2/a/b/blobs/{digest}");
    expect(server.head(&target).send(), "200 OK");
    assert_snapshot!(printed(&server.command(&["check", "--remove", "--json"], &[]), 1), @r#"
    {"finding":"broken","digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","bytes":5,"removed":true}
    {"finding":"incomplete","repository":"a/b","digest":"sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57","missing":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}
    {"finding":"missing","repository":"a/b","digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","kind":"blob"}
    {"finding":"missing","repository":"c","digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","kind":"blob"}
    {"command":"check","blobs":4,"bytes":409,"repositories":2,"findings":4,"over":true}
    "#);
    expect(server.head(&target).send(), "404 Not Found");
    push_blob(&server, "a/b", b"hello");
    let healed = expect(server.get(&target).send(), "200 OK");
    assert_eq!(healed.text(), "hello");
    assert!(printed(&server.command(&["check"], &[]), 0).ends_with(": 0 findings\n"));
}

#[test]
fn what_is_missing_is_found() {
    over_files!();
    let server = server();
    let image = sha256(manifest(b"hello").as_bytes());
    fs::remove_file(file(&server, &image)).unwrap();
    assert_snapshot!(printed(&server.command(&["check", "--quick"], &[]), 1), @"
    a/b: the tag v1 points to nothing
    a/b: the manifest sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57 has no content
    looked at 3 blobs with 17 B, looked into 2 repositories: 2 findings
    ");
    expect(put(&server, "v1", MANIFEST, &manifest(b"hello")), "201 Created");
    printed(&server.command(&["check", "--quick"], &[]), 0);
}

#[test]
fn a_command_that_is_wrong_ends_with_2_and_does_nothing() {
    over_files!();
    let server = server_with_blobs();
    for (words, variables, error) in [
        (&["chek"][..], &[][..], "there is no command \"chek\"; did you mean check?"),
        (&["check", "--removes"], &[], "check has no option --removes; did you mean --remove?"),
        (&["usage", "--seconds", "1m"], &[], "--seconds must be a whole number from 1 to 86400, not \"1m\""),
        (&["uploads", "--from", "a/b"], &[], "--from: \"a/b\" is not a place that uploads has printed"),
        (&["usage"], &["REGISTRY_HTTP={"], "REGISTRY_HTTP is not a JSON object"),
    ] {
        let output = server.command(words, variables);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let said = text(&output.stderr);
        assert!(said.starts_with(&format!("lighter: {error}")), "{said}");
    }
}

#[test]
fn a_command_without_storage_ends_with_3() {
    over_files!();
    let server = server_with_blobs();
    let output = server.command(&["usage"], &["REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/not/given"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.starts_with("lighter: storage: access denied: ") && said.contains("/not/given"), "{said}");
}

#[test]
fn help_tells_what_there_is() {
    over_files!();
    let server = server_with_blobs();
    let help = printed(&server.command(&[], &[]), 0);
    assert_eq!(help, printed(&server.command(&["help"], &["REGISTRY_HTTP={"]), 0), "settings do not matter");
    for command in ["check", "uploads", "usage", "help", "version"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {help}");
    }
    let check = printed(&server.command(&["check", "--help"], &[]), 0);
    assert!(check.contains("--remove") && check.contains("--json"), "{check}");
    let version = printed(&server.command(&["version"], &[]), 0);
    assert_eq!(version, format!("lighter {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_command_goes_on_where_it_has_stopped() {
    over_files!();
    let server = server();
    // With so much, it is stopped inside of a blob.
    let length = if env::var_os("LIGHTER_LONG").is_some() { 2 << 30 } else { 4 << 20 };
    let large = noise(1, length);
    let target = format!("/v2/a/b/blobs/uploads/?digest={}", noise(1, length).digest());
    expect(server.post(&target).chunked(large).send(), "201 Created");
    let mut from = String::new();
    for pieces in 1..1000 {
        let mut words = vec!["check", "--json", "--seconds", "1"];
        if !from.is_empty() {
            words.extend(["--from", &from]);
        }
        let said = printed(&server.command(&words, &[]), 0);
        let end: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        let Some(next) = end["next"].as_str() else {
            assert_eq!((&end["blobs"], &end["findings"]), (&5.into(), &0.into()), "{said}");
            assert!(pieces > 1 || length < 1 << 30, "it took less than a second");
            return;
        };
        from = next.to_owned();
    }
    panic!("it has no end");
}

#[test]
fn an_answer_that_would_be_too_long_is_divided() {
    over_files!();
    let server = server();
    let uploads: Vec<String> = (0..9_000).map(|n| format!("{n:036}")).collect();
    for id in &uploads {
        let directory = server.root().join("repositories/c/_uploads").join(id);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("startedat"), "2026-01-02T03:04:05Z").unwrap();
    }
    let (found, end, calls) = call(&server, "uploads", "");
    let ids: Vec<String> = found.iter().map(|line| line[11..47].to_owned()).collect();
    assert_eq!((ids, &end["uploads"]), (uploads, &9_000.into()));
    assert_eq!(calls, 2);
}

#[test]
fn commands_over_http_answer_what_the_command_line_prints() {
    let server = server();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    expect(server.patch(&started.location()).body("abc").send(), "202 Accepted");
    let (usage, end, _) = call(&server, "usage", "");
    assert_eq!(
        usage,
        [
            r#"{"repository":"a/b","blobs":3,"alone":394,"shared":5}"#,
            r#"{"repository":"c","blobs":2,"alone":10,"shared":5}"#,
        ]
    );
    assert_eq!((&end["blobs"], &end["bytes"], &end["over"]), (&4.into(), &409.into(), &true.into()));
    let (uploads, end, _) = call(&server, "uploads", "seconds=5");
    let upload: Value = serde_json::from_str(&uploads[0]).unwrap();
    assert_eq!((uploads.len(), &end["uploads"]), (1, &1.into()));
    assert_eq!(upload["upload"], started.header("docker-upload-uuid"));
    assert_eq!((&upload["repository"], &upload["bytes"]), (&"a/b".into(), &3.into()));
    let (findings, end, _) = call(&server, "check", "quick=false");
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!((&end["blobs"], &end["repositories"]), (&4.into(), &2.into()));
}

#[test]
fn what_is_broken_is_removed_over_http() {
    over_files!();
    let server = server();
    let digest = sha256(b"of c alone");
    fs::write(file(&server, &digest), "of C alone").unwrap();
    let (findings, end, _) = call(&server, "check", "");
    assert_eq!((findings.len(), &end["findings"]), (2, &1.into()), "{findings:?}");
    let (findings, _, _) = call(&server, "check", "remove");
    assert!(findings[0].contains(r#""removed":true"#), "{findings:?}");
    assert!(!file(&server, &digest).exists());
    push_blob(&server, "c", b"of c alone");
    assert!(call(&server, "check", "").0.is_empty());
}

#[test]
fn wrong_calls_are_told_what_is_right() {
    let server = server();
    let answer = |target: &str| server.post(target).send();
    assert_snapshot!(answer("/v2/_lighter/chek"), @r#"
    404 Not Found
    content-length: 148
    content-type: application/json

    {"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry","detail":"there is no command \"chek\"; did you mean check?"}]}
    "#);
    assert_snapshot!(answer("/v2/_lighter/check?removed"), @r#"
    400 Bad Request
    content-length: 142
    content-type: application/json

    {"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported.","detail":"check has no parameter removed; did you mean remove?"}]}
    "#);
    for (target, detail) in [
        ("/v2/_lighter/check?remove=0", "remove must be true or false"),
        ("/v2/_lighter/check?seconds=0", "seconds must be a whole number from 1 to 86400"),
        ("/v2/_lighter/usage?from=x", "from is not a place that this command has returned"),
        ("/v2/_lighter/usage?json", "usage has no parameter json"),
    ] {
        let refused = expect(answer(target), "400 Bad Request");
        assert!(refused.text().contains(detail), "{target}: {refused}");
    }
    let refused = expect(server.get("/v2/_lighter/usage").send(), "405 Method Not Allowed");
    assert_eq!(refused.header("allow"), "POST");
}

#[test]
fn without_access_control_commands_are_off_unless_they_are_asked_for() {
    let refused = |response: Response| {
        let text = response.text();
        (response.code(), text.contains("there is no such endpoint"), text.contains("read-only"))
    };
    let server = Server::start();
    for command in ["usage", "check?remove", "chek"] {
        assert_eq!(refused(server.post(&format!("/v2/_lighter/{command}")).send()), (404, true, false));
    }
    let options = Server::with_secret("s").env("REGISTRY_HTTP_COMMANDS_ENABLED", "true");
    let server = options.env("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true").start();
    assert_eq!(refused(server.post("/v2/_lighter/usage").send()), (405, false, true));
}
