//! Layers far larger than the memory that the server may use.

use std::env;
use std::io::{self, Read};

use crate::content::{DigestSink, noise};
use crate::server::Server;

const MIB: u64 = 1024 * 1024;

/// The most memory that the server may use, in MiB.
const LIMIT: u64 = 100;

#[test]
fn a_layer_goes_in_and_comes_out_in_flat_memory() {
    let length = if env::var_os("LIGHTER_LONG").is_some() { 5 * 1024 * MIB } else { 512 * MIB };
    let layer = || noise(10, length);
    let from = |offset| {
        let mut rest = layer();
        io::copy(&mut rest.by_ref().take(offset), &mut io::sink()).unwrap();
        rest
    };
    let digest = layer().digest();
    let server = Server::start();

    let started = server.post("/v2/a/b/blobs/uploads/").send();
    // Two parts, so that the hash goes from one request to the other.
    let middle = length / 2 + 13;
    let patched = server.patch(&started.location()).chunked(layer().take(middle)).send();
    assert_eq!(patched.header("range"), format!("0-{}", middle - 1), "{patched}");
    let patched = server.patch(&patched.location()).chunked(from(middle)).send();
    assert_eq!(patched.header("range"), format!("0-{}", length - 1), "{patched}");
    let put = server.put(&patched.completed_by(&digest)).send();
    assert_eq!(put.status(), "201 Created", "{put}");

    let target = format!("/v2/a/b/blobs/{digest}");
    let mut received = DigestSink::default();
    let blob = server.get(&target).send_into(&mut received);
    assert_eq!(blob.header("content-length"), length.to_string());
    assert_eq!(received.finish(), digest);

    let end = server.get(&target).header("Range", "bytes=-1000").send();
    assert_eq!(end.header("content-range"), format!("bytes {}-{}/{length}", length - 1000, length - 1));
    assert!(end.body == from(length - 1000).into_bytes(), "the end is another");

    let peak = server.peak_memory();
    println!("{} MiB in and out, at most {peak} MiB of memory", length / MIB);
    assert!(peak < LIMIT, "the server took {peak} MiB");
}

#[test]
fn a_layer_in_one_put_goes_in_in_flat_memory() {
    let layer = || noise(12, 2 * LIMIT * MIB);
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let put = server.put(&started.completed_by(&layer().digest())).chunked(layer()).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    let peak = server.peak_memory();
    assert!(peak < LIMIT, "the server took {peak} MiB");
}
