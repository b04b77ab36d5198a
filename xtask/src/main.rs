//! Builds, serves and tests Lighter.

mod check;
mod cli;
mod command;
mod components;
mod compose;
mod conformance;
mod process;
mod sections;
mod serve;
mod toolchain;
mod tools;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use check::{bench, crash, fuzz, lint, test};
use cli::{HELP, Task};
use components::{build, build_default, build_tested};
use conformance::conformance;
use serve::serve;
use toolchain::Toolchain;
use tools::{wasm_opt, wasmtime};

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
            let component = build_default(&Toolchain::find()?, wasm_opt().as_deref())?;
            serve(&wasmtime()?, &component, address, &site.data)?;
        }
        Task::Run { data, arguments } => {
            let component = build_default(&Toolchain::find()?, wasm_opt().as_deref())?;
            return command::run(&wasmtime()?, &component, &data, &arguments);
        }
        Task::Test { long, arguments } => {
            let tested = build_tested(&Toolchain::find()?, wasm_opt().as_deref())?;
            test(&wasmtime()?, &tested, long, &arguments)?;
        }
        Task::Crash { kills, seed } => {
            let component = build_default(&Toolchain::find()?, wasm_opt().as_deref())?;
            crash(&wasmtime()?, &component, kills, seed)?;
        }
        Task::Bench { arguments } => {
            let component = build_default(&Toolchain::find()?, wasm_opt().as_deref())?;
            bench(&wasmtime()?, &component, &arguments)?;
        }
        Task::Conformance { suite } => {
            let tested = build_tested(&Toolchain::find()?, wasm_opt().as_deref())?;
            conformance(&wasmtime()?, &tested, &suite)?;
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
