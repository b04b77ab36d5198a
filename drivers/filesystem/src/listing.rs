//! Pages of the names in a directory that have a value below them.
//!
//! A directory can only be read whole, and in no order, however few of its names a page has. So what was read is kept,
//! and the next page is taken from it if the directory is certainly as it was: it has the same time, size and number of
//! links, and when it was looked at before it was read, that time was settled. A time is settled once it is further back
//! than the steps that a file system's times are counted in: from then on, each name that comes or goes gives the
//! directory another time.
//!
//! What is below a name changes without the directory:
//! - A value comes. So a name that had none is looked at on each page.
//! - A value goes. `delete_prefix` takes its name away as well before it returns, and the contract lets a value that was
//!   removed alone be listed. A crash, of another program too, may leave the name without its value: such a name may
//!   be listed for as long as a listing is kept.
//! - What a symbolic link leads to is looked at on each page.
//!
//! Where a file system gives directories no times (FAT on Windows), a page may be as old as a kept listing.

use crate::directory::Directory;
use crate::disk::{Code, Disk, Kind, Links, Stat};
use crate::error::failed;
use lighter_storage::{self as storage, Having, check_key};

/// The most names that are kept, unless one page has more. The tests have few.
const NAMES: usize = if cfg!(test) { 16 } else { 16 * 1024 };

/// For how long they are kept, in seconds.
const KEPT: u64 = 10;

/// How far back a time is settled, in seconds. The coarsest times are those of FAT, which count every other second.
const SETTLED: u64 = 2;

/// Names that are next to each other in a directory.
pub(crate) struct Listing {
    path: String,
    leaf: String,
    /// The directory before it was read.
    directory: Stat,
    /// When it was looked at, in seconds.
    looked: u64,
    /// The name that comes before the first one.
    after: Option<String>,
    /// In byte order.
    names: Vec<Name>,
    /// Whether none come after the last one.
    is_last: bool,
}

/// A name that may have a value below it.
struct Name {
    text: String,
    is_link: bool,
    /// How many bytes the value has, if it was seen and cannot go without the directory's changing.
    size: Option<u64>,
}

impl Listing {
    /// Whether it is of this directory as it is now.
    fn is_of(&self, path: &str, leaf: &str, directory: &Stat, now: u64) -> bool {
        self.path == path
            && self.leaf == leaf
            && self.directory == *directory
            && now.abs_diff(self.looked) < KEPT
    }

    /// Whether it has the names that come after one, the first of them at least.
    fn continues(&self, after: Option<&str>) -> bool {
        let begins = self.after.as_deref() <= after;
        begins && (self.is_last || self.names.last().is_some_and(|last| Some(&*last.text) > after))
    }

    /// Whether it may be of use again.
    fn is_settled(&self) -> bool {
        let modified = self.directory.modified;
        // Both are rounded down.
        modified > 0 && self.looked > modified.saturating_add(SETTLED)
    }
}

impl<D: Disk> Directory<D> {
    /// Lists at most `limit` directories in a directory that have a file at `leaf` below them, and its size, in byte order,
    /// after a name. Only the files of the page are looked at.
    pub(crate) fn having(
        &self,
        path: &str,
        leaf: &str,
        after: Option<&str>,
        limit: u32,
    ) -> storage::Result<Vec<Having>> {
        let limit = limit as usize;
        // Before the directory: whatever happens to it after this look gives it a time from now on.
        let now = self.disk.now();
        let directory = self.stat(path).map_err(failed("list", path))?;
        let Some(directory) = directory.filter(|stat| stat.kind == Kind::Directory) else {
            return Ok(Vec::new());
        };
        let kept = self.listing.lock().ok().and_then(|mut kept| kept.take());
        let mut kept = kept.filter(|listing| listing.is_of(path, leaf, &directory, now));
        let (mut found, mut after) = (Vec::new(), after.map(str::to_owned));
        while found.len() < limit {
            let mut listing = match kept.take().filter(|listing| listing.continues(after.as_deref())) {
                Some(listing) => listing,
                None => self.names_after(path, leaf, after.clone(), limit, directory, now)?,
            };
            let begin = listing.names.partition_point(|name| Some(&*name.text) <= after.as_deref());
            for name in listing.names.iter_mut().skip(begin) {
                if found.len() == limit {
                    break;
                }
                let size = match name.size {
                    None => self.size_below(path, &name.text, leaf)?,
                    known => known,
                };
                name.size = size.filter(|_| !name.is_link);
                found.extend(size.map(|size| (name.text.clone(), size)));
            }
            let is_last = listing.is_last;
            after = listing.names.last().map(|name| name.text.clone());
            kept = Some(listing);
            if is_last {
                break;
            }
        }
        if let (Ok(mut place), Some(listing)) = (self.listing.lock(), kept.filter(Listing::is_settled)) {
            *place = Some(listing);
        }
        Ok(found)
    }

    /// Reads the names after one, as many as a page has, or more.
    fn names_after(
        &self,
        path: &str,
        leaf: &str,
        after: Option<String>,
        limit: usize,
        directory: Stat,
        looked: u64,
    ) -> storage::Result<Listing> {
        let most = limit.max(NAMES);
        let names = self.least(path, most, &mut |text, kind| {
            // What a link leads to is found out with the value. Nothing that the registry has stored is below another name.
            let may_be = matches!(kind, Kind::Directory | Kind::Link)
                && after.as_deref() < Some(&text)
                && check_key(&text).is_ok();
            Ok(may_be.then_some((text, kind == Kind::Link)))
        })?;
        let is_last = names.len() < most;
        let names = names.into_iter().map(|(text, is_link)| Name { text, is_link, size: None }).collect();
        Ok(Listing { path: path.to_owned(), leaf: leaf.to_owned(), directory, looked, after, names, is_last })
    }

    /// Returns the size of the file at `leaf` below a name in a directory, or none.
    fn size_below(&self, path: &str, name: &str, leaf: &str) -> storage::Result<Option<u64>> {
        let below = [path, name, leaf].join("/");
        match self.disk.stat(&below, Links::Follow) {
            Ok(stat) => Ok((stat.kind == Kind::File).then_some(stat.size)),
            // It leads out of what the host gives.
            Err(Code::NotPermitted) => Ok(None),
            Err(code) if code.is_absence() => Ok(None),
            Err(code) => Err(failed("stat", &below)(code)),
        }
    }
}
