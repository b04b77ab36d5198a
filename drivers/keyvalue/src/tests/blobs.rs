//! Those who publish and delete one blob, in every order.

use lighter_explore::{Handle, Scenario};
use lighter_storage::{BlobInfo, Storage};

use super::explored::{Explored, Store, left, switches, tell};
use super::{content, read};
use crate::bucket::Bucket as _;
use crate::memory::Memory;
use crate::storage::KeyValue;
use crate::{blob, index, key};

const KEY: &str = "blobs/x/data";

/// One chunk, and some more bytes.
const CHUNK: usize = blob::FEW;
const SIZE: usize = CHUNK + 1;

/// A store that has the blob, or has it without one of its chunks.
fn stored(is_stored: bool, is_broken: bool) -> Store {
    Store::after(|store| {
        if is_stored {
            blob::put(store, KEY, &content(SIZE, 1), CHUNK).unwrap();
        }
        if is_broken {
            let chunk = store.keys().into_iter().find(|key| key.starts_with("c/")).unwrap();
            store.delete(&chunk).unwrap();
        }
    })
}

fn put(name: &'static str) -> impl Fn(&Handle<Store>) {
    move |handle| blob::put(&Explored::new(handle, name), KEY, &content(SIZE, 1), CHUNK).unwrap()
}

#[test]
fn a_blob_that_several_publish_is_whole() {
    for (is_stored, is_broken) in [(false, false), (true, false), (true, true)] {
        let both = Scenario::new(stored(is_stored, is_broken)).waits(6);
        let both = both.actor("one", put("one")).crashing("two", put("two"));
        let report = both.explore_simplest_first(|outcome| {
            let store = left(outcome);
            assert!(read(&store, KEY, 0, u64::MAX) == content(SIZE, 1));
            assert_eq!(index::list(&store, "blobs", None, 9).unwrap(), ["x"]);
            // Both may replace what was broken, and a crash leaves its chunks.
            if !is_broken && outcome.results[1].is_some() {
                assert_eq!(store.chunks(), 2);
            }
        });
        tell("a blob that two publish", &report.unwrap());
    }
}

#[test]
fn a_blob_that_is_deleted_and_published_is_whole_or_gone() {
    for is_stored in [false, true] {
        let all = Scenario::new(stored(is_stored, false)).waits(6).switches(switches());
        let all = all.actor("one", put("one")).actor("two", put("two")).crashing("three", |handle| {
            blob::delete(&Explored::new(handle, "three"), KEY).unwrap();
        });
        let report = all.explore_simplest_first(|outcome| {
            let store = left(outcome);
            let is_there = blob::find(&store, KEY).unwrap().is_some();
            assert!(!is_there || read(&store, KEY, 0, u64::MAX) == content(SIZE, 1));
            assert!(is_there || !outcome.ended_before(2, 0) && !outcome.ended_before(2, 1), "it is lost");
        });
        tell("a blob that two publish and one deletes", &report.unwrap());
    }
}

/// What earlier versions stored has no age, until it is stored again.
#[test]
fn a_blob_has_an_age_once_it_is_known() {
    let stat = |store: &Memory| blob::stat(store, KEY).unwrap().unwrap();
    for size in [10, SIZE] {
        let store = Memory::default();
        let put = || blob::put(&store, KEY, &content(size, 1), CHUNK).unwrap();
        put();
        store.pass(100);
        assert_eq!(stat(&store), BlobInfo { size: size as u64, age: Some(100) });
        let stored = store.get(&stored_key()).unwrap().unwrap();
        let (line, rest) = stored.split_at(stored.iter().position(|byte| *byte == b'\n').unwrap());
        let kind = line.split(|byte| *byte == b' ').next().unwrap();
        store.set(&stored_key(), &[kind, rest].concat()).unwrap();
        assert_eq!(stat(&store), BlobInfo { size: size as u64, age: None });
        assert!(read(&store, KEY, 0, u64::MAX) == content(size, 1));
        put();
        assert_eq!(stat(&store).age, Some(0));
        store.pass(50);
        put();
        assert_eq!(stat(&store).age, Some(0));
        // By a clock that was set back since.
        store.set_back(1_000);
        assert_eq!(stat(&store).age, Some(0));
        put();
        store.pass(7);
        assert_eq!(stat(&store).age, Some(7));
        assert_eq!(store.chunks(), if size == SIZE { 2 } else { 0 });
    }
}

fn stored_key() -> String {
    key::stored(key::Kind::Blob, KEY)
}

/// Earlier versions did not write the last segment of a blob's key down.
#[test]
fn blobs_of_earlier_versions_are_enumerated() {
    let store = Memory::default();
    for name in ["a", "b", "c"] {
        blob::put(&store, &format!("blobs/sha256/{name}/data"), b"content", CHUNK).unwrap();
    }
    let page = key::stored(key::Kind::Index, "blobs/sha256");
    store.set(&page, b"c/data\nb/\na/\n").unwrap();
    let storage = KeyValue::new(store, CHUNK);
    let page = storage.enumerate("blobs", None, 9).unwrap();
    let keys: Vec<_> = page.entries.into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, ["a", "b", "c"].map(|name| format!("blobs/sha256/{name}/data")));
    assert_eq!(page.next, None);
}
