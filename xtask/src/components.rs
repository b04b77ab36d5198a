//! The components: the registry, and the registry composed with each storage driver.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::compose::{KEY_VALUE, STORAGE, compose};
use crate::process::{run, step};
use crate::toolchain::{TARGET, Toolchain};
use crate::workspace;

/// The package that is the registry.
const REGISTRY: &str = "lighter";

/// The storage drivers: a package each. Each gives a component of its own, which is the registry with
/// that driver in it, and has at most so many bytes: small enough for every edge host, and to be fetched
/// at a cold start.
const DRIVERS: &[(&str, usize)] = &[(DEFAULT_DRIVER, 400_000), (KEY_VALUE_DRIVER, 450_000)];

/// The driver that is served.
const DEFAULT_DRIVER: &str = "lighter-filesystem";

/// The driver for hosts with a key-value store.
pub(crate) const KEY_VALUE_DRIVER: &str = "lighter-keyvalue";

/// The package that is a key-value store over files, for tests on hosts that have none.
const KEY_VALUE_HOST: &str = "keyvalue-host";

/// Returns the packages that are compiled to WebAssembly.
pub(crate) fn packages() -> impl Iterator<Item = &'static str> {
    [REGISTRY, KEY_VALUE_HOST].into_iter().chain(DRIVERS.iter().map(|(package, _)| *package))
}

/// Compiles the registry and the drivers, and composes them. Returns the default component.
pub(crate) fn build(toolchain: &Toolchain) -> Result<PathBuf> {
    step("compiling the registry and its drivers to WebAssembly", || {
        packages().try_for_each(|package| compile(toolchain, package))
    })?;
    let registry = read(REGISTRY)?;
    let directory = workspace("target/components");
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    for (driver, budget) in DRIVERS {
        let component = compose(&registry, &read(driver)?, STORAGE)
            .with_context(|| format!("cannot compose {driver}"))?;
        let path = composed(driver);
        fs::write(&path, &component).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}: {} bytes, imports only WASI", path.display(), component.len());
        ensure!(
            component.len() <= *budget,
            "{driver} is {} bytes over the budget of {budget}",
            component.len() - budget
        );
    }
    Ok(composed(DEFAULT_DRIVER))
}

/// Composes the key-value driver's component with the store that is for tests.
pub(crate) fn key_value_for_tests() -> Result<PathBuf> {
    let path = composed(KEY_VALUE_DRIVER);
    let registry = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let component = compose(&registry, &read(KEY_VALUE_HOST)?, KEY_VALUE)
        .with_context(|| format!("cannot compose {KEY_VALUE_HOST}"))?;
    let path = workspace(&format!("target/{KEY_VALUE_DRIVER}-over-files.wasm"));
    fs::write(&path, &component).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
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

/// Returns where the component with a driver is.
pub(crate) fn composed(driver: &str) -> PathBuf {
    workspace("target/components").join(driver).with_extension("wasm")
}
