//! The work that is measured, as clients do it.

use std::io::{self, Read, Write};
use std::mem;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use lighter_test_host::client::{Connection, Request, Response};
use sha2::{Digest, Sha256};

use crate::peer::Running;

/// The number of connections of a client that pulls or pushes an image.
const PARALLEL: usize = 4;

/// The sizes of an image's layers, in KiB: a base, installed packages, and small files.
const LAYERS: [usize; 9] = [40 << 10, 24 << 10, 12 << 10, 6 << 10, 2 << 10, 512, 64, 8, 1];

/// Bytes with their digest.
#[derive(Default)]
pub(crate) struct Blob {
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// Their digest.
    pub(crate) digest: String,
}

impl Blob {
    /// Makes incompressible bytes, different for each seed.
    pub(crate) fn noise(seed: u64, length: usize) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            // xorshift64*
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
        bytes.truncate(length);
        Self::of(bytes)
    }

    /// Makes a blob of these bytes.
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let digest = format!("sha256:{}", hex(&Sha256::digest(&bytes)));
        Self { bytes, digest }
    }

    /// Changes the bytes, so that no registry has seen them. The length stays.
    pub(crate) fn change(&mut self, seed: usize) {
        for (byte, new) in self.bytes.iter_mut().zip(seed.to_le_bytes()) {
            *byte = new;
        }
        *self = Self::of(mem::take(&mut self.bytes));
    }
}

/// Writes bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a blob is pushed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// In one streamed PATCH, as docker does.
    Patch,
    /// In the closing PUT, as containerd does.
    Put,
    /// In chunks of this many bytes.
    Chunks(usize),
}

/// Fails unless an answer has this status.
pub(crate) fn expect(answer: Response, code: u16, what: &str) -> Result<Response> {
    ensure!(answer.code() == code, "{what} is answered {}, not {code}", answer.status());
    Ok(answer)
}

/// Pushes a blob.
pub(crate) fn push(to: &mut Connection, name: &str, blob: &Blob, way: Way) -> Result<()> {
    match way {
        Way::Patch => push_streamed(to, name, blob.bytes.as_slice(), &blob.digest),
        Way::Put => {
            let location = start(to, name)?;
            complete(to, &location, &blob.digest, |request| request.borrowed(&blob.bytes))
        }
        Way::Chunks(size) => {
            let mut location = start(to, name)?;
            for (number, chunk) in blob.bytes.chunks(size).enumerate() {
                let first = number * size;
                let range = format!("{first}-{}", first + chunk.len() - 1);
                location =
                    append(to, &location, |request| request.header("Content-Range", &range).borrowed(chunk))?;
            }
            complete(to, &location, &blob.digest, |request| request)
        }
    }
}

/// Pushes a blob in one streamed PATCH.
pub(crate) fn push_streamed(
    to: &mut Connection,
    name: &str,
    content: impl Read + Send,
    digest: &str,
) -> Result<()> {
    let location = start(to, name)?;
    let location = append(to, &location, |request| request.chunked(content))?;
    complete(to, &location, digest, |request| request)
}

/// Starts an upload and cancels it.
pub(crate) fn start_and_cancel(to: &mut Connection, name: &str) -> Result<()> {
    let location = start(to, name)?;
    expect(to.send(to.request("DELETE", &location))?, 204, "DELETE").map(drop)
}

/// Starts an upload, and returns its location.
fn start(to: &mut Connection, name: &str) -> Result<String> {
    let request = to.request("POST", &format!("/v2/{name}/blobs/uploads/"));
    location(&expect(to.send(request)?, 202, "POST")?)
}

/// Sends a part of an upload, and returns its next location.
fn append<'a>(
    to: &mut Connection,
    target: &str,
    with: impl FnOnce(Request<'a>) -> Request<'a>,
) -> Result<String> {
    let request = with(to.request("PATCH", target).header("Content-Type", OCTETS));
    location(&expect(to.send(request)?, 202, "PATCH")?)
}

/// Completes an upload with the rest of its bytes.
fn complete<'a>(
    to: &mut Connection,
    location: &str,
    digest: &str,
    with: impl FnOnce(Request<'a>) -> Request<'a>,
) -> Result<()> {
    let separator = if location.contains('?') { '&' } else { '?' };
    let target = format!("{location}{separator}digest={digest}");
    let request = with(to.request("PUT", &target).header("Content-Type", OCTETS));
    expect(to.send(request)?, 201, "PUT").map(drop)
}

/// The media type of a blob's bytes.
const OCTETS: &str = "application/octet-stream";

