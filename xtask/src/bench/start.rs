//! From the start of the process to the first answer.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use super::client::Connection;
use super::peer::Peer;
use super::table::{Table, Unit};
use crate::process::run;

/// Starts each registry so many times; Lighter from its file with nothing cached, with wasmtime's cache,
/// and compiled before.
pub(crate) fn cold(
    wasmtime: &Path,
    component: &Path,
    peers: &[Peer],
    rounds: usize,
    scratch: &Path,
) -> Result<String> {
    fs::create_dir_all(scratch)?;
    let compiled = scratch.join("lighter.cwasm");
    run(Command::new(wasmtime).arg("compile").arg(component).arg("-o").arg(&compiled))?;
    let lighter = peers.first().map(|peer| peer.name.clone()).unwrap_or_default();
    let variants = [
        (
            Peer::lighter(wasmtime, component).with_flags("-Ccache=n"),
            "first answer after a start, nothing cached",
        ),
        (Peer::lighter(wasmtime, component), "first answer after a start, wasmtime's cache warm"),
        (
            Peer::lighter(wasmtime, &compiled).with_flags("--allow-precompiled"),
            "first answer after a start, compiled before",
        ),
    ];
    let mut table = Table::default();
    for _ in 0..rounds {
        for (variant, row) in &variants {
            table.add(row, Unit::Milliseconds, &lighter, first_answer(variant, scratch)?);
            for peer in peers.iter().skip(1) {
                table.add(row, Unit::Milliseconds, &peer.name, first_answer(peer, scratch)?);
            }
        }
    }
    let names: Vec<String> = peers.iter().map(|peer| peer.name.clone()).collect();
    Ok(format!("\n{}", table.markdown(&names)))
}

/// Starts a registry and asks it, in milliseconds.
fn first_answer(peer: &Peer, scratch: &Path) -> Result<f64> {
    let data = scratch.join("start");
    fs::create_dir_all(&data)?;
    let start = Instant::now();
    let registry = peer.restart(&data)?;
    Connection::open(registry.address)?.ask("GET", "/v2/", "")?.expect(200, "GET /v2/")?;
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}
