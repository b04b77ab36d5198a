//! The components: the registry, and the registry composed with each storage driver.

use std::path::PathBuf;
use std::{fs, iter};

use anyhow::{Context, Result, ensure};

use crate::compose::compose;
use crate::process::{run, step};
use crate::toolchain::{TARGET, Toolchain};
use crate::workspace;

/// The package that is the registry.
const REGISTRY: &str = "lighter";

/// The packages that are storage drivers. Each gives a component of its own, which is the registry
/// with that driver in it.
const DRIVERS: &[&str] = &["lighter-filesystem"];

/// The driver that is served and tested.
const DEFAULT_DRIVER: &str = "lighter-filesystem";

/// A composed component has at most this many bytes: small enough for every edge host, and to be
/// fetched at a cold start.
const BUDGET: usize = 400_000;

/// Returns the packages that are compiled to WebAssembly.
pub(crate) fn packages() -> impl Iterator<Item = &'static str> {
    iter::once(REGISTRY).chain(DRIVERS.iter().copied())
}

/// Compiles the registry and the drivers, and composes them. Returns the default component.
pub(crate) fn build(toolchain: &Toolchain) -> Result<PathBuf> {
    step("compiling the registry and its drivers to WebAssembly", || {
        packages().try_for_each(|package| compile(toolchain, package))
    })?;
    let registry = read(REGISTRY)?;
    let directory = workspace("target/components");
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    for driver in DRIVERS {
        let component =
            compose(&registry, &read(driver)?).with_context(|| format!("cannot compose {driver}"))?;
        let path = composed(driver);
        fs::write(&path, &component).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}: {} bytes, imports only WASI", path.display(), component.len());
        ensure!(
            component.len() <= BUDGET,
            "{driver} is {} bytes over the budget of {BUDGET}",
            component.len() - BUDGET
        );
    }
    Ok(composed(DEFAULT_DRIVER))
}

/// Compiles one package, as a cdylib alone: with the rlib beside it cargo would leave out LTO.
fn compile(toolchain: &Toolchain, package: &str) -> Result<()> {
    run(toolchain.cargo("rustc").args(["--release", "--lib", "--crate-type", "cdylib", "--package", package]))
}

fn read(package: &str) -> Result<Vec<u8>> {
    let file = package.replace('-', "_");
    let path = workspace(&format!("target/{TARGET}/release/{file}.wasm"));
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn composed(driver: &str) -> PathBuf {
    workspace("target/components").join(driver).with_extension("wasm")
}
