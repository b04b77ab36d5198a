//! The index: for each prefix a page of the names that are directly under it, so that listing reads
//! one value.
//!
//! An entry is `name/` where further pages follow, or `name/leaf` for the value itself. So a
//! prefix that has nothing but values has no page of its own, and of a thousand such prefixes one swap
//! marks all and one takes all away. That counts: for each swap, Spin connects to Redis anew.
//!
//! A page changes only by a swap, and the one that swaps reads it until the change is there. It is first
//! stored by [`cell::create`]. The pages of a key form a chain, from the lowest, which has the value's entry, up to
//! the root. These orders keep it whole:
//!
//! - A deletion marks the name in the page above it, so that writers no longer see it, and only then walks down
//!   through what is under the name, from page to page.
//! - A writer stores its value first. Then it sees to the pages from the bottom up, one after the other, and each
//!   has its entry when it turns to the next. So if a deletion marks a name after the writer saw it, the deletion
//!   finds the writer's entries below, and deletes the value. If it marked the name before, then another has
//!   added the name again, and the writer's entries below either came after the deletion had closed
//!   their pages, or the deletion found them, too.
//! - A page is created only once the page above has its entry. Where names are never deleted, that is so for ever.
//!   So the writer goes up no further than to the highest page that names are deleted from: to `tags`, for a
//!   tag. Which pages these are, a deletion writes down before it marks anything, and the writer reads last.
//!
//! What an entry promises is therefore looked at with every value that is stored, and a chain that broke in
//! a crash, or by an earlier version, is whole again when one of its values is stored. What is written and
//! deleted at once may leave a name that has nothing under it; no name is lost.
//!
//! Under the name, each page is closed by a swap, which makes marks of all that was in it, and is
//! removed once that is deleted. While it deletes, a deletion shows signs of life on the pages that it has
//! closed. A writer that meets a closed page waits until it is gone, and opens it again if there was no sign of
//! life for a while. After a crash, the marks say what is left to be deleted.
//!
//! One thing is taken for granted of time: from the last look at the clock, the two calls that remove a page, and
//! the one that stores a new page, are done before another counts their caller as crashed.
//!
//! `tests/names.rs` explores all this.

use lighter_storage::{Error, Result};

use crate::bucket::Bucket;
use crate::cell;
use crate::key::{Kind, split, stored};
use crate::page::Page;
use crate::time::RENEWAL;

const KIND: Kind = Kind::Index;

/// The names of directories that names are deleted from, as the registry does it: a tag, an upload. Earlier
/// versions deleted without saying where.
const DELETED_FROM: [&str; 2] = ["_uploads", "tags"];

/// A page of such names that are others, each behind a `/`. It is of no directory.
const OTHERS_DELETED_FROM: &str = "~deleted-from";

/// How many values are deleted before it is looked whether it is time for a sign of life.
const BETWEEN_SIGNS: usize = 64;

/// How often a change is tried while others change the same page. Each time one of them succeeds.
pub(crate) const TRIES: u32 = 1000;

