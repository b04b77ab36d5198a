//! `maintenance`: what is left goes, and nothing else does.

use super::{Check, Party, bytes};
use lighter_storage::{Storage, Tidied, Upload};

pub(super) fn checks<S: Storage>() -> Vec<Check<S>> {
    vec![
        Check { name: "tidy-keeps-what-is-there", parties: 1, run: tidy_keeps_what_is_there },
        Check { name: "tidy-takes-the-names-of-what-is-gone", parties: 1, run: tidy_takes_names },
        Check { name: "tidy-comes-to-an-end-in-steps-of-any-size", parties: 1, run: tidy_in_steps },
        Check { name: "a-dry-run-removes-nothing", parties: 1, run: a_dry_run_removes_nothing },
        Check {
            name: "whoever-works-while-others-tidy-has-it-done",
            parties: 4,
            run: work_while_others_tidy,
        },
    ]
}

/// Takes all steps, and returns what they did together.
fn tidy<S: Storage>(party: &Party<S>, limit: u32, age: u64, dry_run: bool) -> Tidied {
    let mut all = Tidied::default();
    loop {
        let step = party.storage.tidy(all.next.as_deref(), limit, age, dry_run).unwrap();
        assert!(step.next.is_none() || step.next != all.next, "a step does not go on: {step:?}");
        all = Tidied { removed: all.removed + step.removed, bytes: all.bytes + step.bytes, next: step.next };
        if all.next.is_none() {
            return all;
        }
    }
}

fn tidy_keeps_what_is_there<S: Storage>(party: &Party<S>) {
    let storage = party.storage;
    for key in ["a/value", "a/b/c/d/value", "a.tmp", "link.tmp", "data.claim.x"] {
        storage.set(&party.key(key), key.as_bytes()).unwrap();
    }
    assert!(storage.create(&party.key("created/value"), b"created").unwrap());
    for (key, size) in [("empty/data", 0), ("small/data", 10), ("large/data", 1_100_000)] {
        storage.put(&party.key(key), &bytes(size)).unwrap();
    }
    let (waiting, held) = (party.key("uploads/waiting/data"), party.key("uploads/held/data"));
    let mut upload = storage.create_upload(&waiting).unwrap();
    upload.append(&bytes(1_100_000)).unwrap();
    upload.suspend(&[(party.key("uploads/waiting/notes/1"), b"note".to_vec())]).unwrap();
    storage.create_upload(&held).unwrap().suspend(&[]).unwrap();
    let mut upload = storage.open_upload(&held).unwrap();
    upload.append(&bytes(300_000)).unwrap();

    for (limit, age) in [(1000, 0), (3, 86_400)] {
        tidy(party, limit, age, false);
        for key in ["a/value", "a/b/c/d/value", "a.tmp", "link.tmp", "data.claim.x"] {
            assert_eq!(storage.get(&party.key(key)), Ok(Some(key.as_bytes().to_vec())), "{key}");
        }
        assert_eq!(storage.create(&party.key("created/value"), b"again"), Ok(false));
        assert_eq!(storage.list(&party.key("a/b"), None, 9).unwrap(), ["c"]);
        assert_eq!(storage.values(&party.key("a/b/c/d"), None, 9).unwrap(), ["value"]);
        for (key, size) in [("empty/data", 0), ("small/data", 10), ("large/data", 1_100_000)] {
            assert!(party.blob(&party.key(key), 0, u64::MAX).unwrap() == bytes(size), "{key} is another");
        }
        assert_eq!(storage.received(&waiting), Ok(Some(1_100_000)));
        let writer = storage.open_upload(&waiting).unwrap();
        assert_eq!(party.note(&writer, &party.key("uploads/waiting/notes/1")), Ok(Some(b"note".to_vec())));
        writer.suspend(&[(party.key("uploads/waiting/notes/1"), b"note".to_vec())]).unwrap();
    }
    // The one goes on with its upload, and another with the other.
    upload.append(&bytes(10)).unwrap();
    upload.commit(&party.key("held/data")).unwrap();
    assert_eq!(party.size(&party.key("held/data")), Ok(Some(300_010)));
    storage.open_upload(&waiting).unwrap().commit(&party.key("waiting/data")).unwrap();
    assert!(party.blob(&party.key("waiting/data"), 0, u64::MAX).unwrap() == bytes(1_100_000));
}

/// Stores some things under a prefix, and removes some of them again, one by one.
fn leave<S: Storage>(party: &Party<S>, prefix: &str) {
    let (storage, key) = (party.storage, |name: &str| party.key(&format!("{prefix}/{name}")));
    for name in ["a/1", "a/2", "b/1", "c/1"] {
        storage.set(&key(name), b"value").unwrap();
    }
    for (name, size) in [("blobs/one/data", 10), ("blobs/two/data", 1_100_000), ("blobs/three/data", 10)] {
        storage.put(&key(name), &bytes(size)).unwrap();
    }
    for name in ["a/1", "b/1"] {
        storage.delete(&key(name)).unwrap();
    }
    for name in ["blobs/one/data", "blobs/two/data"] {
        storage.delete_blob(&key(name)).unwrap();
    }
}

