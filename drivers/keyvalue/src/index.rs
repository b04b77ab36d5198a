//! The index: for each prefix a page of the names that are directly under it, so that listing reads
//! one value.
//!
//! An entry is `name/` where further pages follow, or `name/leaf` for the value itself. So a
//! prefix that has nothing but values has no page of its own, and of a thousand such prefixes one swap
//! marks all and one takes all away. That counts: for each swap, Spin connects to Redis anew.
//!
//! A page changes only by a swap, and whoever swaps reads it until the change is there. It is first
//! stored by [`cell::create`]. Across pages, two orders keep a name from being lost:
//!
//! - A writer stores its value first and looks after it into the pages, from its own up to the first
//!   that has the name. What is missing it adds from the top down, and then looks again, from the
//!   bottom up, whether what it built on is still there.
//! - Whoever deletes marks the name first, so that writers no longer see it, and deletes after it what
//!   was under the name. So either it sees what the writer has added, or the writer sees the mark.
//!
//! What is written and deleted at once may leave a name that has nothing under it; none is ever lost.
//!
//! Under the name, each page is closed by a swap, which makes marks of all that was in it, and is
//! removed once that is deleted. A writer that meets a closed page waits for it to be gone, and opens it
//! again if nobody has removed it for a while. After a crash, the marks say what is left to be deleted.

use lighter_storage::{Error, Result};
use uuid::Uuid;

use crate::bucket::Bucket;
use crate::cell;
use crate::key::{split, stored};
use crate::page::Page;
use crate::time::pause;

const KIND: char = 'i';

/// How often a change is tried while others change the same page. Each time one of them succeeds.
const TRIES: u32 = 1000;

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

/// Makes sure that a value which was just stored is found under every prefix of its key.
pub(crate) fn add_value(bucket: &impl Bucket, key: &str) -> Result<()> {
    let (prefix, leaf) = split(key);
    if prefix.is_empty() {
        return add(bucket, "", leaf.to_owned());
    }
    let (directory, name) = split(prefix);
    add(bucket, directory, format!("{name}/{leaf}"))
}

/// Makes sure that the prefix which a blob is directly under is found.
pub(crate) fn add_prefix(bucket: &impl Bucket, prefix: &str) -> Result<()> {
    if prefix.is_empty() {
        return Ok(());
    }
    let (directory, name) = split(prefix);
    add(bucket, directory, format!("{name}/"))
}

