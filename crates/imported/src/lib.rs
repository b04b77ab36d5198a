//! Storage by the driver that a component is composed with.
//!
//! It is a crate of its own because a component that contains it imports the storage interfaces, needed or not, which a
//! driver must not.
#![cfg(target_family = "wasm")]

mod bindings;

use crate::bindings::lighter::storage::{blobs, key_value, maintenance, setup, types};
use lighter_storage::{
    BlobEntry, BlobInfo, BlobPage, Content, Environment, Error, Having, Note, Open, Result, Settings,
    Storage, Stream, Tidied, Upload,
};

/// The driver.
pub struct Imported;

/// Opens the driver, and returns the environment with the driver's settings added. Errs, for the log, if they cannot be
/// read, or if the driver is misconfigured.
pub fn environment_of_driver() -> core::result::Result<Environment, String> {
    let opened = setup::open()?;
    let mut environment = lighter_wasi::environment()?;
    environment.add(opened.settings);
    // The names are known for as long as the instance lives.
    environment.read_elsewhere = opened.known.into_iter().map(|name| &*name.leak()).collect();
    Ok(environment)
}

impl Open for Imported {
    const VARIABLES: &'static [&'static str] = &[];

    /// The driver was opened by [`environment_of_driver`].
    fn open(_: &Settings) -> core::result::Result<Self, String> {
        Ok(Self)
    }
}

impl Storage for Imported {
    type Upload = blobs::Upload;

    const HAS_LOCATIONS: bool = true;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(key_value::get(key)?)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        Ok(key_value::set(key, value)?)
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<bool> {
        Ok(key_value::create(key, value)?)
    }

    fn delete(&self, key: &str) -> Result<()> {
        Ok(key_value::delete(key)?)
    }

    fn delete_prefix(&self, prefix: &str) -> Result<()> {
        Ok(key_value::delete_prefix(prefix)?)
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        Ok(key_value::list(prefix, after, limit)?)
    }

    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        Ok(key_value::values(prefix, after, limit)?)
    }

    fn list_having(&self, prefix: &str, leaf: &str, after: Option<&str>, limit: u32) -> Result<Vec<Having>> {
        Ok(key_value::list_having(prefix, leaf, after, limit)?)
    }

    fn stat(&self, key: &str) -> Result<Option<BlobInfo>> {
        Ok(blobs::stat(key)?.map(BlobInfo::from))
    }

    fn enumerate(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<BlobPage> {
        let page = blobs::enumerate(prefix, after, limit)?;
        let entry = |blobs::BlobEntry { key, info }| BlobEntry { key, info: info.into() };
        Ok(BlobPage { entries: page.entries.into_iter().map(entry).collect(), next: page.next })
    }

    fn location(&self, key: &str) -> Result<Option<String>> {
        Ok(blobs::location(key)?)
    }

    fn read(&self, key: &str, offset: u64, length: u64) -> Result<Content> {
        Ok(blobs::read(key, offset, length)?.into())
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        Ok(blobs::put(key, content)?)
    }

    fn delete_blob(&self, key: &str) -> Result<()> {
        Ok(blobs::delete(key)?)
    }

    fn received(&self, id: &str) -> Result<Option<u64>> {
        Ok(blobs::received(id)?)
    }

    fn proves_uploads(&self) -> bool {
        blobs::proves_uploads()
    }

    fn create_upload(&self, id: &str) -> Result<blobs::Upload> {
        Ok(blobs::Upload::create(id)?)
    }

    fn open_upload(&self, id: &str) -> Result<blobs::Upload> {
        Ok(blobs::Upload::open(id)?)
    }

    fn tidy(&self, after: Option<&str>, limit: u32, age: u64, dry_run: bool) -> Result<Tidied> {
        let maintenance::Tidied { removed, bytes, next } = maintenance::tidy(after, limit, age, dry_run)?;
        Ok(Tidied { removed, bytes, next })
    }
}

impl Upload for blobs::Upload {
    fn offset(&self) -> u64 {
        blobs::Upload::offset(self)
    }

    fn note(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(blobs::Upload::note(self, key)?)
    }

    fn aim(&mut self, key: &str) -> Result<()> {
        Ok(blobs::Upload::aim(self, key)?)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(blobs::Upload::append(self, bytes)?)
    }

    fn cut(&mut self, offset: u64) -> Result<()> {
        Ok(blobs::Upload::cut(self, offset)?)
    }

    fn read(&mut self) -> Result<Content> {
        Ok(blobs::Upload::read(self)?.into())
    }

    fn suspend(self, notes: &[Note]) -> Result<()> {
        Ok(blobs::Upload::suspend(self, notes)?)
    }

    fn commit(self, key: &str) -> Result<()> {
        Ok(blobs::Upload::commit(self, key)?)
    }

    fn abort(self) -> Result<()> {
        Ok(blobs::Upload::abort(self)?)
    }
}

impl From<blobs::BlobInfo> for BlobInfo {
    fn from(blobs::BlobInfo { size, age }: blobs::BlobInfo) -> Self {
        Self { size, age }
    }
}

impl From<blobs::Content> for Content {
    fn from(content: blobs::Content) -> Self {
        match content {
            blobs::Content::Stream(stream) => Self::Host(stream),
            blobs::Content::Chunks(chunks) => Self::Chunks(Box::new(chunks)),
        }
    }
}

impl Stream for blobs::Chunks {
    fn next(&mut self) -> core::result::Result<Option<Vec<u8>>, String> {
        blobs::Chunks::next(self).map_err(|error| Error::from(error).to_string())
    }
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::NotFound => Self::NotFound,
            types::Error::Busy => Self::Busy,
            types::Error::NoSpace(what) => Self::NoSpace(what),
            types::Error::AccessDenied(what) => Self::AccessDenied(what),
            types::Error::Other(what) => Self::Other(what),
        }
    }
}
