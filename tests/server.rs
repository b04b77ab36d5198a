//! The real `wasmtime serve` with the shipped component, on a data directory of its own.
//!
//! Every test starts its own server: nothing is shared, and the disk holds only the test's own data. It serves the
//! `.wasm` itself, not a precompiled form, so the shipped file is tested; with wasmtime's own cache every start but
//! the first takes 25 ms.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use lighter_s3_store::{Options as StoreOptions, Server as ObjectStore, Store};
use lighter_test_host::bucket::Bucket;
use lighter_test_host::wasmtime::{DATA, Serve, address_in, run};
use tempfile::TempDir;

use crate::client::Request;
use crate::process::Process;

/// The default secret of a server.
pub(crate) const SECRET: &str = "a secret of the tests";

/// Whether pulls pass through the registry instead of being redirected to the store.
pub(crate) const REDIRECT_DISABLE: &str = "REGISTRY_STORAGE_REDIRECT_DISABLE";

/// The files of the S3 driver.
const S3: &str = "lighter-s3.wasm";
const S3_ON_SPIN: &str = "lighter-s3-spin.wasm";

pub(crate) struct Server {
    process: Process,
    address: SocketAddr,
    data: Arc<TempDir>,
    objects: Option<Objects>,
}

/// Where the S3 driver of a server stores, which has a part of a bucket to itself.
#[derive(Clone)]
enum Objects {
    /// In a store of the tests' own.
    Own(ObjectStore),
    /// Elsewhere, below a root directory of this name.
    Elsewhere(Bucket, String),
}

impl Objects {
    /// The bucket, and the root directory in it.
    fn place(&self) -> (Bucket, &str) {
        match self {
            Self::Own(objects) => (Bucket::from(objects), ""),
            Self::Elsewhere(bucket, root) => (bucket.clone(), root),
        }
    }

    /// The variables that lead to it.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let (bucket, root) = self.place();
        // The smallest parts that stores take.
        let others =
            [("REGISTRY_STORAGE_S3_CHUNKSIZE", "5242880"), ("REGISTRY_STORAGE_S3_ROOTDIRECTORY", root)];
        bucket.variables().into_iter().chain(others).map(|(name, value)| (name, value.to_owned())).collect()
    }
}

pub(crate) struct Options {
    data: Arc<TempDir>,
    /// The object store, for the driver that has one.
    objects: Option<Objects>,
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

