//! The commands of an operator, on the data directory of a registry on this machine.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use lighter_test_host::wasmtime;

use crate::serve::{guest_directory, registry_variables};

/// Runs a command of the component, and returns its exit status.
pub(crate) fn run(wasmtime: &Path, component: &Path, data: &Path, arguments: &[String]) -> Result<ExitCode> {
    let data = fs::canonicalize(data).with_context(|| format!("cannot find {}", data.display()))?;
    let directory = (data.as_path(), &*guest_directory());
    let mut command = wasmtime::run(wasmtime, component, directory, registry_variables(), arguments);
    let status = command.status().with_context(|| format!("cannot start {}", wasmtime.display()))?;
    // Without a code, a signal has ended it.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
