//! The writer of an upload: a file that is renamed to become a blob.

use lighter::storage::{Content, Note, Result, Upload, beyond_the_end};
use wasi::filesystem::types::{Advice, Descriptor, DescriptorFlags, OpenFlags};

use crate::claim::Claim;
use crate::directory::{Directory, write_all};
use crate::error::{absent_or_failed, failed};

/// After so many bytes the disk is told to write, while further ones are received.
const WRITTEN_OUT: u64 = 4 * 1024 * 1024;

/// An open upload.
pub(crate) struct Writer {
    root: &'static Directory,
    path: String,
    file: Descriptor,
    offset: u64,
    /// From where on the disk was not told to write yet.
    unwritten: u64,
    /// Whether bytes were dropped since the upload was opened.
    is_cut: bool,
    /// None for an upload that nobody else knows of yet.
    claim: Option<Claim>,
}

impl Writer {
    /// Begins an upload at a path that nobody else knows.
    pub(crate) fn create(root: &'static Directory, path: String) -> Result<Self> {
        let file = root.create(&path)?;
        Ok(Self { root, path, file, offset: 0, unwritten: 0, is_cut: false, claim: None })
    }

    /// Takes hold of the upload at a path.
    pub(crate) fn open(root: &'static Directory, path: String) -> Result<Self> {
        let claim = Some(Claim::take(root, &path)?);
        let access = DescriptorFlags::READ | DescriptorFlags::WRITE;
        let file = root.open(&path, OpenFlags::empty(), access).map_err(absent_or_failed("open", &path))?;
        let offset = file.stat().map_err(failed("stat", &path))?.size;
        Ok(Self { root, path, file, offset, unwritten: offset, is_cut: false, claim })
    }

    /// Makes what was appended durable.
    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(failed("sync", &self.path))
    }

    /// Has the disk begin to write, so that there is little left to wait for when the upload is synced. On
    /// Linux this is what the advice comes to; pages stay in memory until they are written. Elsewhere it
    /// may do nothing.
    fn write_out(&mut self) {
        let length = self.offset - self.unwritten;
        if length >= WRITTEN_OUT {
            // What fails is no loss: the sync waits.
            let _ = self.file.advise(self.unwritten, length, Advice::DontNeed);
            self.unwritten = self.offset;
        }
    }

    fn renew(&self) -> Result<()> {
        self.claim.as_ref().map_or(Ok(()), Claim::renew)
    }
}

impl Upload for Writer {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.renew()?;
        write_all(&self.file, bytes, self.offset).map_err(failed("write", &self.path))?;
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
        (self.offset, self.unwritten, self.is_cut) = (offset, self.unwritten.min(offset), true);
        Ok(())
    }

    fn read(&self) -> Result<Content> {
        self.file.read_via_stream(0).map(Content::Host).map_err(failed("read", &self.path))
    }

    fn suspend(self, notes: &[Note]) -> Result<()> {
        // One without bytes is none that anybody would miss.
        if self.offset > 0 || self.is_cut {
            self.sync()?;
        }
        self.renew()?;
        notes.iter().try_for_each(|(key, value)| self.root.note(&self.root.path(key)?, value))
    }

    fn commit(self, key: &str) -> Result<()> {
        let target = self.root.path(key)?;
        self.sync()?;
        // After the sync, which can take longer than a claim lasts.
        self.renew()?;
        self.root.publish(&self.path, &target)
    }

    fn abort(self) -> Result<()> {
        self.renew()?;
        // Not durably: one that comes back is as one that its client gave up.
        self.root.unlink(&self.path).map_err(failed("remove", &self.path))
    }
}
