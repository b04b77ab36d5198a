//! Uploads, for a caller that is alone.

use super::{Check, Party, all, bytes};
use lighter_storage::{Error, Storage, Upload};

pub(super) fn checks<S: Storage>() -> Vec<Check<S>> {
    vec![
        Check { name: "an-upload-goes-on-after-its-writer", parties: 1, run: an_upload_goes_on },
        Check { name: "a-cut-drops-the-end", parties: 1, run: a_cut_drops_the_end },
        Check { name: "a-cut-within-what-was-just-appended", parties: 1, run: a_cut_of_what_was_appended },
        Check { name: "a-suspended-upload-has-its-notes", parties: 1, run: a_suspended_upload_has_notes },
        Check { name: "an-aimed-upload-is-one", parties: 1, run: an_aimed_upload_is_one },
        Check { name: "an-upload-becomes-a-blob", parties: 1, run: an_upload_becomes_a_blob },
        Check { name: "a-commit-replaces-what-was-broken", parties: 1, run: a_commit_replaces },
        Check { name: "an-aborted-upload-is-gone", parties: 1, run: an_aborted_upload_is_gone },
        Check { name: "a-writer-that-is-dropped-lets-go", parties: 1, run: a_dropped_writer_lets_go },
        Check { name: "an-upload-becomes-no-blob-without-a-key", parties: 1, run: a_commit_needs_a_key },
        Check { name: "blobs-have-prefixes", parties: 1, run: blobs_have_prefixes },
        Check { name: "an-upload-that-is-not-there", parties: 1, run: an_upload_that_is_not_there },
        Check { name: "uploads-are-apart", parties: 1, run: uploads_are_apart },
    ]
}

fn an_upload_goes_on<S: Storage>(party: &Party<S>) {
    let (storage, id) = (party.storage, party.key("an/upload/data"));
    let content = bytes(2_500_000);
    let mut upload = storage.create_upload(&id).unwrap();
    assert_eq!(upload.offset(), 0);
    assert_eq!(all(upload.read().unwrap()), b"");
    upload.append(b"").unwrap();
    assert_eq!(upload.offset(), 0);
    upload.suspend(&[]).unwrap();
    assert_eq!(storage.received(&id), Ok(Some(0)));
    let mut offset = 0;
    for length in [1, 4_095, 1, 1_500_000, 0, 995_903] {
        let mut upload = storage.open_upload(&id).unwrap();
        assert_eq!(upload.offset(), offset as u64);
        for part in content[offset..offset + length].chunks(1_000_000) {
            upload.append(part).unwrap();
            offset += part.len();
            assert_eq!(upload.offset(), offset as u64);
        }
        // A driver may keep the last bytes back until they are worth storing.
        let stored = storage.received(&id).unwrap().expect("an upload, while a writer holds it");
        assert!(stored <= offset as u64, "{stored} of {offset} bytes are stored");
        assert!(all(upload.read().unwrap()) == content[..offset], "the bytes are others");
        upload.suspend(&[]).unwrap();
        assert_eq!(storage.received(&id), Ok(Some(offset as u64)));
    }
    // It is no blob before it is committed.
    assert_eq!(party.size(&party.key("a/blob/data")), Ok(None));
}

