//! Storage in memory: what the registry's own tests and fuzzing run over.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{
    BlobEntry, BlobInfo, BlobPage, Content, Error, Note, Result, Storage, Upload, beyond_the_end, check_key,
};

/// How long a writer holds its upload after the last time that it did something with it.
const HOLD: Duration = Duration::from_secs(5);

/// A store that lives as long as its clones do. They may be in several threads.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    values: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<String, Blob>,
    uploads: BTreeMap<String, Vec<u8>>,
    holds: BTreeMap<String, Hold>,
    /// How many writers there have been.
    writers: u64,
}

struct Blob {
    bytes: Vec<u8>,
    published: Instant,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, published: Instant::now() }
    }

    fn info(&self) -> BlobInfo {
        BlobInfo { size: self.bytes.len() as u64, age: Some(self.published.elapsed().as_secs()) }
    }
}

/// That an upload has a writer.
struct Hold {
    writer: u64,
    since: Instant,
}

impl State {
    /// Gives an upload a writer, unless another holds it.
    fn hold(&mut self, id: &str) -> Result<u64> {
        if self.holds.get(id).is_some_and(|hold| hold.since.elapsed() < HOLD) {
            return Err(Error::Busy);
        }
        self.writers += 1;
        self.holds.insert(id.to_owned(), Hold { writer: self.writers, since: Instant::now() });
        Ok(self.writers)
    }
}

impl Memory {
    /// The keys of all values, blobs and uploads, in byte order.
    pub fn keys(&self) -> Vec<String> {
        let state = self.state();
        let keys: BTreeSet<&String> =
            state.values.keys().chain(state.blobs.keys()).chain(state.uploads.keys()).collect();
        keys.into_iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here is ever left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, to do something under a key.
    fn at(&self, key: &str) -> Result<MutexGuard<'_, State>> {
        check_key(key).map(|()| self.state())
    }

    fn writer(&self, id: &str, number: u64, offset: u64) -> MemoryUpload {
        MemoryUpload { store: self.clone(), id: id.to_owned(), number, offset }
    }
}

impl Storage for Memory {
    type Upload = MemoryUpload;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.at(key)?.values.get(key).cloned())
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.at(key)?.values.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<bool> {
        let mut state = self.at(key)?;
        let absent = !state.values.contains_key(key);
        if absent {
            state.values.insert(key.to_owned(), value.to_owned());
        }
        Ok(absent)
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.at(key)?.values.remove(key);
        Ok(())
    }

    fn delete_prefix(&self, prefix: &str) -> Result<()> {
        let below = format!("{prefix}/");
        self.at(prefix)?.values.retain(|key, _| !key.starts_with(&below));
        Ok(())
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let state = self.at(prefix)?;
        let prefix = format!("{prefix}/");
        let keys = state.values.keys().chain(state.blobs.keys());
        let below = keys.filter_map(|key| key.strip_prefix(&prefix)?.split_once('/'));
        let names: BTreeSet<&str> = below.map(|(name, _)| name).collect();
        let after = names.into_iter().filter(|name| after.is_none_or(|after| *name > after));
        Ok(after.take(limit as usize).map(str::to_owned).collect())
    }

    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let state = self.at(prefix)?;
        let prefix = format!("{prefix}/");
        let below = state.values.keys().filter_map(|key| key.strip_prefix(&prefix));
        let names = below.filter(|name| !name.contains('/') && after.is_none_or(|after| *name > after));
        Ok(names.take(limit as usize).map(str::to_owned).collect())
    }

    fn stat(&self, key: &str) -> Result<Option<BlobInfo>> {
        Ok(self.at(key)?.blobs.get(key).map(Blob::info))
    }

    fn enumerate(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<BlobPage> {
        let state = self.at(prefix)?;
        let below = format!("{prefix}/");
        let first = (Bound::Excluded(after.unwrap_or_default().max(&below)), Bound::Unbounded);
        let blobs = state.blobs.range::<str, _>(first).take_while(|(key, _)| key.starts_with(&below));
        let entry = |(key, blob): (&String, &Blob)| BlobEntry { key: key.clone(), info: blob.info() };
        let entries: Vec<_> = blobs.take(limit.max(1) as usize).map(entry).collect();
        let next = entries.last().map(|entry| entry.key.clone());
        Ok(BlobPage { entries, next })
    }

    fn read(&self, key: &str, offset: u64, length: u64) -> Result<Content> {
        let state = self.at(key)?;
        let bytes = state.blobs.get(key).ok_or(Error::NotFound)?.bytes.iter();
        Ok(Content::Bytes(bytes.skip(offset as usize).take(length as usize).copied().collect()))
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        self.at(key)?.blobs.insert(key.to_owned(), Blob::new(content.to_owned()));
        Ok(())
    }

    fn delete_blob(&self, key: &str) -> Result<()> {
        self.at(key)?.blobs.remove(key);
        Ok(())
    }

    fn received(&self, id: &str) -> Result<Option<u64>> {
        Ok(self.at(id)?.uploads.get(id).map(|bytes| bytes.len() as u64))
    }

    fn create_upload(&self, id: &str) -> Result<MemoryUpload> {
        let mut state = self.at(id)?;
        let number = state.hold(id)?;
        state.uploads.insert(id.to_owned(), Vec::new());
        Ok(self.writer(id, number, 0))
    }

    fn open_upload(&self, id: &str) -> Result<MemoryUpload> {
        let mut state = self.at(id)?;
        let offset = state.uploads.get(id).ok_or(Error::NotFound)?.len() as u64;
        let number = state.hold(id)?;
        Ok(self.writer(id, number, offset))
    }
}

