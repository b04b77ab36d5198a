//! The line on stderr for each request.

use insta::assert_snapshot;
use serde_json::Value;

use crate::client::{Response, name_what_varies};
use crate::content::sha256;
use crate::server::{Options, Server};

const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// The line that contains a text, as the registry wrote it and without what varies.
fn line(server: &Server, text: &str) -> String {
    let line = server.logged(text);
    without_duration(&name_what_varies(&line))
}

fn without_duration(line: &str) -> String {
    let mut out = line.to_owned();
    for name in ["duration=", "\"duration_ms\":"] {
        if let Some(at) = out.find(name).map(|at| at + name.len()) {
            let digits = out[at..].bytes().take_while(u8::is_ascii_digit).count();
            out.replace_range(at..at + digits, "<n>");
        }
    }
    out
}

/// A push as docker does it. Returns its answers.
fn push(server: &Server) -> Vec<Response> {
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).chunked(&b"abc"[..]).send();
    let stored = server.put(&patched.completed_by(ABC)).send();
    vec![started, patched, stored]
}

#[test]
fn every_request_is_a_line() {
    let server = Server::start();
    push(&server);
    server.get(&format!("/v2/a/b/blobs/{ABC}?ns=docker.io")).header("Range", "bytes=1-").send();
    server.head("/v2/a/b/manifests/v1").send();
    server.get("/v2/%C3%A9%0A").send();
    assert_snapshot!(line(&server, "POST /v2/a/b/blobs/uploads/ "), @"
    POST /v2/a/b/blobs/uploads/ status=202 received=0 sent=0 duration=<n>ms upload=<uuid>
    ");
    assert_snapshot!(line(&server, "PATCH "), @"
    PATCH /v2/a/b/blobs/uploads/<uuid> status=202 received=3 sent=0 duration=<n>ms upload=<uuid>
    ");
    assert_snapshot!(line(&server, "PUT "), @"
    PUT /v2/a/b/blobs/uploads/<uuid> status=201 received=0 sent=0 duration=<n>ms digest=sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
    assert_snapshot!(line(&server, "GET /v2/a/b/blobs/"), @"
    GET /v2/a/b/blobs/sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad status=206 received=0 sent=2 duration=<n>ms digest=sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
    assert_snapshot!(line(&server, "HEAD "), @"
    HEAD /v2/a/b/manifests/v1 status=404 received=0 sent=0 duration=<n>ms code=MANIFEST_UNKNOWN
    ");
    assert_snapshot!(line(&server, "GET /v2/%C3"), @"
    GET /v2/%C3%A9%0A status=404 received=0 sent=124 duration=<n>ms code=NAME_UNKNOWN
    ");
}

#[test]
fn a_line_may_be_json() {
    let server = json().start();
    push(&server);
    assert_snapshot!(line(&server, "PATCH"), @r#"
    {"method":"PATCH","path":"/v2/a/b/blobs/uploads/<uuid>","status":202,"received":3,"sent":0,"duration_ms":<n>,"upload":"<uuid>"}
    "#);
    assert_snapshot!(line(&server, r#""PUT""#), @r#"
    {"method":"PUT","path":"/v2/a/b/blobs/uploads/<uuid>","status":201,"received":0,"sent":0,"duration_ms":<n>,"digest":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
    "#);
    server.get("/v2/a/b/blobs/uploads/5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11?_state=AAAA").send();
    let line = line(&server, r#""code""#);
    assert_snapshot!(line, @r#"
    {"method":"GET","path":"/v2/a/b/blobs/uploads/<uuid>","status":400,"received":0,"sent":143,"duration_ms":<n>,"code":"BLOB_UPLOAD_INVALID","error":"_state is too short"}
    "#);
    let parsed: Value = serde_json::from_str(&line.replace("<n>", "0")).unwrap();
    assert_eq!(parsed["status"], 400);
}

fn json() -> Options {
    Server::with_secret(SECRET).env("REGISTRY_LOG_FORMATTER", "json")
}

const SECRET: &str = "what nobody may read anywhere";

#[test]
fn no_line_gives_a_secret_away() {
    for options in [json(), Server::with_secret(SECRET)] {
        let server = options.start();
        let mut secrets = vec![SECRET.to_owned()];
        let answers = push(&server);
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        let forged = started.location().replace("_state=", "_state=A");
        let answers: Vec<Response> = answers.into_iter().chain([started]).collect();
        for answer in &answers[..2] {
            // Their upload is over, which is an error of its own.
            server.patch(&answer.location()).body("d").send();
            server.delete(&answer.location()).send();
        }
        server.patch(&answers[3].location()).header("Content-Range", "7-7").body("d").send();
        server.patch(&answers[3].location()).header("Content-Type", "text/plain").body("d").send();
        server.put(&answers[3].completed_by(&sha256(b"another"))).body("d").send();
        server.get(&forged).send();
        // A client that takes the question mark for a part of the path.
        server.get(&answers[3].location().replace('?', "%3F")).send();
        server.get(&answers[3].location().replace('?', "%3F").replace('=', "%3D")).send();
        server
            .get("/v2/?password=hunter2")
            .header("Authorization", "Basic aHVudGVyMjpodW50ZXIy")
            .header("Cookie", "hunter2")
            .send();
        server.get("/v2/the/end").send();
        server.logged("/v2/the/end");
        let locations = answers.iter().filter_map(|answer| answer.find("location"));
        secrets.extend(locations.filter_map(|location| Some(location.split_once("_state=")?.1.to_owned())));
        assert_eq!(secrets.len(), 4);
        secrets.extend(["hunter2", "aHVudGVy", "_state=", "_state%3D", "?"].map(str::to_owned));
        let log = server.log();
        for secret in secrets {
            assert!(!log.contains(&secret), "{secret} is in the log:\n{log}");
        }
    }
}

#[test]
fn the_lines_may_be_left_out_but_not_what_went_wrong() {
    let server = Server::with_secret("s").env("REGISTRY_LOG_ACCESSLOG_DISABLED", "true").start();
    push(&server);
    server.get("/v2/a/b/blobs/uploads/5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11?_state=AAAA").send();
    server.logged("_state is too short");
    assert!(!server.log().contains("POST"), "{}", server.log());
    assert!(!server.log().contains("status=20"), "{}", server.log());
}
