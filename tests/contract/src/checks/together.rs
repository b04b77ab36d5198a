//! What is promised to several callers at once.

use super::{Check, Party, all, bytes};
use lighter_storage::{Error, Storage, Upload};

const ROUNDS: usize = 20;

pub(super) fn checks<S: Storage>() -> Vec<Check<S>> {
    vec![
        Check { name: "of-many-that-create-one-does", parties: 6, run: of_many_that_create_one_does },
        Check { name: "a-read-sees-the-writes-before", parties: 2, run: a_read_sees_the_writes_before },
        Check { name: "a-read-sees-the-removals-before", parties: 2, run: a_read_sees_the_removals_before },
        Check { name: "a-value-is-never-half-there", parties: 4, run: a_value_is_never_half_there },
        Check { name: "a-blob-is-never-half-there", parties: 4, run: a_blob_is_never_half_there },
        Check { name: "a-blob-appears-whole", parties: 3, run: a_blob_appears_whole },
        Check { name: "a-list-shows-no-value-on-its-way", parties: 3, run: a_list_shows_no_value_on_its_way },
        Check { name: "values-shows-none-on-its-way", parties: 3, run: values_shows_none_on_its_way },
        Check { name: "values-come-while-their-prefix-goes", parties: 4, run: values_come_and_go },
        Check { name: "of-many-that-open-one-does", parties: 6, run: of_many_that_open_one_does },
        Check { name: "while-one-writes-others-are-refused", parties: 3, run: while_one_writes },
        Check { name: "who-opens-an-upload-finds-its-notes", parties: 3, run: who_opens_finds_notes },
        Check { name: "of-many-that-commit-one-does", parties: 4, run: of_many_that_commit_one_does },
        Check {
            name: "a-writer-that-stands-still-loses-its-hold",
            parties: 2,
            run: a_writer_that_stands_still,
        },
    ]
}

fn of_many_that_create_one_does<S: Storage>(party: &Party<S>) {
    let own = party.number.to_string().into_bytes();
    for round in 0..ROUNDS {
        let key = party.key(&format!("created/{round}"));
        party.meet(&format!("before-{round}"));
        let created = party.storage.create(&key, &own).unwrap();
        let value = party.storage.get(&key).unwrap().expect("one of them was first");
        assert_eq!(created, value == own, "{round}: {value:?} is there");
    }
}

fn a_read_sees_the_writes_before<S: Storage>(party: &Party<S>) {
    // They take turns: who has the turn reads what the other has just written, and writes.
    let (value, turn) = (party.key("value"), |round: usize| party.key(&format!("turns/{round}")));
    let (blob, list) = (party.key("blob"), party.key("list"));
    for round in 0..ROUNDS * 2 {
        if round % 2 != party.number {
            continue;
        }
        if round > 0 {
            party.wait_for(&turn(round - 1));
            let before = format!("written in {}", round - 1).into_bytes();
            assert_eq!(party.storage.get(&value), Ok(Some(before.clone())));
            assert_eq!(party.blob(&blob, 0, 99), Ok(before));
            let listed = party.storage.list(&list, None, 1000).unwrap();
            assert!(listed.contains(&format!("r{}", round - 1)), "{listed:?}");
        }
        let now = format!("written in {round}").into_bytes();
        party.storage.set(&value, &now).unwrap();
        party.storage.put(&blob, &now).unwrap();
        party.storage.set(&party.key(&format!("list/r{round}/value")), b"").unwrap();
        party.storage.set(&turn(round), b"over").unwrap();
    }
}

