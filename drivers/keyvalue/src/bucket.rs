//! What the driver asks of a store.

use lighter_storage::Result;
use uuid::Uuid;

use crate::time::{self, EXPIRY};

/// A store of values, with the clock and the chance of the one that asks it: tests have their own. A clone is the same
/// store.
pub trait Bucket: Clone + 'static {
    /// Returns a value, or none.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Whether there is a value.
    fn exists(&self, key: &str) -> Result<bool>;
    /// Stores a value in place of what was there.
    fn set(&self, key: &str, value: &[u8]) -> Result<()>;
    /// Stores values, in any order: after a crash there may be some of them.
    fn set_many(&self, values: &[(String, Vec<u8>)]) -> Result<()>;
    /// Removes a value, if it is there.
    fn delete(&self, key: &str) -> Result<()>;
    /// Removes values, in any order.
    fn delete_many(&self, keys: &[String]) -> Result<()>;
    /// Adds to a counter, which begins at 0, and returns what it is then: atomic everywhere.
    fn increment(&self, key: &str) -> Result<i64>;
    /// Replaces a value by what becomes of it, unless that is none or another replaces it meanwhile.
    /// Whether it was replaced can only be read. Nothing is stored where there is nothing.
    fn swap(&self, key: &str, change: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<()>;

    /// Seconds since 1970.
    fn now(&self) -> u64 {
        time::now()
    }

    /// Waits for another to finish: not at all in the first round, and then longer and longer.
    fn pause(&self, round: u32) {
        time::pause(round);
    }

    /// Returns a name that nothing else has.
    fn fresh_name(&self) -> String {
        Uuid::new_v4().simple().to_string()
    }

    /// Whether one who showed a sign of life then is taken to be alive. A sign from the future is of a clock
    /// that was set back since.
    fn is_recent(&self, time: u64) -> bool {
        self.now().abs_diff(time) <= EXPIRY
    }
}

/// Removes any number of values.
pub(crate) fn delete_all(bucket: &impl Bucket, keys: impl Iterator<Item = String>) -> Result<()> {
    /// So many keys are less than any store's limit to one call.
    const AT_ONCE: usize = 64;
    let mut batch = Vec::with_capacity(AT_ONCE);
    for key in keys {
        batch.push(key);
        if batch.len() == AT_ONCE {
            bucket.delete_many(&batch)?;
            batch.clear();
        }
    }
    // Some stores refuse an empty batch.
    if batch.is_empty() { Ok(()) } else { bucket.delete_many(&batch) }
}
