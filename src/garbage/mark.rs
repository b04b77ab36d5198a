//! The mark of a batch: what is about to be removed, from before the first removal until after the last.
//!
//! Its value is the time, 8 bytes big-endian, and then the SHA-256 of each content.

use super::outside::Outside;
use crate::layout;
use lighter_hash::{Algorithm, Digest};
use lighter_storage::{Result, Storage};

/// From which age a mark is that of a process that died, in seconds.
const EXPIRY: u64 = 120;

/// How long after the mark a removal may begin, in seconds. It takes effect before the mark expires, even if the call takes
/// a minute and the clocks differ by half a minute.
const LATEST: u64 = 10;

/// The SHA-256 of content, as bytes.
pub type Id = [u8; 32];

/// Reads the SHA-256 that a canonical digest names. Returns `None` for a SHA-512.
pub fn id(canonical: &Digest) -> Option<Id> {
    if canonical.algorithm() != Algorithm::Sha256 {
        return None;
    }
    let (mut id, mut hex) = ([0; 32], canonical.hex().as_bytes().chunks_exact(2));
    for byte in &mut id {
        *byte = u8::from_str_radix(str::from_utf8(hex.next()?).ok()?, 16).ok()?;
    }
    Some(id)
}

/// The mark of a batch that this process has begun.
#[derive(Debug)]
pub struct Mark {
    name: String,
    since: u64,
}

impl Mark {
    /// Sets a mark, for a collection or whoever else removes something.
    pub fn set<S: Storage>(storage: &S, outside: &dyn Outside, of: &str, ids: &[Id]) -> Result<Self> {
        let mark = Self { name: format!("{of}.{}", outside.fresh_name()), since: outside.now() };
        let mut value = mark.since.to_be_bytes().to_vec();
        value.extend(ids.iter().flatten());
        storage.set(&layout::collection_batch(&mark.name), &value)?;
        Ok(mark)
    }

    /// How long ago it was set, in seconds. Counts from before the call that set it.
    pub fn age(&self, outside: &dyn Outside) -> u64 {
        // A clock that was set back tells nothing.
        outside.now().checked_sub(self.since).unwrap_or(u64::MAX)
    }

    /// Whether it is too late to remove anything under it.
    pub fn is_late(&self, outside: &dyn Outside) -> bool {
        self.age(outside) > LATEST
    }

    /// Removes the mark.
    pub fn remove<S: Storage>(self, storage: &S) -> Result<()> {
        storage.delete_prefix(&layout::collection(&self.name))
    }
}

/// A mark, as another process sees it.
#[derive(Debug)]
pub struct Seen(Vec<u8>);

impl Seen {
    /// Reads the mark of a batch in a look. Returns `None` if the batch has ended.
    pub fn read<S: Storage>(storage: &S, name: &str) -> Result<Option<Self>> {
        Ok(storage.get(&layout::collection_batch(name))?.map(Self))
    }

    /// Whether it names some content.
    pub fn names(&self, ids: &[Id]) -> bool {
        self.0.get(8..).unwrap_or_default().chunks_exact(32).any(|named| ids.iter().any(|id| *id == named))
    }

    /// Whether whoever set it has died, or has no clock that could be relied on.
    pub fn is_dead(&self, now: u64) -> bool {
        let time = self.0.first_chunk().map_or(0, |time| u64::from_be_bytes(*time));
        now.abs_diff(time) > EXPIRY
    }
}
