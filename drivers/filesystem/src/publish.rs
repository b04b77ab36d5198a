//! How a name appears: a temporary file is moved to it, so that whoever reads it finds the old content or the new.

use std::cell::Cell;

use crate::directory::{Directory, TRIES, temporary};
use crate::disk::{Code, Disk, File, Result, write_all};
use crate::error::failed;
use lighter_storage::{self as storage, Error};

/// Whether what is put somewhere is to be durable.
#[derive(Clone, Copy, PartialEq)]
enum Sync {
    Yes,
    No,
}

impl<D: Disk> Directory<D> {
    /// Puts a file with some content at a path, durably, in place of what was there.
    pub(crate) fn replace(&self, path: &str, content: &[u8]) -> storage::Result<()> {
        self.put(path, content, Sync::Yes, |temporary| self.disk.rename(temporary, path))
    }

    /// The same, but not durably. The directories that it makes are synced all the same: what is put below
    /// them later, durably, takes it that they are.
    pub(crate) fn note(&self, path: &str, content: &[u8]) -> storage::Result<()> {
        self.put(path, content, Sync::No, |temporary| self.disk.rename(temporary, path))
    }

    /// Puts a file with some content at a path, durably, if there is none. Returns whether it did.
    pub(crate) fn put_new(&self, path: &str, content: &[u8]) -> storage::Result<bool> {
        self.put(path, content, Sync::Yes, |temporary| {
            let created = match self.disk.link(temporary, path) {
                Ok(()) => true,
                Err(Code::Exist) => false,
                Err(code) => return Err(code),
            };
            // The value is there. What cannot be removed is never read.
            let _ = self.unlink(temporary);
            Ok(created)
        })
    }

    /// Writes a temporary file beside a path and has it moved there.
    fn put<T>(
        &self,
        path: &str,
        content: &[u8],
        sync: Sync,
        publish: impl Fn(&str) -> Result<T>,
    ) -> storage::Result<T> {
        for _ in 0..TRIES {
            let temporary = self.write_temporary(path, content, sync)?;
            match publish(&temporary) {
                Ok(done) if sync == Sync::No => return Ok(done),
                Ok(done) => return self.sync_parent(path).map(|()| done),
                // Another request has removed the directory with the temporary file in it.
                Err(Code::NoEntry) => {}
                Err(code) => {
                    // The error that is told is the first one.
                    let _ = self.unlink(&temporary);
                    return Err(failed("put", path)(code));
                }
            }
        }
        Err(Error::Other(format!("put {path}: others keep removing its directory")))
    }

    /// Writes a temporary file for a path, and returns its own path.
    fn write_temporary(&self, path: &str, content: &[u8], sync: Sync) -> storage::Result<String> {
        let temporary = temporary(path);
        let file = self.create(&temporary)?;
        let written = write_all(&file, content, 0);
        let written = written.and_then(|()| if sync == Sync::Yes { file.sync_data() } else { Ok(()) });
        if let Err(code) = written {
            // The error that is told is the first one.
            let _ = self.unlink(&temporary);
            return Err(failed("write", &temporary)(code));
        }
        Ok(temporary)
    }

    /// Moves a file that is synced to where it is seen, durably, in place of what was there. Errs with
    /// `not-found` if there is no such file.
    pub(crate) fn publish(&self, from: &str, to: &str) -> storage::Result<()> {
        let tried = Cell::new(false);
        let moved = self.with_parents(to, || match self.disk.rename(from, to) {
            // It is not the directory that is missing: that was made after the first time.
            Err(Code::NoEntry) if tried.replace(true) && self.stat(from)?.is_none() => Ok(false),
            moved => moved.map(|()| true),
        });
        if !moved.map_err(failed("rename to", to))? {
            return Err(Error::NotFound);
        }
        self.sync_parent(to)
    }
}
