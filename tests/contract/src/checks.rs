//! The checks, and the parties that run them.

mod blobs;
mod hash;
mod maintenance;
mod together;
mod uploads;
mod values;

use std::thread;
use std::time::{Duration, Instant};

use lighter_storage::{Content, Result, Storage, Stream, Upload};

/// Only ends what would otherwise hang for ever.
const HANG: Duration = Duration::from_secs(60);

/// A check of some of the contract's promises.
pub struct Check<S> {
    /// Its name, which is also where it stores what it needs.
    pub name: &'static str,
    /// How many callers it takes, all at once.
    pub parties: usize,
    /// What one of them does. It panics where a promise is broken.
    pub run: fn(&Party<S>),
}

/// The checks of what a store without compare-and-swap cannot promise: that of several callers at once, one creates a value or
/// holds an upload.
pub const OF_EXCLUSION: [&str; 4] = [
    "of-many-that-create-one-does",
    "of-many-that-open-one-does",
    "of-many-that-commit-one-does",
    "who-opens-an-upload-finds-its-notes",
];

/// All checks.
pub fn checks<S: Storage>() -> Vec<Check<S>> {
    let mut checks = values::checks();
    checks.extend(blobs::checks());
    checks.extend(uploads::checks());
    checks.extend(together::checks());
    checks.extend(maintenance::checks());
    checks.extend(hash::checks());
    checks
}

/// One caller of a storage.
pub struct Party<'a, S> {
    storage: &'a S,
    place: String,
    number: usize,
    parties: usize,
}

impl<'a, S: Storage> Party<'a, S> {
    /// The party of that number, from 0, in a check.
    pub fn new(storage: &'a S, check: &Check<S>, number: usize) -> Self {
        Self { storage, place: format!("contract/{}", check.name), number, parties: check.parties }
    }

    /// A key that no other check has.
    fn key(&self, key: &str) -> String {
        format!("{}/{key}", self.place)
    }

    /// Waits until all parties have come to this point.
    fn meet(&self, point: &str) {
        let key = |number| self.key(&format!("points/{point}/{number}"));
        self.storage.set(&key(self.number), b"here").unwrap();
        for number in 0..self.parties {
            self.wait_for(&key(number));
        }
    }

    /// Waits for a value.
    fn wait_for(&self, key: &str) -> Vec<u8> {
        self.wait(key, || self.storage.get(key).unwrap())
    }

    /// Asks again and again until there is an answer.
    fn wait<T>(&self, what: &str, ask: impl Fn() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(started.elapsed() < HANG, "party {} waits for {what} in vain", self.number);
            // Lets the host go on with the others: it may have fewer threads than there are parties.
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// Looks again and again until a value is there.
    fn look_until(&self, over: &str, look: impl Fn()) {
        self.wait(over, || {
            look();
            self.storage.get(over).unwrap()
        });
    }

    /// The size of a blob, or none.
    fn size(&self, key: &str) -> Result<Option<u64>> {
        Ok(self.storage.stat(key)?.map(|info| info.size))
    }

    /// A note of an upload, from where the registry reads it.
    fn note(&self, upload: &S::Upload, key: &str) -> Result<Option<Vec<u8>>> {
        if self.storage.proves_uploads() { upload.note(key) } else { self.storage.get(key) }
    }

    /// All bytes of a blob from an offset on, at most so many.
    fn blob(&self, key: &str, offset: u64, length: u64) -> Result<Vec<u8>> {
        let mut bytes = all(self.storage.read(key, offset, length)?);
        bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(bytes)
    }
}

fn all(mut stream: Content) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(more) = stream.next().unwrap() {
        assert!(!more.is_empty(), "a chunk is never empty");
        bytes.extend(more);
    }
    bytes
}

/// Bytes of every value, as many as asked for.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ (at >> 8)) as u8).collect()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::{Party, checks};
    use lighter_storage::Memory;

    #[test]
    fn memory_keeps_the_contract() {
        let storage = Memory::default();
        for check in &checks::<Memory>() {
            let storage = &storage;
            // A panic of any of them is one of the scope.
            thread::scope(|scope| {
                for number in 0..check.parties {
                    scope.spawn(move || (check.run)(&Party::new(storage, check, number)));
                }
            });
        }
    }
}
