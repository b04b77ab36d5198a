//! A driver and a store beside it, without a socket between them.

use core::sync::atomic::{AtomicI64, Ordering};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lighter_fetch::{Error, Fetch, Flight, Request, Response};
use lighter_s3_store as store;
use lighter_s3_store::{Options, Outcome, Store};
use lighter_storage::{Content, Settings, Stream, read_exactly};
use uuid::Uuid;

use crate::host::Host;
use crate::settings::{Config, VARIABLES};
use crate::storage::S3;

/// The size of a part in these tests, in bytes.
pub(crate) const CHUNK: u64 = 256 * 1024;

/// A machine beside a store, whose clock can be set.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) store: Store,
    ahead: Arc<AtomicI64>,
}

impl Bench {
    /// A store with these options, but for the least size of a part.
    pub(crate) fn new(options: Options) -> Self {
        let store = Store::new(Options { part_min: CHUNK as usize, ..options });
        Self { store, ahead: Arc::default() }
    }

    /// A store with these options, whose parts may be this small.
    pub(crate) fn of_parts(options: Options, part_min: usize) -> Self {
        let store = Store::new(Options { part_min, ..options });
        Self { store, ahead: Arc::default() }
    }

    /// A store with or without conditional writes.
    pub(crate) fn with_conditions(conditional_writes: bool) -> Self {
        Self::new(Options { conditional_writes, ..Options::default() })
    }

    /// The driver, as a new instance has it.
    pub(crate) fn driver(&self) -> S3<Self> {
        S3::new(self.config(), self.clone())
    }

    /// The settings of a driver for this store, with sizes that make tests quick.
    pub(crate) fn config(&self) -> Config {
        let options = self.store.options();
        let settings = [
            ("ACCESSKEY", options.access_key.as_str()),
            ("SECRETKEY", &options.secret_key),
            ("REGION", &options.region),
            ("BUCKET", &options.bucket),
            ("REGIONENDPOINT", "http://store"),
            ("ROOTDIRECTORY", "/some/root"),
        ];
        let named = settings.map(|(name, value)| (format!("REGISTRY_STORAGE_S3_{name}"), value.to_owned()));
        let config = Config::read(&Settings::new(named, VARIABLES.to_vec(), |_| Err(String::new()))).unwrap();
        Config { chunk: CHUNK, copy_threshold: 2 * CHUNK, copy_chunk: CHUNK, ..config }
    }

    /// Lets time go by, for the driver and the store.
    pub(crate) fn pass(&self, seconds: i64) {
        let ahead = self.ahead.fetch_add(seconds, Ordering::SeqCst) + seconds;
        self.store.set_ahead(ahead);
    }

    /// Has the request meet the store.
    fn meet(&self, request: &Request, body: Option<Arc<Vec<u8>>>) -> Result<Response, Error> {
        let lower = |(name, value): &(&str, String)| ((*name).to_owned(), value.clone());
        let mut headers: Vec<(String, String)> = request.headers.iter().map(lower).collect();
        headers.push(("host".to_owned(), request.authority.clone()));
        headers.extend(body.as_ref().map(|body| ("content-length".to_owned(), body.len().to_string())));
        let (method, target) = (request.method.to_owned(), request.target.clone());
        let body = body.unwrap_or_default();
        let (answer, is_whole) = match self.store.meet(&store::Request { method, target, headers, body }) {
            Outcome::Answered(answer) => (answer, true),
            Outcome::Truncated(answer) if answer.body.is_empty() || request.method == "HEAD" => {
                return Err(Error::Broken("the head of the answer broke off".to_owned()));
            }
            Outcome::Truncated(answer) => (answer, false),
            Outcome::Reset => return Err(Error::Broken("the connection was reset".to_owned())),
            Outcome::Stalled => return Err(Error::TimedOut("nothing came".to_owned())),
        };
        let mut headers: Vec<(String, Vec<u8>)> =
            answer.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
        headers.push(("content-length".to_owned(), answer.body.len().to_string().into_bytes()));
        let body = match request.method {
            "HEAD" => Content::Bytes(Vec::new()),
            _ if is_whole => Content::Bytes(answer.body.to_vec()),
            _ => Content::Chunks(Box::new(Cut(Some(answer.body[..answer.body.len() / 2].to_vec())))),
        };
        Ok(Response { status: answer.status, headers, body })
    }
}

/// A body that breaks off.
struct Cut(Option<Vec<u8>>);

impl Stream for Cut {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        match self.0.take().filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err("the answer broke off".to_owned()),
        }
    }
}

impl Host for Bench {
    type Fetch = Self;

    fn fetch(&self) -> &Self {
        self
    }

    fn now(&self) -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        now.as_secs().saturating_add_signed(self.ahead.load(Ordering::SeqCst))
    }

    fn pause(&self, _: Duration) {}

    fn draw(&self) -> u128 {
        Uuid::new_v4().as_u128()
    }
}

impl Fetch for Bench {
    type Flight = Landed;

    fn start(&self, request: &Request) -> Result<Landed, Error> {
        Ok(Landed(self.meet(request, request.body.clone())))
    }

    fn send(&self, request: &Request, body: &mut dyn Stream, length: u64) -> Result<Response, Error> {
        let mut bytes = Vec::new();
        let read = read_exactly(body, length, "it is shorter than announced", |more| {
            bytes.extend_from_slice(more);
            Ok(())
        });
        read.map_err(Error::Source)?;
        self.meet(request, Some(Arc::new(bytes)))
    }
}

/// A request that is answered already.
pub(crate) struct Landed(Result<Response, Error>);

impl Flight for Landed {
    fn pump(&mut self) -> bool {
        true
    }

    fn first(_: &mut [Self]) -> usize {
        0
    }

    fn wait(self) -> Result<Response, Error> {
        self.0
    }
}
