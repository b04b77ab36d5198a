//! The compiler for WebAssembly: the installed one, with the target that rustup adds to it.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{capture, step};
use crate::workspace;

/// The target of all components.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// A compiler that has the standard library of [`TARGET`].
#[derive(Debug)]
pub(crate) struct Toolchain(());

impl Toolchain {
    /// Returns the installed compiler. Has rustup add the target if it is missing.
    pub(crate) fn find() -> Result<Self> {
        if !has_target()? {
            step(&format!("adding the target {TARGET} with rustup (once; a few seconds)"), || {
                add_target("rustup")
            })?;
            ensure!(has_target()?, "rustup added {TARGET} to a compiler other than the `rustc` on PATH");
        }
        Ok(Self(()))
    }

    /// Returns a cargo command that compiles for [`TARGET`].
    pub(crate) fn cargo(&self, verb: &str) -> Command {
        let mut cargo = cargo();
        // The caller's flags are meant for this machine, and would replace those for the target.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        // This tool looks for the results there, wherever the caller keeps other builds.
        cargo.env("CARGO_TARGET_DIR", workspace("target"));
        cargo.arg(verb).args(["--target", TARGET]);
        cargo
    }
}

/// Returns a cargo command at the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace(""));
    cargo
}

/// Whether the compiler has the standard library of the target.
fn has_target() -> Result<bool> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut rustc = Command::new(rustc);
    rustc.current_dir(workspace("")).args(["--print", "target-libdir", "--target", TARGET]);
    let directory = capture(&mut rustc).with_context(|| format!("this compiler does not know {TARGET}"))?;
    let Ok(entries) = fs::read_dir(directory.trim()) else { return Ok(false) };
    Ok(entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

fn add_target(rustup: &str) -> Result<()> {
    match Command::new(rustup).current_dir(workspace("")).args(["target", "add", TARGET]).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!(
            "rustup could not add {TARGET} ({status}; see its message above): run `rustup target add {TARGET}` \
             with network access"
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "the compiler has no standard library for {TARGET}, and there is no rustup to add it: install \
             Rust with rustup, or your system's package for that library"
        ),
        Err(error) => bail!("cannot start rustup: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::add_target;

    #[test]
    fn without_rustup_it_is_said_what_to_install() {
        let error = add_target("/nonexistent/rustup").unwrap_err().to_string();
        assert!(error.contains("install Rust with rustup"), "{error}");
    }

    #[test]
    #[cfg(unix)]
    fn when_rustup_fails_it_is_said_what_to_run() {
        let error = add_target("false").unwrap_err().to_string();
        assert!(error.contains("run `rustup target add wasm32-wasip2`"), "{error}");
    }
}
