//! The collection of garbage from a store with many blobs: its time and its memory as the store grows, and the rates of
//! clients beside it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use lighter_test_host::client::Connection;
use lighter_test_host::process::Process;
use lighter_test_host::wasmtime::{self, DATA};

use crate::layout;
use crate::peer::{Lighter, Peer, Running};
use crate::say;
use crate::table::{Table, Unit};
use crate::work::{Blob, MANIFEST, expect, hammer};

/// The number of blobs of an image: a config, and layers.
const BLOBS: usize = 10;

/// The number of images of a repository: 200,000 blobs are in 500 repositories.
const IMAGES: usize = 40;

/// The size of a blob, in bytes.
const SIZE: usize = 1024;

/// The age of what is stored: more than the grace period.
const AGE: Duration = Duration::from_secs(48 * 3600);

/// How long clients are measured.
const MEASURED: Duration = Duration::from_secs(5);

/// The number of connections of clients.
const CONNECTIONS: usize = 8;

/// How often it is asked whether a command has ended.
const POLL: Duration = Duration::from_millis(10);

/// The part of all images that becomes garbage beside clients in each round: one of this many.
const LITTERED: usize = 64;

/// Measures collections at a quarter, a half and the whole of a number of blobs, and then clients beside them.
pub(crate) fn collect(lighter: &Lighter, count: usize, rounds: usize, data: &Path) -> Result<String> {
    if data.exists() {
        fs::remove_dir_all(data)?;
    }
    fs::create_dir_all(data)?;
    let store = Store { lighter, data };
    // The first one compiles the component.
    store.run(&["gc"])?;
    let empty = store.run(&["gc"])?;
    let sizes = [count.div_ceil(4), count.div_ceil(2), count];
    let names = sizes.map(|size| format!("{size} blobs"));
    let mut table = Table::default();
    let mut freed = String::new();
    for (size, name) in sizes.into_iter().zip(&names) {
        let images = size.div_ceil(BLOBS);
        say(&format!("storing {name}"));
        (0..images).try_for_each(|number| store.image(number))?;
        say("collecting from them");
        let mut row = |what: &str, done: &Done| {
            say(&format!("{what}: {:.1} s", done.seconds));
            table.add(what, Unit::Seconds, name, done.seconds);
            table.add(&format!("{what}: processor time"), Unit::Seconds, name, done.processor);
            table.add(&format!("{what}: memory"), Unit::Mebibytes, name, done.memory);
        };
        let (nothing, dry) = (store.run(&["gc"])?, store.run(&["gc", "--dry-run"])?);
        ensure!(nothing.count("blobs")? + dry.count("blobs")? == 0, "there is garbage: {}", nothing.last);
        row("gc that finds nothing", &nothing);
        row("gc --dry-run that finds nothing", &dry);
        let odd = (1..images).step_by(2);
        let unlinked = odd.len();
        odd.clone().try_for_each(|number| store.unlink(number))?;
        let half = store.run(&["gc"])?;
        let (blobs, bytes) = (half.count("blobs")?, half.count("bytes")?);
        // The manifest is content too.
        ensure!(blobs == unlinked * (BLOBS + 1), "{} images were unlinked: {}", unlinked, half.last);
        row("gc that frees half", &half);
        freed.push_str(&format!("From {name}, {blobs} blobs and manifests with {bytes} bytes were freed.\n"));
        let check = store.run(&["check", "--quick"])?;
        ensure!(check.count("findings")? == 0, "something is missing: {}", check.last);
        row("check --quick", &check);
    }
    let mut text = format!(
        "\nOver an empty store: {:.2} s, of which 1 s is a pause, and {:.0} MiB.\n\n{}\n{freed}",
        empty.seconds,
        empty.memory,
        table.markdown(&names, |_| true)
    );
    let images: Vec<usize> = (0..count.div_ceil(BLOBS)).step_by(2).collect();
    text.push_str(&beside(&store, &images, rounds)?);
    Ok(text)
}

