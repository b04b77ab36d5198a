//! The tools: wasmtime, the host that serves and tests the component, wasm-opt, which makes the component smaller, and
//! Garage, an object store.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::{build, capture, step};
use crate::toolchain::cargo;
use crate::workspace;

/// A version: major, minor, patch.
type Version = (u32, u32, u32);

/// The version of wasmtime that is built if none is installed: the newest that the oldest supported compiler builds.
const WASMTIME: &str = "48.0.8";

/// The version of Garage that is built if none is installed.
const GARAGE: &str = "2.5.0";

/// The reason why other versions are refused.
const FLAW: &str = "it has the flaw GHSA-h4wp-g4x3-7398 in how it checks a body against its Content-Length; \
                    use 48.0.8 or a later 48.x, or 50.0.1 or later";

/// The features for `wasmtime serve` and `wasmtime compile`. Building all of them takes twice as long.
const FEATURES: &str =
    "run,serve,compile,component-model-async,pooling-allocator,parallel-compilation,cache,clap/default";

/// The packages of wasmtime through which requests and their bytes pass.
const HOT: [&str; 14] = [
    "bytes",
    "futures-core",
    "futures-util",
    "http",
    "http-body",
    "http-body-util",
    "httparse",
    "hyper",
    "tokio",
    "wasmtime",
    "wasmtime-cli",
    "wasmtime-wasi",
    "wasmtime-wasi-http",
    "wasmtime-wasi-io",
];

/// Returns a usable wasmtime: the one in `target/tools`, the one on `PATH`, or else one that is built now.
pub(crate) fn wasmtime() -> Result<PathBuf> {
    let own = workspace("target/tools/bin/wasmtime").with_extension(env::consts::EXE_EXTENSION);
    for candidate in [own.as_path(), Path::new("wasmtime")] {
        match version(candidate) {
            Some(version) if is_sound(version) => return Ok(candidate.to_owned()),
            Some((major, minor, patch)) => {
                eprintln!(
                    "xtask: not using {}, version {major}.{minor}.{patch}: {FLAW}",
                    candidate.display()
                );
            }
            None => {}
        }
    }
    let what =
        format!("building wasmtime {WASMTIME} into target/tools (once; about 10 minutes on two cores)");
    step(&what, install_wasmtime).context("wasmtime, which runs the registry, could not be built")?;
    ensure!(version(&own).is_some_and(is_sound), "the wasmtime that was built does not work");
    Ok(own)
}

/// Builds wasmtime. Its compiler, which is most of it, is only slightly optimised: that halves the build time, and a
/// component is compiled once. The packages that every request passes through are optimised fully, which saves a fifth of
/// a push's processor time.
fn install_wasmtime() -> Result<()> {
    let mut cargo = install("wasmtime-cli", FEATURES);
    cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").args(["--version", WASMTIME]);
    for package in HOT {
        cargo.arg("--config").arg(format!("profile.release.package.{package}.opt-level=3"));
    }
    build_and_clear(cargo)
}

/// Returns Garage, an object store: the one in `target/tools`, the one on `PATH`, or else one that is built now.
pub(crate) fn garage() -> Result<PathBuf> {
    let own = workspace("target/tools/bin/garage").with_extension(env::consts::EXE_EXTENSION);
    let runs = |program: &&Path| capture(Command::new(program).arg("--version")).is_ok();
    if let Some(found) = [own.as_path(), Path::new("garage")].iter().find(|program| runs(program)) {
        return Ok(found.to_path_buf());
    }
    let features = "bundled-libs,lmdb,sqlite,k2v,metrics";
    let mut cargo = install("garage", features);
    cargo.args(["--version", GARAGE]);
    step("building Garage into target/tools (once; about 10 minutes on two cores)", || {
        build_and_clear(cargo)
    })
    .context("Garage, the object store of these tests, could not be built")?;
    Ok(own)
}

/// Returns the command that builds a program with only these features.
fn install(package: &str, features: &str) -> Command {
    let mut cargo = cargo();
    cargo.args(["install", package, "--locked", "--no-default-features", "--features", features]);
    cargo.arg("--root").arg(workspace("target/tools"));
    cargo
}

/// Builds a program, and removes what was built for it.
fn build_and_clear(mut cargo: Command) -> Result<()> {
    let place = workspace("target/tools/build");
    build(cargo.arg("--target-dir").arg(&place))?;
    fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()))
}

/// Whether a version is free of the flaw that affects a registry.
fn is_sound(version: Version) -> bool {
    ((48, 0, 8)..(49, 0, 0)).contains(&version) || version >= (50, 0, 1)
}

/// Returns the version of a wasmtime, if it runs.
fn version(wasmtime: &Path) -> Option<Version> {
    parse(&capture(Command::new(wasmtime).arg("--version")).ok()?)
}

/// Reads the output of `wasmtime --version`, such as `wasmtime 48.0.8 (0123abc)`.
fn parse(said: &str) -> Option<Version> {
    let mut numbers = said.strip_prefix("wasmtime ")?.split_whitespace().next()?.splitn(3, '.');
    let mut number = || {
        let text = numbers.next()?;
        // An unreleased version ends in words.
        text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Some((number()?, number()?, number()?))
}

/// The oldest wasm-opt that is known to keep components intact.
const OLDEST_WASM_OPT: u32 = 108;

/// Returns the wasm-opt on `PATH`, if it is new enough.
pub(crate) fn wasm_opt() -> Option<PathBuf> {
    let wasm_opt = Path::new("wasm-opt");
    // `wasm-opt version 108 (version_108)`
    let said = capture(Command::new(wasm_opt).arg("--version")).ok()?;
    let number = said.split_whitespace().nth(2)?.parse::<u32>().ok()?;
    if number < OLDEST_WASM_OPT {
        eprintln!(
            "xtask: not using the wasm-opt on PATH: its version is {number}, and {OLDEST_WASM_OPT} or later is needed"
        );
        return None;
    }
    Some(wasm_opt.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{WASMTIME, is_sound, parse, version};

    #[test]
    fn a_version_is_read() {
        assert_eq!(parse("wasmtime 48.0.8\n"), Some((48, 0, 8)));
        assert_eq!(parse("wasmtime 50.0.0 (abcdef012 2026-10-20)"), Some((50, 0, 0)));
        assert_eq!(parse("wasmtime 51.0.0-dev (abcdef012)"), Some((51, 0, 0)));
        for said in ["wasmtime-cli 0.40.0", "wasmtime", "wasmtime 48", "wasmtime x.y.z", ""] {
            assert_eq!(parse(said), None, "{said}");
        }
    }

    #[test]
    fn versions_with_the_flaw_are_refused() {
        for sound in [(48, 0, 8), (48, 0, 9), (48, 1, 0), (50, 0, 1), (50, 1, 0), (51, 0, 0)] {
            assert!(is_sound(sound), "{sound:?}");
        }
        for flawed in [(47, 0, 9), (48, 0, 0), (48, 0, 7), (49, 0, 0), (49, 0, 99), (50, 0, 0)] {
            assert!(!is_sound(flawed), "{flawed:?}");
        }
    }

    #[test]
    fn what_is_built_is_not_refused() {
        assert!(parse(&format!("wasmtime {WASMTIME}")).is_some_and(is_sound));
    }

    #[test]
    fn what_is_not_there_has_no_version() {
        assert_eq!(version("/nonexistent/wasmtime".as_ref()), None);
    }
}
