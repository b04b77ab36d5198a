//! Several servers over one bucket, any of which is killed again and again while clients push to all of them, and a
//! collector runs beside: what was acknowledged by one is there and whole at the others, and an interrupted upload can be
//! resumed at any.
//!
//! `cargo xtask test` kills a few times. `cargo xtask crash --storage s3` runs longer and prints a summary.

use std::process::{Child, Stdio};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::crash::pusher::{Chance, Pusher};
use crate::crash::{HANG, check, end, kills_and_seed, say};
use crate::server::{SECRET, Server, storage};

const SERVERS: u64 = 3;
const CLIENTS: u64 = 6;

/// The default number of kills.
const KILLS: u64 = 6;

/// After so many kills, what the clients were told is checked.
const ROUND: u64 = 5;

/// How long a collector lives that is killed, at most, in milliseconds.
const COLLECTION: u64 = 2000;

#[test]
fn what_was_acknowledged_outlives_any_server_of_a_bucket() {
    over_objects!();
    let (kills, seed) = kills_and_seed(KILLS);
    let started = Instant::now();
    let first = Server::start();
    let mut servers: Vec<_> = (1..SERVERS).map(|_| one_more(&first)).collect();
    servers.push(first);
    let mut clients: Vec<_> = (0..CLIENTS).map(|client| Pusher::new(seed, client)).collect();
    let mut chance = Chance::new(seed);
    let mut killed = 0;
    let mut collections = 0;
    while killed < kills {
        let of_round = ROUND.min(kills - killed);
        collections += push_while_servers_are_killed(&mut servers, &mut clients, &mut chance, of_round);
        killed += of_round;
        check(servers[chance.below(SERVERS) as usize].address(), &mut clients, false);
        if killed % (2 * ROUND) == 0 {
            say(&format!("{killed} kills: {}", crate::crash::figures(&clients)));
        }
    }
    assert!(collections > 0, "no collection came to its end");
    say(&format!("{SERVERS} servers, {}, {collections} collections beside", storage()));
    end(
        servers[0].address(),
        &mut clients,
        &format!("{kills} kills in {} s, seed {seed}", started.elapsed().as_secs()),
    );
}

fn one_more(other: &Server) -> Server {
    Server::with_secret(SECRET).on_data_of(other).start()
}

/// Lets all clients push to all servers, kills one of these after the other at random moments, and starts another in its
/// place. Returns how many collections there were.
fn push_while_servers_are_killed(
    servers: &mut Vec<Server>,
    clients: &mut [Pusher],
    chance: &mut Chance,
    kills: u64,
) -> u64 {
    let addresses = RwLock::new(servers.iter().map(Server::address).collect::<Vec<_>>());
    let is_over = AtomicBool::new(false);
    let (acknowledged, answers) = channel();
    thread::scope(|scope| {
        for client in clients {
            let (acknowledged, addresses, is_over) = (acknowledged.clone(), &addresses, &is_over);
            scope.spawn(move || client.push_anywhere(addresses, is_over, &acknowledged, false));
        }
        // Also if this fails: otherwise they would push for ever.
        let over = Over(&is_over);
        let (mut collector, mut collections) = (None, 0);
        for _ in 0..kills {
            let collection = collector.get_or_insert_with(|| collect(&servers[0]));
            hear(&answers, 8 + chance.below(80));
            // The moment, not its outcome: somewhere within a request, or between two.
            thread::sleep(Duration::from_micros(chance.below(20_000)));
            let victim = chance.below(servers.len() as u64) as usize;
            drop(servers.remove(victim));
            // The others go on alone for a while.
            hear(&answers, chance.below(40));
            servers.push(one_more(&servers[0]));
            *addresses.write().unwrap() = servers.iter().map(Server::address).collect();
            if chance.below(4) == 0 {
                thread::sleep(Duration::from_millis(chance.below(COLLECTION)));
                let _ = collection.kill();
                let _ = collection.wait();
                collector = None;
            } else if let Some(status) = collection.try_wait().unwrap() {
                assert!(status.success(), "a collection has failed: {status}");
                (collector, collections) = (None, collections + 1);
            }
        }
        hear(&answers, 40);
        drop(over);
        if let Some(mut collection) = collector {
            let status = collection.wait().unwrap();
            assert!(status.success(), "a collection has failed: {status}");
            collections += 1;
        }
        collections
    })
}

/// Ends the pushes when it is dropped.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(crate) fn hear(answers: &Receiver<()>, count: u64) {
    for _ in 0..count {
        answers.recv_timeout(HANG).expect("the servers go on answering");
    }
}

/// Starts a collection, which finds nothing that is old enough to go.
fn collect(server: &Server) -> Child {
    let mut command = server.command_beside(&["gc"], &[]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a command that runs")
}
