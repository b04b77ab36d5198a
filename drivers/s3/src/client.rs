//! Requests to the store: signed, sent, sent again where that may help, and their answers read.

use core::sync::atomic::{AtomicI64, Ordering};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lighter_fetch::{Error as FetchError, Fetch, Flight, Request, Response};
use lighter_storage::Stream;

use crate::abilities::Abilities;
use crate::date::read_http_date;
use crate::error::Failure;
use crate::host::Host;
use crate::settings::{Config, Endpoint};
use crate::sign::{Signed, UNSIGNED, encode, sha256};
use crate::xml;

/// The result of a request.
pub(crate) type Result<T> = core::result::Result<T, Failure>;

/// How long to wait before a request is sent again, in milliseconds. Up to as much again is added by chance, so that
/// those who failed together do not come back together.
const PAUSES: [u64; 3] = [100, 400, 1600];

/// The longest body of an answer that is read as a whole, in bytes. The longest one is a tail, which is shorter than a part.
const ANSWER_MAX: usize = 64 << 20;

/// How fast a request's body goes out at least, in bytes a second.
const SLOWEST: u64 = 100_000;

/// How long a URL for a client is good, in seconds: as long as distribution's.
const URL_EXPIRY: u32 = 20 * 60;

/// A request to the store, before it is signed.
#[derive(Clone)]
pub(crate) struct Call {
    method: &'static str,
    /// The key as the registry has it. Empty for the bucket.
    key: String,
    query: Vec<(&'static str, String)>,
    headers: Vec<(&'static str, String)>,
    body: Option<Arc<Vec<u8>>>,
    payload: Payload,
}

/// What is signed of a payload.
#[derive(Clone)]
pub(crate) enum Payload {
    /// Its hash.
    Hashed,
    /// Nothing: it is large, and the connection or the registry's own digest protects it.
    Unsigned,
    /// A hash that the store is to check.
    Given(String),
}

impl Call {
    pub(crate) fn new(method: &'static str, key: &str) -> Self {
        let (key, payload) = (key.to_owned(), Payload::Hashed);
        Self { method, key, query: Vec::new(), headers: Vec::new(), body: None, payload }
    }

    /// A call that makes an object of bytes.
    pub(crate) fn put(key: &str, bytes: impl Into<Arc<Vec<u8>>>) -> Self {
        Self { body: Some(bytes.into()), ..Self::new("PUT", key) }
            .header("content-type", "application/octet-stream")
    }

    /// Makes it a copy of an object. It has a body, though an empty one.
    #[must_use]
    pub(crate) fn copying(self, source: &str) -> Self {
        self.header("x-amz-copy-source", source).body(Vec::new())
    }

    #[must_use]
    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub(crate) fn body(self, bytes: impl Into<Arc<Vec<u8>>>) -> Self {
        Self { body: Some(bytes.into()), ..self }
    }

    #[must_use]
    pub(crate) fn payload(self, payload: Payload) -> Self {
        Self { payload, ..self }
    }

    /// Whether it makes an object, which then is stored as the operator wants it.
    fn makes_object(&self) -> bool {
        match self.method {
            "PUT" => self.query.is_empty(),
            "POST" => self.query.iter().any(|(name, _)| *name == "uploads"),
            _ => false,
        }
    }

    /// Whether an answer of 200 may have an error inside: a store that copies or completes may begin its answer before it
    /// knows. What is read may have anything inside.
    fn may_hide_error(&self) -> bool {
        matches!(self.method, "PUT" | "POST")
    }

    /// What it is, for the log.
    fn what(&self) -> String {
        format!("{} {}", self.method, if self.key.is_empty() { "the bucket" } else { &self.key })
    }
}

/// An answer that has been read.
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        // What is no valid text is rare, and to look for it takes longer.
        str::from_utf8(&self.body).map_or_else(|_| String::from_utf8_lossy(&self.body), Cow::Borrowed)
    }

