//! The hold on an upload: of all writers in all instances and processes, one has it.
//!
//! There are no file locks in WASI, so a hold is a file that only one can create, `data.claim.1`
//! beside the upload's `data`, and its modification time says that the holder is alive. A holder that
//! crashed leaves it behind; once it is [`EXPIRY`] old, it is passed over by creating `data.claim.2`,
//! and so on: the holder is who has the last one.
//!
//! Two rules make this safe against a holder that was only slow. Whoever passes over a claim looks at
//! it *after* having created the next one, and gives up if it is not the old one any more. A holder
//! that has not written for a while renews its claim, and *then* looks whether it was passed over.
//! Whichever comes first, at most one goes on. The claims of those that were passed over stay, so
//! that nobody takes the first one anew, until the last holder removes them all, from the first on.

use std::cell::Cell;

use wasi::clocks::wall_clock;
use wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorStat, ErrorCode, NewTimestamp, OpenFlags,
};

use crate::directory::Directory;
use crate::error::failed;
use lighter::storage::Error;

/// A claim that was not renewed for so many seconds is passed over.
const EXPIRY: u64 = 10;

/// A holder renews its claim before it changes something, if the last time was so many seconds ago.
const RENEWAL: u64 = 2;

/// A hold on an upload. Dropping it lets go.
pub(crate) struct Claim {
    directory: &'static Directory,
    upload: String,
    number: u32,
    file: Descriptor,
    renewed: Cell<u64>,
}

impl Claim {
    /// Takes hold of the upload whose data has a path, or errs with `busy`; with `not-found` if it
    /// has no directory.
    pub(crate) fn take(directory: &'static Directory, upload: &str) -> Result<Self, Error> {
        let mut number = 1;
        loop {
            let path = path(upload, number);
            let create = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
            match directory.open(&path, create, DescriptorFlags::WRITE) {
                Ok(file) => {
                    if number > 1 && !has_expired(directory, upload, number - 1)? {
                        directory.unlink(&path).map_err(failed("remove", &path))?;
                        return Err(Error::Busy);
                    }
                    let renewed = Cell::new(wall_clock::now().seconds);
                    return Ok(Self { directory, upload: upload.to_owned(), number, file, renewed });
                }
                Err(ErrorCode::Exist) if has_expired(directory, upload, number)? => number += 1,
                Err(ErrorCode::Exist) => return Err(Error::Busy),
                Err(code) => return Err(failed("claim", &path)(code)),
            }
        }
    }

    /// Makes sure of the hold before something is changed: errs with `busy` if it was lost.
    pub(crate) fn renew(&self) -> Result<(), Error> {
        let now = wall_clock::now().seconds;
        // The clock may have been set back, too.
        if now.abs_diff(self.renewed.get()) < RENEWAL {
            return Ok(());
        }
        let own = path(&self.upload, self.number);
        let renewed = self.file.set_times(NewTimestamp::NoChange, NewTimestamp::Now);
        let stat = renewed.and_then(|()| self.file.stat()).map_err(failed("renew", &own))?;
        if stat.link_count == 0 || stat_of(self.directory, &self.upload, self.number + 1)?.is_some() {
            return Err(Error::Busy);
        }
        self.renewed.set(now);
        Ok(())
    }
}

impl Drop for Claim {
    /// Removes the claims, unless the hold was lost: then they are another's. A claim that cannot be
    /// removed expires.
    fn drop(&mut self) {
        let held = self.renew().is_ok();
        for number in (1..=self.number).filter(|_| held) {
            if self.directory.unlink(&path(&self.upload, number)).is_err() {
                return;
            }
        }
    }
}

/// Whether a claim is there and was not renewed for a while.
///
/// One from the future was renewed before the clock was set back, and would last until the clock has
/// caught up. It is renewed for its holder, who does so too if there still is one.
fn has_expired(directory: &Directory, upload: &str, number: u32) -> Result<bool, Error> {
    let Some(stat) = stat_of(directory, upload, number)? else { return Ok(false) };
    let renewed = stat.data_modification_timestamp.map_or(0, |time| time.seconds);
    let now = wall_clock::now().seconds;
    if renewed > now.saturating_add(EXPIRY) {
        let path = path(upload, number);
        directory.touch(&path).map_err(failed("renew", &path))?;
    }
    Ok(now.saturating_sub(renewed) > EXPIRY)
}

fn stat_of(directory: &Directory, upload: &str, number: u32) -> Result<Option<DescriptorStat>, Error> {
    let path = path(upload, number);
    directory.stat(&path).map_err(failed("stat", &path))
}

fn path(upload: &str, number: u32) -> String {
    format!("{upload}.claim.{number}")
}
