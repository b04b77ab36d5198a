//! `_state`: the token of an upload, byte for byte that of distribution.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use insta::{allow_duplicates, assert_snapshot};
use sha2::Sha256;

use crate::content::sha256;
use crate::server::{SECRET, Server};

const UUID: &str = "11501b54-0000-4000-8000-000000000001";
const STARTED_AT: &str = "2025-11-11T02:57:30Z";

/// distribution's token with the secret `asecret` for 434 bytes of that upload of `demo1/demo1`.
const VECTOR: &str = "C4xnCzvuXjEXgWyMhNs476c3-teSR8jXM4DuqJwPN_d7Ik5hbWUiOiJkZW1vMS9kZW1vMSIsIlVVSUQiOiIxMTUwMWI1NC0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDEiLCJPZmZzZXQiOjQzNCwiU3RhcnRlZEF0IjoiMjAyNS0xMS0xMVQwMjo1NzozMFoifQ==";

/// The same with the secret `s` for an upload that has just begun.
const SHORT_VECTOR: &str = "ZqMwzvVqe9cNk_-Lr9EoEmMvlgu1Wsy9-O5LP-EwblZ7Ik5hbWUiOiJhIiwiVVVJRCI6InUiLCJPZmZzZXQiOjAsIlN0YXJ0ZWRBdCI6IjIwMjUtMTEtMTFUMDI6NTc6MzAuMTIzNDU2Nzg5WiJ9";

fn seal(secret: &str, json: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(json);
    URL_SAFE.encode([mac.finalize().into_bytes().as_slice(), json.as_bytes()].concat())
}

/// Checks a token and returns the JSON in it.
fn open(secret: &str, token: &str) -> String {
    let token = URL_SAFE.decode(token).expect("padded base64url");
    let (mac, json) = token.split_at(32);
    let signed = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(json);
    signed.verify_slice(mac).expect("a token that is signed with the secret");
    String::from_utf8(json.to_vec()).unwrap()
}

