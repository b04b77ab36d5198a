//! The registry and its host: reused connections and instances, and the place of the storage.

use std::io::{BufReader, Write};
use std::net::TcpStream;

use insta::assert_snapshot;

use crate::client::Response;
use crate::content::{push_blob, sha256};
use crate::server::Server;

#[test]
fn answers_follow_each_other_on_one_connection() {
    let server = Server::start();
    let digest = push_blob(&server, "a/b", b"hello");
    let target = format!("/v2/a/b/blobs/{digest}");
    let tag = format!("If-None-Match: \"{digest}\"\r\n");
    let started = server.post("/v2/a/b/blobs/uploads/").send();

    let stream = TcpStream::connect(server.address()).unwrap();
    let mut reader = BufReader::new(&stream);
    // Those that have a length and no body, or neither, are followed by the next all the same.
    for (method, target, header, status) in [
        ("HEAD", target.as_str(), "", "200 OK"),
        ("GET", &target, "", "200 OK"),
        ("GET", &target, &tag, "304 Not Modified"),
        ("GET", &target, "Range: bytes=1-2\r\n", "206 Partial Content"),
        ("HEAD", "/v2/a/b/manifests/v1", "", "404 Not Found"),
        ("GET", &started.location(), "", "204 No Content"),
        ("HEAD", &started.location(), "", "204 No Content"),
        ("POST", "/v2/a/b/blobs/uploads/", "Content-Length: 0\r\n", "202 Accepted"),
        ("DELETE", &started.location(), "", "204 No Content"),
        ("GET", "/v2/", "", "200 OK"),
    ] {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: registry\r\n{header}\r\n");
        (&stream).write_all(request.as_bytes()).unwrap();
        let answer = Response::read(&mut reader, method != "HEAD", &mut Vec::new()).unwrap();
        assert_eq!(answer.status(), status, "{method} {target}: {answer}");
    }
}

#[test]
fn a_client_that_waits_to_be_told_to_go_on_is_told() {
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let stream = TcpStream::connect(server.address()).unwrap();
    let mut reader = BufReader::new(&stream);
    let target = started.completed_by(&sha256(b"hello"));
    // curl asks so before it sends a large body.
    let head = format!(
        "PUT {target} HTTP/1.1\r\nHost: registry\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    );
    (&stream).write_all(head.as_bytes()).unwrap();
    let go_on = Response::read(&mut reader, false, &mut Vec::new()).unwrap();
    assert_eq!(go_on.status(), "100 Continue");
    (&stream).write_all(b"hello").unwrap();
    let put = Response::read(&mut reader, true, &mut Vec::new()).unwrap();
    assert_eq!(put.status(), "201 Created", "{put}");
}

#[test]
fn an_instance_knows_nothing_of_the_requests_before() {
    // Far more than an instance answers, so that some are the first of one and some the last.
    let server = Server::start();
    let digest = sha256(b"");
    for round in 0..300 {
        let name = format!("r{}", round % 7);
        let answer = server.get(&format!("/v2/{name}/blobs/{digest}")).send();
        let expected = if round < 7 { "404 Not Found" } else { "200 OK" };
        assert_eq!(answer.status(), expected, "{round}: {answer}");
        if round < 7 {
            push_blob(&server, &name, b"");
        }
    }
}

#[test]
fn the_storage_may_be_another_directory() {
    over_files!();
    let options = Server::with_secret("a secret");
    let directory = "/var/lib/registry/some/where";
    let server = options.env("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", directory).start();
    push_blob(&server, "a/b", b"hello");
    assert!(server.data().join("some/where/docker/registry/v2/repositories/a/b").is_dir());
    assert!(!server.root().exists());
}

#[test]
fn without_storage_the_registry_says_so() {
    over_files!();
    let options = Server::with_secret("a secret");
    let server = options.env("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/not/given").start();
    assert_snapshot!(server.post("/v2/a/b/blobs/uploads/").send(), @r#"
    503 Service Unavailable
    content-length: 117
    content-type: application/json

    {"errors":[{"code":"UNAVAILABLE","message":"service unavailable","detail":"the registry's storage refuses access"}]}
    "#);
    // The directory is the operator's business.
    server.logged("/not/given");
    assert_eq!(server.get("/v2/").send().status(), "200 OK");
}
