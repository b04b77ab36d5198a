//! The writer of an upload: a file that is renamed to become a blob.

use std::sync::Arc;

use lighter_storage::{Content, Error, Note, Result, Upload, beyond_the_end};

use crate::directory::{Directory, Last};
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
    /// Whether all bytes, and that there are no more, is known to be durable.
    is_synced: bool,
    /// Whether the upload's own name is known to be durable, and that of its directory.
    is_named: bool,
    /// None for an upload that no other request knows of yet.
    lease: Option<Lease<D>>,
}

impl<D: Disk> Writer<D> {
    /// Begins an upload at a path that no other request knows.
    pub(crate) fn create(root: Arc<Directory<D>>, path: String) -> Result<Self> {
        let file = root.create(&path, Last::All)?;
        let (is_synced, is_named) = (true, false);
        Ok(Self { root, path, file, offset: 0, durable: 0, unwritten: 0, is_synced, is_named, lease: None })
    }

    /// Takes hold of the upload at a path.
    ///
    /// A writer that lets go of an upload has made all of it durable, also the one that drops it; only one that
    /// crashed has not, and has left its lease behind. So whoever finds no lease need not sync what is there again.
    pub(crate) fn open(root: Arc<Directory<D>>, path: String) -> Result<Self> {
        let lease = Lease::acquire(root.clone(), &path)?;
        let opened = root.open(&path, Open::Write).and_then(|file| Ok((file.stat()?.size, file)));
        let (offset, file) = match opened {
            Ok(opened) => opened,
            Err(code) => {
                let error = absent_or_failed("open", &path)(code);
                // What the writer that crashed has left is as uncertain as before.
                if !lease.is_first() && error != Error::NotFound {
                    lease.leave();
                }
                return Err(error);
            }
        };
        let is_synced = lease.is_first();
        let (is_named, lease) = (is_synced && offset > 0, Some(lease));
        Ok(Self { root, path, file, offset, durable: offset, unwritten: offset, is_synced, is_named, lease })
    }

    /// Makes the upload durable: what was appended, and the names under which it is found.
    fn settle(&mut self) -> Result<()> {
        self.sync()?;
        // Nothing is lost with an upload that has no bytes.
        if self.offset > 0 { self.sync_names() } else { Ok(()) }
    }

    /// Makes what was appended durable, and that nothing follows it.
    ///
    /// Where that fails the bytes are lost, though they can be read, and though a later sync succeeds: the system
    /// takes the pages for written. So they go.
    fn sync(&mut self) -> Result<()> {
        if self.is_synced {
            return Ok(());
        }
        if let Err(code) = self.file.sync_data() {
            self.take_back();
            return Err(failed("sync", &self.path)(code));
        }
        self.is_synced = true;
        Ok(())
    }

    /// Makes the upload's name durable, and that of its directory, which whoever made it has not synced: before
    /// its first bytes nothing is lost with them.
    fn sync_names(&mut self) -> Result<()> {
        if self.is_named {
            return Ok(());
        }
        let synced = self.root.sync_parent(&self.path).and_then(|()| {
            let directory = self.root.parent(&self.path);
            directory.map_or(Ok(()), |directory| self.root.sync_parent(directory))
        });
        if synced.is_err() {
            self.take_back();
        }
        self.is_named = synced.is_ok();
        synced
    }

    /// Drops what was appended and cannot be made durable, unless the lease is lost, and the upload is another
    /// writer's, which has cut off what it cannot prove.
    fn take_back(&mut self) {
        if self.renew().is_ok() {
            self.cut_back(self.durable);
            self.offset = self.durable;
            // The next writer takes it that nothing more is there.
            self.is_synced = self.file.sync_data().is_ok();
        }
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

    /// The upload has ended: its file is a blob now, or nothing, and this writer does not touch it any more.
    fn end(&mut self) {
        (self.is_synced, self.is_named) = (true, true);
    }

    fn renew(&self) -> Result<()> {
        self.lease.as_ref().map_or(Ok(()), Lease::renew)
    }
}

/// Lets go of the upload with all that was appended, unless it has ended.
impl<D: Disk> Drop for Writer<D> {
    fn drop(&mut self) {
        if self.settle().is_err()
            && let Some(lease) = self.lease.take()
        {
            // Once it has expired, the next writer believes nothing.
            lease.leave();
        }
    }
}

impl<D: Disk> Upload for Writer<D> {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.renew()?;
        self.is_synced = false;
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
        self.is_synced = false;
        self.file.set_size(offset).map_err(failed("cut", &self.path))?;
        self.offset = offset;
        (self.durable, self.unwritten) = (self.durable.min(offset), self.unwritten.min(offset));
        Ok(())
    }

    fn read(&mut self) -> Result<Content> {
        self.file.stream(0).map_err(failed("read", &self.path))
    }

    fn suspend(mut self, notes: &[Note]) -> Result<()> {
        self.settle()?;
        self.renew()?;
        // What can be found out anew is not synced, and neither are the directories that only have that.
        let directory = self.root.parent(&self.path).unwrap_or_default();
        notes.iter().try_for_each(|(key, value)| self.root.note(directory, &self.root.path(key)?, value))
    }

    fn commit(mut self, key: &str) -> Result<()> {
        let target = self.root.path(key)?.into_owned();
        self.sync()?;
        // After the sync, which can take longer than a lease lasts.
        self.renew()?;
        // The age of a blob counts from here, however long ago its last bytes came.
        self.file.touch().map_err(failed("touch", &self.path))?;
        self.root.publish(&self.path, &target)?;
        self.end();
        self.root.sync_parent(&target)
    }

    fn abort(mut self) -> Result<()> {
        self.renew()?;
        // Not durably: one that comes back is as one that its client gave up.
        self.root.unlink(&self.path).map_err(failed("remove", &self.path))?;
        self.end();
        Ok(())
    }
}
