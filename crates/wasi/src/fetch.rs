//! Outgoing HTTP by the host, `wasi:http/outgoing-handler`.

use std::sync::Arc;
use std::time::Duration;

use wasi::clocks::monotonic_clock;
use wasi::http::outgoing_handler::handle;
use wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme as WasiScheme,
};
use wasi::io::poll::{Pollable, poll};
use wasi::io::streams::{InputStream, OutputStream, StreamError};

use crate::body::describe;
use lighter_fetch::{Error, Fetch, Flight, Request, Response, Scheme, Timeouts};
use lighter_storage::{Content, Sink, Stream, forward_exactly};

/// How long a stream may take to be sent. Hosts count the time for an answer from when they have the request, so that for a
/// stream is counted here.
const STREAM_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The most that is read of an answer that came before its request was sent, in bytes. It is an error, with a text.
const EARLY_ANSWER: usize = 64 * 1024;

/// The most that the host is given of a request at once, in bytes. It copies that, and holds a few such pieces of each request:
/// wasmtime has room for 1 MiB in each.
const PIECE: usize = 256 * 1024;

/// Sends requests by the host.
#[derive(Clone, Copy, Default)]
pub struct Outgoing;

impl Fetch for Outgoing {
    type Flight = Sent;

    fn start(&self, request: &Request) -> Result<Sent, Error> {
        let length = request.body.as_ref().map(|body| body.len() as u64);
        let (future, out) = hand_over(request, length)?;
        let out = out.zip(request.body.clone()).map(|(out, bytes)| Rest { out, bytes, sent: 0 });
        let mut sent = Sent { future, rest: out };
        sent.pump();
        Ok(sent)
    }

    fn send(&self, request: &Request, body: &mut dyn Stream, length: u64) -> Result<Response, Error> {
        let timeouts = request.timeouts;
        let unhurried =
            Request { timeouts: Timeouts { first_byte: STREAM_TIME, ..timeouts }, ..request.clone() };
        let (future, out) = hand_over(&unhurried, Some(length))?;
        let Some(out) = out else { return Err(refused("body")) };
        let mut sink = Outbound { out: &out, future: &future, timeouts, end: None };
        let sent = forward_exactly(body, &mut sink, length, "it is shorter than announced");
        match (sent, sink.end) {
            (Ok(()), _) => {
                out.finish()?;
                let late = monotonic_clock::subscribe_duration(nanoseconds(timeouts.first_byte));
                if !poll(&[&future.subscribe(), &late]).contains(&0) {
                    return Err(Error::TimedOut("the server does not answer".to_owned()));
                }
                answer(&future)
            }
            (Err(_), Some(End::Answered)) => early(&future, Some(out)),
            (Err(_), Some(End::Failed(error))) => Err(error),
            // Dropping a body that is not finished aborts the request.
            (Err(why), None) => Err(Error::Source(why)),
        }
    }
}

/// The body of a request, which the host takes as it has room. The stream is a child of the body, and goes first.
struct Out {
    stream: OutputStream,
    body: OutgoingBody,
}

impl Out {
    fn finish(self) -> Result<(), Error> {
        drop(self.stream);
        OutgoingBody::finish(self.body, None).map_err(error)
    }
}

