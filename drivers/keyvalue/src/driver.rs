//! `lighter:storage`, over the store of the host.

use std::cell::RefCell;

use crate::bindings::Driver;
use crate::bindings::exports::lighter::storage::types::Error;
use crate::bindings::exports::lighter::storage::{blobs, key_value};
use crate::content::Reader;
use crate::host::{Host, host};
use crate::key::check;
use crate::upload::Writer;
use crate::{blob, bucket, index, upload, value};

impl From<bucket::Error> for Error {
    fn from(error: bucket::Error) -> Self {
        match error {
            bucket::Error::NotFound => Self::NotFound,
            bucket::Error::Busy => Self::Busy,
            bucket::Error::AccessDenied(text) => Self::AccessDenied(text),
            bucket::Error::Other(text) => Self::Other(text),
        }
    }
}

impl key_value::Guest for Driver {
    fn get(key: String) -> Result<Option<Vec<u8>>, Error> {
        check(&key)?;
        Ok(value::get(host()?, &key)?)
    }

    fn set(key: String, value: Vec<u8>) -> Result<(), Error> {
        check(&key)?;
        Ok(value::set(host()?, &key, &value)?)
    }

    fn note(key: String, value: Vec<u8>) -> Result<(), Error> {
        Self::set(key, value)
    }

    fn create(key: String, value: Vec<u8>) -> Result<bool, Error> {
        check(&key)?;
        Ok(value::create(host()?, &key, &value)?)
    }

    fn delete(key: String) -> Result<(), Error> {
        check(&key)?;
        Ok(value::delete(host()?, &key)?)
    }

    fn delete_prefix(prefix: String) -> Result<(), Error> {
        check(&prefix)?;
        Ok(value::delete_prefix(host()?, &prefix)?)
    }

    fn list(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>, Error> {
        check(&prefix)?;
        Ok(index::list(host()?, &prefix, after.as_deref(), limit)?)
    }
}

impl blobs::Guest for Driver {
    type Chunks = Chunks;
    type Upload = Upload;

    fn stat(key: String) -> Result<Option<u64>, Error> {
        check(&key)?;
        Ok(blob::find(host()?, &key)?.map(|blob| blob.size()))
    }

    fn read(key: String, offset: u64, length: u64) -> Result<blobs::Content, Error> {
        check(&key)?;
        Ok(chunks(blob::read(host()?, &key, offset, length)?))
    }

    fn put(key: String, content: Vec<u8>) -> Result<(), Error> {
        check(&key)?;
        let host = host()?;
        Ok(blob::put(host, &key, content, host.chunk)?)
    }

    fn delete(key: String) -> Result<(), Error> {
        check(&key)?;
        Ok(blob::delete(host()?, &key)?)
    }

    fn received(id: String) -> Result<Option<u64>, Error> {
        check(&id)?;
        Ok(upload::received(host()?, &id)?)
    }
}

/// Stored bytes on their way out.
#[expect(unreachable_pub, reason = "it stands in the exported interface, which is public")]
pub struct Chunks(RefCell<Reader>);

impl blobs::GuestChunks for Chunks {
    fn next(&self) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.borrow_mut().next(host()?)?)
    }
}

fn chunks(reader: Reader) -> blobs::Content {
    blobs::Content::Chunks(blobs::Chunks::new(Chunks(RefCell::new(reader))))
}

/// An open upload.
#[expect(unreachable_pub, reason = "it stands in the exported interface, which is public")]
pub struct Upload(RefCell<Writer<'static, Host>>);

impl Upload {
    fn export(writer: Writer<'static, Host>) -> blobs::Upload {
        blobs::Upload::new(Self(RefCell::new(writer)))
    }
}

impl blobs::GuestUpload for Upload {
    fn create(id: String) -> Result<blobs::Upload, Error> {
        check(&id)?;
        let host = host()?;
        Ok(Self::export(Writer::create(host, &id, host.chunk)?))
    }

    fn open(id: String) -> Result<blobs::Upload, Error> {
        check(&id)?;
        let host = host()?;
        Ok(Self::export(Writer::open(host, &id, host.chunk)?))
    }

    fn offset(&self) -> u64 {
        self.0.borrow().offset()
    }

    fn append(&self, bytes: Vec<u8>) -> Result<(), Error> {
        Ok(self.0.borrow_mut().append(&bytes)?)
    }

    fn read(&self) -> Result<blobs::Content, Error> {
        Ok(chunks(self.0.borrow().read()))
    }

    fn suspend(writer: blobs::Upload) -> Result<(), Error> {
        Ok(writer.into_inner::<Self>().0.into_inner().suspend()?)
    }

    fn commit(writer: blobs::Upload, key: String) -> Result<(), Error> {
        check(&key)?;
        Ok(writer.into_inner::<Self>().0.into_inner().commit(&key)?)
    }

    fn abort(writer: blobs::Upload) -> Result<(), Error> {
        Ok(writer.into_inner::<Self>().0.into_inner().abort()?)
    }
}
