//! The storage: values, blobs and uploads in the store of the host.

use lighter_storage::{BlobInfo, BlobPage, Content, Result, Storage, Tidied, check_key, walk};

use crate::bucket::Bucket;
use crate::tidy::tidy;
use crate::tree::Blobs;
use crate::upload::{Writer, received};
use crate::{blob, index, value};

/// Storage in a store of values.
pub struct KeyValue<B> {
    bucket: B,
    chunk: usize,
}

impl<B: Bucket> KeyValue<B> {
    /// Storage in a store, with chunks of a size in bytes.
    pub fn new(bucket: B, chunk: usize) -> Self {
        Self { bucket, chunk }
    }

    /// Returns the store, to do something under a key or a prefix.
    fn at(&self, key: &str) -> Result<&B> {
        check_key(key).map(|()| &self.bucket)
    }
}

impl<B: Bucket> Storage for KeyValue<B> {
    type Upload = Writer<B>;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        value::get(self.at(key)?, key)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        value::set(self.at(key)?, key, value)
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

    fn stat(&self, key: &str) -> Result<Option<BlobInfo>> {
        blob::stat(self.at(key)?, key)
    }

    fn enumerate(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<BlobPage> {
        walk(&Blobs::new(self.at(prefix)?), prefix, after, limit)
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

    fn tidy(&self, after: Option<&str>, limit: u32, age: u64, dry_run: bool) -> Result<Tidied> {
        tidy(&self.bucket, after, limit, age, dry_run)
    }
}
