//! The storage: a value is a file, and a blob is one, read by a stream of the host's.

use lighter::storage::{Result, Storage};
use wasi::filesystem::types::{DescriptorFlags, OpenFlags};
use wasi::io::streams::InputStream;

use crate::directory::root;
use crate::error::absent_or_failed;
use crate::upload::Writer;

/// Storage in the directory that the host gives.
#[derive(Default)]
pub(crate) struct Filesystem;

impl Storage for Filesystem {
    type Content = InputStream;
    type Upload = Writer;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let root = root()?;
        root.read(&root.path(key)?)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        let root = root()?;
        root.replace(&root.path(key)?, value)
    }

    fn note(&self, key: &str, value: &[u8]) -> Result<()> {
        let root = root()?;
        root.note(&root.path(key)?, value)
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<bool> {
        let root = root()?;
        root.put_new(&root.path(key)?, value)
    }

    fn delete(&self, key: &str) -> Result<()> {
        let root = root()?;
        root.remove(&root.path(key)?)
    }

    fn delete_prefix(&self, prefix: &str) -> Result<()> {
        let root = root()?;
        root.remove_tree(&root.path(prefix)?)
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let root = root()?;
        root.directories(&root.path(prefix)?, after, limit as usize)
    }

    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let root = root()?;
        root.values(&root.path(prefix)?, after, limit as usize)
    }

    fn stat(&self, key: &str) -> Result<Option<u64>> {
        let root = root()?;
        root.size(&root.path(key)?)
    }

    fn read(&self, key: &str, offset: u64, _length: u64) -> Result<InputStream> {
        let root = root()?;
        let path = root.path(key)?;
        let file = root.open(&path, OpenFlags::empty(), DescriptorFlags::READ);
        file.and_then(|file| file.read_via_stream(offset)).map_err(absent_or_failed("read", &path))
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        self.set(key, content)
    }

    fn delete_blob(&self, key: &str) -> Result<()> {
        self.delete(key)
    }

    fn received(&self, id: &str) -> Result<Option<u64>> {
        self.stat(id)
    }

    fn create_upload(&self, id: &str) -> Result<Writer> {
        let root = root()?;
        Writer::create(root, root.path(id)?)
    }

    fn open_upload(&self, id: &str) -> Result<Writer> {
        let root = root()?;
        Writer::open(root, root.path(id)?)
    }
}
