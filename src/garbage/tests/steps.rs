//! Steps, and what earlier collections leave.

use std::time::Instant;

use super::stores::{NOW, Still, blob, collect, kept, left, litter, manifest, options, removed};
use crate::garbage::mark::Mark;
use crate::garbage::outside::Outside as _;
use crate::garbage::{Collection, Phase, Report};
use crate::layout;
use lighter_storage::{Memory, Storage as _};

/// Takes the smallest steps, each in another process if `is_new`. Returns the last report, and how many steps there were.
fn collect_in_steps(storage: &Memory, limit: usize, is_new: bool) -> (Report, usize) {
    let outside = Still::default();
    let begin = || Collection::with(storage, options(), NOW, outside.clone(), limit).unwrap();
    let mut collection = begin();
    for steps in 1.. {
        assert!(steps < 10_000, "it does not come to an end: {:?}", collection.report());
        let is_over = collection.step(Instant::now()).unwrap();
        assert_eq!(is_over, collection.report().phase == Phase::Over);
        if is_over {
            return (collection.report().clone(), steps);
        }
        if is_new {
            let before = collection.report().clone();
            collection = begin();
            assert_eq!(removed(collection.report()), removed(&before));
        }
    }
    unreachable!()
}

#[test]
fn a_collection_goes_on_after_every_step() {
    for (limit, is_new) in [(1000, false), (1000, true), (3, true), (40, true)] {
        let (storage, keys) = kept();
        let expected = litter(&storage);
        let (report, steps) = collect_in_steps(&storage, limit, is_new);
        assert_eq!((left(&storage), removed(&report)), (keys, expected), "{limit}, {is_new}");
        assert_eq!((report.repositories, report.manifests), (11, 13));
        assert!(steps > 40, "{steps}");
    }
}

#[test]
fn many_steps_leave_no_long_progress() {
    let storage = Memory::default();
    for n in 0..5_000 {
        let layer = blob(&storage, "a", &format!("layer {n}"));
        manifest(&storage, "a", &format!("{n}: {layer}"));
    }
    let outside = Still::default();
    let before = storage.keys();
    loop {
        let mut collection = Collection::with(&storage, options(), NOW, outside.clone(), 1 << 20).unwrap();
        if collection.step(Instant::now()).unwrap() {
            break;
        }
        let progress = storage.keys().into_iter().find(|key| key.ends_with("/progress")).unwrap();
        assert!(storage.get(&progress).unwrap().unwrap().len() < 10_000);
    }
    assert_eq!(left(&storage), before);
}

#[test]
fn what_was_pushed_meanwhile_is_kept() {
    let storage = Memory::default();
    let layer = blob(&storage, "a", "layer");
    let outside = Still::default();
    let mut collection = Collection::with(&storage, options(), NOW, outside.clone(), 100).unwrap();
    while collection.report().phase != Phase::Links {
        assert!(!collection.step(Instant::now()).unwrap());
    }
    // By another registry of the same store, as a request does it.
    let config = crate::config::Config { http_secret: Some("s".to_owned()), ..Default::default() };
    let registry = crate::registry::Registry::new(&storage, &config);
    let mut body = format!(r#"{{"schemaVersion":2,"config":{{"digest":"{layer}"}}}}"#).into_bytes();
    let put = crate::http::Method::Put;
    let request = crate::http::Request::new(put, "/v2/a/manifests/v1", Vec::new(), &mut body);
    assert_eq!(registry.handle(request).0.status, 201);
    assert!(storage.keys().iter().any(|key| key.contains("/pushed/")));
    while !collection.step(Instant::now()).unwrap() {}
    assert_eq!(removed(collection.report()), Report { phase: Phase::Over, ..Report::default() });
    assert!(storage.keys().contains(&layout::blob(&layer)));
    assert!(!storage.keys().iter().any(|key| key.contains("/pushed/")));
}

#[test]
fn what_earlier_collections_have_left_is_removed() {
    let (storage, keys) = kept();
    let expected = litter(&storage);
    let outside = Still::default();
    // What one has stored after it was ended, a mark of one that died, and one that nobody has gone on with.
    storage.set(&layout::collector_progress("straggler"), b"").unwrap();
    storage.set("lighter/collector/straggler/pushed/ab", b"?").unwrap();
    storage.set(&layout::collection_batch("died.1"), &(NOW - 601).to_be_bytes()).unwrap();
    storage.set(&layout::collection_began("abandoned"), &(NOW - 86_401).to_be_bytes()).unwrap();
    storage.set(&layout::collection_trace("ended.1.x"), b"").unwrap();
    let live = Mark::set(&storage, &outside, "other", &[]).unwrap();
    let report = collect(&storage, options(), 100);
    assert_eq!(removed(&report), expected);
    assert!(
        storage.keys().iter().any(|key| key.starts_with("lighter/collection/other.")),
        "it is in progress"
    );
    live.remove(&storage).unwrap();
    assert_eq!(left(&storage), keys);
    let traces = storage.keys().iter().filter(|key| key.starts_with("lighter/collection/ended.")).count();
    assert_eq!(traces, 1);
}

#[test]
fn a_progress_that_is_damaged_begins_anew() {
    for damage in [&b""[..], b"1 2", b"\xff", b"1 9 0 0 0 0 0 0 0 0 0 0 0 0\n\n"] {
        let (storage, keys) = kept();
        let expected = litter(&storage);
        let outside = Still::default();
        let mut collection = Collection::with(&storage, options(), outside.now(), outside, 100).unwrap();
        while collection.report().phase != Phase::Links {
            collection.step(Instant::now()).unwrap();
        }
        drop(collection);
        let progress = storage.keys().into_iter().find(|key| key.ends_with("/progress")).unwrap();
        storage.set(&progress, damage).unwrap();
        assert_eq!(removed(&collect(&storage, options(), 100)), expected);
        assert_eq!(left(&storage), keys);
    }
    // So does one of which a run is lost.
    let (storage, keys) = kept();
    let mut collection = Collection::with(&storage, options(), NOW, Still::default(), 100).unwrap();
    while collection.report().phase != Phase::Links {
        collection.step(Instant::now()).unwrap();
    }
    let run = storage.keys().into_iter().find(|key| key.contains("/marks/")).unwrap();
    storage.delete(&run).unwrap();
    collect(&storage, options(), 100);
    assert_eq!(left(&storage), keys);
}

#[test]
fn a_collection_that_was_ended_by_another_stops() {
    let (storage, keys) = kept();
    litter(&storage);
    let outside = Still::default();
    let mut one = Collection::with(&storage, options(), NOW, outside.clone(), 100).unwrap();
    assert!(!one.step(Instant::now()).unwrap());
    assert_eq!(collect(&storage, options(), 100).phase, Phase::Over);
    assert_eq!(left(&storage), keys);
    let before = storage.keys();
    assert!(one.step(Instant::now()).unwrap());
    assert_eq!(storage.keys(), before, "it writes nothing any more");
}
