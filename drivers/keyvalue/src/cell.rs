//! Creating what is not there, once.
//!
//! Of all who want to create, one is the first to increment a counter beside the key; it looks once
//! more that there is nothing, and stores. The others wait until they see what it stored. If they
//! wait in vain, it has crashed in between, and the next counter decides.
//!
//! Whoever deletes takes the counter away first and the value after, and does nothing if there is no
//! value: so there is never a value to be lost that a new creator has stored meanwhile.

use lighter_storage::Result;

use crate::bucket::{Bucket, delete_all};
use crate::key::{numbered, stored};
use crate::time::{Patience, pause};

/// Stores a value if there is none, and returns whether it did.
pub(crate) fn create(bucket: &impl Bucket, kind: char, key: &str, value: &[u8]) -> Result<bool> {
    let place = stored(kind, key);
    let mut number = 1;
    loop {
        if bucket.exists(&place)? {
            return Ok(false);
        }
        let counter = counter(kind, key, number);
        if bucket.increment(&counter)? == 1 {
            if bucket.exists(&place)? {
                // It is just being deleted, and the counter was.
                bucket.delete(&counter)?;
                return Ok(false);
            }
            bucket.set(&place, value)?;
            return Ok(true);
        }
        let patience = Patience::new();
        let mut round = 0;
        while !patience.is_over() {
            if bucket.exists(&place)? {
                return Ok(false);
            }
            pause(round);
            round += 1;
        }
        number += 1;
    }
}

/// Removes a value, if it is there, such that it can be created again.
pub(crate) fn delete(bucket: &impl Bucket, kind: char, key: &str) -> Result<()> {
    let place = stored(kind, key);
    if bucket.exists(&place)? {
        bucket.delete(&counter(kind, key, 1))?;
        bucket.delete(&place)?;
    }
    Ok(())
}

/// The same for several at once.
pub(crate) fn delete_many(bucket: &impl Bucket, kind: char, keys: &[String]) -> Result<()> {
    let mut there = Vec::new();
    for key in keys {
        if bucket.exists(&stored(kind, key))? {
            there.push(key);
        }
    }
    delete_all(bucket, there.iter().map(|key| counter(kind, key, 1)))?;
    delete_all(bucket, there.iter().map(|key| stored(kind, key)))
}

fn counter(kind: char, key: &str, number: u32) -> String {
    numbered(kind.to_ascii_uppercase(), key, number)
}
