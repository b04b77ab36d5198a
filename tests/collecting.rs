//! Collections of garbage, again and again and killed in the middle, while clients push, delete and push again, and while
//! the server is killed as well: nothing that an acknowledged manifest refers to is ever gone, a push that comes too late is
//! told, and in the end nothing is left that no manifest refers to.
//!
//! `cargo xtask test` kills a few times. `cargo xtask crash --kills N` runs longer, and waits at the end until what collectors
//! that were killed have left has expired.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Request, Response};
use crate::content::{noise, sha256};
use crate::crash::pusher::Chance;
use crate::crash::{kills_and_seed, number, say};
use crate::disk::walk;
use crate::images::{MANIFEST, manifest};
use crate::server::{SECRET, Server};

const CLIENTS: u64 = 8;

/// The default number of times that the server is killed.
const KILLS: u64 = 4;

/// The grace period of the collections, in seconds.
const GRACE: u64 = 2;

/// How long a blob without a manifest is there for certain, counted by the client.
const YOUNG: Duration = Duration::from_millis(GRACE * 1000 - 500);

/// How many layers all clients share: they lose their last manifest, and get another one, all the time.
const COMMON: u64 = 12;

/// How often a client begins again that is told that it came too late.
const TRIES: u32 = 20;

/// How long a collector that was killed keeps clients waiting, and a little more.
const MARKED: Duration = Duration::from_secs(125);

/// What all clients count together.
#[derive(Default)]
struct Figures {
    manifests: AtomicU64,
    late: AtomicU64,
    again: AtomicU64,
    deleted: AtomicU64,
    orphans: AtomicU64,
    checks: AtomicU64,
    collections: AtomicU64,
    killed: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn what_manifests_refer_to_outlives_collections() {
    over_files!();
    let (kills, seed) = kills_and_seed(KILLS);
    let started = Instant::now();
    let figures = Figures::default();
    let mut server = Server::with_secret(SECRET).start();
    let mut clients: Vec<_> = (0..CLIENTS).map(|number| Client::new(seed, number)).collect();
    let mut chance = Chance::new(seed);
    for kill in 1..=kills {
        let next = Server::with_secret(SECRET).on_data_of(&server);
        push_and_collect_until_killed(server, &mut clients, &figures, &mut chance);
        server = next.start();
        clients.iter_mut().for_each(|client| client.check(&server, &figures));
        if kill % 10 == 0 {
            say(&format!("{kill} kills: {}", written(&figures)));
        }
    }
    // Content becomes old, and marks that collectors have left when they were killed expire.
    let marked = server.data().join("lighter/collection");
    let is_marked = || names(&marked).iter().any(|name| name.contains('.') && !name.starts_with("ended."));
    let waited = Instant::now();
    thread::sleep(Duration::from_secs(GRACE + 1));
    let is_long = number("LIGHTER_KILLS").is_some();
    while is_long && is_marked() && waited.elapsed() < MARKED {
        thread::sleep(Duration::from_secs(1));
    }
    collect_to_the_end(&server);
    clients.iter_mut().for_each(|client| client.check(&server, &figures));
    nothing_is_left(&server, is_long);

    say(&format!("{kills} kills in {} s, seed {seed}: {}", started.elapsed().as_secs(), written(&figures)));
    let losses: Vec<_> = clients.iter().flat_map(|client| &client.losses).collect();
    assert!(losses.is_empty(), "{losses:#?}");
    for counter in [&figures.manifests, &figures.deleted, &figures.orphans, &figures.collections] {
        assert!(counter.load(Ordering::Relaxed) > 0, "{}", written(&figures));
    }
}

/// Lets all clients push while collections run, and kills the server at a random moment.
fn push_and_collect_until_killed(
    server: Server,
    clients: &mut [Client],
    figures: &Figures,
    chance: &mut Chance,
) {
    let (address, data) = (server.address(), server.data().to_owned());
    let is_over = AtomicBool::new(false);
    let (time, seed) = (Duration::from_millis(1500 + chance.below(2500)), chance.below(u64::MAX));
    thread::scope(|scope| {
        for client in clients {
            scope.spawn(|| client.push_until_the_end(address, figures));
        }
        scope.spawn(|| collect_until(&is_over, &data, figures, &mut Chance::new(seed)));
        thread::sleep(time);
        is_over.store(true, Ordering::Relaxed);
        drop(server);
    });
}

/// Runs collections, of which every other one is killed at a random moment.
fn collect_until(is_over: &AtomicBool, data: &Path, figures: &Figures, chance: &mut Chance) {
    while !is_over.load(Ordering::Relaxed) {
        let mut collector = collector(data);
        let mut is_to_be_killed = chance.below(2) == 0;
        let until = Instant::now() + Duration::from_micros(chance.below(1_500_000));
        let mut is_killed = false;
        while collector.try_wait().unwrap().is_none() {
            if is_to_be_killed && Instant::now() >= until {
                collector.kill().unwrap();
                count(&figures.killed);
                (is_to_be_killed, is_killed) = (false, true);
            }
            thread::sleep(Duration::from_millis(1));
        }
        let status = collector.wait().unwrap();
        assert!(is_killed || status.success(), "a collection has failed: {status}");
        count(&figures.collections);
    }
}

fn collector(data: &Path) -> Child {
    let grace = format!("--grace={GRACE}s");
    let mut command = Server::command_on(data, &["gc", &grace, "--uploads=60s"], &[]);
    command.stdout(Stdio::null()).spawn().expect("a command that runs")
}

/// Collects what is old, without anybody to disturb it.
pub(crate) fn collect_to_the_end(server: &Server) {
    // The first one may go on with one that was killed, and find only what that had not passed. The second one leaves what is
    // young then, such as a folder that has become empty. It is for the third.
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(2100));
        let output = server.command(&["gc", "--grace=1s", "--uploads=1s"], &[]);
        assert!(output.status.success(), "{output:?}");
    }
}

