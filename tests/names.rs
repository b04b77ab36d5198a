//! Repository names: the grammar, the length, and names that look like paths of other things.

use std::fs;

use insta::assert_snapshot;

use crate::content::{push_blob, sha256};
use crate::disk::files;
use crate::server::Server;

#[test]
fn a_malformed_name_is_refused() {
    let server = Server::start();
    assert_snapshot!(server.post("/v2/Upper/blobs/uploads/").send(), @r#"
    400 Bad Request
    content-length: 203
    content-type: application/json

    {"errors":[{"code":"NAME_INVALID","message":"invalid repository name","detail":"a repository name is made of components joined by '/', each of a-z and 0-9, with '.', '_', '__' or dashes between them"}]}
    "#);
    for name in [
        "-a",
        "a-",
        "_a",
        "a..b",
        "a/_layers",
        "a/_uploads",
        ".a",
        "a/.b",
        "a.",
        "a___b",
        "a//b",
        "/a",
        "a/",
        "%C3%A4",
        "a%20b",
        "a%00",
        "a:b",
        "a@b",
        "a+b",
        "a*b",
        "localhost:5000/a",
        "",
    ] {
        let target = format!("/v2/{name}/blobs/uploads/");
        let answer = server.post(&target).send();
        assert_eq!(answer.status(), "400 Bad Request", "{target}: {answer}");
        assert!(answer.to_string().contains("NAME_INVALID"), "{target}: {answer}");
    }
}

#[test]
fn every_resource_checks_the_name() {
    let server = Server::start();
    let digest = sha256(b"");
    for answer in [
        server.get("/v2/A/tags/list").send(),
        server.get(&format!("/v2/A/blobs/{digest}")).send(),
        server.get(&format!("/v2/A/manifests/{digest}")).send(),
        server.put("/v2/A/manifests/v1").body("{}").send(),
        server.get("/v2/A/blobs/uploads/5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11").send(),
        server.patch("/v2/A/blobs/uploads/5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11").body("a").send(),
        server.put("/v2/A/blobs/uploads/5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11").body("a").send(),
        server.delete("/v2/A/blobs/uploads/5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11").send(),
    ] {
        assert_eq!(answer.status(), "400 Bad Request", "{answer}");
        assert!(answer.to_string().contains("NAME_INVALID"), "{answer}");
    }
    let head = server.head("/v2/A/manifests/v1").send();
    assert_eq!(head.status(), "400 Bad Request", "{head}");
}

#[test]
fn names_are_of_one_or_more_components() {
    let server = Server::start();
    for name in ["a", "0", "a.b_c__d-e--f/0", "a/b/c/d/e/f/g/h/i/j"] {
        let digest = push_blob(&server, name, name.as_bytes());
        let blob = server.get(&format!("/v2/{name}/blobs/{digest}")).send();
        assert_eq!(blob.body, name.as_bytes(), "{name}: {blob}");
    }
}

#[test]
fn names_may_look_like_resources() {
    let server = Server::start();
    for name in [
        "blobs",
        "uploads",
        "manifests",
        "tags",
        "tags/list",
        "a/blobs/uploads",
        "v2",
        "a/manifests/v1",
        "v2/a",
    ] {
        let digest = push_blob(&server, name, name.as_bytes());
        let blob = server.get(&format!("/v2/{name}/blobs/{digest}")).send();
        assert_eq!(blob.body, name.as_bytes(), "{name}: {blob}");

        let index =
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
        let put = server.put(&format!("/v2/{name}/manifests/v1")).body(index);
        let put = put.header("Content-Type", "application/vnd.oci.image.index.v1+json").send();
        assert_eq!(put.status(), "201 Created", "{name}: {put}");
        let tags = server.get(&format!("/v2/{name}/tags/list")).send();
        assert_eq!(tags.body, format!("{{\"name\":\"{name}\",\"tags\":[\"v1\"]}}\n").as_bytes(), "{tags}");
    }
}

#[test]
fn a_name_has_at_most_255_bytes() {
    let server = Server::start();
    let longest = format!("{0}/{0}", "a".repeat(127));
    assert_eq!(longest.len(), 255);
    assert_eq!(server.post(&format!("/v2/{longest}/blobs/uploads/")).send().status(), "202 Accepted");
    assert_snapshot!(server.post(&format!("/v2/{longest}a/blobs/uploads/")).send(), @r#"
    400 Bad Request
    content-length: 129
    content-type: application/json

    {"errors":[{"code":"NAME_INVALID","message":"invalid repository name","detail":"a repository name has at most 255 characters"}]}
    "#);
}

#[test]
fn no_path_leads_out_of_the_storage() {
    over_files!();
    let server = Server::start();
    push_blob(&server, "a", b"abc");
    fs::write(server.data().join("secret"), "not for clients").unwrap();
    let before = files(server.data());

    let digest = sha256(b"abc");
    let up = "..%2f..%2f..%2f..%2f..%2fsecret";
    for target in [
        "/v2/../blobs/uploads/",
        "/v2/a/../b/blobs/uploads/",
        "/v2/a/%2e%2e/b/blobs/uploads/",
        "/v2/a/%2E%2E/%2E%2E/blobs/uploads/",
        "/v2/a/..%2Fb/blobs/uploads/",
        "/v2/%2e%2e%2f%2e%2e/blobs/uploads/",
        "/v2/a/./b/blobs/uploads/",
        "/v2/a%00/blobs/uploads/",
        "/v2/a\\..\\b/blobs/uploads/",
        &format!("/v2/a/blobs/uploads/{up}"),
        "/v2/a/blobs/uploads/..",
        "/v2/a/blobs/uploads/%2e%2e",
        &format!("/v2/a/manifests/{up}"),
        "/v2/a/manifests/..",
        "/v2/a/manifests/%2e%2e",
        &format!("/v2/a/blobs/{up}"),
        "/v2/a/blobs/sha256:..",
        &format!("/v2/a/blobs/..%2f{digest}"),
        "/v2/../../../etc/passwd",
        "/../secret",
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = server.request(method, target).send();
            let status = &answer.status()[..3];
            assert!(["400", "404", "405"].contains(&status), "{method} {target}: {answer}");
        }
    }
    assert_eq!(files(server.data()), before);
}