fn a_read_sees_the_removals_before<S: Storage>(party: &Party<S>) {
    let (storage, value, blob) = (party.storage, party.key("a/value"), party.key("b/blob"));
    let (id, list) = (party.key("an/upload/data"), party.key("list"));
    for round in 0..ROUNDS {
        if party.number == 0 {
            storage.set(&value, b"value").unwrap();
            storage.put(&blob, b"blob").unwrap();
            storage.set(&format!("{list}/a/b/value"), b"value").unwrap();
            let mut upload = storage.create_upload(&id).unwrap();
            upload.append(b"bytes").unwrap();
            upload.suspend(&[]).unwrap();
            party.meet(&format!("written-{round}"));
            party.meet(&format!("read-{round}"));
            storage.delete(&value).unwrap();
            storage.delete_blob(&blob).unwrap();
            storage.delete_prefix(&format!("{list}/a")).unwrap();
            storage.open_upload(&id).unwrap().abort().unwrap();
            party.meet(&format!("removed-{round}"));
        } else {
            party.meet(&format!("written-{round}"));
            assert_eq!(storage.get(&value), Ok(Some(b"value".to_vec())));
            assert_eq!(party.blob(&blob, 0, 9), Ok(b"blob".to_vec()));
            assert_eq!(storage.list(&list, None, 9).unwrap(), ["a"]);
            assert_eq!(storage.received(&id), Ok(Some(5)));
            party.meet(&format!("read-{round}"));
            party.meet(&format!("removed-{round}"));
            assert_eq!(storage.get(&value), Ok(None));
            assert_eq!(party.size(&blob), Ok(None));
            assert_eq!(party.blob(&blob, 0, 9), Err(Error::NotFound));
            assert_eq!(storage.list(&list, None, 9), Ok(Vec::new()));
            assert_eq!(storage.get(&format!("{list}/a/b/value")), Ok(None));
            assert_eq!(storage.received(&id), Ok(None));
            assert_eq!(storage.open_upload(&id).err(), Some(Error::NotFound));
        }
        party.meet(&format!("seen-{round}"));
    }
}

/// Two contents that share no byte at any place, and have different lengths.
fn contents(length: usize) -> [Vec<u8>; 2] {
    [bytes(length), bytes(length / 2 + 1).iter().map(|byte| !byte).collect()]
}

fn a_value_is_never_half_there<S: Storage>(party: &Party<S>) {
    let (key, over, contents) = (party.key("value"), party.key("over"), contents(60_000));
    if party.number == 0 {
        party.storage.set(&key, &contents[0]).unwrap();
    }
    party.meet("start");
    if party.number == 0 {
        for round in 0..ROUNDS * 2 {
            party.storage.set(&key, &contents[round % 2]).unwrap();
        }
        party.storage.set(&over, b"").unwrap();
        return;
    }
    party.look_until(&over, || {
        let value = party.storage.get(&key).unwrap().expect("a value that is replaced is always there");
        assert!(contents.contains(&value), "{} bytes are no whole value", value.len());
    });
}

fn a_blob_is_never_half_there<S: Storage>(party: &Party<S>) {
    // As by clients that push the same layer at once, while others pull it.
    let (key, over, content) = (party.key("blob"), party.key("over"), bytes(1_000_000));
    if party.number == 0 {
        party.storage.put(&key, &content).unwrap();
    }
    party.meet("start");
    if party.number == 0 {
        for round in 0..ROUNDS {
            if round % 2 == 0 {
                party.storage.put(&key, &content).unwrap();
            } else {
                let mut upload =
                    party.storage.create_upload(&party.key(&format!("up/{round}/data"))).unwrap();
                upload.append(&content).unwrap();
                upload.commit(&key).unwrap();
            }
        }
        party.storage.set(&over, b"").unwrap();
        return;
    }
    party.look_until(&over, || {
        let size = party.size(&key).unwrap().expect("a blob that is replaced is always there");
        assert_eq!(size, content.len() as u64);
        let blob = party.blob(&key, 0, u64::MAX).unwrap();
        assert!(blob == content, "{} bytes are no whole blob", blob.len());
    });
}

