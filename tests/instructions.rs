//! The cost of requests in instructions of WebAssembly. The host counts them as fuel, and stops a request that has used
//! up its fuel. Unlike time, the count is the same on every machine.

use std::env;
use std::fs;

use crate::client::Request;
use crate::content::{noise, push_blob, sha256};
use crate::images::{MANIFEST, manifest};
use crate::server::{SECRET, Server};
use crate::skip::skip;

/// A request to some server.
type Asked<'a> = &'a dyn Fn(&Server) -> Request;

/// Whether a registry over existing data answers a request completely, with this status, in at most this many
/// instructions.
fn answers(stored: &Server, request: Asked, status: &str, instructions: u64) -> bool {
    let server = Server::with_secret(SECRET).on_data_of(stored).with_at_most(instructions).start();
    request(&server).try_send().is_ok_and(|answer| answer.status() == status)
}

/// Each bound is 5 % above the current cost; a higher cost must be decided deliberately. Each is for the first request of
/// an instance, which has to read its configuration.
#[test]
fn a_request_costs_so_many_instructions() {
    over_files!();
    if env::var_os("LIGHTER_SPIN").is_some() {
        return skip("Spin counts no instructions");
    }
    let server = Server::start();
    let layer = push_blob(&server, "a/b", b"layer");
    push_blob(&server, "a/b", b"{}");
    let image = manifest(b"layer");
    let tag = "/v2/a/b/manifests/v1";
    let put = |server: &Server| server.put(tag).header("Content-Type", MANIFEST).body(image.as_str());
    assert_eq!(put(&server).send().status(), "201 Created");

    for number in 0..100 {
        let current = server.root().join(format!("repositories/tagged/_manifests/tags/v{number:03}/current"));
        fs::create_dir_all(&current).unwrap();
        fs::write(current.join("link"), &layer).unwrap();
    }

    let blob = format!("/v2/a/b/blobs/{layer}");
    let by_digest = format!("/v2/a/b/manifests/{}", sha256(image.as_bytes()));
    let content = noise(71, 1 << 20).into_bytes();
    let digest = sha256(&content);
    let upload = || server.post("/v2/a/b/blobs/uploads/").send();
    let table: [(&str, u64, &str, Asked); 9] = [
        ("GET /v2/", 30_400, "200 OK", &|server| server.get("/v2/")),
        ("HEAD of a blob", 55_700, "200 OK", &|server| server.head(&blob)),
        ("GET of a blob", 59_900, "200 OK", &|server| server.get(&blob)),
        ("GET of a manifest", 116_500, "200 OK", &|server| server.get(&by_digest)),
        ("GET of a tag", 118_600, "200 OK", &|server| server.get(tag)),
        ("GET of 50 of 100 tags", 425_700, "200 OK", &|server| server.get("/v2/tagged/tags/list?n=50")),
        ("PUT of a manifest", 228_000, "201 Created", &put),
        ("POST of an upload", 161_300, "202 Accepted", &|server| server.post("/v2/a/b/blobs/uploads/")),
        ("PUT of 1 MiB", 76_400_000, "201 Created", &|server| {
            server.put(&upload().completed_by(&digest)).body(content.as_slice())
        }),
    ];
    for (what, most, status, request) in table {
        let within = |instructions| answers(&server, request, status, instructions);
        // A request that has become cheaper than that could become dearer again unseen; and a host that counts nothing
        // is noticed.
        let least = most - most / 10;
        assert!(within(most) && !within(least), "{what} takes {}, not {least} to {most}", cost(within, most));
    }
}

/// Finds the number of instructions of a request, to 1 %, given whether it stays within a bound.
fn cost(within: impl Fn(u64) -> bool, guess: u64) -> u64 {
    let (mut low, mut high) = (0, guess);
    while !within(high) {
        assert!(high < guess * 100, "it is not answered as it should be");
        (low, high) = (high, high * 2);
    }
    while high - low > high / 100 {
        let middle = low.midpoint(high);
        if within(middle) { high = middle } else { low = middle }
    }
    high
}
