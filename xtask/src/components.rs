//! The components: the registry composed with each storage driver, and what the tests run beside.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Error, Result, ensure};

use crate::compose::{KEY_VALUE, STORAGE, compose, ship};
use crate::process::{self, run, step};
use crate::sections::with_modules;
use crate::toolchain::{TARGET, Toolchain};
use crate::workspace;

/// A component that is shipped: the registry with its storage.
struct Product {
    name: &'static str,
    made: Made,
    /// It has at most so many bytes: small enough for every edge host, and to be fetched at a cold start.
    budget: usize,
}

/// How the registry and its storage become one.
enum Made {
    /// A part that is both.
    Linked(&'static str),
    /// A registry and a driver, each a part.
    Composed(&'static str, &'static str),
}

const PRODUCTS: [Product; 3] = [
    Product { name: DEFAULT, made: Made::Linked(FILESYSTEM), budget: 400_000 },
    Product { name: KEY_VALUE_PRODUCT, made: Made::Composed(REGISTRY, KEY_VALUE_DRIVER), budget: 450_000 },
    Product {
        name: "lighter-filesystem-token-server",
        made: Made::Linked(FILESYSTEM_WITH_TOKEN_SERVER),
        budget: 450_000,
    },
];

/// The one that is served.
const DEFAULT: &str = "lighter-filesystem";
const KEY_VALUE_PRODUCT: &str = "lighter-keyvalue";

// A part is a package, or a package and the features that it has in place of the default ones.

/// The registry, to be composed with a driver.
const REGISTRY: &str = "lighter";

/// The registry with the storage of files, and the same that takes the tokens of an outside token server.
const FILESYSTEM: &str = "lighter-filesystem+registry";
const FILESYSTEM_WITH_TOKEN_SERVER: &str = "lighter-filesystem+token-server";

/// The storage drivers.
const FILESYSTEM_DRIVER: &str = "lighter-filesystem";
const KEY_VALUE_DRIVER: &str = "lighter-keyvalue";

/// What checks a driver in the registry's place.
const CONTRACT: &str = "lighter-contract";

/// A key-value store over files, for tests on hosts that have none.
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
    [REGISTRY, FILESYSTEM_DRIVER, KEY_VALUE_DRIVER, CONTRACT, KEY_VALUE_HOST].into_iter()
}

/// Builds the component that is served, and returns where it is.
pub(crate) fn build_default(toolchain: &Toolchain, wasm_opt: &Path) -> Result<PathBuf> {
    make(toolchain, wasm_opt, &PRODUCTS[..1])?;
    Ok(product(DEFAULT))
}

/// Builds all components that are shipped.
pub(crate) fn build(toolchain: &Toolchain, wasm_opt: &Path) -> Result<()> {
    make(toolchain, wasm_opt, &PRODUCTS)
}

/// Compiles the parts of components, and composes them.
fn make(toolchain: &Toolchain, wasm_opt: &Path, products: &[Product]) -> Result<()> {
    step("compiling the registry and its storage to WebAssembly", || {
        let parts = products.iter().flat_map(|product| match product.made {
            Made::Linked(part) => vec![part],
            Made::Composed(registry, driver) => vec![registry, driver],
        });
        parts.collect::<BTreeSet<_>>().into_iter().try_for_each(|part| compile(toolchain, wasm_opt, part))
    })?;
    for Product { name, made, budget } in products {
        let component = match made {
            Made::Linked(part) => ship(&read(part)?),
            Made::Composed(registry, driver) => compose(&read(registry)?, &read(driver)?, STORAGE),
        };
        let component = component.with_context(|| format!("cannot make {name}"))?;
        let path = write(&component, &product(name))?;
        println!("{}: {} bytes, imports only WASI", path.display(), component.len());
        ensure!(
            component.len() <= *budget,
            "{name} is {} bytes over the budget of {budget}",
            component.len() - budget
        );
    }
    Ok(())
}

/// Builds, and composes what only tests need: the checks of the storage contract with each driver, and the
/// key-value driver with a store over files.
pub(crate) fn build_tested(toolchain: &Toolchain, wasm_opt: &Path) -> Result<Tested> {
    build(toolchain, wasm_opt)?;
    step("compiling what the drivers are tested with", || {
        let parts = [CONTRACT, FILESYSTEM_DRIVER, KEY_VALUE_HOST];
        parts.iter().try_for_each(|part| compile(toolchain, wasm_opt, part))
    })?;
    let (checks, store) = (read(CONTRACT)?, read(KEY_VALUE_HOST)?);
    let with_driver = |driver: &str, name: &str| {
        let contract =
            compose(&checks, &read(driver)?, STORAGE).with_context(|| format!("cannot compose {driver}"))?;
        let contract = write(&contract, &in_components("contract", driver))?;
        Ok::<_, Error>(WithDriver { registry: product(name), contract })
    };
    let key_value = with_driver(KEY_VALUE_DRIVER, KEY_VALUE_PRODUCT)?;
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
    Ok(Tested { default: with_driver(FILESYSTEM_DRIVER, DEFAULT)?, key_value, over_files })
}

/// Compiles a part as a cdylib alone: with the rlib beside it cargo would leave out LTO. What comes of it goes through wasm-opt, which takes a seventh off what LLVM leaves.
fn compile(toolchain: &Toolchain, wasm_opt: &Path, part: &str) -> Result<()> {
    let (package, features) = part.split_once('+').unwrap_or((part, ""));
    let mut cargo = toolchain.cargo("rustc");
    cargo.args(["--release", "--lib", "--crate-type", "cdylib", "--package", package]);
    if !features.is_empty() {
        // What cargo makes has the same name with a feature and without: in one place, each would have
        // to be made anew after the other.
        cargo.args(["--no-default-features", "--features", features]);
        cargo.arg("--target-dir").arg(target(part));
    }
    process::build(&mut cargo)?;
    let (compiled, optimised) = (compiled(part), optimised(part));
    let time = |path: &Path| fs::metadata(path).and_then(|stat| stat.modified()).ok();
    if time(&optimised) > time(&compiled) {
        return Ok(());
    }
    let component = fs::read(&compiled).with_context(|| format!("cannot read {}", compiled.display()))?;
    let component = with_modules(&component, &mut |module| optimise(wasm_opt, module))
        .with_context(|| format!("cannot optimise {part}"))?;
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
    run(Command::new(wasm_opt)
        .args(FEATURES)
        .args(["-Oz", "--converge"])
        .arg(&before)
        .arg("-o")
        .arg(&after))?;
    fs::read(&after).with_context(|| format!("cannot read {}", after.display()))
}

/// Returns where a component that is shipped is written.
fn product(name: &str) -> PathBuf {
    in_components("", name)
}

fn in_components(directory: &str, driver: &str) -> PathBuf {
    workspace("target/components").join(directory).join(driver).with_extension("wasm")
}

/// Returns where the compiler puts a part.
fn compiled(part: &str) -> PathBuf {
    let (package, _) = part.split_once('+').unwrap_or((part, ""));
    target(part).join(TARGET).join("release").join(package.replace('-', "_")).with_extension("wasm")
}

/// Returns the target directory of a part.
fn target(part: &str) -> PathBuf {
    let (_, features) = part.split_once('+').unwrap_or((part, ""));
    workspace("target").join(features)
}

/// Returns where it is put once it was optimised.
fn optimised(part: &str) -> PathBuf {
    in_components("parts", part)
}

fn read(part: &str) -> Result<Vec<u8>> {
    let path = optimised(part);
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(component: &[u8], path: &Path) -> Result<PathBuf> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    }
    fs::write(path, component).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.to_owned())
}
