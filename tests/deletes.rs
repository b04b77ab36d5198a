//! `DELETE` of blobs, manifests and tags, and the settings that forbid it.

use insta::assert_snapshot;

use crate::content::{push_blob, sha256, sha512};
use crate::images::MANIFEST;
use crate::manifests::{image, put, server_with_blobs};
use crate::server::Server;

const HELLO: &str = "/v2/a/b/blobs/sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// The same image with another annotation.
fn other_image() -> String {
    image().replace("}]}", r#"}],"annotations":{}}"#)
}

#[test]
fn a_blob_is_gone_at_once_and_only_here() {
    let server = server_with_blobs();
    push_blob(&server, "c", b"hello");
    assert_snapshot!(server.delete(HELLO).send(), @"
    202 Accepted
    content-length: 0
    ");
    assert_snapshot!(server.get(HELLO).send(), @r#"
    404 Not Found
    content-length: 74
    content-type: application/json

    {"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}
    "#);
    assert_eq!(server.head(HELLO).send().status(), "404 Not Found");
    assert_snapshot!(server.delete(HELLO).send(), @r#"
    404 Not Found
    content-length: 74
    content-type: application/json

    {"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}
    "#);
    assert_eq!(server.get(&HELLO.replace("/a/b/", "/c/")).send().text(), "hello");
    // It can be pushed again.
    push_blob(&server, "a/b", b"hello");
    assert_eq!(server.get(HELLO).send().text(), "hello");
}

#[test]
fn a_blob_is_gone_under_all_its_digests() {
    let server = Server::start();
    let digests = [sha512(b"abc"), sha256(b"abc")];
    for deleted in &digests {
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        server.put(&started.completed_by(&digests[0])).body("abc").send();
        assert_eq!(server.delete(&format!("/v2/a/b/blobs/{deleted}")).send().status(), "202 Accepted");
        for digest in &digests {
            let head = server.head(&format!("/v2/a/b/blobs/{digest}")).send();
            assert_eq!(head.status(), "404 Not Found", "{digest} after {deleted}: {head}");
        }
    }
}

#[test]
fn a_tag_is_deleted_alone() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    put(&server, "v2", MANIFEST, &image());
    assert_snapshot!(server.delete("/v2/a/b/manifests/v1").send(), @"
    202 Accepted
    content-length: 0
    ");
    assert_snapshot!(server.get("/v2/a/b/manifests/v1").send(), @r#"
    404 Not Found
    content-length: 98
    content-type: application/json

    {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"reference":"v1"}}]}
    "#);
    let digest = sha256(image().as_bytes());
    for reference in ["v2", &digest] {
        let get = server.get(&format!("/v2/a/b/manifests/{reference}")).send();
        assert_eq!(get.text(), image(), "{reference}: {get}");
    }
    assert_eq!(server.get("/v2/a/b/tags/list").send().text(), "{\"name\":\"a/b\",\"tags\":[\"v2\"]}\n");
    assert_snapshot!(server.delete("/v2/a/b/manifests/v1").send(), @r#"
    404 Not Found
    content-length: 98
    content-type: application/json

    {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"reference":"v1"}}]}
    "#);
    // And it can be set again.
    assert_eq!(put(&server, "v1", MANIFEST, &other_image()).status(), "201 Created");
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), other_image());
}