/// At any place: in the bytes that one writer or another has appended, before all and after all.
fn a_cut_drops_the_end<S: Storage>(party: &Party<S>) {
    let content = bytes(2_200_000);
    let other: Vec<u8> = content.iter().map(|byte| !byte).collect();
    for offset in [0, 1, 10, 99_999, 100_000, 100_001, 524_288, 700_000, 1_100_000, 1_600_000, 2_199_999] {
        let (storage, id) = (party.storage, party.key(&format!("{offset}/upload/data")));
        storage.create_upload(&id).unwrap().suspend(&[]).unwrap();
        for part in content.chunks(1_100_000) {
            let mut upload = storage.open_upload(&id).unwrap();
            part.chunks(300_000).for_each(|bytes| upload.append(bytes).unwrap());
            upload.suspend(&[]).unwrap();
        }
        let mut upload = storage.open_upload(&id).unwrap();
        let size = upload.offset();
        assert!(matches!(upload.cut(size + 1), Err(Error::Other(_))), "{offset}: cut beyond the end");
        assert_eq!(upload.offset(), size);
        upload.cut(size).unwrap();
        assert!(all(upload.read().unwrap()) == content, "{offset}: a cut at the end drops something");
        upload.cut(offset as u64).unwrap();
        assert_eq!(upload.offset(), offset as u64);
        assert!(all(upload.read().unwrap()) == content[..offset], "{offset}: the bytes are others");
        upload.suspend(&[]).unwrap();
        assert_eq!(storage.received(&id), Ok(Some(offset as u64)));

        // What comes after it is what is appended next, by this writer and by the one after.
        let mut upload = storage.open_upload(&id).unwrap();
        assert_eq!(upload.offset(), offset as u64);
        upload.append(&other[offset..offset + 1]).unwrap();
        upload.suspend(&[]).unwrap();
        let mut upload = storage.open_upload(&id).unwrap();
        upload.append(&other[offset + 1..]).unwrap();
        let blob = party.key(&format!("{offset}/blob/data"));
        upload.commit(&blob).unwrap();
        let expected = [&content[..offset], &other[offset..]].concat();
        assert_eq!(party.size(&blob), Ok(Some(expected.len() as u64)));
        assert!(party.blob(&blob, 0, u64::MAX).unwrap() == expected, "{offset}: the blob is another");
        let rest = party.blob(&blob, offset as u64, 10).unwrap();
        assert!(
            rest == expected[offset..].iter().take(10).copied().collect::<Vec<_>>(),
            "{offset}: {rest:?}"
        );
    }
}

fn a_cut_of_what_was_appended<S: Storage>(party: &Party<S>) {
    let (storage, content) = (party.storage, bytes(1_500_000));
    let other: Vec<u8> = content.iter().map(|byte| !byte).collect();
    for offset in [0, 3, 150_000, 524_288, 900_000, 1_250_000] {
        let id = party.key(&format!("{offset}/upload/data"));
        let mut upload = storage.create_upload(&id).unwrap();
        upload.append(&content[..3]).unwrap();
        upload.suspend(&[]).unwrap();
        let mut upload = storage.open_upload(&id).unwrap();
        upload.append(&content[3..]).unwrap();
        upload.cut(offset as u64).unwrap();
        upload.append(&other[offset..offset + 5]).unwrap();
        // Again, and now at a place that it has passed before.
        upload.append(&content[offset + 5..]).unwrap();
        upload.cut(offset as u64 + 5).unwrap();
        upload.append(&other[offset + 5..]).unwrap();
        let expected = [&content[..offset], &other[offset..]].concat();
        assert!(all(upload.read().unwrap()) == expected, "{offset}: the bytes are others");
        upload.suspend(&[]).unwrap();
        let mut upload = storage.open_upload(&id).unwrap();
        assert!(all(upload.read().unwrap()) == expected, "{offset}: the bytes become others");
        let blob = party.key(&format!("{offset}/blob/data"));
        upload.commit(&blob).unwrap();
        assert!(party.blob(&blob, 0, u64::MAX).unwrap() == expected, "{offset}: the blob is another");
    }
}

