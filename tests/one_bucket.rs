//! distribution itself, with its s3 driver, on the bucket of a server: each registry serves, lists and deletes what the
//! other stored, and distribution's collector keeps what was pushed here.

use crate::client::Request;
use crate::content::{noise, sha256};
use crate::distribution::{Distribution, PROGRAM, collect_garbage};
use crate::habits::expect;
use crate::images::{MANIFEST, manifest};
use crate::server::Server;
use crate::skip::installed;

/// Requests to one of the registries.
type Side<'a> = &'a dyn Fn(&str, &str) -> Request;

/// Pushes an image as docker does: each blob by a PATCH and a PUT.
fn push(side: Side, repository: &str, tag: &str, layer: &[u8]) -> String {
    for blob in [b"{}", layer] {
        let started =
            expect(side("POST", &format!("/v2/{repository}/blobs/uploads/")).send(), "202 Accepted");
        let patched = expect(side("PATCH", &started.location()).body(blob).send(), "202 Accepted");
        expect(side("PUT", &patched.completed_by(&sha256(blob))).send(), "201 Created");
    }
    let content = manifest(layer);
    let put = side("PUT", &format!("/v2/{repository}/manifests/{tag}")).header("Content-Type", MANIFEST);
    expect(put.body(content.as_str()).send(), "201 Created");
    content
}

fn is_pulled(side: Side, repository: &str, tag: &str, layer: &[u8]) {
    let get = |target: &str| expect(side("GET", target).header("Accept", MANIFEST).send(), "200 OK");
    assert_eq!(get(&format!("/v2/{repository}/manifests/{tag}")).text(), manifest(layer));
    for blob in [b"{}", layer] {
        let target = format!("/v2/{repository}/blobs/{}", sha256(blob));
        assert!(get(&target).body == *blob, "{target} is another");
        let part = expect(side("GET", &target).header("Range", "bytes=1-1").send(), "206 Partial Content");
        assert_eq!(part.body, blob[1..2]);
    }
}

#[test]
fn each_registry_serves_and_deletes_what_the_other_stored() {
    over_objects!();
    if !installed(PROGRAM) {
        return;
    }
    let server = Server::with_secret(crate::server::SECRET).beside_other_clients().start();
    let distribution = Distribution::start(&server);
    let here = |method: &str, target: &str| server.request(method, target);
    let there = |method: &str, target: &str| distribution.request(method, target);
    // In one part, and in several of which the last is smaller.
    for (number, length) in [1_000, 13_000_000].into_iter().enumerate() {
        for (name, one, other) in [("here", &here as Side, &there as Side), ("there", &there, &here)] {
            let (repository, layer) =
                (format!("{name}/r{number}"), noise(name.len() as u64, length).into_bytes());
            let image = push(one, &repository, "v1", &layer);
            is_pulled(one, &repository, "v1", &layer);
            is_pulled(other, &repository, "v1", &layer);
            // Each moves a tag of the other, and adds one.
            push(other, &repository, "v1", b"the next version");
            push(other, &repository, "v2", b"the next version");
            for side in [one, other] {
                is_pulled(side, &repository, "v1", b"the next version");
                let tags = side("GET", &format!("/v2/{repository}/tags/list")).send();
                assert_eq!(tags.text().trim(), format!(r#"{{"name":"{repository}","tags":["v1","v2"]}}"#));
            }
            // What the other deletes is gone.
            let first = format!("/v2/{repository}/manifests/{}", sha256(image.as_bytes()));
            expect(one("HEAD", &first).header("Accept", MANIFEST).send(), "200 OK");
            expect(other("DELETE", &first).send(), "202 Accepted");
            expect(one("GET", &first).header("Accept", MANIFEST).send(), "404 Not Found");
            let blob = format!("/v2/{repository}/blobs/{}", sha256(&layer));
            expect(other("DELETE", &blob).send(), "202 Accepted");
            expect(other("GET", &blob).send(), "404 Not Found");
        }
    }
    for side in [&here as Side, &there] {
        let catalog = side("GET", "/v2/_catalog").send();
        let names = r#"{"repositories":["here/r0","here/r1","there/r0","there/r1"]}"#;
        assert_eq!(catalog.text().trim(), names);
    }

    let (done, said) = collect_garbage(&server, &[]);
    assert!(done, "{said}");
    for repository in ["here/r0", "here/r1", "there/r0", "there/r1"] {
        is_pulled(&here, repository, "v2", b"the next version");
        is_pulled(&there, repository, "v2", b"the next version");
    }
}
