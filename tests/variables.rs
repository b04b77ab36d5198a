//! The variables that Spin has besides the environment. Other hosts have none, and their components read none.

use std::env;
use std::fs;

use crate::server::{Driver, Server, driver};
use crate::skip::skip;

/// The reason why a test of them is skipped.
const NONE: &str = "this component takes no variables of its host";

const READ_ONLY: &str = "registry_storage_maintenance_readonly_enabled";

#[test]
fn a_variable_is_as_good_as_one_of_the_environment() {
    let options = Server::with_secret("s");
    if !options.takes_variables() {
        return skip(NONE);
    }
    let server = options.variable(READ_ONLY, "true").variable("registry_http_host", "").start();
    let answer = server.post("/v2/a/b/blobs/uploads/").send();
    assert_eq!(answer.status(), "405 Method Not Allowed", "{answer}");
    // What is set in the environment goes before.
    let options = Server::with_secret("s").env("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "false");
    let server = options.variable(READ_ONLY, "true").variable("home", "/").start();
    assert_eq!(server.post("/v2/a/b/blobs/uploads/").send().status(), "202 Accepted");
    if driver() != Driver::KeyValue {
        return;
    }
    // Also for the driver.
    let server = Server::with_secret("s").variable("registry_storage_keyvalue_store", "none").start();
    assert_eq!(server.post("/v2/a/b/blobs/uploads/").send().status(), "503 Service Unavailable");
    server.logged("open none");
}

#[test]
fn a_variable_that_is_wrong_keeps_the_registry_from_serving() {
    let options = Server::with_secret("s");
    if !options.takes_variables() {
        return skip(NONE);
    }
    let server = options.variable("registry_auth", "silly").start();
    assert_eq!(server.get("/v2/").send().status(), "503 Service Unavailable");
    server.logged("REGISTRY_AUTH must be ");
}

#[test]
fn variables_that_cannot_be_read_keep_the_registry_from_serving() {
    let options = Server::with_secret("s");
    if !options.takes_variables() {
        return skip(NONE);
    }
    if env::var_os("LIGHTER_SPIN").is_some() {
        return skip("Spin can always read its variables");
    }
    fs::create_dir(options.data().join("variables")).unwrap();
    let server = options.start();
    assert_eq!(server.get("/v2/").send().status(), "503 Service Unavailable");
    server.logged("the host's variables cannot be read");
}

#[test]
fn a_variable_of_the_driver_that_is_wrong_keeps_the_registry_from_serving() {
    let options = Server::with_secret("s");
    if driver() != Driver::KeyValue {
        return skip("it is about a variable of the key-value driver");
    }
    let server = options.env("REGISTRY_STORAGE_KEYVALUE_CHUNKSIZE", "4095").start();
    assert_eq!(server.get("/v2/").send().status(), "503 Service Unavailable");
    server.logged("REGISTRY_STORAGE_KEYVALUE_CHUNKSIZE is a number from 4096 to 16777216");
}
