//! A batch: the removal of what was found, under a mark that those see who make a reference to it.

use super::collection::Collection;
use super::mark::{Id, Mark};
use super::outside::Outside;
use crate::layout;
use crate::name::Name;
use lighter_hash::Digest;
use lighter_storage::{BlobInfo, Error, Result, Storage};

/// How much a batch has at most: its mark is a value of 16 KiB.
const BATCH: usize = 512;

/// How long a batch takes, in seconds: that long a client may have to wait.
const SHORT: u64 = 2;

/// How often in succession a batch may be late before it has removed anything.
const PATIENCE: u32 = 5;

/// How many names of the journal are listed at a time.
const LISTED: u32 = 1000;

/// What is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A repository's link.
    Link,
    /// An alias.
    Alias,
    /// The content itself.
    Content,
}

/// Something that is to be removed.
#[derive(Debug)]
pub(super) struct Removal {
    /// What it is.
    pub(super) what: What,
    /// Its key.
    pub(super) key: String,
    /// The content that it is about.
    pub(super) canonical: Digest,
    /// The same.
    pub(super) id: Id,
    /// The size of content in bytes.
    pub(super) size: u64,
}

impl<S: Storage, O: Outside> Collection<'_, S, O> {
    /// Removes a batch of what is pending, of which some may be left. Returns whether the collection is still announced.
    pub(super) fn batch(&mut self) -> Result<bool> {
        let Some(id) = self.id.clone() else {
            let found = core::mem::take(&mut self.pending);
            found.iter().for_each(|removal| self.count(removal.what, removal.size));
            return Ok(true);
        };
        let rest = self.pending.split_off(BATCH.min(self.pending.len()));
        let batch = core::mem::replace(&mut self.pending, rest);
        let mut ids: Vec<Id> = batch.iter().map(|removal| removal.id).collect();
        ids.dedup();
        let mark = Mark::set(self.storage, &self.outside, &id, &ids)?;
        self.read_journal(&id)?;
        // After the journal: the announcement goes first.
        if self.storage.get(&layout::collection_began(&id))?.is_none() {
            mark.remove(self.storage)?;
            return Ok(false);
        }
        let (mut batch, mut is_first) = (batch.into_iter(), true);
        for removal in batch.by_ref() {
            if self.referenced.covers(&removal.id) && !self.referenced.has(&removal.id) {
                let info = self.storage.stat(&layout::blob(&removal.canonical))?;
                if mark.is_late(&self.outside) {
                    self.pending.push(removal);
                    self.late = if is_first { self.late + 1 } else { 0 };
                    break;
                }
                self.remove(&removal, info)?;
                is_first = false;
            }
            if mark.age(&self.outside) >= SHORT {
                break;
            }
        }
        self.pending.extend(batch);
        mark.remove(self.storage)?;
        if self.late == PATIENCE {
            let slow = "ten seconds do not suffice to remove anything, several times: the storage is too slow to \
                        collect garbage safely";
            return Err(Error::Other(slow.to_owned()));
        }
        Ok(true)
    }

    fn remove(&mut self, removal: &Removal, info: Option<BlobInfo>) -> Result<()> {
        if info.is_some_and(|info| !self.is_old(&info)) {
            return Ok(());
        }
        match (removal.what, info) {
            // What a crash brings back is garbage as before, and found again.
            (What::Link | What::Alias, _) => self.storage.discard(&removal.key)?,
            (What::Content, Some(_)) => self.storage.discard_blob(&removal.key)?,
            (What::Content, None) => return Ok(()),
        }
        self.count(removal.what, info.map_or(0, |info| info.size));
        Ok(())
    }

    fn count(&mut self, what: What, size: u64) {
        let report = &mut self.progress.report;
        match what {
            What::Link => report.links += 1,
            What::Alias => report.aliases += 1,
            What::Content => (report.blobs, report.bytes) = (report.blobs + 1, report.bytes + size),
        }
    }

    /// Whether content is older than the grace period.
    pub(super) fn is_old(&self, info: &BlobInfo) -> bool {
        info.age.is_none_or(|age| age >= self.options.grace.as_secs())
    }

    /// Adds what was pushed since the journal was last read.
    fn read_journal(&mut self, id: &str) -> Result<()> {
        let prefix = layout::collector_journal(id);
        let mut after: Option<String> = None;
        loop {
            let names = self.storage.values(&prefix, after.as_deref(), LISTED)?;
            for hex in &names {
                let half = hex.get(..32).and_then(|half| u128::from_str_radix(half, 16).ok());
                let half = half.ok_or_else(|| Error::Other(format!("{prefix}/{hex} is not of a journal")))?;
                let Err(place) = self.journal.binary_search(&half) else { continue };
                // Where it was just removed, the announcement is gone too.
                let Some(entry) = self.storage.get(&layout::collector_entry(id, hex))? else { continue };
                let (name, digest) = read_entry(&entry)
                    .ok_or_else(|| Error::Other(format!("{prefix}/{hex} is not an entry of a journal")))?;
                self.add_manifest(&name, &digest)?;
                self.journal.insert(place, half);
            }
            if names.len() < LISTED as usize {
                self.referenced.merge();
                return Ok(());
            }
            after = names.last().cloned();
        }
    }
}

/// Reads what a pusher has written into a journal.
fn read_entry(entry: &[u8]) -> Option<(Name, Digest)> {
    let (name, digest) = str::from_utf8(entry).ok()?.split_once('@')?;
    Some((Name::parse(name).ok()?, Digest::parse(digest).ok()?))
}
