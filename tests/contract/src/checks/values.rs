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
