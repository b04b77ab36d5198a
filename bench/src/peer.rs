//! The registries that are measured: Lighter, and the alternatives that are installed.

use std::env;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lighter_s3_store::Options;
use lighter_test_host::process::Process;
use lighter_test_host::wasmtime::{DATA, Serve};

use crate::version;

/// How long a registry may take to accept connections.
const START: Duration = Duration::from_secs(30);

/// The configuration of distribution from its documentation, with a shorter log.
const DISTRIBUTION: &str = "\
version: 0.1
log: {accesslog: {disabled: true}, level: error}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: {data}}
  delete: {enabled: true}
http: {addr: \"127.0.0.1:{port}\", secret: bench}
";

/// Lighter, as `cargo xtask serve` runs it.
#[derive(Clone, Debug)]
pub(crate) struct Lighter {
    pub(crate) wasmtime: PathBuf,
    pub(crate) component: PathBuf,
    pub(crate) serve: Serve,
}

impl Lighter {
    /// The component that `cargo xtask bench` has built.
    pub(crate) fn from_environment() -> Result<Self> {
        let path = |name| {
            env::var_os(name)
                .map(PathBuf::from)
                .with_context(|| format!("{name} is not set: run `cargo xtask bench`"))
        };
        let serve = Serve::default().env("REGISTRY_LOG_ACCESSLOG_DISABLED=true");
        Ok(Self { wasmtime: path("LIGHTER_WASMTIME")?, component: path("LIGHTER_COMPONENT")?, serve })
    }

    /// Returns the same component, served in another way.
    pub(crate) fn with(&self, change: impl FnOnce(Serve) -> Serve) -> Self {
        Self { serve: change(self.serve.clone()), ..self.clone() }
    }
}

/// A registry and the command that starts it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Its name in the table.
    pub(crate) name: String,
    /// Its version and its compiler, as far as they can be found out.
    pub(crate) about: String,
    start: Start,
    /// Where its data lies, if not beside that of the others.
    place: Option<PathBuf>,
    /// Whether it keeps distribution's layout, so that its directory can be filled by hand.
    pub(crate) is_compatible: bool,
}

#[derive(Clone, Debug)]
enum Start {
    Lighter(Lighter),
    /// `{port}` and `{data}` in the command become a free port and the directory, `{config}` a file with the
    /// configuration.
    Other {
        command: Vec<String>,
        config: String,
    },
}

impl Peer {
    /// Lighter.
    pub(crate) fn lighter(lighter: Lighter) -> Self {
        let about = version::first_line(Command::new(&lighter.wasmtime).arg("--version"));
        Self {
            name: "lighter".into(),
            about: about.unwrap_or_default(),
            start: Start::Lighter(lighter),
            place: None,
            is_compatible: true,
        }
    }

    /// The peers that are installed: distribution under the name `registry`, as its project builds it, and under
    /// that of Debian's package, and olareg.
    pub(crate) fn installed() -> Result<Vec<Self>> {
        let olareg = "serve --addr 127.0.0.1 --port {port} --dir {data} --api-delete --api-blob-delete";
        let mut installed = Self::distributions(DISTRIBUTION)?;
        installed.extend(Self::found("olareg", olareg, "")?);
        Ok(installed)
    }

