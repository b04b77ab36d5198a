//! `/v2/<name>/manifests/<reference>`: images and indexes, by tag and by digest.

use std::io::Cursor;

use insta::assert_snapshot;
use serde_json::json;

use crate::client::{Request, Response};
use crate::content::{noise, push_blob, sha256, sha512};
use crate::server::Server;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// An image of the config `{}` and the layer `hello`.
fn image() -> String {
    let config = sha256(b"{}");
    let layer = sha256(b"hello");
    format!(
        concat!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
            r#""config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":2}},"#,
            r#""layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":5}}]}}"#
        ),
        config, layer
    )
}

fn put(server: &Server, reference: &str, media_type: &str, content: &str) -> Response {
    request(server, reference, media_type).body(content).send()
}

fn request(server: &Server, reference: &str, media_type: &str) -> Request {
    server.put(&format!("/v2/a/b/manifests/{reference}")).header("Content-Type", media_type)
}

fn server_with_blobs() -> Server {
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

    {"errors":[{"code":"MANIFEST_UNKNOWN","detail":{"reference":"v1"},"message":"manifest unknown"}]}
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

    {"errors":[{"code":"MANIFEST_UNKNOWN","detail":{"reference":"sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57"},"message":"manifest unknown"}]}
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

#[test]
fn everything_that_is_missing_is_named() {
    let server = Server::start();
    assert_snapshot!(put(&server, "v1", MANIFEST, &image()), @r#"
    400 Bad Request
    content-length: 341
    content-type: application/json

    {"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"message":"blob unknown to registry"},{"code":"MANIFEST_BLOB_UNKNOWN","detail":{"digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},"message":"blob unknown to registry"}]}
    "#);
    push_blob(&server, "a/b", b"{}");
    // Elsewhere is not here.
    push_blob(&server, "c", b"hello");
    assert_snapshot!(put(&server, "v1", MANIFEST, &image()), @r#"
    400 Bad Request
    content-length: 177
    content-type: application/json

    {"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":{"digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},"message":"blob unknown to registry"}]}
    "#);
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().status(), "404 Not Found");
    push_blob(&server, "a/b", b"hello");
    assert_eq!(put(&server, "v1", MANIFEST, &image()).status(), "201 Created");
}

#[test]
fn an_index_names_manifests_that_are_here() {
    let server = server_with_blobs();
    // A blob is not one.
    let child = json!({"mediaType": MANIFEST, "digest": sha256(b"hello"), "size": 5});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).to_string();
    assert_snapshot!(put(&server, "v1", INDEX, &index), @r#"
    400 Bad Request
    content-length: 177
    content-type: application/json

    {"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":{"digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},"message":"blob unknown to registry"}]}
    "#);
}

#[test]
fn a_layer_that_lies_elsewhere_need_not_be_here() {
    let server = server_with_blobs();
    let foreign = json!({
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "digest": sha256(b"elsewhere"), "size": 9, "urls": ["https://example.com/layer"],
    });
    let image = image().replace("}]}", &format!("}},{foreign}]}}"));
    let pushed = put(&server, "v1", MANIFEST, &image);
    assert_eq!(pushed.status(), "201 Created", "{pushed}");
}

#[test]
fn what_is_no_manifest_is_refused() {
    let server = server_with_blobs();
    assert_snapshot!(put(&server, "v1", MANIFEST, "hello"), @r#"
    400 Bad Request
    content-length: 131
    content-type: application/json

    {"errors":[{"code":"MANIFEST_INVALID","detail":"not a manifest: expected value at line 1 column 1","message":"manifest invalid"}]}
    "#);
    assert_snapshot!(put(&server, "v1", DOCKER_MANIFEST, &image()), @r#"
    400 Bad Request
    content-length: 226
    content-type: application/json

    {"errors":[{"code":"MANIFEST_INVALID","detail":"the manifest's mediaType is application/vnd.oci.image.manifest.v1+json, its Content-Type is application/vnd.docker.distribution.manifest.v2+json","message":"manifest invalid"}]}
    "#);
    for content in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"schemaVersion":1}"#,
        r#"{"schemaVersion":2,"config":7}"#,
        "\0\u{ff}",
    ] {
        let pushed = put(&server, "v1", MANIFEST, content);
        assert_eq!(pushed.status(), "400 Bad Request", "{content}: {pushed}");
        assert!(pushed.to_string().contains("MANIFEST_INVALID"), "{content}: {pushed}");
    }
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().status(), "404 Not Found");
}

#[test]
fn a_digest_must_be_the_manifests() {
    let server = server_with_blobs();
    assert_snapshot!(put(&server, &sha256(b"another"), MANIFEST, &image()), @r#"
    400 Bad Request
    content-length: 141
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","detail":"the manifest has another digest","message":"provided digest did not match uploaded content"}]}
    "#);
    assert_snapshot!(put(&server, "sha256:123", MANIFEST, &image()), @r#"
    400 Bad Request
    content-length: 162
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","detail":"a sha256 digest has 64 lower-case hexadecimal digits","message":"provided digest did not match uploaded content"}]}
    "#);
    assert_snapshot!(server.get("/v2/a/b/manifests/sha256:123").send(), @r#"
    400 Bad Request
    content-length: 162
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","detail":"a sha256 digest has 64 lower-case hexadecimal digits","message":"provided digest did not match uploaded content"}]}
    "#);
    let wrong = put(&server, &sha512(b"another"), MANIFEST, &image());
    assert!(wrong.to_string().contains("DIGEST_INVALID"), "{wrong}");
}

#[test]
fn a_tag_is_of_the_grammar() {
    let server = server_with_blobs();
    assert_snapshot!(put(&server, "-v1", MANIFEST, &image()), @r#"
    400 Bad Request
    content-length: 158
    content-type: application/json

    {"errors":[{"code":"TAG_INVALID","detail":"a tag has 1 to 128 of A-Z a-z 0-9 _ . - and begins with none of . -","message":"manifest tag did not match URI"}]}
    "#);
    let too_long = "t".repeat(129);
    for tag in [".v1", "-", ".", "v1+x", "v%201", "%C3%A9", "v%00", &too_long] {
        for method in ["GET", "PUT"] {
            let answer = server.request(method, &format!("/v2/a/b/manifests/{tag}")).body(image()).send();
            assert_eq!(answer.status(), "400 Bad Request", "{method} {tag}: {answer}");
            assert!(answer.to_string().contains("TAG_INVALID"), "{method} {tag}: {answer}");
        }
    }
    for tag in ["_", "V1.0-rc_2", &too_long[1..]] {
        assert_eq!(put(&server, tag, MANIFEST, &image()).status(), "201 Created", "{tag}");
        assert_eq!(server.get(&format!("/v2/a/b/manifests/{tag}")).send().text(), image(), "{tag}");
    }
}

#[test]
fn a_manifest_has_at_most_4_mib() {
    const MAX: usize = 4 * 1024 * 1024;
    let server = server_with_blobs();
    let image = image();
    let (start, end) = (image.strip_suffix('}').unwrap().to_owned() + r#","annotations":{"x":""#, r#""}}"#);
    let padded = |length| start.clone() + &"x".repeat(length - start.len() - end.len()) + end;
    let largest = padded(MAX);
    let pushed = put(&server, "v1", MANIFEST, &largest);
    assert_eq!(pushed.status(), "201 Created", "{pushed}");
    assert!(server.get("/v2/a/b/manifests/v1").send().text() == largest, "it comes back changed");

    assert_snapshot!(put(&server, "v2", MANIFEST, &padded(MAX + 1)), @r#"
    413 Payload Too Large
    content-length: 142
    content-type: application/json

    {"errors":[{"code":"SIZE_INVALID","detail":"a manifest has at most 4194304 bytes","message":"provided length did not match content length"}]}
    "#);
    // One that does not say how long it is.
    let pushed = request(&server, "v2", MANIFEST).chunked(noise(4, 64 * MAX as u64)).send();
    assert_eq!(pushed.status(), "413 Payload Too Large", "{pushed}");
    assert_eq!(server.get("/v2/a/b/manifests/v2").send().status(), "404 Not Found");
}
