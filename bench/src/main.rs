//! Measures Lighter beside other registries: the same work on each, in turn, over several rounds, so that a slow
//! moment of the machine affects all of them.

mod access;
mod collection;
mod curve;
mod growth;
mod layout;
mod mirror;
mod objects;
mod peer;
mod start;
mod table;
mod threads;
mod version;
mod work;

use std::env;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lighter_test_host::client::Connection;

use peer::{Lighter, Peer, Running};
use table::{Table, Unit};
use work::{Blob, Image, Way, hammer, pull, push, start_and_cancel};

/// The number of tags of the repository that requests are sent to.
const TAGS: usize = 100;

const IMAGE_PUSH: &str = "push of an image of 85 MiB, 4 connections";
const IMAGE_PULL: &str = "pull of it, 4 connections";
const CROWD: &str = "memory at its peak, after 8 pushes and 64 pulls at once";

/// The rows that come first.
const SHORT: [&str; 12] = [
    "push of the large blob in one streamed PATCH",
    "push of the large blob in one PUT",
    "pull of the large blob",
    IMAGE_PUSH,
    IMAGE_PULL,
    "HEAD of a blob, 8 at once",
    "GET of a manifest by tag, 8 at once",
    "GET of a manifest by digest, 8 at once",
    "GET of 50 of 100 tags, 8 at once",
    "start and cancel of an upload, 8 at once",
    "memory at rest",
    CROWD,
];

/// How long each request is repeated.
const HAMMER: Duration = Duration::from_secs(1);

/// The size of chunks and ranges, in bytes.
const CHUNK: usize = 1 << 20;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// Registries, each on a directory.
    Registries,
    /// The registries that can be put over an object store, there.
    Objects,
    /// Mirrors of an upstream.
    Mirrors,
    /// Collections of garbage from this many blobs.
    Collections(usize),
}

/// How to measure it.
#[derive(Debug, PartialEq)]
struct Plan {
    /// The number of rounds.
    rounds: usize,
    /// The size of the large blob, in MiB.
    size: usize,
    /// Further registries, as `NAME=COMMAND`.
    peers: Vec<String>,
    /// A directory of a file system that is mounted with `-o sync`, for olareg, which does not sync itself.
    sync: Option<PathBuf>,
    /// Where the report is written.
    out: PathBuf,
    /// What is measured.
    what: What,
    /// How many MiB a second the upstream of mirrors sends on each connection.
    rate: Option<usize>,
}

impl Plan {
    /// Reads the arguments after the program's name; `cargo xtask help` describes them.
    fn parse(words: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut plan = Self {
            rounds: 5,
            size: 512,
            peers: Vec::new(),
            sync: None,
            out: target("bench"),
            what: What::Registries,
            rate: None,
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            let number = |value: String| {
                let number = value.parse().ok().map(NonZeroUsize::get);
                number.with_context(|| format!("{word} needs a number of at least 1, not `{value}`"))
            };
            match word.as_str() {
                "--rounds" => plan.rounds = number(value()?)?,
                "--size" => plan.size = number(value()?)?,
                "--peer" => plan.peers.push(value()?),
                "--sync" => plan.sync = Some(value()?.into()),
                "--collection" => plan.what = What::Collections(number(value()?)?),
                "--storage" => {
                    let storage = value()?;
                    ensure!(storage == "s3", "--storage is s3, not `{storage}`");
                    plan.what = What::Objects;
                }
                "--mirror" => plan.what = What::Mirrors,
                "--rate" => plan.rate = Some(number(value()?)?),
                "--out" => plan.out = value()?.into(),
                _ => bail!("unknown option `{word}`; `cargo xtask help` lists the options"),
            }
        }
        Ok(plan)
    }
}

