//! The storage: values, blobs and uploads in the store of the host.

use core::ops::RangeInclusive;

use lighter::storage::{Content, Open, Result, Settings, Storage, check_key};

use crate::host::Host;
use crate::upload::{Writer, received};
use crate::{blob, index, value};

/// The name of the store.
const STORE: &str = "REGISTRY_STORAGE_KEYVALUE_STORE";
const DEFAULT_STORE: &str = "default";

/// The size of a chunk, in bytes.
const CHUNK: &str = "REGISTRY_STORAGE_KEYVALUE_CHUNKSIZE";
const DEFAULT_CHUNK: usize = 512 * 1024;
/// Between a chunk that is hardly worth a key of its own and one that a component should not hold.
const CHUNKS: RangeInclusive<usize> = 4096..=16 * 1024 * 1024;

/// Storage in a store that the host gives.
pub(crate) struct KeyValue {
    host: Host,
    /// The size of a chunk, in bytes.
    chunk: usize,
}

impl KeyValue {
    /// Returns the store, to do something under a key or a prefix.
    fn at(&self, key: &str) -> Result<&Host> {
        check_key(key).map(|()| &self.host)
    }
}

impl Open for KeyValue {
    const VARIABLES: &'static [&'static str] = &[STORE, CHUNK];

    fn open(settings: &Settings) -> core::result::Result<Self, String> {
        let host = Host::new(settings.get(STORE).unwrap_or(DEFAULT_STORE));
        let chunk = match settings.get(CHUNK) {
            None => DEFAULT_CHUNK,
            Some(text) => text.parse().ok().filter(|size| CHUNKS.contains(size)).ok_or_else(|| {
                let (least, most) = (CHUNKS.start(), CHUNKS.end());
                format!("{CHUNK} is a number from {least} to {most}, not {text:?}")
            })?,
        };
        Ok(Self { host, chunk })
    }
}

impl Storage for KeyValue {
    type Upload = Writer<Host>;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        value::get(self.at(key)?, key)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        value::set(self.at(key)?, key, value)
    }

    fn note(&self, key: &str, value: &[u8]) -> Result<()> {
        self.set(key, value)
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<bool> {
        value::create(self.at(key)?, key, value)
    }

    fn delete(&self, key: &str) -> Result<()> {
        value::delete(self.at(key)?, key)
    }

    fn delete_prefix(&self, prefix: &str) -> Result<()> {
        value::delete_prefix(self.at(prefix)?, prefix)
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        index::list(self.at(prefix)?, prefix, after, limit)
    }

    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        index::values(self.at(prefix)?, prefix, after, limit)
    }

    fn stat(&self, key: &str) -> Result<Option<u64>> {
        Ok(blob::find(self.at(key)?, key)?.map(|blob| blob.size()))
    }

    fn read(&self, key: &str, offset: u64, length: u64) -> Result<Content> {
        Ok(Content::Chunks(Box::new(blob::read(self.at(key)?, key, offset, length)?)))
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        blob::put(self.at(key)?, key, content, self.chunk)
    }

    fn delete_blob(&self, key: &str) -> Result<()> {
        blob::delete(self.at(key)?, key)
    }

    fn received(&self, id: &str) -> Result<Option<u64>> {
        received(self.at(id)?, id)
    }

    fn create_upload(&self, id: &str) -> Result<Self::Upload> {
        Writer::create(self.at(id)?, id, self.chunk)
    }

    fn open_upload(&self, id: &str) -> Result<Self::Upload> {
        Writer::open(self.at(id)?, id, self.chunk)
    }
}
