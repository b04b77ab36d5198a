//! Builds, serves and tests Lighter.

mod check;
mod cli;
mod command;
mod components;
mod compose;
mod process;
mod sections;
mod serve;
mod toolchain;
mod tools;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use check::{bench, conformance, crash, fuzz, lint, test};
use cli::{HELP, Storage, Task};
use components::{DEFAULT, S3_PRODUCT, build, build_one, build_tested};
use serve::{cluster, serve};
use toolchain::Toolchain;
use tools::{garage, wasm_opt, wasmtime};

fn main() -> ExitCode {
    let task = match Task::parse(env::args().skip(1)) {
        Ok(task) => task,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            return ExitCode::from(2);
        }
    };
    match run(task) {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Help => print!("{HELP}"),
        Task::Build => build(&Toolchain::find()?, wasm_opt().as_deref())?,
        Task::Serve(site) => {
            let address = site.check()?;
            serve(&wasmtime()?, &build_one(DEFAULT)?, address, &site.data)?;
        }
        Task::Cluster { registries } => {
            cluster(&wasmtime()?, &build_one(S3_PRODUCT)?, &garage()?, registries)?
        }
        Task::Run { data, arguments } => {
            return command::run(&wasmtime()?, &build_one(DEFAULT)?, &data, &arguments);
        }
        Task::Test { long, garage: on_garage, arguments } => {
            let garage = on_garage.then(garage).transpose()?;
            let tested = build_tested(&Toolchain::find()?, wasm_opt().as_deref())?;
            test(&wasmtime()?, &tested, long, &arguments, garage.as_deref())?;
        }
        Task::Crash { kills, seed, storage } => {
            let garage = (storage == Storage::Garage).then(garage).transpose()?;
            let product = if storage == Storage::Filesystem { DEFAULT } else { S3_PRODUCT };
            crash(&wasmtime()?, &build_one(product)?, kills, seed, garage.as_deref())?;
        }
        Task::Bench { arguments } => bench(&wasmtime()?, &build_one(DEFAULT)?, &arguments)?,
        Task::Conformance { suite, garage: on_garage } => {
            let garage = on_garage.then(garage).transpose()?;
            let tested = build_tested(&Toolchain::find()?, wasm_opt().as_deref())?;
            conformance(&wasmtime()?, &tested, &suite, garage.as_deref())?;
        }
        Task::Fuzz { seconds } => fuzz(seconds)?,
        Task::Lint => lint(&Toolchain::find()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns a path in the workspace. This tool writes only under its `target/`.
fn workspace(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(relative)
}
