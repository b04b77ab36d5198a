//! How names go, and which ones there are.

use std::collections::BinaryHeap;

use crate::directory::{Directory, TRIES};
use crate::disk::{Code, Disk, File, Kind, Links, Open, Result};
use crate::error::failed;
use crate::path::is_temporary;
use lighter_storage::{self as storage, BlobInfo, Error, Tree, check_key};

/// This many entries may be passed over while a directory is listed. It only ends what a host might repeat
/// for ever.
const PASSED_OVER_MAX: u32 = 1 << 20;

impl<D: Disk> Directory<D> {
    /// Removes a file, if it is there.
    pub(crate) fn unlink(&self, path: &str) -> Result<()> {
        match self.disk.unlink(path) {
            Err(code) if code.is_absence() || code.is_of_directory() => Ok(()),
            done => done,
        }
    }

    /// Removes a file, durably, if it is there, and the directory that it is in, if nothing else is.
    pub(crate) fn remove(&self, path: &str) -> storage::Result<()> {
        let changed = self.discard(path)?;
        self.sync_parent(changed)
    }

    /// Does what [`Self::remove`] does, short of syncing. Returns what of the path was removed last.
    pub(crate) fn discard<'p>(&self, path: &'p str) -> storage::Result<&'p str> {
        self.unlink(path).map_err(failed("remove", path))?;
        // If it is empty and stays all the same, it goes when the store is tidied.
        let parent = self.parent(path).filter(|parent| self.disk.remove_directory(parent).is_ok());
        Ok(parent.unwrap_or(path))
    }

    /// Removes a directory with all that is in it, durably, if it is there.
    pub(crate) fn remove_tree(&self, path: &str) -> storage::Result<()> {
        self.discard_tree(path)?;
        // Also if it was not there: it may be that its removal was not synced.
        self.sync_parent(path)
    }

    /// Does what [`Self::remove_tree`] does, short of syncing. What others put into it meanwhile goes too.
    pub(crate) fn discard_tree(&self, path: &str) -> storage::Result<()> {
        for _ in 0..TRIES {
            for (name, kind) in self.entries(path, Links::Keep)? {
                let child = format!("{path}/{name}");
                if kind == Kind::Directory {
                    self.discard_tree(&child)?;
                } else {
                    self.unlink(&child).map_err(failed("remove", &child))?;
                }
            }
            match self.disk.remove_directory(path) {
                Ok(()) | Err(Code::NoEntry) => return Ok(()),
                Err(Code::NotEmpty | Code::Exist) => {}
                Err(Code::NotDirectory) => return self.remove_link(path),
                Err(code) => return Err(failed("remove", path)(code)),
            }
        }
        Err(Error::Other(format!("remove {path}: others keep writing to it")))
    }

    /// Removes a link to a directory, and not what it leads to.
    fn remove_link(&self, path: &str) -> storage::Result<()> {
        let link = self.disk.stat(path, Links::Keep);
        if link.is_ok_and(|stat| stat.kind == Kind::Link) {
            self.unlink(path).map_err(failed("remove", path))?;
        }
        Ok(())
    }

    /// Lists at most `limit` directories in a directory, in byte order, after a name.
    pub(crate) fn directories(
        &self,
        path: &str,
        after: Option<&str>,
        limit: usize,
    ) -> storage::Result<Vec<String>> {
        self.first(path, limit, &|name, kind| {
            Ok(after.is_none_or(|after| name > after) && self.is_directory(path, name, kind)?)
        })
    }

    /// Lists at most `limit` files in a directory, in byte order, after a name, but for temporary ones.
    pub(crate) fn values(
        &self,
        path: &str,
        after: Option<&str>,
        limit: usize,
    ) -> storage::Result<Vec<String>> {
        self.first(path, limit, &|name, kind| {
            let is_wanted = after.is_none_or(|after| name > after) && !is_temporary(name);
            Ok(is_wanted && !self.is_directory(path, name, kind)?)
        })
    }

    /// Lists the first names in a directory, in byte order, of the entries that are wanted.
    fn first(
        &self,
        path: &str,
        limit: usize,
        is_wanted: &dyn Fn(&str, Kind) -> storage::Result<bool>,
    ) -> storage::Result<Vec<String>> {
        self.least(path, limit, &mut |name, kind| Ok(is_wanted(&name, kind)?.then_some(name)))
    }

    /// Makes something of the entries of a directory, or of some, and returns the first ones in order.
    pub(crate) fn least<T: Ord>(
        &self,
        path: &str,
        limit: usize,
        make: &mut dyn FnMut(String, Kind) -> storage::Result<Option<T>>,
    ) -> storage::Result<Vec<T>> {
        let mut least = BinaryHeap::new();
        if let Some(directory) = self.listed(path, Links::Follow)? {
            for_each_entry(&directory, path, &mut |name, kind| {
                let Some(made) = make(name, kind)? else { return Ok(()) };
                if least.len() < limit {
                    least.push(made);
                } else if let Some(mut last) = least.peek_mut().filter(|last| made < **last) {
                    *last = made;
                }
                Ok(())
            })?;
        }
        Ok(least.into_sorted_vec())
    }

    /// Whether an entry of a directory is one itself, or a link that leads to one.
    fn is_directory(&self, path: &str, name: &str, kind: Kind) -> storage::Result<bool> {
        if kind != Kind::Link {
            return Ok(kind == Kind::Directory);
        }
        let path = format!("{path}/{name}");
        match self.stat(&path) {
            Ok(stat) => Ok(stat.is_some_and(|stat| stat.kind == Kind::Directory)),
            // It leads out of what the host gives.
            Err(Code::NotPermitted) => Ok(false),
            Err(code) => Err(failed("stat", &path)(code)),
        }
    }

    /// The names in a directory, and what they are. None if it is not there.
    fn entries(&self, path: &str, links: Links) -> storage::Result<Vec<(String, Kind)>> {
        let mut entries = Vec::new();
        if let Some(directory) = self.listed(path, links)? {
            for_each_entry(&directory, path, &mut |name, kind| {
                entries.push((name, kind));
                Ok(())
            })?;
        }
        Ok(entries)
    }

    /// Opens a directory to list it. None if it is not there.
    fn listed(&self, path: &str, links: Links) -> storage::Result<Option<D::File>> {
        match self.disk.open(path, links, Open::Directory) {
            Ok(directory) => Ok(Some(directory)),
            Err(code) if code.is_absence() => Ok(None),
            Err(code) => Err(failed("list", path)(code)),
        }
    }
}