/// Returns the target of the `Location`, which may be absolute.
fn location(answer: &Response) -> Result<String> {
    let location = answer.find("location").context("the answer has no Location")?;
    match location.split_once("://") {
        Some((_, rest)) => Ok(format!("/{}", rest.split_once('/').map_or("", |(_, path)| path))),
        None => Ok(location.to_owned()),
    }
}

/// A reader that repeats the same bytes.
pub(crate) struct Repeated<'a> {
    bytes: &'a [u8],
    left: &'a [u8],
    times: usize,
}

impl<'a> Repeated<'a> {
    /// Repeats the bytes this many times.
    pub(crate) fn new(bytes: &'a [u8], times: usize) -> Self {
        Self { bytes, left: &[], times }
    }
}

impl Read for Repeated<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() && self.times > 0 {
            (self.left, self.times) = (self.bytes, self.times - 1);
        }
        self.left.read(buffer)
    }
}

/// A sink that hashes an answer's body. It also measures the time for that, which is not the registry's.
#[derive(Default)]
struct Hashed {
    hash: Sha256,
    spent: Duration,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let start = Instant::now();
        self.hash.update(bytes);
        self.spent += start.elapsed();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Pulls a blob, in one piece or by ranges of this many bytes, and checks its digest.
pub(crate) fn pull(from: &mut Connection, name: &str, blob: &Blob, range: Option<usize>) -> Result<Duration> {
    let target = format!("/v2/{name}/blobs/{}", blob.digest);
    let mut hashed = Hashed::default();
    let start = Instant::now();
    match range {
        None => hashed = fetch(from, &target)?,
        Some(size) => {
            for first in (0..blob.bytes.len()).step_by(size) {
                let range = format!("bytes={first}-{}", first + size - 1);
                let request = from.request("GET", &target).header("Range", &range);
                expect(from.send_into(request, &mut hashed)?, 206, "GET of a range")?;
            }
        }
    }
    let took = start.elapsed();
    ensure!(format!("sha256:{}", hex(&hashed.hash.finalize())) == blob.digest, "another blob came back");
    Ok(took - hashed.spent)
}

/// Gets a blob, from where the registry redirects to if it does.
fn fetch<S: Write + Default>(from: &mut Connection, target: &str) -> Result<S> {
    const MOVED: u16 = 307;
    let mut sink = S::default();
    let answer = from.send_into(from.request("GET", target), &mut sink)?;
    if answer.code() != MOVED {
        return expect(answer, 200, "GET of a blob").map(|_| sink);
    }
    let url = answer.find("location").context("the redirect has no Location")?;
    let (host, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .with_context(|| format!("{url} is no URL of a store"))?;
    let mut store = Connection::open(host.parse()?)?;
    let (mut sink, request) = (S::default(), store.request("GET", &format!("/{path}")));
    expect(store.send_into(request, &mut sink)?, 200, "GET from the store").map(|_| sink)
}

/// Counts bytes.
#[derive(Default)]
struct Length(u64);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An image: its layers and config, and the manifest that names them.
pub(crate) struct Image {
    blobs: Vec<Blob>,
    manifest: Blob,
}

impl Image {
    /// Makes an image, different for each seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut layers: Vec<Blob> =
            LAYERS.iter().zip(seed..).map(|(kib, seed)| Blob::noise(seed, kib << 10)).collect();
        let describe = |blob: &Blob, kind: &str| {
            let (digest, size) = (&blob.digest, blob.bytes.len());
            format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#)
        };
        let config =
            Blob::of(format!(r#"{{"architecture":"amd64","os":"linux","seed":{seed}}}"#).into_bytes());
        let listed: Vec<String> = layers.iter().map(|layer| describe(layer, "layer.v1.tar")).collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}]}}"#,
            describe(&config, "config.v1+json"),
            listed.join(",")
        );
        layers.push(config);
        Self { blobs: layers, manifest: Blob::of(manifest.into_bytes()) }
    }

    /// The manifest's digest.
    pub(crate) fn digest(&self) -> &str {
        &self.manifest.digest
    }

    /// The digest of the smallest layer.
    pub(crate) fn small_blob(&self) -> Result<&str> {
        let smallest = self.blobs.iter().min_by_key(|blob| blob.bytes.len());
        smallest.map(|blob| blob.digest.as_str()).context("an image has layers")
    }

    /// Pushes the image as docker does, with a few connections, and then its tags.
    pub(crate) fn push(&self, to: &Running, name: &str, tags: &[String]) -> Result<()> {
        self.each_blob(to, |connection, blob| {
            let head = connection.request("HEAD", &format!("/v2/{name}/blobs/{}", blob.digest));
            if connection.send(head)?.code() == 404 {
                push(connection, name, blob, Way::Patch)
            } else {
                Ok(())
            }
        })?;
        let mut connection = Connection::open(to.address)?;
        for tag in tags {
            let put = self.put(&connection, name, tag);
            expect(connection.send(put)?, 201, "PUT of a manifest")?;
        }
        Ok(())
    }

    /// The request that stores the manifest by a tag.
    pub(crate) fn put<'a>(&'a self, to: &Connection, name: &str, tag: &str) -> Request<'a> {
        let put = to.request("PUT", &format!("/v2/{name}/manifests/{tag}"));
        put.header("Content-Type", MANIFEST).borrowed(&self.manifest.bytes)
    }

    /// Pulls the image by a tag, with a few connections.
    pub(crate) fn pull(&self, from: &Running, name: &str, tag: &str) -> Result<()> {
        let mut connection = Connection::open(from.address)?;
        let get = connection.request("GET", &format!("/v2/{name}/manifests/{tag}"));
        expect(connection.send(get.header("Accept", MANIFEST))?, 200, "GET of a manifest")?;
        self.each_blob(from, |connection, blob| {
            let Length(length) = fetch(connection, &format!("/v2/{name}/blobs/{}", blob.digest))?;
            ensure!(length == blob.bytes.len() as u64, "a layer came back short");
            Ok(())
        })
    }

    /// Pulls the layers one after another over one connection.
    fn pull_layers(&self, from: &Running, name: &str) -> Result<()> {
        let mut connection = Connection::open(from.address)?;
        self.blobs.iter().try_for_each(|blob| {
            let Length(length) = fetch(&mut connection, &format!("/v2/{name}/blobs/{}", blob.digest))?;
            ensure!(length == blob.bytes.len() as u64, "a layer came back short");
            Ok(())
        })
    }

    fn each_blob(
        &self,
        registry: &Running,
        work: impl Fn(&mut Connection, &Blob) -> Result<()> + Sync,
    ) -> Result<()> {
        let one_of = |part: usize| -> Result<()> {
            let mut connection = Connection::open(registry.address)?;
            self.blobs.iter().skip(part).step_by(PARALLEL).try_for_each(|blob| work(&mut connection, blob))
        };
        thread::scope(|scope| {
            let parts: Vec<_> = (0..PARALLEL).map(|part| scope.spawn(move || one_of(part))).collect();
            parts.into_iter().try_for_each(|part| part.join().unwrap_or_else(|_| Ok(())))
        })
    }
}

