//! Storage that is full, that may not be written to, that is gone, or that has links in it: the client
//! gets an error that says so, the log says what to do, and acknowledged content stays.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use insta::{allow_duplicates, assert_snapshot};

use crate::content::{noise, push_blob, sha256};
use crate::disk::walk;
use crate::images::{MANIFEST, manifest};
use crate::mirror;
use crate::server::{Options, SECRET, Server};
use crate::skip::missing;

/// A small file system in memory, at a directory.
struct Mounted(PathBuf);

impl Mounted {
    /// Returns `None` if mounting is not allowed; the test is then skipped.
    fn at(directory: &Path, size: &str) -> Option<Self> {
        let done = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], directory);
        if !done {
            missing("no file system can be mounted here");
        }
        done.then(|| Self(directory.to_owned()))
    }

    fn remount(&self, options: &str) {
        assert!(mount(&["-o", &format!("remount,{options}")], &self.0), "remount {options}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str], directory: &Path) -> bool {
    let done = Command::new("mount").args(arguments).arg(directory).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

/// A server with an image on a file system of a few MiB.
fn small() -> Option<(Server, Mounted, Vec<u8>)> {
    let options = Server::with_secret(SECRET);
    let mounted = Mounted::at(options.data(), "6m")?;
    let server = options.start();
    let layer = noise(70, 1_000_000).into_bytes();
    push_image(&server, &layer);
    Some((server, mounted, layer))
}

fn push_image(server: &Server, layer: &[u8]) {
    push_blob(server, "a/b", b"{}");
    push_blob(server, "a/b", layer);
    let put = server.put("/v2/a/b/manifests/v1").header("Content-Type", MANIFEST).body(manifest(layer));
    assert_eq!(put.send().status(), "201 Created");
}

/// Checks that what was pushed is there, and listed.
fn pull_image(server: &Server, layer: &[u8]) {
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), manifest(layer));
    let blob = server.get(&format!("/v2/a/b/blobs/{}", sha256(layer))).send();
    assert!(blob.body == layer, "the layer is another: {}", blob.status());
    assert_eq!(server.get("/v2/a/b/tags/list").send().text(), "{\"name\":\"a/b\",\"tags\":[\"v1\"]}\n");
    assert_eq!(server.get("/v2/_catalog").send().text(), "{\"repositories\":[\"a/b\"]}\n");
    let referrers = server.get(&format!("/v2/a/b/referrers/{}", sha256(layer))).send();
    assert_eq!(referrers.status(), "200 OK", "{referrers}");
}

#[test]
fn when_storage_is_full_the_upload_goes_on_once_there_is_room() {
    over_files!();
    let Some((server, mounted, layer)) = small() else { return };
    let content = noise(71, 9_000_000).into_bytes();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).chunked(io::Cursor::new(content.clone())).send();
    assert_snapshot!(patched, @r#"
    503 Service Unavailable
    content-length: 110
    content-type: application/json

    {"errors":[{"code":"UNAVAILABLE","message":"service unavailable","detail":"the registry's storage is full"}]}
    "#);
    let log = server.logged("no space");
    assert!(log.contains("make room"), "{log}");
    pull_image(&server, &layer);

    // Not even a small one goes in, and the tag stays where it was.
    fill(&mounted.0.join("filler"));
    let image = manifest(&layer).replace("\"size\":2}", "\"size\":2 }");
    let put = server.put("/v2/a/b/manifests/v1").header("Content-Type", MANIFEST).body(image).send();
    assert_eq!(put.status(), "503 Service Unavailable", "{put}");
    pull_image(&server, &layer);

    mounted.remount("size=40m");
    let status = server.get(&started.location()).send();
    let stored: usize = status.header("range").strip_prefix("0-").unwrap().parse::<usize>().unwrap() + 1;
    assert!(stored > 1_000_000, "nothing of it was kept: {status}");
    let rest = server.patch(&status.location()).body(&content[stored..]).send();
    assert_eq!(rest.status(), "202 Accepted", "{rest}");
    let digest = sha256(&content);
    assert_eq!(server.put(&rest.completed_by(&digest)).send().status(), "201 Created");
    assert!(server.get(&format!("/v2/a/b/blobs/{digest}")).send().body == content, "the blob is another");
    pull_image(&server, &layer);
}

/// Writes a file until there is no room for more.
fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}

