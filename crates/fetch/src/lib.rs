//! Outgoing HTTP: a request to another server, and its answer.
//!
//! [`Fetch`] knows nothing of the host. `crates/wasi` implements it by `wasi:http/outgoing-handler`, and [`native`] by
//! sockets, for tests.
//!
//! Nothing here is asynchronous, and still several requests can be under way: [`Fetch::start`] returns a [`Flight`] at
//! once, and [`Flight::first`] waits for whichever of several is answered first.

use core::fmt;
use std::sync::Arc;
use std::time::Duration;

use lighter_storage::{Content, Stream};

#[cfg(not(target_family = "wasm"))]
pub mod native;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: &'static str,
    /// Whether the connection is encrypted.
    pub scheme: Scheme,
    /// The host, with its port only if that is not the scheme's own. It is what the server gets as `Host`.
    pub authority: String,
    /// The path and the query, encoded.
    pub target: String,
    /// The headers, without `Host`, `Content-Length` and those of the connection.
    pub headers: Vec<(&'static str, String)>,
    /// The body, which has a `Content-Length` even if it is empty. None for a request that has no body.
    pub body: Option<Arc<Vec<u8>>>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

/// How a server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without encryption.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// Its name in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL need not name.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// How long a request may wait. What takes longer fails as [`Error::TimedOut`], or as [`Error::NotConnected`].
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the connection.
    pub connect: Duration,
    /// For the head of the answer. A body that is in memory goes out within this time, too; for one that is a stream, it
    /// begins when all of that was sent.
    pub first_byte: Duration,
    /// For the next bytes of the answer's body, and for the server to take the next bytes of a request's.
    pub between_bytes: Duration,
}

/// Those for a server that answers within seconds, if it does at all.
impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(60),
            between_bytes: Duration::from_secs(30),
        }
    }
}

/// An answer, whatever its status.
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, with their names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body. Whoever reads it gets an error where it ends early.
    pub body: Content,
}

impl Response {
    /// The first value of a header, if it is text. The name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name)?;
        core::str::from_utf8(value).ok().map(str::trim)
    }

    /// The length of the body, if the server announced it. In the answer to a HEAD it is that of the answer to a GET.
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// Reads the body to its end. Errs if it has more than `most` bytes, or breaks off.
    pub fn read(&mut self, most: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        while let Some(more) = self.body.next().map_err(Error::Broken)? {
            if bytes.len() + more.len() > most {
                return Err(Error::Broken(format!("the answer has more than {most} bytes")));
            }
            bytes.extend_from_slice(&more);
        }
        Ok(bytes)
    }
}

/// Why there is no answer. The texts are for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no connection: no such name, nobody listens, no route. The server has seen nothing of the request.
    NotConnected(String),
    /// The host does not permit the component this request.
    Denied(String),
    /// There is a connection, but TLS fails: mostly a certificate that the host does not trust.
    Tls(String),
    /// The server was silent for too long. It may have done what the request asks for.
    TimedOut(String),
    /// The connection broke, or what came is no HTTP. The server may have done what the request asks for.
    Broken(String),
    /// The stream that was to be sent broke off.
    Source(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, why) = match self {
            Self::NotConnected(why) => ("no connection", why),
            Self::Denied(why) => ("the host does not allow the request", why),
            Self::Tls(why) => ("TLS fails", why),
            Self::TimedOut(why) => ("no answer in time", why),
            Self::Broken(why) => ("the connection broke", why),
            Self::Source(why) => ("the request's body broke off", why),
        };
        write!(f, "{what}: {why}")
    }
}

/// What sends requests.
pub trait Fetch {
    /// A request that is under way.
    type Flight: Flight;

    /// Begins a request, and does not wait for its answer.
    fn start(&self, request: &Request) -> Result<Self::Flight, Error>;

    /// Sends a request with the first `length` bytes of a stream as its body, and waits for the head of the answer. The
    /// host moves the bytes, if the stream is one of its own. The server may answer before it has all of them; then the
    /// rest is not read.
    fn send(&self, request: &Request, body: &mut dyn Stream, length: u64) -> Result<Response, Error>;
}

/// A request that is under way. Dropping it gives it up; the server may have done what it asks for.
pub trait Flight: Sized {
    /// Sends as much of the body as goes without waiting. Returns whether there is an answer, or an error.
    fn pump(&mut self) -> bool;

    /// Waits until one of these is answered or has failed, and returns its index: 0 if there are none. Meanwhile it sends
    /// the bodies of all.
    fn first(flights: &mut [Self]) -> usize;

    /// Waits for the head of the answer.
    fn wait(self) -> Result<Response, Error>;
}

/// What sends one request at a time: any [`Fetch`], without its type.
pub trait Ask: Sync {
    /// Sends a request, and waits for the head of the answer.
    fn ask(&self, request: &Request) -> Result<Response, Error>;
}

impl<F: Fetch + Sync> Ask for F {
    fn ask(&self, request: &Request) -> Result<Response, Error> {
        self.start(request)?.wait()
    }
}