/// The writer of an upload in memory.
pub struct MemoryUpload {
    store: Memory,
    id: String,
    number: u64,
    offset: u64,
}

impl MemoryUpload {
    /// The state, to do something with the upload, which this writer holds from now on. `busy` if it has lost its hold.
    fn held(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.store.state();
        match state.holds.get_mut(&self.id) {
            Some(hold) if hold.writer == self.number => hold.since = Instant::now(),
            _ => return Err(Error::Busy),
        }
        Ok(state)
    }
}

impl Upload for MemoryUpload {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut state = self.held()?;
        state.uploads.get_mut(&self.id).ok_or(Error::NotFound)?.extend_from_slice(bytes);
        drop(state);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn cut(&mut self, offset: u64) -> Result<()> {
        if offset > self.offset {
            return Err(beyond_the_end(offset, self.offset));
        }
        let mut state = self.held()?;
        state.uploads.get_mut(&self.id).ok_or(Error::NotFound)?.truncate(offset as usize);
        drop(state);
        self.offset = offset;
        Ok(())
    }

    fn read(&mut self) -> Result<Content> {
        let state = self.store.state();
        state.uploads.get(&self.id).cloned().map(Content::Bytes).ok_or(Error::NotFound)
    }

    fn suspend(self, notes: &[Note]) -> Result<()> {
        notes.iter().try_for_each(|(key, _)| check_key(key))?;
        let mut state = self.held()?;
        state.values.extend(notes.iter().cloned());
        Ok(())
    }

    fn commit(self, key: &str) -> Result<()> {
        check_key(key)?;
        let mut state = self.held()?;
        let bytes = state.uploads.remove(&self.id).ok_or(Error::NotFound)?;
        state.blobs.insert(key.to_owned(), Blob::new(bytes));
        Ok(())
    }

    fn abort(self) -> Result<()> {
        self.held()?.uploads.remove(&self.id);
        Ok(())
    }
}

impl Drop for MemoryUpload {
    fn drop(&mut self) {
        if let Ok(mut state) = self.held() {
            state.holds.remove(&self.id);
        }
    }
}
