//! An upstream on a socket of its own: this registry over memory, which records what it is asked, and can be told to do
//! worse.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::config::Config;
use crate::http::{Body, Method, Request, Response};
use crate::registry::Registry;
use lighter_storage::{Memory, Stream};

/// A request, as an upstream gets it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The method and the target.
    pub(super) line: String,
    /// The headers, in lower case.
    pub(super) headers: Vec<(String, String)>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// What an upstream does instead of answering as it should: bytes to send before it closes the connection.
pub(super) type Act = dyn Fn(&Asked) -> Option<Vec<u8>> + Send + Sync;

#[derive(Clone)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) storage: Memory,
    asked: Arc<Mutex<Vec<Asked>>>,
    act: Arc<Mutex<Arc<Act>>>,
}

impl Server {
    pub(super) fn start(config: fn() -> Config) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            storage: Memory::default(),
            asked: Arc::default(),
            act: Arc::new(Mutex::new(Arc::new(|_: &Asked| None))),
        };
        let serving = server.clone();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (server, connection) = (serving.clone(), connection.unwrap());
                // Nobody waits for an answer that could not be sent.
                thread::spawn(move || _ = server.serve(&connection, &config()));
            }
        });
        server
    }

    /// Has it do worse.
    pub(super) fn act(&self, act: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static) {
        *self.act.lock().unwrap() = Arc::new(act);
    }

    /// The requests since the last time.
    pub(super) fn take_asked(&self) -> Vec<Asked> {
        core::mem::take(&mut self.asked.lock().unwrap())
    }

    /// The methods and targets of the requests since the last time.
    pub(super) fn take_lines(&self) -> Vec<String> {
        self.take_asked().into_iter().map(|asked| asked.line).collect()
    }

    fn serve(&self, mut connection: &TcpStream, config: &Config) -> std::io::Result<()> {
        let mut reader = BufReader::new(connection);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let asked = Asked { line: format!("{method} {target}"), headers };
        self.asked.lock().unwrap().push(asked.clone());
        let act = Arc::clone(&self.act.lock().unwrap());
        if let Some(bytes) = act(&asked) {
            return connection.write_all(&bytes);
        }
        let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let method = match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            other => Method::Other(other.to_owned()),
        };
        let headers = asked.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes()));
        let request = Request::new(method, target, headers.collect(), &mut body)
            .with_authority(asked.header("host").map(str::to_owned));
        let (response, _) = Registry::new(&self.storage, config).handle(request);
        connection.write_all(&bytes_of(response))
    }
}

/// A whole answer, as it goes over the wire.
pub(super) fn bytes_of(mut response: Response) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {} X\r\n", response.status).into_bytes();
    for (name, value) in &response.headers {
        bytes.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    bytes.extend(b"Connection: close\r\n\r\n");
    match &mut response.body {
        Body::Empty => {}
        Body::Bytes(content) => bytes.append(content),
        Body::Content(content, _) => {
            while let Some(mut more) = content.next().unwrap() {
                bytes.append(&mut more);
            }
        }
    }
    bytes
}
