//! The lease of an upload: of all writers in all instances, one has it.
//!
//! The writers of an upload are numbered. Each has a state of its own that no other writes, so one that has been
//! superseded without knowing cannot spoil what came after. Writer `n + 1` is the
//! first to increment the counter of that number, once writer `n` has released the lease or has shown no sign of
//! life for a while; it continues from whatever `n` had stored by then.
//!
//! A writer that makes something known writes it down first and then looks whether the next number
//! is taken. If it is not, the next writer will see what was written. That includes what it is about to do with
//! chunks that others may build on: to publish them, or to remove them.
//!
//! A note about an upload has a key of its own, for all writers. So a writer stores it while its last sign of life
//! is recent, and one that is about to supersede it looks for such a sign once more after it has its number, and
//! leaves the upload alone if it finds one. One thing is taken for granted of time: from the last look at the clock,
//! the one call that stores a note is done before another counts the writer as crashed.
//!
//! One that stood still may wake after the upload has ended, and write its state once more. So where an
//! upload was acquired from a writer that had not released it, its end leaves the counter and a mark behind,
//! by which such a state is known to be of no upload.

use lighter_storage::{Error, Result};

use crate::bucket::{Bucket, delete_all};
use crate::key::{Kind, numbered, stored};
use crate::state::State;

/// Returns the state of an upload, whichever writer has the lease.
pub(crate) fn look(bucket: &impl Bucket, upload: &str) -> Result<Option<State>> {
    Ok(current(bucket, upload)?.map(|(_, _, state)| state))
}

/// Begins an upload that no other writer knows of, with its lease. Returns the number of the writer.
pub(crate) fn begin(bucket: &impl Bucket, upload: &str, state: &State) -> Result<u32> {
    write(bucket, upload, 1, state)?;
    Ok(1)
}

/// Acquires the lease of an upload. Returns the number of the writer, and the state that it continues from.
pub(crate) fn acquire(bucket: &impl Bucket, upload: &str) -> Result<(u32, State)> {
    let (last, of, state) = current(bucket, upload)?.ok_or(Error::NotFound)?;
    let is_held = if of == last {
        state.held && bucket.is_recent(state.time)
    } else {
        is_acquired(bucket, upload, last)?
    };
    if is_held {
        return Err(Error::Busy);
    }
    let own = last + 1;
    // Before the number is taken, so that there is never one that does not expire.
    bucket.set(&numbered(Kind::AcquiredAt, upload, own), bucket.now().to_string().as_bytes())?;
    if bucket.increment(&numbered(Kind::Writer, upload, own))? != 1 {
        return Err(Error::Busy);
    }
    bucket.set(&stored(Kind::LastWriter, upload), own.to_string().as_bytes())?;
    let Some((of, state)) = latest(bucket, upload, last)? else {
        if bucket.exists(&numbered(Kind::Writer, upload, own + 1))? {
            return Err(Error::Busy);
        }
        // It has ended meanwhile.
        end(bucket, upload, own, &[], core::iter::empty())?;
        return Err(Error::NotFound);
    };
    if state.held && bucket.is_recent(state.time) {
        // It has shown a sign of life since it was looked at, and relies on it. This number expires.
        return Err(Error::Busy);
    }
    let is_superseding = state.held || of < last;
    let mut state = State { time: bucket.now(), held: true, ..state };
    if is_superseding {
        state.superseded.extend(of..=last);
        // A chunk is stored at once with the state that tells of it, and a crash may leave this alone.
        // One that is being removed may have lost any.
        if !state.is_aborted()
            && let Some(chunk) = state.content.last()
            && !bucket.exists(&chunk)?
        {
            state.content.pop();
            state.target = None;
        }
    }
    write(bucket, upload, own, &state)?;
    bucket.delete(&numbered(Kind::State, upload, of))?;
    Ok((own, state))
}

/// Stores what a writer has done, and fails if another has superseded it.
pub(crate) fn keep(bucket: &impl Bucket, upload: &str, own: u32, state: &State) -> Result<()> {
    check(bucket, upload, own)?;
    write(bucket, upload, own, state)
}

/// Releases the lease of a writer whose state is kept, so that the next one does not have to wait until it expires. It
/// does not matter whether this is seen: another that has acquired the upload by now continues from what was kept.
pub(crate) fn release(bucket: &impl Bucket, upload: &str, own: u32, kept: &State) -> Result<()> {
    let state = State { time: bucket.now(), held: false, ..kept.clone() };
    match write(bucket, upload, own, &state) {
        Err(Error::Busy) => Ok(()),
        written => written,
    }
}

