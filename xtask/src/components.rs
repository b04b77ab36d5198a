//! The components: the registry with each storage, and those that only tests need.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::compose::{KEY_VALUE_STORE, STORAGE, compose, ship};
use crate::process::{self, run, step};
use crate::sections::with_modules;
use crate::toolchain::{TARGET, Toolchain};
use crate::tools::wasm_opt;
use crate::workspace;

/// A component that is shipped: the registry with its storage linked in.
struct Product {
    name: &'static str,
    /// The package that it is compiled from.
    part: &'static str,
    /// Its size limit in bytes, so that every edge host accepts it and a cold start can fetch it.
    budget: usize,
}

const PRODUCTS: [Product; 5] = [
    Product { name: DEFAULT, part: FILESYSTEM, budget: 621_000 },
    Product { name: KEY_VALUE_PRODUCT, part: KEY_VALUE, budget: 657_000 },
    Product { name: S3_PRODUCT, part: S3, budget: 684_000 },
    Product { name: S3_ON_SPIN_PRODUCT, part: S3_ON_SPIN, budget: 676_000 },
    Product { name: "lighter-filesystem-token-server", part: FILESYSTEM_WITH_TOKEN_SERVER, budget: 700_000 },
];

/// The notice about a component that was built without wasm-opt.
const UNOPTIMISED: &str = "this component was built without wasm-opt: it is about a sixth larger than a shipped one, and its \
                           size is not checked against the budget; most systems package wasm-opt as binaryen";

/// The component that is served.
pub(crate) const DEFAULT: &str = "lighter-filesystem";
const KEY_VALUE_PRODUCT: &str = "lighter-keyvalue";
/// The component for several machines.
pub(crate) const S3_PRODUCT: &str = "lighter-s3";
const S3_ON_SPIN_PRODUCT: &str = "lighter-s3-spin";

// The packages in `components/` that they are compiled from.

const FILESYSTEM: &str = "component-filesystem";
const FILESYSTEM_WITH_TOKEN_SERVER: &str = "component-filesystem-token-server";
const KEY_VALUE: &str = "component-keyvalue";
const S3: &str = "component-s3";
const S3_ON_SPIN: &str = "component-s3-spin";

/// The parts for composition: the registry alone, and the storage drivers.
const COMPOSABLE: [&str; 4] = [REGISTRY, FILESYSTEM_DRIVER, KEY_VALUE_DRIVER, S3_DRIVER];
const REGISTRY: &str = "component-registry";
const FILESYSTEM_DRIVER: &str = "component-driver-filesystem";
const KEY_VALUE_DRIVER: &str = "component-driver-keyvalue";
const S3_DRIVER: &str = "component-driver-s3";

/// The component that checks a driver in the registry's place.
const CONTRACT: &str = "lighter-contract";

/// A key-value store over files, for tests on hosts that have none.
const KEY_VALUE_HOST: &str = "keyvalue-host";

/// The components for the tests.
pub(crate) struct Tested {
    /// The driver that is served.
    pub(crate) default: WithDriver,
    /// The key-value driver.
    pub(crate) key_value: WithDriver,
    /// The key-value driver over files, for hosts that have no store.
    pub(crate) over_files: WithDriver,
    /// The S3 driver.
    pub(crate) s3: WithDriver,
    /// The S3 driver, for Spin.
    pub(crate) s3_on_spin: WithDriver,
    /// The registry over the key-value driver over files, composed with the driver.
    pub(crate) composed: PathBuf,
}

/// The components with one storage driver.
pub(crate) struct WithDriver {
    /// The registry.
    pub(crate) registry: PathBuf,
    /// The checks of the storage contract, composed with the driver.
    pub(crate) contract: PathBuf,
}

/// Returns the packages that are compiled to WebAssembly.
pub(crate) fn packages() -> impl Iterator<Item = &'static str> {
    PRODUCTS.iter().map(|product| product.part).chain(COMPOSABLE).chain([CONTRACT, KEY_VALUE_HOST])
}

/// Builds one of the shipped components, and returns its path.
pub(crate) fn build_one(name: &str) -> Result<PathBuf> {
    let products: Vec<_> = PRODUCTS.into_iter().filter(|product| product.name == name).collect();
    make(&Toolchain::find()?, wasm_opt().as_deref(), &products)?;
    Ok(product(name))
}

/// Builds all shipped components, and the parts for composition.
pub(crate) fn build(toolchain: &Toolchain, wasm_opt: Option<&Path>) -> Result<()> {
    make(toolchain, wasm_opt, &PRODUCTS)?;
    step("compiling the registry and the storage drivers separately", || {
        COMPOSABLE.iter().try_for_each(|part| compile(toolchain, wasm_opt, part))
    })
}

/// Builds shipped components.
fn make(toolchain: &Toolchain, wasm_opt: Option<&Path>, products: &[Product]) -> Result<()> {
    step("compiling the registry with its storage to WebAssembly", || {
        products.iter().try_for_each(|product| compile(toolchain, wasm_opt, product.part))
    })?;
    for Product { name, part, budget } in products {
        let component = ship(&read(part)?).with_context(|| format!("cannot ship {name}"))?;
        let path = write(&component, &product(name))?;
        // Not to stdout, which is for what a command prints.
        eprintln!("{}: {} bytes; imports only WASI", path.display(), component.len());
        if !is_optimised(part) {
            eprintln!("xtask: {UNOPTIMISED}");
            continue;
        }
        ensure!(
            component.len() <= *budget,
            "{name} is {} bytes over the budget of {budget}",
            component.len() - budget
        );
    }
    Ok(())
}

