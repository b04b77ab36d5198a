//! What a component's one export does, `wasi:http/incoming-handler`: a request in, its response out.

use std::sync::OnceLock;
use std::time::Instant;

use wasi::cli::environment::get_environment;
use wasi::clocks::monotonic_clock;
use wasi::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, Method as WasiMethod, OutgoingBody, OutgoingResponse,
    ResponseOutparam,
};
use wasi::io::poll::poll;
use wasi::io::streams::{InputStream, OutputStream, StreamError};

use crate::access_log::log;
use crate::auth::TokenServer;
use crate::config::Format;
use crate::files;
use crate::http::{Body, Method, Request, Response};
use crate::manifest::MANIFEST_MAX;
use crate::registry::{Registry, misconfigured};
use crate::storage::{Content, Environment, Open};
use crate::stream::{Stream, read_exactly};

/// How many bytes of a body are passed on at once, if so many come soon enough, ...
const GATHERED: usize = 256 * 1024;

/// ... which is within so many nanoseconds.
const SOON: u64 = 10_000_000;

/// How many bytes of a body are still taken once its request is answered: those of any manifest, and of the
/// chunks that clients send by themselves.
const DRAINED: u64 = 2 * MANIFEST_MAX;

/// A registry over some storage, as a host calls it: in a `static`, since an instance answers many
/// requests.
pub struct Component<S: Open + 'static> {
    environment: Source,
    token_server: Option<TokenServer>,
    registry: OnceLock<Result<Registry<'static, S>, String>>,
}

/// Where an environment comes from. Errs, for the log, if it cannot be read.
pub type Source = fn() -> Result<Environment, String>;

/// Returns the environment of WASI.
pub fn environment() -> Result<Environment, String> {
    Ok(Environment { variables: get_environment(), read_elsewhere: Vec::new(), read_file: files::read })
}

impl<S: Open> Component<S> {
    /// Puts a component together. It is opened at the first request.
    pub const fn new(environment: Source) -> Self {
        Self { environment, token_server: None, registry: OnceLock::new() }
    }

    /// Takes the tokens of an outside server, too, where the settings ask for it.
    #[must_use]
    pub const fn with_token_server(mut self, server: TokenServer) -> Self {
        self.token_server = Some(server);
        self
    }

    /// Answers a request.
    pub fn handle(&self, request: IncomingRequest, out: ResponseOutparam) {
        let start = Instant::now();
        let open = || Registry::open((self.environment)()?, self.token_server.as_ref());
        let registry = self.registry.get_or_init(open);
        let method = method(&request);
        let mut body = Incoming::of(&request, &method);
        let request = receive(&request, method, &mut body);
        let (format, (response, mut entry)) = match registry {
            Ok(registry) => (registry.config().access_log, registry.handle(request)),
            Err(reason) => (Some(Format::Text), misconfigured(reason, &request)),
        };
        if let Err(broken) = send(response, out) {
            // The client has gone, or what was promised could not be read. It sees a broken answer.
            entry.error = Some(broken);
        }
        body.drain();
        let has_started_upload = entry.has_started_upload();
        // What went wrong is told even where requests are not.
        if let Some(format) = format.or(entry.error.is_some().then_some(Format::Text)) {
            log(entry.line(format, start.elapsed()));
        }
        if let Ok(registry) = registry
            && has_started_upload
        {
            registry.purge().into_iter().for_each(log);
        }
    }
}

/// Exports the handler of a registry over some storage, whose environment a function returns.
#[macro_export]
macro_rules! export_registry {
    ($storage:ty, $environment:expr $(, $token_server:expr)?) => {
        #[allow(unsafe_code, reason = "what exports the handler is generated")]
        const _: () = {
            use wasi::exports::http::incoming_handler::Guest;
            use wasi::http::types::{IncomingRequest, ResponseOutparam};
            use $crate::component::Component;

            static COMPONENT: Component<$storage> = Component::new($environment)$(.with_token_server($token_server))?;

            struct Handler;

            impl Guest for Handler {
                fn handle(request: IncomingRequest, out: ResponseOutparam) {
                    COMPONENT.handle(request, out);
                }
            }

            wasi::http::proxy::export! { Handler with_types_in wasi }
        };
    };
}

/// A request's body, until it has ended. The stream is a child of the body, and goes first.
struct Incoming {
    stream: Option<InputStream>,
    /// Why it broke off, once all that came before was taken.
    broken: Option<String>,
    _body: Option<IncomingBody>,
}