    /// The entity tag of what was asked for or stored, with its quotes.
    pub(crate) fn etag(&self) -> String {
        etag(&self.response)
    }
}

/// The entity tag that an answer has.
pub(crate) fn etag(response: &Response) -> String {
    response.header("etag").unwrap_or_default().to_owned()
}

/// How many seconds ago an object was stored, by the store's own clock.
pub(crate) fn age(response: &Response) -> Option<u64> {
    let date = |name| read_http_date(response.header(name)?);
    Some(date("date")?.saturating_sub(date("last-modified")?))
}

/// A request that failed.
pub(crate) struct Failed {
    pub(crate) failure: Failure,
    /// Whether it was sent more than once, and so an earlier one may have been carried out.
    pub(crate) again: bool,
}

/// The client of a store.
pub(crate) struct Client<H> {
    pub(crate) config: Config,
    pub(crate) host: H,
    /// What the store can do, once that is known.
    pub(crate) abilities: OnceLock<Abilities>,
    /// How many seconds the store's clock is ahead of the host's.
    ahead: AtomicI64,
}

/// The flights of a client.
pub(crate) type FlightOf<H> = <<H as Host>::Fetch as Fetch>::Flight;

/// A request that was begun.
pub(crate) type Begun<H> = core::result::Result<FlightOf<H>, FetchError>;

impl<H: Host> Client<H> {
    pub(crate) fn new(config: Config, host: H) -> Self {
        Self { config, host, abilities: OnceLock::new(), ahead: AtomicI64::new(0) }
    }

    /// The key of the object that is stored under a key.
    pub(crate) fn object(&self, key: &str) -> String {
        format!("{}{key}", self.config.root)
    }

    /// What names an object as the source of a copy.
    pub(crate) fn copy_source(&self, key: &str) -> String {
        format!("/{}/{}", self.config.bucket, encode(&self.object(key), true))
    }

    /// Something that nobody else has.
    pub(crate) fn nonce(&self) -> String {
        format!("{:032x}", self.host.draw())
    }

    fn now(&self) -> u64 {
        self.host.now().saturating_add_signed(self.ahead.load(Ordering::Relaxed))
    }

    fn path(&self, endpoint: &Endpoint, key: &str) -> String {
        if key.is_empty() {
            return endpoint.path.clone();
        }
        format!("{}{}", endpoint.path, encode(&self.object(key), true))
    }

    /// Returns a URL that anyone can GET an object from for some minutes, if clients are sent to the store.
    pub(crate) fn url(&self, key: &str) -> Option<String> {
        let endpoint = self.config.redirect.as_ref()?;
        let path = self.path(endpoint, key);
        let (scheme, authority) = (endpoint.scheme.as_str(), endpoint.authority.as_str());
        let signed = Signed { method: "GET", authority, path: &path, query: "" };
        let query = self.config.signer.presign(&signed, URL_EXPIRY, self.now());
        Some(format!("{scheme}://{authority}{path}?{query}"))
    }

    fn request(&self, call: &Call) -> Request {
        let endpoint = &self.config.endpoint;
        let path = self.path(endpoint, &call.key);
        let mut pairs: Vec<String> =
            call.query.iter().map(|(name, value)| format!("{name}={}", encode(value, false))).collect();
        pairs.sort_unstable();
        let query = pairs.join("&");
        let mut headers = call.headers.clone();
        if call.makes_object() {
            headers.extend(self.config.headers.iter().cloned());
        }
        let payload = match &call.payload {
            Payload::Hashed => sha256(call.body.as_ref().map_or(&[], |body| body.as_slice())),
            Payload::Unsigned => UNSIGNED.to_owned(),
            Payload::Given(hash) => hash.clone(),
        };
        let signed =
            Signed { method: call.method, authority: &endpoint.authority, path: &path, query: &query };
        self.config.signer.sign(&signed, &mut headers, &payload, self.now());
        let mark = if query.is_empty() { "" } else { "?" };
        let mut timeouts = self.config.timeouts;
        // The time for the answer begins with the request.
        let length = call.body.as_ref().map_or(0, |body| body.len() as u64);
        timeouts.first_byte += Duration::from_secs(length / SLOWEST);
        Request {
            method: call.method,
            scheme: endpoint.scheme,
            authority: endpoint.authority.clone(),
            target: format!("{path}{mark}{query}"),
            headers,
            body: call.body.clone(),
            timeouts,
        }
    }

