//! The kinds of manifests, and the ways to name them as they are pushed.

use insta::assert_snapshot;
use serde_json::json;

use crate::content::{sha256, sha512};
use crate::images::{INDEX, LAYER, MANIFEST};
use crate::manifests::{image, put, server_with_blobs};
use crate::server::Server;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

const SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+json";
const SCHEMA1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// An index of a manifest that was never pushed.
fn sparse_index() -> String {
    let child = json!({"mediaType": MANIFEST, "digest": sha256(b"elsewhere"), "size": 9});
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).to_string()
}

#[test]
fn an_image_of_docker_is_one() {
    let server = server_with_blobs();
    let image = image().replace(MANIFEST, DOCKER_MANIFEST);
    assert_snapshot!(put(&server, "v1", DOCKER_MANIFEST, &image), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:d3bb52ac820f1e956557562ec609fc462d0c61c5b129aed9d374172407587b54
    location: /v2/a/b/manifests/sha256:d3bb52ac820f1e956557562ec609fc462d0c61c5b129aed9d374172407587b54
    ");
    assert_snapshot!(server.get("/v2/a/b/manifests/v1").send(), @r#"
    200 OK
    content-length: 402
    content-type: application/vnd.docker.distribution.manifest.v2+json
    docker-content-digest: sha256:d3bb52ac820f1e956557562ec609fc462d0c61c5b129aed9d374172407587b54
    etag: "sha256:d3bb52ac820f1e956557562ec609fc462d0c61c5b129aed9d374172407587b54"

    {"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","size":5}]}
    "#);
}

#[test]
fn a_list_of_docker_names_manifests_that_are_here() {
    let server = server_with_blobs();
    let image = image().replace(MANIFEST, DOCKER_MANIFEST);
    let child = json!({
        "mediaType": DOCKER_MANIFEST, "size": image.len(), "digest": sha256(image.as_bytes()),
        "platform": {"architecture": "amd64", "os": "linux"},
    });
    let list = json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [child]}).to_string();
    let early = put(&server, "v1", DOCKER_LIST, &list);
    assert!(early.text().contains("MANIFEST_BLOB_UNKNOWN"), "{early}");
    put(&server, &sha256(image.as_bytes()), DOCKER_MANIFEST, &image);
    assert_eq!(put(&server, "v1", DOCKER_LIST, &list).status(), "201 Created");
    // It is not one of its images that is sent, whatever the client accepts.
    let get = server.get("/v2/a/b/manifests/v1").header("Accept", DOCKER_MANIFEST).send();
    assert_eq!((get.header("content-type"), get.text()), (DOCKER_LIST, list));
}

