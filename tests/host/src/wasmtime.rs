//! The command lines of `wasmtime serve` and `wasmtime run`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// Where the filesystem driver looks for its files, unless it is configured otherwise.
pub const DATA: &str = "/var/lib/registry";

/// An instance that serves many requests spares most of them its start.
const REQUESTS_PER_INSTANCE: u32 = 128;

/// wasmtime has a thread for each core, and one that waits for the disk answers no request. With this many, as
/// many requests can wait.
const THREADS: &str = "16";

/// The variable that sets their number.
const THREADS_VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// With one heap for each of so many threads, glibc keeps what each of them has once needed: 43 MiB after eight pushes and
/// 64 pulls at once, and 31 MiB with two heaps, at the same speed. Other libraries take no notice.
const HEAPS: (&str, &str) = ("MALLOC_ARENA_MAX", "2");

/// How many pieces of a blob are read while the one before is sent. Without, a pull costs 4 to 8 % more of the
/// processor; more make no difference, and each takes 64 KiB of memory for each pull.
const READ_AHEAD: &str = "-Shttp-outgoing-body-buffer-chunks=2";

/// What wasmtime writes once it accepts connections; the URL follows.
pub const READY: &str = "Serving HTTP on ";

/// A `wasmtime serve` with the flags that the README recommends, and reading ahead, on a free port of this machine.
#[derive(Clone, Debug)]
pub struct Serve {
    address: SocketAddr,
    requests_per_instance: u32,
    threads: Option<&'static str>,
    flags: Vec<OsString>,
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            requests_per_instance: REQUESTS_PER_INSTANCE,
            // What the caller has set goes first.
            threads: env::var_os(THREADS_VARIABLE).is_none().then_some(THREADS),
            flags: Vec::new(),
        }
    }
}

impl Serve {
    /// Listens at an address.
    #[must_use]
    pub fn at(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// Gives the component a directory of this machine, under a path of its own.
    #[must_use]
    pub fn directory(self, directory: &Path, guest: &str) -> Self {
        self.flag("--dir").flag(format!("{}::{guest}", directory.display()))
    }

    /// Gives the component a variable: `NAME=VALUE`, or `NAME` to pass on what the caller has, whose value is then on
    /// no command line.
    #[must_use]
    pub fn env(self, variable: impl AsRef<OsStr>) -> Self {
        self.flag("--env").flag(variable)
    }

    /// Adds another flag.
    #[must_use]
    pub fn flag(mut self, flag: impl AsRef<OsStr>) -> Self {
        self.flags.push(flag.as_ref().to_owned());
        self
    }

    /// Has an instance answer this many requests.
    #[must_use]
    pub fn requests_per_instance(self, requests_per_instance: u32) -> Self {
        Self { requests_per_instance, ..self }
    }

    /// Leaves the number of threads to wasmtime: one for each core.
    #[must_use]
    pub fn with_default_threads(self) -> Self {
        Self { threads: None, ..self }
    }

    /// Returns the command that serves a component.
    pub fn command(&self, wasmtime: &Path, component: &Path) -> Command {
        let mut command = Command::new(wasmtime);
        // With a prefix, which is a write of its own, the lines of two instances can meet.
        command.args(["serve", "-Scli", "--no-logging-prefix", READ_AHEAD]);
        command.arg("--addr").arg(self.address.to_string());
        command.arg("--max-instance-reuse-count").arg(self.requests_per_instance.to_string());
        command.args(&self.flags).arg(component);
        command.envs(self.threads.map(|threads| (THREADS_VARIABLE, threads)));
        if env::var_os(HEAPS.0).is_none() {
            command.env(HEAPS.0, HEAPS.1);
        }
        command
    }
}

/// Returns the command that runs a command of the component on a directory. `variables` are as in [`Serve::env`].
pub fn run(
    wasmtime: &Path,
    component: &Path,
    directory: (&Path, &str),
    variables: impl IntoIterator<Item = impl AsRef<OsStr>>,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Command {
    let mut command = Command::new(wasmtime);
    // The component imports the types of requests, whichever of its exports is called.
    command.args(["run", "-Shttp", "--dir"]).arg(format!("{}::{}", directory.0.display(), directory.1));
    for variable in variables {
        command.arg("--env").arg(variable);
    }
    command.arg(component).args(arguments);
    command
}

/// Returns the address in a line with a URL that a host has written, such as `Serving HTTP on http://127.0.0.1:80/`.
pub fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, authority) = line.split_once("http://")?;
    authority.split(['/', ' ']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Serve, address_in, run};

    #[test]
    fn the_component_comes_last() {
        let serve = Serve::default().directory(Path::new("/d"), "/g").env("A=b").flag("-Ccache=n");
        let command = serve.command(Path::new("wasmtime"), Path::new("c.wasm"));
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
        assert!(
            arguments.join(" ").ends_with(
                "--addr 127.0.0.1:0 --max-instance-reuse-count 128 --dir /d::/g --env A=b -Ccache=n c.wasm"
            ),
            "{arguments:?}"
        );
    }

    #[test]
    fn the_words_of_a_command_follow_the_component() {
        let command = run(
            Path::new("wasmtime"),
            Path::new("c.wasm"),
            (Path::new("/d"), "/g"),
            ["A"],
            ["usage", "--json"],
        );
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
        assert_eq!(arguments.join(" "), "run -Shttp --dir /d::/g --env A c.wasm usage --json");
    }

    #[test]
    fn an_address_is_found_in_what_a_host_writes() {
        let address = |line| address_in(line).map(|address| address.to_string());
        assert_eq!(address("Serving HTTP on http://127.0.0.1:80/").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(address("  registry: http://[::1]:3000 (wildcard)").as_deref(), Some("[::1]:3000"));
        assert_eq!(address("Serving HTTP on http://nowhere/"), None);
        assert_eq!(address("no URL"), None);
    }
}
