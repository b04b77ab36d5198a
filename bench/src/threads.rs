//! The cost and the benefit of more threads in wasmtime than there are cores.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use lighter_test_host::client::Connection;
use lighter_test_host::wasmtime::Serve;

use crate::HAMMER;
use crate::peer::{Lighter, Peer};
use crate::table::{Table, Unit};
use crate::work::{Blob, Image, Way, expect, hammer, pull, push, start_and_cancel};

/// Measures the work that depends on threads, in turn with the usual number and with one thread for each core.
pub(crate) fn threads(lighter: &Lighter, blob: &Blob, rounds: usize, scratch: &Path) -> Result<String> {
    let data = scratch.join("threads");
    let mut variants = [
        ("as served", Peer::lighter(lighter.clone())),
        ("a thread for each core", Peer::lighter(lighter.with(Serve::with_default_threads))),
    ];
    let stored = Peer::lighter(lighter.clone()).start(&data)?;
    push(&mut Connection::open(stored.address)?, "large", blob, Way::Put)?;
    drop(stored);
    let names = variants.each_ref().map(|(name, _)| (*name).to_owned());
    let mut table = Table::default();
    for _ in 0..rounds {
        for (name, peer) in &variants {
            let registry = peer.restart(&data)?;
            let image = Image::new(table.count() as u64 * 100);
            let pulled = pull(&mut Connection::open(registry.address)?, "large", blob, None)?;
            let row = format!("pull of {} MiB", blob.bytes.len() >> 20);
            table.add(&row, Unit::Seconds, name, pulled.as_secs_f64());
            let start = Instant::now();
            image.push(&registry, "image", &["v1".to_owned()])?;
            let pushed = start.elapsed().as_secs_f64();
            table.add("push of an image of 85 MiB, 4 connections", Unit::Seconds, name, pushed);
            let head = format!("/v2/large/blobs/{}", blob.digest);
            let rate = hammer(&registry, 8, HAMMER, |connection| {
                let answer = connection.send(connection.request("HEAD", &head))?;
                expect(answer, 200, "HEAD of a blob").map(drop)
            })?;
            table.add("HEAD of a blob, 8 at once", Unit::Rate, name, rate.per_second);
            let rate = hammer(&registry, 8, HAMMER, |connection| start_and_cancel(connection, "image"))?;
            table.add("start and cancel of an upload, 8 at once", Unit::Rate, name, rate.per_second);
        }
        variants.reverse();
    }
    Ok(format!("\n{}", table.markdown(&names, |_| true)))
}