#[test]
fn when_storage_may_not_be_written_to_everything_is_served() {
    over_files!();
    let Some((server, mounted, layer)) = small() else { return };
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    mounted.remount("ro");
    let answers = [
        server.post("/v2/a/b/blobs/uploads/").send(),
        server.patch(&started.location()).body("abc").send(),
        server.put(&started.completed_by(&sha256(b"abc"))).body("abc").send(),
        server.delete(&started.location()).send(),
        server.put("/v2/a/b/manifests/v2").header("Content-Type", MANIFEST).body(manifest(&layer)).send(),
        server.delete("/v2/a/b/manifests/v1").send(),
    ];
    allow_duplicates! {
        for refused in answers {
            assert_snapshot!(refused, @r#"
            503 Service Unavailable
            content-length: 117
            content-type: application/json

            {"errors":[{"code":"UNAVAILABLE","message":"service unavailable","detail":"the registry's storage refuses access"}]}
            "#);
        }
    }
    let log = server.logged("read-only");
    assert!(log.contains("may write to it"), "{log}");
    pull_image(&server, &layer);

    mounted.remount("rw");
    let put = server.put(&started.completed_by(&sha256(b"abc"))).body("abc").send();
    assert_eq!(put.status(), "201 Created", "{put}");
}

/// Whether a layer is too large, nothing fits at all, or nothing may be written: clients get what the upstream has.
#[test]
fn when_the_storage_of_a_mirror_takes_nothing_more_clients_get_all() {
    over_files!();
    let upstream = Server::start();
    let layer = noise(72, 9_000_000).into_bytes();
    push_image(&upstream, &layer);
    let options = mirror::of(upstream.address(), r#", "ttl": "0""#);
    let Some(mounted) = Mounted::at(options.data(), "6m") else { return };
    let server = options.start();
    let digest = sha256(&layer);
    let pull = || {
        let blob = server.get(&format!("/v2/up/a/b/blobs/{digest}")).send();
        assert!(blob.status() == "200 OK" && blob.body == layer, "{}", blob.status());
        let tag = server.get("/v2/up/a/b/manifests/v1").send();
        assert_eq!((tag.text(), tag.header("content-type")), (manifest(&layer), MANIFEST));
        // Nothing is left of what was begun.
        assert_eq!(files(&server.root().join("blobs"), digest.strip_prefix("sha256:").unwrap()), 0);
        assert_eq!(files(&server.root().join("repositories"), "_uploads/"), 0);
    };
    let passed_on = |digest: &str, why: &str, advice: &str| {
        let line =
            server.logged(&format!("{digest} of up/a/b is passed on without being stored: storage: {why}"));
        assert!(line.contains(advice), "{line}");
    };
    pull();
    passed_on(&digest, "no space", "make room");

    fill(&mounted.0.join("filler"));
    push_blob(&upstream, "a/b", b"{}");
    let image = manifest(&layer).replace("\"size\":2}", "\"size\":2 }");
    let put =
        upstream.put("/v2/a/b/manifests/v2").header("Content-Type", MANIFEST).body(image.clone()).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    assert_eq!(server.get("/v2/up/a/b/manifests/v2").send().text(), image);
    passed_on(&sha256(image.as_bytes()), "no space", "make room");
    pull();

    mounted.remount("ro");
    assert_eq!(server.get("/v2/up/a/b/manifests/v2").send().text(), image);
    pull();
    passed_on(&digest, "access denied", "may write to the storage");

    mounted.remount("rw,size=40m");
    pull_through(&server, &layer);
    drop(upstream);
    pull_through(&server, &layer);
}

fn pull_through(mirror: &Server, layer: &[u8]) {
    assert_eq!(mirror.get("/v2/up/a/b/manifests/v1").send().text(), manifest(layer));
    let blob = mirror.get(&format!("/v2/up/a/b/blobs/{}", sha256(layer))).send();
    assert!(blob.body == layer, "the layer is another: {}", blob.status());
}

/// The number of files below a directory whose path contains this.
fn files(directory: &Path, part: &str) -> usize {
    let mut files = 0;
    if directory.exists() {
        walk(directory, &mut |path, _| files += usize::from(path.to_str().unwrap().contains(part)));
    }
    files
}

#[test]
fn when_the_directory_is_gone_the_log_says_so() {
    over_files!();
    let server = Server::start();
    push_image(&server, b"layer");
    fs::remove_dir_all(server.data()).unwrap();
    assert_snapshot!(server.post("/v2/a/b/blobs/uploads/").send(), @r#"
    503 Service Unavailable
    content-length: 117
    content-type: application/json

    {"errors":[{"code":"UNAVAILABLE","message":"service unavailable","detail":"the registry's storage refuses access"}]}
    "#);
    let log = server.logged("the directory is gone");
    assert!(log.contains("check that the storage exists"), "{log}");
}

#[test]
fn directories_and_blobs_may_be_links() {
    over_files!();
    let options = Server::with_secret(SECRET);
    let (data, root) = (options.data().to_owned(), options.root());
    // As an operator does who spreads the data: what is linked to lies in the same directory.
    fs::create_dir_all(&root).unwrap();
    for name in ["blobs", "repositories"] {
        fs::create_dir(data.join(name)).unwrap();
        symlink(Path::new("../../..").join(name), root.join(name)).unwrap();
    }
    let server = options.start();
    push_image(&server, b"layer");
    pull_image(&server, b"layer");

    // A repository under a link is listed like any other.
    let (moved, repository) = (data.join("moved"), data.join("repositories/a"));
    fs::rename(&repository, &moved).unwrap();
    symlink("../moved", &repository).unwrap();
    pull_image(&server, b"layer");
    push_image(&server, b"layer");

    // A blob that some tool has put elsewhere.
    let hex = sha256(b"layer").replace("sha256:", "");
    let blob = root.join("blobs/sha256").join(&hex[..2]).join(&hex).join("data");
    fs::rename(&blob, data.join("elsewhere")).unwrap();
    symlink("../../../../elsewhere", &blob).unwrap();
    pull_image(&server, b"layer");

    // Of a tag that is a link to another, the link goes.
    let tags = server.root().join("repositories/a/b/_manifests/tags");
    symlink("v1", tags.join("v2")).unwrap();
    assert_eq!(server.get("/v2/a/b/manifests/v2").send().text(), manifest(b"layer"));
    assert_eq!(server.delete("/v2/a/b/manifests/v2").send().status(), "202 Accepted");
    assert_eq!(server.get("/v2/a/b/manifests/v2").send().status(), "404 Not Found");
    pull_image(&server, b"layer");
    assert_eq!(server.delete("/v2/a/b/manifests/v1").send().status(), "202 Accepted");
}

#[test]
fn a_link_out_of_the_directory_leads_nowhere() {
    over_files!();
    let options: Options = Server::with_secret(SECRET);
    fs::create_dir_all(options.root()).unwrap();
    symlink("/etc", options.root().join("repositories")).unwrap();
    let server = options.start();
    let refused = server.post("/v2/a/b/blobs/uploads/").send();
    assert_eq!(refused.status(), "503 Service Unavailable", "{refused}");
    assert!(!Path::new("/etc/a").exists());
}
