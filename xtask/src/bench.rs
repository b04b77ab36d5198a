//! Measures Lighter beside what people would use instead: the same work on each, in turn, over
//! several rounds, so that a slow moment of the machine meets all of them.

mod access;
mod client;
mod curve;
mod growth;
pub(crate) mod peer;
mod start;
mod table;
mod threads;
mod work;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::step;
use crate::workspace;
use peer::{Peer, Running};
use table::{Table, Unit};
use work::{Blob, Image, Way, hammer, pull, push, start_and_cancel};

/// How many tags the repository has that requests are sent to.
const TAGS: usize = 100;

/// How long each request is sent over and over.
const HAMMER: Duration = Duration::from_secs(1);

/// Chunks and ranges, in bytes.
const CHUNK: usize = 1 << 20;

/// What to measure.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    /// How often everything is done.
    pub(crate) rounds: usize,
    /// The size of the large blob, in MiB.
    pub(crate) size: usize,
    /// Registries besides those that are known, as `NAME=COMMAND`.
    pub(crate) peers: Vec<String>,
    /// Where the report is written.
    pub(crate) out: PathBuf,
}

/// Does all the work, prints the report and writes it with its pictures.
pub(crate) fn bench(wasmtime: &Path, component: &Path, plan: &Plan) -> Result<()> {
    let mut peers = vec![Peer::lighter(wasmtime, component)];
    peers.extend(Peer::installed());
    for peer in &plan.peers {
        peers.push(Peer::parse(peer)?);
    }
    let names: Vec<String> = peers.iter().map(|peer| peer.name.clone()).collect();
    println!("measuring {}, {} rounds; nothing else should run meanwhile", names.join(", "), plan.rounds);
    let scratch = workspace("target/bench/scratch");

    let mut table = Table::default();
    let mut blob = Blob::noise(1, plan.size << 20);
    for round in 0..plan.rounds {
        for turn in 0..peers.len() {
            // Whoever is first in one round is last in the next.
            let Some(peer) = peers.get((turn + round) % peers.len()) else { continue };
            step(&format!("round {} of {}: {}", round + 1, plan.rounds, peer.name), || {
                one_round(peer, &scratch.join(&peer.name), &mut blob, round, &mut table)
            })?;
        }
    }
    let mut report = format!("{}\n{}", machine(component, plan)?, table.markdown(&names));
    step("starting over and over", || {
        report.push_str(&start::cold(wasmtime, component, &peers, plan.rounds, &scratch)?);
        Ok(())
    })?;
    step("with access control", || {
        report.push_str(&access::control(wasmtime, component, plan.rounds, &scratch)?);
        Ok(())
    })?;
    step("with a thread for each core", || {
        report.push_str(&threads::threads(
            &Peer::lighter(wasmtime, component),
            &blob,
            plan.rounds,
            &scratch,
        )?);
        Ok(())
    })?;
    fs::create_dir_all(&plan.out).with_context(|| format!("cannot create {}", plan.out.display()))?;
    step("growing", || {
        report.push_str(&growth::grow(&peers, &scratch, &plan.out)?);
        Ok(())
    })?;
    fs::remove_dir_all(&scratch)?;
    let path = plan.out.join("report.md");
    fs::write(&path, &report).with_context(|| format!("cannot write {}", path.display()))?;
    println!("\n{report}\nwritten to {}", path.display());
    Ok(())
}

