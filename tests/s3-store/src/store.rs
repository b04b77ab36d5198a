//! The store: takes a request, checks it, and has the bucket do what it asks for.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::bucket::{Bucket, Object, etag};
use crate::fault::{Fault, Outcome};
use crate::request::{Refusal, Request, Response, Result, decode, refuse};
use crate::signature;
use crate::time::http_date;
use crate::xml::escape;

/// The header with the condition of a copy.
pub(crate) const CONDITION: &str = "x-amz-copy-source-if-match";

/// What stores differ in.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name of the bucket.
    pub bucket: String,
    /// The region that is signed.
    pub region: String,
    /// The id of the key.
    pub access_key: String,
    /// The key.
    pub secret_key: String,
    /// Whether `If-None-Match: *` and `If-Match` count on a PUT. Otherwise they are ignored.
    pub conditional_writes: bool,
    /// Whether `x-amz-copy-source-if-match` counts. Otherwise it is ignored.
    pub conditional_copies: bool,
    /// Whether it is like Ceph 16: it knows conditions on writes and copies, and each in a way of its own, and only when an
    /// upload that has ended is ended again it says the tag.
    pub is_ceph: bool,
    /// Whether the payload must have the hash that was signed.
    pub checks_payload: bool,
    /// The least size of a part but the last one, in bytes.
    pub part_min: usize,
    /// Whether it serves other clients than the registry's driver: it knows more requests, and takes parts of any size, and
    /// checksums, which it does not look at.
    pub other_clients: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bucket: "registry".to_owned(),
            region: "here".to_owned(),
            access_key: "AKIATEST".to_owned(),
            secret_key: "a+secret/key".to_owned(),
            conditional_writes: true,
            conditional_copies: true,
            is_ceph: false,
            checks_payload: true,
            part_min: 5 << 20,
            other_clients: false,
        }
    }
}

/// A store. Its clones are the same one.
#[derive(Clone, Default)]
pub struct Store(Arc<Shared>);

#[derive(Default)]
pub(crate) struct Shared {
    options: Options,
    bucket: Mutex<Bucket>,
    /// The requests that came: method, path and query, decoded.
    log: Mutex<Vec<String>>,
    /// What is to go wrong, each with the number of requests that go right before.
    faults: Mutex<Vec<(usize, Fault)>>,
    /// How many seconds its clock is ahead of the machine's.
    ahead: AtomicI64,
    answered: AtomicU64,
    /// How long a request over a socket is on its way, in microseconds.
    delay: AtomicU64,
    /// How many requests are on their way, and the most that were so at once.
    under_way: AtomicUsize,
    most_at_once: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// Makes an empty store.
    pub fn new(options: Options) -> Self {
        Self(Arc::new(Shared { options, ..Shared::default() }))
    }

    /// The store, for one who does not keep it.
    pub(crate) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// What it was made with.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// Sets how many seconds its clock is ahead of the machine's.
    pub fn set_ahead(&self, seconds: i64) {
        self.0.ahead.store(seconds, Ordering::SeqCst);
    }

