//! The mirror beside distribution's: one upstream, which all of them pull a large layer from that they do not have yet.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lighter_test_host::client::Connection;

use crate::layout;
use crate::peer::{Lighter, Peer, Running};
use crate::table::{Table, Unit};
use crate::work::{Blob, MANIFEST, Way, expect, pull, push};

/// The image at the upstream.
const NAME: &str = "library/image";

/// How long a mirror may take until it has stored what it has passed on.
const STORED: Duration = Duration::from_secs(600);

/// How much a throttled upstream sends at once, in bytes.
const PIECE: u64 = 64 * 1024;

/// Measures cold and warm pulls of a layer of so many MiB through each mirror, in turn. An upstream that is throttled sends so
/// many MiB a second on each connection. Returns the table.
pub(crate) fn mirror(
    lighter: &Lighter,
    mib: usize,
    rate: Option<usize>,
    rounds: usize,
    scratch: &Path,
) -> Result<String> {
    let upstream = Peer::lighter(lighter.clone()).start(&scratch.join("upstream"))?;
    let (config, layer) = (Blob::of(b"{}".to_vec()), Blob::noise(11, mib << 20));
    let mut connection = Connection::open(upstream.address)?;
    push(&mut connection, NAME, &config, Way::Put)?;
    push(&mut connection, NAME, &layer, Way::Put)?;
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{}}}]}}"#,
        config.digest,
        layer.digest,
        layer.bytes.len()
    );
    let put = connection.request("PUT", &format!("/v2/{NAME}/manifests/v1"));
    expect(connection.send(put.header("Content-Type", MANIFEST).borrowed(manifest.as_bytes()))?, 201, "PUT")?;
    let address = rate.map_or(Ok(upstream.address), |mib| throttle(upstream.address, mib as u64))?;

    let peers = Peer::mirrors(lighter, &format!("http://{address}"))?;
    let names: Vec<String> = peers.iter().map(|peer| peer.name.clone()).collect();
    let about: String = peers.iter().map(|peer| format!("- {}: {}\n", peer.name, peer.about)).collect();
    let mut table = Table::default();
    for round in 0..rounds {
        for turn in 0..peers.len() {
            let Some(peer) = peers.get((turn + round) % peers.len()) else { continue };
            crate::say(&format!("round {} of {rounds}: {} as a mirror", round + 1, peer.name));
            let data = scratch.join(peer.name.replace(' ', "-"));
            one_round(peer, &data, [&config, &layer], mib, &mut table)?;
            fs::remove_dir_all(&data).context("cannot remove what was stored")?;
        }
    }
    let speed =
        rate.map_or_else(|| "not throttled".to_owned(), |mib| format!("{mib} MiB/s for each connection"));
    Ok(format!("{about}\nThe upstream is Lighter, {speed}.\n\n{}", table.markdown(&names, |_| true)))
}

/// Pulls once cold and once warm.
fn one_round(peer: &Peer, data: &Path, blobs: [&Blob; 2], mib: usize, table: &mut Table) -> Result<()> {
    let mirror = peer.start(data)?;
    let name = peer.name.as_str();
    for (how, warm_up) in [("cold", false), ("warm", true)] {
        let (first, took) = pull_image(&mirror, blobs)?;
        table.add(&format!("first byte of a layer of {mib} MiB, {how}"), Unit::Milliseconds, name, first);
        table.add(&format!("pull of it, {how}"), Unit::Seconds, name, took);
        let memory = mirror.memory()?;
        table.add(&format!("memory at its peak, after the {how} pull"), Unit::Mebibytes, name, memory.peak);
        table.add(&format!("memory of its own then, {how}"), Unit::Mebibytes, name, memory.own);
        if !warm_up {
            let stored = took + stored(data, blobs)?;
            table.add("cold pull until it is stored", Unit::Seconds, name, stored);
        }
    }
    // Once more, to see that it is right.
    let [_, layer] = blobs;
    pull(&mut Connection::open(mirror.address)?, NAME, layer, None).map(drop)
}

/// Pulls the image. Returns the milliseconds until the first byte of the layer, and the seconds that all of it takes.
fn pull_image(mirror: &Running, [config, layer]: [&Blob; 2]) -> Result<(f64, f64)> {
    let start = Instant::now();
    let mut connection = Connection::open(mirror.address)?;
    let get = connection.request("GET", &format!("/v2/{NAME}/manifests/v1")).header("Accept", MANIFEST);
    expect(connection.send(get)?, 200, "GET of a manifest")?;
    let mut asked = start;
    let mut first = None;
    for blob in [config, layer] {
        let mut sink = Sink::default();
        asked = Instant::now();
        let get = connection.request("GET", &format!("/v2/{NAME}/blobs/{}", blob.digest));
        expect(connection.send_into(get, &mut sink)?, 200, "GET of a blob")?;
        ensure!(sink.length == blob.bytes.len(), "a blob came back short");
        first = sink.first;
    }
    let first = first.context("the layer has no bytes")?.duration_since(asked);
    Ok((first.as_secs_f64() * 1000.0, start.elapsed().as_secs_f64()))
}

/// Waits until blobs are stored, and returns how many seconds that took.
fn stored(data: &Path, blobs: [&Blob; 2]) -> Result<f64> {
    let start = Instant::now();
    let is_stored = |blob: &&Blob| {
        let file = fs::metadata(data.join(layout::content(blob)));
        file.is_ok_and(|file| file.len() == blob.bytes.len() as u64)
    };
    while !blobs.iter().all(is_stored) {
        ensure!(start.elapsed() < STORED, "the mirror does not store the blob");
        thread::sleep(Duration::from_millis(2));
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Notes when the first byte comes, and counts.
#[derive(Default)]
struct Sink {
    first: Option<Instant>,
    length: usize,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.first.get_or_insert_with(Instant::now);
        self.length += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Listens in front of a server, and lets so many MiB a second pass from it on each connection.
fn throttle(server: SocketAddr, mib: u64) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // A connection that breaks off ends both of its threads.
            let Ok(upstream) = TcpStream::connect(server) else { continue };
            let (Ok(mut from), Ok(mut to)) = (client.try_clone(), upstream.try_clone()) else { continue };
            thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                to.shutdown(std::net::Shutdown::Write)
            });
            thread::spawn(move || pass(upstream, &client, mib << 20));
        }
    });
    Ok(address)
}

fn pass(mut from: TcpStream, mut to: &TcpStream, per_second: u64) -> io::Result<()> {
    let (start, mut passed) = (Instant::now(), 0_u64);
    loop {
        let count = io::copy(&mut (&mut from).take(PIECE), &mut to)?;
        if count == 0 {
            return to.shutdown(std::net::Shutdown::Both);
        }
        passed += count;
        let due = Duration::from_secs_f64(passed as f64 / per_second as f64);
        thread::sleep(due.saturating_sub(start.elapsed()));
    }
}
