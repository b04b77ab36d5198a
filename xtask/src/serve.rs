//! A registry on this machine: `wasmtime serve` with the component and a data directory.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lighter_test_host::client::Request;
use lighter_test_host::cluster::Cluster;
use lighter_test_host::process::Process;
use lighter_test_host::wasmtime::{DATA, READY, Serve, address_in};

use crate::workspace;

/// The variable with the filesystem driver's directory.
const ROOT: &str = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY";

/// The variable with the kind of access control.
const AUTH: &str = "REGISTRY_AUTH";

/// How long wasmtime may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// The address to listen on, and the data directory.
#[derive(Debug, PartialEq)]
pub(crate) struct Site {
    /// A host and a port, such as `127.0.0.1:5000`.
    pub(crate) listen: String,
    /// The directory for all data.
    pub(crate) data: PathBuf,
}

impl Site {
    /// Fails, with what to do about it, unless the registry can be served here.
    pub(crate) fn check(&self) -> Result<SocketAddr> {
        let address = address(&self.listen)?;
        ensure!(
            address.ip().is_loopback() || env::var_os(AUTH).is_some(),
            "{address} can be reached from other machines: set up access control with {AUTH}=htpasswd (see \
             docs/security.md), or set {AUTH}=none to let every client push and delete"
        );
        prepare_data(&self.data)?;
        Ok(address)
    }
}

/// Serves from several instances over Garage until Ctrl-C.
pub(crate) fn cluster(wasmtime: &Path, component: &Path, garage: &Path, registries: usize) -> Result<()> {
    let stop = stopped()?;
    let directory = workspace("target/tmp/cluster");
    let cluster = Cluster::start(wasmtime, component, garage, &directory, registries)?;
    let what = format!("{registries} instances and 3 nodes of Garage, in {}", directory.display());
    println!("{}", welcome(cluster.address(), &what));
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Returns what Ctrl-C sets.
fn stopped() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    ctrlc::set_handler(move || told.store(true, Ordering::Relaxed)).context("cannot handle signals")?;
    Ok(stop)
}

/// Serves until Ctrl-C.
pub(crate) fn serve(wasmtime: &Path, component: &Path, address: SocketAddr, data: &Path) -> Result<()> {
    let data = fs::canonicalize(data).with_context(|| format!("cannot find {}", data.display()))?;
    let stop = stopped()?;
    let (served, urls) = mpsc::channel();
    let follow = move |line: String| match line.strip_prefix(READY) {
        // The receiver is gone while the server stops.
        Some(_) => drop(served.send(line)),
        None => eprintln!("{line}"),
    };
    let mut command = command(address, &data).command(wasmtime, component);
    let mut server = Process::follow(&mut command, follow)
        .with_context(|| format!("cannot start {}", wasmtime.display()))?;
    while !stop.load(Ordering::Relaxed) {
        if let Some(status) = server.ended()? {
            bail!("wasmtime exited unexpectedly ({status})");
        }
        if let Ok(line) = urls.try_recv() {
            let at = reachable(&line)?;
            ensure_answers(at)?;
            println!("{}", welcome(at, &data.display().to_string()));
            if is_open() {
                eprintln!("{}", warning(address));
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    server.stop(GRACE).context("cannot stop wasmtime")
}

/// Returns the command that serves the registry, with the variables of the environment.
fn command(address: SocketAddr, data: &Path) -> Serve {
    let mut serve = Serve::default().at(address).directory(data, &guest_directory());
    for name in registry_variables() {
        serve = serve.env(name);
    }
    if env::var_os(AUTH).is_none() {
        // Only this machine reaches it.
        serve = serve.env(format!("{AUTH}=none"));
    }
    serve
}

/// Returns where the component looks for the data directory.
pub(crate) fn guest_directory() -> String {
    env::var(ROOT).unwrap_or_else(|_| DATA.to_owned())
}

/// Returns the names of the variables that are passed on. The name alone: a secret's value does not belong on a command
/// line.
pub(crate) fn registry_variables() -> impl Iterator<Item = OsString> {
    env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("REGISTRY_"))
}

/// Returns the address to listen on, if it is free.
fn address(listen: &str) -> Result<SocketAddr> {
    let mut addresses = listen
        .to_socket_addrs()
        .with_context(|| format!("--listen {listen} is not an address and a port, such as 127.0.0.1:5000"))?;
    let address = addresses.next().with_context(|| format!("--listen {listen} has no address"))?;
    match TcpListener::bind(address) {
        Ok(_) => Ok(address),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("another program is listening on {address}: choose another port with --listen")
        }
        Err(error) => bail!("cannot listen on {address}: {error}"),
    }
}

/// Makes the data directory, for its owner alone, and makes sure that it can be written to.
fn prepare_data(data: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data).with_context(|| format!("cannot create the data directory {}", data.display()))?;
    let probe = data.join(".writable");
    File::create(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .with_context(|| format!("cannot write to the data directory {}", data.display()))
}

/// Returns the address in wasmtime's line about where it serves, as this machine can reach it.
fn reachable(line: &str) -> Result<SocketAddr> {
    let mut address = address_in(line).with_context(|| format!("wasmtime printed no address: {line}"))?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        });
    }
    Ok(address)
}