    /// Seconds since 1970, by its clock.
    pub fn now(&self) -> i64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        now.as_secs().cast_signed() + self.0.ahead.load(Ordering::SeqCst)
    }

    /// Has a request fail: the next one, or one after so many others.
    pub fn fail(&self, after: usize, fault: Fault) {
        lock(&self.0.faults).push((after, fault));
    }

    /// Forgets the faults that are to come, and returns whether there were any.
    pub fn stop_failing(&self) -> bool {
        !core::mem::take(&mut *lock(&self.0.faults)).is_empty()
    }

    /// Returns the requests that came since the last call, each as `METHOD key?query`, decoded.
    pub fn take_log(&self) -> Vec<String> {
        core::mem::take(&mut lock(&self.0.log))
    }

    /// Sets how long each request over a socket takes more, as if the store were far away.
    pub fn set_delay(&self, delay: Duration) {
        self.0.delay.store(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Returns the most requests over sockets that were under way at once since the last call.
    pub fn take_most_at_once(&self) -> usize {
        self.0.most_at_once.swap(0, Ordering::SeqCst)
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        lock(&self.0.bucket).objects.keys().cloned().collect()
    }

    /// The content of an object.
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        lock(&self.0.bucket).objects.get(key).map(|object| object.bytes.to_vec())
    }

    /// Stores an object, as another program would.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        let (etag, bytes) = (etag(bytes), Arc::new(bytes.to_owned()));
        let object = Object { bytes, etag, modified: self.now(), headers: Vec::new() };
        lock(&self.0.bucket).store(key, object);
    }

    /// Removes an object, as another program would.
    pub fn remove(&self, key: &str) {
        lock(&self.0.bucket).objects.remove(key);
    }

    /// How many uploads in parts are under way.
    pub fn uploads(&self) -> usize {
        lock(&self.0.bucket).uploads.count()
    }

    /// Forgets all uploads in parts, as a rule of the bucket does after some days.
    pub fn forget_uploads(&self) {
        lock(&self.0.bucket).uploads.clear();
    }

    /// The fault of the request that comes now.
    pub(crate) fn next_fault(&self) -> Option<Fault> {
        let mut faults = lock(&self.0.faults);
        let now = faults.iter().position(|(after, _)| *after == 0);
        for (after, _) in faults.iter_mut() {
            *after = after.saturating_sub(1);
        }
        now.map(|now| faults.remove(now).1)
    }

    /// Has a request meet the store, and perhaps a fault.
    pub fn meet(&self, request: &Request) -> Outcome {
        self.meet_fault(request, self.next_fault())
    }

    pub(crate) fn meet_fault(&self, request: &Request, fault: Option<Fault>) -> Outcome {
        if fault.is_some() {
            self.note(request);
        }
        let refused =
            |status, code| Outcome::Answered(self.complete(request, refuse(status, code, "a test")));
        match fault {
            None => Outcome::Answered(self.answer(request)),
            Some(Fault::Unavailable) => refused(503, "SlowDown"),
            Some(Fault::Internal) => refused(500, "InternalError"),
            Some(Fault::Full) => refused(507, "XMinioStorageFull"),
            Some(Fault::ErrorInside) => {
                let xml = "<Error><Code>InternalError</Code><Message>a test</Message></Error>";
                Outcome::Answered(self.complete(request, Ok(Response::xml(200, xml))))
            }
            Some(Fault::Reset) => Outcome::Reset,
            Some(Fault::Stalled) => Outcome::Stalled,
            Some(Fault::Lost) => {
                self.carry_out(request);
                Outcome::Reset
            }
            Some(Fault::Truncated) => Outcome::Truncated(self.carry_out(request)),
        }
    }

    /// The same for a request that is on its way for a while.
    pub(crate) fn meet_in_time(&self, request: &Request, fault: Option<Fault>) -> Outcome {
        let under_way = self.0.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_at_once.fetch_max(under_way, Ordering::SeqCst);
        thread::sleep(Duration::from_micros(self.0.delay.load(Ordering::SeqCst)));
        let outcome = self.meet_fault(request, fault);
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
        outcome
    }

    /// Answers a request.
    pub fn answer(&self, request: &Request) -> Response {
        self.note(request);
        self.carry_out(request)
    }

    fn carry_out(&self, request: &Request) -> Response {
        let answer = signature::check(request, self.options(), self.now()).and_then(|()| self.act(request));
        self.complete(request, answer)
    }

    /// Writes down a request. Of a presigned one it leaves out what signs it.
    fn note(&self, request: &Request) {
        let path = decode(request.path());
        let key = path.trim_start_matches('/');
        let key = key.strip_prefix(&self.options().bucket).unwrap_or(key).trim_start_matches('/');
        let shown = |(name, value): &(String, String)| {
            let separator = if value.is_empty() { "" } else { "=" };
            (!name.starts_with("X-Amz-")).then(|| format!("{name}{separator}{value}"))
        };
        let query: Vec<String> = request.query().iter().filter_map(shown).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        lock(&self.0.log).push(format!("{} {key}{mark}{}", request.method, query.join("&")));
    }

    /// Adds what every answer has.
    fn complete(&self, request: &Request, answer: Result<Response>) -> Response {
        let number = self.0.answered.fetch_add(1, Ordering::SeqCst);
        let response = answer.unwrap_or_else(|Refusal(status, code, message)| {
            let (message, key) = (escape(&message), escape(&decode(request.path())));
            let xml = format!(
                "<Error><Code>{code}</Code><Message>{message}</Message><Resource>{key}</Resource></Error>"
            );
            Response::xml(status, &xml)
        });
        response.with("date", http_date(self.now())).with("x-amz-request-id", format!("request-{number}"))
    }

    fn act(&self, request: &Request) -> Result<Response> {
        let Options { bucket, conditional_writes, other_clients, is_ceph, .. } = self.options();
        let path = decode(request.path());
        let Some(key) = path.strip_prefix('/').and_then(|path| path.strip_prefix(bucket.as_str())) else {
            return refuse(404, "NoSuchBucket", "The specified bucket does not exist");
        };
        check_headers(request, *other_clients)?;
        let now = self.now();
        let stored = &mut *lock(&self.0.bucket);
        let key = match key.strip_prefix('/') {
            Some(key) if !key.is_empty() => key,
            _ if *other_clients && request.parameter("delete").is_some() => {
                return Ok(stored.delete_many(request));
            }
            _ if *other_clients && request.parameter("uploads").is_some() => {
                return Ok(stored.list_uploads(request, now));
            }
            _ if *other_clients && request.parameter("list-type").is_none() => {
                return Ok(stored.list_objects(request));
            }
            _ if request.method == "GET" => return stored.list(request),
            _ => return refuse(405, "MethodNotAllowed", "of the bucket, only a list"),
        };
        let mut parameters: Vec<String> = request.query().into_iter().map(|(name, _)| name).collect();
        parameters.retain(|name| !name.starts_with("X-Amz-"));
        parameters.sort();
        let value = |name| request.parameter(name).unwrap_or_default();
        let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
        match (request.method.as_str(), &parameters[..]) {
            ("GET" | "HEAD", []) => stored.get(key, request),
            ("PUT", []) => {
                if *conditional_writes {
                    check_condition(request, stored.objects.get(key), *is_ceph)?;
                }
                match request.header("x-amz-copy-source") {
                    None => Ok(stored.put(key, request, now)),
                    Some(source) => {
                        let named = if *is_ceph { "x-amz-copy-if-match" } else { CONDITION };
                        let condition = self.options().conditional_copies.then_some(named);
                        let source = stored.copied(source, bucket, request, condition)?;
                        Ok(stored.copy(key, source, request, now))
                    }
                }
            }
            ("DELETE", []) => {
                stored.objects.remove(key);
                Ok(Response::new(204))
            }
            ("POST", ["uploads"]) => Ok(stored.uploads.begin(bucket, key, request)),
            ("PUT", ["partNumber", "uploadId"]) => {
                let (id, number) = (value("uploadId"), value("partNumber"));
                stored.put_part(key, &id, &number, request, self.options())
            }
            ("POST", ["uploadId"]) => stored.complete(key, &value("uploadId"), request, self.options(), now),
            ("GET", ["uploadId"]) => stored.list_parts(key, &value("uploadId"), request, now),
            ("DELETE", ["uploadId"]) => stored.uploads.abort(key, &value("uploadId")),
            (method, parameters) => refuse(501, "NotImplemented", format!("{method} with {parameters:?}")),
        }
    }
}