fn a_blob_appears_whole<S: Storage>(party: &Party<S>) {
    let content = bytes(1_500_000);
    for round in 0..ROUNDS {
        let blob = party.key(&format!("blobs/{round}/data"));
        party.meet(&format!("before-{round}"));
        if party.number == 0 {
            let mut upload = party.storage.create_upload(&party.key(&format!("up/{round}/data"))).unwrap();
            upload.append(&content).unwrap();
            upload.commit(&blob).unwrap();
        } else {
            let size = party.wait("the blob", || party.size(&blob).unwrap());
            assert_eq!(size, content.len() as u64);
            assert!(party.blob(&blob, 0, size).unwrap() == content, "the blob is not whole yet");
        }
    }
}

fn a_list_shows_no_value_on_its_way<S: Storage>(party: &Party<S>) {
    let (prefix, over) = (party.key("list"), party.key("over"));
    party.meet("start");
    if party.number == 0 {
        for round in 0..ROUNDS * 2 {
            party.storage.set(&format!("{prefix}/value"), &bytes(1_000)).unwrap();
            party.storage.set(&format!("{prefix}/n{round}/value"), b"").unwrap();
            party.storage.put(&format!("{prefix}/blob"), &bytes(10_000)).unwrap();
        }
        party.storage.set(&over, b"").unwrap();
        return;
    }
    party.look_until(&over, || {
        for name in party.storage.list(&prefix, None, 1_000).unwrap() {
            let round = name.strip_prefix('n').and_then(|round| round.parse().ok());
            assert!(round.is_some_and(|round: usize| round < ROUNDS * 2), "{name} is listed");
        }
    });
}

fn values_shows_none_on_its_way<S: Storage>(party: &Party<S>) {
    let (prefix, over) = (party.key("list"), party.key("over"));
    party.meet("start");
    if party.number == 0 {
        for round in 0..ROUNDS * 2 {
            party.storage.set(&format!("{prefix}/set"), &bytes(1_000)).unwrap();
            party.storage.set(&format!("{prefix}/other"), &bytes(1_000)).unwrap();
            party.storage.create(&format!("{prefix}/created-{round}"), &bytes(1_000)).unwrap();
        }
        let names = party.storage.values(&prefix, None, 1_000).unwrap();
        assert_eq!(names.len(), ROUNDS * 2 + 2, "{names:?}");
        party.storage.set(&over, b"").unwrap();
        return;
    }
    party.look_until(&over, || {
        for name in party.storage.values(&prefix, None, 1_000).unwrap() {
            let round = name.strip_prefix("created-").and_then(|round| round.parse().ok());
            let is_one = ["set", "other"].contains(&name.as_str());
            assert!(is_one || round.is_some_and(|round: usize| round < ROUNDS * 2), "{name} is listed");
            let value = party.storage.get(&format!("{prefix}/{name}")).unwrap();
            assert_eq!(value.map(|value| value.len()), Some(1_000), "{name} is listed");
        }
    });
}

/// The note of a writer says how many bytes there are. It is there as soon as another can open the upload.
fn who_opens_finds_notes<S: Storage>(party: &Party<S>) {
    let (storage, id) = (party.storage, party.key("an/upload/data"));
    let note = |offset: u64| party.key(&format!("an/upload/notes/{offset}"));
    if party.number == 0 {
        storage.create_upload(&id).unwrap().suspend(&[]).unwrap();
    }
    party.meet("start");
    for _ in 0..ROUNDS {
        let mut upload = party.wait("the upload", || storage.open_upload(&id).ok());
        let offset = upload.offset();
        if offset > 0 {
            assert_eq!(
                party.note(&upload, &note(offset)),
                Ok(Some(b"note".to_vec())),
                "after {offset} bytes"
            );
        }
        upload.append(b"more").unwrap();
        upload.suspend(&[(note(offset + 4), b"note".to_vec())]).unwrap();
    }
}

