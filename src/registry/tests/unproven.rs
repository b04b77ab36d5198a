//! Bytes of an upload that count in its size, but that nothing proves to be stored: after a loss of power, after a failed
//! sync, and while a request is still writing.

use super::*;
use crate::upload_state::Secret;
use crate::upload_state::UploadState;
use lighter_storage::{Content, Upload};

const CONTENT: &[u8] = b"hello world";

/// The offset in a location's `_state`, which must match the `Range`.
#[track_caller]
fn offset(answer: &Response) -> u64 {
    let token = location(answer).split_once("_state=").unwrap().1.replace("%3D", "=");
    let UploadState { offset, .. } = Secret::new(b"s").open(&token).unwrap();
    assert_eq!(answer.header("Range").unwrap(), format!("0-{}", offset.saturating_sub(1)));
    offset
}

fn upload_of(location: &str) -> String {
    let path = location.split('?').next().unwrap();
    format!("docker/registry/v2/repositories/a/_uploads/{}", path.rsplit_once('/').unwrap().1)
}

impl Bench {
    /// An upload that has received the beginning of the content, in pieces of 2 bytes, and its locations.
    fn received(&self, length: usize) -> Vec<String> {
        let mut locations = vec![self.started()];
        for piece in CONTENT[..length].chunks(2) {
            let patched = self.send(Patch, locations.last().unwrap(), piece);
            assert_eq!(patched.status, 202);
            locations.push(location(&patched));
        }
        locations
    }

    /// Appends bytes behind the registry's back, as a crash leaves them.
    fn append(&self, location: &str, bytes: &[u8]) {
        let mut writer = self.storage.open_upload(&format!("{}/data", upload_of(location))).unwrap();
        writer.append(bytes).unwrap();
    }

    fn remove_state(&self, location: &str, algorithm: &str, offset: u64) {
        self.storage.delete(&format!("{}/hashstates/{algorithm}/{offset}", upload_of(location))).unwrap();
    }

    /// Sends the rest, from the offset that the registry reports, and checks the blob.
    fn finish(&self, answer: &Response) {
        let digest = Digest::of(Algorithm::Sha256, CONTENT);
        let rest = &CONTENT[offset(answer) as usize..];
        let put = self.send(Put, &format!("{}&digest={digest}", location(answer)), rest);
        assert_eq!(put.status, 201);
        let blob = self.send(Get, &format!("/v2/a/blobs/{digest}"), b"");
        assert!(
            matches!(&blob.body, Body::Content(Content::Bytes(content), _) if content == CONTENT),
            "the blob is another"
        );
        assert!(!self.storage.inner().keys().iter().any(|key| key.contains("_uploads")), "something is left");
    }
}

#[test]
fn the_largest_offset_that_something_proves_is_told() {
    // Which of the locations the client has; which states a crash took; how far the upload is proven.
    for (brings, lost, proven) in [
        (Some(3), &[][..], 6),
        // An older location, and the id alone: a hash was kept.
        (Some(0), &[], 6),
        (None, &[], 6),
        (None, &[6], 4),
        (None, &[6, 4], 2),
        (Some(1), &[6], 4),
        // No hash: what was signed.
        (Some(3), &[6], 6),
        (Some(3), &[6, 4, 2], 6),
        (Some(2), &[6, 4, 2], 4),
        // Neither.
        (Some(0), &[6, 4, 2], 0),
        (None, &[6, 4, 2], 0),
    ] {
        let case = format!("location {brings:?} without the states {lost:?}");
        let bench = Bench::new();
        let locations = bench.received(6);
        bench.append(&locations[0], &[0; 9]);
        lost.iter().for_each(|offset| bench.remove_state(&locations[0], "sha256", *offset));
        let bare = locations[0].split('?').next().unwrap().to_owned();
        let status = bench.send(Get, brings.map_or(&bare, |number| &locations[number]), b"");
        assert_eq!((status.status, offset(&status)), (204, proven), "{case}");
        // Others learn no more.
        if let Some(brings) = brings {
            let target = &locations[brings];
            let request = |range: &str| {
                let headers = vec![("Content-Range".to_owned(), range.as_bytes().to_vec())];
                let mut body = b"x".to_vec();
                let request = Request::new(Patch, target, headers, &mut body);
                Registry::new(&bench.storage, &bench.config).handle(request).0
            };
            for (range, refused) in [("nonsense", 416), ("15-15", 416)] {
                let answer = request(range);
                assert_eq!((answer.status, offset(&answer)), (refused, proven), "{case}: {range}");
            }
        }
        bench.finish(&status);
    }
}

#[test]
fn states_that_are_damaged_prove_nothing() {
    let bench = Bench::new();
    let locations = bench.received(6);
    bench.append(&locations[0], b"\0\0\0");
    let key = |offset: &str| format!("{}/hashstates/sha256/{offset}", upload_of(&locations[0]));
    let of_two = bench.storage.get(&key("2")).unwrap().unwrap();
    // Cut off, as an unsynced file is; of another number of bytes, as distribution leaves it; and foreign values.
    for (name, state) in [("6", &b""[..]), ("4", &of_two), ("9", &of_two), ("5", b"\0"), ("x", &of_two)] {
        bench.storage.set(&key(name), state).unwrap();
    }
    let status = bench.send(Get, &locations[0], b"");
    assert_eq!(offset(&status), 2);
    // So do those of more bytes than there are.
    let long = {
        let other = Bench::new();
        let locations = other.received(11);
        other.storage.get(&format!("{}/hashstates/sha256/11", upload_of(&locations[0]))).unwrap().unwrap()
    };
    bench.storage.set(&key("11"), &long).unwrap();
    let status = bench.send(Get, &locations[0], b"");
    assert_eq!(offset(&status), 2);
    bench.finish(&status);
}

