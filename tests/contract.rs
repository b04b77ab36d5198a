//! What `wit/` promises, over the storage driver that is tested, under the host that runs it. The
//! checks are in `tests/contract/`, which also runs them over the storage in memory.

use std::thread;

use lighter_contract::checks::{OF_EXCLUSION, checks};
use lighter_storage::Memory;

use crate::server::{Server, is_exclusive};

/// Runs every check that the store allows. A check with several parties runs as several concurrent requests. Without conditional
/// writes each value takes a second to create: then all checks run at once.
#[test]
fn the_driver_keeps_the_contract() {
    let server = Server::without_secret().contract().start();
    let listed = server.get("/").try_send().unwrap().text();
    let all = checks::<Memory>()
        .iter()
        .map(|check| format!("{} {}\n", check.name, check.parties))
        .collect::<String>();
    assert_eq!(listed, all);
    let checks: Vec<(&str, u32)> = listed
        .lines()
        .map(|check| {
            let (name, parties) = check.split_once(' ').unwrap();
            (name, parties.parse().unwrap())
        })
        .filter(|(name, _)| is_exclusive() || !OF_EXCLUSION.contains(name))
        .collect();
    let at_once = if is_exclusive() { 1 } else { checks.len() };
    for checks in checks.chunks(at_once) {
        thread::scope(|scope| {
            for (name, party) in
                checks.iter().flat_map(|(name, parties)| (0..*parties).map(move |party| (name, party)))
            {
                let server = &server;
                scope.spawn(move || {
                    let answer = server.get(&format!("/{name}/{party}")).try_send().unwrap();
                    assert_eq!(answer.text(), "kept\n", "{name}: {}", answer.status());
                });
            }
        });
    }
}
