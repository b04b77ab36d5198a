//! The proof of how many bytes of an upload are durably stored.
//!
//! The size of what is stored proves nothing. After a loss of power a file may have its new size without the
//! bytes: ext4 keeps the one and loses the others. After a sync that failed, Linux takes the pages for written:
//! the next sync succeeds, and reads return the right bytes until the machine restarts. So an offset counts as proven
//! only by something that was written after a successful sync:
//!
//! - a hash state that is kept under that offset, is complete, and covers as many bytes as its name says. It is
//!   stored after the bytes are durable, and before the upload is released;
//! - the `_state` that a client sends, which was signed at that time.
//!
//! Some drivers prove uploads themselves: they keep the number of bytes and the hash in one record. Then nothing has to be
//! found out.
//!
//! The largest of these offsets that is not beyond the stored size counts. The next writer drops any bytes beyond it
//! before it appends. No answer reports or signs a larger offset, not even while another request is writing, because that
//! request's bytes may still be lost.
//!
//! # Hash states after a cut
//!
//! A hash state beyond the end would become wrong when the upload grows to that size again, with other bytes. A cut
//! leaves none: it ends at or after the largest valid state of SHA-256, and removes the states beyond it, which are
//! damaged, or of SHA-512 only because the crash took those of SHA-256. Another request cannot store such a state later
//! either, because it does so only while it holds the upload.
//!
//! A client may still have a `_state` with an offset beyond a cut, if it used an older one after a crash that took the
//! hash states. That offset counts again when the upload is that long. Its bytes are then those that the client sent last,
//! and the digest decides.

use std::collections::BinaryHeap;

use crate::layout;
use crate::repository::Repository;
use lighter_hash::{Algorithm, Hasher};
use lighter_storage::{Result, Storage, Upload as _};

/// The number of hash states that are listed at a time.
const LISTED: u32 = 1000;

/// The end of the bytes that are proven.
pub struct Proof {
    /// The number of bytes that are proven.
    pub offset: u64,
    /// The SHA-256 of these bytes, if it was stored.
    pub sha256: Option<Hasher>,
}

/// Finds how many of the `size` stored bytes of an upload are proven. `signed` is the offset that the client's `_state`
/// names. It takes a single read if a hash of `size` bytes is stored; all hash states are listed only if neither that nor
/// the `_state` proves the size.
fn find<S: Storage>(repository: &Repository<S>, id: &str, size: u64, signed: Option<u64>) -> Result<Proof> {
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

/// Finds how many of the bytes of an upload that a writer has opened are proven.
pub fn find_open<S: Storage>(
    repository: &Repository<S>,
    id: &str,
    writer: &S::Upload,
    signed: u64,
) -> Result<Proof> {
    let offset = writer.offset();
    if repository.storage().proves_uploads() {
        let sha256 = open_hash(repository, id, writer, Algorithm::Sha256)?;
        return Ok(Proof { offset, sha256 });
    }
    find(repository, id, offset, Some(signed))
}

/// Returns the stored hash of all bytes of an upload that a writer has opened, if there is one.
pub fn open_hash<S: Storage>(
    repository: &Repository<S>,
    id: &str,
    writer: &S::Upload,
    algorithm: Algorithm,
) -> Result<Option<Hasher>> {
    let offset = writer.offset();
    if offset == 0 || !repository.storage().proves_uploads() {
        return kept_hash(repository, id, algorithm, offset);
    }
    let state = writer.note(&layout::upload_hash_state(repository.name(), id, algorithm, offset))?;
    Ok(state.and_then(|state| Hasher::from_state(algorithm, &state, offset)))
}

/// Returns how many bytes of an upload are proven, as [`find`] does, or `None` if there is no such upload.
/// A client with the newest `_state` costs no further read.
pub fn received<S: Storage>(
    repository: &Repository<S>,
    id: &str,
    signed: Option<u64>,
) -> Result<Option<u64>> {
    let storage = repository.storage();
    match storage.received(&layout::upload_data(repository.name(), id))? {
        Some(size) if signed == Some(size) || storage.proves_uploads() => Ok(Some(size)),
        Some(size) => Ok(Some(find(repository, id, size, signed)?.offset)),
        None => Ok(None),
    }
}

/// Returns the stored hash of an upload's first `offset` bytes, if there is one.
fn kept_hash<S: Storage>(
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

/// Removes the hash states beyond the offset that an upload is about to be cut to.
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

/// The offsets of the stored hash states, in any order.
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
