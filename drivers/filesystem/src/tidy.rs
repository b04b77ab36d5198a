//! What crashes and removals leave, and how it goes: temporary files, leases of uploads that are gone, empty directories.
//!
//! None of it is needed. A writer whose temporary file or directory goes finds that when it is about to use it, and
//! makes it again. A lease counts only beside an upload, and the id of one that is gone does not come back. Beside an
//! upload that is there, leases stay: the next writer takes them away, or whoever removes the upload.
//!
//! A directory is removed by the one call that fails if it is not empty. Links are left alone, and so is what lies
//! behind them, and what has a name that is no part of a key: all of that was put there by others.

use crate::directory::Directory;
use crate::disk::{Code, Disk, Kind, Links};
use crate::error::failed;
use crate::lease::upload_of;
use crate::path::is_temporary;
use lighter_storage::{AFTER_ALL, Result, Tidied, check_key, comes_after};

impl<D: Disk> Directory<D> {
    /// Takes a step through everything below the root directory, in byte order of the paths.
    pub(crate) fn tidy(&self, after: Option<&str>, limit: u32, age: u64, dry_run: bool) -> Result<Tidied> {
        let left = limit.max(1) as usize;
        let mut step = Step { root: self, age, dry_run, left, tidied: Tidied::default() };
        if step.look_through("", after.unwrap_or_default())?.is_some() {
            step.tidied.next = None;
        }
        Ok(step.tidied)
    }
}

struct Step<'a, D> {
    root: &'a Directory<D>,
    age: u64,
    dry_run: bool,
    /// How many names may still be looked at.
    left: usize,
    tidied: Tidied,
}

/// What a step has seen of a directory.
#[derive(Default)]
struct Seen {
    /// That something stays in it.
    stays: bool,
    /// That something was in it that went.
    went: bool,
    /// That it began before this step, which does not know what stays of that.
    in_part: bool,
}

impl<D: Disk> Step<'_, D> {
    /// Looks through what is in a directory and comes after a position in it. Returns none if the step was over before.
    fn look_through(&mut self, directory: &str, after: &str) -> Result<Option<Seen>> {
        let mut seen = Seen { in_part: !after.is_empty(), ..Seen::default() };
        let names = self.root.least(&self.root.below(directory), self.left, &mut |mut name, kind| {
            if !matches!(kind, Kind::File | Kind::Directory) || check_key(&name).is_err() {
                seen.stays = true;
                return Ok(None);
            }
            if kind == Kind::Directory {
                name.push('/');
            }
            Ok(comes_after(&name, after).then_some(name))
        })?;
        for name in names {
            if self.left == 0 {
                return Ok(None);
            }
            let below = after.strip_prefix(&*name).unwrap_or_default();
            let name = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            let (goes, position) = match name.strip_suffix('/') {
                None => (self.file(&name)?, name),
                Some(child) => {
                    let Some(seen) = self.look_through(child, below)? else { return Ok(None) };
                    (self.directory(child, &seen)?, name + AFTER_ALL)
                }
            };
            seen.stays |= !goes;
            seen.went |= goes;
            self.left -= 1;
            self.tidied.next = Some(position);
        }
        // Where there were as many as asked for, there may be more.
        Ok((self.left > 0).then_some(seen))
    }

    /// Removes a file if it is one that a crash has left. Returns whether it goes.
    fn file(&mut self, name: &str) -> Result<bool> {
        let path = self.root.below(name);
        let upload = upload_of(&path);
        if upload.is_none() && !is_temporary(name.rsplit('/').next().unwrap_or_default()) {
            return Ok(false);
        }
        let Some(size) = self.size_if_old(&path)? else { return Ok(false) };
        if let Some(upload) = upload {
            // A lease has no bytes, and what has some is something else by that name.
            let is_used = size > 0 || self.root.stat(upload).map_err(failed("stat", upload))?.is_some();
            if is_used {
                return Ok(false);
            }
        }
        self.remove(&path, size, |disk, path| disk.unlink(path))
    }

    /// Removes a directory if it is empty. Returns whether it goes.
    fn directory(&mut self, name: &str, seen: &Seen) -> Result<bool> {
        let path = self.root.below(name);
        let may_stay = seen.stays || self.dry_run && seen.in_part;
        // What went was old, and to remove it has made the directory look young.
        if may_stay || !seen.went && self.size_if_old(&path)?.is_none() {
            return Ok(false);
        }
        self.remove(&path, 0, |disk, path| disk.remove_directory(path))
    }

    /// Returns the size of what has a path, if it is old enough, and as far as the host says when it has changed.
    fn size_if_old(&self, path: &str) -> Result<Option<u64>> {
        let stat = match self.root.disk.stat(path, Links::Keep) {
            Ok(stat) => stat,
            Err(code) if code.is_absence() => return Ok(None),
            Err(code) => return Err(failed("stat", path)(code)),
        };
        let is_old = stat.modified > 0 && self.root.disk.now().saturating_sub(stat.modified) >= self.age;
        Ok(is_old.then_some(stat.size))
    }

    /// Removes what has a path and so many bytes, unless this is a dry run. Returns whether it goes.
    fn remove(
        &mut self,
        path: &str,
        bytes: u64,
        remove: impl Fn(&D, &str) -> crate::disk::Result<()>,
    ) -> Result<bool> {
        match if self.dry_run { Ok(()) } else { remove(&self.root.disk, path) } {
            Ok(()) => {
                self.tidied.removed += 1;
                self.tidied.bytes += bytes;
                Ok(true)
            }
            // Another has removed it, or put something into it. Something may also be mounted there.
            Err(Code::NoEntry) => Ok(true),
            Err(Code::NotEmpty | Code::Exist | Code::Other("busy")) => Ok(false),
            Err(code) => Err(failed("remove", path)(code)),
        }
    }
}
