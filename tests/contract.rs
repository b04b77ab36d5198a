//! What `wit/` promises, over every storage driver, each under the host that runs it. The checks are
//! in `tests/contract/`, which also runs them over the storage in memory.

use std::thread;

use crate::server::{Options, Server};

#[test]
fn the_filesystem_driver_keeps_the_contract() {
    keeps_the_contract(Server::without_secret().contract_of("lighter-filesystem"));
}

#[test]
fn the_key_value_driver_keeps_the_contract() {
    keeps_the_contract(Server::without_secret().contract_of("lighter-keyvalue"));
}

/// Runs every check, and those that take several parties with as many requests at once.
fn keeps_the_contract(driver: Options) {
    let server = driver.start();
    let checks = server.get("/").try_send().unwrap().text();
    assert!(checks.lines().count() > 20, "{checks}");
    for check in checks.lines() {
        let (name, parties) = check.split_once(' ').unwrap();
        let run = |party: u32| {
            let answer = server.get(&format!("/{name}/{party}")).try_send().unwrap();
            assert_eq!(answer.text(), "kept\n", "{name}: {}", answer.status());
        };
        thread::scope(|scope| {
            for party in 0..parties.parse().unwrap() {
                scope.spawn(move || run(party));
            }
        });
    }
}
