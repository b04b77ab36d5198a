//! The registries over an object store: the store of the tests, in this process, which counts what it is asked.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lighter_s3_store::{Options, Server, Store};
use lighter_test_host::client::Connection;

use crate::HAMMER;
use crate::peer::{Lighter, Peer, Running};
use crate::table::{Table, Unit, median};
use crate::work::{self, Blob, Image, Way, expect, hammer, pull, push};

/// The number of tags of the repository that is asked for them.
const TAGS: usize = 100;

/// The size of a blob whose push is counted in requests, in bytes.
const COUNTED: usize = 16 << 20;

/// How often a pull is repeated. It takes some hundredths of a second, so its median counts.
const PULLS: usize = 5;

/// How far away the store is, for the requests that are measured over a distance.
const AWAY: Duration = Duration::from_millis(20);

/// How a pull gets the bytes.
const WAYS: [(&str, bool); 2] = [("by redirect", true), ("through the registry", false)];

/// Measures the registries that can be put over an object store, each over one of its own.
pub(crate) fn compare(lighter: &Lighter, rounds: usize, mib: usize, scratch: &Path) -> Result<String> {
    let component = lighter.component.with_file_name("lighter-s3.wasm");
    ensure!(component.is_file(), "{} is not there: run `cargo xtask build`", component.display());
    let lighter = Lighter { component, ..lighter.clone() };
    let mut table = Table::default();
    let mut blob = Blob::noise(1, mib << 20);
    // Each round starts them anew, over stores of their own. This is for what they are.
    let store = Store::new(options()).serve()?;
    let peers = Peer::over(&lighter, store.store.options(), &store.endpoint(), true)?;
    drop(store);
    let names: Vec<String> = peers.iter().map(|peer| peer.name.clone()).collect();
    let about: String = peers.iter().map(|peer| format!("- {}: {}\n", peer.name, peer.about)).collect();
    for round in 0..rounds {
        let (later, first) = names.split_at(round % names.len());
        for name in first.iter().chain(later) {
            crate::say(&format!("round {} of {rounds}: {name}", round + 1));
            one_round(&lighter, name, scratch, &mut blob, round, &mut table)?;
        }
    }
    Ok(format!("{about}\n{}", table.markdown(&names, |_| true)))
}

/// A store that also takes what other clients than Lighter send.
fn options() -> Options {
    Options { other_clients: true, ..Options::default() }
}

/// Measures one registry once, over an empty store.
fn one_round(
    lighter: &Lighter,
    name: &str,
    scratch: &Path,
    blob: &mut Blob,
    round: usize,
    table: &mut Table,
) -> Result<()> {
    let store = Store::new(options()).serve()?;
    let start = |redirects| -> Result<Running> {
        let peers = Peer::over(lighter, store.store.options(), &store.endpoint(), redirects)?;
        let peer = peers.iter().find(|peer| peer.name == name);
        peer.ok_or_else(|| anyhow::anyhow!("{name} is gone"))?.start(&scratch.join(name))
    };
    let image = Image::new(round as u64 * 100 + 7);
    for (way, redirects) in WAYS {
        let registry = start(redirects)?;
        let mut connection = Connection::open(registry.address)?;
        if redirects {
            for (how, way) in [("one streamed PATCH", Way::Patch), ("one PUT", Way::Put)] {
                blob.change(table.count());
                let start = Instant::now();
                push(&mut connection, "large", blob, way)?;
                let row = format!("push of the large blob in {how}");
                table.add(&row, Unit::Seconds, name, start.elapsed().as_secs_f64());
            }
            let start = Instant::now();
            image.push(&registry, "image", &["v0".to_owned()])?;
            table.add(crate::IMAGE_PUSH, Unit::Seconds, name, start.elapsed().as_secs_f64());
        }
        let (mut blobs, mut images) = (Vec::new(), Vec::new());
        for _ in 0..PULLS {
            blobs.push(pull(&mut connection, "large", blob, None)?.as_secs_f64());
            let start = Instant::now();
            image.pull(&registry, "image", "v0")?;
            images.push(start.elapsed().as_secs_f64());
        }
        for (row, times) in [
            (format!("pull of the large blob {way}"), blobs),
            (format!("pull of that image {way}, 4 connections"), images),
        ] {
            median(&times).into_iter().for_each(|time| table.add(&row, Unit::Seconds, name, time));
        }
        if !redirects {
            let tags: Vec<String> = (0..TAGS).map(|number| format!("v{number}")).collect();
            image.push(&registry, "image", &tags)?;
            requests(&registry, &store, name, &image, table)?;
        }
    }
    Ok(fs::remove_dir_all(scratch.join(name))?)
}

fn requests(registry: &Running, store: &Server, name: &str, image: &Image, table: &mut Table) -> Result<()> {
    let blob = format!("/v2/image/blobs/{}", image.small_blob()?);
    let asked = [
        ("HEAD of a blob", "HEAD", blob.as_str()),
        ("GET of a manifest by tag", "GET", "/v2/image/manifests/v50"),
        ("GET of 100 tags", "GET", "/v2/image/tags/list?n=100"),
    ];
    let ask = |connection: &mut Connection, (what, method, target): (&str, &str, &str)| {
        let request = connection.request(method, target).header("Accept", work::MANIFEST);
        work::expect(connection.send(request)?, 200, what).map(drop)
    };
    for asked in asked {
        let rate = hammer(registry, 8, HAMMER, |connection| ask(connection, asked))?;
        table.add(&format!("{}, 8 at once", asked.0), Unit::Rate, name, rate.per_second);
    }
    store.store.set_delay(AWAY);
    for asked in asked {
        let rate = hammer(registry, 1, HAMMER, |connection| ask(connection, asked))?;
        let row = format!("{}, with {} ms to the store", asked.0, AWAY.as_millis());
        table.add(&row, Unit::Milliseconds, name, rate.p50);
    }
    store.store.set_delay(Duration::ZERO);
    let mut connection = Connection::open(registry.address)?;
    let mut counted = |what: &str, work: &mut dyn FnMut(&mut Connection) -> Result<()>| -> Result<()> {
        store.store.take_log();
        work(&mut connection)?;
        let count = store.store.take_log().len();
        table.add(&format!("requests to the store: {what}"), Unit::Count, name, count as f64);
        Ok(())
    };
    for asked in asked {
        counted(asked.0, &mut |connection| ask(connection, asked))?;
    }
    for (what, way) in [("push of 16 MiB in one PATCH", Way::Patch), ("push of 16 MiB in one PUT", Way::Put)]
    {
        let seed = if way == Way::Put { 11 } else { 12 };
        let blob = Blob::noise(seed, COUNTED);
        counted(what, &mut |connection| push(connection, "counted", &blob, way))?;
    }
    counted("start and cancel of an upload", &mut |connection| work::start_and_cancel(connection, "image"))?;
    counted("PUT of a manifest by a new tag", &mut |connection| {
        expect(connection.send(image.put(connection, "image", "another"))?, 201, "PUT of a manifest")
            .map(drop)
    })
}
