//! What a crash, a full disk or another registry has left behind: what is damaged counts as absent,
//! and a push makes it whole.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use crate::content::{noise, push_blob, sha256};
use crate::images::{MANIFEST, manifest};
use crate::server::Server;

const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const INDEX: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn blob(root: &Path, digest: &str) -> PathBuf {
    let hex = digest.strip_prefix("sha256:").unwrap();
    root.join("blobs/sha256").join(&hex[..2]).join(hex).join("data")
}

fn layer_link(root: &Path, digest: &str) -> PathBuf {
    root.join("repositories/a/b/_layers").join(digest.replace(':', "/")).join("link")
}

fn revision_link(root: &Path, digest: &str) -> PathBuf {
    root.join("repositories/a/b/_manifests/revisions").join(digest.replace(':', "/")).join("link")
}

fn tag_link(root: &Path, tag: &str) -> PathBuf {
    root.join("repositories/a/b/_manifests/tags").join(tag).join("current/link")
}

fn push_index(server: &Server, tag: &str) -> String {
    let put = server.put(&format!("/v2/a/b/manifests/{tag}"));
    let put = put.header("Content-Type", "application/vnd.oci.image.index.v1+json").body(INDEX).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    sha256(INDEX.as_bytes())
}

#[test]
fn what_distribution_stored_is_served() {
    over_files!();
    let options = Server::with_secret("asecret");
    let root = options.root();
    let index = sha256(INDEX.as_bytes());
    write(&blob(&root, HELLO), b"hello");
    write(&layer_link(&root, HELLO), HELLO.as_bytes());
    write(&blob(&root, &index), INDEX.as_bytes());
    write(&revision_link(&root, &index), index.as_bytes());
    write(&tag_link(&root, "v1"), index.as_bytes());
    let server = options.start();
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{HELLO}")).send().text(), "hello");
    assert_snapshot!(server.get("/v2/a/b/manifests/v1").send(), @r#"
    200 OK
    content-length: 88
    content-type: application/vnd.oci.image.index.v1+json
    docker-content-digest: sha256:dff9de10919148711140d349bf03f1a99eb06f94b03e51715ccebfa7cdc518e2
    etag: "sha256:dff9de10919148711140d349bf03f1a99eb06f94b03e51715ccebfa7cdc518e2"

    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}
    "#);
    assert_snapshot!(server.get("/v2/a/b/tags/list").send(), @r#"
    200 OK
    content-length: 29
    content-type: application/json

    {"name":"a/b","tags":["v1"]}
    "#);
}

/// Lays down a manifest as another registry has stored it, tagged.
fn store_manifest(root: &Path, tag: &str, content: &str) -> String {
    let digest = sha256(content.as_bytes());
    write(&blob(root, &digest), content.as_bytes());
    write(&revision_link(root, &digest), digest.as_bytes());
    write(&tag_link(root, tag), digest.as_bytes());
    digest
}

#[test]
fn a_stored_manifest_is_served_as_what_it_is() {
    over_files!();
    let server = Server::start();
    let payload =
        r#"{"schemaVersion":1,"name":"a/b","tag":"v1","architecture":"amd64","fsLayers":[],"history":[]}"#;
    let signed =
        payload.replace("[]}", r#"[],"signatures":[{"header":{},"signature":"x","protected":"y"}]}"#);
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    // As Docker for Windows wrote it, with something else that no registry reads.
    let image = format!(
        r#"{{"schemaVersion":2,"mediaType":"{docker}","config":{{"digest":7}},"layers":[{{"urls":null,"digest":null}}]}}"#
    );
    for (tag, content, media_type) in [
        ("payload", payload, "application/vnd.docker.distribution.manifest.v1+json"),
        ("signed", &signed, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
        ("docker", &image, docker),
        (
            "index",
            r#"{"schemaVersion":2,"manifests":[{"digest":7}]}"#,
            "application/vnd.oci.image.index.v1+json",
        ),
        // Nothing says what these are, and they are not called images.
        ("nothing", r#"{"schemaVersion":2}"#, "application/octet-stream"),
        ("text", "not JSON", "application/octet-stream"),
    ] {
        let digest = store_manifest(&server.root(), tag, content);
        for reference in [tag, &digest] {
            let target = format!("/v2/a/b/manifests/{reference}");
            let get = server.get(&target).send();
            assert_eq!((get.status(), get.text()), ("200 OK", content.to_owned()), "{target}");
            assert_eq!(get.header("content-type"), media_type, "{target}");
            assert_eq!(get.header("docker-content-digest"), digest, "{target}");
            assert_eq!(server.head(&target).send().header("content-type"), media_type, "{target}");
        }
    }
}

#[test]
fn a_link_may_end_with_a_newline() {
    over_files!();
    let server = Server::start();
    push_blob(&server, "a/b", b"hello");
    write(&layer_link(&server.root(), HELLO), format!("{HELLO}\n").as_bytes());
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{HELLO}")).send().text(), "hello");
}

#[test]
fn a_damaged_link_to_a_blob_is_none_until_the_blob_is_pushed_again() {
    over_files!();
    let server = Server::start();
    let target = format!("/v2/a/b/blobs/{HELLO}");
    for damaged in ["", "\0\0\0\0", "sha256:2cf2", "sha256:../../../secret", "2cf24dba"] {
        push_blob(&server, "a/b", b"hello");
        write(&layer_link(&server.root(), HELLO), damaged.as_bytes());
        assert_eq!(server.get(&target).send().status(), "404 Not Found", "{damaged:?}");
        assert_eq!(server.head(&target).send().status(), "404 Not Found", "{damaged:?}");
        push_blob(&server, "a/b", b"hello");
        assert_eq!(server.get(&target).send().text(), "hello", "{damaged:?}");
    }
}

#[test]
fn a_blob_that_lost_its_bytes_is_none_until_it_is_pushed_again() {
    over_files!();
    let server = Server::start();
    push_blob(&server, "a/b", b"hello");
    let target = format!("/v2/a/b/blobs/{HELLO}");
    let data = blob(&server.root(), HELLO);
    write(&data, b"");
    assert_eq!(server.head(&target).send().status(), "404 Not Found");
    push_blob(&server, "a/b", b"hello");
    assert_eq!(server.get(&target).send().text(), "hello");

    fs::remove_file(&data).unwrap();
    assert_eq!(server.get(&target).send().status(), "404 Not Found");
    push_blob(&server, "a/b", b"hello");
    assert_eq!(server.get(&target).send().text(), "hello");
}

#[test]
fn a_blob_that_was_cut_off_is_replaced() {
    over_files!();
    let server = Server::start();
    push_blob(&server, "a/b", b"hello");
    write(&blob(&server.root(), HELLO), b"hel");
    push_blob(&server, "a/b", b"hello");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{HELLO}")).send().text(), "hello");
}

/// As a failed disk leaves it: `HEAD` says that the blob exists, so the client must push it without being asked.
#[test]
fn a_blob_of_the_right_length_with_other_bytes_is_replaced_by_a_push() {
    over_files!();
    let server = Server::start();
    let digest = push_blob(&server, "a/b", b"hello");
    let target = format!("/v2/a/b/blobs/{digest}");
    for push in ["POST", "PATCH"] {
        write(&blob(&server.root(), &digest), b"\0\0\0\0\0");
        assert_eq!(server.get(&target).send().text(), "\0\0\0\0\0");
        let pushed = if push == "POST" {
            server.post(&format!("/v2/other/blobs/uploads/?digest={digest}")).body("hello").send()
        } else {
            let started = server.post("/v2/a/b/blobs/uploads/").send();
            let patched = server.patch(&started.location()).body("hello").send();
            server.put(&patched.completed_by(&digest)).send()
        };
        assert_eq!(pushed.status(), "201 Created", "{pushed}");
        assert_eq!(server.get(&target).send().text(), "hello", "{push}");
    }
}

#[test]
fn a_blob_that_was_cut_off_is_none_once_a_manifest_says_so() {
    over_files!();
    let server = Server::start();
    let layer = noise(40, 300_000).into_bytes();
    push_blob(&server, "a/b", b"{}");
    let digest = push_blob(&server, "a/b", &layer);
    push_blob(&server, "other", &layer);
    let target = format!("/v2/a/b/blobs/{digest}");
    let push = |image: String| {
        server.put("/v2/a/b/manifests/v1").header("Content-Type", MANIFEST).body(image).send()
    };
    // As a client does that pushes it again: the blob is there, so that the manifest alone is missing.
    write(&blob(&server.root(), &digest), &layer[..200_000]);
    assert_eq!(server.head(&target).send().status(), "200 OK");
    let refused = push(manifest(&layer));
    assert_eq!(refused.status(), "400 Bad Request", "{refused}");
    assert!(
        refused.text().contains("MANIFEST_BLOB_UNKNOWN") && refused.text().contains(&digest),
        "{refused}"
    );
    // From now on all instances know.
    assert_eq!(server.head(&target).send().status(), "404 Not Found");
    assert_eq!(server.head(&target.replace("a/b", "other")).send().status(), "404 Not Found");
    push_blob(&server, "a/b", &layer);
    assert_eq!(push(manifest(&layer)).status(), "201 Created");
    assert!(server.get(&target).send().body == layer, "the blob is another");

    // An index of blobs, as BuildKit's cache is one, finds it as well.
    write(&blob(&server.root(), &digest), &layer[..200_000]);
    let entry = format!(r#"{{"mediaType":"application/octet-stream","digest":"{digest}","size":300000}}"#);
    let cache = INDEX.replace("[]", &format!("[{entry}]"));
    let refused = server.put("/v2/a/b/manifests/cache").body(&*cache).send();
    assert!(refused.text().contains("MANIFEST_BLOB_UNKNOWN"), "{refused}");
    push_blob(&server, "a/b", &layer);
    assert_eq!(server.put("/v2/a/b/manifests/cache").body(cache).send().status(), "201 Created");

    // Who is wrong about a size removes nothing.
    let wrong = manifest(&layer).replace("\"size\":300000}", "\"size\":300001}");
    assert_eq!(push(wrong).status(), "201 Created");
    assert!(server.get(&target).send().body == layer, "the blob is another");
}

#[test]
fn a_manifest_that_was_cut_off_is_none_until_it_is_pushed_again() {
    over_files!();
    let server = Server::start();
    let digest = push_index(&server, "v1");
    for damaged in [&INDEX.as_bytes()[..40], b"{}", b""] {
        write(&blob(&server.root(), &digest), damaged);
        for reference in ["v1", &digest] {
            let target = format!("/v2/a/b/manifests/{reference}");
            assert_eq!(server.get(&target).send().status(), "404 Not Found");
            assert_eq!(server.head(&target).send().status(), "404 Not Found");
        }
        let referrers = server.get(&format!("/v2/a/b/referrers/{digest}")).send();
        assert_eq!(referrers.status(), "200 OK", "{referrers}");
        push_index(&server, "v1");
        assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), INDEX);
    }
}

#[test]
fn a_damaged_tag_is_none_until_it_is_pushed_again() {
    over_files!();
    let server = Server::start();
    for damaged in ["", "garbage", "sha256:2cf2"] {
        push_index(&server, "v1");
        write(&tag_link(&server.root(), "v1"), damaged.as_bytes());
        let get = server.get("/v2/a/b/manifests/v1").send();
        assert_eq!(get.status(), "404 Not Found", "{damaged:?}: {get}");
        assert!(get.to_string().contains("MANIFEST_UNKNOWN"), "{damaged:?}: {get}");
        push_index(&server, "v1");
        assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), INDEX, "{damaged:?}");
    }
}

#[test]
fn a_tag_that_points_to_nothing_can_be_deleted() {
    over_files!();
    let server = Server::start();
    let tags = || server.get("/v2/a/b/tags/list").send().text();
    let lose: [fn(&Path, &str); 3] = [
        |root, digest| fs::remove_file(blob(root, digest)).unwrap(),
        |root, digest| write(&blob(root, digest), b""),
        |root, digest| fs::remove_file(revision_link(root, digest)).unwrap(),
    ];
    for lose in lose {
        let digest = push_index(&server, "v1");
        lose(&server.root(), &digest);
        assert_eq!(server.get("/v2/a/b/manifests/v1").send().status(), "404 Not Found");
        // It is listed, so that it can be deleted.
        assert_eq!(tags(), "{\"name\":\"a/b\",\"tags\":[\"v1\"]}\n");
        let deleted = server.delete("/v2/a/b/manifests/v1").send();
        assert_eq!((deleted.status(), &*deleted.text()), ("202 Accepted", ""), "{deleted}");
        assert_eq!(tags(), "{\"name\":\"a/b\",\"tags\":[]}\n");
        let again = server.delete("/v2/a/b/manifests/v1").send();
        assert_eq!(again.status(), "404 Not Found", "{again}");
        assert!(again.text().contains("MANIFEST_UNKNOWN"), "{again}");
    }
    for damaged in ["", "garbage", "sha256:2cf2"] {
        push_index(&server, "v1");
        write(&tag_link(&server.root(), "v1"), damaged.as_bytes());
        assert_eq!(server.delete("/v2/a/b/manifests/v1").send().status(), "202 Accepted", "{damaged:?}");
        assert!(!tag_link(&server.root(), "v1").exists(), "{damaged:?}");
        assert_eq!(server.delete("/v2/a/b/manifests/v1").send().status(), "404 Not Found", "{damaged:?}");
    }
    // What a crash left that never was a tag is not one.
    fs::create_dir_all(tag_link(&server.root(), "v2").parent().unwrap()).unwrap();
    assert_eq!(server.delete("/v2/a/b/manifests/v2").send().status(), "404 Not Found");
}

#[test]
fn a_manifest_whose_content_is_lost_can_be_deleted() {
    over_files!();
    let server = Server::start();
    let digest = push_index(&server, "v1");
    fs::remove_file(blob(&server.root(), &digest)).unwrap();
    let target = format!("/v2/a/b/manifests/{digest}");
    assert_eq!(server.delete(&target).send().status(), "202 Accepted");
    assert_eq!(server.get("/v2/a/b/tags/list").send().text(), "{\"name\":\"a/b\",\"tags\":[]}\n");
    assert_eq!(server.delete(&target).send().status(), "404 Not Found");
}

#[test]
fn a_link_to_a_referrer_is_believed_if_the_manifest_says_so() {
    over_files!();
    let server = Server::start();
    let digest = push_index(&server, "v1");
    let other = INDEX.replace("[]", "[ ]");
    store_manifest(&server.root(), "v2", &other);
    let links = server.root().join("repositories/a/b/_referrers").join(digest.replace(':', "/"));
    write(
        &links.join(sha256(other.as_bytes()).replace(':', "/")).join("link"),
        sha256(other.as_bytes()).as_bytes(),
    );
    assert_snapshot!(server.get(&format!("/v2/a/b/referrers/{digest}?n=1")).send(), @r#"
    200 OK
    content-length: 89
    content-type: application/vnd.oci.image.index.v1+json

    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}
    "#);
}

#[test]
fn a_damaged_revision_is_none_until_it_is_pushed_again() {
    over_files!();
    let server = Server::start();
    let digest = push_index(&server, "v1");
    write(&revision_link(&server.root(), &digest), b"");
    assert_eq!(server.get(&format!("/v2/a/b/manifests/{digest}")).send().status(), "404 Not Found");
    push_index(&server, "v1");
    assert_eq!(server.get(&format!("/v2/a/b/manifests/{digest}")).send().text(), INDEX);
}

#[test]
fn what_a_crash_left_among_the_tags_is_not_listed() {
    over_files!();
    let server = Server::start();
    push_index(&server, "v1");
    let tags = server.root().join("repositories/a/b/_manifests/tags");
    write(&tags.join("v1/current/link.5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11.tmp"), b"sha2");
    write(&tags.join("v2/current/link.5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11.tmp"), b"sha2");
    write(&tags.join(".hidden/current/link"), HELLO.as_bytes());
    write(&tags.join("stray.tmp"), b"");
    fs::create_dir_all(tags.join("empty")).unwrap();
    // What no registry makes, but perhaps a tool.
    fs::create_dir_all(tags.join("directory/current/link")).unwrap();
    fs::create_dir_all(tags.join(OsStr::from_bytes(b"\xff\xfe/current"))).unwrap();
    symlink("circle", tags.join("circle")).unwrap();
    symlink("/etc", tags.join("outside")).unwrap();
    symlink("/etc", server.root().join("repositories/outside")).unwrap();
    // `v2` was about to become a tag.
    assert_eq!(server.get("/v2/a/b/tags/list").send().text(), "{\"name\":\"a/b\",\"tags\":[\"v1\"]}\n");
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().status(), "200 OK");
    assert_eq!(server.get("/v2/_catalog").send().text(), "{\"repositories\":[\"a/b\"]}\n");
    for tag in ["v2", "empty", "directory", "circle"] {
        let get = server.get(&format!("/v2/a/b/manifests/{tag}")).send();
        assert_eq!(get.status(), "404 Not Found", "{tag}: {get}");
    }
    // All tags are looked at for a manifest that is deleted.
    let digest = sha256(INDEX.as_bytes());
    assert_eq!(server.delete(&format!("/v2/a/b/manifests/{digest}")).send().status(), "202 Accepted");
}

