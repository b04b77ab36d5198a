//! The cost of requests as the number of tags, repositories and referrers and the sizes grow.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lighter_test_host::client::Connection;
use sha2::{Digest, Sha256};

use crate::curve::Picture;
use crate::layout;
use crate::peer::Peer;
use crate::work::{Blob, MANIFEST, Repeated, Way, expect, hammer, hex, push, push_streamed};

/// The numbers of tags and of repositories.
const COUNTS: [usize; 3] = [10, 1_000, 100_000];

/// The numbers of referrers. They are smaller because each referrer is a manifest of its own.
const REFERRERS: [usize; 3] = [10, 1_000, 10_000];

/// The numbers of PATCHes that a blob is pushed in.
const PATCHES: [usize; 4] = [1, 10, 100, 1_000];

/// The size of the blob that is pushed in several PATCHes, in bytes.
const PATCHED: usize = 64 << 20;

/// The sizes of a blob, in MiB.
const SIZES: [usize; 5] = [1, 16, 256, 1_024, 4_096];

/// How often each blob is pushed. The least time and the most memory count.
const ATTEMPTS: usize = 3;

/// How long a request is repeated.
const HAMMER: Duration = Duration::from_millis(500);

/// A directory that was filled is asked for after this long: one that has just changed is no example of what a registry has.
const SETTLED: Duration = Duration::from_secs(4);

/// The curves of a picture, one for each registry.
type Curves = Vec<(String, Vec<(f64, f64)>)>;

/// Measures each curve, writes the pictures, and returns the text that shows them.
pub(crate) fn grow(peers: &[Peer], scratch: &Path, out: &Path) -> Result<String> {
    let compatible: Vec<&Peer> = peers.iter().filter(|peer| peer.is_compatible).collect();
    let lighter: Vec<&Peer> = peers.iter().take(1).collect();
    let everyone: Vec<&Peer> = peers.iter().collect();
    let data = scratch.join("growth");
    let filled = many_files(scratch);
    let asked = |peers: &[&Peer], counts: &[usize], fill: Fill, target: &str| {
        counts.iter().try_fold(empty(peers), |curves, count| {
            fill(&filled, *count)?;
            thread::sleep(SETTLED);
            answer(peers, &filled, *count, &target.replace("{middle}", &name(count / 2)), curves)
        })
    };
    let (time, memory) = sizes(&everyone, &data)?;
    let pictures = [
        (
            "tags",
            "GET of a manifest by tag",
            "tags",
            "ms, p50",
            asked(&compatible, &COUNTS, tags, "/v2/grown/manifests/{middle}")?,
        ),
        (
            "tags-page",
            "GET of 100 tags, from the middle",
            "tags",
            "ms, p50",
            asked(&compatible, &COUNTS, tags, "/v2/grown/tags/list?n=100&last={middle}")?,
        ),
        (
            "catalog",
            "GET of 100 repositories, from the middle",
            "repositories",
            "ms, p50",
            asked(&compatible, &COUNTS, repositories, "/v2/_catalog?n=100&last=grown/{middle}")?,
        ),
        (
            "referrers",
            "GET of 100 referrers",
            "referrers of one manifest",
            "ms, p50",
            asked(&lighter, &REFERRERS, referrers, &format!("/v2/grown/referrers/{}?n=100", subject()))?,
        ),
        ("patches", "push of 64 MiB in more and more PATCHes", "PATCHes", "s", patches(&everyone, &data)?),
        ("sizes", "push of a blob in one PATCH, for each MiB, the best of 3", "MiB", "ms for each MiB", time),
        ("memory", "the most memory held while a blob is pushed", "MiB", "MiB", memory),
    ];
    let mut text = String::new();
    for (file, title, across, up, curves) in pictures {
        let picture = Picture { title, across, up, curves };
        let path = out.join(format!("{file}.svg"));
        fs::write(&path, picture.svg()).with_context(|| format!("cannot write {}", path.display()))?;
        text.push_str(&format!("\n![{title}]({file}.svg)\n"));
        for (registry, points) in &picture.curves {
            let figures: Vec<String> = points.iter().map(|(x, y)| format!("{x}: {y:.2}")).collect();
            text.push_str(&format!("\n{title}, {up}, {registry}: {}.\n", figures.join(", ")));
        }
    }
    fs::remove_dir_all(&filled)?;
    fs::remove_dir_all(&data)?;
    Ok(text)
}

/// The directory for hundreds of thousands of files: in memory if possible, because some disks take a millisecond to
/// remove a file.
fn many_files(scratch: &Path) -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.join(format!("lighter-bench-{}", process::id()))
    } else {
        scratch.join("filled")
    }
}

/// A function that fills a directory in distribution's layout with a number of items.
type Fill = fn(&Path, usize) -> Result<()>;

fn empty(peers: &[&Peer]) -> Curves {
    peers.iter().map(|peer| (peer.name.clone(), Vec::new())).collect()
}

