//! The files on disk: distribution's layout, byte for byte, and how a damaged one is treated.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use crate::content::{hex, push_blob, sha256, sha512};
use crate::server::Server;

/// Every file below a directory, by its path, with what it contains.
pub(crate) fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    walk(root, &mut |path, is_empty| {
        if is_empty {
            return;
        }
        let content = match fs::read(path) {
            // A server may have renamed or removed it meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            content => content.unwrap(),
        };
        found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), content);
    });
    found
}

/// Goes through all files below a directory, if it is there, and all directories that are empty.
pub(crate) fn walk(directory: &Path, found: &mut dyn FnMut(&Path, bool)) {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    if entries.is_empty() {
        found(directory, true);
    }
    for path in entries {
        if path.is_dir() { walk(&path, found) } else { found(&path, false) }
    }
}

/// A line for each file: the path, and the content if it is text, else its size.
fn listing(server: &Server) -> String {
    let mut listing = String::new();
    // But how far the purging of uploads is, which is written once an answer was sent.
    for (path, content) in files(server.data()).into_iter().filter(|(path, _)| path != "lighter/purge") {
        let path = path.strip_prefix("docker/registry/v2/").unwrap_or(&path);
        match str::from_utf8(&content) {
            Ok(text) if text.is_ascii() => writeln!(listing, "{path} = {text}").unwrap(),
            _ => writeln!(listing, "{path}: {} bytes", content.len()).unwrap(),
        }
    }
    listing
}

/// The same for the only upload of a repository, below its directory.
fn upload_of(server: &Server, repository: &str) -> BTreeMap<String, Vec<u8>> {
    let uploads = server.root().join("repositories").join(repository).join("_uploads");
    let only = fs::read_dir(uploads).unwrap().next().expect("an upload").unwrap().path();
    files(&only)
}

#[test]
fn an_upload_is_kept_where_distribution_looks_for_it() {
    over_files!();
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let started_at = upload_of(&server, "a/b")["startedat"].clone();
    assert!(is_date(&started_at), "{}", String::from_utf8_lossy(&started_at));

    server.patch(&started.location()).body("abc").send();
    let upload = upload_of(&server, "a/b");
    assert_eq!(upload["data"], b"abc");
    assert_eq!(upload["startedat"], started_at);
    assert_eq!(upload["hashstates/sha256/3"].len(), 108);
    let known =
        |path: &&str| matches!(*path, "data" | "startedat" | "hashstates/sha256/0" | "hashstates/sha256/3");
    let unknown: Vec<&str> = upload.keys().map(String::as_str).filter(|path| !known(path)).collect();
    assert_eq!(unknown, [""; 0]);
}

/// RFC 3339 in UTC, to the second.
fn is_date(text: &[u8]) -> bool {
    text.len() == 20
        && text.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => *byte == b'T',
            13 | 16 => *byte == b':',
            19 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

#[test]
fn the_kept_hash_is_gos() {
    over_files!();
    let start = "6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19";
    let after_a_block = "df5bb81ce81e0626fb45a8944fd40f31b25e6816d6d499c1ab90492900635e66";
    for (content, words, pending) in [
        ("abc".to_owned(), start, "abc"),
        ("a".repeat(64), after_a_block, ""),
        ("a".repeat(70), after_a_block, "aaaaaa"),
    ] {
        let server = Server::start();
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        server.patch(&started.location()).body(content.as_str()).send();
        let length = content.len();
        let state = &upload_of(&server, "a/b")[&format!("hashstates/sha256/{length}")];
        let pending = hex(pending.as_bytes());
        assert_eq!(hex(state), format!("73686103{words}{pending:0<128}{length:016x}"));
    }
}

#[test]
fn what_was_hashed_is_not_read_again() {
    over_files!();
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).body("hel").send();
    // Who reads these bytes again does not find the digest of "hello".
    let data = server.root().join("repositories/a/b/_uploads");
    let data = data.join(started.header("docker-upload-uuid")).join("data");
    fs::write(data, "HEL").unwrap();
    let put = server.put(&patched.completed_by(&sha256(b"hello"))).body("lo").send();
    assert_eq!(put.status(), "201 Created", "{put}");
}

#[test]
fn a_blob_lies_under_its_digest_and_is_linked_by_its_repository() {
    over_files!();
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).body("hel").send();
    let put = server.put(&patched.completed_by(&sha256(b"hello"))).body("lo").send();
    assert_eq!(put.status(), "201 Created");
    assert_snapshot!(listing(&server), @"
    blobs/sha256/2c/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/data = hello
    repositories/a/b/_layers/sha256/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/link = sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    ");
    assert_eq!(left_of_uploads(&server), 0);
}

