//! Builds, composes, serves and tests Lighter.

mod cli;
mod components;
mod compose;
mod debian;
mod process;
mod toolchain;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use cli::{Arguments, HELP, Task};
use toolchain::Toolchain;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            return ExitCode::from(2);
        }
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    match arguments.task {
        Task::Help => print!("{HELP}"),
        Task::Build => {
            components::build(&Toolchain::find(arguments.toolchain)?)?;
        }
    }
    Ok(())
}

/// Returns a path in the workspace. All that this tool makes is under its `target/`.
fn workspace(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(relative)
}
