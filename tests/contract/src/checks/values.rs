//! `key-value`, for a caller that is alone.

use super::{Check, Party, bytes};
use lighter_storage::{Error, Storage};

/// The largest value.
const VALUE_MAX: usize = 64 * 1024;

pub(super) fn checks<S: Storage>() -> Vec<Check<S>> {
    vec![
        Check { name: "a-value-is-kept", parties: 1, run: a_value_is_kept },
        Check { name: "create-keeps-what-is-there", parties: 1, run: create_keeps_what_is_there },
        Check { name: "delete-removes-a-value", parties: 1, run: delete_removes_a_value },
        Check { name: "delete-prefix-removes-what-is-below", parties: 1, run: delete_prefix },
        Check { name: "list-gives-prefixes-in-order", parties: 1, run: list_gives_prefixes_in_order },
        Check { name: "list-gives-pages", parties: 1, run: list_gives_pages },
        Check { name: "values-gives-names-in-order", parties: 1, run: values_gives_names_in_order },
        Check { name: "values-gives-pages", parties: 1, run: values_gives_pages },
        Check {
            name: "list-having-gives-names-and-sizes",
            parties: 1,
            run: list_having_gives_names_and_sizes,
        },
        Check { name: "list-having-gives-pages", parties: 1, run: list_having_gives_pages },
        Check { name: "what-is-no-key-is-refused", parties: 1, run: what_is_no_key_is_refused },
        Check { name: "every-key-is-taken", parties: 1, run: every_key_is_taken },
    ]
}

fn a_value_is_kept<S: Storage>(party: &Party<S>) {
    let (storage, key) = (party.storage, party.key("a/value"));
    assert_eq!(storage.get(&key), Ok(None));
    for value in [b"first".to_vec(), bytes(VALUE_MAX), Vec::new(), bytes(4096), bytes(4097), b"x".to_vec()] {
        storage.set(&key, &value).unwrap();
        assert_eq!(storage.get(&key).unwrap().as_ref(), Some(&value), "a value of {} bytes", value.len());
    }
    assert_eq!(storage.get(&party.key("a/valu")), Ok(None));
    // Its prefix is none.
    assert_eq!(storage.get(&party.key("a")), Ok(None));
    assert_eq!(storage.get(&party.key("a/value/below")), Ok(None));
}

fn create_keeps_what_is_there<S: Storage>(party: &Party<S>) {
    let (storage, key) = (party.storage, party.key("a/value"));
    assert_eq!(storage.create(&key, b"first"), Ok(true));
    assert_eq!(storage.create(&key, b"second"), Ok(false));
    assert_eq!(storage.get(&key), Ok(Some(b"first".to_vec())));
    storage.set(&key, b"third").unwrap();
    assert_eq!(storage.create(&key, b"fourth"), Ok(false));
    assert_eq!(storage.get(&key), Ok(Some(b"third".to_vec())));
    storage.delete(&key).unwrap();
    assert_eq!(storage.create(&key, b"fifth"), Ok(true));
    assert_eq!(storage.get(&key), Ok(Some(b"fifth".to_vec())));
}

fn delete_removes_a_value<S: Storage>(party: &Party<S>) {
    let (storage, key) = (party.storage, party.key("a/value"));
    assert_eq!(storage.delete(&key), Ok(()));
    storage.set(&key, b"value").unwrap();
    storage.set(&party.key("a/value2"), b"other").unwrap();
    assert_eq!(storage.delete(&party.key("a")), Ok(()));
    assert_eq!(storage.get(&key), Ok(Some(b"value".to_vec())));
    assert_eq!(storage.delete(&key), Ok(()));
    assert_eq!(storage.get(&key), Ok(None));
    assert_eq!(storage.get(&party.key("a/value2")), Ok(Some(b"other".to_vec())));
    assert_eq!(storage.delete(&key), Ok(()));
}