/// Adds the time of an answer to each registry's curve.
fn answer(peers: &[&Peer], data: &Path, count: usize, target: &str, mut curves: Curves) -> Result<Curves> {
    for (peer, (_, points)) in peers.iter().zip(&mut curves) {
        let registry = peer.restart(data)?;
        let rate = hammer(&registry, 1, HAMMER, |connection| {
            let request = connection.request("GET", target).header("Accept", MANIFEST);
            expect(connection.send(request)?, 200, target).map(drop)
        })?;
        points.push((count as f64, rate.p50));
    }
    Ok(curves)
}

/// Measures the time of a push in more and more PATCHes.
fn patches(peers: &[&Peer], data: &Path) -> Result<Curves> {
    let mut curves = empty(peers);
    let mut blob = Blob::noise(2, PATCHED);
    for count in PATCHES {
        for (peer, (_, points)) in peers.iter().zip(&mut curves) {
            let registry = peer.start(data)?;
            blob.change(count);
            let start = Instant::now();
            push(&mut Connection::open(registry.address)?, "a", &blob, Way::Chunks(PATCHED.div_ceil(count)))?;
            points.push((count as f64, start.elapsed().as_secs_f64()));
        }
    }
    Ok(curves)
}

/// Measures the least time of a push for each MiB, and the most memory that the registry has held.
fn sizes(peers: &[&Peer], data: &Path) -> Result<(Curves, Curves)> {
    let (mut times, mut memory) = (empty(peers), empty(peers));
    let block = Blob::noise(3, 1 << 20);
    for size in SIZES {
        let mut hash = Sha256::new();
        (0..size).for_each(|_| hash.update(&block.bytes));
        let digest = format!("sha256:{}", hex(&hash.finalize()));
        let mut least = vec![f64::INFINITY; peers.len()];
        let mut most = vec![0.0; peers.len()];
        for _ in 0..ATTEMPTS {
            for ((peer, least), most) in peers.iter().zip(&mut least).zip(&mut most) {
                let registry = peer.start(data)?;
                let start = Instant::now();
                let content = Repeated::new(&block.bytes, size);
                push_streamed(&mut Connection::open(registry.address)?, "a", content, &digest)?;
                *least = start.elapsed().as_secs_f64().min(*least);
                *most = registry.memory()?.peak.max(*most);
            }
        }
        times.iter_mut().zip(least).for_each(|((_, times), least)| {
            times.push((size as f64, least * 1000.0 / size as f64));
        });
        memory.iter_mut().zip(most).for_each(|((_, memory), most)| memory.push((size as f64, most)));
    }
    Ok((times, memory))
}

fn name(number: usize) -> String {
    format!("n{number:06}")
}

/// Makes a repository with this many tags of one image.
fn tags(data: &Path, count: usize) -> Result<()> {
    let image = fresh(data)?;
    link_manifest(data, "grown", &image)?;
    (0..count).try_for_each(|number| link_tag(data, "grown", &name(number), &image))
}

/// Makes this many repositories with one image.
fn repositories(data: &Path, count: usize) -> Result<()> {
    let image = fresh(data)?;
    (0..count).try_for_each(|number| {
        let repository = format!("grown/{}", name(number));
        link_manifest(data, &repository, &image)?;
        link_tag(data, &repository, "latest", &image)
    })
}

/// Makes this many referrers of one manifest.
fn referrers(data: &Path, count: usize) -> Result<()> {
    fresh(data)?;
    let config = Blob::of(b"{}".to_vec()).digest;
    (0..count).try_for_each(|number| {
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","artifactType":"application/vnd.example","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{config}","size":2}},"layers":[],"subject":{{"mediaType":"{MANIFEST}","digest":"{}","size":2}},"annotations":{{"number":"{number}"}}}}"#,
            subject()
        );
        let manifest = Blob::of(manifest.into_bytes());
        store(data, &manifest)?;
        link_manifest(data, "grown", &manifest)
    })
}

fn subject() -> String {
    Blob::of(b"the subject".to_vec()).digest
}

/// Empties the directory except for an image's content, and returns its manifest.
fn fresh(data: &Path) -> Result<Blob> {
    if data.exists() {
        fs::remove_dir_all(data)?;
    }
    let config = Blob::of(b"{}".to_vec());
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":2}},"layers":[]}}"#,
        config.digest
    );
    let manifest = Blob::of(manifest.into_bytes());
    store(data, &config)?;
    store(data, &manifest)?;
    Ok(manifest)
}

fn store(data: &Path, blob: &Blob) -> Result<()> {
    write(&data.join(layout::content(blob)), &blob.bytes)
}

fn link_manifest(data: &Path, repository: &str, manifest: &Blob) -> Result<()> {
    write(&data.join(layout::revision(repository, manifest)), manifest.digest.as_bytes())
}

fn link_tag(data: &Path, repository: &str, tag: &str, manifest: &Blob) -> Result<()> {
    write(&data.join(layout::tag(repository, tag)), manifest.digest.as_bytes())
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
