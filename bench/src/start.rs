//! The time from the start of the process to the first answer.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, ensure};
use lighter_test_host::client::Connection;

use crate::peer::{Lighter, Peer};
use crate::table::{Table, Unit};
use crate::work::expect;

/// Starts each registry this many times; Lighter without a cache, with wasmtime's cache, and precompiled.
pub(crate) fn cold(lighter: &Lighter, peers: &[Peer], rounds: usize, scratch: &Path) -> Result<String> {
    fs::create_dir_all(scratch)?;
    let compiled = scratch.join("lighter.cwasm");
    let mut compile = Command::new(&lighter.wasmtime);
    ensure!(
        compile.arg("compile").arg(&lighter.component).arg("-o").arg(&compiled).status()?.success(),
        "wasmtime cannot compile the component"
    );
    let precompiled =
        Lighter { component: compiled, ..lighter.with(|serve| serve.flag("--allow-precompiled")) };
    let name = peers.first().map(|peer| peer.name.clone()).unwrap_or_default();
    let variants = [
        (lighter.with(|serve| serve.flag("-Ccache=n")), "first answer after a start, nothing cached"),
        (lighter.clone(), "first answer after a start, wasmtime's cache warm"),
        (precompiled, "first answer after a start, compiled before"),
    ]
    .map(|(variant, row)| (Peer::lighter(variant), row));
    let mut table = Table::default();
    for _ in 0..rounds {
        for (variant, row) in &variants {
            table.add(row, Unit::Milliseconds, &name, first_answer(variant, scratch)?);
            for peer in peers.iter().skip(1) {
                table.add(row, Unit::Milliseconds, &peer.name, first_answer(peer, scratch)?);
            }
        }
    }
    let names: Vec<String> = peers.iter().map(|peer| peer.name.clone()).collect();
    Ok(format!("\n{}", table.markdown(&names, |_| true)))
}

/// Starts a registry and returns the time to the first answer, in milliseconds.
fn first_answer(peer: &Peer, scratch: &Path) -> Result<f64> {
    let data = scratch.join("start");
    fs::create_dir_all(&data)?;
    let start = Instant::now();
    let registry = peer.restart(&data)?;
    let mut connection = Connection::open(registry.address)?;
    expect(connection.send(connection.request("GET", "/v2/"))?, 200, "GET /v2/")?;
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}
