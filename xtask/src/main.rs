//! Builds, composes, serves and tests Lighter.

mod components;
mod compose;
mod debian;
mod process;
mod toolchain;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use toolchain::{Toolchain, Way};

fn main() -> ExitCode {
    let way = std::env::args().nth(3).and_then(|name| Way::named(&name));
    match Toolchain::find(way).and_then(|toolchain| components::build(&toolchain)) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns a path in the workspace. All that this tool makes is under its `target/`.
fn workspace(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name(relative)
}