/// Checks that the disk has what manifests refer to and nothing else, but perhaps for marks that have not expired.
pub(crate) fn nothing_is_left(server: &Server, is_expired: bool) {
    let root = server.root();
    let (mut referred, mut found, mut links) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let content = |hex: &str| root.join(format!("blobs/sha256/{}/{hex}/data", &hex[..2]));
    let mut left = Vec::new();
    walk(server.data(), &mut |path, is_empty| {
        let text = path.strip_prefix(&root).unwrap_or(path).to_str().unwrap().to_owned();
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            // The next collection removes what the last one has left.
            _ if is_empty && text.ends_with("lighter/collector") => {}
            _ if is_empty => left.push(format!("an empty directory, {text}")),
            ["blobs", "sha256", _, hex, "data"] => _ = found.insert((*hex).to_owned()),
            ["repositories", .., "_layers", "sha256", hex, "link"] => _ = links.insert((*hex).to_owned()),
            ["repositories", .., "_manifests", "revisions", "sha256", hex, "link"] => {
                referred.insert((*hex).to_owned());
                let manifest = String::from_utf8(fs::read(content(hex)).unwrap()).unwrap();
                let named = manifest.split("sha256:").skip(1).map(|rest| rest[..64].to_owned());
                referred.extend(named);
            }
            ["repositories", .., "_manifests", "tags", _, "current", "link"]
            | ["repositories", .., "_manifests", "tags", _, "index", "sha256", _, "link"]
            | ["repositories", _, _, "_layers", "keep"] => {}
            // A mirror's own: until when a tag need not be asked for, and when a manifest came.
            ["repositories", .., "_manifests", "tags", _, "fresh"]
            | ["repositories", .., "_manifests", "revisions", "sha256", _, "mirrored"] => {}
            _ if text.contains("lighter/collection/ended.") || text.ends_with("lighter/purge") => {}
            _ if !is_expired && text.contains("lighter/collection/") && text.ends_with("/digests") => {}
            _ => left.push(text),
        }
    });
    // An upload that was interrupted and is young is none of what a collection removes.
    left.retain(|path| !path.contains("/_uploads/"));
    assert_eq!(left, [""; 0], "something is left");
    assert_eq!(found, referred, "content is what manifests refer to");
    assert!(links.is_subset(&referred), "{:?} are linked", links.difference(&referred));
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn written(figures: &Figures) -> String {
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    format!(
        "{} pushes of manifests, {} told that they came too late, {} blobs sent again, {} manifests deleted, \
         {} blobs without one, {} checks, {} collections, {} of them killed",
        of(&figures.manifests),
        of(&figures.late),
        of(&figures.again),
        of(&figures.deleted),
        of(&figures.orphans),
        of(&figures.checks),
        of(&figures.collections),
        of(&figures.killed)
    )
}