fn main() -> ExitCode {
    let done = Plan::parse(env::args().skip(1)).and_then(|plan| bench(&Lighter::from_environment()?, &plan));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns a path in the workspace's `target/`.
fn target(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target").join(path)
}

/// Prints the next step.
fn say(what: &str) {
    eprintln!("bench: {what} ...");
}

/// Does all the work, prints the report and writes it with its pictures.
fn bench(lighter: &Lighter, plan: &Plan) -> Result<()> {
    let scratch = target("bench/scratch");
    let special = match plan.what {
        What::Registries => return registries(lighter, plan, &scratch),
        What::Collections(count) => collection::collect(lighter, count, plan.rounds, &scratch)?,
        What::Objects => objects::compare(lighter, plan.rounds, plan.size, &scratch)?,
        What::Mirrors => mirror::mirror(lighter, plan.size, plan.rate, plan.rounds, &scratch)?,
    };
    println!("\n{}\n{special}", machine(&lighter.component, plan, &[])?);
    say("removing what was stored");
    Ok(fs::remove_dir_all(&scratch)?)
}

/// Measures registries beside each other.
fn registries(lighter: &Lighter, plan: &Plan, scratch: &Path) -> Result<()> {
    let mut peers = vec![Peer::lighter(lighter.clone())];
    peers.extend(Peer::installed()?);
    for peer in &plan.peers {
        peers.push(Peer::parse(peer)?);
    }
    // What comes after the rounds is measured on one file system.
    let mut everyone = peers.clone();
    if let Some(directory) = &plan.sync {
        let olareg = peers.iter().find(|peer| peer.name.starts_with("olareg"));
        let olareg = olareg.context("--sync is for olareg, which is not on the PATH")?;
        everyone.push(olareg.in_place(format!("{}, synced", olareg.name), directory.clone()));
    }
    let names: Vec<String> = everyone.iter().map(|peer| peer.name.clone()).collect();
    println!("measuring {}, {} rounds; nothing else should run meanwhile", names.join(", "), plan.rounds);

    let mut table = Table::default();
    let mut blob = Blob::noise(1, plan.size << 20);
    for round in 0..plan.rounds {
        for turn in 0..everyone.len() {
            // The first registry of one round is the last of the next.
            let Some(peer) = everyone.get((turn + round) % everyone.len()) else { continue };
            say(&format!("round {} of {}: {}", round + 1, plan.rounds, peer.name));
            one_round(peer, &peer.data(scratch), &mut blob, round, &mut table)?;
        }
    }
    let (short, long) =
        (table.markdown(&names, |row| SHORT.contains(&row)), table.markdown(&names, |_| true));
    let mut report = format!("{}\n{short}\n{long}", machine(&lighter.component, plan, &everyone)?);
    say("starting repeatedly");
    report.push_str(&start::cold(lighter, &peers, plan.rounds, scratch)?);
    say("with access control");
    report.push_str(&access::control(lighter, plan.rounds, scratch)?);
    say("with a thread for each core");
    report.push_str(&threads::threads(lighter, &blob, plan.rounds, scratch)?);
    fs::create_dir_all(&plan.out).with_context(|| format!("cannot create {}", plan.out.display()))?;
    say("growing");
    report.push_str(&growth::grow(&peers, scratch, &plan.out)?);
    fs::remove_dir_all(scratch)?;
    let path = plan.out.join("report.md");
    fs::write(&path, &report).with_context(|| format!("cannot write {}", path.display()))?;
    println!("\n{report}\nwritten to {}", path.display());
    Ok(())
}

/// Measures one registry once.
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
    timed(IMAGE_PUSH, &|| image.push(&registry, "image", first))?;
    timed(IMAGE_PULL, &|| image.pull(&registry, "image", "v0"))?;
    image.push(&registry, "image", &tags)?;
    requests(&registry, name, &image, table)?;
    work::crowd(&registry, &image, "image")?;
    table.add(CROWD, Unit::Mebibytes, name, registry.memory()?.peak);
    drop(registry);
    fs::remove_dir_all(data).context("cannot remove what was stored")
}

fn large_blob(registry: &Running, name: &str, blob: &mut Blob, table: &mut Table) -> Result<()> {
    let mut connection = Connection::open(registry.address)?;
    for (how, way) in
        [("one streamed PATCH", Way::Patch), ("one PUT", Way::Put), ("chunks of 1 MiB", Way::Chunks(CHUNK))]
    {
        // A blob that the registry already has would be a different push.
        blob.change(table.count());
        let start = Instant::now();
        push(&mut connection, "large", blob, way)?;
        let took = start.elapsed().as_secs_f64();
        table.add(&format!("push of the large blob in {how}"), Unit::Seconds, name, took);
    }
    let whole = pull(&mut connection, "large", blob, None)?;
    table.add("pull of the large blob", Unit::Seconds, name, whole.as_secs_f64());
    let ranges = pull(&mut connection, "large", blob, Some(CHUNK))?;
    table.add("pull of the large blob by ranges of 1 MiB", Unit::Seconds, name, ranges.as_secs_f64());
    Ok(())
}

fn requests(registry: &Running, name: &str, image: &Image, table: &mut Table) -> Result<()> {
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
                let request = connection.request(method, target).header("Accept", work::MANIFEST);
                work::expect(connection.send(request)?, 200, what).map(drop)
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

/// Describes the machine, and what was measured.
fn machine(component: &Path, plan: &Plan, peers: &[Peer]) -> Result<String> {
    let about = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism()?;
    let size = fs::metadata(component)?.len();
    ensure!(size > 0, "{} is empty", component.display());
    let measured = peers.iter().map(|peer| format!("- {}: {}\n", peer.name, peer.about));
    Ok(format!(
        "{cores} cores of {model}; medians of {} rounds; the large blob has {} MiB; the component has {size} \
         bytes.\nThe last columns say how many times better Lighter is, as the median of the rounds' ratios.\n\n{}",
        plan.rounds,
        plan.size,
        measured.collect::<String>()
    ))
}

#[cfg(test)]
mod tests {
    use super::{Plan, What};

    fn parse(line: &str) -> Result<Plan, String> {
        Plan::parse(line.split_whitespace().map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_to_measure_can_be_said() {
        let plan =
            parse("--rounds 3 --size 8 --peer a=b --peer c=d --out /o --sync /s --collection 9").unwrap();
        assert_eq!((plan.rounds, plan.size, plan.peers.len(), plan.what), (3, 8, 2, What::Collections(9)));
        assert_eq!((plan.out.to_str(), plan.sync.as_deref()), (Some("/o"), Some("/s".as_ref())));
        let plan = parse("--mirror --rate 20").unwrap();
        assert_eq!((plan.what, plan.rate), (What::Mirrors, Some(20)));
        assert_eq!(parse("--storage s3").unwrap().what, What::Objects);
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (line, named) in
            [("--rounds 0", "`0`"), ("--size x", "`x`"), ("--fast", "`--fast`"), ("--out", "--out")]
        {
            assert!(parse(line).unwrap_err().contains(named), "{line}");
        }
    }
}
