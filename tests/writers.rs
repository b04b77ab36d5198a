//! Uploads that are disturbed: two clients at once, a client that vanishes, a server that is killed,
//! several servers on one directory.

use std::fs::{self, File};
use std::io::{BufReader, Cursor, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use insta::assert_snapshot;

use crate::client::{Response, write_chunk};
use crate::content::{noise, push_blob, sha256};
use crate::disk::files;
use crate::server::{Driver, SECRET, Server, driver};

#[test]
fn of_two_writers_at_once_one_wins() {
    exclusive!();
    let server = Server::start();
    for round in 0..10 {
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        let contents = [noise(round, 300_000).into_bytes(), noise(round + 100, 200_000).into_bytes()];
        let barrier = Barrier::new(2);
        let patch = |content: &Vec<u8>| {
            barrier.wait();
            server.patch(&started.location()).chunked(Cursor::new(content.clone())).send()
        };
        let [first, second] = thread::scope(|scope| {
            let first = scope.spawn(|| patch(&contents[0]));
            let second = patch(&contents[1]);
            [first.join().unwrap(), second]
        });
        let (winner, loser, content) = match first.status() {
            "202 Accepted" => (first, second, &contents[0]),
            _ => (second, first, &contents[1]),
        };
        assert_eq!(winner.status(), "202 Accepted", "{winner}\n{loser}");
        assert_eq!(loser.status(), "416 Range Not Satisfiable", "{loser}");
        assert!(loser.location().starts_with("/v2/a/b/blobs/uploads/"), "{loser}");
        assert!(loser.find("range").is_some(), "{loser}");

        let digest = sha256(content);
        assert_eq!(server.put(&winner.completed_by(&digest)).send().status(), "201 Created");
        let blob = server.get(&format!("/v2/a/b/blobs/{digest}")).send();
        assert!(blob.body == *content, "the blob is not what the winner sent");
    }
}

#[test]
fn of_two_completions_at_once_one_wins() {
    exclusive!();
    let server = Server::start();
    for round in 0..10 {
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        let content = noise(round + 200, 300_000).into_bytes();
        let digest = sha256(&content);
        let patched = server.patch(&started.location()).body(content.clone()).send();
        let barrier = Barrier::new(2);
        let put = || {
            barrier.wait();
            server.put(&patched.completed_by(&digest)).send()
        };
        let mut answers = thread::scope(|scope| {
            let first = scope.spawn(put);
            [put(), first.join().unwrap()]
        });
        answers.sort_by_key(|answer| answer.status().to_owned());
        let [winner, loser] = answers;
        assert_eq!(winner.status(), "201 Created", "{winner}\n{loser}");
        assert!(["404 Not Found", "416 Range Not Satisfiable"].contains(&loser.status()), "{loser}");
        assert!(server.get(&winner.location()).send().body == content, "the blob is not what was sent");
    }
}

#[test]
fn while_one_writes_another_is_refused() {
    own_store!();
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let content = noise(5, 4_000_000).into_bytes();
    let stream = begin_patch(&server, &started, &content);
    bytes_arrived(&server, &started, content.len());
    // Until they are durable, they are not told.
    let status = server.get(&started.location()).send();
    assert_eq!(status.header("range"), "0-0", "{status}");

    // The first client is right about what is stored. Only the writer is in its way: it would continue to write
    // into the finished blob.
    let patch = server.patch(&status.location()).header("Content-Range", "4000000-4000002");
    let refused = patch.body("abc").send();
    assert_eq!(refused.status(), "416 Range Not Satisfiable", "{refused}");
    let refused = server.put(&status.completed_by(&sha256(&content))).send();
    assert_eq!(refused.status(), "416 Range Not Satisfiable", "{refused}");
    // A request to cancel it gets no way to continue either.
    assert_snapshot!(server.delete(&status.location()).send(), @r#"
    409 Conflict
    content-length: 210
    content-type: application/json

    {"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"blob upload invalid","detail":"another request is writing to this upload; cancel it when that one has ended, which takes a minute at most if it broke off"}]}
    "#);

    let patched = end(stream, b"the end");
    assert_eq!(patched.status(), "202 Accepted", "{patched}");
    assert_eq!(patched.header("range"), "0-4000006");
    let digest = sha256(&[&content[..], b"the end"].concat());
    assert_eq!(server.put(&patched.completed_by(&digest)).send().status(), "201 Created");
}

#[test]
fn a_client_that_vanished_goes_on_from_what_is_stored() {
    own_store!();
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let content = noise(6, 4_000_000).into_bytes();
    let stream = begin_patch(&server, &started, &content[..3_000_000]);
    bytes_arrived(&server, &started, 3_000_000);
    drop(stream);
    // The server sees at once that it has gone, and makes durable what came.
    let asked = Instant::now();
    while server.get(&started.location()).send().stored() != 3_000_000 {
        assert!(asked.elapsed() < Duration::from_secs(60), "what came is not stored");
        thread::sleep(Duration::from_millis(5));
    }
    finish(&server, &started, &content);
}

#[test]
fn a_server_that_was_killed_goes_on_from_what_was_acknowledged() {
    over_files!();
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let content = noise(7, 4_000_000).into_bytes();
    let patched = server.patch(&started.location()).body(&content[..1_000_000]).send();
    let stream = begin_patch(&server, &patched, &content[1_000_000..3_000_000]);
    bytes_arrived(&server, &started, 3_000_000);
    let (upload, next) = (directory(&server, &started), Server::with_secret(SECRET).on_data_of(&server));
    drop(server);
    drop(stream);
    // As if that had been a minute ago: until then the writer might be alive, on another host.
    for entry in fs::read_dir(upload).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
        }
    }
    let next = next.start();
    assert_eq!(next.get(&started.location()).send().stored(), 1_000_000);
    finish(&next, &started, &content);
}

#[test]
fn an_upload_goes_from_server_to_server() {
    let one = Server::start();
    let other = Server::with_secret(SECRET).on_data_of(&one).with_fresh_instances().start();
    let content = noise(8, 1_000_000).into_bytes();
    let mut answer = one.post("/v2/a/b/blobs/uploads/").send();
    for (number, chunk) in content.chunks(100_000).enumerate() {
        let server = if number % 2 == 0 { &other } else { &one };
        answer = server.patch(&answer.location()).body(chunk).send();
        assert_eq!(answer.status(), "202 Accepted", "{answer}");
    }
    assert_eq!(other.put(&answer.completed_by(&sha256(&content))).send().status(), "201 Created");
}

#[test]
fn who_stood_still_and_lost_the_upload_is_told_from_where_to_go_on() {
    over_files!();
    let server = Server::start();
    let (stream, started, upload) = begin_patch_that_stands_still(&server, b"hel");
    // What it has sent is not durable, and the other does not build on it.
    let patched = server.patch(&started.location()).body("hello").send();
    assert_eq!(patched.status(), "202 Accepted", "{patched}");
    // So long it may believe that it still holds the upload.
    thread::sleep(Duration::from_secs(3));
    let refused = end(stream, b"p");
    assert_eq!(refused.status(), "416 Range Not Satisfiable", "{refused}");
    assert_eq!(refused.header("range"), "0-4", "{refused}");
    let digest = sha256(b"hello");
    assert_eq!(server.put(&refused.completed_by(&digest)).send().status(), "201 Created");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{digest}")).send().text(), "hello");
    assert!(!upload.exists(), "something was left of the upload");
}

#[test]
fn who_stood_still_until_the_upload_ended_leaves_nothing_behind() {
    over_files!();
    let server = Server::start();
    let (stream, started, upload) = begin_patch_that_stands_still(&server, b"hel");
    let put = server.put(&started.completed_by(&sha256(b"hello"))).body("hello").send();
    assert_eq!(put.status(), "201 Created", "{put}");
    thread::sleep(Duration::from_secs(3));
    let refused = end(stream, b"p");
    assert_eq!(refused.status(), "404 Not Found", "{refused}");
    assert!(!upload.exists(), "something was left of the upload");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{}", sha256(b"hello"))).send().text(), "hello");
}

#[test]
fn an_upload_that_was_removed_under_its_writer_is_unknown() {
    over_files!();
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let stream = begin(&server, "PUT", &started.completed_by(&sha256(b"hello")), b"hel");
    bytes_arrived(&server, &started, 3);
    let uploads = server.root().join("repositories/a/b/_uploads");
    // As a tool that purges old uploads does.
    fs::remove_dir_all(directory(&server, &started)).unwrap();
    let refused = end(stream, b"lo");
    assert_eq!(refused.status(), "404 Not Found", "{refused}");
    assert!(refused.text().contains("BLOB_UPLOAD_UNKNOWN"), "{refused}");
    assert!(fs::read_dir(uploads).unwrap().next().is_none(), "something was left of the upload");
}

#[test]
fn a_hold_from_the_future_is_not_waited_for() {
    over_files!();
    // As after a crash, if the clock is set back before the server starts again.
    let server = Server::start();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let upload = directory(&server, &started);
    let claim = File::create(upload.join("data.claim.1")).unwrap();
    claim.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    let refused = server.patch(&started.location()).body("abc").send();
    assert_eq!(refused.status(), "416 Range Not Satisfiable", "{refused}");
    // From now on it is as old as any other.
    let asked = Instant::now();
    let put = loop {
        let put = server.put(&started.completed_by(&sha256(b"abc"))).body("abc").send();
        if put.status() != "416 Range Not Satisfiable" || asked.elapsed() > Duration::from_secs(60) {
            break put;
        }
        thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(put.status(), "201 Created", "{put}");
}

#[test]
fn one_blob_may_be_pushed_by_many_at_once() {
    let server = Server::start();
    let content = noise(9, 500_000).into_bytes();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| push_blob(&server, "a/b", &content));
        }
    });
    let blob = server.get(&format!("/v2/a/b/blobs/{}", sha256(&content))).send();
    assert!(blob.body == content, "the blob is not what was sent");
}

