//! The target as rustup installs it.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{TARGET, Toolchain, rustc};
use crate::process::run_bounded;
use crate::workspace;

/// Where rustup reaches its server it is done in seconds; where it does not, it may wait for long.
const LIMIT: Duration = Duration::from_secs(60);

/// Returns the toolchain if the compiler has the standard library of the target.
pub(super) fn ready() -> Result<Option<Toolchain>> {
    let directory = rustc(&["--print", "target-libdir", "--target", TARGET])?;
    Ok(has_std(Path::new(&directory)).then(Toolchain::default))
}

/// Has rustup install the target.
pub(super) fn prepare() -> Result<()> {
    let log = workspace("target/tools/rustup.log");
    fs::create_dir_all(workspace("target/tools")).context("cannot create target/tools")?;
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    run_bounded(Command::new("rustup").args(["target", "add", TARGET]), LIMIT, file)
        .with_context(|| format!("rustup did not install {TARGET} (its words are in {})", log.display()))
}

fn has_std(directory: &Path) -> bool {
    let Ok(entries) = fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}