#[test]
fn what_is_still_being_written_is_not_told() {
    let bench = Bench::new();
    let locations = bench.received(4);
    let mut writer = bench.storage.open_upload(&format!("{}/data", upload_of(&locations[0]))).unwrap();
    writer.append(&CONTENT[4..9]).unwrap();
    assert_eq!(offset(&bench.send(Get, &locations[2], b"")), 4);
    for (method, target) in [
        (Patch, locations[2].clone()),
        (Put, format!("{}&digest={}", locations[2], Digest::of(Algorithm::Sha256, CONTENT))),
    ] {
        let refused = bench.send(method, &target, &CONTENT[4..]);
        assert_eq!((refused.status, offset(&refused)), (416, 4));
    }
    // Only the writer that holds the upload knows that the bytes are to stay.
    assert_eq!(writer.offset(), 9);
    drop(writer);
    let status = bench.send(Get, &locations[2], b"");
    assert_eq!(offset(&status), 4);
    bench.finish(&status);
}

#[test]
fn bytes_whose_sync_failed_are_not_believed() {
    let bench = Bench::new();
    let locations = bench.received(4);
    let target = locations.last().unwrap();
    let put = format!("{target}&digest={}", Digest::of(Algorithm::Sha256, CONTENT));
    bench.storage.fail(&["suspend"]);
    assert_eq!(bench.send(Patch, target, &CONTENT[4..]).status, 503);
    assert_eq!(offset(&bench.send(Get, target, b"")), 4);
    // A sync would succeed now, although the bytes are not on the disk.
    let refused = bench.send(Put, &put, b"");
    assert_eq!((refused.status, offset(&refused)), (416, 4));
    bench.storage.fail(&["commit"]);
    assert_eq!(bench.send(Put, &put, &CONTENT[4..]).status, 503);
    let refused = bench.send(Put, &put, b"");
    assert_eq!((refused.status, offset(&refused)), (416, 4));
    bench.finish(&refused);
}

#[test]
fn what_a_write_that_failed_left_is_dropped() {
    for cut_fails in [false, true] {
        let bench = Bench::new();
        let locations = bench.received(4);
        let target = locations.last().unwrap();
        bench.storage.fail(if cut_fails { &["append", "cut"] } else { &["append"] });
        assert_eq!(bench.send(Patch, target, &CONTENT[4..]).status, 503);
        let status = bench.send(Get, target, b"");
        assert_eq!(offset(&status), 4);
        bench.finish(&status);
    }
}

#[test]
fn a_cut_takes_the_states_that_would_lie() {
    let bench = Bench::new();
    let target = location(&bench.send(Post, "/v2/a/blobs/uploads/?digest-algorithm=sha512", b""));
    let patched = bench.send(Patch, &target, &CONTENT[..6]);
    assert_eq!(patched.status, 202);
    // A crash took one of the two. A client that knows only the id starts again, with as many other bytes, and names
    // SHA-512 only at the end.
    bench.remove_state(&target, "sha256", 6);
    let status = bench.send(Get, target.split('?').next().unwrap(), b"");
    assert_eq!(offset(&status), 0);
    let patched = bench.send(Patch, &location(&status), b"HELLO ");
    assert_eq!((patched.status, offset(&patched)), (202, 6));
    let content = b"HELLO WORLD";
    let digest = Digest::of(Algorithm::Sha512, content);
    let put = bench.send(Put, &format!("{}&digest={digest}", location(&patched)), &content[6..]);
    assert_eq!(put.status, 201);
    let blob = bench.send(Get, &format!("/v2/a/blobs/{digest}"), b"");
    assert!(
        matches!(&blob.body, Body::Content(Content::Bytes(blob), _) if blob == content),
        "the blob is another"
    );
}

/// There is more than one page of states.
#[test]
fn of_many_states_the_largest_is_found() {
    let bench = Bench::new();
    let target = bench.started();
    let mut answer = bench.send(Get, &target, b"");
    for _ in 0..1_200 {
        answer = bench.send(Patch, &location(&answer), b"x");
        assert_eq!(answer.status, 202);
    }
    bench.append(&target, b"\0");
    bench.remove_state(&target, "sha256", 1_200);
    assert_eq!(offset(&bench.send(Get, &target, b"")), 1_199);
}

/// Only an upload whose size is not proven costs more than any other.
#[test]
fn a_proof_costs_so_many_storage_calls() {
    let bench = Bench::new();
    let locations = bench.received(6);
    let newest = locations.last().unwrap();
    let status = |location: &str| bench.cost(Get, location, b"").1;
    assert_eq!(status(newest), "received");
    assert_eq!(status(&locations[1]), "received get");
    bench.append(newest, b"\0");
    assert_eq!(status(newest), "received get values get");
    let (_, patched) = bench.cost(Patch, newest, &CONTENT[6..]);
    assert_eq!(patched, "open-upload get values get values values cut append suspend received");
    let (_, cancelled) = bench.cost(Delete, newest, b"");
    assert_eq!(cancelled, "open-upload abort discard-prefix");
}
