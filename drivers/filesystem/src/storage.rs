//! The storage: a value is a file, and a blob is one, read by a stream of the host's.

use std::sync::Arc;

use lighter_storage::{BlobInfo, BlobPage, Content, Error, Having, Result, Storage, Tidied, check_key, walk};

use crate::directory::Directory;
use crate::disk::{Disk, File, Open};
use crate::error::absent_or_failed;
use crate::upload::Writer;

/// Storage in a directory, or the reason why there is none.
pub struct Filesystem<D>(core::result::Result<Arc<Directory<D>>, String>);

/// Clones are of the same directory.
impl<D> Clone for Filesystem<D> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<D: Disk> Filesystem<D> {
    /// Storage in a directory of a file system. Where there is no such directory, each call says why.
    pub fn new(found: core::result::Result<(D, String), String>) -> Self {
        Self(found.map(|(disk, inside)| Arc::new(Directory::new(disk, inside))))
    }

    fn root(&self) -> Result<&Arc<Directory<D>>> {
        self.0.as_ref().map_err(|missing| Error::AccessDenied(missing.clone()))
    }
}

impl<D: Disk> Storage for Filesystem<D> {
    type Upload = Writer<D>;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let root = self.root()?;
        root.read(&root.path(key)?)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        let root = self.root()?;
        root.replace(&root.path(key)?, value)
    }

    fn set_volatile(&self, prefix: &str, key: &str, value: &[u8]) -> Result<()> {
        let root = self.root()?;
        root.note(&root.path(prefix)?, &root.path(key)?, value)
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<bool> {
        let root = self.root()?;
        root.put_new(&root.path(key)?, value)
    }

    fn delete(&self, key: &str) -> Result<()> {
        let root = self.root()?;
        root.remove(&root.path(key)?)
    }

    fn discard(&self, key: &str) -> Result<()> {
        let root = self.root()?;
        root.discard(&root.path(key)?).map(drop)
    }

    fn delete_prefix(&self, prefix: &str) -> Result<()> {
        let root = self.root()?;
        root.remove_tree(&root.path(prefix)?)
    }

    fn discard_prefix(&self, prefix: &str) -> Result<()> {
        let root = self.root()?;
        root.discard_tree(&root.path(prefix)?)
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let root = self.root()?;
        root.directories(&root.path(prefix)?, after, limit as usize)
    }

    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let root = self.root()?;
        root.values(&root.path(prefix)?, after, limit as usize)
    }

    fn list_having(&self, prefix: &str, leaf: &str, after: Option<&str>, limit: u32) -> Result<Vec<Having>> {
        let root = self.root()?;
        check_key(leaf)?;
        root.having(&root.path(prefix)?, leaf, after, limit)
    }

    fn stat(&self, key: &str) -> Result<Option<BlobInfo>> {
        let root = self.root()?;
        root.blob(&root.path(key)?)
    }

    fn enumerate(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<BlobPage> {
        check_key(prefix)?;
        walk(&**self.root()?, prefix, after, limit)
    }

    fn read(&self, key: &str, offset: u64, _length: u64) -> Result<Content> {
        let root = self.root()?;
        let path = root.path(key)?;
        let file = root.open(&path, Open::Read);
        file.and_then(|file| file.stream(offset)).map_err(absent_or_failed("read", &path))
    }

    /// Opened once, and not looked at before.
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.get(key)
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        self.set(key, content)
    }

    fn delete_blob(&self, key: &str) -> Result<()> {
        self.delete(key)
    }

    fn discard_blob(&self, key: &str) -> Result<()> {
        self.discard(key)
    }

    fn received(&self, id: &str) -> Result<Option<u64>> {
        let root = self.root()?;
        Ok(root.file(&root.path(id)?)?.map(|stat| stat.size))
    }

    fn create_upload(&self, id: &str) -> Result<Writer<D>> {
        let root = self.root()?;
        Writer::create(root.clone(), root.path(id)?.into_owned())
    }

    fn open_upload(&self, id: &str) -> Result<Writer<D>> {
        let root = self.root()?;
        Writer::open(root.clone(), root.path(id)?.into_owned())
    }

    fn tidy(&self, after: Option<&str>, limit: u32, age: u64, dry_run: bool) -> Result<Tidied> {
        self.root()?.tidy(after, limit, age, dry_run)
    }
}
