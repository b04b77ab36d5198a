//! Writers and deletions of names, in every order.

use lighter_explore::{Failure, Handle, Outcome, Report, Scenario};

use super::explored::{self, Call, Explored, Store, left, switches, tell};
use crate::bucket::Bucket as _;
use crate::key::{Kind, split};
use crate::memory::Memory;
use crate::page::Page;
use crate::time::EXPIRY;
use crate::{index, value};

const CURRENT: &str = "tags/a/current/link";
const INDEX: &str = "tags/a/index/b/link";

#[derive(Clone, Copy, PartialEq)]
enum Does {
    Set(&'static str),
    Delete(&'static str),
}

use Does::{Delete, Set};

fn act(does: Does, name: &'static str) -> impl Fn(&Handle<Store>) {
    move |handle| {
        let store = Explored::new(handle, name);
        match does {
            Set(key) => value::set(&store, key, name.as_bytes()).unwrap(),
            Delete(prefix) => value::delete_prefix(&store, prefix).unwrap(),
        }
    }
}

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

/// Several who act at once on a store in which some values are.
fn scenario(stored: &[&str], all: &[Does], crashing: &[usize]) -> Scenario<'static, Store, ()> {
    let store = Store::after(|store| stored.iter().for_each(|key| value::set(store, key, b"0").unwrap()));
    let actors = all.iter().enumerate().map(|(number, does)| (NAMES[number], act(*does, NAMES[number])));
    let scenario = explored::scenario(store, actors, crashing);
    if all.len() > 2 { scenario.switches(switches()) } else { scenario }
}

fn is_listed(store: &Memory, key: &str) -> bool {
    let (mut prefix, _) = split(key);
    while !prefix.is_empty() {
        let (directory, name) = split(prefix);
        if !index::list(store, directory, None, u32::MAX).unwrap().contains(&name.to_owned()) {
            return false;
        }
        prefix = directory;
    }
    true
}

/// What holds once all have ended.
fn check(all: &[Does], outcome: &Outcome<'_, Store, ()>) {
    let store = left(outcome);
    let has_ended = |number: usize| outcome.results[number].is_some();
    for (number, does) in all.iter().enumerate() {
        let Set(key) = *does else { continue };
        let deletes_it =
            |does: &Does| matches!(does, Delete(prefix) if key.starts_with(&format!("{prefix}/")));
        let deletions = all.iter().enumerate().filter(|(_, does)| deletes_it(does));
        let stored = value::get(&store, key).unwrap();
        if has_ended(number) {
            // What was acknowledged and not deleted after is there, and what is there is listed.
            if deletions.clone().all(|(deletion, _)| outcome.ended_before(deletion, number)) {
                assert!(stored.is_some(), "{key} is lost: \n{}", store.text());
            }
            // Unless a deletion broke off, which may have come to the name only, or a writer that had not come to it.
            let broke_off = deletions.clone().any(|(deletion, _)| !has_ended(deletion));
            let by = NAMES.iter().position(|name| Some(name.as_bytes()) == stored.as_deref());
            let is_half = deletions.clone().count() > 0 && by.is_some_and(|by| !has_ended(by));
            let may_hide = stored.is_none() || broke_off || is_half;
            assert!(may_hide || is_listed(&store, key), "{key} is not listed: \n{}", store.text());
        }
    }
    // What is then done by one alone is right.
    for does in all {
        if let Set(key) = does {
            value::set(&store, key, b"last").unwrap();
            assert!(is_listed(&store, key), "{key} is not listed when set again: \n{}", store.text());
        }
    }
    for does in all {
        if let Delete(prefix) = does {
            let before = store.text();
            value::delete_prefix(&store, prefix).unwrap();
            let is_left = store.text().contains(&format!("/{prefix}"));
            assert!(!is_left, "{prefix} is not deleted: \n{before}\n{}", store.text());
            assert!(!is_listed(&store, &format!("{prefix}/x")), "{prefix} is listed: \n{}", store.text());
        }
    }
}

fn explore(what: &str, stored: &[&str], all: &[Does], crashing: &[usize]) -> Result<Report, Box<Failure>> {
    let report = scenario(stored, all, crashing).explore_simplest_first(|outcome| check(all, outcome))?;
    tell(what, &report);
    Ok(report)
}

#[test]
fn a_writer_and_a_deletion() {
    for key in [CURRENT, INDEX] {
        for stored in [&[][..], &[CURRENT], &[CURRENT, INDEX]] {
            for crashing in [&[][..], &[0], &[1]] {
                explore("a writer and a deletion", stored, &[Set(key), Delete("tags/a")], crashing).unwrap();
            }
        }
    }
}

/// What the index takes for granted: nobody stands still for long in the one or two calls that remove a page, or
/// in the one that stores a new one.
fn is_brief(call: &Call) -> bool {
    let is_page = call.key().starts_with("i/") || call.key().starts_with("I/");
    is_page && matches!(call, Call::Delete(_) | Call::Set(..))
}

#[test]
fn a_writer_or_a_deletion_that_stands_still() {
    for key in [CURRENT, INDEX] {
        let all = [Set(key), Delete("tags/a")];
        let scenario = scenario(&[CURRENT], &all, &[]).jumps(1, &[EXPIRY + 1]).switches(switches());
        let scenario = scenario.jumps_only_if(|calls| !calls.iter().any(|call| is_brief(call)));
        let report = scenario.explore_simplest_first(|outcome| check(&all, outcome)).unwrap();
        tell("a writer and a deletion that stand still", &report);
    }
}

#[test]
fn what_is_deleted_above_another_deletion_and_elsewhere() {
    for (set, all) in [
        (INDEX, [Set(INDEX), Delete("tags/a/index")]),
        (CURRENT, [Set(INDEX), Delete("tags")]),
        ("x/y/z/link", [Set("x/y/z/link"), Delete("x/y")]),
    ] {
        explore("a writer and a deletion elsewhere", &[set], &all, &[]).unwrap();
    }
    let all = [Set(CURRENT), Delete("tags"), Delete("tags/a")];
    explore("a writer and a deletion above another", &[CURRENT], &all, &[]).unwrap();
}

#[test]
fn two_writers_and_a_deletion() {
    let all = [Set(CURRENT), Set(CURRENT), Delete("tags/a")];
    for crashing in [&[][..], &[2]] {
        explore("two writers and a deletion", &[CURRENT], &all, crashing).unwrap();
    }
}

#[test]
fn a_writer_and_two_deletions() {
    let all = [Set(CURRENT), Delete("tags/a"), Delete("tags/a")];
    for crashing in [&[][..], &[1]] {
        explore("a writer and two deletions", &[CURRENT], &all, crashing).unwrap();
    }
}

#[test]
fn two_writers_and_two_deletions() {
    let all = [Set(CURRENT), Set(INDEX), Delete("tags/a"), Delete("tags/a")];
    let scenario = scenario(&[CURRENT], &all, &[]).switches(switches() - 1);
    let report = scenario.explore_simplest_first(|outcome| check(&all, outcome)).unwrap();
    tell("two writers and two deletions", &report);
    let walks = if std::env::var_os("LIGHTER_LONG").is_some() { 1_000_000 } else { 20_000 };
    let scenario = super::names::scenario(&[CURRENT], &all, &[2]);
    tell("at random", &scenario.walk(1, walks, |outcome| check(&all, outcome)).unwrap());
}

/// As earlier versions left it: the tag's page is there, and its name is not in the page above.
fn damage(store: &Memory) {
    value::set(store, CURRENT, b"1").unwrap();
    value::set(store, INDEX, b"1").unwrap();
    store.set("i/tags", b"").unwrap();
}

#[test]
fn a_tag_that_was_lost_is_listed_again_when_it_is_set() {
    for key in [CURRENT, INDEX] {
        let store = Memory::default();
        damage(&store);
        assert_eq!(value::get(&store, key).unwrap(), Some(b"1".to_vec()));
        assert!(!is_listed(&store, key));
        value::set(&store, key, b"1").unwrap();
        assert!(is_listed(&store, CURRENT) && is_listed(&store, INDEX), "{}", store.text());
    }
}

#[test]
fn a_value_is_stored_by_few_calls() {
    const REPOSITORY: &str = "docker/registry/v2/repositories/a";
    let store = Memory::default();
    let cost = |key: &str| {
        let before = (store.calls(), store.swaps());
        value::set(&store, &format!("{REPOSITORY}/{key}"), b"x").unwrap();
        (store.calls() - before.0, store.swaps() - before.1)
    };
    cost("_layers/sha256/0/link");
    // Another layer, and the same once more.
    assert_eq!(cost("_layers/sha256/1/link"), (7, 1));
    assert_eq!(cost("_layers/sha256/1/link"), (3, 0));
    cost("_manifests/tags/0/current/link");
    cost("_manifests/tags/0/index/sha256/0/link");
    // Another tag, and the same once more.
    assert_eq!(cost("_manifests/tags/1/current/link"), (13, 1));
    assert_eq!(cost("_manifests/tags/1/index/sha256/0/link"), (20, 1));
    assert_eq!(cost("_manifests/tags/1/current/link"), (4, 0));
    assert_eq!(cost("_manifests/tags/1/index/sha256/0/link"), (6, 0));
    assert_eq!(cost("_manifests/tags/1/index/sha256/1/link"), (10, 1));
}

#[test]
fn a_deletion_that_takes_long_shows_that_it_is_alive() {
    let store = Memory::default();
    for number in 0..1000 {
        value::set(&store, &format!("tags/a/index/sha256/{number:064}/link"), b"x").unwrap();
    }
    let slow = |keys: &[String]| {
        // Each of these sixteen takes a third of the time after which it would count as crashed.
        store.pass(EXPIRY / 3);
        for page in ["tags/a", "tags/a/index"] {
            let closed = Page::read(&store.get(&format!("i/{page}")).unwrap().unwrap()).closed_at().unwrap();
            assert!(store.is_recent(closed), "{page} counts as abandoned");
        }
        crate::cell::delete_many(&store, Kind::Value, keys)
    };
    index::remove(&store, "tags/a", &slow).unwrap();
    assert_eq!(store.keys(), ["I/#1", "I/tags#1", "i/", "i/tags"]);
}
