//! `/v2/<name>/blobs/uploads/`: an upload from its start to its end, as each family of clients
//! does it.

use insta::assert_snapshot;

use crate::content::{noise, sha256};
use crate::server::Server;

const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_post_starts_an_upload() {
    let server = Server::start();
    let first = server.post("/v2/a/b/blobs/uploads/").send();
    assert_snapshot!(first, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-0
    ");
    // A redirect to the path with its slash would make a GET of the POST.
    let second = server.post("/v2/a/b/blobs/uploads").send();
    assert_snapshot!(second, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-0
    ");
    assert_ne!(first.header("docker-upload-uuid"), second.header("docker-upload-uuid"));
    assert!(first.location().contains(first.header("docker-upload-uuid")));
}

#[test]
fn docker_streams_the_blob_and_completes_it_with_an_empty_put() {
    let server = Server::start();
    assert_snapshot!(server.head(&format!("/v2/a/b/blobs/{ABC}")).send(), @"
    404 Not Found
    content-length: 74
    content-type: application/json
    ");
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    assert_eq!(started.status(), "202 Accepted");
    let streamed = server.patch(&started.location()).chunked(&b"abc"[..]).send();
    assert_snapshot!(streamed, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-2
    ");
    // Its URL library encodes the colon.
    assert_snapshot!(server.put(&streamed.completed_by(&ABC.replace(':', "%3A"))).send(), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    location: /v2/a/b/blobs/sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
    // Docker asks at once whether it is there.
    assert_snapshot!(server.head(&format!("/v2/a/b/blobs/{ABC}")).send(), @r#"
    200 OK
    accept-ranges: bytes
    cache-control: max-age=31536000
    content-length: 3
    content-type: application/octet-stream
    docker-content-digest: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    etag: "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    "#);
}

#[test]
fn containerd_and_oras_put_the_whole_blob() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    assert_snapshot!(server.put(&started.completed_by(ABC)).body("abc").send(), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    location: /v2/a/b/blobs/sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
    let started = server.post("/v2/c/blobs/uploads/").send();
    assert_snapshot!(server.put(&started.completed_by(ABC)).chunked(&b"abc"[..]).send(), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    location: /v2/c/blobs/sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
    assert_eq!(server.get(&format!("/v2/c/blobs/{ABC}")).send().text(), "abc");
}

#[test]
fn crane_and_skopeo_patch_with_a_length() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").header("Content-Type", "application/json").send();
    let patch = server.patch(&started.location()).header("Content-Type", "application/octet-stream");
    let patched = patch.body("abc").send();
    assert_snapshot!(patched, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-2
    ");
    assert_eq!(server.put(&patched.completed_by(ABC)).send().status(), "201 Created");
}

#[test]
fn a_post_with_the_digest_and_the_blob_is_all() {
    let server = Server::start();
    let posted = server.post(&format!("/v2/a/b/blobs/uploads/?digest={ABC}")).body("abc").send();
    assert_snapshot!(posted, @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    location: /v2/a/b/blobs/sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
    let posted = server.post(&format!("/v2/c/blobs/uploads/?digest={ABC}")).chunked(&b"abc"[..]).send();
    assert_eq!(posted.status(), "201 Created", "{posted}");
    assert_eq!(server.get(&format!("/v2/c/blobs/{ABC}")).send().text(), "abc");
}

#[test]
fn a_post_with_the_wrong_digest_stores_nothing() {
    let server = Server::start();
    let posted = server.post(&format!("/v2/a/b/blobs/uploads/?digest={ABC}")).body("abd").send();
    assert_snapshot!(posted, @r#"
    400 Bad Request
    content-length: 172
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content","detail":"the content does not match the digest; the upload is cancelled"}]}
    "#);
    for digest in [ABC, &sha256(b"abd")] {
        let head = server.head(&format!("/v2/a/b/blobs/{digest}")).send();
        assert_eq!(head.status(), "404 Not Found", "{digest}");
    }
}

#[test]
fn a_post_with_a_digest_alone_starts_an_upload_unless_nothing_is_all_of_it() {
    let server = Server::start();
    let empty = sha256(b"");
    let posted = server.post(&format!("/v2/a/b/blobs/uploads/?digest={empty}")).send();
    assert_snapshot!(posted, @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    location: /v2/a/b/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    ");
    let posted = server.post(&format!("/v2/a/b/blobs/uploads/?digest={ABC}")).send();
    assert_snapshot!(posted, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-0
    ");
    assert_eq!(server.put(&posted.completed_by(ABC)).body("abc").send().status(), "201 Created");
}

#[test]
fn a_mount_takes_the_blob_from_another_repository() {
    let server = Server::start();
    server.post(&format!("/v2/c/d/blobs/uploads/?digest={ABC}")).body("abc").send();
    let mounted = server.post(&format!("/v2/a/b/blobs/uploads/?mount={ABC}&from=c%2Fd")).send();
    assert_snapshot!(mounted, @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    location: /v2/a/b/blobs/sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{ABC}")).send().text(), "abc");
}

#[test]
fn a_mount_of_what_is_not_there_starts_an_upload() {
    let server = Server::start();
    for query in [format!("mount={ABC}&from=c%2Fd"), format!("mount={ABC}"), "mount=&from=".into()] {
        let posted = server.post(&format!("/v2/a/b/blobs/uploads/?{query}")).send();
        assert_eq!(posted.status(), "202 Accepted", "{query}: {posted}");
    }
}

#[test]
fn the_status_says_how_much_is_stored() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    assert_snapshot!(server.get(&started.location()).send(), @"
    204 No Content
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-0
    ");
    let patched = server.patch(&started.location()).chunked(noise(1, 100_000)).send();
    assert_snapshot!(patched, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-99999
    ");
    assert_snapshot!(server.get(&patched.location()).send(), @"
    204 No Content
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-99999
    ");
    assert_snapshot!(server.head(&patched.location()).send(), @"
    204 No Content
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-99999
    ");
}

#[test]
fn the_status_is_given_to_every_earlier_location_and_to_the_uuid_alone() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let first = server.patch(&started.location()).body("a").send();
    let second = server.patch(&first.location()).body("bc").send();
    let bare = second.location().split_once('?').unwrap().0.to_owned();
    for location in [started.location(), first.location(), second.location(), bare] {
        let status = server.get(&location).send();
        assert_eq!(status.header("range"), "0-2", "{location}: {status}");
        // The client can continue with the location in the answer.
        assert!(status.location().contains("?_state="), "{status}");
    }
    let status = server.get(&started.location()).send();
    assert_eq!(server.put(&status.completed_by(ABC)).send().status(), "201 Created");
}

#[test]
fn a_delete_cancels_the_upload() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).body("abc").send();
    assert_snapshot!(server.delete(&patched.location()).send(), @"
    204 No Content
    docker-upload-uuid: <uuid>
    ");
    let location = patched.location();
    assert_snapshot!(server.get(&location).send(), @r#"
    404 Not Found
    content-length: 88
    content-type: application/json

    {"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown to registry"}]}
    "#);
    assert_eq!(server.head(&location).send().status(), "404 Not Found");
    assert_eq!(server.patch(&location).body("d").send().status(), "404 Not Found");
    assert_eq!(server.put(&patched.completed_by(ABC)).send().status(), "404 Not Found");
    assert_snapshot!(server.delete(&location).send(), @r#"
    404 Not Found
    content-length: 88
    content-type: application/json

    {"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown to registry"}]}
    "#);
    assert_eq!(server.head(&format!("/v2/a/b/blobs/{ABC}")).send().status(), "404 Not Found");
}

#[test]
fn a_delete_may_come_with_an_earlier_location() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    server.patch(&started.location()).body("abc").send();
    assert_eq!(server.delete(&started.location()).send().status(), "204 No Content");
}

#[test]
fn an_upload_is_its_repositorys_own() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let uuid = started.header("docker-upload-uuid");
    assert_snapshot!(server.get(&format!("/v2/c/blobs/uploads/{uuid}")).send(), @r#"
    404 Not Found
    content-length: 88
    content-type: application/json

    {"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown to registry"}]}
    "#);
    assert_eq!(server.get(&format!("/v2/a/b/blobs/uploads/{uuid}")).send().status(), "204 No Content");
}

#[test]
fn a_patch_of_another_media_type_is_refused() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patch = server.patch(&started.location()).header("Content-Type", "application/x-www-form-urlencoded");
    assert_snapshot!(patch.body("abc").send(), @r#"
    400 Bad Request
    content-length: 160
    content-type: application/json

    {"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"blob upload invalid","detail":"send the bytes as Content-Type: application/octet-stream, or without one"}]}
    "#);
    assert_eq!(server.get(&started.location()).send().header("range"), "0-0");
    assert_eq!(server.put(&started.completed_by(ABC)).body("abc").send().status(), "201 Created");
}

#[test]
fn the_media_type_of_a_patch_has_no_case_and_may_have_parameters() {
    let server = Server::start();
    for of_bytes in [
        "Application/Octet-Stream",
        "application/octet-stream; charset=utf-8",
        "APPLICATION/OCTET-STREAM ;a=b",
    ] {
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        let patched = server.patch(&started.location()).header("Content-Type", of_bytes).body("abc").send();
        assert_eq!(patched.status(), "202 Accepted", "{of_bytes}: {patched}");
        assert_eq!(server.put(&patched.completed_by(ABC)).send().status(), "201 Created");
    }
    for other in ["application/octet-streams", "octet-stream", "text/plain; application/octet-stream", ";"] {
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        let patched = server.patch(&started.location()).header("Content-Type", other).body("abc").send();
        assert_eq!(patched.status(), "400 Bad Request", "{other}: {patched}");
    }
}

#[test]
fn the_bodies_of_post_and_put_may_be_of_any_media_type() {
    // curl --data-binary calls everything a form. Its body is not to be read as one.
    let form = "application/x-www-form-urlencoded";
    let server = Server::start();
    let post = server.post(&format!("/v2/a/b/blobs/uploads/?digest={ABC}")).header("Content-Type", form);
    assert_eq!(post.body("abc").send().status(), "201 Created");
    let digest = sha256(b"digest=x&a=b");
    let started = server.post("/v2/a/b/blobs/uploads/").header("Content-Type", form).send();
    let put = server.put(&started.completed_by(&digest)).header("Content-Type", form);
    assert_eq!(put.body("digest=x&a=b").send().status(), "201 Created");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{digest}")).send().text(), "digest=x&a=b");
}