    /// A server without a configured secret.
    pub(crate) fn without_secret() -> Options {
        // Not in /tmp, which may be memory: some tests store GBs.
        let data = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the data");
        let objects = (driver() == Driver::S3).then(|| objects_for(data.path()));
        // The count is what the README recommends.
        let (data, environment, variables) = (Arc::new(data), Vec::new(), Vec::new());
        let options = Options {
            data,
            objects: objects.clone(),
            environment,
            variables,
            requests_per_instance: 128,
            instructions: None,
            component: component(),
        };
        if driver() == Driver::KeyValue {
            // The tests wait for a streamed upload's bytes to be stored, and a chunk is stored when it is full.
            return options.env("REGISTRY_STORAGE_KEYVALUE_CHUNKSIZE", "100000");
        }
        match &objects {
            // Most tests look at what a blob is served with, and so it is served.
            Some(objects) => options.over(objects).env(REDIRECT_DISABLE, "true"),
            None => options,
        }
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

    /// The address of the server, as `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory that is the registry's `/var/lib/registry`.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// The object store of the tests' own.
    pub(crate) fn objects(&self) -> &Store {
        match &self.objects {
            Some(Objects::Own(objects)) => &objects.store,
            _ => panic!("the test has no store of its own, and does not begin with own_store!()"),
        }
    }

    /// The bucket of the S3 driver, and the root directory in it.
    pub(crate) fn bucket(&self) -> Option<(Bucket, &str)> {
        self.objects.as_ref().map(Objects::place)
    }

    /// The directory below which everything is stored.
    pub(crate) fn root(&self) -> PathBuf {
        self.data().join("docker/registry/v2")
    }

    /// Runs a command of an operator on the data of the server, beside it. `variables` are as `NAME=VALUE`.
    pub(crate) fn command(&self, words: &[&str], variables: &[&str]) -> Output {
        self.command_beside(words, variables).output().expect("a command that runs")
    }

    /// The same, as a program that is yet to be started.
    pub(crate) fn command_beside(&self, words: &[&str], variables: &[&str]) -> Command {
        let of_objects = self.objects.iter().flat_map(Objects::variables);
        let of_objects: Vec<_> = of_objects.map(|(name, value)| format!("{name}={value}")).collect();
        let variables = [variables, &of_objects.iter().map(String::as_str).collect::<Vec<_>>()].concat();
        Self::command_on(self.data(), words, &variables)
    }

    /// The same, on a directory.
    pub(crate) fn command_on(data: &Path, words: &[&str], variables: &[&str]) -> Command {
        let wasmtime = tool("LIGHTER_WASMTIME", "target/tools/bin/wasmtime");
        let mut component = component();
        if component.ends_with(S3_ON_SPIN) {
            // wasmtime has no variables of Spin.
            component.set_file_name(S3);
        }
        run(&wasmtime, &component, (data, DATA), variables, words)
    }

    /// The most memory that the server has held so far, in MiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.process.status("VmHWM").expect("the status of a running process") / 1024
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

    /// Whether the component reads its host's variables besides the environment.
    pub(crate) fn takes_variables(&self) -> bool {
        driver() == Driver::KeyValue || component().ends_with(S3_ON_SPIN)
    }

    /// Sets the variables that lead to an object store.
    fn over(self, objects: &Objects) -> Self {
        objects.variables().into_iter().fold(self, |options, (name, value)| options.env(name, &value))
    }

    /// Sets one of the host's variables.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Starts on the data of another server, which may still run.
    pub(crate) fn on_data_of(mut self, other: &Server) -> Self {
        self.data = Arc::clone(&other.data);
        self.objects.clone_from(&other.objects);
        match &other.objects {
            // What is set last counts.
            Some(objects) => self.over(objects),
            None => self,
        }
    }

    /// Has the object store of the tests' own serve other clients, too.
    pub(crate) fn beside_other_clients(mut self) -> Self {
        let Some(Objects::Own(objects)) = &self.objects else { return self };
        let options = StoreOptions { other_clients: true, ..objects.store.options().clone() };
        let objects = Objects::Own(Store::new(options).serve().expect("a free port"));
        self.objects = Some(objects.clone());
        self.over(&objects)
    }

    /// Keeps the data in memory, where the machine has a directory for that. A disk may take a minute
    /// to remove thousands of files.
    pub(crate) fn in_memory(mut self) -> Self {
        if let Ok(data) = TempDir::new_in("/dev/shm") {
            self.data = Arc::new(data);
        }
        self
    }

    /// Makes every request meet a new instance.
    pub(crate) fn with_fresh_instances(mut self) -> Self {
        self.requests_per_instance = 1;
        self
    }

    /// Makes every request run in a new instance, and fail after this many instructions of WebAssembly.
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

    /// Serves the checks of the storage contract instead of a registry.
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
        let address = address_in(&line).expect("a URL");
        Server { process, address, data: self.data, objects: self.objects }
    }

    fn wasmtime(&self) -> Command {
        if !self.variables.is_empty() {
            // The component that stands in for Spin's store has them in a file.
            let lines: String =
                self.variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            fs::write(self.data.path().join("variables"), lines).expect("a file of variables");
        }
        let mut serve = Serve::default()
            .directory(self.data.path(), DATA)
            .requests_per_instance(self.requests_per_instance);
        if let Some(instructions) = self.instructions {
            serve = serve.flag(format!("-Wfuel={instructions}"));
        }
        for (name, value) in &self.environment {
            serve = serve.env(format!("{name}={value}"));
        }
        serve.command(&tool("LIGHTER_WASMTIME", "target/tools/bin/wasmtime"), &self.component)
    }