/// Gives the host a request. Returns its answer to come, and where the body goes.
fn hand_over(request: &Request, length: Option<u64>) -> Result<(FutureIncomingResponse, Option<Out>), Error> {
    let named = |(name, value): &(&str, String)| ((*name).to_owned(), value.clone().into_bytes());
    let mut headers: Vec<(String, Vec<u8>)> = request.headers.iter().map(named).collect();
    if let Some(length) = length {
        headers.push(("content-length".to_owned(), length.to_string().into_bytes()));
    }
    let headers = Fields::from_list(&headers).map_err(|_| refused("header"))?;
    let outgoing = OutgoingRequest::new(headers);
    let scheme = match request.scheme {
        Scheme::Http => WasiScheme::Http,
        Scheme::Https => WasiScheme::Https,
    };
    outgoing.set_method(&method(request.method)).map_err(|()| refused("method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| refused("scheme"))?;
    outgoing.set_authority(Some(&request.authority)).map_err(|()| refused("authority"))?;
    outgoing.set_path_with_query(Some(&request.target)).map_err(|()| refused("path"))?;
    let body = length.map(|_| outgoing.body().map_err(|()| refused("body"))).transpose()?;
    let future = handle(outgoing, Some(options(request.timeouts))).map_err(error)?;
    let open = |body: OutgoingBody| {
        let stream = body.write().map_err(|()| refused("body"))?;
        Ok(Out { stream, body })
    };
    Ok((future, body.map(open).transpose()?))
}

/// A host need not support them.
fn options(timeouts: Timeouts) -> RequestOptions {
    let options = RequestOptions::new();
    let _ = options.set_connect_timeout(Some(nanoseconds(timeouts.connect)));
    let _ = options.set_first_byte_timeout(Some(nanoseconds(timeouts.first_byte)));
    let _ = options.set_between_bytes_timeout(Some(nanoseconds(timeouts.between_bytes)));
    options
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        other => Method::Other(other.to_owned()),
    }
}

/// A request that the host has.
pub struct Sent {
    rest: Option<Rest>,
    future: FutureIncomingResponse,
}

/// What the host has not taken yet.
struct Rest {
    out: Out,
    bytes: Arc<Vec<u8>>,
    sent: usize,
}

impl Rest {
    /// Writes as much as the host has room for, and returns whether that was all. Errs if it takes no more.
    fn pump(&mut self) -> Result<bool, StreamError> {
        loop {
            let rest = self.bytes.get(self.sent..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(true);
            }
            let room = usize::try_from(self.out.stream.check_write()?).unwrap_or(usize::MAX);
            if room == 0 {
                return Ok(false);
            }
            let (now, _) = rest.split_at(room.min(PIECE).min(rest.len()));
            self.out.stream.write(now)?;
            self.sent += now.len();
        }
    }
}

impl Sent {
    /// What to wait for.
    fn pollables(&self) -> impl Iterator<Item = Pollable> {
        let rest = self.rest.as_ref().map(|rest| rest.out.stream.subscribe());
        core::iter::once(self.future.subscribe()).chain(rest)
    }
}

impl Flight for Sent {
    fn pump(&mut self) -> bool {
        if let Some(rest) = &mut self.rest {
            match rest.pump() {
                Ok(false) => {}
                // Whatever is wrong, the answer says.
                Ok(true) => drop(self.rest.take().map(|rest| rest.out.finish())),
                Err(_) => self.rest = None,
            }
        }
        self.future.subscribe().ready()
    }

    fn first(flights: &mut [Self]) -> usize {
        loop {
            if let Some(index) = flights.iter_mut().position(Self::pump) {
                return index;
            }
            let waits: Vec<Pollable> = flights.iter().flat_map(Self::pollables).collect();
            if waits.is_empty() {
                return 0;
            }
            poll(&waits.iter().collect::<Vec<_>>());
        }
    }

    fn wait(mut self) -> Result<Response, Error> {
        Self::first(core::slice::from_mut(&mut self));
        match self.rest.take() {
            Some(rest) => early(&self.future, Some(rest.out)),
            None => answer(&self.future),
        }
    }
}

/// Takes an answer that came before its request was sent. Its body is read while the request is still there.
fn early(future: &FutureIncomingResponse, unsent: Option<Out>) -> Result<Response, Error> {
    let mut response = answer(future)?;
    response.body = Content::Bytes(response.read(EARLY_ANSWER)?);
    drop(unsent);
    Ok(response)
}

/// Waits for the head of an answer.
fn answer(future: &FutureIncomingResponse) -> Result<Response, Error> {
    let answered = loop {
        match future.get() {
            Some(answered) => break answered,
            None => future.subscribe().block(),
        }
    };
    let answered = answered.map_err(|()| Error::Broken("the answer was taken before".to_owned()))?;
    let response: IncomingResponse = answered.map_err(error)?;
    let headers = response.headers().entries();
    let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let body = response.consume().map_err(|()| Error::Broken("the host gives no body".to_owned()))?;
    let stream = body.stream().map_err(|()| Error::Broken("the host gives no stream".to_owned()))?;
    let body = Content::Chunks(Box::new(Fetched { stream, _body: body }));
    Ok(Response { status: response.status(), headers, body })
}

/// The body of an answer. The stream is a child of the body, and goes first.
struct Fetched {
    stream: InputStream,
    _body: IncomingBody,
}

impl Stream for Fetched {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        self.stream.next()
    }

    fn forward(&mut self, into: &mut dyn Sink, most: u64) -> Result<Option<u64>, String> {
        self.stream.forward(into, most)
    }
}

