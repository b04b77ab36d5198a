//! Uploads that take longer than a token is valid. A client that began one with a valid token can finish it.

use lighter::clock::rfc3339;
use lighter::upload_state::{Secret, UploadState};

use super::{Caller, SCOPE, claims, now, options, signed};
use crate::client::Response;
use crate::content::sha256;
use crate::habits::expect;
use crate::server::{SECRET, Server};

const UPLOADS: &str = "/v2/team/app/blobs/uploads/";

/// The location of an upload that Ann began, as if this many seconds ago.
fn begun(server: &Server, repository: &str, seconds_ago: u64) -> String {
    let started = Caller::user(server, "ann").send("POST", &format!("/v2/{repository}/blobs/uploads/"));
    let uuid = started.header("docker-upload-uuid").to_owned();
    located(repository, &uuid, SECRET, seconds_ago)
}

fn located(repository: &str, uuid: &str, secret: &str, seconds_ago: u64) -> String {
    let state = UploadState {
        name: repository.into(),
        uuid: uuid.into(),
        offset: 0,
        started_at: rfc3339(now() - seconds_ago),
        algorithm: None,
    };
    let state = Secret::new(secret.as_bytes()).seal(&state).replace('=', "%3D");
    format!("/v2/{repository}/blobs/uploads/{uuid}?_state={state}")
}

/// Ann, with a token that she got this many seconds ago. It was valid for 300, and a minute of leeway.
fn with_token_of(server: &Server, seconds_ago: u64) -> Caller<'_> {
    Caller::with(server, &signed(SECRET, &claims(seconds_ago, SCOPE)))
}

#[track_caller]
fn expect_expired(answer: &Response) {
    assert_eq!(answer.status(), "401 Unauthorized", "{answer}");
    let challenge = answer.header("www-authenticate");
    assert!(challenge.ends_with(r#",error="invalid_token""#), "{challenge}");
}

#[test]
fn an_upload_outlives_the_token_that_began_it() {
    let server = options().start();
    let ann = with_token_of(&server, 1000);
    let target = begun(&server, "team/app", 900);
    let patched = expect(ann.request("PATCH", &target).body("hel").send(), "202 Accepted");
    let patched = expect(ann.request("PATCH", &patched.location()).body("lo").send(), "202 Accepted");
    let status = expect(ann.send("GET", &patched.location()), "204 No Content");
    assert_eq!(status.header("range"), "0-4");
    expect(ann.send("PUT", &status.completed_by(&sha256(b"hello"))), "201 Created");
    // Cancelling is a way to end it, too.
    expect(ann.send("DELETE", &begun(&server, "team/app", 900)), "204 No Content");
    // Nearly a day later as well, and from any moment at which the token was taken.
    for (token, upload) in [(86_500, 86_300), (1000, 1000), (1000, 1050), (1000, 700), (1000, 650)] {
        let target = begun(&server, "team/app", upload);
        let patched = with_token_of(&server, token).request("PATCH", &target).body("abc").send();
        assert_eq!(patched.status(), "202 Accepted", "{token} {upload}: {patched}");
    }
}

#[test]
fn an_expired_token_begins_nothing() {
    let server = options().start();
    let ann = with_token_of(&server, 1000);
    let target = begun(&server, "team/app", 900);
    expect_expired(&ann.send("POST", UPLOADS));
    // A state does not help with anything but its upload.
    let (_, state) = target.split_once('?').unwrap();
    for (method, path) in [
        ("POST", UPLOADS),
        ("PUT", "/v2/team/app/manifests/v1"),
        ("GET", "/v2/team/app/tags/list"),
        ("GET", "/v2/"),
        ("GET", "/v2/_catalog"),
        ("PATCH", "/v2/team/other/blobs/uploads/5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11"),
        ("PATCH", "/v2/team/app/blobs/uploads/5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11"),
    ] {
        expect_expired(&ann.send(method, &format!("{path}?{state}")));
    }
    // The state must be there, and signed here.
    let (bare, _) = target.split_once('?').unwrap();
    expect_expired(&ann.send("PATCH", bare));
    let uuid = bare.rsplit('/').next().unwrap();
    expect_expired(&ann.send("PATCH", &located("team/app", uuid, "another secret", 900)));
    // Nor is a state enough by itself, or beside a token that is not the registry's.
    expect(server.patch(&target).body("abc").send(), "401 Unauthorized");
    let forged = Caller::with(&server, &signed("another secret", &claims(1000, SCOPE)));
    expect_expired(&forged.send("PATCH", &target));
    // Nothing of that has touched the upload.
    let status = Caller::user(&server, "ann").send("GET", &target);
    assert_eq!(status.header("range"), "0-0");
}

#[test]
fn an_upload_that_began_without_a_good_token_ends_with_a_new_one() {
    let server = options().start();
    for (what, token, upload) in [
        ("began after the token expired", 1000, 600),
        ("began before there was the token", 1000, 1100),
        ("began more than a day ago", 86_700, 86_500),
    ] {
        let target = begun(&server, "team/app", upload);
        let refused = with_token_of(&server, token).request("PATCH", &target).body("abc").send();
        assert_eq!(refused.status(), "401 Unauthorized", "{what}: {refused}");
        let patched = with_token_of(&server, 0).request("PATCH", &target).body("abc").send();
        assert_eq!(patched.status(), "202 Accepted", "{what}: {patched}");
    }
    // The token must have allowed to push there.
    for scope in ["repository:team/app:pull", "repository:team/other:pull,push"] {
        let ann = Caller::with(&server, &signed(SECRET, &claims(1000, scope)));
        expect_expired(&ann.request("PATCH", &begun(&server, "team/app", 900)).body("abc").send());
    }
    // So that the upload of another repository stays out of reach.
    expect_expired(&with_token_of(&server, 1000).send("PATCH", &begun(&server, "team/other", 900)));
}
