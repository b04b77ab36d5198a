//! The properties that all answers share. The API version is missing here, because the client of the tests checks it
//! every time.

use std::io::{BufReader, Cursor, Write};
use std::net::TcpStream;

use insta::assert_snapshot;

use crate::access;
use crate::client::Response;
use crate::content::{push_blob, sha256, sha512};
use crate::images::MANIFEST;
use crate::manifests::{image, put, server_with_blobs};
use crate::server::Server;

/// A server with a resource of every kind, and paths of existing and missing ones.
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
    over_files!();
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

/// The answer to a client that reads nothing before it has sent everything.
fn answer_after(server: &Server, method: &str, target: &str, headers: &str, body: &[u8]) -> Response {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: registry\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    sent.unwrap_or_else(|error| panic!("{method} {target}: {error}"));
    let answer = Response::read(&mut BufReader::new(stream), true, &mut Vec::new());
    answer.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
}

#[test]
fn whoever_sends_everything_first_is_answered_too() {
    let server = Server::start();
    let (largest, chunk) = (vec![b'x'; 4 << 20], vec![b'x'; 5 << 20]);
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let digest = sha256(b"another");
    let asks = access::options().start();
    for _ in 0..5 {
        for (server, method, target, headers, body, status) in [
            // The whole manifest comes before the client learns that it has to log in.
            (&asks, "PUT", "/v2/team/app/manifests/v1", "", &largest, "401 Unauthorized"),
            (&server, "PUT", "/v2/A/manifests/v1", "", &largest, "400 Bad Request"),
            (&server, "PUT", &*format!("/v2/a/b/manifests/{digest}"), "", &largest, "400 Bad Request"),
            (&server, "PUT", "/v2/a/b/manifests/v1", "", &chunk, "413 Payload Too Large"),
            (
                &server,
                "PATCH",
                &started.location(),
                "Content-Range: 1-5242880\r\n",
                &chunk,
                "416 Range Not Satisfiable",
            ),
            (&server, "PUT", &started.location(), "", &chunk, "400 Bad Request"),
        ] {
            let answer = answer_after(server, method, target, headers, body);
            assert_eq!(answer.status(), status, "{method} {target}: {answer}");
        }
    }
}
