//! The real `wasmtime serve` with the shipped component, on a data directory of its own.
//!
//! Every test starts its own server: nothing is shared, and what lies on disk is what the test
//! did. It serves the `.wasm` itself, not a precompiled form of it, so that what is tested is the
//! file that is shipped; wasmtime's own cache makes every start but the first take 25 ms.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::client::Request;
use crate::process::Process;

/// The secret of every server that is not told otherwise.
pub(crate) const SECRET: &str = "a secret of the tests";

pub(crate) struct Server {
    process: Process,
    address: SocketAddr,
    data: Arc<TempDir>,
}

pub(crate) struct Options {
    data: Arc<TempDir>,
    environment: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    requests_per_instance: u32,
    instructions: Option<u64>,
    component: PathBuf,
}

impl Server {
    /// Starts a server on an empty directory.
    pub(crate) fn start() -> Self {
        Self::with_secret(SECRET).start()
    }

    /// A server that has a secret configured.
    pub(crate) fn with_secret(secret: &str) -> Options {
        Self::without_secret().env("REGISTRY_HTTP_SECRET", secret)
    }

    /// A server that has to find a secret by itself.
    pub(crate) fn without_secret() -> Options {
        // Not in /tmp, which may be memory: some tests store GBs.
        let data = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the data");
        let component = tool("LIGHTER_COMPONENT", "target/components/lighter-filesystem.wasm");
        // The count is what the README recommends.
        let (data, environment, variables) = (Arc::new(data), Vec::new(), Vec::new());
        let options = Options {
            data,
            environment,
            variables,
            requests_per_instance: 128,
            instructions: None,
            component,
        };
        if options.takes_variables() {
            // The tests wait for a streamed upload's bytes to be stored, and a chunk is stored when it is full.
            return options.env("REGISTRY_STORAGE_KEYVALUE_CHUNKSIZE", "100000");
        }
        options
    }

    pub(crate) fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    pub(crate) fn head(&self, target: &str) -> Request {
        self.request("HEAD", target)
    }

    pub(crate) fn post(&self, target: &str) -> Request {
        self.request("POST", target)
    }

    pub(crate) fn patch(&self, target: &str) -> Request {
        self.request("PATCH", target)
    }

    pub(crate) fn put(&self, target: &str) -> Request {
        self.request("PUT", target)
    }

    pub(crate) fn delete(&self, target: &str) -> Request {
        self.request("DELETE", target)
    }

    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.address, method, target)
    }

    /// Where the server listens, as `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory that is the registry's `/var/lib/registry`.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// The directory below which everything is stored.
    pub(crate) fn root(&self) -> PathBuf {
        self.data().join("docker/registry/v2")
    }

    /// The most memory that the server has held so far, in MiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        // `spin up` serves in a process that it starts.
        let id = self.process.id().to_string();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let path = format!("/proc/{}/status", children.split_whitespace().last().unwrap_or(&id));
        let status = fs::read_to_string(path).expect("the status of a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line VmHWM");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
        kib / 1024
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the server has written a line that contains this, and returns the line.
    pub(crate) fn logged(&self, text: &str) -> String {
        self.process.wait_for(text)
    }

    /// Everything that the server has written so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}

impl Options {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Whether the component takes the variables that its host has beside the environment.
    pub(crate) fn takes_variables(&self) -> bool {
        self.component.ends_with("lighter-keyvalue.wasm")
    }

    /// Sets one of those.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Starts on the data of another server, which may still run.
    pub(crate) fn on_data_of(mut self, other: &Server) -> Self {
        self.data = Arc::clone(&other.data);
        self
    }

    /// Keeps the data in memory, where the machine has a directory for that. A disk may take a minute
    /// to remove thousands of files.
    pub(crate) fn in_memory(mut self) -> Self {
        if let Ok(data) = TempDir::new_in("/dev/shm") {
            self.data = Arc::new(data);
        }
        self
    }

    /// Has every request meet an instance that knows nothing of any other.
    pub(crate) fn with_fresh_instances(mut self) -> Self {
        self.requests_per_instance = 1;
        self
    }

