//! The writer of an upload: a file that is renamed to become a blob.

use std::cell::Cell;

use wasi::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags};

use crate::bindings::exports::lighter::storage::blobs::{Content, Error, GuestUpload, Upload};
use crate::claim::Claim;
use crate::directory::{root, write_all};
use crate::error::{absent_or_failed, failed};

/// An open upload.
#[expect(unreachable_pub, reason = "it stands in the exported interface, which is public")]
pub struct Writer {
    path: String,
    file: Descriptor,
    offset: Cell<u64>,
    /// None for an upload that nobody else knows of yet.
    claim: Option<Claim>,
}

impl GuestUpload for Writer {
    fn create(id: String) -> Result<Upload, Error> {
        let root = root()?;
        let path = root.path(&id)?;
        let file = root.create(&path)?;
        Ok(Upload::new(Self { path, file, offset: Cell::new(0), claim: None }))
    }

    fn open(id: String) -> Result<Upload, Error> {
        let root = root()?;
        let path = root.path(&id)?;
        let claim = Some(Claim::take(root, &path)?);
        let access = DescriptorFlags::READ | DescriptorFlags::WRITE;
        let file = root.open(&path, OpenFlags::empty(), access).map_err(absent_or_failed("open", &path))?;
        let size = file.stat().map_err(failed("stat", &path))?.size;
        Ok(Upload::new(Self { path, file, offset: Cell::new(size), claim }))
    }

    fn offset(&self) -> u64 {
        self.offset.get()
    }

    fn append(&self, bytes: Vec<u8>) -> Result<(), Error> {
        self.renew()?;
        write_all(&self.file, &bytes, self.offset.get()).map_err(failed("write", &self.path))?;
        self.offset.set(self.offset.get() + bytes.len() as u64);
        Ok(())
    }

    fn read(&self) -> Result<Content, Error> {
        self.file.read_via_stream(0).map(Content::Stream).map_err(failed("read", &self.path))
    }

    fn suspend(writer: Upload) -> Result<(), Error> {
        let writer = writer.into_inner::<Self>();
        writer.sync()?;
        writer.renew()
    }

    fn commit(writer: Upload, key: String) -> Result<(), Error> {
        let writer = writer.into_inner::<Self>();
        let root = root()?;
        let target = root.path(&key)?;
        writer.sync()?;
        // After the sync, which can take longer than a claim lasts.
        writer.renew()?;
        root.publish(&writer.path, &target)
    }

    fn abort(writer: Upload) -> Result<(), Error> {
        let writer = writer.into_inner::<Self>();
        writer.renew()?;
        root()?.remove(&writer.path)
    }
}

impl Writer {
    /// Makes what was appended durable.
    fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(failed("sync", &self.path))
    }

    fn renew(&self) -> Result<(), Error> {
        self.claim.as_ref().map_or(Ok(()), Claim::renew)
    }
}
