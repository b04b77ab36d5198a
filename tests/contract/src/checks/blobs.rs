//! `blobs`, but for uploads, for a caller that is alone.

use super::{Check, Party, bytes};
use lighter_storage::{Error, Storage};

pub(super) fn checks<S: Storage>() -> Vec<Check<S>> {
    vec![
        Check { name: "a-blob-is-kept", parties: 1, run: a_blob_is_kept },
        Check { name: "a-blob-is-read-from-any-byte", parties: 1, run: a_blob_is_read_from_any_byte },
        Check { name: "a-blob-is-removed", parties: 1, run: a_blob_is_removed },
    ]
}

fn a_blob_is_kept<S: Storage>(party: &Party<S>) {
    let (storage, key) = (party.storage, party.key("a/blob/data"));
    assert_eq!(storage.stat(&key), Ok(None));
    assert_eq!(party.blob(&key, 0, 1), Err(Error::NotFound));
    for content in [b"first".to_vec(), bytes(4 << 20), Vec::new(), bytes(100_001)] {
        storage.put(&key, &content).unwrap();
        assert_eq!(storage.stat(&key), Ok(Some(content.len() as u64)));
        let read = party.blob(&key, 0, u64::MAX).unwrap();
        assert!(read == content, "a blob of {} bytes is not what was put", content.len());
    }
    // The prefix of a blob is none.
    assert_eq!(storage.stat(&party.key("a/blob")), Ok(None));
    assert_eq!(party.blob(&party.key("a/blob"), 0, 1), Err(Error::NotFound));
    assert_eq!(storage.delete_blob(&party.key("a/blob")), Ok(()));
    assert_eq!(storage.received(&party.key("a/blob")), Ok(None));
    assert_eq!(storage.open_upload(&party.key("a/blob")).err(), Some(Error::NotFound));
    assert_eq!(storage.stat(&party.key("a/blob/data/below")), Ok(None));
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
    assert_eq!(storage.stat(&key), Ok(None));
    assert_eq!(party.blob(&key, 0, 1), Err(Error::NotFound));
    assert_eq!(party.blob(&party.key("a/blob2/data"), 0, 9), Ok(b"other".to_vec()));
    storage.put(&key, b"again").unwrap();
    assert_eq!(party.blob(&key, 0, 9), Ok(b"again".to_vec()));
}