/// Lists the names of prefixes directly under a prefix, in byte order, after one.
pub(crate) fn list(
    bucket: &impl Bucket,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>> {
    let page = page(bucket, prefix)?.unwrap_or_default();
    let names = page.prefixes().into_iter().filter(|name| after.is_none_or(|after| *name > after));
    Ok(names.take(limit as usize).map(str::to_owned).collect())
}

/// Lists the names of values directly under a prefix, in byte order, after one. They are in the page that
/// the prefix is in.
pub(crate) fn values(
    bucket: &impl Bucket,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>> {
    let (directory, name) = split(prefix);
    let page = page(bucket, directory)?.unwrap_or_default();
    let names = page.values(name).into_iter().filter(|name| after.is_none_or(|after| *name > after));
    Ok(names.take(limit as usize).map(str::to_owned).collect())
}

/// Makes sure that a value or a blob which was just stored is found under every prefix of its key.
pub(crate) fn add(bucket: &impl Bucket, key: &str) -> Result<()> {
    let (prefix, leaf) = split(key);
    if prefix.is_empty() {
        return add_entry(bucket, "", leaf.to_owned());
    }
    let (directory, name) = split(prefix);
    add_entry(bucket, directory, format!("{name}/{leaf}"))
}

/// Adds an entry to a page, and to the pages above the name of the one below.
fn add_entry(bucket: &impl Bucket, directory: &str, entry: String) -> Result<()> {
    let levels = levels(directory, entry);
    // From the bottom up: each one is seen to be there after those below it.
    let mut seen = 0;
    let mut deletable = highest(&levels, |name| DELETED_FROM.contains(&name));
    loop {
        while seen <= deletable {
            establish(bucket, levels.get(seen..).unwrap_or_default())?;
            seen += 1;
        }
        let others = page(bucket, OTHERS_DELETED_FROM)?.unwrap_or_default();
        deletable = highest(&levels, |name| others.has(&format!("/{name}")));
        if seen > deletable {
            return Ok(());
        }
    }
}

/// Pages from the bottom up, each with the entry that leads to the one below.
fn levels(mut directory: &str, mut entry: String) -> Vec<(&str, String)> {
    let mut levels = Vec::new();
    while !directory.is_empty() {
        let (parent, name) = split(directory);
        levels.push((directory, core::mem::replace(&mut entry, format!("{name}/"))));
        directory = parent;
    }
    levels.push((directory, entry));
    levels
}

/// The number of the highest page whose own name is one of some, or of the lowest page.
fn highest(levels: &[(&str, String)], is_one: impl Fn(&str) -> bool) -> usize {
    levels.iter().rposition(|(directory, _)| is_one(split(directory).1)).unwrap_or(0)
}

/// Makes sure that the first of some pages has its entry. If it has not, those above get theirs before.
fn establish(bucket: &impl Bucket, levels: &[(&str, String)]) -> Result<()> {
    let Some(((directory, entry), above)) = levels.split_first() else { return Ok(()) };
    let found = page(bucket, directory)?;
    if found.as_ref().is_some_and(|page| page.has(entry)) {
        return Ok(());
    }
    establish(bucket, above)?;
    insert(bucket, directory, entry, found)
}

/// Adds an entry to a page that is as it was found, or has changed since.
fn insert(bucket: &impl Bucket, directory: &str, entry: &str, mut found: Option<Page>) -> Result<()> {
    for round in 0..TRIES {
        match found {
            Some(page) if page.has(entry) => return Ok(()),
            Some(page) if is_being_removed(bucket, &page) => bucket.pause(round),
            Some(_) => {
                swap(bucket, directory, |page| {
                    (!is_being_removed(bucket, &page) && !page.has(entry)).then(|| page.with(entry))
                })?;
                bucket.pause(round);
            }
            None => {
                let first = Page::default().with(entry).into_bytes();
                if cell::create(bucket, KIND, directory, &first)? {
                    return Ok(());
                }
            }
        }
        found = page(bucket, directory)?;
    }
    Err(contended(directory))
}

/// Deletes several values.
type Delete<'a> = dyn Fn(&[String]) -> Result<()> + 'a;

/// Takes a prefix and all that is under it out of the index. `delete` deletes values.
pub(crate) fn remove<B: Bucket>(bucket: &B, prefix: &str, delete: &Delete<'_>) -> Result<()> {
    let (directory, name) = split(prefix);
    let is_under = |entry: &str| entry.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    let own = split(directory).1;
    if !DELETED_FROM.contains(&own) {
        let is_known = page(bucket, directory)?.is_some_and(|page| page.entries().any(is_under));
        if !is_known && page(bucket, prefix)?.is_none() {
            return Ok(());
        }
        insert(bucket, OTHERS_DELETED_FROM, &format!("/{own}"), page(bucket, OTHERS_DELETED_FROM)?)?;
    }
    // Even if it is not shown: what a crash has left there goes too.
    let mut entries = vec![format!("{name}/")];
    for round in 0..TRIES {
        let found = page(bucket, directory)?.unwrap_or_default();
        entries.extend(found.entries().filter(|entry| is_under(entry)).map(str::to_owned));
        sort(&mut entries);
        if !found.live().any(is_under) {
            Removal { bucket, delete, closed: Vec::new() }.delete_under(directory, &entries)?;
            return forget(bucket, directory, &entries);
        }
        // No others than these: what marks an entry deletes what is under it, even if the mark is gone
        // by then, taken away by another who deletes it too, and who may not have seen what came under it
        // since.
        let is_one = |live: &str| is_one(&entries, live);
        swap(bucket, directory, |page| page.live().any(is_one).then(|| page.delete(is_one)))?;
        bucket.pause(round);
    }
    Err(contended(directory))
}

/// A deletion at work under a prefix, which its parent does not show any more.
struct Removal<'a, B> {
    bucket: &'a B,
    delete: &'a Delete<'a>,
    /// The pages that it has closed, one under the other.
    closed: Vec<(String, Page)>,
}

impl<B: Bucket> Removal<'_, B> {
    /// Deletes all that is under a prefix.
    fn clear(&mut self, prefix: &str) -> Result<()> {
        let bucket = self.bucket;
        for round in 0..TRIES {
            let Some(found) = page(bucket, prefix)? else { return Ok(()) };
            let mut entries: Vec<String> = found.entries().map(str::to_owned).collect();
            sort(&mut entries);
            if is_being_removed(bucket, &found) {
                // By another. All the same, what was under it is gone when this returns.
                return self.delete_under(prefix, &entries);
            }
            let closed = Page::closed(&bucket.fresh_name(), bucket.now(), &entries);
            swap(bucket, prefix, |page| (page == found).then(|| closed.clone()))?;
            if page(bucket, prefix)?.as_ref() != Some(&closed) {
                bucket.pause(round);
                continue;
            }
            self.closed.push((prefix.to_owned(), closed));
            self.delete_under(prefix, &entries)?;
            if self.take_away(prefix)? {
                return Ok(());
            }
        }
        Err(contended(prefix))
    }

    /// Removes the last page that was closed, unless another has changed it since.
    fn take_away(&mut self, prefix: &str) -> Result<bool> {
        loop {
            self.renew()?;
            let is_own = page(self.bucket, prefix)?.as_ref() == self.closed.last().map(|(_, page)| page);
            // The clock is looked at last, since one who stood still knows it by nothing else.
            let is_due = self.closed.last().is_none_or(|(_, page)| is_due(page, self.bucket.now()));
            if is_own && is_due {
                continue;
            }
            self.closed.pop();
            if is_own {
                cell::delete_known(self.bucket, KIND, prefix)?;
            }
            return Ok(is_own);
        }
    }

    /// Deletes what is under entries of a page.
    fn delete_under(&mut self, directory: &str, entries: &[String]) -> Result<()> {
        let mut values = Vec::new();
        for entry in entries {
            let key = if directory.is_empty() { entry.clone() } else { format!("{directory}/{entry}") };
            match key.strip_suffix('/') {
                Some(prefix) => self.clear(prefix)?,
                None => values.push(key),
            }
        }
        for values in values.chunks(BETWEEN_SIGNS) {
            self.renew()?;
            (self.delete)(values)?;
        }
        Ok(())
    }

    /// Shows a sign of life on each page that is closed, if it is time for one. One that another has changed
    /// stays as it is.
    fn renew(&mut self) -> Result<()> {
        for (directory, closed) in &mut self.closed {
            let now = self.bucket.now();
            let Some(renewed) = closed.renewed(now).filter(|_| is_due(closed, now)) else { continue };
            swap(self.bucket, directory, |page| (page == *closed).then(|| renewed.clone()))?;
            *closed = renewed;
        }
        Ok(())
    }
}

