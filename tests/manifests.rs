//! `/v2/<name>/manifests/<reference>`: images and indexes, by tag and by digest.

use std::io::Cursor;

use insta::assert_snapshot;
use serde_json::json;

use crate::client::{Request, Response};
use crate::content::{push_blob, sha256};
use crate::images::{INDEX, MANIFEST, manifest};
use crate::server::Server;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// An image of the config `{}` and the layer `hello`.
pub(crate) fn image() -> String {
    manifest(b"hello")
}

pub(crate) fn put(server: &Server, reference: &str, media_type: &str, content: &str) -> Response {
    request(server, reference, media_type).body(content).send()
}

pub(crate) fn request(server: &Server, reference: &str, media_type: &str) -> Request {
    server.put(&format!("/v2/a/b/manifests/{reference}")).header("Content-Type", media_type)
}

pub(crate) fn server_with_blobs() -> Server {
    let server = Server::start();
    push_blob(&server, "a/b", b"{}");
    push_blob(&server, "a/b", b"hello");
    server
}

#[test]
fn an_image_is_pushed_and_pulled_by_tag_and_by_digest() {
    let server = server_with_blobs();
    let image = image();
    assert_snapshot!(put(&server, "v1", MANIFEST, &image), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57
    location: /v2/a/b/manifests/sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57
    ");
    assert_snapshot!(server.get("/v2/a/b/manifests/v1").send(), @r#"
    200 OK
    content-length: 392
    content-type: application/vnd.oci.image.manifest.v1+json
    docker-content-digest: sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57
    etag: "sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57"

    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","size":5}]}
    "#);
    assert_snapshot!(server.head("/v2/a/b/manifests/v1").send(), @r#"
    200 OK
    content-length: 392
    content-type: application/vnd.oci.image.manifest.v1+json
    docker-content-digest: sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57
    etag: "sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57"
    "#);
    let by_digest = server.get(&format!("/v2/a/b/manifests/{}", sha256(image.as_bytes()))).send();
    assert_eq!(by_digest.to_string(), server.get("/v2/a/b/manifests/v1").send().to_string());
}

#[test]
fn a_manifest_pushed_by_digest_has_no_tag() {
    let server = server_with_blobs();
    let digest = sha256(image().as_bytes());
    assert_snapshot!(put(&server, &digest, MANIFEST, &image()), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57
    location: /v2/a/b/manifests/sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57
    ");
    assert_eq!(server.get(&format!("/v2/a/b/manifests/{digest}")).send().text(), image());
    assert_snapshot!(server.get("/v2/a/b/tags/list").send(), @r#"
    200 OK
    content-length: 25
    content-type: application/json

    {"name":"a/b","tags":[]}
    "#);
}

#[test]
fn a_manifest_is_never_changed() {
    let server = server_with_blobs();
    // Spaces, an unknown field, a duplicate one, an escape: its digest is over all of them.
    let image = image().replace(
        r#"{"schemaVersion":2,"#,
        "{ \"schemaVersion\" : 2,\n\t\"x\":[1.0,1e2,\"\\u00e9\"],\"x\":null,\"artifactType\":\"a/b\",",
    );
    let pushed = put(&server, "v1", MANIFEST, &image);
    assert_eq!(pushed.header("docker-content-digest"), sha256(image.as_bytes()), "{pushed}");
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), image);
}

#[test]
fn a_tag_moves() {
    let server = server_with_blobs();
    let other = image().replace("}]}", r#"}],"annotations":{}}"#);
    put(&server, "v1", MANIFEST, &image());
    put(&server, "v1", MANIFEST, &other);
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), other);
    // The first one is still there by its digest.
    let digest = sha256(image().as_bytes());
    assert_eq!(server.get(&format!("/v2/a/b/manifests/{digest}")).send().text(), image());
}

#[test]
fn a_manifest_may_come_in_chunks() {
    let server = server_with_blobs();
    let pushed = request(&server, "v1", MANIFEST).chunked(Cursor::new(image())).send();
    assert_eq!(pushed.status(), "201 Created", "{pushed}");
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), image());
}

