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
        capture(archive.tool("apt-get").arg("update")).context("cannot read Debian's package lists")?;
        Ok(archive)
    }

    fn configure(&self, suites: &[&str]) -> Result<()> {
        for directory in ["etc/apt.conf.d", "etc/preferences.d", "lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(self.apt.join(directory))?;
        }
        let root = fs::canonicalize(&self.apt)?;
        let root = root.display();
        // Of the machine's configuration only how it reaches an archive is taken over: its hooks would
        // act on the machine.
        let machine = capture(Command::new("apt-config").arg("dump"))?;
        let network: Vec<_> = machine.lines().filter(|line| is_network(line)).collect();
        let network = network.join("\n");
        fs::write(
            self.apt.join("apt.conf"),
            format!(
                "{network}\n\
                 Dir::Etc \"{root}/etc\";\n\
                 Dir::State::lists \"{root}/lists\";\n\
                 Dir::State::status \"{root}/status\";\n\
                 Dir::Cache \"{root}/cache\";\n\
                 Acquire::AllowInsecureRepositories \"false\";\n\
                 Acquire::Languages \"none\";\n\
                 Acquire::Retries \"1\";\n\
                 Acquire::http::Timeout \"20\";\n\
                 APT::Update::Error-Mode \"any\";\n\
                 // The unprivileged user that apt would fetch as cannot write here.\n\
                 APT::Sandbox::User \"root\";\n"
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

    /// Fetches packages and unpacks them into a directory.
    pub(crate) fn unpack(&self, packages: &[&str], into: &Path) -> Result<()> {
        for deb in self.fetch(&["download"], packages)? {
            run(Command::new("dpkg-deb").arg("--extract").arg(deb).arg(into))?;
        }
        Ok(())
    }

    /// Fetches the upstream source of a package, and unpacks one of its directories into another.
    pub(crate) fn unpack_source(&self, package: &str, directory: &str, into: &Path) -> Result<()> {
        for tarball in self.fetch(&["source", "--download-only", "--tar-only"], &[package])? {
            let mut tar = Command::new("tar");
            tar.arg("--extract").arg("--file").arg(tarball).arg("--directory").arg(into);
            tar.args(["--strip-components=1", "--wildcards", "--no-wildcards-match-slash"]);
            run(tar.arg(format!("*/{directory}")))?;
        }
        Ok(())
    }

    /// Has apt fetch something, and returns the files.
    fn fetch(&self, how: &[&str], packages: &[&str]) -> Result<Vec<PathBuf>> {
        let fetched = fresh(self.apt.join("fetched"))?;
        capture(self.tool("apt-get").current_dir(&fetched).arg("--quiet=2").args(how).args(packages))?;
        let files = fs::read_dir(&fetched)?.map(|file| Ok(file?.path()));
        files.collect()
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env("APT_CONFIG", self.apt.join("apt.conf"));
        command
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        // The lists are outdated by the next time. What cannot be removed is overwritten then.
        let _ = fs::remove_dir_all(&self.apt);
    }
}

/// Fills a directory, which appears only when it is complete.
pub(crate) fn fill(directory: &Path, with: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let partial = fresh(directory.with_extension("partial"))?;
    with(&partial)?;
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::rename(&partial, directory).with_context(|| format!("cannot create {}", directory.display()))
}

/// Makes an empty directory, whatever was there.
fn fresh(directory: PathBuf) -> Result<PathBuf> {
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory)
}

fn sources(suites: &[&str]) -> String {
    let signed = |suite: &&str| suite.replacen(' ', &format!(" [signed-by={KEYRING}] "), 1) + "\n";
    suites.iter().map(signed).collect()
}

/// Tells whether a line of `apt-config dump` is about reaching an archive, and not about which of
/// its lists to read.
fn is_network(line: &str) -> bool {
    let setting = line.strip_prefix("Acquire::");
    setting.is_some_and(|name| !name.starts_with("IndexTargets") && !name.starts_with("Languages"))
}

/// Returns the version in a line of `apt-cache madison`: `package | version | source`.
fn version(line: &str) -> Option<&str> {
    line.split('|').nth(1).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::{KEYRING, is_network, sources, version};

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

    #[test]
    fn a_proxy_is_taken_over_but_no_hook() {
        assert!(is_network("Acquire::http::Proxy \"http://proxy:3128\";"));
        for line in [
            "APT::Update::Post-Invoke:: \"rm -f /var/cache/apt/archives/*.deb\";",
            "Acquire::IndexTargets::deb::DEP-11::MetaKey \"$(COMPONENT)/dep11/Components.yml\";",
            "Acquire::Languages:: \"en\";",
            "Dir::Cache \"var/cache/apt\";",
        ] {
            assert!(!is_network(line), "{line}");
        }
    }
}