/// Fails unless a registry answers there.
fn ensure_answers(address: SocketAddr) -> Result<()> {
    let answer = Request::new(address, "GET", "/v2/").try_send().context("the registry did not answer")?;
    // Where access is controlled, it asks for a token.
    ensure!([200, 401].contains(&answer.code()), "the registry answered GET /v2/ with `{}`", answer.status());
    Ok(())
}

/// Whether access control is off.
fn is_open() -> bool {
    env::var_os(AUTH).is_none_or(|auth| auth == "none")
}

fn warning(address: SocketAddr) -> String {
    let clients = if address.ip().is_loopback() {
        "every program on this machine"
    } else {
        "every client that reaches it"
    };
    format!(
        "WARNING: there is no access control at {address}: {clients} may read, replace and delete images.\n"
    )
}

fn welcome(at: SocketAddr, data: &str) -> String {
    format!(
        "\nLighter serves http://{at} from {data}; Ctrl-C stops it.\n\n\
         A first push with Docker:\n\n  \
         docker pull alpine\n  \
         docker tag alpine {at}/alpine\n  \
         docker push {at}/alpine\n\n\
         Or with skopeo, without a daemon:\n\n  \
         skopeo copy --dest-tls-verify=false docker://docker.io/library/alpine docker://{at}/alpine\n"
    )
}

#[cfg(test)]
mod tests {
    use super::{address, reachable};
    use std::net::TcpListener;

    #[test]
    fn a_taken_port_is_named() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = other.local_addr().unwrap();
        let message = address(&taken.to_string()).unwrap_err().to_string();
        assert!(message.contains(&taken.to_string()) && message.contains("--listen"), "{message}");
    }

    #[test]
    fn what_is_no_address_is_named() {
        for listen in ["5000", "127.0.0.1", "127.0.0.1:port", ""] {
            assert!(address(listen).unwrap_err().to_string().contains("is not an address"), "{listen}");
        }
        assert!(address("localhost:0").unwrap().ip().is_loopback());
    }

    #[test]
    fn the_url_of_every_interface_is_reached_on_loopback() {
        assert_eq!(reachable("http://127.0.0.1:5000/").unwrap().to_string(), "127.0.0.1:5000");
        assert_eq!(reachable("http://0.0.0.0:80/").unwrap().to_string(), "127.0.0.1:80");
        assert_eq!(reachable("http://[::]:80/").unwrap().to_string(), "[::1]:80");
        assert!(reachable("http://nowhere/").is_err());
    }
}
