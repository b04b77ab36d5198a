//! `/`, `/v2/`, and what is no endpoint.

use insta::assert_snapshot;

use crate::server::Server;

#[test]
fn the_version_check_says_that_this_is_a_registry() {
    let server = Server::start();
    assert_snapshot!(server.get("/v2/").send(), @"
    200 OK
    content-length: 2
    content-type: application/json

    {}
    ");
    assert_snapshot!(server.get("/v2").send(), @"
    200 OK
    content-length: 2
    content-type: application/json

    {}
    ");
    assert_snapshot!(server.head("/v2/").send(), @"
    200 OK
    content-length: 2
    content-type: application/json
    ");
}

#[test]
fn a_load_balancer_finds_the_root_alive() {
    let server = Server::start();
    assert_snapshot!(server.get("/").send(), @"
    200 OK
    cache-control: no-cache
    content-length: 0
    ");
}

#[test]
fn unknown_query_parameters_are_ignored() {
    let server = Server::start();
    assert_eq!(server.get("/v2/?ns=docker.io&x=%ff&&=").send().status(), "200 OK");
}
