//! What the contract promises, with many at once.

mod blobs;
mod creation;
mod cut;
mod explored;
mod leases;
mod names;
mod tidying;

use std::thread;

use lighter_storage::{Error, Stream as _, Upload as _};

use crate::bucket::Bucket;
use crate::key::{Kind, numbered, stored};
use crate::memory::Memory;
use crate::state::State;
use crate::time::EXPIRY;
use crate::upload::{Writer, received};
use crate::{blob, index, lease, value};

const CHUNK: usize = 100_000;

/// Runs a task as several at once, and returns what each gave.
fn at_once<T: Send>(tasks: usize, task: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let running: Vec<_> = (0..tasks)
            .map(|number| {
                scope.spawn({
                    let task = &task;
                    move || task(number)
                })
            })
            .collect();
        running.into_iter().map(|task| task.join().unwrap()).collect()
    })
}

fn list(store: &Memory, prefix: &str) -> Vec<String> {
    index::list(store, prefix, None, u32::MAX).unwrap()
}

fn content(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 + at / 251 + seed) as u8).collect()
}

fn read(store: &Memory, key: &str, offset: u64, length: u64) -> Vec<u8> {
    let mut reader = blob::read(store, key, offset, length).unwrap();
    core::iter::from_fn(|| reader.next().unwrap()).flatten().collect()
}

#[test]
fn names_of_concurrent_writers_are_all_listed() {
    for round in 0..20 {
        let store = Memory::default();
        at_once(8, |writer| {
            for tag in 0..8 {
                let key = format!("r{round}/tags/t{writer}-{tag}/current/link");
                value::set(&store, &key, b"x").unwrap();
                // At once, by the one who wrote it.
                assert!(list(&store, &format!("r{round}/tags")).contains(&format!("t{writer}-{tag}")));
            }
        });
        assert_eq!(list(&store, &format!("r{round}/tags")).len(), 64);
        assert_eq!(list(&store, "r0").len(), usize::from(round == 0));
    }
}

#[test]
fn a_name_that_is_written_and_deleted_at_once_is_listed_if_it_is_there() {
    for _ in 0..300 {
        let store = Memory::default();
        value::set(&store, "tags/a/current/link", b"0").unwrap();
        at_once(4, |number| match number {
            0 | 1 => value::delete_prefix(&store, "tags/a").unwrap(),
            2 => value::set(&store, "tags/a/current/link", b"1").unwrap(),
            _ => value::set(&store, "tags/a/index/b/link", b"1").unwrap(),
        });
        let is_there = |key| value::get(&store, key).unwrap().is_some();
        let current = is_there("tags/a/current/link");
        let index = is_there("tags/a/index/b/link");
        if current || index {
            assert_eq!(list(&store, "tags"), ["a"], "{:#?}", store.keys());
        }
        assert!(!current || list(&store, "tags/a").contains(&"current".into()), "{:#?}", store.keys());
        assert!(!index || list(&store, "tags/a").contains(&"index".into()), "{:#?}", store.keys());
        // What was written last is written, and what is deleted last is gone.
        value::set(&store, "tags/a/current/link", b"2").unwrap();
        assert_eq!(list(&store, "tags"), ["a"]);
        value::delete_prefix(&store, "tags/a").unwrap();
        assert!(list(&store, "tags").is_empty());
        assert!(!store.keys().iter().any(|key| key.contains("tags/a")), "{:#?}", store.keys());
    }
}

#[test]
fn what_is_deleted_leaves_nothing() {
    let store = Memory::default();
    value::set(&store, "kept/link", b"x").unwrap();
    let before = store.keys();
    for key in ["_uploads/1/startedat", "_uploads/1/hashstates/sha256/0", "_uploads/1/hashstates/sha256/10"] {
        value::set(&store, key, b"x").unwrap();
    }
    value::create(&store, "_uploads/1/lock", b"x").unwrap();
    value::delete_prefix(&store, "_uploads/1").unwrap();
    assert!(list(&store, "_uploads").is_empty());
    let left: Vec<_> = store.keys().into_iter().filter(|key| !before.contains(key)).collect();
    // The page of a prefix whose own was not deleted, and who may create it.
    assert_eq!(left, ["I/_uploads#1", "i/_uploads"]);
    value::delete_prefix(&store, "never/there").unwrap();
    value::delete_prefix(&store, "_uploads").unwrap();
    // That names are deleted from the top, which is not usual.
    let left: Vec<_> = store.keys().into_iter().filter(|key| !before.contains(key)).collect();
    assert_eq!(left, ["I/~deleted-from#1", "i/~deleted-from"]);
}

