//! Storage by the driver that a component is composed with.

use wasi::cli::environment::get_environment;

use crate::bindings::imported::lighter::storage::{blobs, key_value, setup, types};
use crate::files;
use crate::storage::{Content, Error, Open, Result, Settings, Storage, Upload};
use crate::stream::Stream;

/// The driver.
pub struct Imported;

/// Opens the driver, and returns the settings: those of the environment, and what the driver's host has beside them.
/// Errs, for the log, if the driver has none to give or is configured wrongly.
pub fn settings() -> core::result::Result<Settings, String> {
    let opened = setup::open()?;
    let mut settings = Settings::new(get_environment(), files::read);
    settings.add(opened.settings);
    // They are known for as long as the instance lives.
    let known: Vec<&'static str> = opened.known.into_iter().map(|name| &*name.leak()).collect();
    settings.know(&known);
    Ok(settings)
}

impl Open for Imported {
    /// The driver was opened by [`settings`].
    fn open(_: &Settings) -> core::result::Result<Self, String> {
        Ok(Self)
    }
}

impl Storage for Imported {
    type Upload = blobs::Upload;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(key_value::get(key)?)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        Ok(key_value::set(key, value)?)
    }

    fn note(&self, key: &str, value: &[u8]) -> Result<()> {
        Ok(key_value::note(key, value)?)
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

    fn stat(&self, key: &str) -> Result<Option<u64>> {
        Ok(blobs::stat(key)?)
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

    fn create_upload(&self, id: &str) -> Result<blobs::Upload> {
        Ok(blobs::Upload::create(id)?)
    }

    fn open_upload(&self, id: &str) -> Result<blobs::Upload> {
        Ok(blobs::Upload::open(id)?)
    }
}

impl Upload for blobs::Upload {
    fn offset(&self) -> u64 {
        blobs::Upload::offset(self)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(blobs::Upload::append(self, bytes)?)
    }

    fn read(&self) -> Result<Content> {
        Ok(blobs::Upload::read(self)?.into())
    }

    fn suspend(self) -> Result<()> {
        Ok(blobs::Upload::suspend(self)?)
    }

    fn commit(self, key: &str) -> Result<()> {
        Ok(blobs::Upload::commit(self, key)?)
    }

    fn abort(self) -> Result<()> {
        Ok(blobs::Upload::abort(self)?)
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
