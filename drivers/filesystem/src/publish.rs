//! How a name appears: a temporary file is moved to it, so that whoever reads it finds the old content or the new.

use std::cell::Cell;

use crate::directory::{Directory, Last, TRIES, temporary};
use crate::disk::{Code, Disk, File, Result, write_all};
use crate::error::failed;
use lighter_storage::{self as storage, Error};

impl<D: Disk> Directory<D> {
    /// Puts a file with some content at a path, durably, in place of what was there.
    pub(crate) fn replace(&self, path: &str, content: &[u8]) -> storage::Result<()> {
        self.put(path, content, Last::All, |temporary| self.disk.rename(temporary, path))
    }

    /// The same, but not durably. Below `passing` nothing has to last, and that directory itself does not, but for
    /// uploads in it, whose writers sync its name.
    pub(crate) fn note(&self, passing: &str, path: &str, content: &[u8]) -> storage::Result<()> {
        let is_below = path.strip_prefix(passing).is_some_and(|rest| rest.starts_with('/'));
        let last = Last::Above(if is_below { passing.len() } else { path.len() });
        self.put(path, content, last, |temporary| self.disk.rename(temporary, path))
    }

    /// Puts a file with some content at a path, durably, if there is none. Returns whether it did.
    pub(crate) fn put_new(&self, path: &str, content: &[u8]) -> storage::Result<bool> {
        self.put(path, content, Last::All, |temporary| {
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
        last: Last,
        publish: impl Fn(&str) -> Result<T>,
    ) -> storage::Result<T> {
        for _ in 0..TRIES {
            let temporary = self.write_temporary(path, content, last)?;
            match publish(&temporary) {
                Ok(done) if last == Last::All => return self.sync_parent(path).map(|()| done),
                Ok(done) => return Ok(done),
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
    fn write_temporary(&self, path: &str, content: &[u8], last: Last) -> storage::Result<String> {
        let temporary = temporary(path);
        let file = self.create(&temporary, last)?;
        let written = write_all(&file, content, 0);
        let written = written.and_then(|()| if last == Last::All { file.sync_data() } else { Ok(()) });
        if let Err(code) = written {
            // The error that is told is the first one.
            let _ = self.unlink(&temporary);
            return Err(failed("write", &temporary)(code));
        }
        Ok(temporary)
    }

    /// Moves a file that is synced to where it is seen, in place of what was there, but not durably yet. Errs with
    /// `not-found` if there is no such file.
    pub(crate) fn publish(&self, from: &str, to: &str) -> storage::Result<()> {
        let tried = Cell::new(false);
        let moved = self.with_parents(to, Last::All, || match self.disk.rename(from, to) {
            // It is not the directory that is missing: that was made after the first time.
            Err(Code::NoEntry) if tried.replace(true) && self.stat(from)?.is_none() => Ok(false),
            moved => moved.map(|()| true),
        });
        if moved.map_err(failed("rename to", to))? { Ok(()) } else { Err(Error::NotFound) }
    }
}