fn add<'a>(bucket: &impl Bucket, mut directory: &'a str, mut entry: String) -> Result<()> {
    // The pages that lack a name, from the bottom up, and then the one that has it.
    let mut path: Vec<(&'a str, String)> = Vec::new();
    loop {
        let found = has(bucket, directory, &entry)?;
        path.push((directory, entry));
        if found || directory.is_empty() {
            break;
        }
        let (parent, name) = split(directory);
        (directory, entry) = (parent, format!("{name}/"));
    }
    loop {
        for (directory, entry) in path.iter().rev() {
            insert(bucket, directory, entry)?;
        }
        let mut complete = true;
        for (directory, entry) in path.iter().skip(1) {
            complete = complete && has(bucket, directory, entry)?;
        }
        if complete {
            return Ok(());
        }
    }
}

fn insert(bucket: &impl Bucket, directory: &str, entry: &str) -> Result<()> {
    for round in 0..TRIES {
        match page(bucket, directory)? {
            Some(page) if page.has(entry) => return Ok(()),
            Some(page) if page.is_being_removed() => pause(round),
            Some(_) => {
                swap(bucket, directory, |page| {
                    (!page.is_being_removed() && !page.has(entry)).then(|| page.with(entry))
                })?;
                pause(round);
            }
            None => {
                let first = Page::default().with(entry).into_bytes();
                if cell::create(bucket, KIND, directory, &first)? {
                    return Ok(());
                }
            }
        }
    }
    Err(contended(directory))
}

/// Takes a prefix and all that is under it out of the index. `delete` deletes values.
pub(crate) fn remove<B: Bucket>(bucket: &B, prefix: &str, delete: &Delete<'_>) -> Result<()> {
    let (directory, name) = split(prefix);
    let is_under = |entry: &str| entry.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'));
    // Even if it is not shown: what a crash has left there goes too.
    let mut entries = vec![format!("{name}/")];
    for round in 0..TRIES {
        let found = page(bucket, directory)?.unwrap_or_default();
        entries.extend(found.entries().filter(|entry| is_under(entry)).map(str::to_owned));
        sort(&mut entries);
        if !found.live().any(is_under) {
            delete_under(bucket, directory, &entries, delete)?;
            return forget(bucket, directory, &entries);
        }
        // No others than these: whoever marks an entry deletes what is under it, even if the mark is gone
        // by then, taken away by another who deletes it too, and who may not have seen what came under it
        // since.
        let is_one = |live: &str| is_one(&entries, live);
        swap(bucket, directory, |page| page.live().any(is_one).then(|| page.delete(is_one)))?;
        pause(round);
    }
    Err(contended(directory))
}

/// Deletes several values.
type Delete<'a> = dyn Fn(&[String]) -> Result<()> + 'a;

/// Deletes all that is under a prefix, which its parent does not show any more.
fn clear<B: Bucket>(bucket: &B, prefix: &str, delete: &Delete<'_>) -> Result<()> {
    for round in 0..TRIES {
        let Some(found) = page(bucket, prefix)? else { return Ok(()) };
        let mut entries: Vec<String> = found.entries().map(str::to_owned).collect();
        sort(&mut entries);
        if found.is_being_removed() {
            // By another. All the same, what was under it is gone when this returns.
            return delete_under(bucket, prefix, &entries, delete);
        }
        let closed = Page::closed(&Uuid::new_v4().simple().to_string(), &entries);
        let is_closed = || page(bucket, prefix).map(|page| page.as_ref() == Some(&closed));
        swap(bucket, prefix, |page| (page == found).then(|| closed.clone()))?;
        if !is_closed()? {
            pause(round);
            continue;
        }
        delete_under(bucket, prefix, &entries, delete)?;
        if closed.is_being_removed() && is_closed()? {
            return cell::delete(bucket, KIND, prefix);
        }
    }
    Err(contended(prefix))
}

/// Deletes what is under entries of a page.
fn delete_under<B: Bucket>(
    bucket: &B,
    directory: &str,
    entries: &[String],
    delete: &Delete<'_>,
) -> Result<()> {
    let mut values = Vec::new();
    for entry in entries {
        let key = if directory.is_empty() { entry.clone() } else { format!("{directory}/{entry}") };
        match key.strip_suffix('/') {
            Some(prefix) => clear(bucket, prefix, delete)?,
            None => values.push(key),
        }
    }
    delete(&values)
}

/// Takes the marks of entries away, after what was under them.
fn forget(bucket: &impl Bucket, directory: &str, entries: &[String]) -> Result<()> {
    let is_one = |deleted: &str| is_one(entries, deleted);
    let has_marks = |page: &Page| !page.is_being_removed() && page.deleted().any(is_one);
    for round in 0..TRIES {
        if !page(bucket, directory)?.is_some_and(|page| has_marks(&page)) {
            return Ok(());
        }
        swap(bucket, directory, |page| has_marks(&page).then(|| page.forget(is_one)))?;
        pause(round);
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

fn has(bucket: &impl Bucket, directory: &str, entry: &str) -> Result<bool> {
    Ok(page(bucket, directory)?.is_some_and(|page| page.has(entry)))
}

fn page(bucket: &impl Bucket, directory: &str) -> Result<Option<Page>> {
    Ok(bucket.get(&stored(KIND, directory))?.map(|bytes| Page::read(&bytes)))
}

fn swap(bucket: &impl Bucket, directory: &str, change: impl Fn(Page) -> Option<Page>) -> Result<()> {
    bucket.swap(&stored(KIND, directory), &|bytes| change(Page::read(bytes)).map(Page::into_bytes))
}

fn contended(directory: &str) -> Error {
    Error::Other(format!("others keep changing the index of {directory:?}"))
}