/// Whether it is time that one who has closed a page shows a sign of life.
fn is_due(closed: &Page, now: u64) -> bool {
    closed.closed_at().is_none_or(|time| now.abs_diff(time) >= RENEWAL)
}

/// Takes the marks of entries away, after what was under them.
fn forget(bucket: &impl Bucket, directory: &str, entries: &[String]) -> Result<()> {
    let is_one = |deleted: &str| is_one(entries, deleted);
    let has_marks = |page: &Page| !is_being_removed(bucket, page) && page.deleted().any(is_one);
    for round in 0..TRIES {
        if !page(bucket, directory)?.is_some_and(|page| has_marks(&page)) {
            return Ok(());
        }
        swap(bucket, directory, |page| has_marks(&page).then(|| page.forget(is_one)))?;
        bucket.pause(round);
    }
    Err(contended(directory))
}

fn sort(entries: &mut Vec<String>) {
    entries.sort_unstable();
    entries.dedup();
}

/// Whether an entry is one of several, which are sorted.
fn is_one(entries: &[String], entry: &str) -> bool {
    entries.binary_search_by(|one| one.as_str().cmp(entry)).is_ok()
}

pub(crate) fn page(bucket: &impl Bucket, directory: &str) -> Result<Option<Page>> {
    Ok(bucket.get(&stored(KIND, directory))?.map(|bytes| Page::read(&bytes)))
}

/// Whether a page was closed by one who has not crashed since, as far as time tells.
fn is_being_removed(bucket: &impl Bucket, page: &Page) -> bool {
    page.closed_at().is_some_and(|time| bucket.is_recent(time))
}

pub(crate) fn swap(
    bucket: &impl Bucket,
    directory: &str,
    change: impl Fn(Page) -> Option<Page>,
) -> Result<()> {
    bucket.swap(&stored(KIND, directory), &|bytes| change(Page::read(bytes)).map(Page::into_bytes))
}

pub(crate) fn contended(directory: &str) -> Error {
    Error::Other(format!("others keep changing the index of {directory:?}"))
}