/// Measures clients with and without collections beside them, in turn. Each time some images become garbage before.
fn beside(store: &Store, images: &[usize], rounds: usize) -> Result<String> {
    let names = ["beside collections", "beside collections with nice 19", "just after one", "alone"];
    let names = names.map(str::to_owned);
    let mut table = Table::default();
    let part = images.len() / LITTERED;
    let (mut kept, pushed) = (images, AtomicUsize::new(0));
    let mut ran = Vec::new();
    for round in 0..rounds {
        let mut turns = [0, 1, 2, 3];
        turns.rotate_left(round % 4);
        for turn in turns {
            let Some(name) = names.get(turn) else { continue };
            say(&format!("round {} of {rounds}: clients {name}", round + 1));
            let registry = Peer::lighter(store.lighter.clone()).restart(store.data)?;
            match turn {
                0 | 1 => {
                    let (litter, rest) = kept.split_at(part.min(kept.len() / 2));
                    kept = rest;
                    litter.iter().try_for_each(|number| store.unlink(*number))?;
                }
                2 => _ = store.run(&["gc"])?,
                // As if the last collection had ended long ago.
                _ => fs::remove_dir_all(store.data.join("lighter/collection")).or_else(absent)?,
            }
            let mut measure = || clients(&registry, kept, &pushed, name, &mut table);
            match turn {
                0 => ran.push(store.meanwhile("0", &mut measure)?),
                1 => ran.push(store.meanwhile("19", &mut measure)?),
                _ => measure()?,
            }
        }
    }
    let runs: usize = ran.iter().map(|(runs, _)| runs).sum();
    let blobs: usize = ran.iter().map(|(_, blobs)| blobs).sum();
    Ok(format!(
        "\nClients with {CONNECTIONS} connections, and {runs} collections that freed {blobs} blobs:\n\n{}\n{}",
        table.markdown(&names, |_| true),
        table.markdown(names.get(1..).unwrap_or_default(), |_| true)
    ))
}

fn clients(
    registry: &Running,
    images: &[usize],
    pushed: &AtomicUsize,
    name: &str,
    table: &mut Table,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let pull = |connection: &mut Connection| {
        // A step through all of them that visits many directories.
        let number =
            images.get(next.fetch_add(7919, Ordering::Relaxed) % images.len()).copied().unwrap_or_default();
        let repository = repository(number);
        let get = connection.request("GET", &format!("/v2/{repository}/manifests/{}", tag(number)));
        expect(connection.send(get.header("Accept", MANIFEST))?, 200, "GET of a manifest")?;
        let get = connection.request("GET", &format!("/v2/{repository}/blobs/{}", blob(number, 1).digest));
        expect(connection.send(get)?, 200, "GET of a blob").map(drop)
    };
    let rate = hammer(registry, CONNECTIONS, MEASURED, pull)?;
    table.add("pulls of a manifest and a blob", Unit::Rate, name, rate.per_second);
    table.add("pulls: p99", Unit::Milliseconds, name, rate.p99);
    let push = |connection: &mut Connection| {
        let number = pushed.fetch_add(1, Ordering::Relaxed);
        // Numbers that no stored image has.
        let layer = blob(usize::MAX - number, 1);
        let repository = format!("pushed/{}", number % 16);
        let target = format!("/v2/{repository}/blobs/uploads/?digest={}", layer.digest);
        let post = connection.request("POST", &target).header("Content-Type", "application/octet-stream");
        expect(connection.send(post.borrowed(&layer.bytes))?, 201, "POST of a blob")?;
        let put = connection.request("PUT", &format!("/v2/{repository}/manifests/{}", tag(number)));
        let manifest = manifest(&[layer]);
        let put = put.header("Content-Type", MANIFEST).borrowed(&manifest.bytes);
        expect(connection.send(put)?, 201, "PUT of a manifest").map(drop)
    };
    let rate = hammer(registry, CONNECTIONS, MEASURED, push)?;
    table.add("pushes of a blob and a manifest", Unit::Rate, name, rate.per_second);
    table.add("pushes: p99", Unit::Milliseconds, name, rate.p99);
    Ok(())
}

/// What a command has done.
struct Done {
    seconds: f64,
    /// How long it had a processor, in seconds: other programs change this less.
    processor: f64,
    /// The most memory that the process has held, in MiB.
    memory: f64,
    /// The last line, in JSON.
    last: String,
}

impl Done {
    /// A number in the last line.
    fn count(&self, name: &str) -> Result<usize> {
        let (_, rest) = self.last.split_once(&format!("\"{name}\":")).unwrap_or_default();
        let digits = rest.split(|next: char| !next.is_ascii_digit()).next().unwrap_or_default();
        digits.parse().with_context(|| format!("there is no {name} in {}", self.last))
    }
}

/// A store in distribution's layout.
struct Store<'a> {
    lighter: &'a Lighter,
    data: &'a Path,
}

