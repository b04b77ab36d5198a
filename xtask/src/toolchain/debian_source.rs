//! The installed compiler, with the source of exactly its standard library from Debian.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Toolchain, build_std, rustc, wasi_libc};
use crate::debian::{Archive, unpacked};

/// The suites that have the sources of recent compilers.
const SUITES: &[&str] = &["deb http://deb.debian.org/debian trixie-backports main"];

/// Returns the toolchain if what it needs has been unpacked.
pub(super) fn ready() -> Result<Option<Toolchain>> {
    let root = root()?;
    Ok(library(&root).map(|library| build_std(&library, &wasi_libc(&root))))
}

/// Fetches the library's source and the C library.
pub(super) fn prepare() -> Result<()> {
    let release = release()?;
    let archive = Archive::open("source", SUITES)?;
    let versions = archive.versions("rust-src")?;
    let version = versions
        .iter()
        .find(|version| is_of(version, &release))
        .with_context(|| format!("Debian has no rust-src {release}"))?;
    archive.unpack(&[&format!("rust-src={version}"), "wasi-libc"], &root()?)
}

/// Returns the version of the installed compiler, such as `1.95.0`.
fn release() -> Result<String> {
    let about = rustc(&["--version", "--verbose"])?;
    let release = about.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(release.context("rustc does not tell its release")?.to_owned())
}

fn root() -> Result<PathBuf> {
    Ok(unpacked(&format!("rust-{}", release()?)))
}

/// Returns the library in an unpacked `rust-src`, which names its directory after the version.
pub(super) fn library(root: &Path) -> Option<PathBuf> {
    let sources = fs::read_dir(root.join("usr/src")).ok()?;
    sources.flatten().map(|source| source.path().join("library")).find(|library| library.is_dir())
}

/// Tells whether a Debian version, such as `1.95.0+dfsg1-2`, is that upstream release.
fn is_of(version: &str, release: &str) -> bool {
    version.strip_prefix(release).is_some_and(|rest| rest.starts_with(['+', '-', '~']))
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn a_debian_version_is_of_one_release() {
        assert!(is_of("1.95.0+dfsg1-2~bpo13+1", "1.95.0"));
        assert!(is_of("1.95.0-1", "1.95.0"));
        assert!(!is_of("1.95.0+dfsg1-2", "1.95"));
        assert!(!is_of("1.95.01-1", "1.95.0"));
        assert!(!is_of("1.94.1+dfsg1-1", "1.95.0"));
    }
}
