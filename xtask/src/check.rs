//! The checks of a change: tests and lints.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::components::packages;
use crate::process::{run, step};
use crate::toolchain::{Toolchain, cargo};

/// The test that kills the server.
const CRASH: &str = "crash::what_was_acknowledged_outlives_the_server";

/// Runs every test. Those over HTTP start wasmtime with the component, or with those in the directory
/// that check the drivers.
pub(crate) fn test(
    wasmtime: &Path,
    (component, contract): &(PathBuf, PathBuf),
    long: bool,
    arguments: &[String],
) -> Result<()> {
    let mut tests = tests(wasmtime, component);
    tests.env("LIGHTER_CONTRACT", contract);
    if long {
        tests.env("LIGHTER_LONG", "1");
    }
    tests.args(["--workspace", "--"]).args(arguments);
    step("running the tests", || run(&mut tests))
}

/// Runs the test that kills the server, with so many kills.
pub(crate) fn crash(wasmtime: &Path, component: &Path, kills: u64, seed: u64) -> Result<()> {
    let mut tests = tests(wasmtime, component);
    tests.env("LIGHTER_KILLS", kills.to_string()).env("LIGHTER_SEED", seed.to_string());
    tests.args(["--test", "integration", "--", "--exact", CRASH]);
    step(&format!("killing the server {kills} times while clients push"), || run(&mut tests))
}

fn tests(wasmtime: &Path, component: &Path) -> Command {
    let mut tests = cargo();
    tests.env("LIGHTER_WASMTIME", wasmtime).env("LIGHTER_COMPONENT", component).arg("test");
    tests
}

/// Checks the format, and lints what runs here as well as what runs on a WebAssembly host.
pub(crate) fn lint(toolchain: &Toolchain) -> Result<()> {
    step("checking the format", || run(cargo().args(["fmt", "--all", "--check"])))?;
    step("linting for this machine", || {
        run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-Dwarnings"]))
    })?;
    step("linting for WebAssembly", || {
        let mut clippy = toolchain.cargo("clippy");
        clippy.arg("--lib").args(packages().flat_map(|package| ["--package", package]));
        run(clippy.args(["--", "-Dwarnings"]))
    })
}