impl Store<'_> {
    /// Runs a command on it, to its end.
    fn run(&self, words: &[&str]) -> Result<Done> {
        self.run_with_priority("0", words)
    }

    /// Runs a command with a `nice` of 0 to 19.
    fn run_with_priority(&self, nice: &str, words: &[&str]) -> Result<Done> {
        let Lighter { wasmtime, component, .. } = self.lighter;
        let none: [&str; 0] = [];
        let words = words.iter().copied().chain(["--json"]);
        let start = Instant::now();
        let run = wasmtime::run(wasmtime, component, (self.data, DATA), none, words);
        let mut command = Command::new("nice");
        let mut process =
            Process::spawn(command.args(["-n", nice]).arg(run.get_program()).args(run.get_args()))?;
        let (mut memory, mut processor) = (0, 0.0);
        let status = loop {
            // There is none any more once it has ended.
            memory = process.status("VmHWM").unwrap_or(memory);
            processor = processor_time(process.id()).unwrap_or(processor);
            if let Some(status) = process.ended()? {
                break status;
            }
            thread::sleep(POLL);
        };
        let seconds = start.elapsed().as_secs_f64();
        let last = process.try_wait_for("\"over\":true").filter(|_| status.success());
        let last = last.with_context(|| format!("the command fails ({status}):\n{}", process.log()))?;
        Ok(Done { seconds, processor, memory: memory as f64 / 1024.0, last })
    }

    /// Collects again and again while something is done. Returns how often, and how many blobs were freed.
    fn meanwhile(&self, nice: &str, work: &mut dyn FnMut() -> Result<()>) -> Result<(usize, usize)> {
        let is_done = AtomicBool::new(false);
        thread::scope(|scope| {
            let collections = scope.spawn(|| -> Result<(usize, usize)> {
                let (mut runs, mut blobs) = (0, 0);
                while !is_done.load(Ordering::Relaxed) {
                    blobs += self.run_with_priority(nice, &["gc"])?.count("blobs")?;
                    runs += 1;
                }
                Ok((runs, blobs))
            });
            let worked = work();
            is_done.store(true, Ordering::Relaxed);
            let ran = collections.join().ok().context("the collections panicked")?;
            worked.and(ran)
        })
    }

    /// Stores what is not there of an image, with its tag.
    fn image(&self, number: usize) -> Result<()> {
        let blobs: Vec<Blob> = (0..BLOBS).map(|part| blob(number, part)).collect();
        let manifest = manifest(&blobs);
        let repository = repository(number);
        for blob in &blobs {
            self.put(&layout::content(blob), &blob.bytes)?;
            self.put(&layout::layer(&repository, blob), blob.digest.as_bytes())?;
        }
        self.put(&layout::content(&manifest), &manifest.bytes)?;
        let digest = manifest.digest.as_bytes();
        self.put(&layout::revision(&repository, &manifest), digest)?;
        self.put(&layout::tag(&repository, &tag(number)), digest)
    }

    /// Removes the link to an image's manifest, and its tag, as a DELETE does.
    fn unlink(&self, number: usize) -> Result<()> {
        let blobs: Vec<Blob> = (0..BLOBS).map(|part| blob(number, part)).collect();
        let repository = repository(number);
        let link = self.data.join(layout::revision(&repository, &manifest(&blobs)));
        fs::remove_dir_all(link.parent().context("a link is in a directory")?)?;
        // `current/link`, in the directory of the tag.
        let tag = self.data.join(layout::tag(&repository, &tag(number)));
        Ok(fs::remove_dir_all(tag.ancestors().nth(2).context("a tag has a directory")?)?)
    }

    /// Writes an old file, unless there is one.
    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        let path = self.data.join(key);
        if path.exists() {
            return Ok(());
        }
        fs::create_dir_all(path.parent().context("a file is in a directory")?)?;
        let mut file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        file.write_all(content)?;
        Ok(file.set_modified(SystemTime::now() - AGE)?)
    }
}

/// How long a process had a processor, in seconds, as Linux says it in hundredths.
fn processor_time(id: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is a name in parentheses; the 14th and 15th are the times of the program and of the system.
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u32>().ok());
    Some(fields.sum::<Option<u32>>()?.into()).map(|hundredths: f64| hundredths / 100.0)
}

fn absent(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn repository(number: usize) -> String {
    format!("collected/r{:05}", number / IMAGES)
}

fn tag(number: usize) -> String {
    format!("v{number}")
}

/// A part of an image, which no other image has.
fn blob(number: usize, part: usize) -> Blob {
    Blob::noise((number as u64).wrapping_mul(BLOBS as u64).wrapping_add(part as u64), SIZE)
}

fn manifest(blobs: &[Blob]) -> Blob {
    let mut listed = blobs.iter().map(|blob| {
        let (digest, size) = (&blob.digest, blob.bytes.len());
        format!(r#"{{"mediaType":"application/octet-stream","digest":"{digest}","size":{size}}}"#)
    });
    let config = listed.next().unwrap_or_default();
    let layers: Vec<String> = listed.collect();
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{}]}}"#,
        layers.join(",")
    );
    Blob::of(text.into_bytes())
}
