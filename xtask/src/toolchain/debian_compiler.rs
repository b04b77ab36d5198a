//! Debian's own newer compiler, which its security suite keeps for building browsers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};

use super::{Toolchain, build_std, wasi_libc};
use crate::debian::{Archive, fill};
use crate::process::capture;
use crate::workspace;

/// The suites that have the compiler, and the C library.
const SUITES: &[&str] = &[
    "deb http://deb.debian.org/debian-security bookworm-security main",
    "deb http://deb.debian.org/debian bookworm-backports main",
];

/// Returns the toolchain if what it needs has been unpacked.
pub(super) fn ready() -> Result<Option<Toolchain>> {
    let root = root();
    if !root.exists() {
        return Ok(None);
    }
    let mut toolchain = build_std(&root.join("usr/lib/rustlib/src/rust/library"), &wasi_libc(&root));
    let mut path = linkers(&root)?;
    path.insert(0, root.join("usr/bin"));
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    toolchain.env.extend([
        ("RUSTC", root.join("usr/bin/rustc").into()),
        ("LD_LIBRARY_PATH", shared_libraries(&root)?.into()),
        ("PATH", env::join_paths(path).context("PATH cannot be extended")?),
    ]);
    Ok(Some(toolchain))
}

/// Fetches the compiler, its linter, linker and library, and the C library.
pub(super) fn prepare() -> Result<()> {
    let archive = Archive::open("compiler", SUITES)?;
    // Two packages have the version in their names, and a third is as new as the second.
    let std = archive.dependency("libstd-rust-web-dev", "libstd-rust-web-")?;
    let llvm = archive.dependency(&std, "libllvm")?;
    let lld = llvm.replace("libllvm", "lld-");
    let mut packages = vec![
        "rustc-web",
        "libstd-rust-web-dev",
        "rust-web-src",
        "rust-web-llvm",
        "rust-web-clippy",
        "wasi-libc",
    ];
    packages.extend([std.as_str(), &llvm, &lld]);
    fill(&root(), |root| {
        archive.unpack(&packages, root)?;
        let mut rustc = Command::new(root.join("usr/bin/rustc"));
        capture(rustc.arg("--version").env("LD_LIBRARY_PATH", shared_libraries(root)?))
            .context("Debian's compiler does not run here")?;
        Ok(())
    })
}

fn root() -> PathBuf {
    workspace("target/tools/rust-web")
}

/// Returns the directories of `wasm-ld`, one for each LLVM.
fn linkers(root: &Path) -> Result<Vec<PathBuf>> {
    Ok(children(&root.join("usr/lib"))?
        .map(|child| child.join("bin"))
        .filter(|bin| bin.join("wasm-ld").exists())
        .collect())
}

/// Returns the directory of the compiler's own libraries, which has the machine's architecture in
/// its name.
fn shared_libraries(root: &Path) -> Result<PathBuf> {
    children(&root.join("usr/lib"))?
        .find(|child| child.to_string_lossy().contains("-linux-gnu"))
        .context("Debian's compiler has no libraries")
}

fn children(directory: &Path) -> Result<impl Iterator<Item = PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()))
}
