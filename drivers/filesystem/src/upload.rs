//! The writer of an upload: a file that is renamed to become a blob.

use std::cell::Cell;

use wasi::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags};
use wasi::io::streams::InputStream;

use crate::bindings::exports::lighter::storage::blobs::{Error, GuestUpload, Upload};
use crate::directory::{root, write_all};
use crate::error::failed;

/// An open upload.
#[expect(unreachable_pub, reason = "it stands in the exported interface, which is public")]
pub struct Writer {
    path: String,
    file: Descriptor,
    offset: Cell<u64>,
}

impl GuestUpload for Writer {
    fn create(id: String) -> Result<Upload, Error> {
        let root = root()?;
        let path = root.path(&id)?;
        let file = root.create(&path)?;
        Ok(Upload::new(Self { path, file, offset: Cell::new(0) }))
    }

    fn open(id: String) -> Result<Upload, Error> {
        let root = root()?;
        let path = root.path(&id)?;
        let access = DescriptorFlags::READ | DescriptorFlags::WRITE;
        let file = root.open(&path, OpenFlags::empty(), access).map_err(failed("open", &path))?;
        let size = file.stat().map_err(failed("stat", &path))?.size;
        Ok(Upload::new(Self { path, file, offset: Cell::new(size) }))
    }

    fn offset(&self) -> u64 {
        self.offset.get()
    }

    fn append(&self, bytes: Vec<u8>) -> Result<(), Error> {
        write_all(&self.file, &bytes, self.offset.get()).map_err(failed("write", &self.path))?;
        self.offset.set(self.offset.get() + bytes.len() as u64);
        Ok(())
    }

    fn read(&self) -> Result<InputStream, Error> {
        self.file.read_via_stream(0).map_err(failed("read", &self.path))
    }

    fn suspend(writer: Upload) -> Result<(), Error> {
        writer.into_inner::<Self>().sync()
    }

    fn commit(writer: Upload, key: String) -> Result<(), Error> {
        let writer = writer.into_inner::<Self>();
        writer.sync()?;
        let root = root()?;
        root.publish(&writer.path, &root.path(&key)?)
    }

    fn abort(writer: Upload) -> Result<(), Error> {
        root()?.remove(&writer.into_inner::<Self>().path)
    }
}

impl Writer {
    fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(failed("sync", &self.path))
    }
}
