//! An upload that is cut: no chunk is left behind, and a crash at any point loses nothing before the cut.

use std::cell::Cell;
use std::rc::Rc;

use lighter_storage::{Error, Result, Stream as _, Upload as _};

use super::{CHUNK, content, read};
use crate::blob::FEW;
use crate::bucket::Bucket;
use crate::memory::Memory;
use crate::time::{EXPIRY, RENEWAL};
use crate::upload::{Writer, received};
use crate::{index, value};

const UPLOAD: &str = "up/data";

/// Where uploads are cut: at the beginning, the middle and the end of chunks, and in the tail.
const OFFSETS: [usize; 9] =
    [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 70_000, 3 * CHUNK, 3 * CHUNK + 5];

/// A store whose user crashes after so many changes.
#[derive(Clone)]
struct Crashing {
    store: Memory,
    left: Rc<Cell<usize>>,
}

impl Crashing {
    fn after(store: &Memory, changes: usize) -> Self {
        Self { store: store.clone(), left: Rc::new(Cell::new(changes)) }
    }

    fn change<T>(&self, change: impl FnOnce() -> Result<T>) -> Result<T> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| Error::Other("crashed".into()))?;
        self.left.set(left);
        change()
    }
}

impl Bucket for Crashing {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.store.get(key)
    }

    fn exists(&self, key: &str) -> Result<bool> {
        self.store.exists(key)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.change(|| self.store.set(key, value))
    }

    fn set_many(&self, values: &[(String, Vec<u8>)]) -> Result<()> {
        values.iter().try_for_each(|(key, value)| self.set(key, value))
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.change(|| self.store.delete(key))
    }

    fn delete_many(&self, keys: &[String]) -> Result<()> {
        keys.iter().try_for_each(|key| self.delete(key))
    }

    fn increment(&self, key: &str) -> Result<i64> {
        self.change(|| self.store.increment(key))
    }

    fn swap(&self, key: &str, change: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<()> {
        self.change(|| self.store.swap(key, change))
    }

    fn now(&self) -> u64 {
        self.store.now()
    }

    fn pause(&self, round: u32) {
        self.store.pause(round);
    }
}

/// An upload of two writers, with a tail.
fn upload(bytes: &[u8]) -> Memory {
    let store = Memory::default();
    Writer::create(&store, UPLOAD, CHUNK).unwrap().suspend(&[]).unwrap();
    for part in bytes.chunks(CHUNK + 80_000) {
        let mut writer = Writer::open(&store, UPLOAD, CHUNK).unwrap();
        writer.append(part).unwrap();
        writer.suspend(&[]).unwrap();
    }
    store
}

fn all<B: Bucket>(writer: &mut Writer<B>) -> Vec<u8> {
    let mut reader = writer.read().unwrap();
    core::iter::from_fn(|| reader.next().unwrap()).flatten().collect()
}

#[test]
fn a_cut_leaves_no_chunk_behind() {
    let (bytes, other) = (content(3 * CHUNK + 10, 1), content(3 * CHUNK + 10, 2));
    for offset in OFFSETS {
        for is_own in [false, true] {
            let store = if is_own { upload(&bytes[..10]) } else { upload(&bytes) };
            let mut writer = Writer::open(&store, UPLOAD, CHUNK).unwrap();
            writer.append(&bytes[writer.offset() as usize..]).unwrap();
            writer.cut(offset as u64).unwrap();
            writer.append(&other[offset..]).unwrap();
            writer.commit("blobs/x/data").unwrap();
            let expected = [&bytes[..offset], &other[offset..]].concat();
            assert!(read(&store, "blobs/x/data", 0, u64::MAX) == expected, "{offset}");
            for at in [0, offset.saturating_sub(1), offset, offset + 1] {
                let end = expected.len().min(at + 7);
                assert!(read(&store, "blobs/x/data", at as u64, 7) == expected[at..end], "{offset}: at {at}");
            }
            crate::blob::delete(&store, "blobs/x/data").unwrap();
            assert_eq!(store.chunks(), 0, "{offset}");
        }
    }
}