fn values_come_and_go<S: Storage>(party: &Party<S>) {
    // Two write below a prefix that two others remove: nobody errs, and a last word is kept.
    let prefix = party.key("list/prefix");
    party.meet("start");
    for round in 0..ROUNDS * 2 {
        match party.number {
            0 => party.storage.set(&format!("{prefix}/a/{round}/value"), b"value").unwrap(),
            1 => _ = party.storage.create(&format!("{prefix}/a/b/{round}"), b"value").unwrap(),
            _ => party.storage.delete_prefix(&prefix).unwrap(),
        }
    }
    party.meet("end");
    if party.number == 0 {
        party.storage.delete_prefix(&prefix).unwrap();
        assert_eq!(party.storage.list(&party.key("list"), None, 9), Ok(Vec::new()));
        party.storage.set(&format!("{prefix}/a"), b"last").unwrap();
        assert_eq!(party.storage.get(&format!("{prefix}/a")), Ok(Some(b"last".to_vec())));
    }
}

fn of_many_that_open_one_does<S: Storage>(party: &Party<S>) {
    let id = party.key("an/upload/data");
    if party.number == 0 {
        party.storage.create_upload(&id).unwrap().suspend(&[]).unwrap();
    }
    let run = |round: usize| vec![(round * party.parties + party.number) as u8; 10_000];
    for round in 0..ROUNDS {
        party.meet(&format!("before-{round}"));
        let opened = party.storage.open_upload(&id);
        // Whoever has it holds it until all have asked.
        let won = match &opened {
            Ok(_) => "won",
            Err(Error::Busy) => "busy",
            Err(error) => panic!("neither opened nor busy: {error}"),
        };
        party.storage.set(&party.key(&format!("asked/{round}/{}", party.number)), won.as_bytes()).unwrap();
        party.meet(&format!("asked-{round}"));
        let asked = |number| party.wait_for(&party.key(&format!("asked/{round}/{number}")));
        let winners = (0..party.parties).filter(|number| asked(*number) == b"won").count();
        assert!(winners <= 1, "{winners} hold the upload");
        if let Ok(mut upload) = opened {
            for part in run(round).chunks(1_000) {
                upload.append(part).unwrap();
            }
            upload.suspend(&[]).unwrap();
        }
    }
    party.meet("end");
    if party.number == 0 {
        let mut upload = party.storage.open_upload(&id).unwrap();
        let content = all(upload.read().unwrap());
        assert!(!content.is_empty(), "in {ROUNDS} rounds nobody got it");
        assert_eq!(content.len() as u64, upload.offset());
        let runs: Vec<&[u8]> = content.chunks(10_000).collect();
        assert!(runs.iter().all(|run| run.len() == 10_000 && run.iter().all(|byte| *byte == run[0])));
        assert!(
            runs.is_sorted_by(|one, next| one[0] < next[0]),
            "a later writer wrote before an earlier one"
        );
    }
}

fn while_one_writes<S: Storage>(party: &Party<S>) {
    let id = party.key("an/upload/data");
    if party.number == 0 {
        party.storage.create_upload(&id).unwrap().suspend(&[]).unwrap();
        let mut upload = party.storage.open_upload(&id).unwrap();
        for round in 0..ROUNDS {
            upload.append(&bytes(10_000)).unwrap();
            party.meet(&format!("written-{round}"));
            party.meet(&format!("asked-{round}"));
        }
        upload.suspend(&[]).unwrap();
        party.meet("end");
        return;
    }
    for round in 0..ROUNDS {
        party.meet(&format!("written-{round}"));
        assert_eq!(party.storage.open_upload(&id).err(), Some(Error::Busy));
        let received = party.storage.received(&id).unwrap();
        assert!(received.is_some_and(|bytes| bytes <= (round as u64 + 1) * 10_000), "{received:?}");
        party.meet(&format!("asked-{round}"));
    }
    party.meet("end");
    if party.number == 1 {
        let mut upload = party.storage.open_upload(&id).unwrap();
        assert!(all(upload.read().unwrap()) == bytes(10_000).repeat(ROUNDS), "the bytes are others");
    }
}

