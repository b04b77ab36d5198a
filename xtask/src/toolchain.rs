//! A compiler for WebAssembly.
//!
//! Wherever rustup reaches its server this is one line. Where it does not, Debian's archive has what
//! is missing: the source of the standard library, from which cargo builds it, and the C library
//! that it stands on. Whatever is fetched stays under `target/tools`, and is found there next time.

mod debian_compiler;
mod debian_source;
mod installed;

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{capture, step};
use crate::workspace;

/// What everything is compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// A way to come by a compiler for [`TARGET`], in the order in which they are tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// The target is installed, or rustup installs it.
    Installed,
    /// The installed compiler, and the standard library's source from Debian.
    DebianSource,
    /// Debian's own newer compiler, with its library's source.
    DebianCompiler,
}

impl Way {
    const ALL: [Self; 3] = [Self::Installed, Self::DebianSource, Self::DebianCompiler];

    /// Returns the way of that name, as `--toolchain` has it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::DebianSource => "debian-source",
            Self::DebianCompiler => "debian-compiler",
        }
    }

    /// Says what [`Way::prepare`] does and about how long that takes.
    fn plan(self) -> &'static str {
        match self {
            Self::Installed => {
                "asking rustup for the target wasm32-wasip2 (a few seconds, one minute at most)"
            }
            Self::DebianSource => "fetching the standard library's source from Debian (100 MB, about 30 s)",
            Self::DebianCompiler => {
                "fetching a compiler and its library's source from Debian (150 MB, about 40 s)"
            }
        }
    }

    /// Returns the toolchain if everything that it needs is there.
    fn ready(self) -> Result<Option<Toolchain>> {
        match self {
            Self::Installed => installed::ready(),
            Self::DebianSource => debian_source::ready(),
            Self::DebianCompiler => debian_compiler::ready(),
        }
    }

    /// Fetches what the toolchain needs.
    fn prepare(self) -> Result<()> {
        match self {
            Self::Installed => installed::prepare(),
            Self::DebianSource => debian_source::prepare(),
            Self::DebianCompiler => debian_compiler::prepare(),
        }
    }
}

/// How cargo is called to compile for [`TARGET`].
#[derive(Debug, Default)]
pub(crate) struct Toolchain {
    /// The environment of cargo.
    env: Vec<(&'static str, OsString)>,
    /// Arguments of every cargo command.
    arguments: Vec<&'static str>,
    /// Flags for rustc besides those in `.cargo/config.toml`.
    rustflags: Vec<String>,
}

impl Toolchain {
    /// Returns the toolchain of the given way, or of the first one that works.
    pub(crate) fn find(wanted: Option<Way>) -> Result<Self> {
        let ways = wanted.map_or(Way::ALL.to_vec(), |way| vec![way]);
        for way in &ways {
            if let Some(toolchain) = way.ready()? {
                return Ok(toolchain);
            }
        }
        for way in &ways {
            match step(way.plan(), || way.prepare()).and_then(|()| way.ready()) {
                Ok(Some(toolchain)) => return Ok(toolchain),
                Ok(None) => eprintln!("xtask: that is no way here: something is still missing"),
                Err(error) => eprintln!("xtask: that is no way here: {error:#}"),
            }
        }
        let tried: Vec<_> = ways.into_iter().map(Way::name).collect();
        bail!("there is no compiler for {TARGET} here: {} failed as said above", tried.join(", "))
    }

    /// Returns a cargo command that compiles for [`TARGET`].
    pub(crate) fn cargo(&self, verb: &str) -> Command {
        let mut cargo = cargo();
        // The caller's flags are meant for this machine, and would replace those for the target.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.envs(self.env.iter().map(|(name, value)| (name, value)));
        // Where we look for what is compiled, wherever the caller keeps other builds.
        cargo.env("CARGO_TARGET_DIR", workspace("target"));
        cargo.arg(verb).args(["--target", TARGET]).args(&self.arguments);
        if !self.rustflags.is_empty() {
            // Cargo joins this list with the one in `.cargo/config.toml`.
            cargo.arg("--config").arg(format!("target.{TARGET}.rustflags={:?}", self.rustflags));
        }
        cargo
    }
}

/// Returns a cargo command at the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace(""));
    cargo
}

/// Asks the installed compiler a question.
fn rustc(arguments: &[&str]) -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    Ok(capture(Command::new(rustc).args(arguments))?.trim().to_owned())
}

/// Returns the toolchain that builds the standard library from its source.
fn build_std(library: &Path, wasi_libc: &Path) -> Toolchain {
    Toolchain {
        env: vec![
            // Building the standard library is an unstable feature of cargo, and this lets a stable
            // compiler have it.
            ("RUSTC_BOOTSTRAP", "1".into()),
            // Undocumented. Without it the source has to be inside of the toolchain, which is not ours.
            ("__CARGO_TESTS_ONLY_SRC_ROOT", library.into()),
        ],
        // None of the features: the largest prints backtraces, which a stripped component has not got.
        arguments: vec!["-Zbuild-std=std,panic_abort", "-Zbuild-std-features="],
        rustflags: vec![format!("-Lnative={}", wasi_libc.display())],
    }
}

/// Returns the C library of an unpacked `wasi-libc`.
fn wasi_libc(root: &Path) -> PathBuf {
    root.join("usr/lib").join(TARGET)
}
