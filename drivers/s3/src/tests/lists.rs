//! Lists agree with sorting everything.

use std::collections::{BTreeMap, BTreeSet};

use lighter_storage::Storage;

use super::bench::Bench;
use super::chance::{Chance, seeds};

/// Some names, many of which are beginnings of others, cut off before a `-` or a `.`.
fn names(chance: &mut Chance) -> Vec<String> {
    let letters = ["1", "2", "-", ".", "a", "_"];
    let count = chance.below(350);
    let name = |chance: &mut Chance| -> String {
        (0..1 + chance.below(5)).map(|_| letters[chance.below(letters.len())]).collect()
    };
    let names = (0..count).map(|_| name(chance));
    names.filter(|name| !matches!(name.as_str(), "." | "..")).collect()
}

#[test]
fn a_list_is_what_sorting_gives() {
    for seed in seeds(40) {
        let chance = &mut Chance::new(seed);
        let (prefixes, keys) = (names(chance), names(chance));
        let bench = Bench::with_conditions(true);
        let mut having = BTreeMap::new();
        for name in &prefixes {
            let key = format!("some/root/list/{name}");
            // Before the leaf, behind it, and what only looks like it.
            for other in ["a/b", "below/link/x", "below/link-", "z/below/link"] {
                for count in 0..if chance.once_in(50) { 600 } else { chance.below(3) } {
                    bench.store.put(&format!("{key}/{other}/{count}"), b"");
                }
            }
            bench.store.put(&format!("{key}/z/below/link"), b"");
            if !chance.once_in(4) {
                let value = &b"some value"[..chance.below(10)];
                bench.store.put(&format!("{key}/below/link"), value);
                having.insert(name.clone(), value.len() as u64);
            }
        }
        for name in &keys {
            bench.store.put(&format!("some/root/list/{name}"), b"");
        }
        // What another program may have stored, and what is outside.
        for key in
            ["some/root/list/", "some/root/list/a b/c", "some/root/list-/x/y", "some/root/list", "list/x/y"]
        {
            bench.store.put(key, b"");
        }
        let driver = bench.driver();
        let prefixes: BTreeSet<&String> = prefixes.iter().collect();
        let keys: BTreeSet<&String> = keys.iter().collect();
        for _ in 0..40 {
            let limit = [1, 2, 7, 99, 150, 1000][chance.below(6)];
            let mut after = names(chance).pop();
            if chance.once_in(3) {
                after = prefixes.iter().nth(chance.below(prefixes.len())).map(|name| (*name).clone());
            }
            if chance.once_in(5) {
                // A client may ask for what is after anything.
                after = Some(["", "/", "1/", "1-/", "a/b", "~", "1//"][chance.below(7)].to_owned());
            }
            let expected = |names: &BTreeSet<&String>| -> Vec<String> {
                let later = names.iter().filter(|name| after.as_ref().is_none_or(|after| **name > after));
                later.take(limit as usize).map(|name| (*name).clone()).collect()
            };
            let listed = driver.list("list", after.as_deref(), limit).unwrap();
            assert_eq!(listed, expected(&prefixes), "seed {seed}: after {after:?}, at most {limit}");
            let listed = driver.values("list", after.as_deref(), limit).unwrap();
            assert_eq!(listed, expected(&keys), "seed {seed}: after {after:?}, at most {limit}");
            let listed = driver.list_having("list", "below/link", after.as_deref(), limit).unwrap();
            let later = having.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
            let expected: Vec<_> =
                later.take(limit as usize).map(|(name, size)| (name.clone(), *size)).collect();
            assert_eq!(listed, expected, "seed {seed}: after {after:?}, at most {limit}");
        }
    }
}

#[test]
fn a_page_takes_few_requests() {
    let bench = Bench::with_conditions(true);
    for number in 0..2_000 {
        bench.store.put(&format!("some/root/tags/v1.{number}/current/link"), b"");
    }
    let driver = bench.driver();
    bench.store.take_log();
    assert_eq!(driver.list("tags", None, 100).unwrap().len(), 100);
    // The page, and whether there is a tag `v1`.
    assert_eq!(bench.store.take_log().len(), 2);
    assert_eq!(driver.list("tags", None, u32::MAX).unwrap().len(), 2_000);
    assert_eq!(bench.store.take_log().len(), 2);
    assert_eq!(driver.list_having("tags", "current/link", None, u32::MAX).unwrap().len(), 2_000);
    assert_eq!(bench.store.take_log().len(), 2);
    // Each has a history, and some have a long one.
    for number in 0..2_000 {
        for at in 0..if number % 100 == 93 { 2_500 } else { 1 } {
            bench.store.put(&format!("some/root/tags/v1.{number}/index/sha256/{at}/link"), b"");
        }
    }
    let asked = |after, limit| {
        let page = driver.list_having("tags", "current/link", after, limit).unwrap();
        assert_eq!(page.len(), limit as usize);
        bench.store.take_log().len()
    };
    for limit in [1, 10, 90] {
        assert_eq!(asked(Some("v1.1000"), limit), 1, "{limit}");
    }
    // The page, and whether there is a tag `v1`.
    assert_eq!(asked(None, 90), 2);
    // The page, and what is behind the long history of `v1.1093`.
    assert_eq!(asked(Some("v1.1090"), 10), 2);
    // All: each of the 20 long histories ends one request, however long it is.
    assert_eq!(asked(None, 2_000), 21);
}