#[test]
fn every_kind_is_served_as_what_it_was_pushed_as() {
    let server = server_with_blobs();
    let digest = sha256(image().as_bytes());
    put(&server, &digest, MANIFEST, &image());
    let child = json!([{"mediaType": MANIFEST, "digest": digest, "size": image().len()}]);
    let docker = image().replace(MANIFEST, DOCKER_MANIFEST);
    let untyped = image().replace(&format!(r#""mediaType":"{MANIFEST}","#), "");
    for (tag, media_type, content) in [
        ("docker", DOCKER_MANIFEST, docker),
        (
            "list",
            DOCKER_LIST,
            json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": child}).to_string(),
        ),
        ("index", INDEX, json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": child}).to_string()),
        ("untyped-index", INDEX, json!({"schemaVersion": 2, "manifests": child}).to_string()),
        ("untyped", MANIFEST, untyped),
        (
            "other",
            "application/vnd.example+json",
            r#"{"mediaType":"application/vnd.example+json"}"#.to_owned(),
        ),
    ] {
        let pushed = put(&server, tag, media_type, &content);
        assert_eq!(pushed.status(), "201 Created", "{tag}: {pushed}");
        let pulled = server.get(&format!("/v2/a/b/manifests/{tag}")).send();
        assert_eq!(pulled.header("content-type"), media_type, "{tag}");
        assert_eq!(pulled.text(), content, "{tag}");
    }
}

#[test]
fn a_manifest_is_served_whatever_is_accepted() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    for accept in [DOCKER_MANIFEST, "application/json", "text/html", "*/*", "*/*;q=0", ""] {
        let get = server.get("/v2/a/b/manifests/v1").header("Accept", accept).send();
        assert_eq!(get.status(), "200 OK", "{accept}: {get}");
        assert_eq!(get.header("content-type"), MANIFEST, "{accept}");
    }
}

#[test]
fn a_manifest_that_the_client_has_is_not_sent() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    let digest = sha256(image().as_bytes());
    let get = server.get("/v2/a/b/manifests/v1").header("If-None-Match", &format!("\"{digest}\""));
    assert_snapshot!(get.send(), @r#"
    304 Not Modified
    docker-content-digest: sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57
    etag: "sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57"
    "#);
    let get = server.get("/v2/a/b/manifests/v1").header("If-None-Match", &digest);
    assert_eq!(get.send().status(), "304 Not Modified");
}

#[test]
fn what_is_not_there_is_unknown() {
    let server = Server::start();
    assert_snapshot!(server.get("/v2/a/b/manifests/v1").send(), @r#"
    404 Not Found
    content-length: 98
    content-type: application/json

    {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"reference":"v1"}}]}
    "#);
    assert_snapshot!(server.head("/v2/a/b/manifests/v1").send(), @"
    404 Not Found
    content-length: 98
    content-type: application/json
    ");
    let digest = sha256(image().as_bytes());
    assert_snapshot!(server.get(&format!("/v2/a/b/manifests/{digest}")).send(), @r#"
    404 Not Found
    content-length: 167
    content-type: application/json

    {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"reference":"sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57"}}]}
    "#);
}

#[test]
fn blobs_and_manifests_are_apart() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    let layer = server.get(&format!("/v2/a/b/manifests/{}", sha256(b"hello"))).send();
    assert_eq!(layer.status(), "404 Not Found", "{layer}");
    let manifest = server.get(&format!("/v2/a/b/blobs/{}", sha256(image().as_bytes()))).send();
    assert_eq!(manifest.status(), "404 Not Found", "{manifest}");
    let elsewhere = server.get(&format!("/v2/c/manifests/{}", sha256(image().as_bytes()))).send();
    assert_eq!(elsewhere.status(), "404 Not Found", "{elsewhere}");
}
