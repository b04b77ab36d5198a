//! The habits of the tools that people and programs use beside container engines: crane, oras and
//! regctl, as in `habits`.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::content::{noise, push_blob, sha256};
use crate::habits::{BLOBS, Client, HELLO, OCTETS, blob, expect, expect_described, expect_range};
use crate::images::{INDEX, MANIFEST};
use crate::manifests::image;
use crate::paging::target;
use crate::server::Server;

const EMPTY: &str = "application/vnd.oci.empty.v1+json";

#[test]
fn crane_pushes() {
    let server = Server::start();
    push_blob(&server, "c/d", b"{}");
    let headers = [("User-Agent", "crane/0.20.2 go-containerregistry/0.20.2"), ("Accept-Encoding", "gzip")];
    let crane = Client { server: &server, headers: &headers };
    expect(crane.send("GET", "/v2/"), "200 OK");
    expect(crane.send("HEAD", &blob(HELLO)), "404 Not Found");
    let post = crane.request("POST", "/v2/a/b/blobs/uploads/").header("Content-Type", "application/json");
    let started = expect(post.send(), "202 Accepted");
    let patch = crane.request("PATCH", &started.location()).header("Content-Type", OCTETS).body("hello");
    let patched = expect(patch.send(), "202 Accepted");
    expect(crane.send("PUT", &patched.completed_by(&HELLO.replace(':', "%3A"))), "201 Created");
    // It says which registry the blob comes from, too.
    let mount = format!(
        "/v2/a/b/blobs/uploads/?from=c%2Fd&mount={}&origin={}",
        sha256(b"{}").replace(':', "%3A"),
        server.address()
    );
    let post = crane.request("POST", &mount).header("Content-Type", "application/json");
    expect(post.send(), "201 Created");
    expect(crane.send("HEAD", "/v2/a/b/manifests/v1"), "404 Not Found");
    let put = crane.request("PUT", "/v2/a/b/manifests/v1").header("Content-Type", MANIFEST);
    expect(put.body(image()).send(), "201 Created");
    // It takes a HEAD only with all three, and a blob only of the size that the manifest says.
    expect_described(&crane.send("HEAD", "/v2/a/b/manifests/v1"), MANIFEST, &image());
    let get = crane.send("GET", &blob(HELLO));
    assert_eq!((get.header("content-length"), &*get.text()), ("5", "hello"));
}

#[test]
fn crane_lists_and_deletes() {
    let server = Server::start();
    let crane = Client { server: &server, headers: &[("User-Agent", "crane/0.20.2")] };
    for (name, tag) in [("a", "v1"), ("a", "v2"), ("b", "v1")] {
        crate::tags::tag(&server, name, tag);
    }
    assert_snapshot!(crane.send("GET", "/v2/a/tags/list?n=1000"), @r#"
    200 OK
    content-length: 32
    content-type: application/json

    {"name":"a","tags":["v1","v2"]}
    "#);
    // It follows no link to another host.
    let first = crane.send("GET", "/v2/_catalog?n=1");
    let next = target(first.header("link"));
    assert!(next.starts_with("/v2/"), "{first}");
    assert_eq!(crane.send("GET", &next).text(), "{\"repositories\":[\"b\"]}\n");
    expect(crane.send("DELETE", "/v2/a/manifests/v1"), "202 Accepted");
    expect(crane.send("HEAD", "/v2/a/manifests/v1"), "404 Not Found");
}

#[test]
fn oras_pushes() {
    let server = Server::start();
    let oras = Client { server: &server, headers: &[("User-Agent", "oras/1.2.0")] };
    let digest = sha256(image().as_bytes());
    let by_digest = format!("/v2/a/b/manifests/{digest}");
    // The client sends no ping.
    expect(oras.request("HEAD", &by_digest).header("Accept", MANIFEST).send(), "404 Not Found");
    for content in BLOBS {
        let digest = sha256(content);
        expect(oras.send("HEAD", &blob(&digest)), "404 Not Found");
        let started = expect(oras.send("POST", "/v2/a/b/blobs/uploads/"), "202 Accepted");
        let target = started.completed_by(&digest.replace(':', "%3A"));
        let put = oras.request("PUT", &target).header("Content-Type", OCTETS).body(content);
        expect(put.send(), "201 Created");
    }
    let put = oras.request("PUT", "/v2/a/b/manifests/v1").header("Content-Type", MANIFEST);
    assert_eq!(expect(put.body(image()).send(), "201 Created").header("docker-content-digest"), digest);
    let head = oras.request("HEAD", "/v2/a/b/manifests/v1").header("Accept", MANIFEST).send();
    expect_described(&head, MANIFEST, &image());
    // The client seeks in a blob only if `Accept-Ranges` permits it.
    assert_eq!(oras.send("GET", &blob(HELLO)).header("accept-ranges"), "bytes");
}

#[test]
fn oras_attaches_and_discovers() {
    let server = Server::start();
    BLOBS.iter().for_each(|content| _ = push_blob(&server, "a/b", content));
    let oras = Client { server: &server, headers: &[("User-Agent", "oras/1.2.0")] };
    let put = oras.request("PUT", "/v2/a/b/manifests/v1").header("Content-Type", MANIFEST);
    let subject = expect(put.body(image()).send(), "201 Created").header("docker-content-digest").to_owned();
    // Whether there are referrers at all; anything but this means none.
    let probe = oras.send("GET", &format!("/v2/a/b/referrers/sha256:{}", "0".repeat(64)));
    assert_eq!(expect(probe, "200 OK").header("content-type"), INDEX);
    let sbom = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.example.sbom",
        "config": {"mediaType": EMPTY, "digest": sha256(b"{}"), "size": 2},
        "layers": [{"mediaType": "text/plain", "digest": HELLO, "size": 5}],
        "subject": {"mediaType": MANIFEST, "digest": subject, "size": image().len()},
        "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"},
    });
    let sbom = sbom.to_string();
    let put = oras.request("PUT", &format!("/v2/a/b/manifests/{}", sha256(sbom.as_bytes())));
    let put = expect(put.header("Content-Type", MANIFEST).body(sbom).send(), "201 Created");
    // Without it oras would keep the fallback tag itself.
    assert_eq!(put.header("oci-subject"), subject, "{put}");
    let discover = format!("/v2/a/b/referrers/{subject}?artifactType=application%2Fvnd.example.sbom");
    assert_snapshot!(oras.send("GET", &discover), @r#"
    200 OK
    content-length: 361
    content-type: application/vnd.oci.image.index.v1+json
    oci-filters-applied: artifactType

    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:ace3564cc4d888caff60d61671b7de44946a70b89a21dd6f64c14722ae2dc7ab","size":640,"artifactType":"application/vnd.example.sbom","annotations":{"org.opencontainers.image.created":"2026-01-01T00:00:00Z"}}]}
    "#);
}