fn a_suspended_upload_has_notes<S: Storage>(party: &Party<S>) {
    let (storage, id) = (party.storage, party.key("an/upload/data"));
    let note = |name: &str, value: &[u8]| (party.key(&format!("an/upload/notes/{name}")), value.to_vec());
    let mut upload = storage.create_upload(&id).unwrap();
    upload.append(b"bytes").unwrap();
    assert_eq!(upload.note(&note("a", b"").0), Ok(None));
    upload.suspend(&[note("a", b"first"), note("b", b"")]).unwrap();
    assert_eq!(storage.received(&id), Ok(Some(5)));
    let mut upload = storage.open_upload(&id).unwrap();
    assert_eq!(party.note(&upload, &note("a", b"").0), Ok(Some(b"first".to_vec())));
    assert_eq!(party.note(&upload, &note("b", b"").0), Ok(Some(Vec::new())));
    assert_eq!(party.note(&upload, &note("c", b"").0), Ok(None));
    if !storage.proves_uploads() {
        assert_eq!(storage.values(&party.key("an/upload/notes"), None, 9).unwrap(), ["a", "b"]);
    }
    // One that is there is replaced. What is not about these bytes any more is none, where that is known.
    upload.append(&bytes(200_000)).unwrap();
    assert_eq!(upload.note(&note("a", b"").0), Ok(None));
    upload.suspend(&[note("a", b"second")]).unwrap();
    assert_eq!(storage.received(&id), Ok(Some(200_005)));
    let upload = storage.open_upload(&id).unwrap();
    assert_eq!(party.note(&upload, &note("a", b"").0), Ok(Some(b"second".to_vec())));
    assert!(matches!(upload.note("a//b"), Err(Error::Other(_))));
    upload.suspend(&[]).unwrap();
    let upload = storage.open_upload(&id).unwrap();
    assert!(!storage.proves_uploads() || upload.note(&note("a", b"").0) == Ok(None));
    drop(upload);
    // What is no key is none of a note either. The bytes stay, and the upload is not held.
    let mut upload = storage.open_upload(&id).unwrap();
    upload.append(b"more").unwrap();
    assert!(matches!(upload.suspend(&[("a//b".to_owned(), Vec::new())]), Err(Error::Other(_))));
    assert_eq!(storage.open_upload(&id).unwrap().offset(), 200_009);
}

/// Nothing is under the key before the commit, whether the upload ends there or not.
fn an_aimed_upload_is_one<S: Storage>(party: &Party<S>) {
    let (storage, aim, other) = (party.storage, party.key("aim/data"), party.key("other/data"));
    let content = bytes(1_100_000);
    let id = |name: &str| party.key(&format!("{name}/upload/data"));
    let begin = |name: &str| {
        let mut upload = storage.create_upload(&id(name)).unwrap();
        upload.aim(&aim).unwrap();
        upload.append(&content).unwrap();
        upload
    };
    begin("aborted").abort().unwrap();
    assert_eq!((storage.stat(&aim), storage.received(&id("aborted"))), (Ok(None), Ok(None)));
    begin("elsewhere").commit(&other).unwrap();
    assert_eq!(storage.stat(&aim), Ok(None));
    assert!(party.blob(&other, 0, u64::MAX).unwrap() == content);
    // By a writer that found the upload without bytes, and went on with it.
    begin("empty").cut(0).unwrap();
    let mut upload = storage.open_upload(&id("empty")).unwrap();
    assert_eq!(upload.offset(), 0);
    assert!(matches!(upload.aim("a//b"), Err(Error::Other(_))));
    upload.aim(&aim).unwrap();
    upload.append(&content[..700_000]).unwrap();
    // Too late, so nothing comes of it.
    upload.aim(&other).unwrap();
    upload.suspend(&[]).unwrap();
    assert_eq!((storage.stat(&aim), storage.received(&id("empty"))), (Ok(None), Ok(Some(700_000))));
    let mut upload = storage.open_upload(&id("empty")).unwrap();
    upload.append(&content[700_000..]).unwrap();
    upload.commit(&aim).unwrap();
    assert!(party.blob(&aim, 0, u64::MAX).unwrap() == content);
}

fn an_upload_becomes_a_blob<S: Storage>(party: &Party<S>) {
    for (name, content) in [("empty", Vec::new()), ("small", bytes(10)), ("large", bytes(1_100_000))] {
        let (storage, id) = (party.storage, party.key(&format!("{name}/upload/data")));
        let blob = party.key(&format!("{name}/blob/data"));
        let mut upload = storage.create_upload(&id).unwrap();
        upload.append(&content).unwrap();
        upload.suspend(&[]).unwrap();
        let upload = storage.open_upload(&id).unwrap();
        assert_eq!(party.size(&blob), Ok(None));
        upload.commit(&blob).unwrap();
        assert_eq!(party.size(&blob), Ok(Some(content.len() as u64)));
        assert!(party.blob(&blob, 0, u64::MAX).unwrap() == content, "the {name} blob is another");
        assert_eq!(storage.received(&id), Ok(None));
        assert_eq!(storage.open_upload(&id).err(), Some(Error::NotFound));
    }
}