/// `docker buildx build --cache-to type=registry`: an index, of OCI or of Docker, of the layers and a config
/// that describes them. A containerd checkpoint has the same form with other types.
#[test]
fn a_cache_of_buildkit_is_an_index_of_blobs() {
    let server = server_with_blobs();
    let layer = json!({
        "mediaType": LAYER, "digest": sha256(b"hello"), "size": 5,
        "annotations": {"buildkit/createdat": "2026-01-01T00:00:00Z"},
    });
    let config =
        json!({"mediaType": "application/vnd.buildkit.cacheconfig.v0", "digest": sha256(b"{}"), "size": 2});
    for (tag, media_type) in [("cache", INDEX), ("list", DOCKER_LIST)] {
        let cache = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": [layer, config]});
        let pushed = put(&server, tag, media_type, &cache.to_string());
        assert_eq!(pushed.status(), "201 Created", "{tag}: {pushed}");
        let pulled = server.get(&format!("/v2/a/b/manifests/{tag}")).header("Accept", media_type).send();
        assert_eq!((pulled.header("content-type"), pulled.text()), (media_type, cache.to_string()));
    }
    // Of one that is lost, that blob is named.
    server.delete(&format!("/v2/a/b/blobs/{}", sha256(b"hello"))).send();
    let cache = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [config, layer]});
    assert_snapshot!(put(&server, "cache", INDEX, &cache.to_string()), @r#"
    400 Bad Request
    content-length: 177
    content-type: application/json

    {"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":{"digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}}]}
    "#);
}

/// As programs in Go write what they leave empty, and as registries in Go read it.
#[test]
fn what_may_be_left_out_may_be_null() {
    let server = server_with_blobs();
    let image = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": null, "manifests": null, "subject": null,
        "annotations": null,
        "config": {"mediaType": null, "digest": sha256(b"{}"), "size": null, "urls": null, "annotations": null},
        "layers": [{"mediaType": LAYER, "digest": sha256(b"hello"), "size": 5, "urls": null, "platform": null}],
    });
    let list = json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": null, "config": null, "layers": null});
    for (tag, media_type, content) in [
        ("image", MANIFEST, image.to_string()),
        ("list", DOCKER_LIST, list.to_string()),
        ("layers", MANIFEST, image.to_string().replace(r#""layers":["#, r#""layers":null,"x":["#)),
        (
            "untyped",
            MANIFEST,
            image.to_string().replace(&format!(r#""mediaType":"{MANIFEST}""#), r#""mediaType":null"#),
        ),
        ("index", INDEX, r#"{"schemaVersion":2,"mediaType":null,"manifests":null}"#.to_owned()),
    ] {
        let pushed = put(&server, tag, media_type, &content);
        assert_eq!(pushed.status(), "201 Created", "{tag}: {pushed}");
        let pulled = server.get(&format!("/v2/a/b/manifests/{tag}")).send();
        assert_eq!((pulled.header("content-type"), pulled.text()), (media_type, content), "{tag}");
    }
}

/// Go takes the last of two members with the same name, and ignores case. A client in Go needs the content that this
/// member names.
#[test]
fn of_two_members_of_a_name_the_last_one_counts() {
    let server = server_with_blobs();
    let image = image();
    let twice = image.replace(r#""layers":"#, r#""layers":[{"digest":"x"}],"LAYERS":"#);
    let twice = twice.replace(
        r#"{"schemaVersion":2"#,
        r#"{"mediaType":"a/b","config":[],"schemaVersion":1,"SchemaVersion":2"#,
    );
    let pushed = put(&server, "v1", MANIFEST, &twice);
    assert_eq!(pushed.status(), "201 Created", "{pushed}");
    let pulled = server.get("/v2/a/b/manifests/v1").send();
    assert_eq!((pulled.header("content-type"), pulled.text()), (MANIFEST, twice.clone()));
    let missing = twice.replace(&sha256(b"hello"), &sha256(b"gone"));
    let refused = put(&server, "v2", MANIFEST, &missing);
    assert!(refused.text().contains("MANIFEST_BLOB_UNKNOWN"), "{refused}");
}

#[test]
fn media_types_are_compared_as_such() {
    let server = server_with_blobs();
    let shouted = "Application/VND.OCI.Image.Manifest.v1+JSON";
    for (tag, sent_as, says) in [
        ("parameter", format!("{MANIFEST}; charset=utf-8"), MANIFEST),
        ("case", shouted.to_owned(), MANIFEST),
        ("both", MANIFEST.to_owned(), shouted),
    ] {
        let content = image().replace(MANIFEST, says);
        let pushed = put(&server, tag, &sent_as, &content);
        assert_eq!(pushed.status(), "201 Created", "{tag}: {pushed}");
        let pulled = server.get(&format!("/v2/a/b/manifests/{tag}")).send();
        // In the usual spelling: clients look for that one.
        assert_eq!((pulled.header("content-type"), pulled.text()), (MANIFEST, content), "{tag}");
    }
    // What is looked for in an image is looked for in this one, too.
    let missing = image().replace(MANIFEST, shouted).replace(&sha256(b"hello"), &sha256(b"gone"));
    assert!(put(&server, "v1", MANIFEST, &missing).text().contains("MANIFEST_BLOB_UNKNOWN"));
}

#[test]
fn an_image_of_schema_1_is_refused_by_its_name() {
    let server = server_with_blobs();
    let content =
        r#"{"schemaVersion":1,"name":"a/b","tag":"v1","fsLayers":[],"history":[],"signatures":[{}]}"#;
    assert_snapshot!(put(&server, "v1", SCHEMA1_SIGNED, content), @r#"
    400 Bad Request
    content-length: 185
    content-type: application/json

    {"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":"this is a Docker manifest of schema 1, which cannot be pushed: push the image as Docker schema 2 or OCI"}]}
    "#);
    for media_type in [SCHEMA1, "application/json"] {
        let refused = put(&server, "v1", media_type, content);
        assert_eq!(refused.status(), "400 Bad Request", "{media_type}: {refused}");
        assert!(refused.text().contains("schema 1"), "{media_type}: {refused}");
    }
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().status(), "404 Not Found");
}

#[test]
fn an_artifact_has_a_type_and_an_empty_config() {
    let server = server_with_blobs();
    let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2});
    let artifact = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.example.sbom",
        "config": empty, "layers": [empty],
    });
    let artifact = artifact.to_string();
    assert_eq!(put(&server, "v1", MANIFEST, &artifact).status(), "201 Created");
    let get = server.get("/v2/a/b/manifests/v1").send();
    assert_eq!((get.header("content-type"), get.text()), (MANIFEST, artifact));
}

