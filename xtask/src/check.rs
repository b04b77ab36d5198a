//! The checks of a change: tests and lints.

use std::path::Path;

use anyhow::Result;

use crate::components::packages;
use crate::process::{run, step};
use crate::toolchain::{Toolchain, cargo};

/// Runs every test. Those over HTTP start wasmtime with the component.
pub(crate) fn test(wasmtime: &Path, component: &Path, long: bool, arguments: &[String]) -> Result<()> {
    let mut tests = cargo();
    tests.env("LIGHTER_WASMTIME", wasmtime).env("LIGHTER_COMPONENT", component);
    if long {
        tests.env("LIGHTER_LONG", "1");
    }
    tests.args(["test", "--workspace", "--"]).args(arguments);
    step("running the tests", || run(&mut tests))
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
