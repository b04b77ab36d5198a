//! The store of the host, and how it is configured.

use std::sync::{Arc, OnceLock};

use lighter::storage::{Error, Result};

use crate::bindings::wasi::keyvalue::atomics::{Cas, CasError, increment, swap};
use crate::bindings::wasi::keyvalue::batch::{delete_many, set_many};
use crate::bindings::wasi::keyvalue::store::{self, open};
use crate::bucket::Bucket;
use crate::environment::variables;

/// The name of the store.
const STORE: &str = "REGISTRY_STORAGE_KEYVALUE_STORE";
const DEFAULT_STORE: &str = "default";

/// The size of a chunk, in bytes.
const CHUNK: &str = "REGISTRY_STORAGE_KEYVALUE_CHUNKSIZE";
const DEFAULT_CHUNK: usize = 512 * 1024;
/// Between a chunk that is hardly worth a key of its own and one that a component should not hold.
const CHUNKS: core::ops::RangeInclusive<usize> = 4096..=16 * 1024 * 1024;

/// The store, and how large a chunk in it may be.
#[derive(Clone)]
pub(crate) struct Host {
    bucket: Arc<store::Bucket>,
    pub(crate) chunk: usize,
}

/// Returns the store. It is opened once in the life of an instance.
pub(crate) fn host() -> Result<&'static Host> {
    static HOST: OnceLock<Host> = OnceLock::new();
    if let Some(host) = HOST.get() {
        return Ok(host);
    }
    let variables = variables();
    let configured = |name| variables.iter().find(|(set, _)| set == name).map(|(_, value)| value.as_str());
    let name = configured(STORE).unwrap_or(DEFAULT_STORE);
    let chunk = match configured(CHUNK) {
        None => DEFAULT_CHUNK,
        Some(text) => text.parse().ok().filter(|size| CHUNKS.contains(size)).ok_or_else(|| {
            let (least, most) = (CHUNKS.start(), CHUNKS.end());
            Error::AccessDenied(format!("{CHUNK} is {text:?}, which is no number from {least} to {most}"))
        })?,
    };
    let bucket = Arc::new(open(name).map_err(failed("open", name))?);
    Ok(HOST.get_or_init(|| Host { bucket, chunk }))
}

impl Bucket for Host {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.bucket.get(key).map_err(failed("get", key))
    }

    fn exists(&self, key: &str) -> Result<bool> {
        self.bucket.exists(key).map_err(failed("look for", key))
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.bucket.set(key, value).map_err(failed("set", key))
    }

    fn set_many(&self, values: &[(String, Vec<u8>)]) -> Result<()> {
        let first = values.first().map_or("", |(key, _)| key.as_str());
        set_many(&self.bucket, values).map_err(failed("set", first))
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.bucket.delete(key).map_err(failed("delete", key))
    }

    fn delete_many(&self, keys: &[String]) -> Result<()> {
        let first = keys.first().map_or("", String::as_str);
        delete_many(&self.bucket, keys).map_err(failed("delete", first))
    }

    fn increment(&self, key: &str) -> Result<i64> {
        increment(&self.bucket, key, 1).map_err(failed("increment", key))
    }

    fn swap(&self, key: &str, change: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<()> {
        let cas = Cas::new(&self.bucket, key).map_err(failed("swap", key))?;
        let current = cas.current().map_err(failed("swap", key))?;
        match current.and_then(|current| change(&current)).map(|value| swap(cas, &value)) {
            None | Some(Ok(()) | Err(CasError::CasFailed(_))) => Ok(()),
            Some(Err(CasError::StoreError(error))) => Err(failed("swap", key)(error)),
        }
    }
}

/// Says what was done to what, when it failed.
fn failed(what: &'static str, name: &str) -> impl Fn(store::Error) -> Error {
    move |error| match error {
        store::Error::NoSuchStore => {
            Error::AccessDenied(format!("{what} {name}: the host has no such store"))
        }
        store::Error::AccessDenied => {
            Error::AccessDenied(format!("{what} {name}: the host does not give this component the store"))
        }
        store::Error::Other(text) => Error::Other(format!("{what} {name}: {text}")),
    }
}
