//! `PATCH` with `Content-Range`, and chunks that arrive out of order.

use insta::assert_snapshot;

use crate::client::Response;
use crate::content::{push_blob, sha256};
use crate::server::Server;

const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
fn chunks_append_in_every_spelling_of_their_range() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let first = server.patch(&started.location()).header("Content-Range", "0-1").body("he").send();
    assert_snapshot!(first, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-1
    ");
    let second = server.patch(&first.location()).header("Content-Range", "bytes 2-2/5").body("l").send();
    assert_snapshot!(second, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-2
    ");
    let third = server.patch(&second.location()).header("Content-Range", "bytes 3-3/*").body("l").send();
    assert_snapshot!(third, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-3
    ");
    let fourth = server.patch(&third.location()).header("Content-Range", "bytes=4-4").body("o").send();
    assert_snapshot!(fourth, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-4
    ");
    assert_eq!(server.put(&fourth.completed_by(HELLO)).send().status(), "201 Created");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{HELLO}")).send().text(), "hello");
}

#[test]
fn the_last_chunk_may_come_with_the_put() {
    let server = Server::start();
    let hel = hel(&server);
    assert_snapshot!(server.put(&hel.completed_by(HELLO)).body("lo").send(), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    location: /v2/a/b/blobs/sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    ");
    let hel = self::hel(&server);
    let put = server.put(&hel.completed_by(HELLO)).header("Content-Range", "3-4");
    assert_eq!(put.body("lo").send().status(), "201 Created");
}

#[test]
fn a_chunk_out_of_order_is_told_where_to_go_on() {
    let server = Server::start();
    let hel = hel(&server);
    let early = server.patch(&hel.location()).header("Content-Range", "4-4").body("o").send();
    assert_snapshot!(early, @r#"
    416 Range Not Satisfiable
    content-length: 127
    content-type: application/json
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-2

    {"errors":[{"code":"RANGE_INVALID","message":"invalid content range","detail":"the upload has 3 bytes; continue from there"}]}
    "#);
    let again = server.patch(&hel.location()).header("Content-Range", "0-2").body("hel").send();
    assert_snapshot!(again, @r#"
    416 Range Not Satisfiable
    content-length: 127
    content-type: application/json
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-2

    {"errors":[{"code":"RANGE_INVALID","message":"invalid content range","detail":"the upload has 3 bytes; continue from there"}]}
    "#);
    assert_snapshot!(server.get(&hel.location()).send(), @"
    204 No Content
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-2
    ");

    // The upload stays usable, by the location of the refusal as well.
    let last = server.patch(&again.location()).header("Content-Range", "3-4").body("lo").send();
    assert_eq!(last.header("range"), "0-4");
    assert_eq!(server.put(&last.completed_by(HELLO)).send().status(), "201 Created");
}

#[test]
fn the_first_chunk_starts_at_the_start() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patch = server.patch(&started.location()).header("Content-Range", "1-4");
    assert_snapshot!(patch.body("ello").send(), @r#"
    416 Range Not Satisfiable
    content-length: 127
    content-type: application/json
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-0

    {"errors":[{"code":"RANGE_INVALID","message":"invalid content range","detail":"the upload has 0 bytes; continue from there"}]}
    "#);
}

#[test]
fn a_put_out_of_order_is_refused_and_the_upload_kept() {
    let server = Server::start();
    let hel = hel(&server);
    let put = server.put(&hel.completed_by(HELLO)).header("Content-Range", "0-4").body("hello").send();
    assert_snapshot!(put, @r#"
    416 Range Not Satisfiable
    content-length: 127
    content-type: application/json
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-2

    {"errors":[{"code":"RANGE_INVALID","message":"invalid content range","detail":"the upload has 3 bytes; continue from there"}]}
    "#);
    let put = server.put(&hel.completed_by(HELLO)).header("Content-Range", "3-4").body("lo").send();
    assert_eq!(put.status(), "201 Created", "{put}");
}

#[test]
fn a_put_with_a_range_from_0_is_the_whole_blob_of_an_empty_upload() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let put = server.put(&started.completed_by(HELLO)).header("Content-Range", "0-4").body("hello").send();
    assert_eq!(put.status(), "201 Created", "{put}");
}

#[test]
fn a_malformed_range_is_refused_and_appends_nothing() {
    let server = Server::start();
    let hel = hel(&server);
    for range in ["-", "3-", "-4", "x-y", "4-3", "3-99999999999999999999", "3", "bytes", "items 3-4", "+3-4"]
    {
        let patched = server.patch(&hel.location()).header("Content-Range", range).body("lo").send();
        assert_eq!(patched.status(), "416 Range Not Satisfiable", "{range}: {patched}");
        assert_eq!(patched.header("range"), "0-2", "{range}: {patched}");
    }
    let patched = server.patch(&hel.location()).header("Content-Range", "x-y").body("lo").send();
    assert_snapshot!(patched, @r#"
    416 Range Not Satisfiable
    content-length: 161
    content-type: application/json
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-2

    {"errors":[{"code":"RANGE_INVALID","message":"invalid content range","detail":"Content-Range is FIRST-LAST, the positions of the chunk's first and last byte"}]}
    "#);
    assert_eq!(server.put(&hel.completed_by(HELLO)).body("lo").send().status(), "201 Created");
}

#[test]
fn a_length_that_is_not_the_ranges_is_refused_and_appends_nothing() {
    let server = Server::start();
    let hel = hel(&server);
    let patched = server.patch(&hel.location()).header("Content-Range", "3-4").body("l").send();
    assert_snapshot!(patched, @r#"
    400 Bad Request
    content-length: 155
    content-type: application/json
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-2

    {"errors":[{"code":"SIZE_INVALID","message":"provided length did not match content length","detail":"Content-Range and the body have different lengths"}]}
    "#);
    let patched = server.patch(&hel.location()).header("Content-Range", "3-4").body("lol").send();
    assert_eq!(patched.status(), "400 Bad Request", "{patched}");
    assert_eq!(server.get(&hel.location()).send().header("range"), "0-2");
    assert_eq!(server.put(&hel.completed_by(HELLO)).body("lo").send().status(), "201 Created");
}

#[test]
fn where_the_closing_range_ends_does_not_matter() {
    let server = Server::start();
    // One too many, as clients are seen to count; one too few; and the whole blob's, without a body.
    for range in ["3-5", "3-3", "bytes 3-5/6"] {
        let put = server.put(&hel(&server).completed_by(HELLO)).header("Content-Range", range);
        let put = put.body("lo").send();
        assert_eq!(put.status(), "201 Created", "{range}: {put}");
    }
    for range in ["0-4", "5-5", "0-0"] {
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        let hello = server.patch(&started.location()).body("hello").send();
        let put = server.put(&hello.completed_by(HELLO)).header("Content-Range", range).send();
        assert_eq!(put.status(), "201 Created", "{range}: {put}");
    }
    // Where it begins does, and so does the digest.
    let hel = hel(&server);
    let put = server.put(&hel.completed_by(HELLO)).header("Content-Range", "4-5").body("lo").send();
    assert_eq!((put.status(), put.header("range")), ("416 Range Not Satisfiable", "0-2"), "{put}");
    let put = server.put(&hel.completed_by(HELLO)).header("Content-Range", "3-4").body("l").send();
    assert_eq!(put.status(), "400 Bad Request", "{put}");
    assert!(put.text().contains("DIGEST_INVALID"), "{put}");
}

#[test]
fn without_a_range_a_chunk_belongs_where_its_token_says() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    server.patch(&started.location()).body("hel").send();
    // The same request once more, as a client repeats it whose answer was lost.
    let again = server.patch(&started.location()).body("hel").send();
    assert_snapshot!(again, @r#"
    416 Range Not Satisfiable
    content-length: 127
    content-type: application/json
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-2

    {"errors":[{"code":"RANGE_INVALID","message":"invalid content range","detail":"the upload has 3 bytes; continue from there"}]}
    "#);
    assert_eq!(server.put(&again.completed_by(HELLO)).body("lo").send().status(), "201 Created");
}

#[test]
fn with_a_range_a_chunk_may_come_by_an_earlier_location() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    server.patch(&started.location()).header("Content-Range", "0-2").body("hel").send();
    let patched = server.patch(&started.location()).header("Content-Range", "3-4").body("lo").send();
    assert_snapshot!(patched, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-4
    ");
    // Nothing is appended, so nothing can be out of order.
    assert_eq!(server.put(&started.completed_by(HELLO)).send().status(), "201 Created");
}

#[test]
fn a_put_with_the_rest_belongs_where_its_token_says() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let hel = server.patch(&started.location()).body("hel").send();
    let put = server.put(&started.completed_by(HELLO)).body("hello").send();
    assert_eq!(put.status(), "416 Range Not Satisfiable", "{put}");
    assert_eq!(put.header("range"), "0-2", "{put}");
    assert_eq!(server.put(&hel.completed_by(HELLO)).body("lo").send().status(), "201 Created");
}

#[test]
fn an_empty_chunk_changes_nothing() {
    let server = Server::start();
    let hel = hel(&server);
    let patched = server.patch(&hel.location()).send();
    assert_snapshot!(patched, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-2
    ");
    assert_eq!(server.put(&patched.completed_by(HELLO)).body("lo").send().status(), "201 Created");
}

#[test]
fn one_byte_and_none_have_the_same_range() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).body("h").send();
    assert_eq!(patched.header("range"), "0-0");
    // The token knows the difference.
    assert_eq!(server.patch(&started.location()).body("h").send().status(), "416 Range Not Satisfiable");
    assert_eq!(server.put(&patched.completed_by(&sha256(b"h"))).send().status(), "201 Created");
    assert_eq!(push_blob(&server, "a/b", b""), sha256(b""));
}

/// An upload of "hello" that has received "hel".
fn hel(server: &Server) -> Response {
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    server.patch(&started.location()).header("Content-Range", "0-2").body("hel").send()
}
