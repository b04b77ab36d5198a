//! What `wit/` promises, over the storage driver that is tested, under the host that runs it. The
//! checks are in `tests/contract/`, which also runs them over the storage in memory.

use std::thread;

use lighter_contract::checks::{OF_EXCLUSION, checks};
use lighter_storage::Memory;

use crate::server::{Server, is_exclusive};

/// Runs every check that the store allows, all at once: without conditional writes each value takes a second to create. A
/// check with several parties runs as several concurrent requests.
#[test]
fn the_driver_keeps_the_contract() {
    let left_out = if is_exclusive() { &[][..] } else { &OF_EXCLUSION };
    let server = Server::without_secret().contract().start();
    let listed = server.get("/").try_send().unwrap().text();
    let all = checks::<Memory>()
        .iter()
        .map(|check| format!("{} {}\n", check.name, check.parties))
        .collect::<String>();
    assert_eq!(listed, all);
    thread::scope(|scope| {
        for check in listed.lines() {
            let (name, parties) = check.split_once(' ').unwrap();
            for party in 0..parties.parse::<u32>().unwrap() {
                let server = &server;
                let run = move || {
                    let answer = server.get(&format!("/{name}/{party}")).try_send().unwrap();
                    assert_eq!(answer.text(), "kept\n", "{name}: {}", answer.status());
                };
                if !left_out.contains(&name) {
                    scope.spawn(run);
                }
            }
        }
    });
}
