//! `/`, `/v2/`, and paths without an endpoint.

use insta::assert_snapshot;

use crate::content::sha256;
use crate::server::Server;

#[test]
fn the_version_check_says_that_this_is_a_registry() {
    let server = Server::start();
    assert_snapshot!(server.get("/v2/").send(), @"
    200 OK
    content-length: 2
    content-type: application/json

    {}
    ");
    assert_snapshot!(server.get("/v2").send(), @"
    200 OK
    content-length: 2
    content-type: application/json

    {}
    ");
    assert_snapshot!(server.head("/v2/").send(), @"
    200 OK
    content-length: 2
    content-type: application/json
    ");
}

#[test]
fn a_load_balancer_finds_the_root_alive() {
    let server = Server::start();
    assert_snapshot!(server.get("/").send(), @"
    200 OK
    cache-control: no-cache
    content-length: 0
    ");
}

#[test]
fn unknown_query_parameters_are_ignored() {
    let server = Server::start();
    assert_eq!(server.get("/v2/?ns=docker.io&x=%ff&&=").send().status(), "200 OK");
}

#[test]
fn a_method_that_a_resource_has_not_is_refused_with_those_it_has() {
    let server = Server::start();
    assert_snapshot!(server.delete("/v2/").send(), @r#"
    405 Method Not Allowed
    allow: GET, HEAD
    content-length: 78
    content-type: application/json

    {"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}
    "#);
    let digest = sha256(b"");
    let blob = format!("/v2/a/b/blobs/{digest}");
    let upload = "/v2/a/b/blobs/uploads/5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11";
    for (target, methods) in [
        ("/", "GET, HEAD"),
        ("/v2/", "GET, HEAD"),
        ("/v2/a/b/blobs/uploads/", "POST"),
        (upload, "GET, HEAD, PATCH, PUT, DELETE"),
        (&blob, "GET, HEAD, DELETE"),
        ("/v2/a/b/manifests/v1", "GET, HEAD, PUT, DELETE"),
        ("/v2/a/b/tags/list", "GET, HEAD"),
        ("/v2/a/b/referrers/sha256:0", "GET, HEAD"),
        ("/v2/_catalog", "GET, HEAD"),
        ("/ui/", "GET, HEAD"),
        ("/ui/a/b", "GET, HEAD"),
        ("/ui/a/b:v1", "GET, HEAD"),
        ("/ui/a/b:v1/delete", "GET, HEAD, POST"),
    ] {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
            if !methods.contains(method) {
                let refused = server.request(method, target).send();
                assert_eq!(refused.status(), "405 Method Not Allowed", "{method} {target}: {refused}");
                assert_eq!(refused.header("allow"), methods, "{method} {target}");
                let says = if target.starts_with("/ui/") { "Not possible" } else { "UNSUPPORTED" };
                assert!(refused.to_string().contains(says), "{method} {target}: {refused}");
            }
        }
    }
}

#[test]
fn what_is_no_endpoint_is_not_found() {
    let server = Server::start();
    assert_snapshot!(server.get("/v2/a/b").send(), @r#"
    404 Not Found
    content-length: 124
    content-type: application/json

    {"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry","detail":"there is no such endpoint"}]}
    "#);
    for target in [
        "/v1/",
        "/index.html",
        "/v2x",
        "/v2/a",
        "/v2/tags/list",
        "/v2/a/tags/other",
        "/v2/a/blobs/b/c",
        "/v2/%ff",
    ] {
        for method in ["GET", "HEAD", "POST", "DELETE"] {
            let answer = server.request(method, target).send();
            assert_eq!(answer.status(), "404 Not Found", "{method} {target}: {answer}");
            assert_eq!(answer.header("content-type"), "application/json", "{method} {target}: {answer}");
        }
    }
}
