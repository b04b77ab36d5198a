//! What `wit/` promises, over the storage driver that is tested, under the host that runs it. The
//! checks are in `tests/contract/`, which also runs them over the storage in memory.

use std::thread;

use lighter_contract::checks::checks;
use lighter_storage::Memory;

use crate::server::{Server, is_exclusive};
use crate::skip::skip;

/// Runs every check. A check with several parties runs as several concurrent requests.
#[test]
fn the_driver_keeps_the_contract() {
    if !is_exclusive() {
        return skip(
            "without conditional writes each value takes a second to create, and the driver's own tests do it",
        );
    }
    let server = Server::without_secret().contract().start();
    let listed = server.get("/").try_send().unwrap().text();
    let all = checks::<Memory>()
        .iter()
        .map(|check| format!("{} {}\n", check.name, check.parties))
        .collect::<String>();
    assert_eq!(listed, all);
    for check in listed.lines() {
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
