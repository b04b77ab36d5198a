//! A component that exports `lighter:storage`, to be composed with a registry.

use std::cell::RefCell;

use lighter::storage::{self, Storage, Upload as _};

use crate::bindings::exports::lighter::storage::blobs::{self, Content, GuestChunks, GuestUpload, Upload};
use crate::bindings::exports::lighter::storage::key_value;
use crate::bindings::exports::lighter::storage::types::Error;
use crate::storage::Filesystem;
use crate::upload::Writer;

type Result<T> = core::result::Result<T, Error>;

/// The driver.
pub(crate) struct Driver;

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::NotFound => Self::NotFound,
            storage::Error::Busy => Self::Busy,
            storage::Error::NoSpace(what) => Self::NoSpace(what),
            storage::Error::AccessDenied(what) => Self::AccessDenied(what),
            storage::Error::Other(what) => Self::Other(what),
        }
    }
}

impl key_value::Guest for Driver {
    fn get(key: String) -> Result<Option<Vec<u8>>> {
        Ok(Filesystem.get(&key)?)
    }

    fn set(key: String, value: Vec<u8>) -> Result<()> {
        Ok(Filesystem.set(&key, &value)?)
    }

    fn note(key: String, value: Vec<u8>) -> Result<()> {
        Ok(Filesystem.note(&key, &value)?)
    }

    fn create(key: String, value: Vec<u8>) -> Result<bool> {
        Ok(Filesystem.create(&key, &value)?)
    }

    fn delete(key: String) -> Result<()> {
        Ok(Filesystem.delete(&key)?)
    }

    fn delete_prefix(prefix: String) -> Result<()> {
        Ok(Filesystem.delete_prefix(&prefix)?)
    }

    fn list(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>> {
        Ok(Filesystem.list(&prefix, after.as_deref(), limit)?)
    }
}

impl blobs::Guest for Driver {
    type Chunks = NoChunks;
    type Upload = Exported;

    fn stat(key: String) -> Result<Option<u64>> {
        Ok(Filesystem.stat(&key)?)
    }

    fn read(key: String, offset: u64, length: u64) -> Result<Content> {
        Ok(Content::Stream(Filesystem.read(&key, offset, length)?))
    }

    fn put(key: String, content: Vec<u8>) -> Result<()> {
        Ok(Filesystem.put(&key, &content)?)
    }

    fn delete(key: String) -> Result<()> {
        Ok(Filesystem.delete_blob(&key)?)
    }

    fn received(id: String) -> Result<Option<u64>> {
        Ok(Filesystem.received(&id)?)
    }
}

/// What this driver has none of: the host streams every file.
#[expect(unreachable_pub, reason = "it stands in the exported interface, which is public")]
pub enum NoChunks {}

impl GuestChunks for NoChunks {
    fn next(&self) -> Result<Option<Vec<u8>>> {
        match *self {}
    }
}

/// An open upload.
#[expect(unreachable_pub, reason = "it stands in the exported interface, which is public")]
pub struct Exported(RefCell<Writer>);

impl Exported {
    fn export(writer: Writer) -> Upload {
        Upload::new(Self(RefCell::new(writer)))
    }

    fn writer(upload: Upload) -> Writer {
        upload.into_inner::<Self>().0.into_inner()
    }
}

impl GuestUpload for Exported {
    fn create(id: String) -> Result<Upload> {
        Ok(Self::export(Filesystem.create_upload(&id)?))
    }

    fn open(id: String) -> Result<Upload> {
        Ok(Self::export(Filesystem.open_upload(&id)?))
    }

    fn offset(&self) -> u64 {
        self.0.borrow().offset()
    }

    fn append(&self, bytes: Vec<u8>) -> Result<()> {
        Ok(self.0.borrow_mut().append(&bytes)?)
    }

    fn read(&self) -> Result<Content> {
        Ok(Content::Stream(self.0.borrow().read()?))
    }

    fn suspend(writer: Upload) -> Result<()> {
        Ok(Self::writer(writer).suspend()?)
    }

    fn commit(writer: Upload, key: String) -> Result<()> {
        Ok(Self::writer(writer).commit(&key)?)
    }

    fn abort(writer: Upload) -> Result<()> {
        Ok(Self::writer(writer).abort()?)
    }
}
