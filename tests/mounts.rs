//! `POST /v2/<name>/blobs/uploads/?mount=<digest>`: a blob that the registry already has is not sent again.

use insta::assert_snapshot;

use crate::content::{push_blob, sha256, sha512};
use crate::images::{MANIFEST, manifest};
use crate::server::Server;

const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn without_a_repository_to_take_it_from_any_one_will_do() {
    let server = Server::start();
    push_blob(&server, "c/d", b"abc");
    assert_snapshot!(server.post(&format!("/v2/a/b/blobs/uploads/?mount={ABC}")).send(), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    location: /v2/a/b/blobs/sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{ABC}")).send().text(), "abc");
}

#[test]
fn a_mount_from_a_repository_without_the_blob_starts_an_upload() {
    let server = Server::start();
    push_blob(&server, "c/d", b"abc");
    // Another repository has it, but that is not the one that was named.
    let posted = server.post(&format!("/v2/a/b/blobs/uploads/?mount={ABC}&from=e")).send();
    assert_snapshot!(posted, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-0
    ");
    assert_eq!(server.head(&format!("/v2/a/b/blobs/{ABC}")).send().status(), "404 Not Found");
    // The upload is one like any other.
    assert_eq!(server.put(&posted.completed_by(ABC)).body("abc").send().status(), "201 Created");
}

#[test]
fn a_mount_that_cannot_be_is_never_an_error() {
    let server = Server::start();
    push_blob(&server, "c/d", b"abc");
    for query in [
        format!("mount={ABC}&from=Bad"),
        format!("mount={ABC}&from=..%2Fc%2Fd"),
        format!("mount={ABC}&from=c%2Fd%2F_layers"),
        format!("mount={ABC}&from="),
        format!("mount={}&from=c%2Fd", sha256(b"another")),
        format!("mount={}&from=c%2Fd", sha512(b"abc")),
        format!("mount={}", sha256(b"another")),
        "mount=sha256:xyz&from=c%2Fd".into(),
        "mount=sha256:xyz".into(),
        "from=c%2Fd".into(),
    ] {
        let posted = server.post(&format!("/v2/a/b/blobs/uploads/?{query}")).send();
        assert_eq!(posted.status(), "202 Accepted", "{query}: {posted}");
        assert_eq!(server.delete(&posted.location()).send().status(), "204 No Content", "{query}");
    }
}

#[test]
fn a_blob_of_a_sha512_is_mounted_by_it() {
    let server = Server::start();
    let digest = sha512(b"abc");
    let started = server.post("/v2/c/d/blobs/uploads/").send();
    server.put(&started.completed_by(&digest)).body("abc").send();
    let mounted = server.post(&format!("/v2/a/b/blobs/uploads/?mount={digest}&from=c%2Fd")).send();
    assert_snapshot!(mounted, @"
    201 Created
    content-length: 0
    docker-content-digest: sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
    location: /v2/a/b/blobs/sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
    ");
    let mounted = server.post(&format!("/v2/e/blobs/uploads/?mount={digest}")).send();
    assert_eq!(mounted.status(), "201 Created", "{mounted}");
    // It comes with its other name.
    for repository in ["a/b", "e"] {
        for digest in [&digest, ABC] {
            let blob = server.get(&format!("/v2/{repository}/blobs/{digest}")).send();
            assert_eq!(blob.text(), "abc", "{blob}");
            assert_eq!(blob.header("docker-content-digest"), digest);
        }
    }
}

#[test]
fn what_was_mounted_outlives_where_it_came_from() {
    let server = Server::start();
    push_blob(&server, "c/d", b"abc");
    server.post(&format!("/v2/a/b/blobs/uploads/?mount={ABC}&from=c%2Fd")).send();
    assert_eq!(server.delete(&format!("/v2/c/d/blobs/{ABC}")).send().status(), "202 Accepted");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{ABC}")).send().text(), "abc");
}

#[test]
fn an_image_of_mounted_blobs_is_whole() {
    let server = Server::start();
    for content in [&b"{}"[..], b"hello"] {
        let digest = push_blob(&server, "c/d", content);
        let mounted = server.post(&format!("/v2/a/b/blobs/uploads/?mount={digest}&from=c%2Fd")).send();
        assert_eq!(mounted.status(), "201 Created", "{mounted}");
    }
    let image = server.put("/v2/a/b/manifests/v1").header("Content-Type", MANIFEST).body(manifest(b"hello"));
    assert_eq!(image.send().status(), "201 Created");
}
