//! Layers far larger than the memory that the server may use.

use std::env;
use std::io::{self, Read};
use std::thread;

use lighter_test_host::client::Request;

use crate::content::{DigestSink, noise, sha256};
use crate::server::Server;

const MIB: u64 = 1024 * 1024;

/// The most memory that the server may use, in MiB.
const LIMIT: u64 = 100;

/// The most memory that it may use for four layers at once, in MiB, with parts of 5 MiB of an object store.
const AT_ONCE: u64 = 130;

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

#[test]
fn four_layers_at_once_go_in_in_flat_memory() {
    over_objects!();
    const COUNT: usize = 4;
    let length = if env::var_os("LIGHTER_LONG").is_some() { 512 * MIB } else { 64 * MIB };
    let size = usize::try_from(length).unwrap();
    // Each layer begins a byte later than the one before, so that they are different ones.
    let bytes = noise(13, length + COUNT as u64).into_bytes();
    let server = Server::start();
    let push = |layer: &[u8], in_one_put: bool| {
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        let digest = sha256(layer);
        let put = if in_one_put {
            Request::new(server.address(), "PUT", &started.completed_by(&digest)).borrowed(layer).send()
        } else {
            let patch = Request::new(server.address(), "PATCH", &started.location());
            let patched = patch.chunked(layer).send();
            assert_eq!(patched.status(), "202 Accepted", "{patched}");
            server.put(&patched.completed_by(&digest)).send()
        };
        assert_eq!(put.status(), "201 Created", "{put}");
        // Or the next ones find it there.
        server.delete(&format!("/v2/a/b/blobs/{digest}")).send();
    };
    for in_one_put in [true, false] {
        thread::scope(|scope| {
            for layer in (0..COUNT).filter_map(|first| bytes.get(first..first + size)) {
                let push = &push;
                scope.spawn(move || push(layer, in_one_put));
            }
        });
        let peak = server.peak_memory();
        let how = if in_one_put { "PUT" } else { "PATCH" };
        println!("{COUNT} layers of {} MiB at once by {how}, at most {peak} MiB of memory", length / MIB);
        assert!(peak < AT_ONCE, "the server took {peak} MiB, by {how}");
    }
}
