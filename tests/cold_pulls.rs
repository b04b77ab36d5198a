//! A mirror that is killed again and again in the middle of cold pulls: every answer that comes to its end is right, what is
//! stored is right and whole, no tag leads to nothing, and what kills leave behind can be collected.
//!
//! `cargo xtask test` kills a few times. `cargo xtask crash --kills N` runs longer and prints a summary.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use lighter_test_host::client::Connection;
use serde_json::json;

use crate::client::Response;
use crate::collecting::{collect_to_the_end, nothing_is_left};
use crate::commands::printed;
use crate::content::{DigestSink, noise, push_blob, sha256};
use crate::crash::pusher::Chance;
use crate::crash::{check_disk, kills_and_seed, say};
use crate::disk::walk;
use crate::images::{CONFIG, INDEX, LAYER, MANIFEST};
use crate::server::{Options, SECRET, Server};

const CLIENTS: u64 = 4;

/// The default number of kills.
const KILLS: u64 = 5;

/// Only ends what would otherwise hang for ever.
const HANG: Duration = Duration::from_secs(60);

/// How often everything that is stored is read in between.
const READ_EVERY: u64 = 25;

/// The repository whose tag all clients move at the upstream.
const SHARED: &str = "shared";

#[test]
fn a_mirror_that_is_killed_gives_and_stores_nothing_wrong() {
    over_files!();
    let (kills, seed) = kills_and_seed(KILLS);
    let started = Instant::now();
    let upstream = Server::start();
    let mut mirror = options(&upstream).start();
    let known = Known::default();
    let mut clients: Vec<_> = (0..CLIENTS).map(|client| Client::new(seed, client, &known)).collect();
    let mut chance = Chance::new(seed);
    for kill in 1..=kills {
        let next = options(&upstream).on_data_of(&mirror);
        pull_until_killed(mirror, &upstream, &mut clients, &mut chance);
        check_links(&next.root());
        mirror = next.start();
        if kill % READ_EVERY == 0 {
            check_disk(&mirror);
            say(&format!("{kill} kills: {}", figures(&clients)));
        }
    }

    // Everything that was ever asked for, whole: then a check has nothing to find.
    let images = known.all.lock().unwrap().clone();
    let session = &mut Session::open(mirror.address(), None).unwrap();
    let client = clients.first_mut().expect("a client");
    images.iter().for_each(|image| client.pull(session, image).expect("nobody kills this mirror"));
    check_disk(&mirror);
    check_links(&mirror.root());
    check_records(&mirror.root());
    collect_to_the_end(&mirror);
    let checked = printed(&mirror.command(&["check"], &[]), 0);
    nothing_is_left(&mirror, true);
    // And all of it is here.
    drop(upstream);
    let stored = options_of("127.0.0.1:9").on_data_of(&mirror).start();
    let session = &mut Session::open(stored.address(), None).unwrap();
    images.iter().for_each(|image| client.pull(session, image).expect("nobody kills this mirror"));

    let seconds = started.elapsed().as_secs();
    say(&format!("{kills} kills in {seconds} s, seed {seed}: {}; {}", figures(&clients), checked.trim_end()));
    let wrong: Vec<_> = clients.iter().flat_map(|client| &client.wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(!images.is_empty(), "nothing was pulled");
    assert!(clients.iter().any(|client| client.interrupted > 0), "no kill has interrupted a pull");
}

fn options(upstream: &Server) -> Options {
    options_of(&upstream.address().to_string())
}

/// A mirror that asks for a tag each time.
fn options_of(upstream: &str) -> Options {
    let document = format!(r#"{{"up": {{"url": "http://{upstream}", "timeout": "60s", "ttl": "0"}}}}"#);
    Server::with_secret(SECRET).env("REGISTRY_PROXY_UPSTREAMS", &document)
}

/// Lets all clients pull, and kills the mirror at a random moment, after enough answers that every round makes progress.
fn pull_until_killed(mirror: Server, upstream: &Server, clients: &mut [Client], chance: &mut Chance) {
    let address = mirror.address();
    let (answered, answers) = channel();
    thread::scope(|scope| {
        for client in clients {
            let answered = answered.clone();
            scope.spawn(move || client.pull_until_the_end(address, upstream, &answered));
        }
        drop(answered);
        for _ in 0..chance.below(24) + 4 {
            answers.recv_timeout(HANG).expect("the mirror goes on answering");
        }
        thread::sleep(Duration::from_micros(chance.below(30_000)));
        drop(mirror);
    });
}

/// Checks that each record of a manifest's origin has that manifest beside it.
fn check_records(root: &Path) {
    let mut records = 0;
    walk(root, &mut |path, _| {
        if path.ends_with("mirrored") {
            assert!(path.with_file_name("link").exists(), "{} is of no manifest", path.display());
            records += 1;
        }
    });
    assert!(records > 0, "nothing has a record");
}

/// Checks that each link of a mirror that does not run leads to content, and each tag to a manifest.
fn check_links(root: &Path) {
    walk(root, &mut |path, _| {
        let text = path.strip_prefix(root).unwrap().to_str().unwrap();
        if !text.ends_with("/link") {
            return;
        }
        let digest = fs::read_to_string(path).unwrap();
        let hex = digest.strip_prefix("sha256:").unwrap_or_else(|| panic!("{text} has {digest:?}"));
        let content = root.join(format!("blobs/sha256/{}/{hex}/data", &hex[..2]));
        assert!(content.exists(), "{text} leads to nothing");
        if let Some((repository, _)) = text.split_once("/tags/") {
            let revision = root.join(format!("{repository}/revisions/sha256/{hex}/link"));
            assert!(revision.exists(), "{text} leads to no manifest");
        }
    });
}

fn figures(clients: &[Client]) -> String {
    let sum = |count: fn(&Client) -> u64| clients.iter().map(count).sum::<u64>();
    format!(
        "{} images pulled with {} MiB, {} pulls interrupted, {} answers wrong",
        sum(|client| client.pulls),
        sum(|client| client.bytes) >> 20,
        sum(|client| client.interrupted),
        sum(|client| client.wrong.len() as u64)
    )
}

/// An image or an index at the upstream.
struct Image {
    repository: String,
    tag: String,
    /// The digests of its manifests. The tag names the first one.
    manifests: Vec<String>,
    blobs: BTreeSet<String>,
}

/// What was pushed to the upstream.
#[derive(Clone, Default)]
struct Known {
    all: Arc<Mutex<Vec<Arc<Image>>>>,
    /// The manifests that the shared tag has named, or is just about to.
    shared: Arc<Mutex<BTreeSet<String>>>,
}

impl Known {
    /// One of the last ones, which others may be pulling.
    fn one_of_the_last(&self, chance: &mut Chance) -> Option<Arc<Image>> {
        let all = self.all.lock().unwrap();
        let back = chance.below(CLIENTS) as usize;
        all.iter().rev().nth(back).cloned()
    }
}

/// A connection to the mirror.
struct Session<'a> {
    connection: Connection,
    answered: Option<&'a Sender<()>>,
}

impl<'a> Session<'a> {
    fn open(address: SocketAddr, answered: Option<&'a Sender<()>>) -> io::Result<Self> {
        Ok(Self { connection: Connection::open(address)?, answered })
    }

    /// Sends a GET. Returns the answer, and the digest of its body.
    fn get(&mut self, target: &str, range: Option<&str>) -> io::Result<(Response, String, u64)> {
        let mut request = self.connection.request("GET", target);
        if let Some(range) = range {
            request = request.header("Range", range);
        }
        let mut received = Received::default();
        let answer = self.connection.send_into(request, &mut received)?;
        if let Some(answered) = self.answered {
            // Nobody counts any more once the mirror is to be killed.
            let _ = answered.send(());
        }
        Ok((answer, received.digest.finish(), received.bytes))
    }
}

#[derive(Default)]
struct Received {
    digest: DigestSink,
    bytes: u64,
}

impl io::Write for Received {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        self.digest.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client that has the upstream get new images, and pulls them and those of others from the mirror.
struct Client {
    number: u64,
    chance: Chance,
    contents: u64,
    known: Known,
    pulls: u64,
    bytes: u64,
    interrupted: u64,
    wrong: Vec<String>,
}

impl Client {
    fn new(seed: u64, number: u64, known: &Known) -> Self {
        Self {
            number,
            chance: Chance::new(seed.wrapping_add((number + 3) << 32)),
            contents: 0,
            known: known.clone(),
            pulls: 0,
            bytes: 0,
            interrupted: 0,
            wrong: Vec::new(),
        }
    }

    fn pull_until_the_end(&mut self, address: SocketAddr, upstream: &Server, answered: &Sender<()>) {
        let Ok(mut session) = Session::open(address, Some(answered)) else { return };
        loop {
            let image = match self.chance.below(3) {
                0 => self.known.one_of_the_last(&mut self.chance),
                _ => None,
            };
            let image = image.unwrap_or_else(|| self.push(upstream));
            if self.pull(&mut session, &image).is_err() {
                self.interrupted += 1;
                return;
            }
        }
    }

    /// Pushes a new image to the upstream, in one of three ways: alone, in an index, or to the tag that all move.
    fn push(&mut self, upstream: &Server) -> Arc<Image> {
        let way = self.chance.below(4);
        let number = self.contents;
        let (repository, tag) = match way {
            0 => (SHARED.to_owned(), "moving".to_owned()),
            _ => (format!("c{}", self.number), format!("v{number}")),
        };
        let put = |reference: &str, media_type: &str, content: &str| {
            let put = upstream.put(&format!("/v2/{repository}/manifests/{reference}"));
            let put = put.header("Content-Type", media_type).body(content).send();
            assert_eq!(put.status(), "201 Created", "{put}");
            sha256(content.as_bytes())
        };
        let mut blobs = BTreeSet::new();
        let mut images: Vec<_> =
            (0..1 + u64::from(way == 1)).map(|_| self.image(upstream, &repository, &mut blobs)).collect();
        let image = images.pop().expect("an image");
        let (manifests, content, media_type) = match images.pop() {
            None => (Vec::new(), image, MANIFEST),
            Some(other) => {
                let manifests: Vec<_> = [other, image]
                    .iter()
                    .map(|image| (put(&sha256(image.as_bytes()), MANIFEST, image), image.len()))
                    .collect();
                let named: Vec<_> = manifests
                    .iter()
                    .map(|(digest, size)| json!({ "mediaType": MANIFEST, "digest": digest, "size": size }))
                    .collect();
                let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": named });
                (manifests.into_iter().map(|(digest, _)| digest).collect(), index.to_string(), INDEX)
            }
        };
        let first = sha256(content.as_bytes());
        let manifests = [vec![first], manifests].concat();
        if way == 0 {
            // Before the tag names it, which all others may see at once.
            self.known.shared.lock().unwrap().insert(manifests[0].clone());
        }
        put(&tag, media_type, &content);
        let image = Arc::new(Image { repository, tag, manifests, blobs });
        self.known.all.lock().unwrap().push(Arc::clone(&image));
        image
    }

    /// Pushes the blobs of an image, and returns its manifest.
    fn image(&mut self, upstream: &Server, repository: &str, blobs: &mut BTreeSet<String>) -> String {
        let mut push = |content: &[u8], media_type: &str| {
            let digest = push_blob(upstream, repository, content);
            blobs.insert(digest.clone());
            json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
        };
        let config = push(b"{}", CONFIG);
        let layers: Vec<_> = (0..self.chance.below(3) + 1)
            .map(|_| {
                self.contents += 1;
                let most = [100, 20_000, 500_000, 4_000_000][self.chance.below(4) as usize];
                // Some are large, and take long enough that most kills fall into their middle.
                let large = if self.chance.below(10) == 0 { 16 << 20 } else { 0 };
                let length = large + self.chance.below(most) + 1;
                push(&noise((self.number << 32) + self.contents, length).into_bytes(), LAYER)
            })
            .collect();
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers }).to_string()
    }

    /// Pulls an image, and checks every answer.
    fn pull(&mut self, session: &mut Session, image: &Image) -> io::Result<()> {
        let base = format!("/v2/up/{}", image.repository);
        let first = image.manifests.first().expect("a manifest");
        let tag = format!("{base}/manifests/{}", image.tag);
        let (answer, digest, _) = session.get(&tag, None)?;
        let may_be = |digest: &str| self.known.shared.lock().unwrap().contains(digest);
        let is_right = digest == *first || image.repository == SHARED && may_be(&digest);
        let is_right = is_right && answer.find("docker-content-digest") == Some(&*digest);
        self.expect(is_right && answer.status() == "200 OK", || format!("{tag} is {digest}: {answer}"));
        for manifest in &image.manifests {
            self.get(session, &format!("{base}/manifests/{manifest}"), manifest)?;
        }
        for blob in &image.blobs {
            let target = format!("{base}/blobs/{blob}");
            if self.chance.below(6) == 0 {
                let (answer, ..) = session.get(&target, Some("bytes=0-0"))?;
                let is_right = ["206 Partial Content", "200 OK"].contains(&answer.status());
                self.expect(is_right, || format!("the first byte of {target}: {answer}"));
            }
            self.get(session, &target, blob)?;
        }
        self.pulls += 1;
        Ok(())
    }

    fn get(&mut self, session: &mut Session, target: &str, expected: &str) -> io::Result<()> {
        let (answer, digest, bytes) = session.get(target, None)?;
        self.bytes += bytes;
        let is_right = answer.status() == "200 OK" && digest == expected;
        self.expect(is_right, || format!("{target} is {digest}: {answer}"));
        Ok(())
    }

    fn expect(&mut self, is_right: bool, wrong: impl FnOnce() -> String) {
        if !is_right {
            self.wrong.push(wrong());
        }
    }
}
