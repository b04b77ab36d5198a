//! The host's file system fails in the middle of a request, at each of the request's calls: `strace` makes one of them
//! fail. The client gets an error, nothing is half done, and the client can continue. In other tests it is only slow.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tempfile::NamedTempFile;

use crate::client::Response;
use crate::content::{noise, push_blob, sha256};
use crate::images::{MANIFEST, manifest};
use crate::process::installed;
use crate::server::Server;
use crate::skip::missing;

/// The system calls of Linux that the filesystem driver causes.
const CALLS: [&str; 8] =
    ["openat2", "mkdirat", "pwrite64", "fdatasync", "fsync", "renameat", "unlinkat", "statx"];

/// More calls of one kind than a request makes.
const MOST: usize = 50;

/// Sends a request while one call fails: the one with that number, among calls of one kind. Returns the answer, or
/// `None` if there were fewer calls.
fn failing(server: &Server, call: &str, number: usize, send: impl Fn() -> Response) -> Option<Response> {
    let trace = NamedTempFile::new().unwrap();
    let strace = attach(server, call, &format!("error=ENOSPC:when={number}"), trace.path());
    let answer = send();
    detach(strace);
    fs::read_to_string(trace.path()).unwrap().contains("INJECTED").then_some(answer)
}

/// Tampers with calls of one kind, and records them.
fn attach(server: &Server, call: &str, fault: &str, trace: &Path) -> Child {
    let strace = Command::new("strace")
        .args(["-f", "-qq", "-e", &format!("trace={call}"), "-e", &format!("inject={call}:{fault}")])
        .arg("-o")
        .arg(trace)
        .args(["-p", &server.id().to_string()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| is_traced(server.id()));
    strace
}

fn detach(mut strace: Child) {
    assert!(Command::new("kill").args(["-INT", &strace.id().to_string()]).status().unwrap().success());
    strace.wait().unwrap();
}

fn is_traced(id: u32) -> bool {
    let mut threads = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    threads.all(|thread| {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap_or_default();
        !status.contains("TracerPid:\t0\n")
    })
}

fn wait_until(done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(30), "waited in vain");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a running process can be traced on this machine. If not, the test is skipped.
fn may_trace() -> bool {
    installed("strace") && {
        let mut sleep = Command::new("sleep").arg("60").spawn().unwrap();
        let traced = Command::new("timeout")
            .args(["--signal=INT", "1", "strace", "-qq", "-e", "trace=none", "-p", &sleep.id().to_string()])
            .stderr(Stdio::null())
            .status();
        sleep.kill().and_then(|()| sleep.wait()).unwrap();
        // It ended because its time was over, and not because it may not trace.
        let may = traced.is_ok_and(|status| status.code() == Some(124));
        if !may {
            missing("no process can be traced here");
        }
        may
    }
}

/// Every failure of a request, with what must hold after each.
fn each_failure(
    server: &Server,
    mut attempt: impl FnMut(&dyn Fn(&dyn Fn() -> Response) -> Option<Response>) -> bool,
) {
    let mut failures = 0;
    for call in CALLS {
        for number in 1..MOST {
            if !attempt(&|send| failing(server, call, number, send)) {
                break;
            }
            failures += 1;
        }
    }
    assert!(failures > 10, "only {failures} calls failed");
}

/// Completes the upload of this content from the offset that the registry reports, or pushes it again.
fn finish(server: &Server, location: &str, content: &[u8]) {
    let digest = sha256(content);
    let uuid = location.rsplit_once('/').unwrap().1.split('?').next().unwrap();
    let upload = server.root().join("repositories/a/b/_uploads").join(uuid);
    let started = Instant::now();
    loop {
        let status = server.get(location).send();
        if status.status() == "404 Not Found" {
            push_blob(server, "a/b", content);
            break;
        }
        let put = server.put(&status.completed_by(&digest)).body(&content[status.stored()..]).send();
        if put.status() == "201 Created" {
            break;
        }
        // What could not be removed is a hold. It expires, and here it does so at once.
        assert_eq!(put.status(), "416 Range Not Satisfiable", "{put}");
        assert!(started.elapsed() < Duration::from_secs(60), "{put}");
        let claim = upload.join("data.claim.1");
        let claim = File::options().write(true).open(claim).unwrap();
        claim.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    }
    let blob = server.get(&format!("/v2/a/b/blobs/{digest}")).send();
    assert!(blob.body == content, "the blob is another: {}", blob.status());
}

#[track_caller]
fn expect(answer: &Response, done: &str) {
    assert!([done, "503 Service Unavailable"].contains(&answer.status()), "{answer}");
}

#[test]
fn whichever_call_of_an_upload_fails_it_goes_on() {
    over_files!();
    let server = Server::start();
    if !may_trace() {
        return;
    }
    for request in ["PATCH", "PUT"] {
        let mut seed = 500;
        each_failure(&server, |failing| {
            seed += 1;
            let content = noise(seed, 40_000).into_bytes();
            let (first, second) = content.split_at(15_000);
            let started = server.post("/v2/a/b/blobs/uploads/").send();
            let patched = server.patch(&started.location()).body(first).send();
            let answer = failing(&|| match request {
                "PATCH" => server.patch(&patched.location()).body(second).send(),
                _ => server.put(&patched.completed_by(&sha256(&content))).body(second).send(),
            });
            let Some(answer) = answer else { return false };
            expect(&answer, if request == "PATCH" { "202 Accepted" } else { "201 Created" });
            finish(&server, &patched.location(), &content);
            true
        });
    }
}

/// Reads return the right bytes until the machine restarts, and a second sync succeeds, because Linux marks the pages as
/// written. So the registry must not rely on such bytes.
#[test]
fn bytes_whose_sync_failed_are_not_believed() {
    over_files!();
    let server = Server::start();
    if !may_trace() {
        return;
    }
    let content = noise(600, 40_000).into_bytes();
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let patched = server.patch(&started.location()).body(&content[..15_000]).send();
    let send = || server.patch(&patched.location()).body(&content[15_000..]).send();
    let failed = failing(&server, "fdatasync", 1, send).expect("a sync");
    assert_eq!(failed.status(), "503 Service Unavailable", "{failed}");
    let status = server.get(&patched.location()).send();
    assert_eq!(status.header("range"), "0-14999", "{status}");

    // The same of the last bytes, which come with the PUT.
    let target = status.completed_by(&sha256(&content));
    let send = || server.put(&target).body(&content[15_000..]).send();
    let failed = failing(&server, "fdatasync", 1, send).expect("a sync");
    assert_eq!(failed.status(), "503 Service Unavailable", "{failed}");
    let status = server.get(&patched.location()).send();
    assert_eq!(status.header("range"), "0-14999", "{status}");
    // The driver has cut them off: without them, the content is another.
    let put = server.put(&target).send();
    assert!(put.status() == "400 Bad Request" && put.text().contains("DIGEST_INVALID"), "{put}");
    finish(&server, &target, &content);
}

#[test]
fn whichever_call_of_a_push_fails_the_tag_is_the_old_or_the_new() {
    over_files!();
    let server = Server::start();
    if !may_trace() {
        return;
    }
    push_blob(&server, "a/b", b"{}");
    push_blob(&server, "a/b", b"layer");
    let push =
        |image: &str| server.put("/v2/a/b/manifests/v1").header("Content-Type", MANIFEST).body(image).send();
    let mut old = manifest(b"layer");
    assert_eq!(push(&old).status(), "201 Created");
    each_failure(&server, |failing| {
        // The same with one space more is another manifest.
        let new = old.clone() + " ";
        let Some(answer) = failing(&|| push(&new)) else { return false };
        expect(&answer, "201 Created");
        let served = server.get("/v2/a/b/manifests/v1").send();
        assert!(served.text() == new || served.text() == old && answer.status() != "201 Created", "{served}");
        assert_eq!(push(&new).status(), "201 Created");
        old = new;
        true
    });
}

/// More requests wait for the disk than the machine has cores, and other requests are still answered.
#[test]
fn who_waits_for_the_disk_keeps_nobody_else_waiting() {
    over_files!();
    const PUSHES: usize = 12;
    let server = Server::start();
    if !may_trace() {
        return;
    }
    let digest = push_blob(&server, "a/b", b"hello");
    let trace = NamedTempFile::new().unwrap();
    let strace = attach(&server, "fdatasync", "delay_enter=40s", trace.path());
    thread::scope(|scope| {
        let push = |number: usize| {
            let content = number.to_string();
            let digest = sha256(content.as_bytes());
            server.post(&format!("/v2/a/b/blobs/uploads/?digest={digest}")).body(content.as_str()).send()
        };
        let pushes: Vec<_> = (0..PUSHES).map(|number| scope.spawn(move || push(number))).collect();
        // What is about to be synced has a name of its own.
        wait_until(|| files(&server.root().join("repositories/a/b/_uploads"), "/data") == PUSHES);
        assert_eq!(server.get(&format!("/v2/a/b/blobs/{digest}")).send().status(), "200 OK");
        assert!(pushes.iter().all(|push| !push.is_finished()), "nobody waits for the disk");
        detach(strace);
        for push in pushes {
            assert_eq!(push.join().unwrap().status(), "201 Created");
        }
    });
}

/// The number of files with this ending under a directory.
fn files(directory: &Path, end: &str) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            if path.is_dir() { files(&path, end) } else { usize::from(path.to_string_lossy().ends_with(end)) }
        })
        .sum()
}
