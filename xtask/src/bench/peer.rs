//! The registries that are measured: ours, and those that people would use instead.

use std::env;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::serve::{READ_AHEAD, REUSE, THREADS, THREADS_VARIABLE};

/// How long a registry may take to accept connections.
const START: Duration = Duration::from_secs(30);

/// distribution, as its documentation configures it, but for what it writes to its log.
const DISTRIBUTION: &str = "\
version: 0.1
log: {accesslog: {disabled: true}, level: error}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: {data}}
  delete: {enabled: true}
http: {addr: \"127.0.0.1:{port}\", secret: bench}
";

/// A registry and how it is started. `{port}` and `{data}` in the command become a free port and an
/// empty directory, `{config}` a file with the configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Peer {
    /// Its name in the table.
    pub(crate) name: String,
    command: Vec<String>,
    variables: &'static [(&'static str, &'static str)],
    config: &'static str,
    /// Whether it keeps distribution's layout, so that its directory can be filled by hand.
    pub(crate) is_compatible: bool,
}

impl Peer {
    /// Lighter, as `cargo xtask serve` runs it.
    pub(crate) fn lighter(wasmtime: &Path, component: &Path) -> Self {
        let (wasmtime, component) = (wasmtime.display(), component.display());
        let command = format!(
            "{wasmtime} serve -Scli --addr 127.0.0.1:{{port}} \
             --dir {{data}}::/var/lib/registry --max-instance-reuse-count {REUSE} {READ_AHEAD} \
             --env REGISTRY_LOG_ACCESSLOG_DISABLED=true {component}"
        );
        let (command, variables) = (words(&command), &[(THREADS_VARIABLE, THREADS)]);
        Self { name: "lighter".into(), command, variables, config: "", is_compatible: true }
    }

    /// The peers that are installed.
    pub(crate) fn installed() -> Vec<Self> {
        let on_path = |program: &str| {
            let path = env::var_os("PATH").unwrap_or_default();
            env::split_paths(&path).any(|directory| directory.join(program).is_file())
        };
        let distribution =
            |program: &str| ("distribution", format!("{program} serve {{config}}"), DISTRIBUTION, true);
        let olareg = "olareg serve --addr 127.0.0.1 --port {port} --dir {data}";
        let known = [
            distribution("docker-registry"),
            distribution("registry"),
            ("olareg", olareg.to_owned(), "", false),
        ];
        let mut installed: Vec<Self> = Vec::new();
        for (name, command, config, is_compatible) in known {
            let command = words(&command);
            let is_new = installed.iter().all(|peer| peer.name != name);
            if is_new && command.first().is_some_and(|program| on_path(program)) {
                installed.push(Self { name: name.into(), command, variables: &[], config, is_compatible });
            }
        }
        installed
    }

    /// A peer as `--peer NAME=COMMAND` names it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (name, command) = text.split_once('=').context("--peer is NAME=COMMAND")?;
        if name.is_empty() || !command.contains("{port}") {
            bail!("--peer is NAME=COMMAND, and the command says where {{port}} goes");
        }
        let command = words(command);
        Ok(Self { name: name.into(), command, variables: &[], config: "", is_compatible: false })
    }

    /// Adds a flag to the first command that the program is given.
    pub(crate) fn with_flags(mut self, flags: &str) -> Self {
        self.command.insert(2.min(self.command.len()), flags.to_owned());
        self
    }

    /// Sets no variable of the environment.
    pub(crate) fn without_variables(self) -> Self {
        Self { variables: &[], ..self }
    }

    /// Starts the registry on an empty directory, and waits until it accepts connections.
    pub(crate) fn start(&self, data: &Path) -> Result<Running> {
        if data.exists() {
            fs::remove_dir_all(data)?;
        }
        fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
        self.restart(data)
    }

    /// Starts the registry on the data of an earlier start.
    pub(crate) fn restart(&self, data: &Path) -> Result<Running> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let config = data.with_extension("yml");
        let fill = |text: &str| {
            let text =
                text.replace("{port}", &port.to_string()).replace("{data}", &data.display().to_string());
            text.replace("{config}", &config.display().to_string())
        };
        fs::write(&config, fill(self.config))?;
        let mut words = self.command.iter().map(|word| fill(word));
        let mut command = Command::new(words.next().context("a peer has no command")?);
        command.args(words).envs(self.variables.iter().copied());
        let log = data.with_extension("log");
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", self.name))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut running = Running { child, address };
        while TcpStream::connect(address).is_err() {
            if running.child.try_wait()?.is_some() || started.elapsed() > START {
                bail!("{} does not start; see {}", self.name, log.display());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(running)
    }
}

/// The memory of a process, in MiB.
pub(crate) struct Memory {
    /// What it holds.
    pub(crate) now: f64,
    /// The most it has held.
    pub(crate) peak: f64,
    /// What of that which it holds is its own: all but the pages of files, which are mostly the program.
    pub(crate) own: f64,
}

/// A registry that runs. It ends when this is dropped.
pub(crate) struct Running {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Running {
    /// The memory that it holds.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .context("memory is only told by Linux")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<f64>().ok().map(|kib| kib / 1024.0)
        };
        Ok(Memory {
            now: field("VmRSS:").context("no VmRSS")?,
            peak: field("VmHWM:").context("no VmHWM")?,
            own: field("RssAnon:").context("no RssAnon")?,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::Peer;

    #[test]
    fn a_peer_is_a_name_and_a_command() {
        let peer = Peer::parse("zot=zot serve --port={port} {data}").unwrap();
        assert_eq!((peer.name.as_str(), peer.command.len()), ("zot", 4));
        for wrong in ["zot", "=zot {port}", "zot=zot serve"] {
            assert!(Peer::parse(wrong).is_err(), "{wrong}");
        }
    }
}
