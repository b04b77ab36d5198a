//! `blobs`, but for uploads, for a caller that is alone.

use std::thread;
use std::time::{Duration, Instant};

use super::{Check, Party, bytes};
use lighter_storage::{BlobEntry, BlobPage, Error, Storage, Upload};

pub(super) fn checks<S: Storage>() -> Vec<Check<S>> {
    vec![
        Check { name: "a-blob-is-kept", parties: 1, run: a_blob_is_kept },
        Check { name: "a-blob-is-read-from-any-byte", parties: 1, run: a_blob_is_read_from_any_byte },
        Check { name: "a-blob-is-removed", parties: 1, run: a_blob_is_removed },
        Check { name: "a-blob-grows-older", parties: 1, run: a_blob_grows_older },
        Check { name: "a-blob-that-is-put-again-is-young", parties: 1, run: a_blob_put_again_is_young },
        Check { name: "a-blob-is-young-after-its-commit", parties: 1, run: a_committed_blob_is_young },
        Check { name: "enumerate-gives-blobs-in-order", parties: 1, run: enumerate_gives_blobs_in_order },
        Check { name: "enumerate-passes-over-what-is-gone", parties: 1, run: enumerate_passes_over },
        Check { name: "a-location-is-a-url", parties: 1, run: a_location_is_a_url },
    ]
}

fn a_blob_is_kept<S: Storage>(party: &Party<S>) {
    let (storage, key) = (party.storage, party.key("a/blob/data"));
    assert_eq!(party.size(&key), Ok(None));
    assert_eq!(party.blob(&key, 0, 1), Err(Error::NotFound));
    for content in [b"first".to_vec(), bytes(4 << 20), Vec::new(), bytes(100_001)] {
        storage.put(&key, &content).unwrap();
        assert_eq!(party.size(&key), Ok(Some(content.len() as u64)));
        let read = party.blob(&key, 0, u64::MAX).unwrap();
        assert!(read == content, "a blob of {} bytes is not what was put", content.len());
    }
    // The prefix of a blob is none.
    assert_eq!(party.size(&party.key("a/blob")), Ok(None));
    assert_eq!(party.blob(&party.key("a/blob"), 0, 1), Err(Error::NotFound));
    assert_eq!(storage.delete_blob(&party.key("a/blob")), Ok(()));
    assert_eq!(storage.received(&party.key("a/blob")), Ok(None));
    assert_eq!(storage.open_upload(&party.key("a/blob")).err(), Some(Error::NotFound));
    assert_eq!(party.size(&party.key("a/blob/data/below")), Ok(None));
}

fn a_blob_is_read_from_any_byte<S: Storage>(party: &Party<S>) {
    let (storage, key) = (party.storage, party.key("a/blob/data"));
    let content = bytes(300_000);
    storage.put(&key, &content).unwrap();
    for (offset, length) in [(0, 1), (0, 300_000), (1, 2), (65_535, 3), (299_999, 1), (100_000, 200_000)] {
        let part = party.blob(&key, offset, length).unwrap();
        assert!(
            part == content[offset as usize..(offset + length) as usize],
            "{length} bytes from {offset} on are others"
        );
    }
}

fn a_blob_is_removed<S: Storage>(party: &Party<S>) {
    let (storage, key) = (party.storage, party.key("a/blob/data"));
    assert_eq!(storage.delete_blob(&key), Ok(()));
    storage.put(&key, b"content").unwrap();
    storage.put(&party.key("a/blob2/data"), b"other").unwrap();
    assert_eq!(storage.delete_blob(&key), Ok(()));
    assert_eq!(party.size(&key), Ok(None));
    assert_eq!(party.blob(&key, 0, 1), Err(Error::NotFound));
    assert_eq!(party.blob(&party.key("a/blob2/data"), 0, 9), Ok(b"other".to_vec()));
    storage.put(&key, b"again").unwrap();
    assert_eq!(party.blob(&key, 0, 9), Ok(b"again".to_vec()));
}

/// Long enough for an age to be told from a younger one, since it is given to the second.
const A_WHILE: Duration = Duration::from_millis(2_500);

