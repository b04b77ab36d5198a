//! `/v2/<name>/blobs/<digest>`: whole blobs, ranges of them, and conditional requests.

use std::io::{Read, Write};
use std::net::TcpStream;

use insta::assert_snapshot;

use crate::content::{noise, push_blob, sha256};
use crate::server::Server;

const HELLO: &str = "/v2/a/b/blobs/sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn server_with_hello() -> Server {
    let server = Server::start();
    push_blob(&server, "a/b", b"hello");
    server
}

#[test]
fn a_blob_is_served() {
    let server = server_with_hello();
    assert_snapshot!(server.get(HELLO).send(), @r#"
    200 OK
    accept-ranges: bytes
    cache-control: max-age=31536000
    content-length: 5
    content-type: application/octet-stream
    docker-content-digest: sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    etag: "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

    hello
    "#);
    assert_snapshot!(server.head(HELLO).send(), @r#"
    200 OK
    accept-ranges: bytes
    cache-control: max-age=31536000
    content-length: 5
    content-type: application/octet-stream
    docker-content-digest: sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    etag: "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    "#);
}

#[test]
fn what_is_not_there_is_unknown() {
    let server = Server::start();
    assert_snapshot!(server.get(HELLO).send(), @r#"
    404 Not Found
    content-length: 74
    content-type: application/json

    {"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}
    "#);
    assert_snapshot!(server.head(HELLO).send(), @"
    404 Not Found
    content-length: 74
    content-type: application/json
    ");
}

#[test]
fn a_blob_is_visible_only_where_it_was_pushed() {
    let server = server_with_hello();
    let elsewhere = HELLO.replace("/a/b/", "/c/");
    assert_eq!(server.get(&elsewhere).send().status(), "404 Not Found");
    push_blob(&server, "c", b"hello");
    assert_eq!(server.get(&elsewhere).send().status(), "200 OK");
}

#[test]
fn a_malformed_digest_is_refused() {
    let server = Server::start();
    assert_snapshot!(server.get("/v2/a/b/blobs/sha256:xyz").send(), @r#"
    400 Bad Request
    content-length: 132
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","message":"malformed digest","detail":"a sha256 digest has 64 lower-case hexadecimal digits"}]}
    "#);
    for digest in ["x", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:..", &HELLO[21..]] {
        let get = server.get(&format!("/v2/a/b/blobs/{digest}")).send();
        assert_eq!(get.status(), "400 Bad Request", "{digest}: {get}");
    }
}

#[test]
fn an_empty_blob_is_a_blob() {
    let server = Server::start();
    let empty = push_blob(&server, "a/b", b"");
    assert_snapshot!(server.get(&format!("/v2/a/b/blobs/{empty}")).send(), @r#"
    200 OK
    accept-ranges: bytes
    cache-control: max-age=31536000
    content-length: 0
    content-type: application/octet-stream
    docker-content-digest: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    etag: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    "#);
    let get = server.get(&format!("/v2/a/b/blobs/{empty}")).header("Range", "bytes=0-");
    assert_snapshot!(get.send(), @r#"
    416 Range Not Satisfiable
    content-length: 104
    content-range: bytes */0
    content-type: application/json

    {"errors":[{"code":"RANGE_INVALID","message":"invalid content range","detail":"the blob has 0 bytes"}]}
    "#);
}

#[test]
fn a_part_is_served() {
    let server = server_with_hello();
    assert_snapshot!(server.get(HELLO).header("Range", "bytes=1-3").send(), @r#"
    206 Partial Content
    accept-ranges: bytes
    cache-control: max-age=31536000
    content-length: 3
    content-range: bytes 1-3/5
    content-type: application/octet-stream
    docker-content-digest: sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    etag: "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

    ell
    "#);
    assert_snapshot!(server.get(HELLO).header("Range", "bytes=2-").send(), @r#"
    206 Partial Content
    accept-ranges: bytes
    cache-control: max-age=31536000
    content-length: 3
    content-range: bytes 2-4/5
    content-type: application/octet-stream
    docker-content-digest: sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    etag: "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

    llo
    "#);
    assert_snapshot!(server.get(HELLO).header("Range", "bytes=-2").send(), @r#"
    206 Partial Content
    accept-ranges: bytes
    cache-control: max-age=31536000
    content-length: 2
    content-range: bytes 3-4/5
    content-type: application/octet-stream
    docker-content-digest: sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    etag: "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

    lo
    "#);
}

#[test]
fn a_head_is_of_the_whole() {
    let server = server_with_hello();
    let whole = server.head(HELLO).send().to_string();
    for range in ["bytes=1-3", "bytes=5-", "bytes=0-"] {
        assert_eq!(server.head(HELLO).header("Range", range).send().to_string(), whole, "{range}");
    }
}

#[test]
fn a_part_is_of_the_blob_that_the_client_has() {
    let server = server_with_hello();
    let (_, digest) = HELLO.rsplit_once('/').unwrap();
    let part = |tag: &str| server.get(HELLO).header("Range", "bytes=1-2").header("If-Range", tag).send();
    assert_eq!(part(&format!("\"{digest}\"")).text(), "el");
    for other in ["\"sha256:00\"", &format!("W/\"{digest}\""), "Wed, 21 Oct 2026 07:28:00 GMT"] {
        let whole = part(other);
        assert_eq!((whole.status(), whole.text().as_str()), ("200 OK", "hello"), "{other}");
    }
}

#[test]
fn a_part_ends_with_the_blob() {
    let server = server_with_hello();
    for (range, part) in [("bytes=4-5", "o"), ("bytes=0-99", "hello"), ("bytes=-99", "hello")] {
        let get = server.get(HELLO).header("Range", range).send();
        assert_eq!(get.status(), "206 Partial Content", "{range}: {get}");
        assert_eq!(get.body, part.as_bytes(), "{range}");
    }
}

#[test]
fn a_part_that_is_not_there_is_refused() {
    let server = server_with_hello();
    assert_snapshot!(server.get(HELLO).header("Range", "bytes=5-").send(), @r#"
    416 Range Not Satisfiable
    content-length: 104
    content-range: bytes */5
    content-type: application/json

    {"errors":[{"code":"RANGE_INVALID","message":"invalid content range","detail":"the blob has 5 bytes"}]}
    "#);
    for range in ["bytes=5-9", "bytes=99-", "bytes=-0", "bytes=3-1"] {
        let get = server.get(HELLO).header("Range", range).send();
        assert_eq!(get.status(), "416 Range Not Satisfiable", "{range}: {get}");
        assert_eq!(get.header("content-range"), "bytes */5", "{range}");
    }
}

#[test]
fn a_range_that_is_no_single_range_is_passed_over() {
    let server = server_with_hello();
    for range in ["bytes=0-1,3-4", "bytes=x-y", "bytes=-", "bytes=", "items=0-1", "0-1", ""] {
        let get = server.get(HELLO).header("Range", range).send();
        assert_eq!(get.status(), "200 OK", "{range}: {get}");
        assert_eq!(get.body, b"hello", "{range}");
    }
}

#[test]
fn the_parts_of_a_large_blob_make_the_whole() {
    let content = noise(3, 3_000_000).into_bytes();
    let server = Server::start();
    let target = format!("/v2/a/b/blobs/{}", push_blob(&server, "a/b", &content));
    let mut whole = Vec::new();
    for first in (0..content.len()).step_by(700_001) {
        let get = server.get(&target).header("Range", &format!("bytes={first}-{}", first + 700_000)).send();
        let last = (first + 700_000).min(content.len() - 1);
        assert_eq!(get.header("content-range"), format!("bytes {first}-{last}/3000000"));
        whole.extend(get.body);
    }
    assert!(whole == content, "the parts are not those of the blob");
    assert!(server.get(&target).send().body == content, "the whole is not the blob");
}

#[test]
fn a_blob_that_the_client_has_is_not_sent() {
    let server = server_with_hello();
    let digest = sha256(b"hello");
    assert_snapshot!(server.get(HELLO).header("If-None-Match", &format!("\"{digest}\"")).send(), @r#"
    304 Not Modified
    cache-control: max-age=31536000
    docker-content-digest: sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    etag: "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    "#);
    for tag in [&digest, &format!("W/\"{digest}\""), &format!("\"x\", \"{digest}\""), "*"] {
        let get = server.get(HELLO).header("If-None-Match", tag).send();
        assert_eq!(get.status(), "304 Not Modified", "{tag}: {get}");
    }
    let head = server.head(HELLO).header("If-None-Match", &format!("\"{digest}\"")).send();
    assert_eq!(head.status(), "304 Not Modified", "{head}");
    let get = server.get(HELLO).header("If-None-Match", "\"sha256:0\"").send();
    assert_eq!(get.status(), "200 OK", "{get}");
}

#[test]
fn a_path_may_be_encoded() {
    let server = server_with_hello();
    let encoded = HELLO.replace(':', "%3A").replace("/b/", "%2Fb/").replace("blobs", "%62lobs");
    assert_eq!(server.get(&encoded).send().text(), "hello");
}

#[test]
fn a_client_may_leave_in_the_middle() {
    let server = Server::start();
    let content = noise(11, 20_000_000).into_bytes();
    let target = format!("/v2/a/b/blobs/{}", push_blob(&server, "a/b", &content));
    for _ in 0..10 {
        let stream = TcpStream::connect(server.address()).unwrap();
        (&stream).write_all(format!("GET {target} HTTP/1.1\r\nHost: registry\r\n\r\n").as_bytes()).unwrap();
        (&stream).read_exact(&mut [0; 100_000]).unwrap();
    }
    assert!(server.get(&target).send().body == content, "the whole is not the blob");
}

#[test]
fn a_blob_is_never_encoded_anew() {
    let server = server_with_hello();
    let get = server.get(HELLO).header("Accept-Encoding", "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5").send();
    assert_eq!(get.find("content-encoding"), None);
    assert_eq!(get.body, b"hello");
}
