//! The writer of an upload: a file that is renamed to become a blob.

use std::sync::Arc;

use lighter_storage::{Content, Note, Result, Upload, beyond_the_end};

use crate::directory::Directory;
use crate::disk::{Disk, File, Open, write_all};
use crate::error::{absent_or_failed, failed};
use crate::lease::Lease;

/// After this many bytes the disk is told to write, while further ones are received.
const WRITTEN_OUT: u64 = 4 * 1024 * 1024;

/// An open upload.
pub struct Writer<D: Disk> {
    root: Arc<Directory<D>>,
    path: String,
    file: D::File,
    offset: u64,
    /// How many bytes were there before this writer: what was synced, or proven by whoever cut the rest off.
    durable: u64,
    /// From where on the disk was not told to write yet.
    unwritten: u64,
    /// Whether bytes were dropped since the upload was opened.
    is_cut: bool,
    /// None for an upload that no other request knows of yet.
    lease: Option<Lease<D>>,
}

impl<D: Disk> Writer<D> {
    /// Begins an upload at a path that no other request knows.
    pub(crate) fn create(root: Arc<Directory<D>>, path: String) -> Result<Self> {
        let file = root.create(&path)?;
        Ok(Self { root, path, file, offset: 0, durable: 0, unwritten: 0, is_cut: false, lease: None })
    }

    /// Takes hold of the upload at a path.
    pub(crate) fn open(root: Arc<Directory<D>>, path: String) -> Result<Self> {
        let lease = Some(Lease::acquire(root.clone(), &path)?);
        let file = root.open(&path, Open::Write).map_err(absent_or_failed("open", &path))?;
        let offset = file.stat().map_err(failed("stat", &path))?.size;
        Ok(Self { root, path, file, offset, durable: offset, unwritten: offset, is_cut: false, lease })
    }

    /// Makes what was appended durable.
    ///
    /// Where that fails the bytes are lost, though they can be read, and though a later sync succeeds: the system
    /// takes the pages for written. So they go. Unless the lease is lost, and the upload is another writer's, which
    /// has cut off what it cannot prove.
    fn sync(&self) -> Result<()> {
        let synced = self.file.sync_data();
        if synced.is_err() && self.renew().is_ok() {
            self.cut_back(self.durable);
        }
        synced.map_err(failed("sync", &self.path))
    }

    /// Drops what comes after a number of bytes and must not be believed. If that fails, the whole upload goes.
    fn cut_back(&self, size: u64) {
        if self.file.set_size(size).is_err() {
            // The error that is told is the first one.
            let _ = self.root.unlink(&self.path);
        }
    }

    /// Has the disk begin to write, so that there is little left to wait for when the upload is synced.
    fn write_out(&mut self) {
        let length = self.offset - self.unwritten;
        if length >= WRITTEN_OUT {
            // What fails is no loss: the sync waits.
            let _ = self.file.write_out(self.unwritten, length);
            self.unwritten = self.offset;
        }
    }

    fn renew(&self) -> Result<()> {
        self.lease.as_ref().map_or(Ok(()), Lease::renew)
    }
}

impl<D: Disk> Upload for Writer<D> {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.renew()?;
        if let Err(code) = write_all(&self.file, bytes, self.offset) {
            // Some of them may be there, and this writer does not count them.
            self.cut_back(self.offset);
            return Err(failed("write", &self.path)(code));
        }
        self.offset += bytes.len() as u64;
        self.write_out();
        Ok(())
    }

    fn cut(&mut self, offset: u64) -> Result<()> {
        if offset > self.offset {
            return Err(beyond_the_end(offset, self.offset));
        }
        self.renew()?;
        // Even at the offset that it has: a write that failed may have left bytes behind it.
        self.file.set_size(offset).map_err(failed("cut", &self.path))?;
        (self.offset, self.is_cut) = (offset, true);
        (self.durable, self.unwritten) = (self.durable.min(offset), self.unwritten.min(offset));
        Ok(())
    }

    fn read(&mut self) -> Result<Content> {
        self.file.stream(0).map_err(failed("read", &self.path))
    }

    fn suspend(self, notes: &[Note]) -> Result<()> {
        // Nothing is lost with an upload that has no bytes.
        if self.offset > 0 || self.is_cut {
            self.sync()?;
        }
        self.renew()?;
        notes.iter().try_for_each(|(key, value)| self.root.note(&self.root.path(key)?, value))
    }

    fn commit(self, key: &str) -> Result<()> {
        let target = self.root.path(key)?;
        self.sync()?;
        // After the sync, which can take longer than a lease lasts.
        self.renew()?;
        // The age of a blob counts from here, however long ago its last bytes came.
        self.file.touch().map_err(failed("touch", &self.path))?;
        self.root.publish(&self.path, &target)
    }

    fn abort(self) -> Result<()> {
        self.renew()?;
        // Not durably: one that comes back is as one that its client gave up.
        self.root.unlink(&self.path).map_err(failed("remove", &self.path))
    }
}
