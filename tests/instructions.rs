//! What requests cost, in instructions of WebAssembly. The host counts them as fuel, and ends a request that has
//! used up what it was given. That is the same on every machine, unlike time.

use crate::client::Request;
use crate::content::{noise, push_blob, sha256};
use crate::images::{MANIFEST, manifest};
use crate::server::{SECRET, Server};

/// A request to some server.
type Asked<'a> = &'a dyn Fn(&Server) -> Request;

/// Whether a registry over what is stored answers a request with this status, and in full, in at most so many
/// instructions.
fn answers(stored: &Server, request: Asked, status: &str, instructions: u64) -> bool {
    let server = Server::with_secret(SECRET).on_data_of(stored).with_at_most(instructions).start();
    request(&server).try_send().is_ok_and(|answer| answer.status() == status)
}

/// More is a decision, not an accident. Each is of the first request of an instance, which has to look at its
/// configuration.
#[test]
fn a_request_costs_so_many_instructions() {
    let server = Server::start();
    let layer = push_blob(&server, "a/b", b"layer");
    push_blob(&server, "a/b", b"{}");
    let image = manifest(b"layer");
    let tag = "/v2/a/b/manifests/v1";
    let put = |server: &Server| server.put(tag).header("Content-Type", MANIFEST).body(image.as_str());
    assert_eq!(put(&server).send().status(), "201 Created");

    let blob = format!("/v2/a/b/blobs/{layer}");
    let by_digest = format!("/v2/a/b/manifests/{}", sha256(image.as_bytes()));
    let content = noise(71, 1 << 20).into_bytes();
    let digest = sha256(&content);
    let upload = || server.post("/v2/a/b/blobs/uploads/").send();
    let table: [(&str, u64, &str, Asked); 8] = [
        ("GET /v2/", 30_000, "200 OK", &|server| server.get("/v2/")),
        ("HEAD of a blob", 86_000, "200 OK", &|server| server.head(&blob)),
        ("GET of a blob", 100_000, "200 OK", &|server| server.get(&blob)),
        ("GET of a manifest", 165_000, "200 OK", &|server| server.get(&by_digest)),
        ("GET of a tag", 177_000, "200 OK", &|server| server.get(tag)),
        ("PUT of a manifest", 320_000, "201 Created", &put),
        ("POST of an upload", 215_000, "202 Accepted", &|server| server.post("/v2/a/b/blobs/uploads/")),
        ("PUT of 1 MiB", 80_000_000, "201 Created", &|server| {
            server.put(&upload().completed_by(&digest)).body(content.as_slice())
        }),
    ];
    for (what, most, status, request) in table {
        let within = |instructions| answers(&server, request, status, instructions);
        assert!(within(most), "{what} takes more than {most} instructions");
        // Or the host counts nothing.
        assert!(!within(most / 2), "{what} takes less than half of {most} instructions");
    }
}