/// Checks that the age of a blob is that of something which began then and ended just now.
fn check_age<S: Storage>(party: &Party<S>, key: &str, began: Instant, at_least: u64) {
    let age = party.storage.stat(key).unwrap().expect("a blob").age.expect("the age of what was just stored");
    // A second more, since both times are cut to one.
    let at_most = began.elapsed().as_secs() + 1;
    assert!((at_least..=at_most).contains(&age), "{key} is {age} s old, not {at_least} to {at_most}");
}

fn a_blob_grows_older<S: Storage>(party: &Party<S>) {
    let (storage, began) = (party.storage, Instant::now());
    for (key, size) in [("empty/data", 0), ("small/data", 10), ("large/data", 1_100_000)] {
        storage.put(&party.key(key), &bytes(size)).unwrap();
        check_age(party, &party.key(key), began, 0);
    }
    thread::sleep(A_WHILE);
    for key in ["empty/data", "small/data", "large/data"] {
        check_age(party, &party.key(key), began, 2);
    }
    // To read it changes nothing.
    party.blob(&party.key("large/data"), 0, 10).unwrap();
    check_age(party, &party.key("large/data"), began, 2);
}

fn a_blob_put_again_is_young<S: Storage>(party: &Party<S>) {
    let blobs = [("small/data", 10), ("large/data", 1_100_000), ("committed/data", 1_100_001)];
    for again in [false, true] {
        let began = Instant::now();
        for (key, size) in blobs {
            // The same bytes, or others where it was broken.
            let content = if again || size == 10 { bytes(size) } else { bytes(size / 2) };
            if key == "committed/data" {
                let mut upload = party.storage.create_upload(&party.key("an/upload/data")).unwrap();
                upload.append(&content).unwrap();
                upload.commit(&party.key(key)).unwrap();
            } else {
                party.storage.put(&party.key(key), &content).unwrap();
            }
        }
        for (key, _) in blobs {
            check_age(party, &party.key(key), began, 0);
        }
        thread::sleep(A_WHILE);
    }
    let began = Instant::now();
    for (key, size) in blobs {
        party.storage.put(&party.key(key), &bytes(size)).unwrap();
        check_age(party, &party.key(key), began, 0);
        assert!(party.blob(&party.key(key), 0, u64::MAX).unwrap() == bytes(size), "{key} is another");
    }
}

/// However long ago its bytes came.
fn a_committed_blob_is_young<S: Storage>(party: &Party<S>) {
    for (name, content) in [("small", bytes(10)), ("large", bytes(1_100_000))] {
        let (id, key) = (party.key(&format!("{name}/upload/data")), party.key(&format!("{name}/blob/data")));
        let mut upload = party.storage.create_upload(&id).unwrap();
        upload.append(&content).unwrap();
        upload.suspend(&[]).unwrap();
        thread::sleep(A_WHILE);
        let began = Instant::now();
        party.storage.open_upload(&id).unwrap().commit(&key).unwrap();
        check_age(party, &key, began, 0);
    }
}

/// All blobs under a prefix after a key, in steps of a size.
fn enumerated<S: Storage>(party: &Party<S>, prefix: &str, after: Option<&str>, limit: u32) -> Vec<BlobEntry> {
    let (mut found, mut after) = (Vec::new(), after.map(str::to_owned));
    loop {
        let page = party.storage.enumerate(prefix, after.as_deref(), limit).unwrap();
        assert!(page.entries.len() <= limit.max(1) as usize, "{} in a step of {limit}", page.entries.len());
        found.extend(page.entries);
        match page.next {
            Some(next) => assert!(after.replace(next.clone()) != Some(next), "a step does not go on"),
            None => return found,
        }
    }
}

