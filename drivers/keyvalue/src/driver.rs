//! A component that exports `lighter:storage`, to be composed with a registry, and the environment that the
//! registry is to have.

use std::cell::RefCell;

use lighter::storage::{self, Storage, Upload as _};

use crate::bindings::driver::exports::lighter::storage::blobs::{
    self, Content, GuestChunks, GuestUpload, Upload,
};
use crate::bindings::driver::exports::lighter::storage::key_value;
use crate::bindings::driver::exports::lighter::storage::types::Error;
use crate::bindings::driver::exports::wasi::cli::environment;
use crate::content::Reader;
use crate::environment::variables;
use crate::host::Host;
use crate::storage::KeyValue;
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
        Ok(KeyValue.get(&key)?)
    }

    fn set(key: String, value: Vec<u8>) -> Result<()> {
        Ok(KeyValue.set(&key, &value)?)
    }

    fn note(key: String, value: Vec<u8>) -> Result<()> {
        Ok(KeyValue.note(&key, &value)?)
    }

    fn create(key: String, value: Vec<u8>) -> Result<bool> {
        Ok(KeyValue.create(&key, &value)?)
    }

    fn delete(key: String) -> Result<()> {
        Ok(KeyValue.delete(&key)?)
    }

    fn delete_prefix(prefix: String) -> Result<()> {
        Ok(KeyValue.delete_prefix(&prefix)?)
    }

    fn list(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>> {
        Ok(KeyValue.list(&prefix, after.as_deref(), limit)?)
    }
}

impl blobs::Guest for Driver {
    type Chunks = Chunks;
    type Upload = Exported;

    fn stat(key: String) -> Result<Option<u64>> {
        Ok(KeyValue.stat(&key)?)
    }

    fn read(key: String, offset: u64, length: u64) -> Result<Content> {
        Ok(Chunks::export(KeyValue.read(&key, offset, length)?))
    }

    fn put(key: String, content: Vec<u8>) -> Result<()> {
        Ok(KeyValue.put(&key, &content)?)
    }

    fn delete(key: String) -> Result<()> {
        Ok(KeyValue.delete_blob(&key)?)
    }

    fn received(id: String) -> Result<Option<u64>> {
        Ok(KeyValue.received(&id)?)
    }
}

/// Stored bytes on their way out.
#[expect(unreachable_pub, reason = "it stands in the exported interface, which is public")]
pub struct Chunks(RefCell<Reader<'static, Host>>);

impl Chunks {
    fn export(reader: Reader<'static, Host>) -> Content {
        Content::Chunks(blobs::Chunks::new(Self(RefCell::new(reader))))
    }
}

impl GuestChunks for Chunks {
    fn next(&self) -> Result<Option<Vec<u8>>> {
        Ok(self.0.borrow_mut().next()?)
    }
}

/// An open upload.
#[expect(unreachable_pub, reason = "it stands in the exported interface, which is public")]
pub struct Exported(RefCell<Writer<'static, Host>>);

impl Exported {
    fn export(writer: Writer<'static, Host>) -> Upload {
        Upload::new(Self(RefCell::new(writer)))
    }

    fn writer(upload: Upload) -> Writer<'static, Host> {
        upload.into_inner::<Self>().0.into_inner()
    }
}

impl GuestUpload for Exported {
    fn create(id: String) -> Result<Upload> {
        Ok(Self::export(KeyValue.create_upload(&id)?))
    }

    fn open(id: String) -> Result<Upload> {
        Ok(Self::export(KeyValue.open_upload(&id)?))
    }

    fn offset(&self) -> u64 {
        self.0.borrow().offset()
    }

    fn append(&self, bytes: Vec<u8>) -> Result<()> {
        Ok(self.0.borrow_mut().append(&bytes)?)
    }

    fn read(&self) -> Result<Content> {
        Ok(Chunks::export(self.0.borrow().read()?))
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

impl environment::Guest for Driver {
    fn get_environment() -> Vec<(String, String)> {
        variables()
    }

    fn get_arguments() -> Vec<String> {
        Vec::new()
    }

    fn initial_cwd() -> Option<String> {
        None
    }
}
