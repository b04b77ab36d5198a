//! The habits of clients, replayed: the requests in their order and with the headers that each
//! sends, and the parts of the answers that the client insists on. This file has the clients that
//! run containers; `habits_of_tools` has the others.
//!
//! What they send was recorded in front of a registry; what they insist on is in their source.

use insta::assert_snapshot;
use serde_json::json;

use crate::client::{Request, Response};
use crate::content::{noise, push_blob, sha256};
use crate::images::{INDEX, MANIFEST};
use crate::manifests::image;
use crate::server::Server;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const OCTETS: &str = "application/octet-stream";
pub(crate) const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// The two blobs of the image.
pub(crate) const BLOBS: [&[u8]; 2] = [b"hello", b"{}"];

/// A client that has headers of its own on every request.
pub(crate) struct Client<'a> {
    pub(crate) server: &'a Server,
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

impl Client<'_> {
    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        let request = self.server.request(method, target);
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    pub(crate) fn send(&self, method: &str, target: &str) -> Response {
        self.request(method, target).send()
    }
}

/// What an answer must have, and nothing else of its kind.
#[track_caller]
pub(crate) fn expect(answer: Response, status: &str) -> Response {
    assert_eq!(answer.status(), status, "{answer}");
    answer
}

pub(crate) fn blob(digest: &str) -> String {
    format!("/v2/a/b/blobs/{digest}")
}

/// docker takes the first number as the position of the first byte, and computes the size of a layer from it.
#[track_caller]
pub(crate) fn expect_range(answer: &Response, range: &str) {
    assert_eq!(answer.header("range"), range, "{answer}");
}

/// The headers that clients read from a HEAD of a manifest. Without them they fetch the manifest.
#[track_caller]
pub(crate) fn expect_described(answer: &Response, media_type: &str, content: &str) {
    assert_eq!(answer.header("content-type"), media_type, "{answer}");
    assert_eq!(answer.header("content-length"), content.len().to_string(), "{answer}");
    assert_eq!(answer.header("docker-content-digest"), sha256(content.as_bytes()), "{answer}");
}

