//! What removals and crashes leave goes, and nothing else does, whatever others do meanwhile.

use lighter_explore::{Failure, Handle, Outcome, Report, Scenario};
use lighter_storage::{Storage, Tidied};

use super::explored::{self, Explored, Store, left, switches, tell};
use super::{content, list, read};
use crate::bucket::Bucket;
use crate::memory::Memory;
use crate::storage::KeyValue;
use crate::{blob, index, tidy, value};

const AGE: u64 = 100;

/// Takes all steps, and returns what they did together.
fn tidy_all(bucket: &impl Bucket, limit: u32, dry_run: bool) -> Tidied {
    let storage = KeyValue::new(bucket.clone(), 4096);
    let mut all = Tidied::default();
    for _ in 0..10_000 {
        let step = storage.tidy(all.next.as_deref(), limit, AGE, dry_run).unwrap();
        assert!(step.next.is_none() || step.next != all.next, "{step:?} is no step on");
        all = Tidied { removed: all.removed + step.removed, bytes: all.bytes + step.bytes, next: step.next };
        if all.next.is_none() {
            return all;
        }
    }
    panic!("it does not end");
}

fn names(store: &Memory, prefix: &str) -> Vec<String> {
    index::values(store, prefix, None, u32::MAX).unwrap()
}

#[test]
fn entries_whose_value_is_gone_go() {
    for limit in [1, 2, 3, 7, 1000] {
        let store = Memory::default();
        for key in ["top", "a/b/x", "a/b/y", "a/c/data", "a/d/e/f/x", "a-b/x", "z/x"] {
            value::set(&store, key, b"value").unwrap();
        }
        blob::put(&store, "blobs/ab/1/data", b"one", 4096).unwrap();
        blob::put(&store, "blobs/ab/2/data", b"two", 4096).unwrap();
        assert_eq!(tidy_all(&store, limit, false), Tidied::default());
        for key in ["top", "a/b/x", "a/c/data", "a/d/e/f/x"] {
            value::delete(&store, key).unwrap();
        }
        blob::delete(&store, "blobs/ab/1/data").unwrap();
        let before = store.values();
        assert_eq!(tidy_all(&store, limit, true), Tidied { removed: 5, ..Tidied::default() });
        assert_eq!(store.values(), before);
        assert_eq!(tidy_all(&store, limit, false), Tidied { removed: 5, ..Tidied::default() });
        assert_eq!(names(&store, "a/b"), ["y"]);
        assert_eq!(list(&store, "a"), ["b", "d"]);
        assert_eq!(list(&store, "a/d/e"), [""; 0]);
        assert_eq!(list(&store, "blobs/ab"), ["2"]);
        assert_eq!(tidy_all(&store, limit, false), Tidied::default());
    }
}