fn delete_prefix<S: Storage>(party: &Party<S>) {
    let (storage, prefix) = (party.storage, party.key("list/a"));
    assert_eq!(storage.delete_prefix(&prefix), Ok(()));
    for key in ["list/a/b", "list/a/c/d", "list/a/c/e/f", "list/ab/c", "list/a-/c"] {
        storage.set(&party.key(key), key.as_bytes()).unwrap();
    }
    assert_eq!(storage.delete_prefix(&prefix), Ok(()));
    for key in ["list/a/b", "list/a/c/d", "list/a/c/e/f"] {
        assert_eq!(storage.get(&party.key(key)), Ok(None), "{key}");
    }
    for key in ["list/ab/c", "list/a-/c"] {
        assert_eq!(storage.get(&party.key(key)), Ok(Some(key.as_bytes().to_vec())), "{key}");
    }
    assert_eq!(storage.list(&prefix, None, 10), Ok(Vec::new()));
    assert_eq!(storage.list(&party.key("list"), None, 10).unwrap(), ["a-", "ab"]);
    assert_eq!(storage.delete_prefix(&prefix), Ok(()));
    storage.set(&party.key("list/a/b"), b"again").unwrap();
    assert_eq!(storage.get(&party.key("list/a/b")), Ok(Some(b"again".to_vec())));
    // A value's own key is not under it.
    assert_eq!(storage.delete_prefix(&party.key("list/a/b")), Ok(()));
    assert_eq!(storage.get(&party.key("list/a/b")), Ok(Some(b"again".to_vec())));
}

fn list_gives_prefixes_in_order<S: Storage>(party: &Party<S>) {
    let (storage, prefix) = (party.storage, party.key("list"));
    assert_eq!(storage.list(&prefix, None, 10), Ok(Vec::new()));
    for key in ["b/c", "b/d", "e", "Z/1/2/3", "a.b/1", "a-b/1", "a/b", "10/x", "9/x", "_/x"] {
        storage.set(&party.key(&format!("list/{key}")), b"").unwrap();
    }
    let sorted = ["10", "9", "Z", "_", "a", "a-b", "a.b", "b"];
    assert_eq!(storage.list(&prefix, None, 100).unwrap(), sorted);
    assert_eq!(storage.list(&party.key("list/b"), None, 100), Ok(Vec::new()));
    assert_eq!(storage.list(&party.key("list/e"), None, 100), Ok(Vec::new()));
    assert_eq!(storage.list(&party.key("list/Z"), None, 100).unwrap(), ["1"]);
    assert_eq!(storage.list(&party.key("lis"), None, 100), Ok(Vec::new()));
}

