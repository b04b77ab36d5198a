//! A layer far larger than the memory that the server may use.

use std::env;

use crate::content::{DigestSink, noise};
use crate::server::Server;

const MIB: u64 = 1024 * 1024;

#[test]
fn a_layer_goes_in_and_comes_out_in_flat_memory() {
    let length = if env::var_os("LIGHTER_LONG").is_some() { 5 * 1024 * MIB } else { 512 * MIB };
    let layer = || noise(10, length);
    let digest = layer().digest();
    let server = Server::start();

    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).chunked(layer()).send();
    assert_eq!(patched.status(), "202 Accepted", "{patched}");
    assert_eq!(patched.header("range"), format!("0-{}", length - 1));
    let put = server.put(&patched.completed_by(&digest)).send();
    assert_eq!(put.status(), "201 Created", "{put}");

    let mut received = DigestSink::default();
    let blob = server.get(&format!("/v2/a/b/blobs/{digest}")).send_into(&mut received);
    assert_eq!(blob.header("content-length"), length.to_string());
    assert_eq!(received.finish(), digest);

    let peak = server.peak_memory();
    println!("{} MiB in and out, at most {peak} MiB of memory", length / MIB);
    assert!(peak < 100, "the server took {peak} MiB");
}