/// An image whose manifest was acknowledged, and was not deleted.
struct Image {
    manifest: String,
    blobs: Vec<String>,
}

/// A client that pushes as docker does: it asks for a blob, sends it if it is not there, and then pushes the manifest.
struct Client {
    repository: String,
    other: String,
    chance: Chance,
    contents: u64,
    number: u64,
    images: Vec<Image>,
    losses: Vec<String>,
}

impl Client {
    fn new(seed: u64, number: u64) -> Self {
        Self {
            repository: format!("gc/c{number}"),
            other: format!("gc/c{}", (number + 1) % CLIENTS),
            chance: Chance::new(seed.wrapping_add((number + 7) << 32)),
            contents: 0,
            number,
            images: Vec::new(),
            losses: Vec::new(),
        }
    }

    fn push_until_the_end(&mut self, address: SocketAddr, figures: &Figures) {
        while self.push(address, figures).is_ok() {}
    }

    fn push(&mut self, address: SocketAddr, figures: &Figures) -> io::Result<()> {
        let send = |method: &str, target: &str| Request::new(address, method, target);
        match self.chance.below(8) {
            0 => {
                let blob = self.fresh();
                let digest = sha256(&blob);
                let begun = Instant::now();
                self.send_blob(address, &blob, figures)?;
                count(&figures.orphans);
                thread::sleep(Duration::from_millis(self.chance.below(1000)));
                let target = format!("/v2/{}/blobs/{digest}", self.repository);
                let answer = send("HEAD", &target).try_send()?;
                if begun.elapsed() < YOUNG {
                    self.expect(answer.status() == "200 OK", || format!("{target} is gone early: {answer}"));
                }
            }
            1 | 2 if !self.images.is_empty() => {
                let at = self.chance.below(self.images.len() as u64) as usize;
                let image = self.images.swap_remove(at);
                let target = format!("/v2/{}/manifests/{}", self.repository, image.manifest);
                let answer = send("DELETE", &target).try_send()?;
                self.expect(answer.status() == "202 Accepted", || format!("{target} stays: {answer}"));
                count(&figures.deleted);
            }
            _ => {
                let layer = match self.chance.below(3) {
                    0 => self.fresh(),
                    _ => common(self.chance.below(COMMON)),
                };
                self.push_image(address, &layer, figures)?;
            }
        }
        Ok(())
    }