/// Builds, and composes the components for tests: the checks of the storage contract with each driver, the registry with
/// one driver, and everything over the key-value driver with a store over files.
pub(crate) fn build_tested(toolchain: &Toolchain, wasm_opt: Option<&Path>) -> Result<Tested> {
    build(toolchain, wasm_opt)?;
    step("compiling the components that test the drivers", || {
        [CONTRACT, KEY_VALUE_HOST].iter().try_for_each(|part| compile(toolchain, wasm_opt, part))
    })?;
    let with = |part: &str, driver: &str, path: PathBuf| {
        let composed = compose(&read(part)?, &read(driver)?, STORAGE)
            .with_context(|| format!("cannot compose {part} with {driver}"))?;
        write(&composed, &path)
    };
    let default = WithDriver {
        registry: product(DEFAULT),
        contract: with(CONTRACT, FILESYSTEM_DRIVER, in_components("contract", DEFAULT))?,
    };
    let key_value = WithDriver {
        registry: product(KEY_VALUE_PRODUCT),
        contract: with(CONTRACT, KEY_VALUE_DRIVER, in_components("contract", KEY_VALUE_PRODUCT))?,
    };
    let s3 = WithDriver {
        registry: product(S3_PRODUCT),
        contract: with(CONTRACT, S3_DRIVER, in_components("contract", S3_PRODUCT))?,
    };
    let s3_on_spin = WithDriver { registry: product(S3_ON_SPIN_PRODUCT), contract: s3.contract.clone() };
    let composed = with(REGISTRY, KEY_VALUE_DRIVER, in_components("composed", KEY_VALUE_PRODUCT))?;
    let store = read(KEY_VALUE_HOST)?;
    let over_files = |component: &Path, directory: &str| {
        let bytes = fs::read(component).with_context(|| format!("cannot read {}", component.display()))?;
        let composed = compose(&bytes, &store, KEY_VALUE_STORE)
            .with_context(|| format!("cannot compose {} with {KEY_VALUE_HOST}", component.display()))?;
        write(&composed, &in_components(directory, KEY_VALUE_PRODUCT))
    };
    Ok(Tested {
        over_files: WithDriver {
            registry: over_files(&key_value.registry, "over-files")?,
            contract: over_files(&key_value.contract, "contract/over-files")?,
        },
        composed: over_files(&composed, "composed/over-files")?,
        default,
        key_value,
        s3,
        s3_on_spin,
    })
}

/// Compiles a part as a cdylib only, because cargo omits LTO if it also builds an rlib. The result goes through wasm-opt,
/// which makes it a seventh smaller.
fn compile(toolchain: &Toolchain, wasm_opt: Option<&Path>, part: &str) -> Result<()> {
    let mut cargo = toolchain.cargo("rustc");
    cargo.args(["--release", "--lib", "--crate-type", "cdylib", "--package", part]);
    process::build(&mut cargo)?;
    let (compiled, optimised) = (compiled(part), optimised(part));
    if is_optimised(part) {
        return Ok(());
    }
    let component = fs::read(&compiled).with_context(|| format!("cannot read {}", compiled.display()))?;
    let Some(wasm_opt) = wasm_opt else {
        write(&component, &optimised)?;
        // As old as its source, so that it is made again when wasm-opt has been installed.
        let unoptimised = File::options().write(true).open(&optimised)?;
        return Ok(unoptimised.set_modified(fs::metadata(&compiled)?.modified()?)?);
    };
    let component = with_modules(&component, &mut |module| optimise(wasm_opt, module))
        .with_context(|| format!("cannot optimise {part}"))?;
    write(&component, &optimised).map(drop)
}

/// Whether a part was optimised after it was compiled.
fn is_optimised(part: &str) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|stat| stat.modified()).ok();
    time(&optimised(part)) > time(&compiled(part))
}

/// Optimises a core module, without features of WebAssembly that LLVM does not use.
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
        // LLVM puts the stack first, whose last bytes only an overflow would reach: no valid address is below 1024.
        .args(["-O3", "--converge", "--low-memory-unused"])
        .arg(&before)
        .arg("-o")
        .arg(&after))?;
    fs::read(&after).with_context(|| format!("cannot read {}", after.display()))
}

/// Returns the path of a shipped component.
fn product(name: &str) -> PathBuf {
    in_components("", name)
}

fn in_components(directory: &str, name: &str) -> PathBuf {
    workspace("target/components").join(directory).join(name).with_extension("wasm")
}

/// Returns the path of a part's compiled module.
fn compiled(part: &str) -> PathBuf {
    workspace("target").join(TARGET).join("release").join(part.replace('-', "_")).with_extension("wasm")
}

/// Returns the path of a part's optimised module.
fn optimised(part: &str) -> PathBuf {
    in_components("parts", part.trim_start_matches("component-"))
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
