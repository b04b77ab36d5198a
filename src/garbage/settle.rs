//! What a request does after it has made a reference: it looks, and unless all is quiet it makes sure that no collector has
//! missed the reference.

use core::time::Duration;

use super::look::Look;
use super::mark::{Id, Seen};
use super::outside::Outside;
use crate::layout;
use lighter_storage::{Error, Result, Storage};

/// How often it is looked whether a batch has ended.
const POLL: Duration = Duration::from_millis(100);

/// How often a request that is disturbed begins again.
const ROUNDS: u32 = 100;

/// A reference that a request has just made.
pub trait Reference {
    /// The content that it is about: what it refers to, and what it has stored.
    fn ids(&self) -> Result<Vec<Id>>;
    /// The name and the value of an entry in the journal of a collection. None if a batch that begins later removes nothing that
    /// this reference keeps: a blob is kept by its age alone.
    fn entry(&self) -> Option<(String, String)>;
    /// Whether everything that it refers to is there.
    fn is_whole(&self) -> Result<bool>;
    /// Writes the reference again, if it is gone. Returns whether it was there.
    fn renew(&self) -> Result<bool>;
}

/// Makes sure of a reference that was made after a check at the time `since`, in seconds since 1970. Returns whether everything
/// that it refers to is there, and stays: otherwise the request came too late.
pub fn settle<S: Storage>(
    storage: &S,
    outside: &dyn Outside,
    since: u64,
    reference: &dyn Reference,
) -> Result<bool> {
    let mut look = Look::take(storage)?;
    if look.is_quiet(since) {
        return Ok(true);
    }
    let mut told: Vec<String> = Vec::new();
    for _ in 0..ROUNDS {
        let (ids, entry) = (reference.ids()?, reference.entry());
        if let Some((name, value)) = &entry {
            let untold: Vec<&String> = look.announced.iter().filter(|id| !told.contains(id)).collect();
            for id in &untold {
                storage.set(&layout::collector_entry(id, name), value.as_bytes())?;
            }
            if !untold.is_empty() {
                told.append(&mut look.announced);
                // A batch whose mark is not in this look finds the entry.
                look = Look::take(storage)?;
            }
        }
        for batch in &look.batches {
            while is_in_progress(storage, outside, batch, &ids)? {
                outside.pause(POLL);
            }
        }
        if !reference.is_whole()? {
            return Ok(false);
        }
        // What a digest stands for may have come into being meanwhile.
        if reference.ids()? != ids {
            continue;
        }
        if entry.is_some() {
            look = Look::take(storage)?;
            let is_told = look.announced.iter().all(|id| told.contains(id));
            if !is_told || is_any_in_progress(storage, outside, &look, &ids)? {
                continue;
            }
        }
        if reference.renew()? {
            return Ok(true);
        }
        // It has been written again, and the look comes after that.
        look = Look::take(storage)?;
    }
    let busy = "collections of garbage have removed again and again what was pushed; let one end before the next begins";
    Err(Error::Other(busy.to_owned()))
}

fn is_any_in_progress<S: Storage>(
    storage: &S,
    outside: &dyn Outside,
    look: &Look,
    ids: &[Id],
) -> Result<bool> {
    for batch in &look.batches {
        if is_in_progress(storage, outside, batch, ids)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a batch may still remove some of this content.
fn is_in_progress<S: Storage>(storage: &S, outside: &dyn Outside, batch: &str, ids: &[Id]) -> Result<bool> {
    let Some(mark) = Seen::read(storage, batch)? else { return Ok(false) };
    Ok(mark.names(ids) && !mark.is_dead(outside.now()))
}