    /// Begins a request.
    pub(crate) fn begin(&self, call: &Call) -> Begun<H> {
        self.host.fetch().start(&self.request(call))
    }

    /// Sends a request, and reads its answer.
    pub(crate) fn call(&self, call: &Call) -> Result<Answer> {
        self.finish(call, self.begin(call)).map_err(|failed| failed.failure)
    }

    /// Waits for the answer to a request that was begun, and reads it. Sends the request again, if that may help.
    pub(crate) fn finish(&self, call: &Call, begun: Begun<H>) -> core::result::Result<Answer, Failed> {
        let mut begun = Some(begun);
        self.persist(|| {
            let flight = begun.take().unwrap_or_else(|| self.begin(call));
            let mut response = self.head(call, flight)?;
            let body = response.read(ANSWER_MAX);
            let body = body.map_err(|error| Failure::unanswered(&call.what(), error))?;
            let answer = Answer { response, body };
            if call.may_hide_error() && xml::tags(&answer.text()).any(|(tag, _)| tag == "Error") {
                return Err(self.refused(call, &answer.response, &answer.body));
            }
            Ok(answer)
        })
    }

    /// Sends a request, and leaves the body of its answer to the caller.
    pub(crate) fn open(&self, call: &Call) -> Result<Response> {
        let opened = self.persist(|| self.head(call, self.begin(call)));
        opened.map_err(|failed| failed.failure)
    }

    /// Sends a request with a stream as its body, once: what was taken of a stream is gone.
    pub(crate) fn send(&self, call: &Call, body: &mut dyn Stream, length: u64) -> Result<Response> {
        let sent = self.host.fetch().send(&self.request(call), body, length);
        self.check(call, sent)
    }

    fn head(&self, call: &Call, begun: Begun<H>) -> Result<Response> {
        self.check(call, begun.and_then(Flight::wait))
    }

    /// Fails unless an answer says that a request was carried out.
    fn check(&self, call: &Call, answer: core::result::Result<Response, FetchError>) -> Result<Response> {
        let mut response = answer.map_err(|error| Failure::unanswered(&call.what(), error))?;
        if (200..300).contains(&response.status) {
            return Ok(response);
        }
        // What cannot be read of it is not told.
        let body = response.read(ANSWER_MAX).unwrap_or_default();
        Err(self.refused(call, &response, &body))
    }

    fn refused(&self, call: &Call, response: &Response, body: &[u8]) -> Failure {
        let request_id = response.header("x-amz-request-id");
        let failure = Failure::refused(&call.what(), response.status, request_id, body);
        if failure.is("RequestTimeTooSkewed")
            && let Some(date) = response.header("date").and_then(read_http_date)
        {
            let ahead = date.cast_signed() - self.host.now().cast_signed();
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        failure
    }

    /// Tries, and tries again after what passes. A clock that was wrong is corrected by then.
    fn persist<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> core::result::Result<T, Failed> {
        let mut pauses = PAUSES.iter();
        let (mut again, mut is_corrected) = (false, false);
        loop {
            let failure = match attempt() {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            if failure.is("RequestTimeTooSkewed") && !is_corrected {
                is_corrected = true;
                continue;
            }
            let Some(pause) = pauses.next().filter(|_| failure.is_passing()) else {
                return Err(Failed { failure, again });
            };
            let jitter = (self.host.draw() % u128::from(*pause)) as u64;
            self.host.pause(Duration::from_millis(pause + jitter));
            again = true;
        }
    }
}