#[test]
fn regctl_pushes() {
    let server = Server::start();
    push_blob(&server, "c/d", b"{}");
    let regctl = Client { server: &server, headers: &[("User-Agent", "regclient/regctl (v0.8.0)")] };
    // It hopes that some repository has the blob.
    let mount = |digest: &str| format!("/v2/a/b/blobs/uploads/?mount={}", digest.replace(':', "%3A"));
    expect(regctl.send("HEAD", &blob(&sha256(b"{}"))), "404 Not Found");
    expect(regctl.send("POST", &mount(&sha256(b"{}"))), "201 Created");
    expect(regctl.send("HEAD", &blob(HELLO)), "404 Not Found");
    // If no repository has the blob, the client continues with the upload in the answer.
    let started = expect(regctl.send("POST", &mount(HELLO)), "202 Accepted");
    let put = regctl.request("PUT", &started.completed_by(&HELLO.replace(':', "%3A")));
    expect(put.header("Content-Type", OCTETS).body("hello").send(), "201 Created");
    let put = regctl.request("PUT", "/v2/a/b/manifests/v1").header("Content-Type", MANIFEST);
    expect(put.body(image()).send(), "201 Created");
    // A range that ends a byte past the blob.
    let get = regctl.request("GET", &blob(HELLO)).header("Range", "bytes=0-5").send();
    assert_eq!(expect(get, "206 Partial Content").header("content-range"), "bytes 0-4/5");
    // Any other answer, and it would push a manifest of its own in order to delete that.
    expect(regctl.send("DELETE", "/v2/a/b/manifests/v1"), "202 Accepted");
}

#[test]
fn regctl_pushes_what_it_reads_in_chunks() {
    const CHUNK: usize = 1024 * 1024;
    let server = Server::start();
    let regctl = Client { server: &server, headers: &[("User-Agent", "regclient/regctl (v0.8.0)")] };
    let content = noise(42, 2_500_000).into_bytes();
    let digest = sha256(&content).replace(':', "%3A");
    let patch = |location: &str, first: usize, last: usize| {
        let range = format!("{first}-{last}");
        let patch = regctl.request("PATCH", location).header("Content-Type", OCTETS);
        patch.header("Content-Range", &range).body(&content[first..=last]).send()
    };
    let started = expect(regctl.send("POST", "/v2/a/b/blobs/uploads/"), "202 Accepted");
    // The digest of a PUT that it has tried before lingers in the query.
    let first = expect(patch(&started.completed_by(&digest), 0, CHUNK - 1), "202 Accepted");
    expect_range(&first, "0-1048575");
    // One that leaves a gap: with both of these headers it is none that it gives up at.
    let gap = expect(patch(&first.location(), CHUNK + 1, 2 * CHUNK), "416 Range Not Satisfiable");
    expect_range(&gap, "0-1048575");
    let status = expect(regctl.send("GET", &gap.location()), "204 No Content");
    expect_range(&status, "0-1048575");
    let second = expect(patch(&status.location(), CHUNK, 2 * CHUNK - 1), "202 Accepted");
    let third = expect(patch(&second.location(), 2 * CHUNK, content.len() - 1), "202 Accepted");
    expect_range(&third, "0-2499999");
    expect(regctl.send("PUT", &third.completed_by(&digest)), "201 Created");
    assert!(regctl.send("GET", &blob(&sha256(&content))).body == content, "the blob is another");
}

#[test]
fn regctl_names_tags_beside_the_digest() {
    let server = Server::start();
    BLOBS.iter().for_each(|content| _ = push_blob(&server, "a/b", content));
    let regctl = Client { server: &server, headers: &[("User-Agent", "regclient/regctl (v0.8.0)")] };
    let target = format!("/v2/a/b/manifests/{}?tag=v1", sha256(image().as_bytes()));
    let put = regctl.request("PUT", &target).header("Content-Type", MANIFEST).body(image()).send();
    assert_eq!(expect(put, "201 Created").header("oci-tag"), "v1");
    let tags: Value = serde_json::from_slice(&regctl.send("GET", "/v2/a/b/tags/list").body).unwrap();
    assert_eq!(tags["tags"], json!(["v1"]));
}
