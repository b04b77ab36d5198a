//! The store of the host.

use core::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use lighter_storage::{Error, Open, Result, Settings};

use crate::bindings::wasi::keyvalue::atomics::{Cas, CasError, increment, swap};
use crate::bindings::wasi::keyvalue::batch::{delete_many, set_many};
use crate::bindings::wasi::keyvalue::store::{self, open};
use crate::bucket::Bucket;
use crate::storage::KeyValue;

/// The name of the store.
const STORE: &str = "REGISTRY_STORAGE_KEYVALUE_STORE";
const DEFAULT_STORE: &str = "default";

/// The size of a chunk, in bytes.
const CHUNK: &str = "REGISTRY_STORAGE_KEYVALUE_CHUNKSIZE";
const DEFAULT_CHUNK: usize = 512 * 1024;
/// Between a chunk that is hardly worth a key of its own and one that a component should not hold.
const CHUNKS: RangeInclusive<usize> = 4096..=16 * 1024 * 1024;

impl Open for KeyValue<Host> {
    const VARIABLES: &'static [&'static str] = &[STORE, CHUNK];

    fn open(settings: &Settings) -> core::result::Result<Self, String> {
        let chunk = match settings.get(CHUNK) {
            None => DEFAULT_CHUNK,
            Some(text) => text.parse().ok().filter(|size| CHUNKS.contains(size)).ok_or_else(|| {
                let (least, most) = (CHUNKS.start(), CHUNKS.end());
                format!("{CHUNK} is a number from {least} to {most}, not {text:?}")
            })?,
        };
        Ok(Self::new(Host::new(settings.get(STORE).unwrap_or(DEFAULT_STORE)), chunk))
    }
}

/// A store of the host's, by its name.
#[derive(Clone)]
pub struct Host(Arc<Store>);

struct Store {
    name: String,
    bucket: OnceLock<store::Bucket>,
}

impl Host {
    /// Names a store. It is opened when it is first used.
    fn new(name: &str) -> Self {
        Self(Arc::new(Store { name: name.to_owned(), bucket: OnceLock::new() }))
    }

    /// Returns the store, opened. One that cannot be reached now is tried again by the next operation.
    fn bucket(&self) -> Result<&store::Bucket> {
        let Store { name, bucket } = &*self.0;
        if let Some(bucket) = bucket.get() {
            return Ok(bucket);
        }
        let opened = open(name).map_err(failed("open", name))?;
        Ok(bucket.get_or_init(|| opened))
    }
}

impl Bucket for Host {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.bucket()?.get(key).map_err(failed("get", key))
    }

    fn exists(&self, key: &str) -> Result<bool> {
        self.bucket()?.exists(key).map_err(failed("look for", key))
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.bucket()?.set(key, value).map_err(failed("set", key))
    }

    fn set_many(&self, values: &[(String, Vec<u8>)]) -> Result<()> {
        let first = values.first().map_or("", |(key, _)| key.as_str());
        set_many(self.bucket()?, values).map_err(failed("set", first))
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.bucket()?.delete(key).map_err(failed("delete", key))
    }

    fn delete_many(&self, keys: &[String]) -> Result<()> {
        let first = keys.first().map_or("", String::as_str);
        delete_many(self.bucket()?, keys).map_err(failed("delete", first))
    }

    fn increment(&self, key: &str) -> Result<i64> {
        increment(self.bucket()?, key, 1).map_err(failed("increment", key))
    }

    fn swap(&self, key: &str, change: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<()> {
        let cas = Cas::new(self.bucket()?, key).map_err(failed("swap", key))?;
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
