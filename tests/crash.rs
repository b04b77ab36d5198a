//! A server that is killed again and again while clients push: what was acknowledged is there and
//! whole, nothing is ever incomplete, and every interrupted upload can be resumed.
//!
//! `cargo xtask test` kills a few times. `cargo xtask crash --kills N` runs longer and prints
//! a summary.

mod history;
pub(crate) mod pusher;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::content::sha256;
use crate::server::{SECRET, Server};
use history::History;
use pusher::{Chance, Pusher, SHARED, pull};

const CLIENTS: u64 = 4;

/// The default number of kills.
const KILLS: u64 = 6;

/// Only ends what would otherwise hang for ever: the server answers far sooner, and the lease of a killed
/// server on an upload expires sooner.
pub(crate) const HANG: Duration = Duration::from_secs(120);

#[test]
fn what_was_acknowledged_outlives_the_server() {
    over_files!();
    let (kills, seed) = kills_and_seed(KILLS);
    let started = Instant::now();
    let mut server = Server::start();
    let mut clients: Vec<_> = (0..CLIENTS).map(|client| Pusher::new(seed, client)).collect();
    let mut chance = Chance::new(seed);
    for kill in 1..=kills {
        let next = Server::with_secret(SECRET).on_data_of(&server);
        push_until_killed(server, &mut clients, &mut chance);
        server = next.start();
        check(server.address(), &mut clients, false);
        if kill % 10 == 0 {
            say(&format!("{kill} kills: {}", figures(&clients)));
        }
    }
    check_disk(&server);
    end(
        server.address(),
        &mut clients,
        &format!("{kills} kills in {} s, seed {seed}", started.elapsed().as_secs()),
    );
}

/// Has the clients end what they began, checks all that they ever pushed, and says so.
pub(crate) fn end(server: SocketAddr, clients: &mut [Pusher], what: &str) {
    take_up_the_rest(server, clients);
    check(server, clients, true);
    say(&format!("{what}: {}", figures(clients)));
    let losses: Vec<_> = clients.iter().flat_map(|client| &client.history.losses).collect();
    assert!(losses.is_empty(), "{losses:#?}");
    assert!(clients.iter().all(|client| client.history.pushes > 0), "a client got nothing done");
}

/// Lets all clients push, and kills the server at a random moment, after enough answers that every round makes
/// progress.
fn push_until_killed(server: Server, clients: &mut [Pusher], chance: &mut Chance) {
    let address = server.address();
    let (acknowledged, answers) = channel();
    thread::scope(|scope| {
        for client in clients {
            let acknowledged = acknowledged.clone();
            scope.spawn(move || client.push_until_the_end(address, &acknowledged));
        }
        drop(acknowledged);
        for _ in 0..chance.below(80) + 8 {
            answers.recv_timeout(HANG).expect("the server goes on answering");
        }
        // The moment, not its outcome: somewhere within a request, or between two.
        thread::sleep(Duration::from_micros(chance.below(20_000)));
        drop(server);
    });
}

/// Resumes all remaining uploads, as soon as their leases permit.
fn take_up_the_rest(server: SocketAddr, clients: &mut [Pusher]) {
    let started = Instant::now();
    while clients.iter().any(Pusher::has_interrupted) {
        assert!(started.elapsed() < HANG, "an upload cannot be taken up: {}", figures(clients));
        for client in &mut *clients {
            client.take_up_now(server).expect("nobody kills this server");
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Checks what the clients pushed since the last time, or ever.
pub(crate) fn check(server: SocketAddr, clients: &mut [Pusher], ever: bool) {
    for client in &mut *clients {
        client.check(server, ever);
    }
    // The tag that all of them move: what one of them pushed last, or was about to.
    let tag = pull(server, &format!("/v2/{SHARED}/manifests/moving"));
    let may_be: BTreeSet<_> = clients.iter().flat_map(|client| client.history.shared.may_be()).collect();
    let must_be = clients.iter().any(|client| client.history.shared.last.is_some());
    let digest = sha256(&tag.body);
    let right = match tag.status() {
        "200 OK" => may_be.contains(&digest),
        "404 Not Found" => !must_be,
        _ => false,
    };
    let history = &mut clients.first_mut().expect("a client").history;
    history.expect(right, || format!("the tag of all is {digest}: {}", tag.status()));

    let catalog = pull(server, "/v2/_catalog?n=1000");
    history.expect(catalog.status() == "200 OK", || format!("the catalog is not listed: {catalog}"));
    if must_be {
        let tags = pull(server, &format!("/v2/{SHARED}/tags/list"));
        let listed = tags.text().contains("\"moving\"") && catalog.text().contains(SHARED);
        history.expect(listed, || format!("the tag of all is not listed: {tags}"));
    }
}

/// Checks every blob on disk, regardless of repositories.
pub(crate) fn check_disk(server: &Server) {
    let entries = |path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    for blob in entries(server.root().join("blobs/sha256")).flat_map(entries) {
        // A directory without data is what a kill just before the rename leaves.
        let Ok(content) = fs::read(blob.join("data")) else { continue };
        assert!(
            sha256(&content).ends_with(blob.file_name().unwrap().to_str().unwrap()),
            "{}",
            blob.display()
        );
    }
}

pub(crate) fn figures(clients: &[Pusher]) -> String {
    let sum = |count: fn(&History) -> u64| clients.iter().map(|client| count(&client.history)).sum::<u64>();
    format!(
        "{} pushes of blobs, {} of manifests, {} uploads resumed, {} cancelled, {} that had ended, \
         {} checks, {} losses",
        sum(|history| history.pushes),
        sum(|history| history.manifest_pushes),
        sum(|history| history.resumed),
        sum(|history| history.cancelled),
        sum(|history| history.ended),
        sum(|history| history.checks),
        sum(|history| history.losses.len() as u64)
    )
}

/// Prints a line, even if the test passes.
pub(crate) fn say(line: &str) {
    io::stderr().write_all(format!("{line}\n").as_bytes()).expect("a stderr");
}

/// How many kills there are, unless it is set, and what chance begins with.
pub(crate) fn kills_and_seed(default: u64) -> (u64, u64) {
    (number("LIGHTER_KILLS").unwrap_or(default), number("LIGHTER_SEED").unwrap_or(1))
}

/// The value of a variable that is a number.
pub(crate) fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| value.parse().expect("a number"))
}