#[test]
fn a_manifest_is_deleted_with_its_tags() {
    let server = server_with_blobs();
    for (tag, image) in [("v1", image()), ("v2", image()), ("v3", other_image())] {
        put(&server, tag, MANIFEST, &image);
    }
    // A tag that used to point to it is another's now.
    put(&server, "v3", MANIFEST, &image());
    put(&server, "v3", MANIFEST, &other_image());
    let digest = sha256(image().as_bytes());
    let target = format!("/v2/a/b/manifests/{digest}");
    assert_snapshot!(server.delete(&target).send(), @"
    202 Accepted
    content-length: 0
    ");
    assert_snapshot!(server.get(&target).send(), @r#"
    404 Not Found
    content-length: 167
    content-type: application/json

    {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"reference":"sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57"}}]}
    "#);
    for tag in ["v1", "v2"] {
        let get = server.get(&format!("/v2/a/b/manifests/{tag}")).send();
        assert_eq!(get.status(), "404 Not Found", "{tag}: {get}");
    }
    assert_eq!(server.get("/v2/a/b/manifests/v3").send().text(), other_image());
    assert_eq!(server.get("/v2/a/b/tags/list").send().text(), "{\"name\":\"a/b\",\"tags\":[\"v3\"]}\n");
    assert_eq!(server.delete(&target).send().status(), "404 Not Found");
    // What it was made of stays, for others.
    assert_eq!(server.get(HELLO).send().status(), "200 OK");
    assert_eq!(put(&server, "v1", MANIFEST, &image()).status(), "201 Created");
}

#[test]
fn what_has_a_long_history_is_deleted_at_once() {
    let server = server_with_blobs();
    for number in 0..100 {
        let image = image().replace("}]}", &format!(r#"}}],"annotations":{{"number":"{number}"}}}}"#));
        assert_eq!(put(&server, "latest", MANIFEST, &image).status(), "201 Created");
    }
    assert_eq!(server.delete("/v2/a/b/manifests/latest").send().status(), "202 Accepted");
    for number in 0..40 {
        assert_eq!(put(&server, &format!("v{number}"), MANIFEST, &image()).status(), "201 Created");
    }
    put(&server, "other", MANIFEST, &other_image());
    let digest = sha256(image().as_bytes());
    assert_eq!(server.delete(&format!("/v2/a/b/manifests/{digest}")).send().status(), "202 Accepted");
    assert_eq!(server.get("/v2/a/b/tags/list").send().text(), "{\"name\":\"a/b\",\"tags\":[\"other\"]}\n");
}

#[test]
fn a_repository_without_its_last_tag_is_still_known() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    server.delete(&format!("/v2/a/b/manifests/{}", sha256(image().as_bytes()))).send();
    assert_snapshot!(server.get("/v2/a/b/tags/list").send(), @r#"
    200 OK
    content-length: 25
    content-type: application/json

    {"name":"a/b","tags":[]}
    "#);
}

#[test]
fn a_manifest_is_gone_under_all_its_digests() {
    let server = server_with_blobs();
    let digests = [sha512(image().as_bytes()), sha256(image().as_bytes())];
    for deleted in &digests {
        put(&server, &format!("{}?tag=v1", digests[0]), MANIFEST, &image());
        put(&server, "v2", MANIFEST, &image());
        assert_eq!(server.delete(&format!("/v2/a/b/manifests/{deleted}")).send().status(), "202 Accepted");
        for reference in [&digests[0], &digests[1], "v1", "v2"] {
            let get = server.get(&format!("/v2/a/b/manifests/{reference}")).send();
            assert_eq!(get.status(), "404 Not Found", "{reference} after {deleted}: {get}");
        }
    }
}

#[test]
fn what_cannot_be_named_cannot_be_deleted() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    let elsewhere = sha256(image().as_bytes());
    for (target, status, code) in [
        ("/v2/a/b/blobs/sha256:1", "400 Bad Request", "DIGEST_INVALID"),
        ("/v2/a/b/manifests/sha256:1", "400 Bad Request", "DIGEST_INVALID"),
        ("/v2/a/b/manifests/-v1", "400 Bad Request", "TAG_INVALID"),
        ("/v2/a/b/manifests/v2", "404 Not Found", "MANIFEST_UNKNOWN"),
        (&format!("/v2/c/manifests/{elsewhere}"), "404 Not Found", "MANIFEST_UNKNOWN"),
        (&HELLO.replace("/a/b/", "/c/"), "404 Not Found", "BLOB_UNKNOWN"),
        ("/v2/A/manifests/v1", "400 Bad Request", "NAME_INVALID"),
    ] {
        let deleted = server.delete(target).send();
        assert_eq!(deleted.status(), status, "{target}: {deleted}");
        assert!(deleted.text().contains(code), "{target}: {deleted}");
    }
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), image());
}