/// Sends the head of a streamed PATCH and this much of its body, but not the end.
fn begin_patch(server: &Server, upload: &Response, bytes: &[u8]) -> TcpStream {
    begin(server, "PATCH", &upload.location(), bytes)
}

/// The same, as if nothing more had been sent for a minute. Also returns the answer that started the upload, and its
/// directory.
fn begin_patch_that_stands_still(server: &Server, bytes: &[u8]) -> (TcpStream, Response, PathBuf) {
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let stream = begin_patch(server, &started, bytes);
    bytes_arrived(server, &started, bytes.len());
    let upload = directory(server, &started);
    let claim = File::options().write(true).open(upload.join("data.claim.1")).unwrap();
    claim.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    (stream, started, upload)
}

/// The directory of an upload.
fn directory(server: &Server, upload: &Response) -> PathBuf {
    server.root().join("repositories/a/b/_uploads").join(upload.header("docker-upload-uuid"))
}

fn begin(server: &Server, method: &str, target: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        server.address()
    );
    stream.write_all(head.as_bytes()).unwrap();
    for chunk in bytes.chunks(100_000) {
        write_chunk(&mut stream, chunk).unwrap();
    }
    stream
}

/// Sends the rest of a body that was begun, and returns the answer.
fn end(mut stream: TcpStream, bytes: &[u8]) -> Response {
    write_chunk(&mut stream, bytes).unwrap();
    write_chunk(&mut stream, b"").unwrap();
    let mut body = Vec::new();
    let mut answer = Response::read(&mut BufReader::new(stream), true, &mut body).unwrap();
    answer.body = body;
    answer
}

