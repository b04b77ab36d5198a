//! The tools that are installed: the host that serves and tests the component, wasmtime, and what makes
//! it smaller, wasm-opt.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::debian::{Archive, fill};
use crate::process::{build, capture, step};
use crate::toolchain::cargo;
use crate::workspace;

/// What is installed: the newest that the oldest compiler we support builds.
const VERSION: &str = "48.0.8";

/// Older ones lack an option that we use, or treat streams in another way.
const OLDEST_MAJOR: u32 = 48;

/// What `wasmtime serve` and `wasmtime compile` need, and no more: the rest doubles the time.
const FEATURES: &str =
    "run,serve,compile,component-model-async,pooling-allocator,parallel-compilation,cache,clap/default";

/// The packages of wasmtime through which requests and their bytes pass.
const HOT: [&str; 5] =
    ["wasmtime", "wasmtime-cli", "wasmtime-wasi", "wasmtime-wasi-http", "wasmtime-wasi-io"];

/// Returns a wasmtime that is new enough: our own, the one on `PATH`, or else one that is built now.
pub(crate) fn wasmtime() -> Result<PathBuf> {
    let own = workspace("target/tools/bin/wasmtime").with_extension(env::consts::EXE_EXTENSION);
    for candidate in [own.as_path(), Path::new("wasmtime")] {
        if is_new_enough(candidate) {
            return Ok(candidate.to_owned());
        }
    }
    let what = format!("building wasmtime {VERSION} into target/tools (once; about 8 minutes on two cores)");
    step(&what, install).context("wasmtime, which runs the registry, could not be built")?;
    ensure!(is_new_enough(&own), "the wasmtime that was built does not run");
    Ok(own)
}

/// Builds wasmtime. Its compiler, which is most of it, is optimised no more than a little: that halves
/// the time, and a component is compiled once. What every request passes through is optimised fully,
/// which a push shows: it takes a fifth less of the processor.
fn install() -> Result<()> {
    let place = workspace("target/tools/build");
    let mut cargo = cargo();
    cargo
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .args(["install", "wasmtime-cli", "--version", VERSION, "--locked"])
        .args(["--no-default-features", "--features", FEATURES]);
    for package in HOT {
        cargo.arg("--config").arg(format!("profile.release.package.{package}.opt-level=3"));
    }
    build(cargo.arg("--root").arg(workspace("target/tools")).arg("--target-dir").arg(&place))?;
    fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))
}

/// What is built where Debian's is not to be had: Binaryen's own number is its last part.
const WASM_OPT: &str = "0.116.1";

/// The oldest that is known to leave no component broken: Debian's.
const OLDEST_WASM_OPT: u32 = 108;

/// The suite that has it.
const SUITE: &str = "deb http://deb.debian.org/debian bookworm main";

/// Returns a wasm-opt that is new enough: our own, the one on `PATH`, Debian's, or else one that is built
/// now.
pub(crate) fn wasm_opt() -> Result<PathBuf> {
    let debian = workspace("target/tools/binaryen");
    let unpacked = debian.join("usr/bin/wasm-opt");
    let built = workspace("target/tools/bin/wasm-opt").with_extension(env::consts::EXE_EXTENSION);
    let own = [unpacked.as_path(), &built, Path::new("wasm-opt")];
    if let Some(wasm_opt) = own.into_iter().find(|wasm_opt| optimises(wasm_opt)) {
        return Ok(wasm_opt.to_owned());
    }
    let fetched = step("fetching wasm-opt from Debian into target/tools", || {
        fill(&debian, |root| Archive::open("binaryen", &[SUITE])?.unpack(&["binaryen"], root))?;
        ensure!(optimises(&unpacked), "Debian's wasm-opt does not run here");
        Ok(unpacked)
    });
    fetched.or_else(|error| {
        eprintln!("xtask: {error:#}");
        let what =
            format!("building wasm-opt {WASM_OPT} into target/tools (once; about 15 minutes on two cores)");
        let mut cargo = cargo();
        cargo.args(["install", "wasm-opt", "--version", WASM_OPT, "--locked"]);
        step(&what, || build(cargo.arg("--root").arg(workspace("target/tools"))))
            .context("wasm-opt, which makes the component smaller, could not be built")?;
        ensure!(optimises(&built), "the wasm-opt that was built does not run");
        Ok(built)
    })
}

fn optimises(wasm_opt: &Path) -> bool {
    // `wasm-opt version 108 (version_108)`
    let version = capture(Command::new(wasm_opt).arg("--version"));
    let number = version.ok().and_then(|text| text.split_whitespace().nth(2)?.parse::<u32>().ok());
    number.is_some_and(|number| number >= OLDEST_WASM_OPT)
}

fn is_new_enough(wasmtime: &Path) -> bool {
    let version = capture(Command::new(wasmtime).arg("--version"));
    version.ok().as_deref().and_then(major).is_some_and(|major| major >= OLDEST_MAJOR)
}

/// Returns the major version in what `wasmtime --version` says, such as `wasmtime 48.0.8 (0123abc)`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix("wasmtime ")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{OLDEST_MAJOR, VERSION, is_new_enough, major};

    #[test]
    fn the_major_version_is_read() {
        assert_eq!(major("wasmtime 48.0.8\n"), Some(48));
        assert_eq!(major("wasmtime 50.0.0 (abcdef012 2026-10-20)"), Some(50));
        assert_eq!(major("wasmtime-cli 0.40.0"), None);
        assert_eq!(major("wasmtime"), None);
        assert_eq!(major(""), None);
    }

    #[test]
    fn what_is_installed_is_new_enough() {
        assert!(major(&format!("wasmtime {VERSION}")) >= Some(OLDEST_MAJOR));
    }

    #[test]
    fn what_is_not_there_is_not_new_enough() {
        assert!(!is_new_enough("/nonexistent/wasmtime".as_ref()));
    }
}