/// Fails if another has superseded a writer.
pub(crate) fn check(bucket: &impl Bucket, upload: &str, own: u32) -> Result<()> {
    // The next one removes the state that it goes on from, and all counters when it ends the upload.
    let lost = !bucket.exists(&numbered(Kind::State, upload, own))?
        || bucket.exists(&numbered(Kind::Writer, upload, own + 1))?;
    if lost { Err(Error::Busy) } else { Ok(()) }
}

/// Ends an upload: removes everything of it, and some more keys, but the chunks, and what tells those
/// that were superseded.
pub(crate) fn end(
    bucket: &impl Bucket,
    upload: &str,
    own: u32,
    superseded: &[u32],
    more: impl Iterator<Item = String>,
) -> Result<()> {
    // The states first: without one there is no upload to be taken.
    delete_all(bucket, (1..=own).map(|number| numbered(Kind::State, upload, number)).chain(more))?;
    for number in superseded {
        bucket.set(&numbered(Kind::Ended, upload, number + 1), b"")?;
    }
    let counters = (2..=own).filter(|number| !superseded.contains(&(number - 1)));
    delete_all(bucket, counters.map(|number| numbered(Kind::Writer, upload, number)))?;
    // After the counters: one who comes too late either finds its counter taken, and this goes after it has
    // written, or takes it, and finds nothing to hold.
    let rest = (2..=own).map(|number| numbered(Kind::AcquiredAt, upload, number));
    delete_all(bucket, rest.chain([stored(Kind::LastWriter, upload)]))
}

/// Stores what a writer has done, and fails if another has superseded it.
pub(crate) fn write(bucket: &impl Bucket, upload: &str, own: u32, state: &State) -> Result<()> {
    bucket.set(&place(upload, own), &state.write())?;
    confirm(bucket, upload, own)
}

/// Where a writer's state is stored.
pub(crate) fn place(upload: &str, own: u32) -> String {
    numbered(Kind::State, upload, own)
}

/// Fails if another had superseded a writer before it stored its state.
pub(crate) fn confirm(bucket: &impl Bucket, upload: &str, own: u32) -> Result<()> {
    if !bucket.exists(&numbered(Kind::Writer, upload, own + 1))? {
        return Ok(());
    }
    if has_ended(bucket, upload, own)? {
        bucket.delete(&place(upload, own))?;
    }
    Err(Error::Busy)
}

/// Whether the upload of a superseded writer has ended.
fn has_ended(bucket: &impl Bucket, upload: &str, superseded: u32) -> Result<bool> {
    bucket.exists(&numbered(Kind::Ended, upload, superseded + 1))
}

/// Finds the number of the last writer. The hint may be late, but never early.
fn last(bucket: &impl Bucket, upload: &str) -> Result<u32> {
    let mut last =
        number(bucket, &stored(Kind::LastWriter, upload))?.and_then(|last| last.try_into().ok()).unwrap_or(1);
    while bucket.exists(&numbered(Kind::Writer, upload, last + 1))? {
        last += 1;
    }
    Ok(last)
}

/// Finds the last writer, and the state that was written last.
fn current(bucket: &impl Bucket, upload: &str) -> Result<Option<(u32, u32, State)>> {
    let mut number = last(bucket, upload)?;
    loop {
        if let Some((of, state)) = latest(bucket, upload, number)? {
            let is_over = of < number && has_ended(bucket, upload, of)?;
            return Ok(Some((number, of, state)).filter(|_| !is_over));
        }
        // It has moved further up meanwhile, or has ended.
        let before = core::mem::replace(&mut number, last(bucket, upload)?);
        if number <= before {
            return Ok(None);
        }
    }
}

/// Finds the state that was written last, and by whom: perhaps not by the last writer, if it has
/// crashed or is only about to.
fn latest(bucket: &impl Bucket, upload: &str, last: u32) -> Result<Option<(u32, State)>> {
    // It is at the top, mostly. But it moves up, and whoever looks downwards may pass it by.
    for number in (1..=last).rev().chain(1..=last) {
        if let Some(stored) = bucket.get(&numbered(Kind::State, upload, number))? {
            let state = State::read(&stored);
            let state = state.ok_or_else(|| Error::Other(format!("the state of {upload} is broken")))?;
            return Ok(Some((number, state)));
        }
    }
    Ok(None)
}

fn is_acquired(bucket: &impl Bucket, upload: &str, last: u32) -> Result<bool> {
    Ok(number(bucket, &numbered(Kind::AcquiredAt, upload, last))?.is_some_and(|time| bucket.is_recent(time)))
}

fn number(bucket: &impl Bucket, key: &str) -> Result<Option<u64>> {
    Ok(bucket.get(key)?.and_then(|text| str::from_utf8(&text).ok()?.parse().ok()))
}
