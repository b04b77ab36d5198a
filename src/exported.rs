//! Storage as a component of its own: a driver, which is composed with a registry.

use core::cell::RefCell;
use core::marker::PhantomData;

use crate::bindings::exported::exports::lighter::storage::blobs::{self, GuestChunks, GuestUpload};
use crate::bindings::exported::exports::lighter::storage::key_value;
use crate::bindings::exported::exports::lighter::storage::types::Error;
use crate::component::Content;
use crate::storage::{self, Storage, Upload};
use crate::stream::Stream;

type Result<T> = core::result::Result<T, Error>;

/// Exports some storage.
#[macro_export]
macro_rules! export_storage {
    ($storage:ty) => {
        #[allow(unsafe_code, reason = "what exports the storage is generated")]
        const _: () = {
            use $crate::bindings::exported;

            type Driver = $crate::exported::Driver<$storage>;

            exported::export! { Driver with_types_in exported }
        };
    };
}

/// The driver that some storage is.
pub struct Driver<S>(PhantomData<S>);

impl<S: Storage + Default> key_value::Guest for Driver<S> {
    fn get(key: String) -> Result<Option<Vec<u8>>> {
        Ok(S::default().get(&key)?)
    }

    fn set(key: String, value: Vec<u8>) -> Result<()> {
        Ok(S::default().set(&key, &value)?)
    }

    fn note(key: String, value: Vec<u8>) -> Result<()> {
        Ok(S::default().note(&key, &value)?)
    }

    fn create(key: String, value: Vec<u8>) -> Result<bool> {
        Ok(S::default().create(&key, &value)?)
    }

    fn delete(key: String) -> Result<()> {
        Ok(S::default().delete(&key)?)
    }

    fn delete_prefix(prefix: String) -> Result<()> {
        Ok(S::default().delete_prefix(&prefix)?)
    }

    fn list(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>> {
        Ok(S::default().list(&prefix, after.as_deref(), limit)?)
    }

    fn values(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>> {
        Ok(S::default().values(&prefix, after.as_deref(), limit)?)
    }
}

impl<S: Storage<Content: Into<Content>> + Default + 'static> blobs::Guest for Driver<S> {
    type Chunks = Chunks;
    type Upload = Writer<S>;

    fn stat(key: String) -> Result<Option<u64>> {
        Ok(S::default().stat(&key)?)
    }

    fn read(key: String, offset: u64, length: u64) -> Result<blobs::Content> {
        Ok(export(S::default().read(&key, offset, length)?))
    }

    fn put(key: String, content: Vec<u8>) -> Result<()> {
        Ok(S::default().put(&key, &content)?)
    }

    fn delete(key: String) -> Result<()> {
        Ok(S::default().delete_blob(&key)?)
    }

    fn received(id: String) -> Result<Option<u64>> {
        Ok(S::default().received(&id)?)
    }
}

fn export(content: impl Into<Content>) -> blobs::Content {
    match content.into() {
        Content::Stream(stream) => blobs::Content::Stream(stream),
        Content::Chunks(chunks) => blobs::Content::Chunks(blobs::Chunks::new(Chunks(RefCell::new(chunks)))),
    }
}

/// Stored bytes that pass through the driver.
pub struct Chunks(RefCell<Box<dyn Stream>>);

impl GuestChunks for Chunks {
    fn next(&self) -> Result<Option<Vec<u8>>> {
        self.0.borrow_mut().next().map_err(Error::Other)
    }
}

/// An open upload.
pub struct Writer<S: Storage>(RefCell<S::Upload>);

impl<S: Storage + 'static> Writer<S>
where
    Self: GuestUpload,
{
    fn export(writer: S::Upload) -> blobs::Upload {
        blobs::Upload::new(Self(RefCell::new(writer)))
    }

    fn take(exported: blobs::Upload) -> S::Upload {
        exported.into_inner::<Self>().0.into_inner()
    }
}

impl<S: Storage<Content: Into<Content>> + Default + 'static> GuestUpload for Writer<S> {
    fn create(id: String) -> Result<blobs::Upload> {
        Ok(Self::export(S::default().create_upload(&id)?))
    }

    fn open(id: String) -> Result<blobs::Upload> {
        Ok(Self::export(S::default().open_upload(&id)?))
    }

    fn offset(&self) -> u64 {
        self.0.borrow().offset()
    }

    fn append(&self, bytes: Vec<u8>) -> Result<()> {
        Ok(self.0.borrow_mut().append(&bytes)?)
    }

    fn cut(&self, offset: u64) -> Result<()> {
        Ok(self.0.borrow_mut().cut(offset)?)
    }

    fn read(&self) -> Result<blobs::Content> {
        Ok(export(self.0.borrow().read()?))
    }

    fn suspend(writer: blobs::Upload, notes: Vec<(String, Vec<u8>)>) -> Result<()> {
        Ok(Self::take(writer).suspend(&notes)?)
    }

    fn commit(writer: blobs::Upload, key: String) -> Result<()> {
        Ok(Self::take(writer).commit(&key)?)
    }

    fn abort(writer: blobs::Upload) -> Result<()> {
        Ok(Self::take(writer).abort()?)
    }
}

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