#[test]
fn a_blob_is_stored_once() {
    over_files!();
    let server = Server::start();
    push_blob(&server, "a", b"hello");
    push_blob(&server, "b", b"hello");
    assert_snapshot!(listing(&server), @"
    blobs/sha256/2c/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/data = hello
    repositories/a/_layers/sha256/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/link = sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    repositories/b/_layers/sha256/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/link = sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    ");
}

#[test]
fn a_blob_pushed_by_its_sha512_lies_under_its_sha256() {
    over_files!();
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let put = server.put(&started.completed_by(&sha512(b"hello"))).body("hello").send();
    assert_eq!(put.status(), "201 Created");
    assert_snapshot!(listing(&server), @"
    blobs/sha256/2c/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/data = hello
    repositories/a/b/_layers/sha256/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/link = sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    repositories/a/b/_layers/sha512/9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043/link = sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    lighter/digests/sha512/9b/9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043/link = sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824
    ");
}

#[test]
fn nothing_is_left_of_an_upload_that_came_to_nothing() {
    over_files!();
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).body("abc").send();
    assert_eq!(server.delete(&patched.location()).send().status(), "204 No Content");
    assert_eq!(left_of_uploads(&server), 0);

    let wrong = sha256(b"abd");
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    assert_eq!(server.put(&started.completed_by(&wrong)).body("abc").send().status(), "400 Bad Request");
    let post = server.post(&format!("/v2/a/b/blobs/uploads/?digest={wrong}"));
    assert_eq!(post.body("abc").send().status(), "400 Bad Request");
    assert_eq!(left_of_uploads(&server), 0);
    assert_eq!(listing(&server), "");
}

/// The number of files and directories in `_uploads` of `a/b`, at any depth.
fn left_of_uploads(server: &Server) -> usize {
    let uploads = server.root().join("repositories/a/b/_uploads");
    fs::read_dir(uploads).map_or(0, Iterator::count)
}

#[test]
fn a_tag_points_to_a_revision_and_remembers_the_earlier_ones() {
    over_files!();
    let server = Server::start();
    for annotation in ["1", "2"] {
        let index = format!(r#"{{"schemaVersion":2,"manifests":[],"annotations":{{"n":"{annotation}"}}}}"#);
        let put = server.put("/v2/a/b/manifests/v1").body(index);
        let put = put.header("Content-Type", "application/vnd.oci.image.index.v1+json").send();
        assert_eq!(put.status(), "201 Created", "{put}");
    }
    assert_snapshot!(listing(&server), @r#"
    blobs/sha256/33/33afe3679ac276af8baa67dee5098c51a0d14aec6e4cf411d13acf70c734b74e/data = {"schemaVersion":2,"manifests":[],"annotations":{"n":"1"}}
    blobs/sha256/cf/cf5738577eeafe0a2e7dcd5858925f2aa65e11617127dba66a6508fedc3b5379/data = {"schemaVersion":2,"manifests":[],"annotations":{"n":"2"}}
    repositories/a/b/_layers/keep = 
    repositories/a/b/_manifests/revisions/sha256/33afe3679ac276af8baa67dee5098c51a0d14aec6e4cf411d13acf70c734b74e/link = sha256:33afe3679ac276af8baa67dee5098c51a0d14aec6e4cf411d13acf70c734b74e
    repositories/a/b/_manifests/revisions/sha256/cf5738577eeafe0a2e7dcd5858925f2aa65e11617127dba66a6508fedc3b5379/link = sha256:cf5738577eeafe0a2e7dcd5858925f2aa65e11617127dba66a6508fedc3b5379
    repositories/a/b/_manifests/tags/v1/current/link = sha256:cf5738577eeafe0a2e7dcd5858925f2aa65e11617127dba66a6508fedc3b5379
    repositories/a/b/_manifests/tags/v1/index/sha256/33afe3679ac276af8baa67dee5098c51a0d14aec6e4cf411d13acf70c734b74e/link = sha256:33afe3679ac276af8baa67dee5098c51a0d14aec6e4cf411d13acf70c734b74e
    repositories/a/b/_manifests/tags/v1/index/sha256/cf5738577eeafe0a2e7dcd5858925f2aa65e11617127dba66a6508fedc3b5379/link = sha256:cf5738577eeafe0a2e7dcd5858925f2aa65e11617127dba66a6508fedc3b5379
    "#);
}