fn list_gives_pages<S: Storage>(party: &Party<S>) {
    let (storage, prefix) = (party.storage, party.key("list"));
    let names: Vec<String> = (0..25).map(|n| format!("n{n:02}")).collect();
    for name in &names {
        storage.set(&party.key(&format!("list/{name}/value")), b"").unwrap();
    }
    for limit in [1, 7, 25, 100] {
        let mut listed: Vec<String> = Vec::new();
        loop {
            let page = storage.list(&prefix, listed.last().map(String::as_str), limit).unwrap();
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        assert_eq!(listed, names, "in pages of {limit}");
    }
    assert_eq!(storage.list(&prefix, None, 0), Ok(Vec::new()));
    assert_eq!(storage.list(&prefix, Some("n03x"), 1).unwrap(), ["n04"]);
    assert_eq!(storage.list(&prefix, Some("z"), 9), Ok(Vec::new()));
    assert_eq!(storage.list(&prefix, None, u32::MAX).unwrap(), names);
}

fn values_gives_names_in_order<S: Storage>(party: &Party<S>) {
    let (storage, prefix) = (party.storage, party.key("list"));
    assert_eq!(storage.values(&prefix, None, 10), Ok(Vec::new()));
    for key in ["b/c", "b/d/e", "e", "9", "10", "Z", "a.tmp", "a-b", "_", "f"] {
        storage.set(&party.key(&format!("list/{key}")), b"").unwrap();
    }
    storage.create(&party.key("list/created"), b"").unwrap();
    let sorted = ["10", "9", "Z", "_", "a-b", "a.tmp", "created", "e", "f"];
    assert_eq!(storage.values(&prefix, None, 100).unwrap(), sorted);
    assert_eq!(storage.values(&party.key("list/b"), None, 100).unwrap(), ["c"]);
    for nothing in ["list/b/d/e", "list/e", "list/b/c", "lis", "li"] {
        assert_eq!(storage.values(&party.key(nothing), None, 100), Ok(Vec::new()), "{nothing}");
    }
    // What was removed may go on showing, but no more than once when it is there again.
    storage.delete(&party.key("list/f")).unwrap();
    storage.set(&party.key("list/f"), b"again").unwrap();
    assert_eq!(storage.values(&prefix, None, 100).unwrap(), sorted);
    storage.delete_prefix(&prefix).unwrap();
    assert_eq!(storage.values(&prefix, None, 100), Ok(Vec::new()));
    storage.set(&party.key("list/e"), b"").unwrap();
    assert_eq!(storage.values(&prefix, None, 100).unwrap(), ["e"]);
}

fn values_gives_pages<S: Storage>(party: &Party<S>) {
    let (storage, prefix) = (party.storage, party.key("list"));
    let names: Vec<String> = (0..25).map(|n| format!("n{n:02}")).collect();
    for name in &names {
        storage.set(&party.key(&format!("list/{name}")), b"").unwrap();
    }
    for limit in [1, 7, 25, 100] {
        let mut listed: Vec<String> = Vec::new();
        loop {
            let page = storage.values(&prefix, listed.last().map(String::as_str), limit).unwrap();
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        assert_eq!(listed, names, "in pages of {limit}");
    }
    assert_eq!(storage.values(&prefix, None, 0), Ok(Vec::new()));
    assert_eq!(storage.values(&prefix, Some("n03x"), 1).unwrap(), ["n04"]);
    assert_eq!(storage.values(&prefix, Some("z"), 9), Ok(Vec::new()));
    assert_eq!(storage.values(&prefix, None, u32::MAX).unwrap(), names);
}

fn list_having_gives_names_and_sizes<S: Storage>(party: &Party<S>) {
    let (storage, prefix) = (party.storage, party.key("list"));
    let listed = |after, limit| {
        let listed = storage.list_having(&prefix, "x/y", after, limit).unwrap();
        listed.iter().map(|(name, size)| format!("{name}: {size}")).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 10), [""; 0]);
    for (key, size) in [
        ("b/x/y", 3),
        ("b/x/z", 4),
        ("b/a", 4),
        // Only a beginning of it, and more than that.
        ("c/x/z", 1),
        ("d/x/y/z", 1),
        ("e", 1),
        ("f/e/x/y", 1),
        ("x/y", 1),
        ("Z/x/y", 0),
        ("a-b/x/y", 1),
        ("a/x/y", VALUE_MAX),
        ("a.b/x/y", 71),
        ("a.b/z/1/2", 1),
        ("10/x/y", 5000),
        ("9/x/y", 2),
    ] {
        storage.set(&party.key(&format!("list/{key}")), &bytes(size)).unwrap();
    }
    let all = ["10: 5000", "9: 2", "Z: 0", "a: 65536", "a-b: 1", "a.b: 71", "b: 3"];
    assert_eq!(listed(None, 100), all);
    assert_eq!(listed(None, 2), all[..2]);
    // A client may ask for what is after anything.
    for (after, from) in
        [("10", 1), ("1", 0), ("a", 4), ("a-", 4), ("a/", 6), ("a.b/x/y", 6), ("b", 7), ("", 0)]
    {
        assert_eq!(listed(Some(after), 100), all[from..], "after {after:?}");
    }
    assert_eq!(storage.list_having(&prefix, "x", None, 9), Ok(Vec::new()));
    assert_eq!(storage.list_having(&party.key("list/b"), "y", None, 9), Ok(vec![("x".to_owned(), 3)]));
    for nothing in ["list/b/x/y", "list/e", "lis", "other"] {
        assert_eq!(storage.list_having(&party.key(nothing), "x/y", None, 9), Ok(Vec::new()), "{nothing}");
    }
    // A value that goes is not listed, though others are beside it.
    storage.delete(&party.key("list/b/x/y")).unwrap();
    storage.delete_prefix(&party.key("list/a")).unwrap();
    storage.set(&party.key("list/9/x/y"), &bytes(9)).unwrap();
    storage.create(&party.key("list/c/x/y"), &bytes(1)).unwrap();
    assert_eq!(listed(None, 100), ["10: 5000", "9: 9", "Z: 0", "a-b: 1", "a.b: 71", "c: 1"]);
}

fn list_having_gives_pages<S: Storage>(party: &Party<S>) {
    let (storage, prefix) = (party.storage, party.key("list"));
    let names: Vec<String> = (0..25).map(|n| format!("n{n:02}")).collect();
    for (number, name) in names.iter().enumerate() {
        // Those that have something else are between them.
        let leaf = if number % 3 == 0 { "other" } else { "leaf" };
        storage.set(&party.key(&format!("list/{name}/{leaf}")), b"value").unwrap();
    }
    let having: Vec<(String, u64)> = names
        .into_iter()
        .enumerate()
        .filter(|(number, _)| number % 3 > 0)
        .map(|(_, name)| (name, 5))
        .collect();
    for limit in [1, 7, 16, 100] {
        let mut listed: Vec<(String, u64)> = Vec::new();
        loop {
            let after = listed.last().map(|(name, _)| name.as_str());
            let page = storage.list_having(&prefix, "leaf", after, limit).unwrap();
            let is_last = page.len() < limit as usize;
            assert!(page.len() <= limit as usize);
            listed.extend(page);
            if is_last {
                break;
            }
        }
        assert_eq!(listed, having, "in pages of {limit}");
    }
    assert_eq!(storage.list_having(&prefix, "leaf", None, 0), Ok(Vec::new()));
    assert_eq!(storage.list_having(&prefix, "leaf", Some("z"), 9), Ok(Vec::new()));
    assert_eq!(storage.list_having(&prefix, "leaf", None, u32::MAX).unwrap(), having);
}

fn what_is_no_key_is_refused<S: Storage>(party: &Party<S>) {
    let storage = party.storage;
    for key in [
        "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\\b", "a b", "a:b", "ä", "a\0b", "a%2fb",
    ] {
        fn refused<T>(key: &str, result: lighter_storage::Result<T>) {
            assert!(matches!(result, Err(Error::Other(_))), "{key:?} is taken for a key");
        }
        refused(key, storage.get(key));
        refused(key, storage.set(key, b""));
        refused(key, storage.create(key, b""));
        refused(key, storage.delete(key));
        refused(key, storage.delete_prefix(key));
        refused(key, storage.list(key, None, 1));
        refused(key, storage.values(key, None, 1));
        refused(key, storage.list_having(key, "leaf", None, 1));
        refused(key, storage.list_having("prefix", key, None, 1));
        refused(key, storage.stat(key));
        refused(key, storage.location(key));
        refused(key, storage.enumerate(key, None, 1));
        refused(key, storage.read(key, 0, 1));
        refused(key, storage.put(key, b""));
        refused(key, storage.delete_blob(key));
        refused(key, storage.received(key));
        refused(key, storage.create_upload(key));
        refused(key, storage.open_upload(key));
    }
}

fn every_key_is_taken<S: Storage>(party: &Party<S>) {
    let characters: String =
        ('!'..='~').filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
    let deep = ["segment"; 30].join("/");
    for key in [characters.as_str(), "...", ".hidden", "-", "a..b", "tmp.tmp", &"x".repeat(200), &deep] {
        let key = party.key(&format!("keys/{key}/end"));
        party.storage.set(&key, key.as_bytes()).unwrap();
        assert_eq!(party.storage.get(&key), Ok(Some(key.clone().into_bytes())), "{key}");
    }
}