/// Goes through the names in a directory, and what they are. There are none if it was removed.
fn for_each_entry(
    directory: &impl File,
    path: &str,
    done: &mut dyn FnMut(String, Kind) -> storage::Result<()>,
) -> storage::Result<()> {
    let listed = match directory.entries() {
        Ok(listed) => listed,
        Err(code) if code.is_absence() => return Ok(()),
        Err(code) => return Err(failed("list", path)(code)),
    };
    let mut passed_over = 0;
    for entry in listed {
        match entry {
            Ok((name, kind)) => done(name, kind)?,
            // The host looks at each, and this one went before it could, since others write and
            // remove; or it has a name that is not text, and so not one of the registry's.
            Err(Code::NoEntry | Code::IllegalByteSequence) if passed_over < PASSED_OVER_MAX => {
                passed_over += 1;
            }
            Err(code) => return Err(failed("list", path)(code)),
        }
    }
    Ok(())
}

impl<D: Disk> Tree for Directory<D> {
    fn names(
        &self,
        prefix: &str,
        limit: usize,
        is_wanted: &dyn Fn(&str) -> bool,
    ) -> storage::Result<Vec<String>> {
        let path = self.path(prefix)?;
        self.least(&path, limit, &mut |mut name, kind| {
            // What is not a part of a key was put there by another program.
            if is_temporary(&name) || check_key(&name).is_err() {
                return Ok(None);
            }
            if self.is_directory(&path, &name, kind)? {
                name.push('/');
            }
            Ok(is_wanted(&name).then_some(name))
        })
    }

    fn look(&self, key: &str) -> storage::Result<Option<BlobInfo>> {
        self.blob(&self.path(key)?)
    }
}