/// Refuses what some store refuses.
fn check_headers(request: &Request, other_clients: bool) -> Result<()> {
    let differs = |name: &str| name == "content-md5" || name.starts_with("x-amz-checksum-");
    if let Some((name, _)) = request.headers.iter().find(|(name, _)| !other_clients && differs(name)) {
        return refuse(501, "NotImplemented", format!("the header {name}"));
    }
    let is_chunked = request.header("content-encoding").is_some_and(|coding| coding.contains("aws-chunked"));
    if is_chunked || request.header("transfer-encoding").is_some() {
        return refuse(501, "NotImplemented", "Transfer-Encoding");
    }
    if request.method == "PUT" && request.header("content-length").is_none() {
        return refuse(411, "MissingContentLength", "You must provide the Content-Length HTTP header.");
    }
    if request.header("x-amz-copy-source").is_some() && !request.body.is_empty() {
        return refuse(400, "InvalidRequest", "a copy has no body");
    }
    Ok(())
}

fn check_condition(request: &Request, there: Option<&Object>, is_ceph: bool) -> Result<()> {
    if request.header("if-none-match").is_some() && there.is_some() {
        return refuse(412, "PreconditionFailed", "If-None-Match");
    }
    let is_tag = |etag: &str, object: &Object| match is_ceph {
        true => etag == object.etag.trim_matches('"'),
        false => etag == object.etag,
    };
    match (request.header("if-match"), there) {
        (Some(_), None) if !is_ceph => refuse(404, "NoSuchKey", "If-Match of a key that does not exist"),
        (Some(etag), object) if !object.is_some_and(|object| is_tag(etag, object)) => {
            refuse(412, "PreconditionFailed", "If-Match")
        }
        _ => Ok(()),
    }
}