fn json(name: &str, uuid: &str, offset: u64) -> String {
    format!(r#"{{"Name":"{name}","UUID":"{uuid}","Offset":{offset},"StartedAt":"{STARTED_AT}"}}"#)
}

/// The token in a location.
fn token(location: &str) -> String {
    location.split_once("?_state=").expect("a token").1.replace("%3D", "=")
}

/// Lays out an upload as distribution leaves it after 434 bytes.
fn upload_of_distribution(root: &Path) {
    let upload = root.join("repositories/demo1/demo1/_uploads").join(UUID);
    fs::create_dir_all(&upload).unwrap();
    fs::write(upload.join("startedat"), STARTED_AT).unwrap();
    fs::write(upload.join("data"), [b'x'; 434]).unwrap();
}

#[test]
fn the_tests_make_distributions_tokens() {
    assert_eq!(seal("asecret", &json("demo1/demo1", UUID, 434)), VECTOR);
    let json = r#"{"Name":"a","UUID":"u","Offset":0,"StartedAt":"2025-11-11T02:57:30.123456789Z"}"#;
    assert_eq!(seal("s", json), SHORT_VECTOR);
    assert_eq!(open("s", SHORT_VECTOR), json);
}

#[test]
fn an_upload_that_distribution_began_is_finished() {
    over_files!();
    let options = Server::with_secret("asecret");
    upload_of_distribution(&options.root());
    let server = options.start();
    let location = format!("/v2/demo1/demo1/blobs/uploads/{UUID}?_state={VECTOR}");
    let patched = server.patch(&location).body("yz").send();
    assert_snapshot!(patched, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/demo1/demo1/blobs/uploads/<uuid>?_state=<state>
    range: 0-435
    ");
    assert_eq!(open("asecret", &token(&patched.location())), json("demo1/demo1", UUID, 436));

    let content = format!("{}yz", "x".repeat(434));
    let put = server.put(&patched.completed_by(&sha256(content.as_bytes()))).send();
    assert_eq!(put.status(), "201 Created", "{put}");
}

#[test]
fn every_answer_gives_a_token_that_distribution_takes() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let uuid = started.header("docker-upload-uuid");
    let first = open(SECRET, &token(&started.location()));
    // To the second or finer: distribution does not compare it.
    let (before, started_at) = first.split_once(r#","StartedAt":""#).unwrap();
    assert_eq!(before, format!(r#"{{"Name":"a/b","UUID":"{uuid}","Offset":0"#));
    let started_at = started_at.strip_suffix(r#"Z"}"#).expect("a date in UTC");
    assert_eq!(started_at.as_bytes()[10], b'T', "{started_at}");

    let patched = server.patch(&started.location()).body("abc").send();
    let status = server.get(&patched.location()).send();
    for answer in [&patched, &status] {
        let json = open(SECRET, &token(&answer.location()));
        let expected = format!(r#"{{"Name":"a/b","UUID":"{uuid}","Offset":3,"StartedAt":""#);
        assert!(json.starts_with(&expected), "{json}");
    }
}

#[test]
fn keys_of_later_versions_are_passed_over() {
    let server = Server::start();
    let uuid = server.post("/v2/a/b/blobs/uploads/").send().header("docker-upload-uuid").to_owned();
    let json = json("a/b", &uuid, 0).replace('}', r#","Later":{"a":[1]}}"#);
    let location = format!("/v2/a/b/blobs/uploads/{uuid}?_state={}", seal(SECRET, &json));
    assert_eq!(server.patch(&location).body("abc").send().status(), "202 Accepted");
}

#[test]
fn padding_may_come_encoded_or_not() {
    let server = Server::start();
    for name in ["a", "ab", "abc"] {
        let uuid =
            server.post(&format!("/v2/{name}/blobs/uploads/")).send().header("docker-upload-uuid").to_owned();
        let token = seal(SECRET, &json(name, &uuid, 0));
        for token in [token.replace('=', "%3D"), token.replace('=', "%3d"), token] {
            let answer = server.get(&format!("/v2/{name}/blobs/uploads/{uuid}?_state={token}")).send();
            assert_eq!(answer.status(), "204 No Content", "{token}: {answer}");
        }
    }
}

#[test]
fn a_request_without_a_token_is_refused() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let bare = started.location().split_once('?').unwrap().0.to_owned();
    assert_snapshot!(server.patch(&bare).body("abc").send(), @r#"
    400 Bad Request
    content-length: 153
    content-type: application/json

    {"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"blob upload invalid","detail":"use the Location of the previous answer as it is, with its _state"}]}
    "#);
    let digest = sha256(b"");
    assert_snapshot!(server.put(&format!("{bare}?digest={digest}")).send(), @r#"
    400 Bad Request
    content-length: 153
    content-type: application/json

    {"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"blob upload invalid","detail":"use the Location of the previous answer as it is, with its _state"}]}
    "#);
    assert_snapshot!(server.delete(&bare).send(), @r#"
    400 Bad Request
    content-length: 153
    content-type: application/json

    {"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"blob upload invalid","detail":"use the Location of the previous answer as it is, with its _state"}]}
    "#);
    assert_eq!(server.get(&bare).send().header("range"), "0-0");
}

#[test]
fn a_bad_token_is_refused_and_the_log_says_why() {
    let other = "5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11";
    let padless = |_: &str| URL_SAFE_NO_PAD.encode([0; 34]);
    type Token<'a> = &'a dyn Fn(&str) -> String;
    let cases: [(Token, &str); 11] = [
        (&|_| String::new(), "_state is too short"),
        (&|_| URL_SAFE.encode("short"), "_state is too short"),
        (&|_| "*".into(), "_state is not base64url"),
        (&padless, "_state is not base64url"),
        (
            &|uuid| seal("another secret", &json("a/b", uuid, 0)),
            "_state is not signed with this registry's secret",
        ),
        (
            &|uuid| touched(&seal(SECRET, &json("a/b", uuid, 0))),
            "_state is not signed with this registry's secret",
        ),
        (&|uuid| seal(SECRET, &json("a/c", uuid, 0)), "_state belongs to another repository"),
        (&|_| seal(SECRET, &json("a/b", other, 0)), "_state belongs to another upload"),
        (&|_| seal(SECRET, "garbage"), "_state is signed, but is not the state of an upload"),
        (&|_| seal(SECRET, "{}"), "_state is signed, but is not the state of an upload"),
        (
            &|uuid| seal(SECRET, &json("a/b", uuid, 0).replace(":0,", ":-1,")),
            "_state is signed, but is not the state of an upload",
        ),
    ];
    for (token, why) in cases {
        // Each has a server of its own, so that the log is about this one.
        let server = Server::start();
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        let uuid = started.header("docker-upload-uuid");
        let target = format!("/v2/a/b/blobs/uploads/{uuid}?_state={}", token(uuid));
        for method in ["GET", "HEAD", "PATCH", "PUT", "DELETE"] {
            let answer = server.request(method, &format!("{target}&digest={}", sha256(b""))).send();
            assert_eq!(answer.status(), "400 Bad Request", "{why}: {method}: {answer}");
            let code = method == "HEAD" || answer.text().contains("BLOB_UPLOAD_INVALID");
            assert!(code, "{why}: {method}: {answer}");
        }
        let logged = server.logged(why);
        assert!(
            !logged.contains(&token(uuid)) || token(uuid).is_empty(),
            "the log gives a token away: {logged}"
        );
        // Nothing of that has touched the upload.
        assert_eq!(server.put(&started.completed_by(&sha256(b""))).send().status(), "201 Created");
    }
}

#[test]
fn a_second_question_mark_is_told() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let digest = sha256(b"abc");
    let joined = format!("{}?digest={digest}", started.location());
    let encoded = joined.replace("?digest", "%3Fdigest");
    allow_duplicates! {
        for target in [joined, encoded] {
            assert_snapshot!(server.put(&target).body("abc").send(), @r#"
            400 Bad Request
            content-length: 203
            content-type: application/json

            {"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"blob upload invalid","detail":"the URL has a second `?`: the Location has a query already, so add a parameter by `&`, as in LOCATION&digest=DIGEST"}]}
            "#);
        }
    }
    assert_eq!(server.put(&started.completed_by(&digest)).body("abc").send().status(), "201 Created");
}

/// A token with another first byte of its signature.
fn touched(token: &str) -> String {
    format!("{}{}", if token.starts_with('A') { 'B' } else { 'A' }, &token[1..])
}

#[test]
fn an_upload_that_is_not_there_is_unknown() {
    let server = Server::start();
    let uuid = "5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11";
    let target = format!("/v2/a/b/blobs/uploads/{uuid}?_state={}", seal(SECRET, &json("a/b", uuid, 0)));
    assert_snapshot!(server.patch(&target).body("abc").send(), @r#"
    404 Not Found
    content-length: 88
    content-type: application/json

    {"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown to registry"}]}
    "#);
    assert_eq!(server.put(&format!("{target}&digest={}", sha256(b""))).send().status(), "404 Not Found");
    assert_eq!(server.delete(&target).send().status(), "404 Not Found");
    assert_eq!(server.get(&target).send().status(), "404 Not Found");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/uploads/{uuid}")).send().status(), "404 Not Found");
}
