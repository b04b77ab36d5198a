//! What is the same of every answer. The API version is not here: the client of the tests demands it
//! each time.

use std::io::Cursor;

use insta::assert_snapshot;

use crate::client::Response;
use crate::content::{push_blob, sha256, sha512};
use crate::images::MANIFEST;
use crate::manifests::{image, put, server_with_blobs};
use crate::server::Server;

/// A server with something of every kind, and where to find it or not to.
fn server_with_everything() -> (Server, Vec<String>) {
    let server = server_with_blobs();
    push_blob(&server, "a/b", b"");
    put(&server, "v1", MANIFEST, &image());
    put(&server, "v2", MANIFEST, &image());
    let digest = sha256(image().as_bytes());
    let upload = server.post("/v2/a/b/blobs/uploads/").send();
    let upload = server.patch(&upload.location()).body("abc").send().location();
    let targets = [
        "/".to_owned(),
        "/v2".into(),
        "/v2/".into(),
        "/v2/_catalog".into(),
        "/v2/_catalog?n=0".into(),
        "/v2/_catalog?n=x".into(),
        "/v2/a/b/tags/list".into(),
        "/v2/a/b/tags/list?n=1".into(),
        "/v2/c/tags/list".into(),
        "/v2/a/b/manifests/v1".into(),
        format!("/v2/a/b/manifests/{digest}"),
        "/v2/a/b/manifests/v3".into(),
        "/v2/a/b/manifests/-".into(),
        format!("/v2/a/b/blobs/{}", sha256(b"hello")),
        format!("/v2/a/b/blobs/{}", sha256(b"")),
        format!("/v2/a/b/blobs/{}", sha512(b"")),
        "/v2/a/b/blobs/sha256:0".into(),
        format!("/v2/a/b/referrers/{digest}"),
        "/v2/a/b/referrers/v1".into(),
        upload,
        "/v2/a/b/blobs/uploads/5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11".into(),
        "/v2/A/tags/list".into(),
        "/v2/not/an/endpoint".into(),
    ];
    (server, targets.into())
}

#[test]
fn a_head_is_a_get_without_its_body() {
    let (server, targets) = server_with_everything();
    for target in targets {
        let (get, head) = (server.get(&target).send(), server.head(&target).send());
        let of_get = without_body(&get);
        assert_eq!(head.to_string(), of_get, "{target}");
        assert!(head.body.is_empty(), "{target}");
        if !get.status().starts_with("204") {
            assert_eq!(head.header("content-length"), get.body.len().to_string(), "{target}");
        }
    }
}

/// The status and the headers alone.
fn without_body(answer: &Response) -> String {
    let text = answer.to_string();
    if answer.body.is_empty() {
        return text;
    }
    let (head, _) = text.split_once("\n\n").expect("a body");
    format!("{head}\n")
}

#[test]
fn no_answer_is_encoded_whatever_is_accepted() {
    let (server, targets) = server_with_everything();
    for target in targets {
        let plain = server.get(&target).send();
        for encodings in ["zstd;q=1.0, gzip;q=0.8, deflate;q=0.5", "gzip", "br", "*", "identity;q=0"] {
            for method in ["GET", "HEAD"] {
                let answer = server.request(method, &target).header("Accept-Encoding", encodings).send();
                assert_eq!(answer.find("content-encoding"), None, "{method} {target}: {answer}");
                assert_eq!(answer.status(), plain.status(), "{method} {target}: {answer}");
                if method == "GET" {
                    assert_eq!(answer.to_string(), plain.to_string(), "{target}");
                }
            }
        }
    }
}

#[test]
fn parameters_that_mean_nothing_are_passed_over() {
    let (server, targets) = server_with_everything();
    for target in targets {
        let and = if target.contains('?') { '&' } else { '?' };
        let answer = server.get(&format!("{target}{and}ns=docker.io&account=x&digest=&x=%ff")).send();
        assert_eq!(answer.to_string(), server.get(&target).send().to_string(), "{target}");
    }
}

#[test]
fn a_fault_of_the_storage_stays_in_the_log() {
    let server = server_with_blobs();
    let digest = sha256(b"hello");
    // Where a file is to be put there is a directory.
    let link = server.root().join("repositories/a/b/_layers").join(digest.replace(':', "/")).join("link");
    std::fs::remove_file(&link).unwrap();
    std::fs::create_dir(&link).unwrap();
    let push = server.post(&format!("/v2/a/b/blobs/uploads/?digest={digest}")).body("hello");
    assert_snapshot!(push.send(), @r#"
    500 Internal Server Error
    content-length: 58
    content-type: application/json

    {"errors":[{"code":"UNKNOWN","message":"unknown error"}]}
    "#);
    let line = server.logged("code=UNKNOWN");
    assert!(line.contains("error=\"") && line.contains("/link"), "{line}");
}

#[test]
fn an_answer_that_comes_before_the_body_is_read_arrives() {
    let server = Server::start();
    let upload = server.post("/v2/a/b/blobs/uploads/").send().location();
    for _ in 0..50 {
        let body = Cursor::new(vec![b'x'; 900_000]);
        let refused = server.patch(&upload).header("Content-Type", "text/plain").chunked(body).send();
        assert_eq!(refused.status(), "400 Bad Request");
        assert!(refused.text().contains("application/octet-stream"), "{refused}");
    }
}