#[test]
fn a_deletion_takes_few_swaps_however_much_is_deleted() {
    let store = Memory::default();
    for number in 0..1000 {
        value::set(&store, &format!("tags/a/index/sha256/{number:064}/link"), b"x").unwrap();
    }
    value::set(&store, "tags/a/current/link", b"x").unwrap();
    let before = store.swaps();
    value::delete_prefix(&store, "tags/a").unwrap();
    assert_eq!(store.swaps() - before, 5);
    assert_eq!(store.keys(), ["I/#1", "I/tags#1", "i/", "i/tags"]);
}

#[test]
fn what_a_deletion_that_broke_off_has_closed_is_opened_again() {
    let store = Memory::default().alone();
    value::set(&store, "tags/a/b/link", b"x").unwrap();
    let failing = |_: &[String]| Err(Error::Other("a crash".into()));
    assert!(index::remove(&store, "tags/a", &failing).is_err());
    value::set(&store, "tags/a/c/link", b"x").unwrap();
    assert_eq!(list(&store, "tags/a"), ["c"]);
    assert_eq!(list(&store, "tags"), ["a"]);
    value::delete_prefix(&store, "tags/a").unwrap();
    assert!(!store.keys().iter().any(|key| key.contains("tags/a")), "{:#?}", store.keys());
}

#[test]
fn a_deletion_that_broke_off_is_completed() {
    let store = Memory::default();
    value::set(&store, "tags/a/b/c/link", b"x").unwrap();
    value::set(&store, "tags/a/link", b"x").unwrap();
    let failing = |_: &[String]| Err(Error::Other("a crash".into()));
    assert!(index::remove(&store, "tags/a", &failing).is_err());
    assert!(list(&store, "tags").is_empty());
    value::delete_prefix(&store, "tags/a").unwrap();
    assert_eq!(value::get(&store, "tags/a/b/c/link").unwrap(), None);
    assert_eq!(value::get(&store, "tags/a/link").unwrap(), None);
    // What one who may be at work still has closed is left to him, for a while.
    store.pass(EXPIRY + 1);
    value::delete_prefix(&store, "tags/a").unwrap();
    assert!(!store.keys().iter().any(|key| key.contains("tags/a")), "{:#?}", store.keys());
}

#[test]
fn long_names_are_listed() {
    let store = Memory::default();
    let (long, longer) =
        (format!("{}/a", "n".repeat(250)), format!("{}/{}", "n".repeat(250), "m".repeat(250)));
    for name in [&long, &longer] {
        value::set(&store, &format!("repositories/{name}/_layers/x/link"), b"x").unwrap();
        assert_eq!(
            value::get(&store, &format!("repositories/{name}/_layers/x/link")).unwrap(),
            Some(b"x".to_vec())
        );
    }
    assert_eq!(list(&store, "repositories"), ["n".repeat(250)]);
    assert_eq!(list(&store, &format!("repositories/{}", "n".repeat(250))), ["a".to_owned(), "m".repeat(250)]);
    assert_eq!(list(&store, &format!("repositories/{longer}/_layers")), ["x"]);
}

#[test]
fn pages_follow_each_other_in_byte_order() {
    let store = Memory::default();
    for name in ["b", "a-b", "a", "B", "a.b", "_"] {
        value::set(&store, &format!("x/{name}/link"), b"x").unwrap();
    }
    value::set(&store, "x/leaf", b"x").unwrap();
    assert_eq!(list(&store, "x"), ["B", "_", "a", "a-b", "a.b", "b"]);
    assert_eq!(index::list(&store, "x", Some("_"), 2).unwrap(), ["a", "a-b"]);
    assert_eq!(index::list(&store, "x", Some("b"), 2).unwrap(), [""; 0]);
    assert!(list(&store, "y").is_empty());
}