#[test]
fn a_link_of_an_odd_size_is_read_before_its_tag_is_listed() {
    over_files!();
    let server = Server::start();
    let digest = push_index(&server, "v1");
    // With a line break at its end, as somebody may have written it by hand.
    write(&tag_link(&server.root(), "by-hand"), format!("{digest}\n").as_bytes());
    write(&tag_link(&server.root(), "cut-off"), &digest.as_bytes()[..40]);
    write(&tag_link(&server.root(), "empty"), b"");
    let tags = server.root().join("repositories/a/b/_manifests/tags");
    // A directory may be elsewhere.
    fs::create_dir_all(server.root().join("elsewhere/current")).unwrap();
    write(&server.root().join("elsewhere/current/link"), digest.as_bytes());
    symlink("../../../../../elsewhere", tags.join("moved")).unwrap();
    symlink("v1", tags.join("same")).unwrap();
    let listed = server.get("/v2/a/b/tags/list").send().text();
    assert_eq!(listed, "{\"name\":\"a/b\",\"tags\":[\"by-hand\",\"moved\",\"same\",\"v1\"]}\n");
    for tag in ["by-hand", "moved", "same", "v1"] {
        assert_eq!(server.get(&format!("/v2/a/b/manifests/{tag}")).send().status(), "200 OK", "{tag}");
    }
    for tag in ["cut-off", "empty"] {
        assert_eq!(server.get(&format!("/v2/a/b/manifests/{tag}")).send().status(), "404 Not Found", "{tag}");
    }
}