/// Pushes 8 blobs of 16 MiB and pulls an image 64 times, all at once.
pub(crate) fn crowd(registry: &Running, image: &Image, name: &str) -> Result<()> {
    let push_one = |seed: u64| {
        let blob = Blob::noise(seed, 16 << 20);
        push(&mut Connection::open(registry.address)?, "crowd", &blob, Way::Patch)
    };
    thread::scope(|scope| {
        let pushes: Vec<_> = (0..8).map(|seed| scope.spawn(move || push_one(1_000 + seed))).collect();
        let pulls: Vec<_> = (0..64).map(|_| scope.spawn(|| image.pull_layers(registry, name))).collect();
        pushes
            .into_iter()
            .chain(pulls)
            .try_for_each(|one| one.join().map_err(|_| anyhow!("a client has panicked"))?)
    })
}

/// The media type of an image's manifest.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The speed of answers.
pub(crate) struct Rate {
    /// Requests per second.
    pub(crate) per_second: f64,
    /// The median time, in milliseconds.
    pub(crate) p50: f64,
    /// The 99th percentile of the time, in milliseconds.
    pub(crate) p99: f64,
}

/// Repeats a request for some time, over this many connections at once.
pub(crate) fn hammer(
    registry: &Running,
    connections: usize,
    time: Duration,
    request: impl Fn(&mut Connection) -> Result<()> + Sync,
) -> Result<Rate> {
    let ready = Barrier::new(connections);
    let run = || -> Result<Vec<Duration>> {
        let mut connection = Connection::open(registry.address)?;
        request(&mut connection)?;
        ready.wait();
        let start = Instant::now();
        let mut times = Vec::new();
        while start.elapsed() < time {
            let before = Instant::now();
            request(&mut connection)?;
            times.push(before.elapsed());
        }
        Ok(times)
    };
    let mut times = thread::scope(|scope| {
        let runs: Vec<_> = (0..connections).map(|_| scope.spawn(run)).collect();
        let runs = runs.into_iter().map(|run| run.join().unwrap_or_else(|_| Ok(Vec::new())));
        runs.collect::<Result<Vec<_>>>().map(|runs| runs.concat())
    })?;
    times.sort_unstable();
    let at = |part: usize| {
        let time = times.get((times.len() * part / 100).min(times.len().saturating_sub(1)));
        time.map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    Ok(Rate { per_second: times.len() as f64 / time.as_secs_f64(), p50: at(50), p99: at(99) })
}