fn of_many_that_commit_one_does<S: Storage>(party: &Party<S>) {
    // Each tries to complete the upload, as clients do that send a request again.
    let content = bytes(100_000);
    for round in 0..ROUNDS {
        let id = party.key(&format!("uploads/{round}/data"));
        let blob = party.key(&format!("blobs/{round}/data"));
        if party.number == 0 {
            let mut upload = party.storage.create_upload(&id).unwrap();
            upload.append(&content).unwrap();
            upload.suspend(&[]).unwrap();
        }
        party.meet(&format!("before-{round}"));
        match party.storage.open_upload(&id) {
            Ok(upload) => {
                // It may have gone between the look and the hold, and then it has nothing to give.
                upload.commit(&blob).unwrap();
            }
            Err(Error::Busy | Error::NotFound) => {}
            Err(error) => panic!("{error}"),
        }
        party.meet(&format!("after-{round}"));
        assert!(party.blob(&blob, 0, u64::MAX).unwrap() == content, "the blob is another");
        assert_eq!(party.storage.received(&id), Ok(None));
    }
}

/// Takes as long as a writer holds an upload that it does nothing with.
fn a_writer_that_stands_still<S: Storage>(party: &Party<S>) {
    let (id, blob) = (party.key("an/upload/data"), party.key("a/blob/data"));
    let (cancelled, left) = (party.key("a/cancelled/upload/data"), party.key("a/left/upload/data"));
    if party.number == 0 {
        for id in [&id, &cancelled, &left] {
            party.storage.create_upload(id).unwrap().suspend(&[]).unwrap();
        }
        let leaving = party.storage.open_upload(&left).unwrap();
        let mut upload = party.storage.open_upload(&id).unwrap();
        let cancelling = party.storage.open_upload(&cancelled).unwrap();
        upload.append(b"be").unwrap();
        party.meet("held");
        party.meet("taken");
        assert_eq!(upload.append(b"no"), Err(Error::Busy));
        assert_eq!(upload.cut(1), Err(Error::Busy));
        assert_eq!(cancelling.abort(), Err(Error::Busy));
        let note = (party.key("a/note"), b"note".to_vec());
        assert_eq!(leaving.suspend(core::slice::from_ref(&note)), Err(Error::Busy));
        assert_eq!(party.storage.get(&note.0), Ok(None));
        assert_eq!(upload.commit(&party.key("another/blob/data")), Err(Error::Busy));
        assert_eq!(party.size(&party.key("another/blob/data")), Ok(None));
        party.meet("refused");
        return;
    }
    party.meet("held");
    assert_eq!(party.storage.open_upload(&id).err(), Some(Error::Busy));
    let mut upload = party.wait("the upload", || party.storage.open_upload(&id).ok());
    let mut other = party.wait("the other upload", || party.storage.open_upload(&cancelled).ok());
    let last = party.wait("the last upload", || party.storage.open_upload(&left).ok());
    // As much as whoever held it before has stored.
    let stored = usize::try_from(upload.offset()).unwrap();
    assert!(stored <= b"be".len(), "{stored} bytes are stored");
    party.meet("taken");
    party.meet("refused");
    assert_eq!(party.storage.open_upload(&id).err(), Some(Error::Busy));
    upload.append(&b"begun"[stored..]).unwrap();
    upload.commit(&blob).unwrap();
    assert_eq!(party.blob(&blob, 0, 9), Ok(b"begun".to_vec()));
    assert_eq!(party.storage.open_upload(&cancelled).err(), Some(Error::Busy));
    other.append(b"not cancelled").unwrap();
    other.suspend(&[]).unwrap();
    assert_eq!(party.storage.received(&cancelled), Ok(Some(13)));
    assert_eq!(party.storage.open_upload(&left).err(), Some(Error::Busy));
    last.suspend(&[]).unwrap();
}
