//! The host that serves and tests the component: wasmtime.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::{capture, run, step};
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
    let build = workspace("target/tools/build");
    let mut cargo = cargo();
    cargo
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .args(["install", "wasmtime-cli", "--version", VERSION, "--locked"])
        .args(["--no-default-features", "--features", FEATURES]);
    for package in HOT {
        cargo.arg("--config").arg(format!("profile.release.package.{package}.opt-level=3"));
    }
    run(cargo.arg("--root").arg(workspace("target/tools")).arg("--target-dir").arg(&build))?;
    fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))
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
