//! The registry of several instances that `cargo xtask cluster` starts: what was acknowledged outlives the death of any
//! instance, of a node of the store, and of the balancer's connections, and uploads go on at another instance.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use lighter_test_host::client::Request;
use lighter_test_host::cluster::{Cluster, NODES};
use tempfile::TempDir;

use crate::content::{noise, sha256};
use crate::crash::pusher::{Chance, Pusher};
use crate::crash::{check, end, kills_and_seed, say};
use crate::server::tool;
use crate::skip::{installed, missing, skip};

const CLIENTS: u64 = 4;
const REGISTRIES: usize = 3;

/// The default number of deaths.
const KILLS: u64 = 12;

/// After so many deaths, what the clients were told is checked.
const ROUND: u64 = 4;

/// The program of Garage, or the test is skipped.
fn garage() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/garage");
    let found =
        [own, "garage".into()].into_iter().find(|it| Command::new(it).arg("--version").output().is_ok());
    if found.is_none() {
        missing("Garage is not installed: `cargo xtask test --garage` builds it");
    }
    found
}

#[test]
fn what_was_acknowledged_outlives_any_part_of_a_cluster() {
    over_objects!();
    if env::var_os("LIGHTER_LONG").is_none() {
        return skip("it takes minutes, and is one of the long tests");
    }
    let Some(garage) = garage().filter(|_| installed("haproxy")) else { return };
    let (kills, seed) = kills_and_seed(KILLS);
    let started = Instant::now();
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (wasmtime, component) =
        (tool("LIGHTER_WASMTIME", "target/tools/bin/wasmtime"), crate::server::component());
    let mut cluster = Cluster::start(&wasmtime, &component, &garage, directory.path(), REGISTRIES).unwrap();
    let address = cluster.address();
    an_upload_goes_on_elsewhere(&mut cluster);

    let mut clients: Vec<_> = (0..CLIENTS).map(|client| Pusher::new(seed, client)).collect();
    let mut chance = Chance::new(seed);
    for round in 0..kills.div_ceil(ROUND) {
        push_while_parts_die(&mut cluster, &mut clients, &mut chance);
        check(address, &mut clients, false);
        say(&format!("{} deaths: {}", (round + 1) * ROUND, crate::crash::figures(&clients)));
    }
    let seconds = started.elapsed().as_secs();
    end(address, &mut clients, &format!("{kills} deaths in a cluster in {seconds} s, seed {seed}"));
}

/// Begins an upload, kills each instance in turn, and sends the next bytes.
fn an_upload_goes_on_elsewhere(cluster: &mut Cluster) {
    let address = cluster.address();
    let content = noise(1, 24_000_000).into_bytes();
    let mut answer = Request::new(address, "POST", "/v2/a/b/blobs/uploads/").send();
    for (number, chunk) in content.chunks(content.len() / REGISTRIES).enumerate() {
        cluster.kill_registry(number);
        answer = Request::new(address, "PATCH", &answer.location()).body(chunk).send();
        assert_eq!(answer.status(), "202 Accepted", "{answer}");
        cluster.restart_registry(number).unwrap();
        until_answered(cluster);
    }
    let digest = sha256(&content);
    let put = Request::new(address, "PUT", &answer.completed_by(&digest)).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    // The client is sent to the store, through the balancer.
    let sent = Request::new(address, "GET", &format!("/v2/a/b/blobs/{digest}")).send();
    assert_eq!(sent.status(), "307 Temporary Redirect", "{sent}");
    assert!(crate::objects::follow(&sent, None).body == content, "the blob is another");
}

/// Lets all clients push through the balancer while one part after the other dies at a random moment, and comes back.
fn push_while_parts_die(cluster: &mut Cluster, clients: &mut [Pusher], chance: &mut Chance) {
    let addresses = RwLock::new(vec![cluster.address()]);
    let is_over = AtomicBool::new(false);
    let (acknowledged, answers) = channel();
    thread::scope(|scope| {
        for client in clients {
            let (acknowledged, addresses, is_over) = (acknowledged.clone(), &addresses, &is_over);
            scope.spawn(move || client.push_anywhere(addresses, is_over, &acknowledged, true));
        }
        let over = crate::fleet::Over(&is_over);
        for _ in 0..ROUND {
            crate::fleet::hear(&answers, 30 + chance.below(60));
            thread::sleep(Duration::from_micros(chance.below(20_000)));
            match chance.below(3) {
                0 => {
                    let victim = chance.below(REGISTRIES as u64) as usize;
                    cluster.kill_registry(victim);
                    crate::fleet::hear(&answers, 20);
                    cluster.restart_registry(victim).unwrap();
                }
                1 => {
                    // Two of three nodes are enough to read and write.
                    let victim = chance.below(NODES as u64) as usize;
                    cluster.garage().kill(victim);
                    crate::fleet::hear(&answers, 20);
                    cluster.garage().restart(victim).unwrap();
                    until_known(cluster);
                }
                _ => cluster.restart_balancer().unwrap(),
            }
        }
        drop(over);
    });
    until_answered(cluster);
}

/// Waits until the store's nodes know each other again. Until then, one that has just started answers nothing.
fn until_known(cluster: &mut Cluster) {
    let started = Instant::now();
    let is_well =
        |address| Request::new(address, "GET", "/health").try_send().is_ok_and(|answer| answer.code() == 200);
    while !cluster.garage().health().all(is_well) {
        assert!(started.elapsed() < crate::crash::HANG, "a node of the store does not find the others");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until all instances are known to the balancer: it looks twice a second.
fn until_answered(cluster: &Cluster) {
    let started = Instant::now();
    let answers =
        || Request::new(cluster.address(), "GET", "/v2/").try_send().is_ok_and(|it| it.code() == 200);
    thread::sleep(Duration::from_millis(600));
    while !(0..REGISTRIES).all(|_| answers()) {
        assert!(started.elapsed() < crate::crash::HANG, "no instance answers:\n{}", cluster.log());
        thread::sleep(Duration::from_millis(100));
    }
}
