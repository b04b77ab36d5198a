//! Bytes of an upload that nothing proves, after a loss of power or a failed sync. They are not reported, and the next
//! writer drops them.

use std::fs::{self, File};
use std::path::PathBuf;

use insta::{allow_duplicates, assert_snapshot};

use crate::client::Response;
use crate::content::{noise, sha256, sha512};
use crate::server::Server;

/// Makes an upload whose first bytes a PATCH acknowledged, and that a loss of power has extended by zeros: ext4 keeps the
/// size, and not the bytes. Returns the answer to the PATCH.
fn after_a_loss_of_power(server: &Server, acknowledged: &[u8]) -> (Response, Response) {
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).body(acknowledged).send();
    assert_eq!(patched.status(), "202 Accepted", "{patched}");
    let data = File::options().write(true).open(directory(server, &started).join("data")).unwrap();
    data.set_len(acknowledged.len() as u64 + 4_000_000).unwrap();
    (started, patched)
}

fn directory(server: &Server, upload: &Response) -> PathBuf {
    server.root().join("repositories/a/b/_uploads").join(upload.header("docker-upload-uuid"))
}

/// Sends the rest of the content from the offset in an answer, and checks the blob.
fn finish(server: &Server, answer: &Response, content: &[u8]) {
    let patched = server.patch(&answer.location()).body(&content[answer.stored()..]).send();
    assert_eq!(patched.status(), "202 Accepted", "{patched}");
    assert_eq!(patched.stored(), content.len(), "{patched}");
    let digest = sha256(content);
    let put = server.put(&patched.completed_by(&digest)).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    let blob = server.get(&format!("/v2/a/b/blobs/{digest}")).send();
    assert!(blob.body == content, "the blob is another");
    let stored = format!("blobs/sha256/{}/{}/data", &digest[7..9], &digest[7..]);
    assert!(fs::read(server.root().join(stored)).unwrap() == content, "the file is another");
}

#[test]
fn after_a_loss_of_power_an_upload_goes_on_from_what_was_acknowledged() {
    over_files!();
    let server = Server::start();
    let content = noise(90, 1_500_000).into_bytes();
    let (started, patched) = after_a_loss_of_power(&server, &content[..1_000_000]);
    let bare = started.location().split_once('?').unwrap().0.to_owned();
    // By the newest location, by an earlier one, and by the id alone.
    allow_duplicates! {
        for location in [patched.location(), started.location(), bare] {
            assert_snapshot!(server.get(&location).send(), @"
            204 No Content
            docker-upload-uuid: <uuid>
            location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
            range: 0-999999
            ");
        }
    }
    finish(&server, &server.get(&started.location()).send(), &content);
}

#[test]
fn who_builds_on_bytes_that_nothing_proves_is_told_where_the_upload_stands() {
    over_files!();
    let server = Server::start();
    let (_, patched) = after_a_loss_of_power(&server, b"hel");
    // As if the client had believed the size.
    let refused =
        server.patch(&patched.location()).header("Content-Range", "4000003-4000004").body("lo").send();
    assert_snapshot!(refused, @r#"
    416 Range Not Satisfiable
    content-length: 127
    content-type: application/json
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-2

    {"errors":[{"code":"RANGE_INVALID","message":"invalid content range","detail":"the upload has 3 bytes; continue from there"}]}
    "#);
    let data = directory(&server, &patched).join("data");
    assert_eq!(fs::read(&data).unwrap(), b"hel", "what was dropped is still there");
    finish(&server, &refused, b"hello");

    // One who has sent all loses nothing of what was acknowledged by asking for the end.
    let (_, patched) = after_a_loss_of_power(&server, b"hel");
    let refused = server.put(&patched.completed_by(&sha256(b"hello"))).send();
    assert_eq!(
        (refused.status(), refused.header("range")),
        ("416 Range Not Satisfiable", "0-2"),
        "{refused}"
    );
    finish(&server, &refused, b"hello");
}

#[test]
fn the_next_chunk_follows_what_was_acknowledged() {
    over_files!();
    let server = Server::start();
    for range in [None, Some("3-4")] {
        let (_, patched) = after_a_loss_of_power(&server, b"hel");
        let chunk = server.patch(&patched.location()).body("lo");
        let chunk = range.into_iter().fold(chunk, |chunk, range| chunk.header("Content-Range", range));
        let chunk = chunk.send();
        assert_eq!((chunk.status(), chunk.header("range")), ("202 Accepted", "0-4"), "{chunk}");
        let put = server.put(&chunk.completed_by(&sha256(b"hello"))).send();
        assert_eq!(put.status(), "201 Created", "{put}");
    }
    let (_, patched) = after_a_loss_of_power(&server, b"hel");
    let put = server.put(&patched.completed_by(&sha512(b"hello"))).body("lo").send();
    assert_eq!(put.status(), "201 Created", "{put}");
    let (_, patched) = after_a_loss_of_power(&server, b"hel");
    assert_eq!(server.delete(&patched.location()).send().status(), "204 No Content");
}

/// A hash state is not synced. If the crash took it, the `_state` proves the bytes.
#[test]
fn without_a_hash_the_state_of_the_client_counts() {
    over_files!();
    let server = Server::start();
    for left in [None, Some(&b""[..]), Some(&[0; 108])] {
        let (started, patched) = after_a_loss_of_power(&server, b"hel");
        let state = directory(&server, &started).join("hashstates/sha256/3");
        match left {
            None => fs::remove_file(state).unwrap(),
            Some(bytes) => fs::write(state, bytes).unwrap(),
        }
        assert_eq!(server.get(&patched.location()).send().stored(), 3);
        let bare = started.location().split_once('?').unwrap().0.to_owned();
        assert_eq!(server.get(&bare).send().stored(), 0);
        finish(&server, &patched, b"hello");
    }
}

#[test]
fn where_nothing_was_acknowledged_the_upload_begins_anew() {
    over_files!();
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    fs::write(directory(&server, &started).join("data"), [0; 5]).unwrap();
    let status = server.get(&started.location()).send();
    assert_eq!(status.header("range"), "0-0", "{status}");
    finish(&server, &status, b"hello");
}