/// A request's body on its way from a stream to the host.
struct Outbound<'a> {
    out: &'a Out,
    future: &'a FutureIncomingResponse,
    timeouts: Timeouts,
    /// Why it takes no more, if that is so.
    end: Option<End>,
}

enum End {
    Answered,
    Failed(Error),
}

impl Outbound<'_> {
    /// Ends what is sent. The text is for nobody.
    fn end(&mut self, end: End) -> String {
        self.end = Some(end);
        String::new()
    }

    /// Waits until the host has room, and returns for how many bytes.
    fn room(&mut self) -> Result<usize, String> {
        loop {
            match self.out.stream.check_write() {
                Ok(0) => {}
                Ok(room) => return Ok(usize::try_from(room).unwrap_or(usize::MAX)),
                // Whatever is wrong, the answer says.
                Err(_) => return Err(self.end(End::Answered)),
            }
            let late = monotonic_clock::subscribe_duration(nanoseconds(self.timeouts.between_bytes));
            let (room, answered) = (self.out.stream.subscribe(), self.future.subscribe());
            let ready = poll(&[&room, &answered, &late]);
            if ready.contains(&1) {
                return Err(self.end(End::Answered));
            }
            if !ready.contains(&0) {
                let why = "the server takes no more of the request's body".to_owned();
                return Err(self.end(End::Failed(Error::TimedOut(why))));
            }
        }
    }
}

impl Sink for Outbound<'_> {
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let room = self.room()?;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            if self.out.stream.write(now).is_err() {
                return Err(self.end(End::Answered));
            }
            bytes = later;
        }
        Ok(())
    }

    fn splice(&mut self, from: &InputStream, most: u64) -> Result<Option<u64>, String> {
        loop {
            let room = self.room()?;
            match self.out.stream.splice(from, most.min(room as u64)) {
                Ok(0) => {
                    if poll(&[&from.subscribe(), &self.future.subscribe()]).contains(&1) {
                        return Err(self.end(End::Answered));
                    }
                }
                Ok(moved) => return Ok(Some(moved)),
                // Of which of the two?
                Err(StreamError::Closed) if self.out.stream.check_write().is_ok() => return Ok(None),
                Err(StreamError::Closed) => return Err(self.end(End::Answered)),
                Err(error) if self.out.stream.check_write().is_ok() => return Err(describe(error)),
                Err(_) => return Err(self.end(End::Answered)),
            }
        }
    }
}

fn refused(what: &str) -> Error {
    Error::Denied(format!("the host refuses the request's {what}"))
}

/// What an error of the host's means.
fn error(code: ErrorCode) -> Error {
    use ErrorCode as Code;
    let text = format!("{code:?}");
    match code {
        Code::DnsTimeout
        | Code::DnsError(_)
        | Code::DestinationNotFound
        | Code::DestinationUnavailable
        | Code::DestinationIpUnroutable
        | Code::ConnectionRefused
        | Code::ConnectionTimeout
        | Code::ConnectionLimitReached => Error::NotConnected(text),
        Code::DestinationIpProhibited | Code::HttpRequestDenied => Error::Denied(text),
        Code::TlsProtocolError | Code::TlsCertificateError | Code::TlsAlertReceived(_) => Error::Tls(text),
        Code::ConnectionReadTimeout | Code::ConnectionWriteTimeout | Code::HttpResponseTimeout => {
            Error::TimedOut(text)
        }
        _ => Error::Broken(text),
    }
}