#[test]
fn a_step_makes_few_calls() {
    let store = Memory::default();
    for number in 0..500 {
        value::set(&store, &format!("a/{}/{number}/link", number % 10), b"value").unwrap();
    }
    let storage = KeyValue::new(store.clone(), 4096);
    let mut after = None;
    for _ in 0..200 {
        let before = store.calls();
        after = storage.tidy(after.as_deref(), 10, AGE, false).unwrap().next;
        assert!(store.calls() - before < 25, "{} calls", store.calls() - before);
        if after.is_none() {
            return;
        }
    }
    panic!("it does not end: {after:?}");
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Does {
    Set(&'static str),
    Delete(&'static str),
    DeletePrefix(&'static str),
    Tidy,
    /// Takes away what leads to nothing without looking again.
    TidyCarelessly,
}

use Does::{Delete, DeletePrefix, Set, Tidy, TidyCarelessly};

const CURRENT: &str = "tags/a/current/link";
const BESIDE: &str = "tags/a/current/other";
const NAMES: [&str; 3] = ["one", "two", "three"];

fn act(does: Does, name: &'static str) -> impl Fn(&Handle<Store>) {
    move |handle| {
        let store = Explored::new(handle, name);
        match does {
            Set(key) => value::set(&store, key, name.as_bytes()).unwrap(),
            Delete(key) => value::delete(&store, key).unwrap(),
            DeletePrefix(prefix) => value::delete_prefix(&store, prefix).unwrap(),
            Tidy => drop(tidy::tidy(&store, Some("tags/a#"), 100, 0, false).unwrap()),
            TidyCarelessly => {
                let is_gone = !store.exists(&format!("v/{CURRENT}")).unwrap();
                index::swap(&store, "tags/a", |page| {
                    let page = page.delete(|entry| is_gone && entry == "current/link");
                    is_gone.then(|| page.forget(|_| true))
                })
                .unwrap();
            }
        }
    }
}

fn is_listed(store: &Memory, key: &str) -> bool {
    let (prefix, leaf) = key.rsplit_once('/').unwrap();
    names(store, prefix).contains(&leaf.to_owned()) && list(store, "tags/a").contains(&"current".to_owned())
}

fn check(before: &[Does], all: &[Does], outcome: &Outcome<'_, Store, ()>) {
    let store = left(outcome);
    for key in [CURRENT, BESIDE] {
        let is_there = value::get(&store, key).unwrap().is_some();
        let sets = |does: &Does| *does == Set(key);
        let removes = |does: &Does| *does == Delete(key) || *does == DeletePrefix("tags/a");
        let has_ended = |number: usize| outcome.results[number].is_some();
        let is_last = |number: usize, others: &dyn Fn(&Does) -> bool| {
            has_ended(number)
                && all
                    .iter()
                    .enumerate()
                    .all(|(other, does)| !others(does) || outcome.ended_before(other, number))
        };
        let last = |is: &dyn Fn(&Does) -> bool, others: &dyn Fn(&Does) -> bool| {
            all.iter().enumerate().any(|(number, does)| is(does) && is_last(number, others))
        };
        let was_there = before.iter().rev().find(|does| sets(does) || removes(does)).is_some_and(sets);
        let must_stay = was_there && !all.iter().any(removes);
        assert!(is_there || !must_stay && !last(&sets, &removes), "{key} is lost:\n{}", store.text());
        let some_crashed = outcome.results.contains(&None);
        if is_there && (must_stay || last(&sets, &|_| false) && !(some_crashed && all.iter().any(removes))) {
            assert!(is_listed(&store, key), "{key} is not listed:\n{}", store.text());
        }
        if last(&removes, &sets) {
            assert!(!is_there, "{key} is back:\n{}", store.text());
        }
        let deletes = |does: &Does| *does == DeletePrefix("tags/a");
        if last(&deletes, &|does| !deletes(does) && *does != Tidy) && !some_crashed {
            assert!(
                !list(&store, "tags").contains(&"a".to_owned()),
                "what was deleted is listed:\n{}",
                store.text()
            );
        }
    }
    // What is then done by one alone is right, and leaves nothing. What a deletion was about to delete is its own.
    tidy_all(&store, 5, false);
    let broke_off = all
        .iter()
        .zip(&outcome.results)
        .any(|(does, result)| matches!(does, DeletePrefix(_)) && result.is_none());
    for key in [CURRENT, BESIDE] {
        let is_there = value::get(&store, key).unwrap().is_some();
        assert!(
            is_there || broke_off || !names(&store, "tags/a/current").contains(&key[15..].to_owned()),
            "{}",
            store.text()
        );
        value::set(&store, key, b"last").unwrap();
        assert!(is_listed(&store, key), "{key} is not listed when set again:\n{}", store.text());
    }
    assert!(!store.text().contains('?'), "a doubt is left:\n{}", store.text());
    value::delete_prefix(&store, "tags/a").unwrap();
    assert!(!store.text().contains("tags/a"), "{}", store.text());
}

fn explore(before: &[Does], all: &[Does], crashing: &[usize]) -> Result<Report, Box<Failure>> {
    let store = Store::after(|store| {
        for does in before {
            match does {
                Set(key) => value::set(store, key, b"0").unwrap(),
                Delete(key) => value::delete(store, key).unwrap(),
                _ => unreachable!(),
            }
        }
    });
    let actors = all.iter().enumerate().map(|(number, does)| (NAMES[number], act(*does, NAMES[number])));
    let scenario: Scenario<'_, Store, ()> = explored::scenario(store, actors, crashing).switches(switches());
    let report = scenario.explore_simplest_first(|outcome| check(before, all, outcome))?;
    tell(&format!("{before:?}, then {all:?}"), &report);
    Ok(report)
}

#[test]
fn who_stores_or_removes_something_beside_one_who_tidies_has_it_done() {
    let removed = [Set(CURRENT), Set(BESIDE), Delete(CURRENT)];
    for does in [Set(CURRENT), Delete(BESIDE), DeletePrefix("tags/a")] {
        for before in [&[][..], &removed[..1], &removed[..2], &removed] {
            for crashing in [&[][..], &[0], &[1]] {
                explore(before, &[does, Tidy], crashing).unwrap();
            }
        }
    }
}

#[test]
fn several_tidy_at_once() {
    let removed = [Set(CURRENT), Set(BESIDE), Delete(CURRENT)];
    for does in [Set(CURRENT), DeletePrefix("tags/a")] {
        for crashing in [&[][..], &[1]] {
            explore(&removed, &[does, Tidy, Tidy], crashing).unwrap();
        }
    }
    explore(&removed, &[Set(CURRENT), Delete(CURRENT), Tidy], &[]).unwrap();
}

#[test]
fn one_who_does_not_look_again_is_found() {
    let removed = [Set(CURRENT), Set(BESIDE), Delete(CURRENT)];
    let failure = explore(&removed, &[Set(CURRENT), TidyCarelessly], &[]).unwrap_err();
    assert!(failure.message.contains("is not listed"), "{failure}");
}

const BLOB: &str = "blobs/x/data";

/// One chunk, and some more bytes.
const CHUNK: usize = blob::FEW;
const SIZE: usize = CHUNK + 1;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Works {
    Put,
    Delete,
    /// Tidies, whatever its age.
    Tidy,
}

fn work(does: Works, name: &'static str) -> impl Fn(&Handle<Store>) {
    move |handle| {
        let store = Explored::new(handle, name);
        match does {
            Works::Put => blob::put(&store, BLOB, &content(SIZE, 1), CHUNK).unwrap(),
            Works::Delete => blob::delete(&store, BLOB).unwrap(),
            Works::Tidy => drop(tidy::tidy(&store, Some("blobs#"), 100, 0, false).unwrap()),
        }
    }
}

/// Several at once on a store that has the blob, or not.
fn explore_blob(is_stored: bool, all: &[Works], crashing: &[usize], switches: u32) {
    let store = Store::after(|store| {
        value::set(store, "blobs/y/data", b"value").unwrap();
        if is_stored {
            blob::put(store, BLOB, &content(SIZE, 1), CHUNK).unwrap();
        }
    });
    let actors = all.iter().enumerate().map(|(number, does)| (NAMES[number], work(*does, NAMES[number])));
    let scenario: Scenario<'_, Store, ()> = explored::scenario(store, actors, crashing).switches(switches);
    let report = scenario.explore_simplest_first(|outcome| {
        let store = left(outcome);
        let is_there = blob::find(&store, BLOB).unwrap().is_some();
        assert!(!is_there || read(&store, BLOB, 0, u64::MAX) == content(SIZE, 1));
        let deleted_last = |put: usize| {
            all.iter().enumerate().any(|(by, does)| *does == Works::Delete && !outcome.ended_before(by, put))
        };
        for (number, does) in all.iter().enumerate() {
            if *does == Works::Put && outcome.results[number].is_some() && !deleted_last(number) {
                assert!(is_there, "it is lost:\n{}", store.text());
                assert_eq!(list(&store, "blobs"), ["x", "y"], "{}", store.text());
            }
        }
        let is_deleted = all.contains(&Works::Delete);
        assert!(is_there || is_deleted || !is_stored, "it is lost:\n{}", store.text());
        // What crashes have left goes.
        store.pass(AGE);
        tidy_all(&store, 100, false);
        // One who is tidied away while it writes, and crashes before it has removed what it wrote since, leaves that.
        let is_cut_off = all.len() > 1 && all[0] == Works::Put && outcome.results[0].is_none();
        let left = store.chunks();
        assert!(
            is_cut_off || left == if is_there { 2 } else { 0 },
            "{left} chunks are left:\n{:#?}",
            store.keys()
        );
        assert_eq!(blob::find(&store, BLOB).unwrap().is_some(), is_there);
        assert_eq!(list(&store, "blobs").len(), 1 + usize::from(is_there), "{}", store.text());
        // All can begin anew.
        blob::put(&store, BLOB, &content(SIZE, 1), CHUNK).unwrap();
        assert!(read(&store, BLOB, 0, u64::MAX) == content(SIZE, 1));
        assert_eq!(list(&store, "blobs"), ["x", "y"]);
        blob::delete(&store, BLOB).unwrap();
        assert!(is_cut_off || store.chunks() == 0);
    });
    tell(&format!("{is_stored}, then {all:?}, crashing: {crashing:?}"), &report.unwrap());
}

#[test]
fn whoever_crashes_leaves_chunks_that_go() {
    for is_stored in [false, true] {
        explore_blob(is_stored, &[Works::Put], &[0], 9);
        explore_blob(is_stored, &[Works::Delete], &[0], 9);
        explore_blob(is_stored, &[Works::Tidy], &[0], 9);
    }
}

#[test]
fn who_publishes_or_deletes_a_blob_beside_one_who_tidies_has_it_done() {
    for is_stored in [false, true] {
        for does in [Works::Put, Works::Delete] {
            for crashing in [&[][..], &[0], &[1]] {
                explore_blob(is_stored, &[does, Works::Tidy], crashing, switches());
            }
            explore_blob(is_stored, &[does, Works::Tidy, Works::Tidy], &[], switches() - 1);
        }
    }
}

#[test]
fn young_chunks_stay_and_a_dry_run_counts_the_others() {
    let store = Memory::default();
    value::set(&store, "blobs/y/data", b"value").unwrap();
    index::add(&store, BLOB).unwrap();
    let now = store.now();
    store.set("b/blobs/x/data", format!("coming {now}\nid\n1 {CHUNK} {SIZE}\n").as_bytes()).unwrap();
    for chunk in ["c/id/1/0", "c/id/1/1"] {
        store.set(chunk, b"bytes").unwrap();
    }
    assert_eq!(tidy_all(&store, 5, false), Tidied::default());
    assert_eq!(blob::find(&store, BLOB), Ok(None));
    store.pass(AGE);
    let before = store.values();
    // Two chunks, and the entry.
    let all = Tidied { removed: 3, bytes: SIZE as u64, next: None };
    assert_eq!(tidy_all(&store, 5, true), all);
    assert_eq!(store.values(), before);
    assert_eq!(tidy_all(&store, 5, false), all);
    assert_eq!(store.chunks(), 0);
    assert_eq!(list(&store, "blobs"), ["y"]);
    assert_eq!(tidy_all(&store, 5, false), Tidied::default());
}
