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

/// The package that checks a driver in the registry's place.
const CONTRACT: &str = "lighter-contract";

/// A composed component has at most this many bytes: small enough for every edge host, and to be
/// fetched at a cold start.
const BUDGET: usize = 400_000;

/// Returns the packages that are compiled to WebAssembly.
pub(crate) fn packages() -> impl Iterator<Item = &'static str> {
    [REGISTRY, CONTRACT].into_iter().chain(DRIVERS.iter().copied())
}

/// Compiles the registry and the drivers, and composes them. Returns the default component.
pub(crate) fn build(toolchain: &Toolchain) -> Result<PathBuf> {
    step("compiling the registry and its drivers to WebAssembly", || {
        iter::once(&REGISTRY).chain(DRIVERS).try_for_each(|package| compile(toolchain, package))
    })?;
    for driver in DRIVERS {
        let (path, component) = composed(REGISTRY, driver, "target/components")?;
        println!("{}: {} bytes, imports only WASI", path.display(), component.len());
        ensure!(
            component.len() <= BUDGET,
            "{driver} is {} bytes over the budget of {BUDGET}",
            component.len() - BUDGET
        );
    }
    Ok(workspace("target/components").join(DEFAULT_DRIVER).with_extension("wasm"))
}

/// Composes the checks of the storage contract with each driver, which is built. Returns the
/// directory of the components.
pub(crate) fn build_contract(toolchain: &Toolchain) -> Result<PathBuf> {
    let directory = "target/components/contract";
    step("compiling the checks of the drivers", || compile(toolchain, CONTRACT))?;
    for driver in DRIVERS {
        composed(CONTRACT, driver, directory)?;
    }
    Ok(workspace(directory))
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

/// Composes a package with a driver, and writes the component into a directory.
fn composed(package: &str, driver: &str, directory: &str) -> Result<(PathBuf, Vec<u8>)> {
    let directory = workspace(directory);
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let component =
        compose(&read(package)?, &read(driver)?).with_context(|| format!("cannot compose {driver}"))?;
    let path = directory.join(driver).with_extension("wasm");
    fs::write(&path, &component).with_context(|| format!("cannot write {}", path.display()))?;
    Ok((path, component))
}