fn a_commit_replaces<S: Storage>(party: &Party<S>) {
    let (storage, id) = (party.storage, party.key("an/upload/data"));
    let blob = party.key("a/blob/data");
    storage.put(&blob, b"bro").unwrap();
    let mut upload = storage.create_upload(&id).unwrap();
    upload.append(b"whole").unwrap();
    upload.commit(&blob).unwrap();
    assert_eq!(party.blob(&blob, 0, 9), Ok(b"whole".to_vec()));
}

fn an_aborted_upload_is_gone<S: Storage>(party: &Party<S>) {
    let (storage, id) = (party.storage, party.key("an/upload/data"));
    let mut upload = storage.create_upload(&id).unwrap();
    upload.append(b"bytes").unwrap();
    upload.suspend(&[]).unwrap();
    storage.open_upload(&id).unwrap().abort().unwrap();
    assert_eq!(storage.received(&id), Ok(None));
    assert_eq!(storage.open_upload(&id).err(), Some(Error::NotFound));

    let mut upload = storage.create_upload(&party.key("another/upload/data")).unwrap();
    upload.append(b"bytes").unwrap();
    upload.abort().unwrap();
    assert_eq!(storage.received(&party.key("another/upload/data")), Ok(None));
}

fn a_dropped_writer_lets_go<S: Storage>(party: &Party<S>) {
    let (storage, id) = (party.storage, party.key("an/upload/data"));
    let mut upload = storage.create_upload(&id).unwrap();
    upload.append(b"by").unwrap();
    drop(upload);
    let mut upload = storage.open_upload(&id).unwrap();
    assert_eq!(storage.open_upload(&id).err(), Some(Error::Busy));
    upload.append(b"tes").unwrap();
    drop(upload);
    let upload = storage.open_upload(&id).unwrap();
    assert_eq!(upload.offset(), 5);
    upload.commit(&party.key("a/blob/data")).unwrap();
    assert_eq!(party.blob(&party.key("a/blob/data"), 0, 9), Ok(b"bytes".to_vec()));
}

fn a_commit_needs_a_key<S: Storage>(party: &Party<S>) {
    for (number, key) in ["", "/a", "a//b", "a/../b", "a b"].into_iter().enumerate() {
        let mut upload = party.storage.create_upload(&party.key(&format!("uploads/{number}/data"))).unwrap();
        upload.append(b"bytes").unwrap();
        assert!(matches!(upload.commit(key), Err(Error::Other(_))), "{key:?} is taken for a key");
    }
}

fn blobs_have_prefixes<S: Storage>(party: &Party<S>) {
    let (storage, list) = (party.storage, party.key("list"));
    storage.put(&format!("{list}/put/data"), b"blob").unwrap();
    let upload = storage.create_upload(&party.key("an/upload/data")).unwrap();
    upload.commit(&format!("{list}/committed/data")).unwrap();
    assert_eq!(storage.list(&list, None, 9).unwrap(), ["committed", "put"]);
}

fn an_upload_that_is_not_there<S: Storage>(party: &Party<S>) {
    let storage = party.storage;
    // A directory that is there, too.
    storage.set(&party.key("an/upload/startedat"), b"now").unwrap();
    for id in ["an/upload/data", "another/upload/data"] {
        assert_eq!(storage.received(&party.key(id)), Ok(None));
        assert_eq!(storage.open_upload(&party.key(id)).err(), Some(Error::NotFound));
    }
}

fn uploads_are_apart<S: Storage>(party: &Party<S>) {
    let (storage, ids) = (party.storage, ["uploads/1", "uploads/2"].map(|id| party.key(id)));
    for id in &ids {
        storage.create_upload(id).unwrap().suspend(&[]).unwrap();
    }
    let mut writers = ids.each_ref().map(|id| storage.open_upload(id).unwrap());
    for (writer, content) in writers.iter_mut().zip([b"one", b"two"]) {
        writer.append(content).unwrap();
    }
    for (number, writer) in writers.into_iter().enumerate() {
        writer.commit(&party.key(&format!("blobs/{number}"))).unwrap();
    }
    assert_eq!(party.blob(&party.key("blobs/0"), 0, 9), Ok(b"one".to_vec()));
    assert_eq!(party.blob(&party.key("blobs/1"), 0, 9), Ok(b"two".to_vec()));
}
