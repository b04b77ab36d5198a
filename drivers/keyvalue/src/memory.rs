//! A store in memory for the tests, with what is wrong with the real ones.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use lighter_storage::{Error, Result};

use crate::bucket::Bucket;

/// A store that all its clones share.
#[derive(Clone)]
pub(crate) struct Memory {
    values: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    calls: Arc<AtomicUsize>,
    swaps: Arc<AtomicUsize>,
    /// Its clock stands still unless a test moves it, so that no verdict depends on how busy a machine is.
    now: Arc<AtomicU64>,
    /// How many seconds go by in a pause: where one is alone, nobody else ends it.
    pause: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with([], 1_700_000_000)
    }
}

impl Memory {
    /// A store with values in it, at a time.
    pub(crate) fn with(values: impl IntoIterator<Item = (String, Vec<u8>)>, now: u64) -> Self {
        Self {
            values: Arc::new(Mutex::new(values.into_iter().collect())),
            calls: Arc::default(),
            swaps: Arc::default(),
            now: Arc::new(AtomicU64::new(now)),
            pause: 0,
        }
    }

    /// The same store, of one who is alone with it.
    pub(crate) fn alone(self) -> Self {
        Self { pause: 1, ..self }
    }

    /// What is stored, to be read.
    pub(crate) fn text(&self) -> String {
        let line = |(key, value): (&String, &Vec<u8>)| {
            let text = String::from_utf8_lossy(value).into_owned();
            if key.starts_with(|letter: char| letter.is_uppercase()) {
                return String::new();
            }
            format!("  {key} is {text:?}\n")
        };
        self.values().iter().map(line).collect()
    }

    /// Lets so many seconds go by.
    pub(crate) fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Sets the clock back.
    pub(crate) fn set_back(&self, seconds: u64) {
        self.now.fetch_sub(seconds, Ordering::Relaxed);
    }

    /// All that is stored.
    pub(crate) fn values(&self) -> BTreeMap<String, Vec<u8>> {
        self.values.lock().unwrap().clone()
    }

    /// How many calls were made.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.values.lock().unwrap().keys().cloned().collect()
    }

    /// The keys of chunks.
    pub(crate) fn chunks(&self) -> usize {
        self.keys().iter().filter(|key| key.starts_with("c/")).count()
    }

    /// How many swaps were begun.
    pub(crate) fn swaps(&self) -> usize {
        self.swaps.load(Ordering::Relaxed)
    }

    /// Does an operation, and lets others do theirs before and after it.
    fn during<T>(&self, key: &str, operation: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> Result<T> {
        if key.len() > 255 {
            return Err(Error::AccessDenied("the key is too long".into()));
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        thread::yield_now();
        let result = operation(&mut self.values.lock().unwrap());
        thread::yield_now();
        Ok(result)
    }
}

impl Bucket for Memory {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.during(key, |values| values.get(key).cloned())
    }

    fn exists(&self, key: &str) -> Result<bool> {
        self.during(key, |values| values.contains_key(key))
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.during(key, |values| values.insert(key.to_owned(), value.to_owned()))?;
        Ok(())
    }

    fn set_many(&self, values: &[(String, Vec<u8>)]) -> Result<()> {
        values.iter().rev().try_for_each(|(key, value)| self.set(key, value))
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.during(key, |values| values.remove(key))?;
        Ok(())
    }

    fn delete_many(&self, keys: &[String]) -> Result<()> {
        assert!(!keys.is_empty(), "Redis refuses that");
        keys.iter().rev().try_for_each(|key| self.delete(key))
    }

    fn increment(&self, key: &str) -> Result<i64> {
        self.during(key, |values| {
            let bytes = values.get(key).map_or([0; 8], |bytes| bytes.as_slice().try_into().unwrap());
            let number = i64::from_le_bytes(bytes) + 1;
            values.insert(key.to_owned(), number.to_le_bytes().to_vec());
            number
        })
    }

    /// A swap that fails is not told, as of Redis.
    fn swap(&self, key: &str, change: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<()> {
        self.swaps.fetch_add(1, Ordering::Relaxed);
        let Some(current) = self.get(key)? else { return Ok(()) };
        let Some(new) = change(&current) else { return Ok(()) };
        self.during(key, |values| {
            if values.get(key) == Some(&current) {
                values.insert(key.to_owned(), new);
            }
        })
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    fn pause(&self, _: u32) {
        self.pass(self.pause);
        thread::yield_now();
    }
}
