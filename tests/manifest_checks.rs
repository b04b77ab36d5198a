//! The checks of a manifest and its references before it is stored.

use insta::assert_snapshot;
use serde_json::json;

use crate::content::{noise, push_blob, sha256, sha512};
use crate::images::{INDEX, LAYER, MANIFEST};
use crate::manifests::{image, put, request, server_with_blobs};
use crate::server::Server;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

#[test]
fn everything_that_is_missing_is_named() {
    let server = Server::start();
    assert_snapshot!(put(&server, "v1", MANIFEST, &image()), @r#"
    400 Bad Request
    content-length: 341
    content-type: application/json

    {"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}},{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":{"digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}}]}
    "#);
    push_blob(&server, "a/b", b"{}");
    // Elsewhere is not here.
    push_blob(&server, "c", b"hello");
    assert_snapshot!(put(&server, "v1", MANIFEST, &image()), @r#"
    400 Bad Request
    content-length: 177
    content-type: application/json

    {"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":{"digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}}]}
    "#);
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().status(), "404 Not Found");
    push_blob(&server, "a/b", b"hello");
    assert_eq!(put(&server, "v1", MANIFEST, &image()).status(), "201 Created");
}

#[test]
fn an_index_names_what_is_here() {
    let server = server_with_blobs();
    let entry = |media_type: &str, content: &[u8]| json!({"mediaType": media_type, "digest": sha256(content), "size": content.len()});
    let index = |entries: &[serde_json::Value]| {
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string()
    };
    let lacking = index(&[
        entry(MANIFEST, b"gone"),
        entry(LAYER, b"hello"),
        entry(LAYER, b"gone too"),
        json!({"digest": sha256(b"of no type")}),
    ]);
    assert_snapshot!(put(&server, "v1", INDEX, &lacking), @r#"
    400 Bad Request
    content-length: 513
    content-type: application/json

    {"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"manifest unknown to registry","detail":{"digest":"sha256:283bb9deef02e6843abfb538efa1eca70801bd8a701c3f98191e123496339247"}},{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":{"digest":"sha256:fed9fc666e931d70c1a7dd1e92d5fe987f7571019fed984cab6b75b7dec95736"}},{"code":"MANIFEST_BLOB_UNKNOWN","message":"manifest unknown to registry","detail":{"digest":"sha256:6ef85248667323c0bae7dac340273a02723b1670dad5e46a1eab3fb905261a1d"}}]}
    "#);
    // Whatever it says that it is: what is there counts.
    put(&server, "image", MANIFEST, &image());
    let named_otherwise = index(&[entry(MANIFEST, b"hello"), entry(LAYER, image().as_bytes())]);
    let pushed = put(&server, "v1", INDEX, &named_otherwise);
    assert_eq!(pushed.status(), "201 Created", "{pushed}");
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

    {"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":"not a manifest: expected value at line 1 column 1"}]}
    "#);
    assert_snapshot!(put(&server, "v1", DOCKER_MANIFEST, &image()), @r#"
    400 Bad Request
    content-length: 226
    content-type: application/json

    {"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":"the manifest's mediaType is application/vnd.oci.image.manifest.v1+json, its Content-Type is application/vnd.docker.distribution.manifest.v2+json"}]}
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
    content-length: 148
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content","detail":"the manifest does not match the digest"}]}
    "#);
    assert_snapshot!(put(&server, "sha256:123", MANIFEST, &image()), @r#"
    400 Bad Request
    content-length: 132
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","message":"malformed digest","detail":"a sha256 digest has 64 lower-case hexadecimal digits"}]}
    "#);
    assert_snapshot!(server.get("/v2/a/b/manifests/sha256:123").send(), @r#"
    400 Bad Request
    content-length: 132
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","message":"malformed digest","detail":"a sha256 digest has 64 lower-case hexadecimal digits"}]}
    "#);
    let wrong = put(&server, &sha512(b"another"), MANIFEST, &image());
    assert!(wrong.to_string().contains("DIGEST_INVALID"), "{wrong}");
}

#[test]
fn a_tag_is_of_the_grammar() {
    let server = server_with_blobs();
    assert_snapshot!(put(&server, "-v1", MANIFEST, &image()), @r#"
    400 Bad Request
    content-length: 172
    content-type: application/json

    {"errors":[{"code":"TAG_INVALID","message":"manifest tag did not match URI","detail":"a tag has 1 to 128 characters of A-Z a-z 0-9 _ . - and does not begin with . or -"}]}
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

    {"errors":[{"code":"SIZE_INVALID","message":"provided length did not match content length","detail":"a manifest has at most 4194304 bytes"}]}
    "#);
    // One that does not say how long it is.
    let pushed = request(&server, "v2", MANIFEST).chunked(noise(4, 64 * MAX as u64)).send();
    assert_eq!(pushed.status(), "413 Payload Too Large", "{pushed}");
    assert_eq!(server.get("/v2/a/b/manifests/v2").send().status(), "404 Not Found");
}
