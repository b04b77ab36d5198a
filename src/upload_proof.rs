//! How far the bytes of an upload are proven to be stored.
//!
//! The size of what is stored proves nothing. After a loss of power a file may have its new size without the
//! bytes: ext4 keeps the one and loses the others. After a sync that failed, Linux takes the pages for written:
//! the next sync succeeds, and what is read is right until the machine starts again. So an offset is
//! believed if something was written down about it after a sync had succeeded:
//!
//! - a hash state that is kept under that offset, is whole, and is of as many bytes as its name says. Storage
//!   keeps it once the bytes are durable, and before it lets go of the upload;
//! - the `_state` that a client brings, which was signed at that time.
//!
//! It counts up to the size that is stored, and the largest one counts. Anything after it is dropped by the next
//! writer before it appends, and nothing is signed or told that goes beyond it: not while another request is
//! writing either, whose bytes may still be lost.
//!
//! # Hash states after a cut
//!
//! A state of more bytes than there are would lie as soon as the upload has grown to that size once more, with
//! other bytes. A cut leaves none: it ends at the largest state of SHA-256 that counts, or after it, and
//! removes those that lie behind, which are damaged, or of SHA-512 alone because the machine's crash took the other
//! one. A state that another request is about to keep cannot come later either, since it is kept
//! while that request holds the upload.
//!
//! A `_state` of more bytes than those after a cut may still be in a client's hands, if the client
//! came with an older one after a crash that took the states. It is believed again once the upload is that
//! long. Its bytes are then those that the client sent last, and the digest decides.

use std::collections::BinaryHeap;

use crate::layout;
use crate::repository::Repository;
use lighter_hash::{Algorithm, Hasher};
use lighter_storage::{Result, Storage};

/// How many hash states are listed at a time.
const LISTED: u32 = 1000;

/// The end of the bytes that are proven.
pub struct Proof {
    /// How many bytes are proven.
    pub offset: u64,
    /// The SHA-256 of these bytes, where it was kept.
    pub sha256: Option<Hasher>,
}

/// Finds out how many bytes of an upload are proven, of `size` that are stored. `signed` is the offset that
/// the client's `_state` names. One value is read if the hash was kept at that size; all that were kept are
/// listed only if neither it nor the `_state` proves the size.
pub fn find<S: Storage>(
    repository: &Repository<S>,
    id: &str,
    size: u64,
    signed: Option<u64>,
) -> Result<Proof> {
    if let Some(sha256) = kept_hash(repository, id, Algorithm::Sha256, size)? {
        return Ok(Proof { offset: size, sha256: Some(sha256) });
    }
    let signed = signed.filter(|signed| *signed <= size).unwrap_or(0);
    if signed < size {
        let mut offsets = kept_offsets(repository, id, Algorithm::Sha256)?;
        offsets.retain(|offset| (signed..size).contains(offset));
        let mut offsets = BinaryHeap::from(offsets);
        while let Some(offset) = offsets.pop() {
            if let Some(sha256) = kept_hash(repository, id, Algorithm::Sha256, offset)? {
                return Ok(Proof { offset, sha256: Some(sha256) });
            }
        }
    }
    let sha256 = (signed == 0).then(|| Hasher::new(Algorithm::Sha256));
    Ok(Proof { offset: signed, sha256 })
}

/// Returns how many bytes of an upload are proven, as [`find`] does, or none if there is no such upload.
/// The newest `_state` needs nothing beside it.
pub fn received<S: Storage>(
    repository: &Repository<S>,
    id: &str,
    signed: Option<u64>,
) -> Result<Option<u64>> {
    match repository.storage().received(&layout::upload_data(repository.name(), id))? {
        Some(size) if signed == Some(size) => Ok(Some(size)),
        Some(size) => Ok(Some(find(repository, id, size, signed)?.offset)),
        None => Ok(None),
    }
}

/// Returns the hash of the first bytes of an upload, if it was kept.
pub fn kept_hash<S: Storage>(
    repository: &Repository<S>,
    id: &str,
    algorithm: Algorithm,
    offset: u64,
) -> Result<Option<Hasher>> {
    if offset == 0 {
        return Ok(Some(Hasher::new(algorithm)));
    }
    let key = layout::upload_hash_state(repository.name(), id, algorithm, offset);
    let state = repository.storage().get(&key)?;
    Ok(state.and_then(|state| Hasher::from_state(algorithm, &state, offset)))
}

/// Removes what was kept of more bytes than an upload is about to have.
pub fn remove_beyond<S: Storage>(repository: &Repository<S>, id: &str, offset: u64) -> Result<()> {
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        for kept in kept_offsets(repository, id, algorithm)? {
            if kept > offset {
                let key = layout::upload_hash_state(repository.name(), id, algorithm, kept);
                repository.storage().delete(&key)?;
            }
        }
    }
    Ok(())
}

/// The offsets under which hash states are kept, in no order that counts.
fn kept_offsets<S: Storage>(repository: &Repository<S>, id: &str, algorithm: Algorithm) -> Result<Vec<u64>> {
    let prefix = layout::upload_hash_states(repository.name(), id, algorithm);
    let mut offsets = Vec::new();
    let mut after = None;
    loop {
        let names = repository.storage().values(&prefix, after.as_deref(), LISTED)?;
        offsets.extend(names.iter().filter_map(|name| name.parse::<u64>().ok()));
        if names.len() < LISTED as usize {
            return Ok(offsets);
        }
        after = names.last().cloned();
    }
}