    /// Has every request end with an error, in an instance of its own, once it has executed so many
    /// instructions of WebAssembly.
    pub(crate) fn with_at_most(self, instructions: u64) -> Self {
        Self { instructions: Some(instructions), ..self.with_fresh_instances() }
    }

    /// The directory that is the registry's `/var/lib/registry`.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// Serves the component that takes the tokens of an outside token server.
    pub(crate) fn token_server(mut self) -> Self {
        let component = "target/components/lighter-filesystem-token-server.wasm";
        self.component = tool("LIGHTER_TOKEN_SERVER", component);
        self
    }

    /// Serves the checks of the storage contract, and no registry.
    pub(crate) fn contract(mut self) -> Self {
        self.component = tool("LIGHTER_CONTRACT", "target/components/contract/lighter-filesystem.wasm");
        self
    }

    /// The directory of the data, to fill it before the start.
    pub(crate) fn root(&self) -> PathBuf {
        self.data.path().join("docker/registry/v2")
    }

    pub(crate) fn start(self) -> Server {
        let process = Process::start(match env::var_os("LIGHTER_SPIN") {
            Some(spin) => self.spin(Path::new(&spin)),
            None => self.wasmtime(),
        });
        let line = process.wait_for("http://127.0.0.1:");
        let (_, address) = line.split_once("http://").expect("a URL");
        let address = address.trim_end_matches('/').parse().expect("an address");
        Server { process, address, data: self.data }
    }

    fn wasmtime(&self) -> Command {
        if !self.variables.is_empty() {
            // The component that stands in for Spin's store has them in a file.
            let lines: String =
                self.variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            fs::write(self.data.path().join("variables"), lines).expect("a file of variables");
        }
        let mut command = Command::new(tool("LIGHTER_WASMTIME", "target/tools/bin/wasmtime"));
        command
            // As the README recommends.
            .env("TOKIO_WORKER_THREADS", "16")
            // With a prefix, which is a write of its own, the lines of two instances can meet.
            .args(["serve", "-Scli", "--addr", "127.0.0.1:0", "--no-logging-prefix"])
            .arg("--dir")
            .arg(format!("{}::/var/lib/registry", self.data.path().display()))
            .args(["--max-instance-reuse-count", &self.requests_per_instance.to_string()]);
        if let Some(instructions) = self.instructions {
            command.arg(format!("-Wfuel={instructions}"));
        }
        for (name, value) in &self.environment {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        command.arg(&self.component);
        command
    }

    /// Spin on the component of the key-value driver, with its store in the directory.
    fn spin(&self, spin: &Path) -> Command {
        let manifest = self.data.path().join("spin.toml");
        let mut text = format!(
            concat!(
                "spin_manifest_version = 2\n[application]\nname = \"tests\"\n",
                "[[trigger.http]]\nroute = \"/...\"\ncomponent = \"registry\"\n",
                "[component.registry]\nsource = {:?}\nkey_value_stores = [\"default\"]\n"
            ),
            self.component
        );
        for (header, is_used) in [("[component.registry.variables]", true), ("[variables]", false)] {
            text += &format!("{header}\n");
            for (name, _) in &self.variables {
                text += &if is_used {
                    format!("{name} = \"{{{{ {name} }}}}\"\n")
                } else {
                    format!("{name} = {{ required = true }}\n")
                };
            }
        }
        fs::write(&manifest, text).expect("a manifest");
        let mut command = Command::new(spin);
        command.arg("up").arg("--from").arg(&manifest).args(["--listen", "127.0.0.1:0"]);
        command.arg("--state-dir").arg(self.data.path());
        for (name, value) in &self.environment {
            command.arg("--env").arg(format!("{name}={value}"));
        }
        for (name, value) in &self.variables {
            command.arg("--variable").arg(format!("{name}={value}"));
        }
        command
    }
}

fn tool(variable: &str, default: &str) -> PathBuf {
    let path = match env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join(default),
    };
    assert!(path.exists(), "{} is not there: run `cargo xtask test`", path.display());
    path
}