    fn push_image(&mut self, address: SocketAddr, layer: &[u8], figures: &Figures) -> io::Result<()> {
        let image = manifest(layer);
        let (digest, blobs) = (sha256(image.as_bytes()), vec![sha256(b"{}"), sha256(layer)]);
        let reference = match self.chance.below(2) {
            0 => digest.clone(),
            _ => format!("t{}", self.chance.below(3)),
        };
        let target = format!("/v2/{}/manifests/{reference}", self.repository);
        for _ in 0..TRIES {
            for blob in [b"{}", layer] {
                let target = format!("/v2/{}/blobs/{}", self.repository, sha256(blob));
                if Request::new(address, "HEAD", &target).try_send()?.status() != "200 OK" {
                    self.send_blob(address, blob, figures)?;
                }
            }
            // Some are so slow that what they have found, and was not sent by themselves, may be gone by now.
            if self.chance.below(8) == 0 {
                thread::sleep(Duration::from_millis(self.chance.below(GRACE * 1500)));
            }
            let put = Request::new(address, "PUT", &target).header("Content-Type", MANIFEST);
            let answer = put.body(image.clone()).try_send()?;
            if answer.status() == "201 Created" {
                count(&figures.manifests);
                self.images.retain(|image| image.manifest != digest);
                self.images.push(Image { manifest: digest, blobs });
                return Ok(());
            }
            let is_told =
                answer.status() == "400 Bad Request" && answer.text().contains("MANIFEST_BLOB_UNKNOWN");
            self.expect(is_told, || format!("{target} is refused: {answer}"));
            count(&figures.late);
        }
        self.expect(false, || format!("{target} came too late {TRIES} times"));
        Ok(())
    }

    /// Sends a blob, in one of three ways, until the registry has it.
    fn send_blob(&mut self, address: SocketAddr, blob: &[u8], figures: &Figures) -> io::Result<()> {
        let digest = sha256(blob);
        let uploads = format!("/v2/{}/blobs/uploads/", self.repository);
        for _ in 0..TRIES {
            let whole = format!("{uploads}?digest={digest}");
            let post = |target: &str| Request::new(address, "POST", target);
            let answer = match self.chance.below(3) {
                0 => post(&whole).body(blob).try_send()?,
                1 => {
                    let mount = format!("{uploads}?mount={digest}&from={}", self.other);
                    let answer = post(&mount).try_send()?;
                    match answer.status() {
                        "202 Accepted" => complete(address, &answer, blob, &digest)?,
                        _ => answer,
                    }
                }
                _ => complete(address, &post(&uploads).try_send()?, blob, &digest)?,
            };
            if answer.status() == "201 Created" {
                return Ok(());
            }
            self.expect(answer.status() == "503 Service Unavailable", || {
                format!("a blob is refused: {answer}")
            });
            count(&figures.again);
        }
        self.expect(false, || format!("{digest} was removed {TRIES} times"));
        Ok(())
    }

    /// Checks all that was acknowledged.
    fn check(&mut self, server: &Server, figures: &Figures) {
        let mut losses = Vec::new();
        for image in &self.images {
            let target = format!("/v2/{}/manifests/{}", self.repository, image.manifest);
            let found = server.get(&target).header("Accept", MANIFEST).send();
            if sha256(&found.body) != image.manifest {
                losses.push(format!("{target} is lost: {}", found.status()));
            }
            for blob in &image.blobs {
                let target = format!("/v2/{}/blobs/{blob}", self.repository);
                let found = server.get(&target).send();
                if sha256(&found.body) != *blob {
                    losses.push(format!("{target} of {} is lost: {}", image.manifest, found.status()));
                }
                count(&figures.checks);
            }
            count(&figures.checks);
        }
        self.losses.append(&mut losses);
    }

    fn fresh(&mut self) -> Vec<u8> {
        self.contents += 1;
        noise((self.number << 32) + self.contents, self.chance.below(20_000) + 1).into_bytes()
    }

    fn expect(&mut self, right: bool, wrong: impl FnOnce() -> String) {
        if !right {
            self.losses.push(wrong());
        }
    }
}

/// Completes an upload that was started with the whole blob.
fn complete(address: SocketAddr, started: &Response, blob: &[u8], digest: &str) -> io::Result<Response> {
    let target = started.completed_by(digest);
    Request::new(address, "PUT", &target).body(blob).try_send()
}

/// A layer that all clients push.
fn common(number: u64) -> Vec<u8> {
    noise(u64::MAX - number, 1000 + number * 100).into_bytes()
}
