//! A store in memory for the tests, with what is wrong with the real ones.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use lighter_storage::{Error, Result};

use crate::bucket::Bucket;

/// A store that all its clones share.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    values: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    swaps: Arc<AtomicUsize>,
}

impl Memory {
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
}
