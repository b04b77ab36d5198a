//! The request that a host hands to a component, and the stream of its body.

use wasi::clocks::monotonic_clock;
use wasi::http::types::{IncomingBody, IncomingRequest, Method as WasiMethod};
use wasi::io::poll::poll;
use wasi::io::streams::{InputStream, StreamError};

use lighter::http::{Method, Request};
use lighter::manifest::MANIFEST_MAX;
use lighter_storage::{Sink, Stream};

/// The most bytes of a body that are gathered before they are passed on.
const GATHER_SIZE: usize = 256 * 1024;

/// How long to wait for more bytes to gather, in nanoseconds.
const GATHER_TIME: u64 = 10_000_000;

/// The most bytes of a body that are read after its request was answered: enough for any manifest, and for the chunks of
/// clients that choose their size.
const DRAINED: u64 = 2 * MANIFEST_MAX;

/// A request's body, until it has ended. The stream is a child of the body, and goes first.
pub(crate) struct Incoming {
    stream: Option<InputStream>,
    /// Why the body broke off, until the bytes before that were taken and the error was returned.
    broken: Option<String>,
    _body: Option<IncomingBody>,
}

impl Incoming {
    pub(crate) fn of(request: &IncomingRequest, method: &Method) -> Self {
        // Neither can fail for a request whose body was not taken yet. GET and HEAD have none.
        let body = (!matches!(method, Method::Get | Method::Head)).then(|| request.consume().ok()).flatten();
        let stream = body.as_ref().and_then(|body| body.stream().ok());
        Self { stream, broken: None, _body: body }
    }

    /// Reads the rest of a body whose request was answered early, up to [`DRAINED`], as distribution's server does.
    /// Otherwise hosts close the connection, and the client may lose the answer: a client that pushes a large manifest
    /// would not see that it must log in.
    pub(crate) fn drain(&mut self) {
        let mut taken = 0;
        while let Ok(Some(bytes)) = self.next() {
            taken += bytes.len() as u64;
            if taken > DRAINED {
                return;
            }
        }
    }
}

impl Stream for Incoming {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let next = stream.next();
        let Ok(Some(mut gathered)) = next else {
            self.stream = None;
            return next;
        };
        if let Err(ended) = gather(stream, &mut gathered) {
            self.broken = matches!(ended, StreamError::LastOperationFailed(_)).then(|| describe(ended));
            self.stream = None;
        }
        Ok(Some(gathered))
    }

    fn forward(&mut self, into: &mut dyn Sink, most: u64) -> Result<Option<u64>, String> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let moved = stream.forward(into, most);
        if !matches!(moved, Ok(Some(_))) {
            self.stream = None;
        }
        moved
    }
}

/// Adds the bytes that follow soon. Docker sends pieces of 32 KiB, and a storage call for each would cost more than a
/// copy. If the client pauses, the bytes so far are passed on.
fn gather(stream: &InputStream, gathered: &mut Vec<u8>) -> Result<(), StreamError> {
    let mut wait = None;
    while gathered.len() < GATHER_SIZE {
        let bytes = stream.read((GATHER_SIZE - gathered.len()) as u64)?;
        if bytes.is_empty() {
            let (more, late) = wait.get_or_insert_with(|| {
                (stream.subscribe(), monotonic_clock::subscribe_duration(GATHER_TIME))
            });
            if !poll(&[more, late]).contains(&0) {
                break;
            }
        }
        gathered.extend_from_slice(&bytes);
    }
    Ok(())
}

/// Returns a request's method.
pub(crate) fn method(request: &IncomingRequest) -> Method {
    match request.method() {
        WasiMethod::Get => Method::Get,
        WasiMethod::Head => Method::Head,
        WasiMethod::Post => Method::Post,
        WasiMethod::Put => Method::Put,
        WasiMethod::Patch => Method::Patch,
        WasiMethod::Delete => Method::Delete,
        WasiMethod::Options => Method::Other("OPTIONS".to_owned()),
        WasiMethod::Connect => Method::Other("CONNECT".to_owned()),
        WasiMethod::Trace => Method::Other("TRACE".to_owned()),
        WasiMethod::Other(method) => Method::Other(method),
    }
}

/// Converts a request; its body is read later.
pub(crate) fn receive<'a>(request: &IncomingRequest, method: Method, body: &'a mut Incoming) -> Request<'a> {
    let target = request.path_with_query().unwrap_or_default();
    let headers = request.headers().entries();
    let authority = request.authority();
    Request::new(method, &target, headers, body).with_authority(authority)
}

/// Describes why a stream ended, for the log.
pub(crate) fn describe(error: StreamError) -> String {
    match error {
        StreamError::Closed => "the stream ended early".to_owned(),
        StreamError::LastOperationFailed(error) => error.to_debug_string(),
    }
}
