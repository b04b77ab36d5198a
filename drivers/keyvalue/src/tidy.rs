//! What removals and crashes leave, and how it goes: chunks that are of no blob (see `blob`), and entries of the index
//! whose value or blob is gone.
//!
//! An entry is doubted first, by a mark of its own in the page, and only then is it looked again whether there is a
//! value. A writer stores its value before it looks at the page. So if it saw the entry, the value is found, and the
//! entry is as it was; if it saw the doubt, which is none for it, it adds the entry once more, which no one doubts.
//! Readers see what is doubted, so that nothing is hidden by one who crashes; and a deletion marks it like any entry.
//! The mark is another one each time: who stood still for long takes nothing away that was doubted by another since.
//!
//! Pages stay, though nothing is in them: that writers need not look at each page up to the root rests on that.

use lighter_storage::{Result, Tidied};

use crate::blob::{self, Remains};
use crate::bucket::Bucket;
use crate::index;
use crate::key::{Kind, stored};
use crate::page::Page;

/// Stands between a directory and an entry, in a position. No key has it.
const ENTRY: char = '#';

/// The last segment of the key of most blobs.
const DATA: &str = "data";

/// Takes a step through the pages of the index: each one's entries, and then the pages below it.
pub(crate) fn tidy(
    bucket: &impl Bucket,
    after: Option<&str>,
    limit: u32,
    age: u64,
    dry_run: bool,
) -> Result<Tidied> {
    let after = after.map(|after| after.split_once(ENTRY).unwrap_or((after, "")));
    let mut step = Step { bucket, age, dry_run, left: limit.max(1) as usize, tidied: Tidied::default() };
    if step.look_through("", after)? {
        step.tidied.next = None;
    }
    Ok(step.tidied)
}

struct Step<'a, B> {
    bucket: &'a B,
    age: u64,
    dry_run: bool,
    /// How many names may still be looked at.
    left: usize,
    tidied: Tidied,
}

impl<B: Bucket> Step<'_, B> {
    /// Looks through a page and those below it. `after` is where to go on: a directory at or below this one, relative
    /// to it, and an entry in its page. Returns whether that was all.
    fn look_through(&mut self, directory: &str, after: Option<(&str, &str)>) -> Result<bool> {
        if after.is_none() {
            if self.left == 0 {
                return Ok(false);
            }
            self.looked_at(directory, "");
        }
        let Some(page) = index::page(self.bucket, directory)? else { return Ok(true) };
        let (below, entry) = after.unwrap_or_default();
        // One that is closed is a deletion's.
        if below.is_empty() && page.closed_at().is_none() && !self.look_at_entries(directory, &page, entry)? {
            return Ok(false);
        }
        let (begun, rest) = below.split_once('/').unwrap_or((below, ""));
        let mut names: Vec<&str> = page.live().filter_map(|entry| entry.strip_suffix('/')).collect();
        names.retain(|name| *name >= begun);
        names.sort_unstable();
        names.dedup();
        for name in names {
            let after = (!begun.is_empty() && name == begun).then_some((rest, entry));
            if !self.look_through(&key(directory, name), after)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Looks at the entries of values and blobs in a page after one of them. Returns whether these were all.
    fn look_at_entries(&mut self, directory: &str, page: &Page, after: &str) -> Result<bool> {
        let mut entries: Vec<&str> =
            page.live().filter(|entry| *entry > after && !entry.ends_with('/')).collect();
        entries.sort_unstable();
        entries.dedup();
        let is_all = entries.len() <= self.left;
        entries.truncate(self.left);
        let (mut suspect, mut gone) = (Vec::new(), 0);
        for entry in entries {
            let is_gone = !self.is_there(directory, entry)?;
            gone += usize::from(is_gone);
            // Also what is doubted by another, who has perhaps crashed.
            if is_gone || !page.has(entry) {
                suspect.push(entry.to_owned());
            }
            self.looked_at(directory, entry);
        }
        if !self.dry_run && !suspect.is_empty() {
            gone = self.take_out(directory, &suspect)?;
        }
        self.tidied.removed += gone as u64;
        Ok(is_all)
    }

    fn looked_at(&mut self, directory: &str, entry: &str) {
        self.left = self.left.saturating_sub(1);
        self.tidied.next = Some(format!("{directory}{ENTRY}{entry}"));
    }

    /// Whether an entry leads to a value or a blob. Chunks that a crash has left there go.
    fn is_there(&mut self, directory: &str, entry: &str) -> Result<bool> {
        let key = key(directory, entry);
        let is_value = || self.bucket.exists(&stored(Kind::Value, &key));
        if entry.rsplit('/').next() != Some(DATA) && is_value()? {
            return Ok(true);
        }
        let Remains { stays, chunks, bytes } = blob::tidy(self.bucket, &key, self.age, self.dry_run)?;
        self.tidied.removed += chunks;
        self.tidied.bytes += bytes;
        Ok(stays || is_value()?)
    }

    /// Takes entries out of a page, which are sorted, but for those that lead to something by now. Returns how many
    /// went.
    fn take_out(&mut self, directory: &str, entries: &[String]) -> Result<usize> {
        let bucket = self.bucket;
        let is_one = |entry: &str| entries.binary_search_by(|one| one.as_str().cmp(entry)).is_ok();
        let mark = bucket.fresh_name();
        index::swap(bucket, directory, |page| {
            (page.closed_at().is_none() && page.live().any(is_one)).then(|| page.doubt(&mark, is_one))
        })?;
        let page = index::page(bucket, directory)?.unwrap_or_default();
        // In byte order, as they were doubted.
        let mut gone = Vec::new();
        for entry in page.doubted(&mark) {
            if !self.is_there(directory, entry)? {
                gone.push(entry);
            }
        }
        for round in 0..index::TRIES {
            let is_settled =
                index::page(bucket, directory)?.is_none_or(|page| page.doubted(&mark).count() == 0);
            if is_settled {
                return Ok(gone.len());
            }
            index::swap(bucket, directory, |page| {
                Some(page.settle(&mark, |entry| gone.binary_search(&entry).is_ok()))
            })?;
            bucket.pause(round);
        }
        Err(index::contended(directory))
    }
}

/// What an entry of a page stands for.
fn key(directory: &str, entry: &str) -> String {
    if directory.is_empty() { entry.to_owned() } else { format!("{directory}/{entry}") }
}
