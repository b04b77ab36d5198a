//! A registry of several instances on this machine: Garage with three nodes, `wasmtime serve` as often as wanted, and
//! haproxy before both.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::garage::{Garage, free_address};
use crate::process::Process;
use crate::wasmtime::{READY, Serve};

/// The number of Garage's nodes, which is also that of the copies that it keeps.
pub const NODES: usize = 3;

/// How long the balancer may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// What all instances are told besides the bucket. Garage copies an object by linking its blocks, if that is one request.
const VARIABLES: [&str; 3] = [
    "REGISTRY_AUTH=none",
    "REGISTRY_HTTP_SECRET=of a cluster on this machine",
    "REGISTRY_STORAGE_S3_MULTIPARTCOPYTHRESHOLDSIZE=5368709120",
];

/// A running cluster. It ends when this is dropped.
pub struct Cluster {
    garage: Garage,
    wasmtime: PathBuf,
    component: PathBuf,
    registries: Vec<(Serve, SocketAddr)>,
    /// None where one is stopped.
    running: Vec<Option<Process>>,
    balancer: Option<Process>,
    configuration: PathBuf,
    address: SocketAddr,
}

impl Cluster {
    /// Starts so many instances over an empty store in a directory, which replaces what is there.
    pub fn start(
        wasmtime: &Path,
        component: &Path,
        garage: &Path,
        directory: &Path,
        registries: usize,
    ) -> io::Result<Self> {
        let garage = Garage::start(garage, directory, NODES)?;
        let (address, store) = (free_address()?, free_address()?);
        let bucket = garage.bucket(Some(store));
        let variables = bucket.variables().map(|(name, value)| format!("{name}={value}"));
        let registries = (0..registries)
            .map(|_| {
                let address = free_address()?;
                let serve = VARIABLES.into_iter().fold(Serve::default().at(address), Serve::env);
                Ok((variables.iter().fold(serve, Serve::env), address))
            })
            .collect::<io::Result<Vec<_>>>()?;
        let mut cluster = Self {
            running: registries.iter().map(|_| None).collect(),
            garage,
            wasmtime: wasmtime.to_owned(),
            component: component.to_owned(),
            registries,
            balancer: None,
            configuration: directory.join("haproxy.cfg"),
            address,
        };
        fs::write(&cluster.configuration, cluster.configure(store))?;
        for number in 0..cluster.registries.len() {
            cluster.restart_registry(number)?;
        }
        // Last, since it takes a while to believe that one serves after all.
        cluster.restart_balancer()?;
        Ok(cluster)
    }

    /// Where clients find the registry.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The nodes of the store.
    pub fn garage(&mut self) -> &mut Garage {
        &mut self.garage
    }

    /// Kills an instance.
    pub fn kill_registry(&mut self, number: usize) {
        self.running[number] = None;
    }

    /// Starts an instance that is not running.
    pub fn restart_registry(&mut self, number: usize) -> io::Result<()> {
        let process =
            Process::spawn(&mut self.registries[number].0.command(&self.wasmtime, &self.component))?;
        if process.try_wait_for(READY).is_none() {
            return Err(io::Error::other(format!("wasmtime did not start to serve:\n{}", process.log())));
        }
        self.running[number] = Some(process);
        Ok(())
    }

    /// Kills the balancer, which drops all connections to the registry and to the store, and starts it again.
    pub fn restart_balancer(&mut self) -> io::Result<()> {
        self.balancer = None;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&self.configuration);
        let mut process = Process::spawn(&mut command)
            .map_err(|error| io::Error::new(error.kind(), format!("haproxy, the balancer: {error}")))?;
        let started = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            if process.ended()?.is_some() || started.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("haproxy did not start:\n{}", process.log())));
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.balancer = Some(process);
        Ok(())
    }

    /// What the instances have written so far since they were started.
    pub fn log(&self) -> String {
        self.running.iter().flatten().map(Process::log).collect::<Vec<_>>().join("\n")
    }

    /// The balancer's configuration. It tries another instance only if one takes no connection: a `PATCH` that is sent twice
    /// appends its bytes twice. To the store, every request may be sent again.
    fn configure(&self, store: SocketAddr) -> String {
        let server = |number: usize, address: SocketAddr, check: String| {
            format!("    server s{number} {address} check {check} inter 500ms fall 2 rise 1\n")
        };
        let registries = self.registries.iter().enumerate();
        let registries: String =
            registries.map(|(number, (_, address))| server(number, *address, String::new())).collect();
        let nodes = self.garage.addresses().zip(self.garage.health()).enumerate();
        let nodes: String = nodes
            .map(|(number, (address, health))| server(number, address, format!("port {}", health.port())))
            .collect();
        let check = |path: &str| {
            format!(
                "balance roundrobin\n    option httpchk\n    \
                 http-check send meth GET uri {path} ver HTTP/1.1 hdr Host any\n    http-check expect status 200\n"
            )
        };
        format!(
            "defaults\n    mode http\n    timeout connect 2s\n    timeout client 10m\n    timeout server 10m\n    \
                 retries 5\n    option redispatch 1\n\
             listen registry\n    bind {}\n    retry-on conn-failure\n    {}{registries}\
             listen store\n    bind {store}\n    retry-on conn-failure 503\n    {}{nodes}",
            self.address,
            check("/"),
            check("/health"),
        )
    }
}
