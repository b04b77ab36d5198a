//! The secret that signs `_state`, where none is configured.

use std::sync::Barrier;
use std::thread;

use crate::client::Response;
use crate::content::sha256;
use crate::server::Server;

/// Uploads that were all started at once, each in an instance of its own.
fn first_requests(server: &Server) -> Vec<Response> {
    const CLIENTS: usize = 8;
    let barrier = Barrier::new(CLIENTS);
    let start = || {
        barrier.wait();
        server.post("/v2/a/b/blobs/uploads/").send()
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(start)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

#[test]
fn the_first_requests_agree_on_one_secret() {
    exclusive!();
    // Each round is the first of a new registry.
    for _ in 0..5 {
        let server = Server::without_secret().with_fresh_instances().start();
        for started in first_requests(&server) {
            assert_eq!(started.status(), "202 Accepted", "{started}");
            let patched = server.patch(&started.location()).body("abc").send();
            assert_eq!(patched.status(), "202 Accepted", "{patched}");
            let put = server.put(&patched.completed_by(&sha256(b"abc"))).send();
            assert_eq!(put.status(), "201 Created", "{put}");
        }
    }
}

#[test]
fn the_secret_outlives_the_server() {
    let server = Server::without_secret().start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let next = Server::without_secret().on_data_of(&server);
    drop(server);
    let server = next.start();
    assert_eq!(server.patch(&started.location()).body("abc").send().status(), "202 Accepted");
}

#[test]
fn servers_on_one_directory_share_the_secret() {
    let one = Server::without_secret().start();
    let other = Server::without_secret().on_data_of(&one).start();
    let started = one.post("/v2/a/b/blobs/uploads/").send();
    let patched = other.patch(&started.location()).body("abc").send();
    assert_eq!(patched.status(), "202 Accepted", "{patched}");
    let put = one.put(&patched.completed_by(&sha256(b"abc"))).send();
    assert_eq!(put.status(), "201 Created", "{put}");
}

#[test]
fn registries_do_not_share_a_secret() {
    let one = Server::without_secret().start();
    let other = Server::without_secret().start();
    let location = one.post("/v2/a/b/blobs/uploads/").send().location();
    other.post("/v2/a/b/blobs/uploads/").send();
    let patched = other.patch(&location).body("abc").send();
    assert_eq!(patched.status(), "400 Bad Request", "{patched}");
}

#[test]
fn a_configured_secret_is_the_one_that_counts() {
    let server = Server::without_secret().start();
    let location = server.post("/v2/a/b/blobs/uploads/").send().location();
    let configured = Server::with_secret("another").on_data_of(&server).start();
    let patched = configured.patch(&location).body("abc").send();
    assert_eq!(patched.status(), "400 Bad Request", "{patched}");
}
