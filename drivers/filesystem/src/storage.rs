//! The storage: a value is a file, and a blob is one, read by a stream of the host's.

use std::sync::OnceLock;

use lighter::storage::{Content, Error, Open, Result, Settings, Storage};
use wasi::filesystem::types::{DescriptorFlags, OpenFlags};

use crate::directory::Directory;
use crate::error::absent_or_failed;
use crate::upload::Writer;

/// Where the directory is, as the component sees it.
const ROOT_DIRECTORY: &str = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY";

/// Where it is unless that is set: distribution's default.
const DEFAULT_ROOT: &str = "/var/lib/registry";

/// Storage in the directory that the host gives.
pub(crate) struct Filesystem {
    path: String,
    root: OnceLock<&'static Directory>,
}

impl Filesystem {
    /// Returns the directory. It is found once, when it is first used: many requests need none.
    fn root(&self) -> Result<&'static Directory> {
        if let Some(root) = self.root.get() {
            return Ok(root);
        }
        let root = Directory::find(&self.path).map_err(Error::AccessDenied)?;
        Ok(self.root.get_or_init(|| Box::leak(Box::new(root))))
    }
}

impl Open for Filesystem {
    const VARIABLES: &'static [&'static str] = &[ROOT_DIRECTORY];

    fn open(settings: &Settings) -> core::result::Result<Self, String> {
        let path = settings.get(ROOT_DIRECTORY).unwrap_or(DEFAULT_ROOT).to_owned();
        Ok(Self { path, root: OnceLock::new() })
    }
}

impl Storage for Filesystem {
    type Upload = Writer;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let root = self.root()?;
        root.read(&root.path(key)?)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        let root = self.root()?;
        root.replace(&root.path(key)?, value)
    }

    fn note(&self, key: &str, value: &[u8]) -> Result<()> {
        let root = self.root()?;
        root.note(&root.path(key)?, value)
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<bool> {
        let root = self.root()?;
        root.put_new(&root.path(key)?, value)
    }

    fn delete(&self, key: &str) -> Result<()> {
        let root = self.root()?;
        root.remove(&root.path(key)?)
    }

    fn delete_prefix(&self, prefix: &str) -> Result<()> {
        let root = self.root()?;
        root.remove_tree(&root.path(prefix)?)
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let root = self.root()?;
        root.directories(&root.path(prefix)?, after, limit as usize)
    }

    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let root = self.root()?;
        root.values(&root.path(prefix)?, after, limit as usize)
    }

    fn stat(&self, key: &str) -> Result<Option<u64>> {
        let root = self.root()?;
        root.size(&root.path(key)?)
    }

    fn read(&self, key: &str, offset: u64, _length: u64) -> Result<Content> {
        let root = self.root()?;
        let path = root.path(key)?;
        let file = root.open(&path, OpenFlags::empty(), DescriptorFlags::READ);
        let stream = file.and_then(|file| file.read_via_stream(offset));
        stream.map(Content::Host).map_err(absent_or_failed("read", &path))
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
        let root = self.root()?;
        Writer::create(root, root.path(id)?)
    }

    fn open_upload(&self, id: &str) -> Result<Writer> {
        let root = self.root()?;
        Writer::open(root, root.path(id)?)
    }
}
