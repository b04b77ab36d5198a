//! The lease on an upload: of all writers in all instances and processes, one has it.
//!
//! There are no file locks in WASI, so a lease is a file that only one can create, `data.claim.1`
//! beside the upload's `data`, and its modification time says that the holder is alive. A holder that
//! crashed leaves it behind; once it is [`EXPIRY`] old, it is superseded by creating `data.claim.2`,
//! and so on: the holder is the one that created the last one. (The files are called claims so that servers of
//! an earlier version, which share the directory, exclude each other with these.)
//!
//! Two rules make this safe against a holder that was only slow. A writer that supersedes a lease looks at it
//! *after* having created the next one, and gives up if it was renewed since. A holder that has not written for
//! a while renews its lease, and *then* looks whether it was superseded: first for the next file, and last at its
//! own, since a writer that superseded it and has released the upload by then has removed that file first.
//! Whichever comes first, at most one continues. Leases that were superseded stay, so
//! that no writer takes the first one anew, until the last holder removes them all, from the first on. A holder
//! that dies while it does so leaves `data.claim.2`, which the next holder must take for one that supersedes it: it
//! gives up where it has to renew its lease, and the one after it, when that has expired, has the upload again.
//! `tests/leases.rs` follows every order of the calls of several writers.

use std::cell::Cell;
use std::sync::Arc;

use crate::directory::Directory;
use crate::disk::{Code, Disk, File, Open, Stat};
use crate::error::failed;
use lighter_storage::Error;

/// A lease that was not renewed for this many seconds may be superseded.
pub(crate) const EXPIRY: u64 = 10;

/// A holder renews its lease before it changes something, if the last time was this many seconds ago.
const RENEWAL: u64 = 2;

/// A lease on an upload. Dropping it releases it.
pub(crate) struct Lease<D: Disk> {
    directory: Arc<Directory<D>>,
    upload: String,
    number: u32,
    file: D::File,
    /// When this writer last made sure of it, in seconds since 1970.
    renewed: Cell<u64>,
    /// Whether it is left to expire, as by a writer that crashed.
    is_left: bool,
}

impl<D: Disk> Lease<D> {
    /// Acquires the lease on the upload whose data has a path. Errs with `busy` while another writer has it, and
    /// with `not-found` if the upload has no directory.
    pub(crate) fn acquire(directory: Arc<Directory<D>>, upload: &str) -> Result<Self, Error> {
        let mut number = 1;
        loop {
            let path = path(upload, number);
            // Before the file is there, so that a writer that stands still here takes its lease for older than it is.
            let created = directory.disk.now();
            match directory.open(&path, Open::Create) {
                Ok(file) => {
                    if number > 1 && !has_expired(&directory, upload, number - 1)? {
                        directory.unlink(&path).map_err(failed("remove", &path))?;
                        return Err(Error::Busy);
                    }
                    let (upload, renewed) = (upload.to_owned(), Cell::new(created));
                    return Ok(Self { directory, upload, number, file, renewed, is_left: false });
                }
                Err(Code::Exist) if has_expired(&directory, upload, number)? => number += 1,
                Err(Code::Exist) => return Err(Error::Busy),
                Err(code) => return Err(failed("acquire", &path)(code)),
            }
        }
    }

    /// Whether the writer before has released the upload, or there was none. Otherwise it crashed, or could not
    /// make the upload durable.
    pub(crate) fn is_first(&self) -> bool {
        self.number == 1
    }

    /// Leaves the lease to expire.
    pub(crate) fn leave(mut self) {
        self.is_left = true;
    }

    /// Makes sure of the lease before something is changed. Errs with `busy` if it was superseded.
    pub(crate) fn renew(&self) -> Result<(), Error> {
        let now = self.directory.disk.now();
        // The clock may have been set back, too.
        if now.abs_diff(self.renewed.get()) < RENEWAL {
            return Ok(());
        }
        let failed = failed("renew", &self.upload);
        self.file.touch().map_err(&failed)?;
        let is_superseded = stat_of(&self.directory, &self.upload, self.number + 1)?.is_some();
        if is_superseded || self.file.stat().map_err(&failed)?.links == 0 {
            return Err(Error::Busy);
        }
        self.renewed.set(now);
        Ok(())
    }
}

impl<D: Disk> Drop for Lease<D> {
    /// Removes the lease and those that it superseded, unless it was superseded itself: then they are another's.
    /// One that cannot be removed expires.
    fn drop(&mut self) {
        let held = !self.is_left && self.renew().is_ok();
        for number in (1..=self.number).filter(|_| held) {
            if self.directory.unlink(&path(&self.upload, number)).is_err() {
                return;
            }
        }
    }
}

/// Whether a lease is there and was not renewed for a while.
///
/// One from the future was renewed before the clock was set back, and would last until the clock has
/// caught up. It is renewed for its holder, which does so too if there still is one.
fn has_expired<D: Disk>(directory: &Directory<D>, upload: &str, number: u32) -> Result<bool, Error> {
    let Some(stat) = stat_of(directory, upload, number)? else { return Ok(false) };
    let now = directory.disk.now();
    if stat.modified > now.saturating_add(EXPIRY) {
        let path = path(upload, number);
        directory.touch(&path).map_err(failed("renew", &path))?;
    }
    Ok(now.saturating_sub(stat.modified) > EXPIRY)
}

fn stat_of<D: Disk>(directory: &Directory<D>, upload: &str, number: u32) -> Result<Option<Stat>, Error> {
    let path = path(upload, number);
    directory.stat(&path).map_err(failed("stat", &path))
}

/// The path of the upload whose lease a path is of, if it is of one.
pub(crate) fn upload_of(path: &str) -> Option<&str> {
    let (upload, number) = path.rsplit_once(".claim.")?;
    (path == self::path(upload, number.parse().ok()?)).then_some(upload)
}

fn path(upload: &str, number: u32) -> String {
    format!("{upload}.claim.{number}")
}
