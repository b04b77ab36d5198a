//! The storage: values, blobs and uploads in the store of the host.

use lighter::component::Content;
use lighter::storage::{Result, Storage, check_key};

use crate::content::Reader;
use crate::host::{Host, host};
use crate::upload::{Writer, received};
use crate::{blob, index, value};

/// Storage in the store that the host gives.
#[derive(Default)]
pub(crate) struct KeyValue;

/// Returns the store, to do something under a key or a prefix.
fn at(key: &str) -> Result<&'static Host> {
    check_key(key)?;
    host()
}

impl Storage for KeyValue {
    type Content = Reader<'static, Host>;
    type Upload = Writer<'static, Host>;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        value::get(at(key)?, key)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        value::set(at(key)?, key, value)
    }

    fn note(&self, key: &str, value: &[u8]) -> Result<()> {
        self.set(key, value)
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<bool> {
        value::create(at(key)?, key, value)
    }

    fn delete(&self, key: &str) -> Result<()> {
        value::delete(at(key)?, key)
    }

    fn delete_prefix(&self, prefix: &str) -> Result<()> {
        value::delete_prefix(at(prefix)?, prefix)
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        index::list(at(prefix)?, prefix, after, limit)
    }

    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        index::values(at(prefix)?, prefix, after, limit)
    }

    fn stat(&self, key: &str) -> Result<Option<u64>> {
        Ok(blob::find(at(key)?, key)?.map(|blob| blob.size()))
    }

    fn read(&self, key: &str, offset: u64, length: u64) -> Result<Self::Content> {
        blob::read(at(key)?, key, offset, length)
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        let host = at(key)?;
        blob::put(host, key, content, host.chunk)
    }

    fn delete_blob(&self, key: &str) -> Result<()> {
        blob::delete(at(key)?, key)
    }

    fn received(&self, id: &str) -> Result<Option<u64>> {
        received(at(id)?, id)
    }

    fn create_upload(&self, id: &str) -> Result<Self::Upload> {
        let host = at(id)?;
        Writer::create(host, id, host.chunk)
    }

    fn open_upload(&self, id: &str) -> Result<Self::Upload> {
        let host = at(id)?;
        Writer::open(host, id, host.chunk)
    }
}

impl From<Reader<'static, Host>> for Content {
    fn from(reader: Reader<'static, Host>) -> Self {
        Self::Chunks(Box::new(reader))
    }
}
