//! Packages of Debian, read through an apt configuration of our own: nothing of the machine's is
//! changed, nothing is installed, and no privilege is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::{capture, run};
use crate::workspace;

/// What apt verifies the archive's signatures with.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Suites of Debian's archive, whose package lists have been read.
pub(crate) struct Archive {
    /// The directory of our apt: configuration, lists and what it fetches.
    apt: PathBuf,
}

impl Archive {
    /// Reads the lists of suites, each a line as in `sources.list` without options.
    pub(crate) fn open(name: &str, suites: &[&str]) -> Result<Self> {
        ensure!(Path::new(KEYRING).exists(), "Debian's keys are not installed ({KEYRING})");
        let archive = Self { apt: workspace("target/tools/apt").join(name) };
        archive.configure(suites).with_context(|| format!("cannot write to {}", archive.apt.display()))?;
        capture(archive.apt_get().arg("update")).context("cannot read Debian's package lists")?;
        Ok(archive)
    }

    fn configure(&self, suites: &[&str]) -> Result<()> {
        for directory in ["etc/apt.conf.d", "etc/preferences.d", "lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(self.apt.join(directory))?;
        }
        let root = fs::canonicalize(&self.apt)?;
        let root = root.display();
        // Of the machine's configuration only the way to the network is taken over: its hooks would
        // act on the machine.
        let machine = capture(Command::new("apt-config").arg("dump"))?;
        let network: String =
            machine.lines().filter(|line| is_network(line)).flat_map(|line| [line, "\n"]).collect();
        fs::write(
            self.apt.join("apt.conf"),
            format!(
                "Dir::Etc \"{root}/etc\";\n\
                 Dir::State::lists \"{root}/lists\";\n\
                 Dir::State::status \"{root}/status\";\n\
                 Dir::Cache \"{root}/cache\";\n\
                 Acquire::Languages \"none\";\n\
                 // The unprivileged user that apt would fetch as cannot write here.\n\
                 APT::Sandbox::User \"root\";\n\
                 {network}"
            ),
        )?;
        fs::write(self.apt.join("status"), "")?;
        fs::write(self.apt.join("etc/sources.list"), sources(suites))?;
        Ok(())
    }

    /// Returns the versions of a package, as the archive orders them.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = capture(self.tool("apt-cache").args(["madison", package]))?;
        Ok(table.lines().filter_map(version).map(str::to_owned).collect())
    }

    /// Returns the package with the given prefix that a package depends on.
    pub(crate) fn dependency(&self, package: &str, prefix: &str) -> Result<String> {
        let listing = capture(self.tool("apt-cache").args(["depends", package]))?;
        let found =
            listing.lines().find_map(|line| line.trim().strip_prefix("Depends: ")?.strip_prefix(prefix));
        let rest = found.with_context(|| format!("{package} does not depend on {prefix}*"))?;
        Ok(format!("{prefix}{rest}"))
    }

    /// Fetches packages and unpacks them into a directory, which appears when it is complete.
    pub(crate) fn unpack(&self, packages: &[&str], into: &Path) -> Result<()> {
        let debs = fresh(&self.apt.join("debs"))?;
        run(self.apt_get().current_dir(&debs).arg("--quiet=2").arg("download").args(packages))?;
        let partial = fresh(&into.with_extension("partial"))?;
        for deb in fs::read_dir(&debs)? {
            run(Command::new("dpkg-deb").arg("--extract").arg(deb?.path()).arg(&partial))?;
        }
        fs::remove_dir_all(&debs)?;
        if into.exists() {
            fs::remove_dir_all(into)?;
        }
        fs::rename(&partial, into).with_context(|| format!("cannot create {}", into.display()))
    }

    fn apt_get(&self) -> Command {
        self.tool("apt-get")
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("APT_CONFIG", self.apt.join("apt.conf"));
        command
    }
}

/// Returns the directory of packages that have been unpacked under a name.
pub(crate) fn unpacked(name: &str) -> PathBuf {
    workspace("target/tools").join(name)
}

fn fresh(directory: &Path) -> Result<PathBuf> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory.to_owned())
}

fn sources(suites: &[&str]) -> String {
    let signed = |suite: &&str| suite.replacen(' ', &format!(" [signed-by={KEYRING}] "), 1) + "\n";
    suites.iter().map(signed).collect()
}

/// Tells whether a line of `apt-config dump` says how to reach the network.
fn is_network(line: &str) -> bool {
    line.starts_with("Acquire::http") || line.starts_with("Acquire::https")
}

/// Returns the version in a line of `apt-cache madison`: `package | version | source`.
fn version(line: &str) -> Option<&str> {
    line.split('|').nth(1).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::{KEYRING, sources, version};

    #[test]
    fn every_suite_is_verified() {
        let list = sources(&["deb http://a b main", "deb-src http://c d main"]);
        assert_eq!(
            list,
            format!(
                "deb [signed-by={KEYRING}] http://a b main\ndeb-src [signed-by={KEYRING}] http://c d main\n"
            )
        );
    }

    #[test]
    fn madison_names_versions() {
        let line = "  rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://deb.debian.org/debian trixie-backports/main amd64 Packages";
        assert_eq!(version(line), Some("1.95.0+dfsg1-2~bpo13+1"));
        assert_eq!(version(""), None);
    }
}