fn check_names<S: Storage>(party: &Party<S>, prefix: &str) {
    let (storage, key) = (party.storage, |name: &str| party.key(&format!("{prefix}{name}")));
    assert_eq!(storage.values(&key("/a"), None, 9).unwrap(), ["2"]);
    assert_eq!(storage.values(&key("/b"), None, 9), Ok(Vec::new()));
    assert_eq!(storage.list(&key(""), None, 9).unwrap(), ["a", "blobs", "c"]);
    assert_eq!(storage.list(&key("/blobs"), None, 9).unwrap(), ["three"]);
    assert_eq!(storage.get(&key("/a/2")), Ok(Some(b"value".to_vec())));
    assert_eq!(party.blob(&key("/blobs/three/data"), 0, 99), Ok(bytes(10)));
}

fn tidy_takes_names<S: Storage>(party: &Party<S>) {
    leave(party, "list");
    tidy(party, 1000, 0, false);
    check_names(party, "list");
    // All of it can be there again.
    leave(party, "list");
    tidy(party, 1000, 0, false);
    check_names(party, "list");
}

fn tidy_in_steps<S: Storage>(party: &Party<S>) {
    for limit in [0, 1, 2, 7, u32::MAX] {
        let prefix = format!("list{limit}");
        leave(party, &prefix);
        // What is left above what went is found by the next steps.
        while tidy(party, limit, 0, false).removed > 0 {}
        check_names(party, &prefix);
        assert_eq!(tidy(party, 1000, 0, true), Tidied::default());
    }
}

fn a_dry_run_removes_nothing<S: Storage>(party: &Party<S>) {
    tidy(party, 1000, 0, false);
    leave(party, "list");
    let dry = tidy(party, 100_000, 0, true);
    assert_eq!(tidy(party, 100_000, 0, true), dry);
    assert_eq!(tidy(party, 100_000, 0, false), dry);
    assert_eq!(tidy(party, 100_000, 0, true), Tidied::default());
    check_names(party, "list");
}

fn work_while_others_tidy<S: Storage>(party: &Party<S>) {
    let (storage, number) = (party.storage, party.number);
    party.meet("before");
    if number >= 2 {
        // Until both others are done.
        let over = |number: usize| storage.get(&party.key(&format!("over/{number}"))).unwrap().is_some();
        return party.wait("the end of both", || {
            tidy(party, 5 + 100 * (number as u32 - 2), 0, false);
            (over(0) && over(1)).then_some(())
        });
    }
    for round in 0..10 {
        // In directories of its own, and in one that both have.
        let own = |name: &str| party.key(&format!("{number}-{round}/{name}"));
        storage.set(&own("a/b/value"), b"value").unwrap();
        assert_eq!(storage.get(&own("a/b/value")), Ok(Some(b"value".to_vec())));
        assert_eq!(storage.values(&own("a/b"), None, 9).unwrap(), ["value"]);
        assert_eq!(storage.list(&own("a"), None, 9).unwrap(), ["b"]);
        assert_eq!(storage.create(&own("a/c/value"), b"created"), Ok(true));
        assert_eq!(storage.create(&own("a/c/value"), b"created"), Ok(false));
        storage.delete(&own("a/b/value")).unwrap();
        assert_eq!(storage.get(&own("a/b/value")), Ok(None));
        storage.delete_prefix(&own("a")).unwrap();
        assert_eq!(storage.get(&own("a/c/value")), Ok(None));
        assert_eq!(storage.list(&party.key(&format!("{number}-{round}")), None, 9), Ok(Vec::new()));

        let shared = party.key(&format!("shared/{number}/data"));
        storage.put(&shared, &bytes(200_000)).unwrap();
        assert!(party.blob(&shared, 0, u64::MAX).unwrap() == bytes(200_000));
        storage.delete_blob(&shared).unwrap();
        assert_eq!(party.size(&shared), Ok(None));

        let id = own("upload/data");
        storage.create_upload(&id).unwrap().suspend(&[(own("upload/notes/0"), b"note".to_vec())]).unwrap();
        let mut upload = storage.open_upload(&id).unwrap();
        upload.append(&bytes(1_000)).unwrap();
        upload.suspend(&[(own("upload/notes/1000"), b"note".to_vec())]).unwrap();
        if !storage.proves_uploads() {
            assert_eq!(storage.values(&own("upload/notes"), None, 9).unwrap(), ["0", "1000"]);
        }
        storage.open_upload(&id).unwrap().commit(&shared).unwrap();
        assert_eq!(party.blob(&shared, 0, u64::MAX), Ok(bytes(1_000)));
        assert!(!storage.enumerate(&party.key("shared"), None, 9).unwrap().entries.is_empty());
        storage.delete_blob(&shared).unwrap();
        storage.delete_prefix(&own("upload")).unwrap();
    }
    storage.set(&party.key(&format!("over/{number}")), b"").unwrap();
}
