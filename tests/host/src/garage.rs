//! Garage, an object store, on this machine: one node, or several that each have a copy of everything.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::bucket::Bucket;
use crate::process::Process;

/// The key is made for this bucket, on this machine, and opens nothing else.
const ACCESS_KEY: &str = "GK0123456789abcdef01234567";
const SECRET_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const BUCKET: &str = "registry";
const REGION: &str = "garage";

/// How long the nodes may take to agree on something.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Garage with a bucket. It ends when this is dropped.
pub struct Garage {
    program: PathBuf,
    nodes: Vec<Node>,
}

struct Node {
    configuration: PathBuf,
    /// Where it speaks S3.
    address: SocketAddr,
    /// Where it tells whether it reaches enough other nodes.
    health: SocketAddr,
    /// None while it is stopped.
    process: Option<Process>,
}

impl Garage {
    /// Starts so many nodes on an empty store in a directory, which replaces what is there. Every node gets a copy of
    /// everything.
    pub fn start(program: &Path, directory: &Path, nodes: usize) -> io::Result<Self> {
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        let mut garage = Self { program: program.to_owned(), nodes: Vec::new() };
        for number in 0..nodes {
            garage.nodes.push(Node::configure(&directory.join(number.to_string()), nodes)?);
            garage.restart(number)?;
        }
        for number in 0..nodes {
            let id = garage.command(number, &["node", "id", "-q"])?;
            garage.command(0, &["node", "connect", id.trim()])?;
            let (id, _) = id.split_once('@').ok_or_else(|| broken(&format!("no node has the id {id}")))?;
            garage.command(0, &["layout", "assign", "--zone", "here", "--capacity", "100G", id])?;
        }
        garage.command(0, &["layout", "apply", "--version", "1"])?;
        garage.until_done(&["key", "import", "--yes", ACCESS_KEY, SECRET_KEY])?;
        garage.until_done(&["bucket", "create", BUCKET])?;
        garage
            .until_done(&["bucket", "allow", "--read", "--write", "--owner", BUCKET, "--key", ACCESS_KEY])?;
        Ok(garage)
    }

    /// The addresses at which the nodes tell, on `GET /health`, whether they reach enough others. A node that has just started
    /// takes requests, and answers 503 to them until it does.
    pub fn health(&self) -> impl Iterator<Item = SocketAddr> {
        self.nodes.iter().map(|node| node.health)
    }

    /// The addresses at which the nodes speak S3.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.nodes.iter().map(|node| node.address)
    }

    /// The bucket, at the first node, or at what stands before all of them.
    pub fn bucket(&self, before: Option<SocketAddr>) -> Bucket {
        let address = before.or_else(|| self.addresses().next()).expect("a node");
        Bucket {
            endpoint: format!("http://{address}"),
            name: BUCKET.to_owned(),
            region: REGION.to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
        }
    }

    /// Kills a node.
    pub fn kill(&mut self, number: usize) {
        self.nodes[number].process = None;
    }

    /// Starts a node that is not running.
    pub fn restart(&mut self, number: usize) -> io::Result<()> {
        let node = &mut self.nodes[number];
        let mut serve = command(&self.program, &node.configuration);
        let process = Process::spawn(serve.env("RUST_LOG", "garage=info").arg("server"))?;
        // For clients, and for the other nodes.
        let says = ["S3 API server listening on", "Listening on"];
        if says.iter().any(|line| process.try_wait_for(line).is_none()) {
            return Err(broken(&format!("Garage did not start:\n{}", process.log())));
        }
        node.process = Some(process);
        Ok(())
    }

    /// Gives a node an order, and returns what it says.
    fn command(&self, number: usize, words: &[&str]) -> io::Result<String> {
        let mut command = command(&self.program, &self.nodes[number].configuration);
        let output = command.args(words).stdin(Stdio::null()).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(broken(&format!("`garage {}`: {}", words[..2].join(" "), said.trim())))
    }

    /// Gives the first node an order that it cannot carry out before the others know the layout.
    fn until_done(&self, words: &[&str]) -> io::Result<()> {
        let started = Instant::now();
        loop {
            match self.command(0, words) {
                Err(_) if started.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(200)),
                done => return done.map(drop),
            }
        }
    }
}

impl Node {
    /// Writes the configuration of a node, one of so many.
    fn configure(directory: &Path, nodes: usize) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let (address, peers, health) = (free_address()?, free_address()?, free_address()?);
        let secret = "5".repeat(64);
        let place = directory.display();
        let text = format!(
            "metadata_dir = \"{place}/meta\"\n\
             data_dir = \"{place}/data\"\n\
             db_engine = \"lmdb\"\n\
             replication_factor = {nodes}\n\
             rpc_bind_addr = \"{peers}\"\n\
             rpc_public_addr = \"{peers}\"\n\
             rpc_secret = \"{secret}\"\n\
             [s3_api]\n\
             s3_region = \"{REGION}\"\n\
             api_bind_addr = \"{address}\"\n\
             root_domain = \".s3.garage.localhost\"\n\
             [admin]\n\
             api_bind_addr = \"{health}\"\n"
        );
        let configuration = directory.join("garage.toml");
        fs::write(&configuration, text)?;
        Ok(Self { configuration, address, health, process: None })
    }
}

fn command(program: &Path, configuration: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("-c").arg(configuration);
    command
}

/// Returns an address of this machine that nobody listens at.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn broken(why: &str) -> io::Error {
    io::Error::other(why.to_owned())
}
