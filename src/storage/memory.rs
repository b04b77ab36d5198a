//! Storage in memory: what the registry's own tests and fuzzing run over.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{Error, Result, Storage, Upload};

/// A store that lives as long as its clones do.
#[derive(Clone, Default)]
pub struct Memory(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    values: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<String, Vec<u8>>,
    held: BTreeSet<String>,
}

impl Memory {
    /// The keys of all values, blobs and uploads, in byte order.
    pub fn keys(&self) -> Vec<String> {
        let state = self.0.borrow();
        let keys: BTreeSet<&String> =
            state.values.keys().chain(state.blobs.keys()).chain(state.uploads.keys()).collect();
        keys.into_iter().cloned().collect()
    }

    fn hold(&self, id: &str) -> MemoryUpload {
        let offset = self.0.borrow().uploads.get(id).map_or(0, |bytes| bytes.len() as u64);
        self.0.borrow_mut().held.insert(id.to_owned());
        MemoryUpload { store: self.clone(), id: id.to_owned(), offset }
    }
}

impl Storage for Memory {
    type Content = Vec<u8>;
    type Upload = MemoryUpload;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.0.borrow().values.get(key).cloned())
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.0.borrow_mut().values.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<bool> {
        let absent = self.get(key)?.is_none();
        if absent {
            self.set(key, value)?;
        }
        Ok(absent)
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.0.borrow_mut().values.remove(key);
        Ok(())
    }

    fn delete_prefix(&self, prefix: &str) -> Result<()> {
        let prefix = format!("{prefix}/");
        self.0.borrow_mut().values.retain(|key, _| !key.starts_with(&prefix));
        Ok(())
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let prefix = format!("{prefix}/");
        let state = self.0.borrow();
        let below = state.values.keys().filter_map(|key| key.strip_prefix(&prefix)?.split_once('/'));
        let names: BTreeSet<&str> = below.map(|(name, _)| name).collect();
        let after = names.into_iter().filter(|name| after.is_none_or(|after| *name > after));
        Ok(after.take(limit as usize).map(str::to_owned).collect())
    }

    fn stat(&self, key: &str) -> Result<Option<u64>> {
        Ok(self.0.borrow().blobs.get(key).map(|bytes| bytes.len() as u64))
    }

    fn read(&self, key: &str, offset: u64, length: u64) -> Result<Vec<u8>> {
        let state = self.0.borrow();
        let bytes = state.blobs.get(key).ok_or(Error::NotFound)?.iter();
        Ok(bytes.skip(offset as usize).take(length as usize).copied().collect())
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        self.0.borrow_mut().blobs.insert(key.to_owned(), content.to_owned());
        Ok(())
    }

    fn received(&self, id: &str) -> Result<Option<u64>> {
        Ok(self.0.borrow().uploads.get(id).map(|bytes| bytes.len() as u64))
    }

    fn create_upload(&self, id: &str) -> Result<MemoryUpload> {
        self.0.borrow_mut().uploads.insert(id.to_owned(), Vec::new());
        Ok(self.hold(id))
    }

    fn open_upload(&self, id: &str) -> Result<MemoryUpload> {
        if !self.0.borrow().uploads.contains_key(id) {
            return Err(Error::NotFound);
        }
        if self.0.borrow().held.contains(id) {
            return Err(Error::Busy);
        }
        Ok(self.hold(id))
    }
}

/// The writer of an upload in memory.
pub struct MemoryUpload {
    store: Memory,
    id: String,
    offset: u64,
}

impl Upload for MemoryUpload {
    type Content = Vec<u8>;

    fn offset(&self) -> u64 {
        self.offset
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut state = self.store.0.borrow_mut();
        state.uploads.get_mut(&self.id).ok_or(Error::NotFound)?.extend_from_slice(bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn read(&self) -> Result<Vec<u8>> {
        self.store.0.borrow().uploads.get(&self.id).cloned().ok_or(Error::NotFound)
    }

    fn suspend(self) -> Result<()> {
        Ok(())
    }

    fn commit(self, key: &str) -> Result<()> {
        let mut state = self.store.0.borrow_mut();
        let bytes = state.uploads.remove(&self.id).ok_or(Error::NotFound)?;
        state.blobs.insert(key.to_owned(), bytes);
        Ok(())
    }

    fn abort(self) -> Result<()> {
        self.store.0.borrow_mut().uploads.remove(&self.id);
        Ok(())
    }
}

impl Drop for MemoryUpload {
    fn drop(&mut self) {
        self.store.0.borrow_mut().held.remove(&self.id);
    }
}