    /// Lighter and each distribution, over the bucket of an object store.
    pub(crate) fn over(
        lighter: &Lighter,
        store: &Options,
        endpoint: &str,
        redirects: bool,
    ) -> Result<Vec<Self>> {
        let Options { bucket, region, access_key, secret_key, .. } = store;
        let lighter = lighter.with(|serve| {
            serve
                .env(format!("REGISTRY_STORAGE_S3_REGIONENDPOINT={endpoint}"))
                .env(format!("REGISTRY_STORAGE_S3_BUCKET={bucket}"))
                .env(format!("REGISTRY_STORAGE_S3_REGION={region}"))
                .env(format!("REGISTRY_STORAGE_S3_ACCESSKEY={access_key}"))
                .env(format!("REGISTRY_STORAGE_S3_SECRETKEY={secret_key}"))
                .env(format!("REGISTRY_STORAGE_REDIRECT_DISABLE={}", !redirects))
        });
        let config = format!(
            "\
version: 0.1
log: {{accesslog: {{disabled: true}}, level: error}}
storage:
  cache: {{blobdescriptor: inmemory}}
  s3: {{regionendpoint: \"{endpoint}\", bucket: \"{bucket}\", region: \"{region}\", accesskey: \"{access_key}\",
       secretkey: \"{secret_key}\", secure: false, forcepathstyle: true}}
  redirect: {{disable: {}}}
  delete: {{enabled: true}}
http: {{addr: \"127.0.0.1:{{port}}\", secret: bench}}
",
            !redirects
        );
        let mut peers = vec![Self::lighter(lighter)];
        peers.extend(Self::distributions(&config)?);
        Ok(peers)
    }

    fn distributions(config: &str) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for program in ["registry", "docker-registry"] {
            found.extend(Self::found(program, "serve {config}", config)?);
        }
        Ok(found)
    }

    /// A registry, if it is installed.
    fn found(program: &str, arguments: &str, config: &str) -> Result<Option<Self>> {
        let Some(path) = on_path(program) else { return Ok(None) };
        let (name, about) = version::of(&path)?;
        let mut command = vec![path.display().to_string()];
        command.extend(words(arguments));
        let start = Start::Other { command, config: config.to_owned() };
        Ok(Some(Self { name, about, start, place: None, is_compatible: !config.is_empty() }))
    }

    /// The same registry, with its data in another directory.
    pub(crate) fn in_place(&self, name: String, place: PathBuf) -> Self {
        Self { name, place: Some(place), ..self.clone() }
    }

    /// Where its data lies.
    pub(crate) fn data(&self, scratch: &Path) -> PathBuf {
        self.place.as_deref().unwrap_or(scratch).join(&self.name)
    }

    /// Lighter, and each distribution that is installed, as mirrors of an upstream.
    pub(crate) fn mirrors(lighter: &Lighter, upstream: &str) -> Result<Vec<Self>> {
        let serve = |serve: Serve| serve.env(format!("REGISTRY_PROXY_REMOTEURL={upstream}"));
        let mut mirrors = vec![Self::lighter(lighter.with(serve))];
        mirrors
            .extend(Self::distributions(&format!("{DISTRIBUTION}proxy: {{remoteurl: \"{upstream}\"}}\n"))?);
        Ok(mirrors)
    }

    /// A peer as `--peer NAME=COMMAND` names it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (name, command) = text.split_once('=').context("--peer is NAME=COMMAND")?;
        if name.is_empty() || !command.contains("{port}") {
            bail!("--peer is NAME=COMMAND, and the command must contain {{port}}");
        }
        let start = Start::Other { command: words(command), config: String::new() };
        let about = command.to_owned();
        Ok(Self { name: name.into(), about, start, place: None, is_compatible: false })
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
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = self.command(address, data)?;
        let started = Instant::now();
        let process = Process::spawn(&mut command).with_context(|| format!("cannot start {}", self.name))?;
        let mut running = Running { process, address };
        while TcpStream::connect(address).is_err() {
            if running.process.ended()?.is_some() || started.elapsed() > START {
                bail!("{} does not start:\n{}", self.name, running.process.log());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(running)
    }

    fn command(&self, address: SocketAddr, data: &Path) -> Result<Command> {
        let (command, config) = match &self.start {
            Start::Lighter(Lighter { wasmtime, component, serve }) => {
                return Ok(serve.clone().at(address).directory(data, DATA).command(wasmtime, component));
            }
            Start::Other { command, config } => (command, config),
        };
        let (port, file) = (address.port().to_string(), data.with_extension("yml"));
        let fill = |text: &str| {
            let text = text.replace("{port}", &port).replace("{data}", &data.display().to_string());
            text.replace("{config}", &file.display().to_string())
        };
        fs::write(&file, fill(config))?;
        let mut words = command.iter().map(|word| fill(word));
        let mut command = Command::new(words.next().context("a peer has no command")?);
        command.args(words);
        Ok(command)
    }
}

/// The memory of a process, in MiB.
pub(crate) struct Memory {
    /// The memory that the process holds.
    pub(crate) now: f64,
    /// The most memory that the process has held.
    pub(crate) peak: f64,
    /// The memory of its own: without the pages of files, which are mostly the program.
    pub(crate) own: f64,
}

/// A running registry. It is stopped when this is dropped.
pub(crate) struct Running {
    process: Process,
    /// The address that it listens on.
    pub(crate) address: SocketAddr,
}

impl Running {
    /// Returns the memory that the registry holds.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let field = |name: &str| {
            let kib = self
                .process
                .status(name)
                .with_context(|| format!("there is no {name}, which only Linux has"))?;
            anyhow::Ok(kib as f64 / 1024.0)
        };
        Ok(Memory { now: field("VmRSS")?, peak: field("VmHWM")?, own: field("RssAnon")? })
    }
}

/// Finds a program.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|directory| directory.join(program)).find(|path| path.is_file())
}

fn words(command: &str) -> Vec<String> {
    command.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::Peer;

    #[test]
    fn a_peer_is_a_name_and_a_command() {
        let peer = Peer::parse("zot=zot serve --port={port} {data}").unwrap();
        let command = peer.command("127.0.0.1:80".parse().unwrap(), &env::temp_dir().join("peer")).unwrap();
        assert_eq!((peer.name.as_str(), command.get_args().count()), ("zot", 3));
        for wrong in ["zot", "=zot {port}", "zot=zot serve"] {
            assert!(Peer::parse(wrong).is_err(), "{wrong}");
        }
    }
}