    /// Spin with the directory: its own key-value store is there, and it is mounted for the filesystem driver.
    fn spin(&self, spin: &Path) -> Command {
        let manifest = self.data.path().join("spin.toml");
        let mut text = format!(
            concat!(
                "spin_manifest_version = 2\n[application]\nname = \"tests\"\n",
                "[[trigger.http]]\nroute = \"/...\"\ncomponent = \"registry\"\n",
                "[component.registry]\nsource = {:?}\nkey_value_stores = [\"default\"]\n",
                "files = [{{ source = {:?}, destination = {:?} }}]\n",
                // Object stores and upstreams.
                "allowed_outbound_hosts = [\"http://127.0.0.1:*\"]\n"
            ),
            self.component,
            // Spin looks for a relative one below the working directory, and not beside the manifest.
            self.data.path(),
            DATA
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
        command.args(["--direct-mounts", "--allow-transient-write"]);
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

/// The registry that is tested.
pub(crate) fn component() -> PathBuf {
    tool("LIGHTER_COMPONENT", "target/components/lighter-filesystem.wasm")
}

/// The storage drivers that a registry may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// It keeps its data as files in a directory.
    Filesystem,
    /// It keeps its data in the store of the host.
    KeyValue,
    /// It keeps its data in the bucket of an object store.
    S3,
}

/// The driver of the registry that is tested.
pub(crate) fn driver() -> Driver {
    let component = component();
    if component.ends_with("lighter-keyvalue.wasm") {
        Driver::KeyValue
    } else if component.ends_with(S3) || component.ends_with(S3_ON_SPIN) {
        Driver::S3
    } else {
        Driver::Filesystem
    }
}

/// Whether the tested registry keeps its data as files in a directory.
pub(crate) fn is_over_files() -> bool {
    driver() == Driver::Filesystem
}

/// Whether the tests can look into the object store, and have it fail.
pub(crate) fn has_own_objects() -> bool {
    driver() == Driver::S3 && !matches!(kind_of_objects().as_deref(), Some("garage" | "ceph"))
}

/// Whether the store of the tested registry can tell who was first.
pub(crate) fn is_exclusive() -> bool {
    driver() != Driver::S3 || matches!(kind_of_objects().as_deref(), None | Some("ceph"))
}

/// What is stored in, as a name: the driver, and of an object store its kind.
pub(crate) fn storage() -> String {
    let name = match driver() {
        Driver::Filesystem => "filesystem",
        Driver::KeyValue => "keyvalue",
        Driver::S3 => "s3",
    };
    match kind_of_objects() {
        Some(kind) if driver() == Driver::S3 => format!("{name}-{kind}"),
        _ => name.to_owned(),
    }
}

/// What kind of object store is tested, unless it is the tests' own as it is by default: `unconditional`, which is that
/// without conditional writes, or `garage` or `ceph`, which the registry's variables lead to.
fn kind_of_objects() -> Option<String> {
    env::var("LIGHTER_S3").ok()
}

/// An object store for the server of a directory, whose name is that of no other.
fn objects_for(data: &Path) -> Objects {
    if !has_own_objects() {
        let bucket = Bucket::from_environment().expect("a bucket, by the registry's variables");
        let name = data.file_name().expect("a name").to_string_lossy();
        return Objects::Elsewhere(bucket, name.trim_start_matches('.').to_owned());
    }
    let options = StoreOptions { conditional_writes: is_exclusive(), ..StoreOptions::default() };
    Objects::Own(Store::new(options).serve().expect("a free port"))
}

pub(crate) fn tool(variable: &str, default: &str) -> PathBuf {
    let path = match env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join(default),
    };
    assert!(path.exists(), "{} is not there: run `cargo xtask test`", path.display());
    path
}
