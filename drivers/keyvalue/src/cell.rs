//! Creating what is not there, once.
//!
//! Of all who want to create, one is the first to increment a counter beside the key; it looks once
//! more that there is nothing, and stores. The others wait until they see what it stored. If they
//! wait in vain, it has crashed in between, and the next counter decides.
//!
//! One that is the first and then stands still does not store after half of the time that others wait. So
//! storing one value must take less than the other half.
//!
//! A deletion takes the counter away first and the value after, and does nothing if there is no
//! value: so there is never a value to be lost that a new creator has stored meanwhile. Of two deletions at
//! once, the slower one may take away the counter of a new creator; then another may create, too. A page of the
//! index is deleted by one alone, and of two blobs of one key either will do.

use lighter_storage::Result;

use crate::bucket::{Bucket, delete_all};
use crate::key::{Kind, counter, stored};
use crate::time::Deadline;

/// Stores a value if there is none, and returns whether it did.
pub(crate) fn create(bucket: &impl Bucket, kind: Kind, key: &str, value: &[u8]) -> Result<bool> {
    let place = stored(kind, key);
    let mut number = 1;
    loop {
        if bucket.exists(&place)? {
            return Ok(false);
        }
        let counter = counter(kind, key, number);
        // What it has is counted from before the counter, and what others have from after it.
        let own = Deadline::new(bucket.now());
        if bucket.increment(&counter)? == 1 {
            if bucket.exists(&place)? {
                // It is just being deleted, and the counter was.
                bucket.delete(&counter)?;
                return Ok(false);
            }
            if !own.is_half_over(bucket.now()) {
                bucket.set(&place, value)?;
                return Ok(true);
            }
            // Others may have passed it over by now.
            number += 1;
            continue;
        }
        let deadline = Deadline::new(bucket.now());
        let mut round = 0;
        while !deadline.is_over(bucket.now()) {
            if bucket.exists(&place)? {
                return Ok(false);
            }
            bucket.pause(round);
            round += 1;
        }
        number += 1;
    }
}

/// Removes a value, if it is there, such that it can be created again.
pub(crate) fn delete(bucket: &impl Bucket, kind: Kind, key: &str) -> Result<()> {
    if bucket.exists(&stored(kind, key))? { delete_known(bucket, kind, key) } else { Ok(()) }
}

/// The same for a value that was just seen.
pub(crate) fn delete_known(bucket: &impl Bucket, kind: Kind, key: &str) -> Result<()> {
    bucket.delete(&counter(kind, key, 1))?;
    bucket.delete(&stored(kind, key))
}

/// The same for several at once.
pub(crate) fn delete_many(bucket: &impl Bucket, kind: Kind, keys: &[String]) -> Result<()> {
    let mut there = Vec::new();
    for key in keys {
        if bucket.exists(&stored(kind, key))? {
            there.push(key);
        }
    }
    delete_all(bucket, there.iter().map(|key| counter(kind, key, 1)))?;
    delete_all(bucket, there.iter().map(|key| stored(kind, key)))
}
