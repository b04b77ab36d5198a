//! What a host hands to a component: a request, and the stream of its body.

use wasi::clocks::monotonic_clock;
use wasi::http::types::{IncomingBody, IncomingRequest, Method as WasiMethod};
use wasi::io::poll::poll;
use wasi::io::streams::{InputStream, StreamError};

use lighter::http::{Method, Request};
use lighter::manifest::MANIFEST_MAX;
use lighter_storage::Stream;

/// How many bytes of a body are passed on at once, if so many come soon enough, ...
const GATHER_SIZE: usize = 256 * 1024;

/// ... which is within so many nanoseconds.
const GATHER_TIME: u64 = 10_000_000;

/// How many bytes of a body are still taken once its request is answered: those of any manifest, and of the
/// chunks that clients send by themselves.
const DRAINED: u64 = 2 * MANIFEST_MAX;

/// A request's body, until it has ended. The stream is a child of the body, and goes first.
pub(crate) struct Incoming {
    stream: Option<InputStream>,
    /// Why it broke off, once all that came before was taken.
    broken: Option<String>,
    _body: Option<IncomingBody>,
}

impl Incoming {
    pub(crate) fn of(request: &IncomingRequest, method: &Method) -> Self {
        // Neither can fail for a request whose body nobody has taken yet. Two methods have none.
        let body = (!matches!(method, Method::Get | Method::Head)).then(|| request.consume().ok()).flatten();
        let stream = body.as_ref().and_then(|body| body.stream().ok());
        Self { stream, broken: None, _body: body }
    }

    /// Takes what a client still sends that was answered before its body was read, up to a limit, as
    /// distribution's server does. Hosts close the connection on what is left, and a client may then
    /// lose the answer: one that is asked to log in with a large manifest would give up.
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
}

/// Adds what comes soon after. Docker sends pieces of 32 KiB, and a storage call for each would cost more
/// than a copy. A client that pauses has what it sent stored all the same.
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

/// Takes a request, whose body follows.
pub(crate) fn receive<'a>(request: &IncomingRequest, method: Method, body: &'a mut Incoming) -> Request<'a> {
    let target = request.path_with_query().unwrap_or_default();
    let headers = request.headers().entries();
    let authority = request.authority();
    Request::new(method, &target, headers, body).with_authority(authority)
}

/// Says why a stream ended.
pub(crate) fn describe(error: StreamError) -> String {
    match error {
        StreamError::Closed => "the stream ended early".to_owned(),
        StreamError::LastOperationFailed(error) => error.to_debug_string(),
    }
}