#[test]
fn strangers_among_the_tags_are_in_nobodys_way() {
    over_files!();
    let server = Server::start();
    let digest = push_index(&server, "v1");
    let manifests = server.root().join("repositories/a/b/_manifests");
    for stranger in
        ["tags/a b/current", "tags/\u{e9}", "tags/+", "revisions/sha512/a b", "revisions/sha256/+"]
    {
        fs::create_dir_all(manifests.join(stranger)).unwrap();
    }
    assert_eq!(server.get("/v2/a/b/tags/list").send().text(), "{\"name\":\"a/b\",\"tags\":[\"v1\"]}\n");
    assert_eq!(server.get(&format!("/v2/a/b/referrers/{digest}")).send().status(), "200 OK");
    let deleted = server.delete(&format!("/v2/a/b/manifests/{digest}")).send();
    assert_eq!(deleted.status(), "202 Accepted", "{deleted}");
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().status(), "404 Not Found");
}

#[test]
fn a_kept_hash_that_cannot_be_right_is_not_believed() {
    over_files!();
    let server = Server::start();
    for damage in ["absent", "empty", "of another length", "no hash"] {
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        let patched = server.patch(&started.location()).body("hel").send();
        let uuid = started.header("docker-upload-uuid");
        let kept = server.root().join("repositories/a/b/_uploads").join(uuid).join("hashstates/sha256/3");
        let mut state = fs::read(&kept).unwrap();
        match damage {
            "absent" => fs::remove_file(&kept).unwrap(),
            "empty" => fs::write(&kept, "").unwrap(),
            "of another length" => {
                state[107] = 4;
                fs::write(&kept, state).unwrap();
            }
            _ => fs::write(&kept, [0; 108]).unwrap(),
        }
        let put = server.put(&patched.completed_by(HELLO)).body("lo").send();
        assert_eq!(put.status(), "201 Created", "{damage}: {put}");
    }
}
