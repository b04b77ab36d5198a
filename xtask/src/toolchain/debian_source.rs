//! The installed compiler, with the source of exactly its standard library from Debian.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Toolchain, build_std, rustc, wasi_libc};
use crate::debian::{Archive, fill};
use crate::workspace;

/// The suites that have the sources of recent compilers: the second keeps older ones for long. The
/// C library is there as well.
const SUITES: &[&str] = &[
    "deb http://deb.debian.org/debian trixie-backports main",
    "deb-src http://deb.debian.org/debian trixie-backports main",
    "deb-src http://deb.debian.org/debian sid main",
];

/// Returns the toolchain if what it needs has been unpacked.
pub(super) fn ready() -> Result<Option<Toolchain>> {
    let root = root(&release()?);
    Ok(root.exists().then(|| build_std(&root.join("library"), &wasi_libc(&root))))
}

/// Fetches the library's source and the C library.
pub(super) fn prepare() -> Result<()> {
    let release = release()?;
    let archive = Archive::open("source", SUITES)?;
    let versions = archive.versions("rustc")?;
    let version = versions
        .iter()
        .find(|version| is_of(version, &release))
        .with_context(|| format!("Debian has no source of rustc {release}"))?;
    fill(&root(&release), |root| {
        archive.unpack_source(&format!("rustc={version}"), "library", root)?;
        archive.unpack(&["wasi-libc"], root)
    })
}

/// Returns the version of the installed compiler, such as `1.95.0`.
fn release() -> Result<String> {
    let about = rustc(&["--version", "--verbose"])?;
    let release = about.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(release.context("rustc does not tell its release")?.to_owned())
}

fn root(release: &str) -> PathBuf {
    workspace("target/tools").join(format!("rust-source-{release}"))
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