#[test]
fn deleting_may_be_switched_off() {
    let filled = server_with_blobs();
    put(&filled, "v1", MANIFEST, &image());
    let off = Server::with_secret("s").env("REGISTRY_STORAGE_DELETE_ENABLED", "false");
    let server = off.on_data_of(&filled).start();
    assert_snapshot!(server.delete(HELLO).send(), @r#"
    405 Method Not Allowed
    allow: GET, HEAD
    content-length: 114
    content-type: application/json

    {"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported.","detail":"deleting is switched off"}]}
    "#);
    for reference in ["v1", &sha256(image().as_bytes())] {
        let target = format!("/v2/a/b/manifests/{reference}");
        let refused = server.delete(&target).send();
        assert_eq!(refused.status(), "405 Method Not Allowed", "{target}: {refused}");
        assert!(refused.text().contains("UNSUPPORTED"), "{target}: {refused}");
        assert_eq!(server.get(&target).send().text(), image());
    }
    assert_eq!(server.get(HELLO).send().text(), "hello");
    // Pushing still works, and so does cancelling a push.
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    assert_eq!(server.delete(&started.location()).send().status(), "204 No Content");
    assert_eq!(put(&server, "v2", MANIFEST, &image()).status(), "201 Created");
}

#[test]
fn a_read_only_registry_refuses_everything_that_writes() {
    over_files!();
    let filled = server_with_blobs();
    put(&filled, "v1", MANIFEST, &image());
    let upload = filled.post("/v2/a/b/blobs/uploads/").send();
    let before = crate::disk::files(filled.data());
    let read_only = Server::without_secret().env("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true");
    let server = read_only.on_data_of(&filled).start();
    assert_snapshot!(server.post("/v2/a/b/blobs/uploads/").send(), @r#"
    405 Method Not Allowed
    allow: GET, HEAD
    content-length: 115
    content-type: application/json

    {"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported.","detail":"the registry is read-only"}]}
    "#);
    let manifest = format!("/v2/a/b/manifests/{}", sha256(image().as_bytes()));
    for (method, target) in [
        ("POST", &*format!("/v2/c/blobs/uploads/?mount={}", sha256(b"hello"))),
        ("POST", &*format!("/v2/c/blobs/uploads/?digest={}", sha256(b"hello"))),
        ("PATCH", &upload.location()),
        ("PUT", &upload.completed_by(&sha256(b"hello"))),
        ("DELETE", &upload.location()),
        ("DELETE", HELLO),
        ("PUT", "/v2/a/b/manifests/v2"),
        ("DELETE", "/v2/a/b/manifests/v1"),
        ("DELETE", &manifest),
    ] {
        let refused = server.request(method, target).body("hello").send();
        assert_eq!(refused.status(), "405 Method Not Allowed", "{method} {target}: {refused}");
        assert!(refused.text().contains("UNSUPPORTED"), "{method} {target}: {refused}");
    }
    for target in [HELLO, &manifest, "/v2/a/b/tags/list", "/v2/_catalog", "/v2/"] {
        assert_eq!(server.get(target).send().status(), "200 OK", "{target}");
    }
    let referrers = server.get(&manifest.replace("manifests", "referrers")).send();
    assert_eq!(referrers.status(), "200 OK", "{referrers}");
    // How far an upload is can be told without a secret, which would have to be stored.
    let uploads = upload.location().split_once('?').unwrap().0.to_owned();
    let status = server.get(&uploads).send();
    assert_eq!(status.status(), "204 No Content", "{status}");
    assert_eq!(crate::disk::files(server.data()), before);
}