#[test]
fn one_creates() {
    for _ in 0..200 {
        let store = Memory::default();
        let created = at_once(6, |number| value::create(&store, "lock", &[number as u8]).unwrap());
        assert_eq!(created.iter().filter(|created| **created).count(), 1);
        let winner = created.iter().position(|created| *created).unwrap();
        assert_eq!(value::get(&store, "lock").unwrap(), Some(vec![winner as u8]));
        value::delete(&store, "lock").unwrap();
        assert!(value::create(&store, "lock", b"again").unwrap());
    }
}

#[test]
fn a_creator_that_crashed_is_passed_over() {
    let store = Memory::default().alone();
    store.increment("V/lock#1").unwrap();
    assert!(value::create(&store, "lock", b"x").unwrap());
    assert!(!value::create(&store, "lock", b"y").unwrap());
}

#[test]
fn an_upload_goes_on_and_becomes_a_blob() {
    for size in [0, 1, blob::FEW, blob::FEW + 1, CHUNK, CHUNK + 1, 5 * CHUNK, 5 * CHUNK + 7] {
        let store = Memory::default();
        let bytes = content(size, 1);
        Writer::create(&store, "up/data", CHUNK).unwrap().suspend(&[]).unwrap();
        for part in bytes.chunks(CHUNK * 3 / 2) {
            let mut writer = Writer::open(&store, "up/data", CHUNK).unwrap();
            part.chunks(33_333).for_each(|bytes| writer.append(bytes).unwrap());
            let mut reader = writer.read().unwrap();
            let so_far: Vec<u8> = core::iter::from_fn(|| reader.next().unwrap()).flatten().collect();
            assert_eq!(so_far, bytes[..writer.offset() as usize]);
            let offset = writer.offset();
            writer.suspend(&[]).unwrap();
            assert_eq!(received(&store, "up/data"), Ok(Some(offset)));
        }
        assert_eq!(value::get(&store, "up/data").unwrap(), None);
        let writer = Writer::open(&store, "up/data", CHUNK).unwrap();
        assert_eq!(writer.offset(), size as u64);
        writer.commit("blobs/x/data").unwrap();
        assert_eq!(received(&store, "up/data"), Ok(None));
        assert_eq!(blob::find(&store, "blobs/x/data").unwrap().unwrap().size(), size as u64);
        for (offset, length) in
            [(0, size), (0, 10), (size / 2, size), (size, 1), (CHUNK, 2 * CHUNK), (CHUNK + 1, 1)]
        {
            let expected: Vec<u8> = bytes.iter().skip(offset).take(length).copied().collect();
            assert!(
                read(&store, "blobs/x/data", offset as u64, length as u64) == expected,
                "{size}: {offset} {length}"
            );
        }
        assert_eq!(list(&store, "blobs"), ["x"]);
        assert!(!store.keys().iter().any(|key| key.contains("up/data")), "{:#?}", store.keys());
        blob::delete(&store, "blobs/x/data").unwrap();
        assert_eq!(store.chunks(), 0);
        assert_eq!(blob::find(&store, "blobs/x/data"), Ok(None));
    }
}

#[test]
fn an_abandoned_upload_leaves_no_chunk() {
    let store = Memory::default();
    let mut writer = Writer::create(&store, "up/data", CHUNK).unwrap();
    writer.append(&content(3 * CHUNK + 5, 1)).unwrap();
    assert!(store.chunks() > 0);
    writer.abort().unwrap();
    assert_eq!(store.keys(), [""; 0]);
    assert_eq!(Writer::open(&store, "up/data", CHUNK).err(), Some(Error::NotFound));
}

