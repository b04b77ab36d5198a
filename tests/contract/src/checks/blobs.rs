//! `blobs`, but for uploads, for a caller that is alone.

use std::thread;
use std::time::{Duration, Instant};

use super::{Check, Party, bytes};
use lighter_storage::{Error, Storage, Upload};

pub(super) fn checks<S: Storage>() -> Vec<Check<S>> {
    vec![
        Check { name: "a-blob-is-kept", parties: 1, run: a_blob_is_kept },
        Check { name: "a-blob-is-read-from-any-byte", parties: 1, run: a_blob_is_read_from_any_byte },
        Check { name: "a-blob-is-removed", parties: 1, run: a_blob_is_removed },
        Check { name: "a-blob-grows-older", parties: 1, run: a_blob_grows_older },
        Check { name: "a-blob-that-is-put-again-is-young", parties: 1, run: a_blob_put_again_is_young },
        Check { name: "a-blob-is-young-after-its-commit", parties: 1, run: a_committed_blob_is_young },
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

fn a_location_is_a_url<S: Storage>(party: &Party<S>) {
    let key = party.key("a/blob/data");
    party.storage.put(&key, b"content").unwrap();
    if let Some(location) = party.storage.location(&key).unwrap() {
        assert!(location.starts_with("https://") || location.starts_with("http://"), "{location}");
    }
}