/// Does everything once to one registry.
fn one_round(peer: &Peer, data: &Path, blob: &mut Blob, round: usize, table: &mut Table) -> Result<()> {
    let registry = peer.start(data)?;
    let name = peer.name.as_str();
    table.add("memory at rest", Unit::Mebibytes, name, registry.memory()?.now);
    large_blob(&registry, name, blob, table)?;
    let memory = registry.memory()?;
    table.add("memory at its peak, after large blobs", Unit::Mebibytes, name, memory.peak);
    table.add("memory of its own then, without the program", Unit::Mebibytes, name, memory.own);

    let image = Image::new(round as u64 * 100 + 7);
    let tags: Vec<String> = (0..TAGS).map(|number| format!("v{number}")).collect();
    let first = tags.get(..1).unwrap_or_default();
    let mut timed = |row: &str, work: &dyn Fn() -> Result<()>| -> Result<()> {
        let start = Instant::now();
        work()?;
        table.add(row, Unit::Seconds, name, start.elapsed().as_secs_f64());
        Ok(())
    };
    timed("push of an image of 85 MiB, 4 connections", &|| image.push(&registry, "image", first))?;
    timed("pull of it, 4 connections", &|| image.pull(&registry, "image", "v0"))?;
    image.push(&registry, "image", &tags)?;
    requests(&registry, name, &image, table)?;
    drop(registry);
    fs::remove_dir_all(data).context("cannot remove what was stored")
}

fn large_blob(registry: &Running, name: &str, blob: &mut Blob, table: &mut Table) -> Result<()> {
    let mut connection = client::Connection::open(registry.address)?;
    let mib = blob.bytes.len() >> 20;
    for (how, way) in
        [("one streamed PATCH", Way::Patch), ("one PUT", Way::Put), ("chunks of 1 MiB", Way::Chunks(CHUNK))]
    {
        // What is there already is another thing to push.
        blob.change(table.count());
        let start = Instant::now();
        push(&mut connection, "large", blob, way)?;
        let took = start.elapsed().as_secs_f64();
        table.add(&format!("push of {mib} MiB in {how}"), Unit::Seconds, name, took);
    }
    let whole = pull(&mut connection, "large", blob, None)?;
    table.add(&format!("pull of {mib} MiB"), Unit::Seconds, name, whole.as_secs_f64());
    let ranges = pull(&mut connection, "large", blob, Some(CHUNK))?;
    table.add(&format!("pull of {mib} MiB by ranges of 1 MiB"), Unit::Seconds, name, ranges.as_secs_f64());
    Ok(())
}

fn requests(registry: &Running, name: &str, image: &Image, table: &mut Table) -> Result<()> {
    let accept = format!("Accept: {}\r\n", work::MANIFEST);
    let by_digest = format!("/v2/image/manifests/{}", image.digest());
    let blob = format!("/v2/image/blobs/{}", image.small_blob()?);
    let asked = [
        ("HEAD of a blob", "HEAD", blob.as_str()),
        ("GET of a manifest by tag", "GET", "/v2/image/manifests/v50"),
        ("GET of a manifest by digest", "GET", by_digest.as_str()),
        ("GET of 50 of 100 tags", "GET", "/v2/image/tags/list?n=50"),
    ];
    for connections in [1, 8, 64] {
        for (what, method, target) in asked {
            let rate = hammer(registry, connections, HAMMER, |connection| {
                connection.ask(method, target, &accept)?.expect(200, what).map(drop)
            })?;
            add_rate(table, name, what, connections, &rate);
        }
        let rate = hammer(registry, connections, HAMMER, |connection| start_and_cancel(connection, "image"))?;
        add_rate(table, name, "start and cancel of an upload", connections, &rate);
    }
    Ok(())
}

fn add_rate(table: &mut Table, name: &str, what: &str, connections: usize, rate: &work::Rate) {
    let row = format!("{what}, {connections} at once");
    table.add(&row, Unit::Rate, name, rate.per_second);
    table.add(&format!("{row}: p50"), Unit::Milliseconds, name, rate.p50);
    table.add(&format!("{row}: p99"), Unit::Milliseconds, name, rate.p99);
}

/// Says where and on what this was measured.
fn machine(component: &Path, plan: &Plan) -> Result<String> {
    let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism()?;
    let size = fs::metadata(component)?.len();
    ensure!(size > 0, "{} is empty", component.display());
    Ok(format!(
        "{cores} cores of {model}; medians of {} rounds; the component has {size} bytes.\n\
         The last columns say how many times better Lighter is, as the median of the rounds' ratios.\n",
        plan.rounds
    ))
}
