//! Uploads: what the contract does not speak of.

use lighter_s3_store::{Fault, Options};
use lighter_storage::{Error, Put, Storage, Stream, Upload};

use super::bench::{Bench, CHUNK};
use crate::client::{Call, Client};
use crate::copy::{Source, copy};
use crate::sign::sha256;

const ID: &str = "up/1/data";
const BLOB: &str = "blobs/1/data";

fn content(chunks: u64, more: u64) -> Vec<u8> {
    (0..chunks * CHUNK + more).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

fn blob(bench: &Bench) -> Option<Vec<u8>> {
    bench.store.object(&format!("some/root/{BLOB}"))
}

/// What is left of an upload that has ended, but for what the store can do.
fn left(bench: &Bench) -> Vec<String> {
    let mut keys = bench.store.keys();
    keys.retain(|key| !key.ends_with(BLOB) && !key.ends_with("lighter/store"));
    keys
}

#[test]
fn nothing_is_left_of_an_upload_that_has_ended() {
    for conditional in [true, false] {
        for (chunks, more) in [(0, 0), (0, 5), (1, 0), (2, 7), (3, CHUNK - 1)] {
            let bench = Bench::with_conditions(conditional);
            let (driver, content) = (bench.driver(), content(chunks, more));
            let mut upload = driver.create_upload(ID).unwrap();
            upload.append(&content).unwrap();
            upload.suspend(&[("up/1/note".to_owned(), b"note".to_vec())]).unwrap();
            let upload = driver.open_upload(ID).unwrap();
            assert_eq!(upload.note("up/1/note"), Ok(Some(b"note".to_vec())));
            upload.commit(BLOB).unwrap();
            assert!(blob(&bench).unwrap() == content);
            assert_eq!((left(&bench), bench.store.uploads()), (vec![], 0), "{chunks} chunks and {more}");

            let mut upload = driver.create_upload(ID).unwrap();
            upload.append(&content).unwrap();
            upload.suspend(&[]).unwrap();
            driver.open_upload(ID).unwrap().abort().unwrap();
            assert_eq!((left(&bench), bench.store.uploads()), (vec![], 0), "{chunks} chunks and {more}");
        }
    }
}

#[test]
fn an_upload_that_a_rule_of_the_bucket_has_removed_begins_anew() {
    let bench = Bench::with_conditions(true);
    let driver = bench.driver();
    let mut upload = driver.create_upload(ID).unwrap();
    upload.append(&content(2, 5)).unwrap();
    upload.suspend(&[]).unwrap();
    bench.store.forget_uploads();
    assert_eq!(driver.open_upload(ID).unwrap().commit(BLOB), Err(Error::NotFound));
    assert_eq!(driver.received(ID), Ok(None));
    assert_eq!(blob(&bench), None);
}

#[test]
fn what_a_writer_completed_before_it_crashed_is_found() {
    let bench = Bench::with_conditions(true);
    let content = content(2, 5);
    let mut upload = bench.driver().create_upload(ID).unwrap();
    upload.append(&content).unwrap();
    upload.suspend(&[("up/1/note".to_owned(), b"note".to_vec())]).unwrap();
    // Its requests fail from the copy on, also that which would let go of it.
    let upload = bench.driver().open_upload(ID).unwrap();
    for after in 1..30 {
        bench.store.fail(after, Fault::Reset);
    }
    assert!(matches!(upload.commit(BLOB), Err(Error::AccessDenied(_))));
    assert!(bench.store.stop_failing());
    assert_eq!(bench.driver().open_upload(ID).err(), Some(Error::Busy));
    bench.pass(46);
    let mut upload = bench.driver().open_upload(ID).unwrap();
    assert_eq!(upload.offset(), content.len() as u64);
    // Nothing says what its hash is.
    assert_eq!(upload.note("up/1/note"), Ok(None));
    let mut stored = upload.read().unwrap();
    let mut read = Vec::new();
    while let Some(more) = stored.next().unwrap() {
        read.extend(more);
    }
    assert!(read == content);
    upload.commit(BLOB).unwrap();
    assert!(blob(&bench).unwrap() == content);
    assert_eq!((left(&bench), bench.store.uploads()), (vec![], 0));
}

#[test]
fn a_commit_that_fails_at_the_copy_can_be_repeated() {
    let bench = Bench::with_conditions(true);
    let content = content(2, 5);
    let mut upload = bench.driver().create_upload(ID).unwrap();
    upload.append(&content).unwrap();
    upload.suspend(&[]).unwrap();
    let upload = bench.driver().open_upload(ID).unwrap();
    // The completion succeeds, and the copy does not, though it is tried four times for each of its requests.
    for after in 1..5 {
        bench.store.fail(after, Fault::Unavailable);
    }
    assert!(matches!(upload.commit(BLOB), Err(Error::AccessDenied(_))));
    assert!(!bench.store.stop_failing());
    let upload = bench.driver().open_upload(ID).unwrap();
    assert_eq!(upload.offset(), content.len() as u64);
    upload.commit(BLOB).unwrap();
    assert!(blob(&bench).unwrap() == content);
}

#[test]
fn a_long_upload_stays_held() {
    for conditional in [true, false] {
        let bench = Bench::with_conditions(conditional);
        let driver = bench.driver();
        let all = content(6, 9);
        driver.create_upload(ID).unwrap().suspend(&[]).unwrap();
        let mut upload = driver.open_upload(ID).unwrap();
        for part in all.chunks(CHUNK as usize / 2) {
            bench.pass(20);
            upload.append(part).unwrap();
            assert_eq!(bench.driver().open_upload(ID).err(), Some(Error::Busy));
        }
        upload.commit(BLOB).unwrap();
        assert!(blob(&bench).unwrap() == all);
    }
}

#[test]
fn what_was_acknowledged_outlives_a_writer_that_crashed_later() {
    let bench = Bench::with_conditions(true);
    let all = content(3, 100);
    let (first, rest) = all.split_at(CHUNK as usize + 50);
    let acknowledge_and_crash = || {
        let mut upload = bench.driver().create_upload(ID).unwrap();
        upload.append(first).unwrap();
        upload.suspend(&[]).unwrap();
        // It stores another part in the place of the tail, and is gone.
        let mut upload = bench.driver().open_upload(ID).unwrap();
        upload.append(&[7; 2 * CHUNK as usize]).unwrap();
        core::mem::forget(upload);
        bench.pass(46);
    };
    acknowledge_and_crash();
    let mut upload = bench.driver().open_upload(ID).unwrap();
    assert_eq!(upload.offset(), first.len() as u64);
    upload.append(rest).unwrap();
    upload.commit(BLOB).unwrap();
    assert!(blob(&bench).unwrap() == all);
    // The same without a further byte.
    acknowledge_and_crash();
    bench.driver().open_upload(ID).unwrap().commit(BLOB).unwrap();
    assert!(blob(&bench).unwrap() == first);
}

#[test]
fn a_stream_is_checked_by_the_store() {
    let bench = Bench::with_conditions(true);
    let driver = bench.driver();
    for length in [1, CHUNK, CHUNK + 1, 5 * CHUNK] {
        let all = content(0, length);
        let right = driver.put_stream(BLOB, &sha256(&all), &mut all.clone(), length);
        assert_eq!(right, Ok(Put::Stored), "{length}");
        assert!(blob(&bench).unwrap() == all);
        bench.store.remove(&format!("some/root/{BLOB}"));
        let wrong = driver.put_stream(BLOB, &sha256(b"another"), &mut all.clone(), length);
        assert_eq!(wrong, Ok(Put::OtherContent), "{length}");
        let short = driver.put_stream(BLOB, &sha256(&all), &mut all.clone(), length + 1);
        assert_eq!(short, Ok(Put::Broken("it is shorter than announced".to_owned())), "{length}");
        assert_eq!(blob(&bench), None);
    }
    // A store that does not look is given nothing to check.
    let bench = Bench::new(Options { checks_payload: false, ..Options::default() });
    let declined = bench.driver().put_stream(BLOB, &sha256(b"another"), &mut b"one".to_vec(), 3);
    assert_eq!((declined, blob(&bench)), (Ok(Put::Declined), None));
}

#[test]
fn what_a_store_can_do_is_found_out_once() {
    let like = |conditional_writes, conditional_copies, is_ceph| Options {
        conditional_writes,
        conditional_copies,
        is_ceph,
        ..Options::default()
    };
    for (options, writes, copies) in [
        (like(true, true, false), "true", "true"),
        (like(false, true, false), "false", "true"),
        (like(false, false, false), "false", "false"),
        (like(true, true, true), "ceph", "ceph"),
    ] {
        let bench = Bench::new(options);
        bench.driver().create("a/value", b"1").unwrap();
        let text = String::from_utf8(bench.store.object("some/root/lighter/store").unwrap()).unwrap();
        let found =
            format!("conditional-writes={writes}\nchecks-payload=true\nconditional-copies={copies}\n");
        assert_eq!(text, format!("store registry\n{found}"));
        assert_eq!(bench.store.keys(), ["some/root/a/value", "some/root/lighter/store"]);
        bench.store.take_log();
        bench.driver().create("another/value", b"1").unwrap();
        let requests = bench.store.take_log();
        assert_eq!(requests.len(), if writes == "false" { 4 } else { 2 }, "{requests:?}");
        // In a bucket that was copied to another store it is found out again, and after an upgrade of the registry.
        let before = found.lines().take(2).collect::<Vec<_>>().join("\n");
        for other in [text.replace("store ", "elsewhere "), format!("store registry\n{before}\n")] {
            bench.store.put("some/root/lighter/store", other.as_bytes());
            bench.driver().create("a/third/value", b"1").unwrap();
            assert_eq!(bench.store.object("some/root/lighter/store").unwrap(), text.as_bytes());
        }
    }
}

#[test]
fn a_store_that_wants_all_its_parts_gets_them() {
    for is_ceph in [false, true] {
        let bench = Bench::new(Options { is_ceph, ..Options::default() });
        let all = content(3, 100);
        let kept = &all[..CHUNK as usize + 5];
        let mut upload = bench.driver().create_upload(ID).unwrap();
        upload.append(&all).unwrap();
        upload.suspend(&[]).unwrap();
        // What it has is read while the tail is a part as well.
        let mut upload = bench.driver().open_upload(ID).unwrap();
        let mut stored = upload.read().unwrap();
        let mut read = Vec::new();
        while let Some(more) = stored.next().unwrap() {
            read.extend(more);
        }
        assert!(read == all);
        upload.append(&all).unwrap();
        upload.suspend(&[]).unwrap();
        // Of five parts and a tail some are cut off, at the border of one and within one.
        let mut upload = bench.driver().open_upload(ID).unwrap();
        upload.cut(2 * CHUNK).unwrap();
        upload.suspend(&[]).unwrap();
        let mut upload = bench.driver().open_upload(ID).unwrap();
        upload.cut(kept.len() as u64).unwrap();
        upload.commit(BLOB).unwrap();
        assert!(blob(&bench).unwrap() == kept);
        assert_eq!((left(&bench), bench.store.uploads()), (vec![], 0));

        // A part that a writer sent which crashed is not of the blob.
        let mut upload = bench.driver().create_upload(ID).unwrap();
        upload.append(&content(2, 0)).unwrap();
        upload.suspend(&[]).unwrap();
        let mut upload = bench.driver().open_upload(ID).unwrap();
        upload.append(&[7; 2 * CHUNK as usize]).unwrap();
        core::mem::forget(upload);
        bench.pass(46);
        bench.driver().open_upload(ID).unwrap().commit(BLOB).unwrap();
        assert!(blob(&bench).unwrap() == content(2, 0));
        assert_eq!((left(&bench), bench.store.uploads()), (vec![], 0));
    }
}

#[test]
fn a_copy_of_something_else_is_not_made() {
    for (conditional_copies, is_ceph) in [(true, false), (false, false), (true, true)] {
        // In one request, and in parts.
        for length in [CHUNK, 3 * CHUNK] {
            let bench = Bench::new(Options { conditional_copies, is_ceph, ..Options::default() });
            let client = Client::new(bench.config(), bench.clone());
            let meant = client.call(&Call::put("an/object", content(0, length))).unwrap().etag();
            let copied =
                |target| copy(&client, &Source { key: "an/object", etag: &meant, size: length }, target);
            copied("first").unwrap();
            assert!(bench.store.object("some/root/first").unwrap() == content(0, length));
            client.call(&Call::put("an/object", vec![7; length as usize])).unwrap();
            let failure = copied("second").unwrap_err();
            assert!(failure.is_unmet(), "{failure:?}");
            assert_eq!((bench.store.object("some/root/second"), bench.store.uploads()), (None, 0));
        }
    }
}
