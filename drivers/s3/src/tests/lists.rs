//! Lists agree with sorting everything.

use std::collections::BTreeSet;

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
        for name in &prefixes {
            bench.store.put(&format!("some/root/list/{name}/below/link"), b"");
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
}