#[test]
fn of_many_one_holds_an_upload() {
    for _ in 0..100 {
        let store = Memory::default();
        Writer::create(&store, "up/data", CHUNK).unwrap().suspend(&[]).unwrap();
        let held = at_once(4, |_| Writer::open(&store, "up/data", CHUNK));
        assert_eq!(held.iter().filter(|held| held.is_ok()).count(), 1);
        for held in &held {
            assert!(matches!(held, Ok(_) | Err(Error::Busy)), "{:?}", held.as_ref().err());
        }
    }
}

#[test]
fn a_writer_that_stood_still_loses_the_upload_and_spoils_nothing() {
    let store = Memory::default();
    let mut slow = Writer::create(&store, "up/data", CHUNK).unwrap();
    slow.append(&content(2 * CHUNK, 1)).unwrap();
    assert_eq!(Writer::open(&store, "up/data", CHUNK).err(), Some(Error::Busy));
    store.pass(EXPIRY + 1);
    let mut writer = Writer::open(&store, "up/data", CHUNK).unwrap();
    assert_eq!(writer.offset(), 2 * CHUNK as u64);
    writer.append(&content(CHUNK, 2)).unwrap();
    assert_eq!(slow.append(&content(CHUNK, 3)), Err(Error::Busy));
    writer.commit("blobs/x/data").unwrap();
    assert_eq!(slow.commit("blobs/y/data"), Err(Error::Busy));
    let expected = [content(2 * CHUNK, 1), content(CHUNK, 2)].concat();
    assert!(read(&store, "blobs/x/data", 0, u64::MAX) == expected);
    assert_eq!(blob::find(&store, "blobs/y/data"), Ok(None));
    assert_eq!(received(&store, "up/data"), Ok(None));
}

#[test]
fn a_writer_that_stood_still_until_the_upload_had_ended_does_not_bring_it_back() {
    for (superseded, is_held) in [(1, true), (1, false), (2, true)] {
        let store = Memory::default();
        let mut slow = Writer::create(&store, "up/data", CHUNK).unwrap();
        if superseded == 2 {
            slow.suspend(&[]).unwrap();
            slow = Writer::open(&store, "up/data", CHUNK).unwrap();
        }
        slow.append(&content(2 * CHUNK, 1)).unwrap();
        let before = lease::look(&store, "up/data").unwrap().unwrap();
        core::mem::forget(slow);
        store.pass(EXPIRY + 1);
        Writer::open(&store, "up/data", CHUNK).unwrap().commit("blobs/x/data").unwrap();

        // It had looked just before whether the upload was still its own.
        let state = State { held: is_held, time: store.now(), ..before };
        assert_eq!(lease::write(&store, "up/data", superseded, &state), Err(Error::Busy));
        assert_eq!(received(&store, "up/data"), Ok(None));
        // And even if it crashes before it looks again.
        store
            .set(&numbered(Kind::State, "up/data", superseded), &State { held: false, ..state }.write())
            .unwrap();
        assert_eq!(received(&store, "up/data"), Ok(None));
        assert_eq!(Writer::open(&store, "up/data", CHUNK).err(), Some(Error::NotFound));
        assert!(read(&store, "blobs/x/data", 0, u64::MAX) == content(2 * CHUNK, 1));
    }
}

#[test]
fn a_crash_may_leave_a_chunk_without_its_state_or_a_state_without_its_chunk() {
    for (chunks, is_lost) in [(1, true), (3, true), (3, false)] {
        let store = Memory::default();
        let bytes = content(chunks * CHUNK, 1);
        let mut crashing = Writer::create(&store, "up/data", CHUNK).unwrap();
        crashing.append(&bytes).unwrap();
        let last = lease::look(&store, "up/data").unwrap().unwrap().content.last().unwrap();
        if is_lost {
            store.delete(&last).unwrap();
        } else {
            let (name, _) = last.rsplit_once('/').unwrap();
            store.set(&format!("{name}/{chunks}"), b"x").unwrap();
        }
        core::mem::forget(crashing);
        store.pass(EXPIRY + 1);
        let mut writer = Writer::open(&store, "up/data", CHUNK).unwrap();
        let offset = (chunks - usize::from(is_lost)) * CHUNK;
        assert_eq!(writer.offset(), offset as u64);
        writer.append(&bytes[offset..]).unwrap();
        writer.commit("blobs/x/data").unwrap();
        assert!(read(&store, "blobs/x/data", 0, u64::MAX) == bytes);
        assert_eq!(store.chunks(), chunks);
    }
}

