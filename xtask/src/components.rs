//! The components: the registry composed with each storage driver, and what the tests run beside.

use std::fs;
use std::path::{Path, PathBuf};

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
const KEY_VALUE_DRIVER: &str = "lighter-keyvalue";

/// The package that checks a driver in the registry's place.
const CONTRACT: &str = "lighter-contract";

/// The package that is a key-value store over files, for tests on hosts that have none.
const KEY_VALUE_HOST: &str = "keyvalue-host";

/// What the tests are run with.
pub(crate) struct Tested {
    /// The registry with the driver that is served.
    pub(crate) registry: PathBuf,
    /// The registry with the key-value driver.
    pub(crate) key_value: PathBuf,
    /// The same over files, for hosts that have no key-value store.
    pub(crate) over_files: PathBuf,
    /// The directory of the checks, with each driver.
    pub(crate) contract: PathBuf,
}

/// Returns the packages that are compiled to WebAssembly.
pub(crate) fn packages() -> impl Iterator<Item = &'static str> {
    let drivers = DRIVERS.iter().map(|(driver, _)| *driver);
    [REGISTRY, CONTRACT, KEY_VALUE_HOST].into_iter().chain(drivers)
}

/// Compiles the registry and the drivers, and composes them. Returns the default component.
pub(crate) fn build(toolchain: &Toolchain) -> Result<PathBuf> {
    step("compiling the registry and its drivers to WebAssembly", || {
        compile(toolchain, REGISTRY)?;
        DRIVERS.iter().try_for_each(|(driver, _)| compile(toolchain, driver))
    })?;
    let registry = read(REGISTRY)?;
    for (driver, budget) in DRIVERS {
        let component = compose(&registry, &read(driver)?, STORAGE)
            .with_context(|| format!("cannot compose {driver}"))?;
        let path = write(&component, &product(driver))?;
        println!("{}: {} bytes, imports only WASI", path.display(), component.len());
        ensure!(
            component.len() <= *budget,
            "{driver} is {} bytes over the budget of {budget}",
            component.len() - budget
        );
    }
    Ok(product(DEFAULT_DRIVER))
}

/// Builds, and composes what only tests need: the key-value driver with a store over files, and the checks
/// of the storage contract with each driver.
pub(crate) fn build_tested(toolchain: &Toolchain) -> Result<Tested> {
    let registry = build(toolchain)?;
    step("compiling what the drivers are tested with", || {
        [CONTRACT, KEY_VALUE_HOST].iter().try_for_each(|package| compile(toolchain, package))
    })?;
    let (checks, store) = (read(CONTRACT)?, read(KEY_VALUE_HOST)?);
    let over_files = |component: &[u8]| {
        compose(component, &store, KEY_VALUE).with_context(|| format!("cannot compose {KEY_VALUE_HOST}"))
    };
    let contract = workspace("target/components/contract");
    for (driver, _) in DRIVERS {
        let mut component =
            compose(&checks, &read(driver)?, STORAGE).with_context(|| format!("cannot compose {driver}"))?;
        if *driver == KEY_VALUE_DRIVER {
            component = over_files(&component)?;
        }
        write(&component, &contract.join(driver).with_extension("wasm"))?;
    }
    let key_value = product(KEY_VALUE_DRIVER);
    let component = fs::read(&key_value).with_context(|| format!("cannot read {}", key_value.display()))?;
    let path = workspace("target/components/over-files").join(KEY_VALUE_DRIVER).with_extension("wasm");
    let over_files = write(&over_files(&component)?, &path)?;
    Ok(Tested { registry, key_value, over_files, contract })
}

/// Compiles one package, as a cdylib alone: with the rlib beside it cargo would leave out LTO.
fn compile(toolchain: &Toolchain, package: &str) -> Result<()> {
    run(toolchain.cargo("rustc").args(["--release", "--lib", "--crate-type", "cdylib", "--package", package]))
}

/// Returns where the registry with a driver is written.
fn product(driver: &str) -> PathBuf {
    workspace("target/components").join(driver).with_extension("wasm")
}

fn read(package: &str) -> Result<Vec<u8>> {
    let file = package.replace('-', "_");
    let path = workspace(&format!("target/{TARGET}/release/{file}.wasm"));
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(component: &[u8], path: &Path) -> Result<PathBuf> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    }
    fs::write(path, component).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.to_owned())
}