impl Incoming {
    fn of(request: &IncomingRequest, method: &Method) -> Self {
        // Neither can fail for a request whose body nobody has taken yet. Two methods have none.
        let body = (!matches!(method, Method::Get | Method::Head)).then(|| request.consume().ok()).flatten();
        let stream = body.as_ref().and_then(|body| body.stream().ok());
        Self { stream, broken: None, _body: body }
    }

    /// Takes what a client still sends that was answered before its body was read, up to a limit, as
    /// distribution's server does. Hosts close the connection on what is left, and a client may then
    /// lose the answer: one that is asked to log in with a large manifest would give up.
    fn drain(&mut self) {
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
            self.broken = matches!(ended, StreamError::LastOperationFailed(_)).then(|| said(ended));
            self.stream = None;
        }
        Ok(Some(gathered))
    }
}

/// Adds what comes soon after. Docker sends pieces of 32 KiB, and a storage call for each would cost more
/// than a copy. A client that pauses has what it sent stored all the same.
fn gather(stream: &InputStream, gathered: &mut Vec<u8>) -> Result<(), StreamError> {
    let mut wait = None;
    while gathered.len() < GATHERED {
        let bytes = stream.read((GATHERED - gathered.len()) as u64)?;
        if bytes.is_empty() {
            let (more, late) =
                wait.get_or_insert_with(|| (stream.subscribe(), monotonic_clock::subscribe_duration(SOON)));
            if !poll(&[more, late]).contains(&0) {
                break;
            }
        }
        gathered.extend_from_slice(&bytes);
    }
    Ok(())
}

fn method(request: &IncomingRequest) -> Method {
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

fn receive<'a>(request: &IncomingRequest, method: Method, body: &'a mut Incoming) -> Request<'a> {
    let target = request.path_with_query().unwrap_or_default();
    let headers = request.headers().entries();
    let authority = request.authority();
    Request::new(method, &target, headers, body).with_authority(authority)
}

fn send(response: Response, out: ResponseOutparam) -> Result<(), String> {
    let headers: Vec<(String, Vec<u8>)> =
        response.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect();
    let fields = match Fields::from_list(&headers) {
        Ok(fields) => fields,
        Err(_) => {
            ResponseOutparam::set(out, Err(ErrorCode::InternalError(None)));
            return Err("the host refuses a header".to_owned());
        }
    };
    let outgoing = OutgoingResponse::new(fields);
    let accepted = outgoing.set_status_code(response.status);
    accepted.map_err(|()| format!("the host refuses status {}", response.status))?;
    if matches!(response.body, Body::Empty) {
        // Taking the body, even to send nothing, would hold a HEAD to the length that it states.
        ResponseOutparam::set(out, Ok(outgoing));
        return Ok(());
    }
    let body = outgoing.body().map_err(|()| "the host gives no body")?;
    ResponseOutparam::set(out, Ok(outgoing));
    {
        let stream = body.write().map_err(|()| "the host gives no stream")?;
        match response.body {
            Body::Empty => {}
            Body::Bytes(bytes) => write(&stream, &bytes).map_err(said)?,
            Body::Content(Content::Host(content), length) => {
                splice(&stream, &content, length).map_err(said)?;
            }
            Body::Content(mut content, length) => {
                read_exactly(&mut content, length, "the content ends early", |bytes| {
                    write(&stream, bytes).map_err(said)
                })?;
            }
        }
    }
    OutgoingBody::finish(body, None).map_err(|_| "the host does not take the end of the body".to_owned())
}

/// Writes bytes as the host has room for them. They are not flushed: once the host has all that the
/// length promised, it may close the stream.
fn write(out: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = usize::try_from(out.check_write()?).unwrap_or(usize::MAX);
        if room == 0 {
            out.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at(room.min(bytes.len()));
        out.write(now)?;
        bytes = later;
    }
    Ok(())
}

/// Has the host move bytes from one stream to the other. None of them enters the component.
fn splice(out: &OutputStream, content: &InputStream, mut length: u64) -> Result<(), StreamError> {
    while length > 0 {
        length -= out.blocking_splice(content, length)?;
    }
    Ok(())
}

fn said(error: StreamError) -> String {
    match error {
        StreamError::Closed => "the stream ended early".to_owned(),
        StreamError::LastOperationFailed(error) => error.to_debug_string(),
    }
}