fn enumerate_gives_blobs_in_order<S: Storage>(party: &Party<S>) {
    let (storage, prefix) = (party.storage, party.key("blobs"));
    assert_eq!(storage.enumerate(&prefix, None, 10), Ok(BlobPage::default()));
    // In byte order, which is not that of their segments: `-` and `.` come before `/`.
    let names = [
        "1-alpine/data",
        "1.2-a/data",
        "1.2/data",
        "1/2/3/4/data",
        "1/2/3/data",
        "1/data",
        "1/data2",
        "10/data",
        "Z",
        "_/x/data",
        "a",
        "ab/x/data",
        "ab/x0/data",
        "ab/y/a",
        "ab/y/b",
        "ab0/data",
        "b/tmp.tmp",
    ];
    for (index, name) in names.iter().enumerate().rev() {
        if index % 3 == 0 {
            let mut upload = storage.create_upload(&party.key(&format!("uploads/{index}/data"))).unwrap();
            upload.append(&bytes(index * 10_000)).unwrap();
            upload.commit(&party.key(&format!("blobs/{name}"))).unwrap();
        } else {
            storage.put(&party.key(&format!("blobs/{name}")), &bytes(index)).unwrap();
        }
    }
    for outside in ["blobs-/data", "blobs0/data", "blob/data"] {
        storage.put(&party.key(outside), b"outside").unwrap();
    }
    let keys: Vec<String> = names.iter().map(|name| format!("{prefix}/{name}")).collect();
    for limit in [0, 1, 2, 3, 7, 17, 100, u32::MAX] {
        let found = enumerated(party, &prefix, None, limit);
        assert!(found.iter().map(|entry| &entry.key).eq(&keys), "in steps of {limit}: {found:?}");
    }
    for BlobEntry { key, info } in enumerated(party, &prefix, None, 5) {
        assert_eq!(storage.stat(&key).unwrap().map(|info| info.size), Some(info.size), "{key}");
        assert!(info.age.is_some_and(|age| age < 60), "{key}: {info:?}");
    }
    // After keys that are there and such that are not.
    let between =
        ["", "0", "1", "1.", "1/2", "1/2/3/z", "1/data-", "2", "ab", "ab/x", "ab/y/aa", "ab/z", "zz"];
    for after in between.iter().map(|name| format!("{prefix}/{name}")).chain(keys.iter().cloned()) {
        for limit in [1, 4] {
            let found = enumerated(party, &prefix, Some(&after), limit);
            let expected = keys.iter().filter(|key| **key > after);
            assert!(found.iter().map(|entry| &entry.key).eq(expected), "after {after}: {found:?}");
        }
    }
    assert_eq!(enumerated(party, &prefix, Some("a"), 100).len(), names.len());
    assert_eq!(enumerated(party, &prefix, Some(&format!("{prefix}0")), 100), []);
    // Under a part of it, and under a blob, which is not a prefix.
    let found = enumerated(party, &format!("{prefix}/ab"), None, 3);
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(enumerated(party, &format!("{prefix}/1/data"), None, 3), []);
}

fn enumerate_passes_over<S: Storage>(party: &Party<S>) {
    let (storage, prefix) = (party.storage, party.key("blobs"));
    let key = |number: usize| format!("{prefix}/{:02}/{number}/data", number % 7);
    for number in 0..40 {
        storage.put(&key(number), b"content").unwrap();
    }
    let mut kept: Vec<String> = (0..40).filter(|number| number % 10 == 3).map(key).collect();
    kept.sort_unstable();
    (0..40).filter(|number| number % 10 != 3).for_each(|number| storage.delete_blob(&key(number)).unwrap());
    for limit in [1, 3, 100] {
        let found = enumerated(party, &prefix, None, limit);
        assert!(found.iter().map(|entry| &entry.key).eq(&kept), "in steps of {limit}: {found:?}");
    }
    // One that is removed between two steps, and one that comes back.
    let page = storage.enumerate(&prefix, None, 1).unwrap();
    let last = kept.pop().unwrap();
    storage.delete_blob(&last).unwrap();
    let mut found = page.entries;
    found.extend(page.next.map_or(Vec::new(), |next| enumerated(party, &prefix, Some(&next), 2)));
    assert!(found.iter().map(|entry| &entry.key).eq(&kept), "{found:?}");
    storage.put(&last, b"again").unwrap();
    assert_eq!(enumerated(party, &prefix, None, 9).last().map(|entry| &entry.key), Some(&last));
}

fn a_location_is_a_url<S: Storage>(party: &Party<S>) {
    let key = party.key("a/blob/data");
    party.storage.put(&key, b"content").unwrap();
    if let Some(location) = party.storage.location(&key).unwrap() {
        assert!(location.starts_with("https://") || location.starts_with("http://"), "{location}");
    }
}