#[test]
fn what_a_writer_that_stands_still_is_about_to_publish_is_not_touched() {
    let store = Memory::default();
    let bytes = content(2 * CHUNK, 1);
    let mut slow = Writer::create(&store, "up/data", CHUNK).unwrap();
    slow.append(&bytes).unwrap();
    let state = lease::look(&store, "up/data").unwrap().unwrap();
    let content = state.content.clone();
    let target = Some("blobs/x/data".to_owned());
    lease::keep(&store, "up/data", 1, &State { target, ..state }).unwrap();
    core::mem::forget(slow);
    store.pass(EXPIRY + 1);
    assert_eq!(Writer::open(&store, "up/data", CHUNK).err(), Some(Error::NotFound));
    // It goes on.
    assert_eq!(blob::publish(&store, "blobs/x/data", &blob::Blob::Chunked(content)), Ok(true));
    assert!(read(&store, "blobs/x/data", 0, u64::MAX) == bytes);
    assert_eq!(received(&store, "up/data"), Ok(None));
}

#[test]
fn the_same_blob_published_by_many_is_stored_once() {
    for _ in 0..50 {
        let store = Memory::default();
        let bytes = content(3 * CHUNK, 1);
        at_once(4, |number| {
            let mut writer = Writer::create(&store, &format!("up{number}/data"), CHUNK).unwrap();
            writer.append(&bytes).unwrap();
            writer.commit("blobs/x/data").unwrap();
        });
        assert!(read(&store, "blobs/x/data", 0, u64::MAX) == bytes);
        assert_eq!(store.chunks(), 3);
    }
}

#[test]
fn a_broken_blob_is_healed_by_the_next_push() {
    let store = Memory::default();
    let bytes = content(3 * CHUNK, 1);
    blob::put(&store, "blobs/x/data", &bytes, CHUNK).unwrap();
    let chunk = store.keys().into_iter().find(|key| key.starts_with("c/")).unwrap();
    store.delete(&chunk).unwrap();
    assert!(blob::read(&store, "blobs/x/data", 0, 10).unwrap().next().is_err());
    blob::put(&store, "blobs/x/data", &bytes, CHUNK).unwrap();
    assert!(read(&store, "blobs/x/data", 0, u64::MAX) == bytes);
    assert_eq!(store.chunks(), 3);
    store.set(&stored(Kind::Blob, "blobs/x/data"), b"what is this?").unwrap();
    blob::put(&store, "blobs/x/data", &bytes, CHUNK).unwrap();
    assert!(read(&store, "blobs/x/data", 0, u64::MAX) == bytes);
}

#[test]
fn an_upload_that_was_published_before_a_crash_keeps_its_chunks() {
    let store = Memory::default();
    let bytes = content(3 * CHUNK, 1);
    let mut writer = Writer::create(&store, "up/data", CHUNK).unwrap();
    writer.append(&bytes).unwrap();
    writer.commit("blobs/x/data").unwrap();
    // As if it had crashed before it removed the upload.
    let blob = blob::find(&store, "blobs/x/data").unwrap().unwrap();
    let blob::Blob::Chunked(content) = blob else { panic!("chunks") };
    let target = Some("blobs/x/data".to_owned());
    let state = State { held: true, target, content, ..State::new(0, String::new()) };
    crate::lease::begin(&store, "up/data", &state).unwrap();
    assert_eq!(received(&store, "up/data"), Ok(None));
    assert_eq!(Writer::open(&store, "up/data", CHUNK).err(), Some(Error::NotFound));
    assert!(read(&store, "blobs/x/data", 0, u64::MAX) == bytes);
}