#[test]
fn a_crash_in_a_cut_keeps_what_is_before_it() {
    let (bytes, other) = (content(3 * CHUNK + 10, 1), content(2 * CHUNK, 2));
    let mut crashed = Vec::new();
    for offset in OFFSETS {
        for changes in 0.. {
            let store = upload(&bytes);
            // Beside what it takes to open it.
            let crashing = Crashing::after(&store, usize::MAX);
            let mut writer = Writer::open(&crashing, UPLOAD, CHUNK).unwrap();
            crashing.left.set(changes);
            let done = writer.cut(offset as u64).and_then(|()| writer.append(&other));
            let done = done.and_then(|()| writer.suspend(&[("up/notes/1".into(), b"note".to_vec())]));
            if done.is_ok() {
                break;
            }
            assert!(changes < 100, "it never ends");
            crashed.push((offset, changes, store));
        }
    }
    assert!(crashed.len() > 20, "only {} crashes", crashed.len());
    for (offset, changes, store) in crashed {
        store.pass(EXPIRY + 1);
        let has_note = value::get(&store, "up/notes/1").unwrap().is_some();
        let names = index::values(&store, "up/notes", None, 9).unwrap();
        assert!(names.is_empty() || has_note, "{names:?}");
        let mut writer = Writer::open(&store, UPLOAD, CHUNK).unwrap();
        let found = all(&mut writer);
        assert_eq!(found.len() as u64, writer.offset());
        assert!(found.len() >= offset, "{offset}, after {changes}: {} bytes are left", found.len());
        assert!(found[..offset] == bytes[..offset], "{offset}, after {changes}: the bytes are others");
        if has_note {
            // It says that all is stored.
            assert!(found[offset..] == other, "{offset}, after {changes}: there is a note of what is not");
        }
    }
}

/// An upload whose last bytes an earlier writer has made durable, and which lie in its state alone.
fn upload_with_a_tail() -> Memory {
    upload(&content(FEW / 2, 1))
}

#[test]
fn a_sign_of_life_keeps_what_an_earlier_writer_has_made_durable() {
    let store = upload_with_a_tail();
    let mut crashing = Writer::open(&store, UPLOAD, CHUNK).unwrap();
    store.pass(RENEWAL);
    crashing.append(&content(FEW, 2)).unwrap();
    core::mem::forget(crashing);
    store.pass(EXPIRY + 1);
    let found = all(&mut Writer::open(&store, UPLOAD, CHUNK).unwrap());
    assert!(found.starts_with(&content(FEW / 2, 1)), "{} bytes are left", found.len());
}

#[test]
fn a_crash_after_a_chunk_was_taken_back_keeps_what_an_earlier_writer_has_made_durable() {
    let bytes = content(FEW / 2, 1);
    let mut crashes = 0;
    for offset in [FEW / 4, FEW / 2, FEW / 2 + 1, FEW + 10] {
        for changes in 0.. {
            let store = upload_with_a_tail();
            let crashing = Crashing::after(&store, usize::MAX);
            let mut writer = Writer::open(&crashing, UPLOAD, CHUNK).unwrap();
            crashing.left.set(changes);
            let done = writer.append(&content(CHUNK, 2)).and_then(|()| writer.cut(offset as u64));
            let done = done.and_then(|()| writer.append(&content(CHUNK, 3)));
            if done.is_ok() {
                break;
            }
            assert!(changes < 100, "it never ends");
            crashes += 1;
            store.pass(EXPIRY + 1);
            let found = all(&mut Writer::open(&store, UPLOAD, CHUNK).unwrap());
            let kept = offset.min(bytes.len());
            assert!(found.starts_with(&bytes[..kept]), "{offset}, {changes}: {} bytes are left", found.len());
        }
    }
    assert!(crashes > 10, "only {crashes} crashes");
}

#[test]
fn who_lost_the_upload_cuts_nothing_and_leaves_no_note() {
    let bytes = content(2 * CHUNK, 1);
    let store = upload(&bytes);
    let mut slow = Writer::open(&store, UPLOAD, CHUNK).unwrap();
    let mut leaving = Writer::create(&store, "other/data", CHUNK).unwrap();
    leaving.append(b"abc").unwrap();
    store.pass(EXPIRY + 1);
    let mut writer = Writer::open(&store, UPLOAD, CHUNK).unwrap();
    let other = Writer::open(&store, "other/data", CHUNK).unwrap();
    // However often it tries.
    assert_eq!(slow.append(b"no"), Err(Error::Busy));
    assert_eq!(slow.cut(10), Err(Error::Busy));
    assert_eq!(slow.cut(bytes.len() as u64), Err(Error::Busy));
    assert_eq!(slow.append(b"no"), Err(Error::Busy));
    assert_eq!(leaving.suspend(&[("other/note".into(), Vec::new())]), Err(Error::Busy));
    assert_eq!(value::get(&store, "other/note").unwrap(), None);
    assert!(all(&mut writer) == bytes);
    drop((writer, other));
    assert_eq!(received(&store, UPLOAD), Ok(Some(bytes.len() as u64)));
}