#[test]
fn docker_pushes() {
    let server = Server::start();
    let docker = Client {
        server: &server,
        headers: &[("User-Agent", "docker/27.3.1 go/go1.22"), ("Accept-Encoding", "gzip")],
    };
    // Whether to ask for credentials is decided here alone.
    assert_snapshot!(docker.send("GET", "/v2/"), @"
    200 OK
    content-length: 2
    content-type: application/json

    {}
    ");
    for content in BLOBS {
        let digest = sha256(content);
        expect(docker.send("HEAD", &blob(&digest)), "404 Not Found");
        // It was pulled from elsewhere, and may be there.
        let mount =
            format!("/v2/a/b/blobs/uploads/?from=library%2Falpine&mount={}", digest.replace(':', "%3A"));
        let started = expect(docker.send("POST", &mount), "202 Accepted");
        let patch = docker.request("PATCH", &started.location()).chunked(content);
        let patched = expect(patch.send(), "202 Accepted");
        expect_range(&patched, &format!("0-{}", content.len() - 1));
        // Its URL library sorts what it adds into the query.
        let (path, state) =
            patched.location().split_once('?').map(|(p, s)| (p.to_owned(), s.to_owned())).unwrap();
        let put = format!("{path}?{state}&digest={}", digest.replace(':', "%3A"));
        expect(docker.send("PUT", &put), "201 Created");
        // At once, and it fails without a length.
        let head = expect(docker.send("HEAD", &blob(&digest)), "200 OK");
        assert_eq!(head.header("content-length"), content.len().to_string());
    }
    let image = image().replace(MANIFEST, DOCKER_MANIFEST);
    let put = docker.request("PUT", "/v2/a/b/manifests/v1").header("Content-Type", DOCKER_MANIFEST);
    assert_snapshot!(put.body(image).send(), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:d3bb52ac820f1e956557562ec609fc462d0c61c5b129aed9d374172407587b54
    location: /v2/a/b/manifests/sha256:d3bb52ac820f1e956557562ec609fc462d0c61c5b129aed9d374172407587b54
    ");
}

#[test]
fn docker_pulls_and_goes_on_after_a_break() {
    let server = Server::start();
    for content in BLOBS {
        push_blob(&server, "a/b", content);
    }
    let put = server.put("/v2/a/b/manifests/v1").header("Content-Type", MANIFEST).body(image());
    expect(put.send(), "201 Created");
    let accept = format!(
        "{MANIFEST}, {DOCKER_LIST}, {INDEX}, application/vnd.docker.distribution.manifest.v1+prettyjws, {DOCKER_MANIFEST}"
    );
    let headers = [("User-Agent", "docker/27.3.1"), ("Accept", &*accept), ("Accept-Encoding", "gzip")];
    let docker = Client { server: &server, headers: &headers };
    let head = expect(docker.send("HEAD", "/v2/a/b/manifests/v1"), "200 OK");
    expect_described(&head, MANIFEST, &image());
    let by_digest = format!("/v2/a/b/manifests/{}", head.header("docker-content-digest"));
    assert_eq!(docker.send("GET", &by_digest).text(), image());
    assert_eq!(docker.send("GET", &blob(HELLO)).text(), "hello");
    // The end of the range must be that of the blob.
    assert_snapshot!(docker.request("GET", &blob(HELLO)).header("Range", "bytes=2-").send(), @r#"
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
    // What is not there is an error that it can read.
    let unknown = docker.send("GET", "/v2/a/b/manifests/v2");
    assert_eq!(unknown.header("content-type"), "application/json", "{unknown}");
}

#[test]
fn docker_gives_an_upload_up() {
    let server = Server::start();
    let docker = Client { server: &server, headers: &[("User-Agent", "docker/27.3.1")] };
    let started = docker.send("POST", "/v2/a/b/blobs/uploads/");
    expect(docker.send("DELETE", &started.location()), "204 No Content");
    expect(docker.send("DELETE", &started.location()), "404 Not Found");
}

#[test]
fn containerd_pushes() {
    let server = Server::start();
    let headers = [("User-Agent", "containerd/2.0.0"), ("Accept-Encoding", "gzip")];
    let containerd = Client { server: &server, headers: &headers };
    for content in BLOBS {
        let digest = sha256(content);
        let head = containerd
            .request("HEAD", &blob(&digest))
            .header("Accept", "application/vnd.oci.image.layer.v1.tar, */*");
        expect(head.send(), "404 Not Found");
        let started = expect(containerd.send("POST", "/v2/a/b/blobs/uploads/"), "202 Accepted");
        // Anything that neither begins with a slash nor is a URL it takes for a host.
        assert!(started.location().starts_with('/'), "{started}");
        let target = started.completed_by(&digest.replace(':', "%3A"));
        let put = containerd.request("PUT", &target).header("Content-Type", OCTETS).body(content);
        let stored = expect(put.send(), "201 Created");
        // If it says one, it must be the one that was pushed.
        assert_eq!(stored.header("docker-content-digest"), digest, "{stored}");
    }
    let digest = sha256(image().as_bytes());
    // By its digest, and then by the tag.
    for (reference, found) in [(&*digest, "404 Not Found"), ("v1", "404 Not Found"), ("v1", "200 OK")] {
        let target = format!("/v2/a/b/manifests/{reference}");
        let head = containerd.request("HEAD", &target).header("Accept", &format!("{MANIFEST}, */*")).send();
        let head = expect(head, found);
        if found == "200 OK" {
            expect_described(&head, MANIFEST, &image());
            continue;
        }
        let put = containerd.request("PUT", &target).header("Content-Type", MANIFEST).body(image());
        assert_eq!(expect(put.send(), "201 Created").header("docker-content-digest"), digest);
    }
}

#[test]
fn containerd_pulls_through_a_mirror_and_in_parts() {
    let server = Server::start();
    let content = noise(41, 300_000).into_bytes();
    let digest = push_blob(&server, "a/b", &content);
    let headers = [
        ("User-Agent", "containerd/2.1.0"),
        ("Accept", "application/vnd.oci.image.layer.v1.tar+gzip, */*"),
        ("Accept-Encoding", "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5"),
    ];
    let containerd = Client { server: &server, headers: &headers };
    let target = format!("{}?ns=docker.io", blob(&digest));
    let mut whole = Vec::new();
    for first in (0..content.len()).step_by(100_000) {
        let range = format!("bytes={first}-{}", first + 99_999);
        let part =
            expect(containerd.request("GET", &target).header("Range", &range).send(), "206 Partial Content");
        assert_eq!(part.find("content-encoding"), None, "it would unpack the layer");
        whole.extend(part.body);
    }
    assert!(whole == content, "the parts are not those of the blob");
    let beyond = containerd.request("GET", &target).header("Range", "bytes=300000-").send();
    expect(beyond, "416 Range Not Satisfiable");
    let referrers = containerd.send("GET", &format!("/v2/a/b/referrers/{digest}?ns=docker.io"));
    assert_eq!(expect(referrers, "200 OK").header("content-type"), INDEX);
}

#[test]
fn skopeo_pushes() {
    let server = Server::start();
    push_blob(&server, "c/d", b"{}");
    let headers = [
        ("User-Agent", "skopeo/1.22.0"),
        ("Docker-Distribution-Api-Version", "registry/2.0"),
        ("Accept-Encoding", "gzip"),
    ];
    let skopeo = Client { server: &server, headers: &headers };
    expect(skopeo.send("GET", "/v2/"), "200 OK");
    // Layers are asked for twice.
    expect(skopeo.send("HEAD", &blob(HELLO)), "404 Not Found");
    expect(skopeo.send("HEAD", &blob(HELLO)), "404 Not Found");
    // Where a mount comes to nothing it cancels the upload, and starts one.
    let mount = format!("/v2/a/b/blobs/uploads/?from=c%2Fd&mount={}", HELLO.replace(':', "%3A"));
    let unwanted = expect(skopeo.send("POST", &mount), "202 Accepted");
    expect(skopeo.send("DELETE", &unwanted.location()), "204 No Content");
    let started = expect(skopeo.send("POST", "/v2/a/b/blobs/uploads/"), "202 Accepted");
    let patch = skopeo.request("PATCH", &started.location()).header("Content-Type", OCTETS);
    let patched = expect(patch.body("hello").send(), "202 Accepted");
    let target = patched.completed_by(&HELLO.replace(':', "%3A"));
    expect(skopeo.request("PUT", &target).header("Content-Type", OCTETS).send(), "201 Created");
    let mount = mount.replace(&HELLO.replace(':', "%3A"), &sha256(b"{}").replace(':', "%3A"));
    expect(skopeo.send("POST", &mount), "201 Created");
    // Those of the platforms by their digests, then the tag. Here podman's chunks, too.
    let child = sha256(image().as_bytes());
    let put = skopeo.request("PUT", &format!("/v2/a/b/manifests/{child}")).header("Content-Type", MANIFEST);
    expect(put.chunked(std::io::Cursor::new(image())).send(), "201 Created");
    let children = json!([{"mediaType": MANIFEST, "digest": child, "size": image().len()}]);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).to_string();
    let put = skopeo.request("PUT", "/v2/a/b/manifests/v1").header("Content-Type", INDEX);
    expect(put.body(&*index).send(), "201 Created");
    // Six lines of Accept.
    let types = [MANIFEST, DOCKER_MANIFEST, INDEX, DOCKER_LIST, "application/json", "*/*"];
    let get = skopeo.request("GET", "/v2/a/b/manifests/v1");
    let get = types.iter().fold(get, |get, media_type| get.header("Accept", media_type)).send();
    assert_eq!(get.text(), index);
    // An interrupted pull continues: the client reads the parts of the range.
    let rest = skopeo.request("GET", &blob(HELLO)).header("Range", "bytes=3-").send();
    assert_eq!(expect(rest, "206 Partial Content").header("content-range"), "bytes 3-4/5");
    // `skopeo delete`
    let digest = skopeo.send("HEAD", "/v2/a/b/manifests/v1").header("docker-content-digest").to_owned();
    expect(skopeo.send("DELETE", &format!("/v2/a/b/manifests/{digest}")), "202 Accepted");
}