#[test]
fn a_manifest_of_an_unknown_type_is_stored_as_it_is() {
    let server = Server::start();
    // What it names is not looked for.
    let content = "{ \"mediaType\":\"application/vnd.example.v7+json\",\n\t\"layers\": [\"x\", 1e2], \"layers\": {} }\n";
    let pushed = put(&server, "v1", "application/vnd.example.v7+json", content);
    assert_eq!(pushed.header("docker-content-digest"), sha256(content.as_bytes()), "{pushed}");
    assert_snapshot!(server.get("/v2/a/b/manifests/v1").send(), @r#"
    200 OK
    content-length: 87
    content-security-policy: default-src 'none'; sandbox
    content-type: application/vnd.example.v7+json
    docker-content-digest: sha256:7e23fe4ae187861ead032151f2befe5c051ebe9f31ef71f35ef45fdcea559218
    etag: "sha256:7e23fe4ae187861ead032151f2befe5c051ebe9f31ef71f35ef45fdcea559218"
    x-content-type-options: nosniff

    { "mediaType":"application/vnd.example.v7+json",
    	"layers": ["x", 1e2], "layers": {} }
    "#);
}

#[test]
fn a_manifest_that_does_not_say_what_it_is_is_found_out() {
    let server = server_with_blobs();
    let image = image().replace(&format!(r#""mediaType":"{MANIFEST}","#), "");
    let index = r#"{"schemaVersion":2,"manifests":[]}"#;
    for (content, media_type) in [(&*image, MANIFEST), (index, INDEX)] {
        // Neither in itself nor by its header.
        let pushed = server.put("/v2/a/b/manifests/v1").body(content).send();
        assert_eq!(pushed.status(), "201 Created", "{pushed}");
        let get = server.get("/v2/a/b/manifests/v1").send();
        assert_eq!((get.header("content-type"), get.text()), (media_type, content.to_owned()));
    }
}

#[test]
fn a_manifest_that_only_its_header_names_is_refused_where_it_would_be_served_as_another() {
    let server = server_with_blobs();
    let image = image().replace(&format!(r#""mediaType":"{MANIFEST}","#), "");
    assert_snapshot!(put(&server, "v1", DOCKER_MANIFEST, &image), @r#"
    400 Bad Request
    content-length: 182
    content-type: application/json

    {"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":"a manifest of type application/vnd.docker.distribution.manifest.v2+json must say so in its mediaType"}]}
    "#);
    let index = r#"{"schemaVersion":2,"manifests":[]}"#;
    for (media_type, content) in
        [(DOCKER_LIST, index), (MANIFEST, index), (INDEX, &*image), ("application/vnd.example+json", "{}")]
    {
        let pushed = put(&server, "v1", media_type, content);
        assert!(pushed.text().contains("must say so"), "{media_type} {content}: {pushed}");
    }
}

#[test]
fn a_manifest_pushed_by_digest_may_be_given_tags() {
    let server = server_with_blobs();
    let digest = sha256(image().as_bytes());
    assert_snapshot!(put(&server, &format!("{digest}?tag=v1&tag=latest"), MANIFEST, &image()), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57
    location: /v2/a/b/manifests/sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57
    oci-tag: latest
    oci-tag: v1
    ");
    for tag in ["v1", "latest"] {
        assert_eq!(server.get(&format!("/v2/a/b/manifests/{tag}")).send().text(), image(), "{tag}");
    }
    assert_eq!(
        server.get("/v2/a/b/tags/list").send().text(),
        "{\"name\":\"a/b\",\"tags\":[\"latest\",\"v1\"]}\n"
    );
    // One invalid tag makes the whole request fail, before anything is stored.
    let refused = put(&server, &format!("{digest}?tag=v2&tag=-"), MANIFEST, &image());
    assert!(refused.text().contains("TAG_INVALID"), "{refused}");
    assert_eq!(server.get("/v2/a/b/manifests/v2").send().status(), "404 Not Found");
}

#[test]
fn a_layer_that_lies_elsewhere_must_say_where() {
    let server = server_with_blobs();
    let layer = |urls: &[&str]| {
        let layer = json!({
            "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "digest": sha256(b"elsewhere"), "size": 9, "urls": urls,
        });
        image().replace("}]}", &format!("}},{layer}]}}"))
    };
    let pushed = put(&server, "v1", MANIFEST, &layer(&["https://example.com/layer"]));
    assert_eq!(pushed.status(), "201 Created", "{pushed}");
    assert_snapshot!(put(&server, "v2", MANIFEST, &layer(&[])), @r#"
    400 Bad Request
    content-length: 177
    content-type: application/json

    {"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":{"digest":"sha256:7b1b763ee8f62eb88e4742a760f912d0b19bcd58b2b948999784bacc15a7f4d7"}}]}
    "#);
}

#[test]
fn a_sha512_names_a_manifest_too() {
    let server = server_with_blobs();
    let digest = sha512(image().as_bytes());
    assert_snapshot!(put(&server, &format!("{digest}?tag=v1"), MANIFEST, &image()), @"
    201 Created
    content-length: 0
    docker-content-digest: sha512:460d9dbe9a3b837c1ff3b1510c099f27f03bc16672862f379ede32b660f223da8e3a27a0ade26c8f090c254dd05547b41ecf2f303564d89624ec6417f70821f3
    location: /v2/a/b/manifests/sha512:460d9dbe9a3b837c1ff3b1510c099f27f03bc16672862f379ede32b660f223da8e3a27a0ade26c8f090c254dd05547b41ecf2f303564d89624ec6417f70821f3
    oci-tag: v1
    ");
    // By the tag it has the digest that it was pushed by, so that a client can verify it.
    assert_snapshot!(server.head("/v2/a/b/manifests/v1").send(), @r#"
    200 OK
    content-length: 392
    content-type: application/vnd.oci.image.manifest.v1+json
    docker-content-digest: sha512:460d9dbe9a3b837c1ff3b1510c099f27f03bc16672862f379ede32b660f223da8e3a27a0ade26c8f090c254dd05547b41ecf2f303564d89624ec6417f70821f3
    etag: "sha512:460d9dbe9a3b837c1ff3b1510c099f27f03bc16672862f379ede32b660f223da8e3a27a0ade26c8f090c254dd05547b41ecf2f303564d89624ec6417f70821f3"
    "#);
    for digest in [digest, sha256(image().as_bytes())] {
        let get = server.get(&format!("/v2/a/b/manifests/{digest}")).send();
        assert_eq!(get.header("docker-content-digest"), digest, "{get}");
        assert_eq!(get.text(), image());
    }
}

#[test]
fn an_index_may_name_manifests_by_their_sha512() {
    let server = server_with_blobs();
    let child = json!({"mediaType": MANIFEST, "digest": sha512(image().as_bytes()), "size": image().len()});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).to_string();
    put(&server, "v1", MANIFEST, &image());
    // Nobody has told that digest yet.
    assert_eq!(put(&server, "v2", INDEX, &index).status(), "400 Bad Request");
    put(&server, &sha512(image().as_bytes()), MANIFEST, &image());
    assert_eq!(put(&server, "v2", INDEX, &index).status(), "201 Created");
}

#[test]
fn an_index_may_be_sparse_where_that_is_configured() {
    let strict = Server::start();
    assert_eq!(put(&strict, "v1", INDEX, &sparse_index()).status(), "400 Bad Request");
    let none = Server::with_secret("s").env("REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMS", "none");
    let server = none.start();
    assert_eq!(put(&server, "v1", INDEX, &sparse_index()).status(), "201 Created");
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), sparse_index());
    // An image still has to be whole.
    let pushed = put(&server, "v2", MANIFEST, &image());
    assert!(pushed.text().contains("MANIFEST_BLOB_UNKNOWN"), "{pushed}");
}

#[test]
fn nothing_has_to_be_here_where_validation_is_disabled() {
    let server = Server::with_secret("s").env("REGISTRY_VALIDATION_DISABLED", "true").start();
    assert_eq!(put(&server, "v1", MANIFEST, &image()).status(), "201 Created");
    assert_eq!(put(&server, "v2", INDEX, &sparse_index()).status(), "201 Created");
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), image());
    // A manifest has to be one all the same.
    let pushed = put(&server, "v3", MANIFEST, "{}");
    assert!(pushed.text().contains("MANIFEST_INVALID"), "{pushed}");
}
