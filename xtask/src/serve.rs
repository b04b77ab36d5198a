//! A registry on this machine: `wasmtime serve` with the component and a data directory.

use std::fs::{self, DirBuilder, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, Result, bail, ensure};

/// Where the filesystem driver looks for its files, unless [`ROOT`] says otherwise.
const GUEST_DATA: &str = "/var/lib/registry";

/// The variable that says so.
const ROOT: &str = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY";

/// The variable that says how access is controlled.
const AUTH: &str = "REGISTRY_AUTH";

/// An instance that serves many requests spares most of them its start.
pub(crate) const REUSE: &str = "128";

/// wasmtime has a thread for each core, and one that waits for the disk answers nobody. With these, many can
/// wait.
pub(crate) const THREADS: &str = "16";

/// The variable that says so.
pub(crate) const THREADS_VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// So many pieces of a blob are read while the one before is sent.
pub(crate) const READ_AHEAD: &str = "-Shttp-outgoing-body-buffer-chunks=4";

/// What wasmtime says when it accepts connections; the URL follows.
const READY: &str = "Serving HTTP on ";

/// How long wasmtime may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// Where to listen, and where the data is.
#[derive(Debug, PartialEq)]
pub(crate) struct Site {
    /// A host and a port, such as `127.0.0.1:5000`.
    pub(crate) listen: String,
    /// The directory of all that is stored.
    pub(crate) data: PathBuf,
}

impl Site {
    /// Fails, with what to do about it, unless the registry can be served here.
    pub(crate) fn check(&self) -> Result<SocketAddr> {
        let address = address(&self.listen)?;
        ensure!(
            address.ip().is_loopback() || env::var_os(AUTH).is_some(),
            "{address} can be reached from other machines: set up access control with {AUTH}=htpasswd (see \
             docs/security.md), or say with {AUTH}=none that whoever reaches it may push and delete"
        );
        prepare_data(&self.data)?;
        Ok(address)
    }
}

/// Serves until it is told to stop.
pub(crate) fn serve(wasmtime: &Path, component: &Path, address: SocketAddr, data: &Path) -> Result<()> {
    let data = fs::canonicalize(data).with_context(|| format!("cannot find {}", data.display()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    ctrlc::set_handler(move || told.store(true, Ordering::Relaxed)).context("cannot handle signals")?;

    let mut server = Server::start(wasmtime, component, address, &data)?;
    let ready = server.follow()?;
    while !stop.load(Ordering::Relaxed) {
        if let Some(status) = server.0.try_wait()? {
            bail!("wasmtime ended by itself ({status})");
        }
        if let Ok(url) = ready.try_recv() {
            let at = reachable(&url)?;
            ensure_answers(at)?;
            println!("{}", welcome(at, &data));
            if is_open() {
                eprintln!("{}", warning(address));
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    server.stop()
}

/// The wasmtime that serves. It ends when this is dropped.
struct Server(Child);

impl Server {
    fn start(wasmtime: &Path, component: &Path, address: SocketAddr, data: &Path) -> Result<Self> {
        let mut command = Command::new(wasmtime);
        // With a prefix, which is a write of its own, the lines of two instances can meet.
        command.args(["serve", "-Scli", "--no-logging-prefix", READ_AHEAD]);
        command.args(["--max-instance-reuse-count", REUSE]);
        if env::var_os(THREADS_VARIABLE).is_none() {
            command.env(THREADS_VARIABLE, THREADS);
        }
        command.arg("--addr").arg(address.to_string());
        let guest = env::var(ROOT).unwrap_or_else(|_| GUEST_DATA.to_owned());
        command.arg("--dir").arg(format!("{}::{guest}", data.display()));
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REGISTRY_")) {
            // The name alone: a secret's value does not belong on a command line.
            command.arg("--env").arg(name);
        }
        if env::var_os(AUTH).is_none() {
            // Nobody but this machine reaches it.
            command.arg("--env").arg(format!("{AUTH}=none"));
        }
        let child = command.arg(component).stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        child.map(Self).with_context(|| format!("cannot start {}", wasmtime.display()))
    }

    /// Passes on what wasmtime says, and returns where its URL arrives.
    fn follow(&mut self) -> Result<Receiver<String>> {
        let stderr: ChildStderr = self.0.stderr.take().context("wasmtime has no standard error")?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                match line.strip_prefix(READY) {
                    // Nobody listens any more when we are stopping.
                    Some(url) => drop(sender.send(url.to_owned())),
                    None => eprintln!("{line}"),
                }
            }
        });
        Ok(receiver)
    }

    /// Waits for wasmtime to finish what it serves: a Ctrl-C has reached it as well.
    fn stop(mut self) -> Result<()> {
        let asked = Instant::now();
        while self.0.try_wait()?.is_none() && asked.elapsed() < GRACE {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
            bail!("{address} is taken by another program: choose another port with --listen")
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

/// Returns the address in wasmtime's URL, as it is reached from this machine.
fn reachable(url: &str) -> Result<SocketAddr> {
    let authority = url.trim().trim_start_matches("http://").trim_end_matches('/');
    let mut address: SocketAddr =
        authority.parse().with_context(|| format!("wasmtime serves on {url}, which is no address"))?;
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
    let limit = Some(Duration::from_secs(30));
    let mut answer = String::new();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(limit)?;
    write!(stream, "GET /v2/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    stream.read_to_string(&mut answer).context("the registry does not answer")?;
    let status = answer.lines().next().unwrap_or_default();
    // Where access is controlled, it asks for a token.
    ensure!(
        status.contains(" 200 ") || status.contains(" 401 "),
        "the registry answers GET /v2/ with `{status}`"
    );
    Ok(())
}

/// Whether there is no access control.
fn is_open() -> bool {
    env::var_os(AUTH).is_none_or(|auth| auth == "none")
}

fn warning(address: SocketAddr) -> String {
    let whoever =
        if address.ip().is_loopback() { "every program on this machine" } else { "whoever reaches it" };
    format!(
        "WARNING: there is no access control at {address}: {whoever} may read, replace and delete images.\n"
    )
}

fn welcome(at: SocketAddr, data: &Path) -> String {
    format!(
        "\nLighter serves http://{at} from {}; Ctrl-C stops it.\n\n\
         A first push with Docker:\n\n  \
         docker pull alpine\n  \
         docker tag alpine {at}/alpine\n  \
         docker push {at}/alpine\n\n\
         or with skopeo, without any daemon:\n\n  \
         skopeo copy --dest-tls-verify=false docker://docker.io/library/alpine docker://{at}/alpine\n",
        data.display()
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