/// Waits until this many bytes of a body that is being sent are on the disk. No answer reports them, because they are not
/// durable yet. If an upload is not a file of its own, the size of the store counts; an object store has them once its writer
/// lets go, so there it is that a writer holds the upload.
fn bytes_arrived(server: &Server, upload: &Response, stored: usize) {
    let data = directory(server, upload).join("data");
    let started = Instant::now();
    loop {
        let arrived = match fs::metadata(&data) {
            _ if driver() == Driver::S3 => {
                if is_held(server, upload) {
                    stored
                } else {
                    0
                }
            }
            Ok(data) => data.len() as usize,
            Err(_) => files(server.data()).values().map(Vec::len).sum(),
        };
        if arrived >= stored {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{arrived} of {stored} bytes are stored");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the record of an upload in an object store says that a writer holds it.
fn is_held(server: &Server, upload: &Response) -> bool {
    let id = upload.header("docker-upload-uuid");
    let key = format!("docker/registry/v2/repositories/a/b/_uploads/{id}/data.state");
    let record = server.objects().object(&key).unwrap_or_default();
    record.split(|byte| *byte == b'\n').any(|line| line == b"held")
}

/// Completes the upload of this content, from the offset that the registry reports. A writer
/// that has disconnected may still hold it for a moment, and bytes may still arrive.
fn finish(server: &Server, upload: &Response, content: &[u8]) {
    let mut answer = server.get(&upload.location()).send();
    for _ in 0..10_000 {
        let stored = answer.stored();
        let patch = server.patch(&answer.location());
        let patch = patch.header("Content-Range", &format!("{stored}-{}", content.len() - 1));
        answer = patch.body(&content[stored..]).send();
        if answer.status() == "202 Accepted" {
            let digest = sha256(content);
            let put = server.put(&answer.completed_by(&digest)).send();
            assert_eq!(put.status(), "201 Created", "{put}");
            let blob = server.get(&format!("/v2/a/b/blobs/{digest}")).send();
            assert!(blob.body == content, "the blob is not what was sent");
            return;
        }
        assert_eq!(answer.status(), "416 Range Not Satisfiable", "{answer}");
    }
    panic!("the upload is held for ever: {answer}");
}
