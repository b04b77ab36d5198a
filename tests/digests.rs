//! The digest that completes an upload: missing, malformed, wrong, of either algorithm.

use insta::assert_snapshot;

use crate::content::{noise, push_blob, sha256, sha512};
use crate::server::Server;

const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_put_without_a_digest_keeps_the_upload() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).body("abc").send();
    assert_snapshot!(server.put(&patched.location()).send(), @r#"
    400 Bad Request
    content-length: 155
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content","detail":"complete the upload with the parameter digest"}]}
    "#);
    assert_eq!(server.put(&patched.completed_by(ABC)).send().status(), "201 Created");
}

#[test]
fn a_put_with_a_malformed_digest_keeps_the_upload() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).body("abc").send();
    assert_snapshot!(server.put(&patched.completed_by("abc")).send(), @r#"
    400 Bad Request
    content-length: 105
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","message":"malformed digest","detail":"a digest is ALGORITHM:HEX"}]}
    "#);
    for digest in [
        "",
        "sha256",
        "sha256:",
        "sha256:ba7816bf",
        &ABC.to_uppercase(),
        &ABC.replace("ba78", "BA78"),
        &ABC.replace("sha256", "sha512"),
        &ABC.replace("sha256", "md5"),
        &ABC.replace("ba78", "../x"),
        &format!("{ABC}0"),
        "sha256:%00%ff",
    ] {
        // The body of a request that is refused is not taken.
        let put = server.put(&patched.completed_by(digest)).body("d").send();
        assert_eq!(put.status(), "400 Bad Request", "{digest}: {put}");
        assert!(put.to_string().contains("DIGEST_INVALID"), "{digest}: {put}");
    }
    assert_eq!(server.put(&patched.completed_by(ABC)).send().status(), "201 Created");
}

#[test]
fn a_put_with_the_wrong_digest_ends_the_upload() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).body("abd").send();
    assert_snapshot!(server.put(&patched.completed_by(ABC)).send(), @r#"
    400 Bad Request
    content-length: 172
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content","detail":"the content does not match the digest; the upload is cancelled"}]}
    "#);
    assert_snapshot!(server.get(&patched.location()).send(), @r#"
    404 Not Found
    content-length: 88
    content-type: application/json

    {"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown to registry"}]}
    "#);
    for digest in [ABC, &sha256(b"abd")] {
        let head = server.head(&format!("/v2/a/b/blobs/{digest}")).send();
        assert_eq!(head.status(), "404 Not Found", "{digest}");
    }
}

#[test]
fn many_chunks_make_one_digest() {
    // Sizes on both sides of SHA-256's blocks of 64 bytes, so that the kept state is of every kind.
    let content = noise(2, 200_000).into_bytes();
    let server = Server::start();
    let mut answer = server.post("/v2/a/b/blobs/uploads/").send();
    let mut rest = &content[..];
    for length in [1, 63, 64, 65, 127, 4096, 100_000, usize::MAX] {
        let (chunk, left) = rest.split_at(rest.len().min(length));
        answer = server.patch(&answer.location()).body(chunk).send();
        assert_eq!(answer.header("range"), format!("0-{}", content.len() - left.len() - 1));
        rest = left;
    }
    let digest = sha256(&content);
    assert_eq!(server.put(&answer.completed_by(&digest)).send().status(), "201 Created");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{digest}")).send().body, content);
}

#[test]
fn a_blob_pushed_by_its_sha512_has_two_names() {
    let server = Server::start();
    let digest = sha512(b"abc");
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).body("ab").send();
    assert_snapshot!(server.put(&patched.completed_by(&digest)).body("c").send(), @"
    201 Created
    content-length: 0
    docker-content-digest: sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
    location: /v2/a/b/blobs/sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
    ");
    assert_snapshot!(server.get(&format!("/v2/a/b/blobs/{digest}")).send(), @r#"
    200 OK
    accept-ranges: bytes
    cache-control: max-age=31536000
    content-length: 3
    content-type: application/octet-stream
    docker-content-digest: sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
    etag: "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

    abc
    "#);
    assert_snapshot!(server.get(&format!("/v2/a/b/blobs/{ABC}")).send(), @r#"
    200 OK
    accept-ranges: bytes
    cache-control: max-age=31536000
    content-length: 3
    content-type: application/octet-stream
    docker-content-digest: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    etag: "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    abc
    "#);
}

#[test]
fn the_wrong_sha512_ends_the_upload() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let digest = sha512(b"abd");
    assert_eq!(server.put(&started.completed_by(&digest)).body("abc").send().status(), "400 Bad Request");
    assert_eq!(server.get(&started.location()).send().status(), "404 Not Found");
    for digest in [ABC, &digest, &sha512(b"abc")] {
        assert_eq!(server.head(&format!("/v2/a/b/blobs/{digest}")).send().status(), "404 Not Found");
    }
}

#[test]
fn a_sha512_may_be_announced() {
    let server = Server::start();
    let digest = sha512(b"abc");
    let started = server.post("/v2/a/b/blobs/uploads/?digest-algorithm=sha512").send();
    let patched = server.patch(&started.location()).body("abc").send();
    assert_eq!(server.put(&patched.completed_by(&digest)).send().status(), "201 Created");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{digest}")).send().text(), "abc");
}

#[test]
fn an_algorithm_that_is_not_known_is_refused_before_the_bytes_are_sent() {
    let server = Server::start();
    assert_snapshot!(server.post("/v2/a/b/blobs/uploads/?digest-algorithm=sha384").send(), @r#"
    400 Bad Request
    content-length: 151
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content","detail":"digest-algorithm must be sha256 or sha512"}]}
    "#);
    for algorithm in ["", "SHA256", "md5", "sha512:"] {
        let post = server.post(&format!("/v2/a/b/blobs/uploads/?digest-algorithm={algorithm}")).send();
        assert!(post.text().contains("DIGEST_INVALID"), "{algorithm}: {post}");
    }
    // What is mounted needs no algorithm.
    push_blob(&server, "c", b"abc");
    let mount = format!("/v2/a/b/blobs/uploads/?digest-algorithm=sha384&mount={ABC}&from=c");
    assert_eq!(server.post(&mount).send().status(), "201 Created");
}

#[test]
fn what_is_there_already_can_be_pushed_again() {
    let server = Server::start();
    for _ in 0..2 {
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        assert_eq!(server.put(&started.completed_by(ABC)).body("abc").send().status(), "201 Created");
    }
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{ABC}")).send().text(), "abc");
}
