//! The components: the registry composed with each storage driver, and what the tests run beside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Error, Result, ensure};

use crate::compose::{KEY_VALUE, STORAGE, compose};
use crate::process::{run, step};
use crate::sections::with_modules;
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
    /// The driver that is served.
    pub(crate) default: WithDriver,
    /// The key-value driver.
    pub(crate) key_value: WithDriver,
    /// The key-value driver over files, for hosts that have no store.
    pub(crate) over_files: WithDriver,
}

/// What a storage driver is composed with.
pub(crate) struct WithDriver {
    /// The registry.
    pub(crate) registry: PathBuf,
    /// The checks of the storage contract.
    pub(crate) contract: PathBuf,
}

/// Returns the packages that are compiled to WebAssembly.
pub(crate) fn packages() -> impl Iterator<Item = &'static str> {
    let drivers = DRIVERS.iter().map(|(driver, _)| *driver);
    [REGISTRY, CONTRACT, KEY_VALUE_HOST].into_iter().chain(drivers)
}

/// Compiles the registry and the drivers, and composes them. Returns the default component.
pub(crate) fn build(toolchain: &Toolchain, wasm_opt: &Path) -> Result<PathBuf> {
    step("compiling the registry and its drivers to WebAssembly", || {
        compile(toolchain, wasm_opt, REGISTRY)?;
        DRIVERS.iter().try_for_each(|(driver, _)| compile(toolchain, wasm_opt, driver))
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

/// Builds, and composes what only tests need: the checks of the storage contract with each driver, and the
/// key-value driver with a store over files.
pub(crate) fn build_tested(toolchain: &Toolchain, wasm_opt: &Path) -> Result<Tested> {
    build(toolchain, wasm_opt)?;
    step("compiling what the drivers are tested with", || {
        [CONTRACT, KEY_VALUE_HOST].iter().try_for_each(|package| compile(toolchain, wasm_opt, package))
    })?;
    let (checks, store) = (read(CONTRACT)?, read(KEY_VALUE_HOST)?);
    let with_driver = |driver: &str| {
        let contract =
            compose(&checks, &read(driver)?, STORAGE).with_context(|| format!("cannot compose {driver}"))?;
        let contract = write(&contract, &in_components("contract", driver))?;
        Ok::<_, Error>(WithDriver { registry: product(driver), contract })
    };
    let key_value = with_driver(KEY_VALUE_DRIVER)?;
    let over_files = |component: &Path, directory: &str| {
        let bytes = fs::read(component).with_context(|| format!("cannot read {}", component.display()))?;
        let composed =
            compose(&bytes, &store, KEY_VALUE).with_context(|| format!("cannot compose {KEY_VALUE_HOST}"))?;
        write(&composed, &in_components(directory, KEY_VALUE_DRIVER))
    };
    let over_files = WithDriver {
        registry: over_files(&key_value.registry, "over-files")?,
        contract: over_files(&key_value.contract, "contract/over-files")?,
    };
    Ok(Tested { default: with_driver(DEFAULT_DRIVER)?, key_value, over_files })
}

/// Compiles one package, as a cdylib alone: with the rlib beside it cargo would leave out LTO. What
/// comes of it goes through wasm-opt, which takes a seventh off what LLVM leaves.
fn compile(toolchain: &Toolchain, wasm_opt: &Path, package: &str) -> Result<()> {
    let mut cargo = toolchain.cargo("rustc");
    run(cargo.args(["--release", "--lib", "--crate-type", "cdylib", "--package", package]))?;
    let (compiled, optimised) = (compiled(package), optimised(package));
    let time = |path: &Path| fs::metadata(path).and_then(|stat| stat.modified()).ok();
    if time(&optimised) > time(&compiled) {
        return Ok(());
    }
    let component = fs::read(&compiled).with_context(|| format!("cannot read {}", compiled.display()))?;
    let component = with_modules(&component, &mut |module| optimise(wasm_opt, module))
        .with_context(|| format!("cannot optimise {package}"))?;
    write(&component, &optimised).map(drop)
}

/// Optimises a core module for size. What it may be made of is what LLVM makes it of.
fn optimise(wasm_opt: &Path, module: &[u8]) -> Result<Vec<u8>> {
    const FEATURES: [&str; 6] = [
        "--enable-bulk-memory",
        "--enable-multivalue",
        "--enable-mutable-globals",
        "--enable-nontrapping-float-to-int",
        "--enable-sign-ext",
        "--enable-simd",
    ];
    let before = write(module, &workspace("target/tools/module.wasm"))?;
    let after = before.with_extension("optimised.wasm");
    run(Command::new(wasm_opt).args(FEATURES).arg("-Oz").arg(&before).arg("-o").arg(&after))?;
    fs::read(&after).with_context(|| format!("cannot read {}", after.display()))
}

/// Returns where the registry with a driver is written.
fn product(driver: &str) -> PathBuf {
    in_components("", driver)
}

fn in_components(directory: &str, driver: &str) -> PathBuf {
    workspace("target/components").join(directory).join(driver).with_extension("wasm")
}

/// Returns where the compiler puts a package.
fn compiled(package: &str) -> PathBuf {
    workspace(&format!("target/{TARGET}/release/{}.wasm", package.replace('-', "_")))
}

/// Returns where it is put once it was optimised.
fn optimised(package: &str) -> PathBuf {
    in_components("parts", package)
}

fn read(package: &str) -> Result<Vec<u8>> {
    let path = optimised(package);
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(component: &[u8], path: &Path) -> Result<PathBuf> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    }
    fs::write(path, component).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.to_owned())
}
