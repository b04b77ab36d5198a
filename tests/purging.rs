//! Abandoned uploads are removed, and no others. Each step follows the answer to a POST that starts
//! an upload; an upload is removed by the second round that finds it old and no longer growing.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Response, write_chunk};
use crate::content::sha256;
use crate::server::{Options, SECRET, Server};

/// Longer than the age and the interval of these tests.
const A_WHILE: Duration = Duration::from_millis(2_200);

/// A server on which an upload is old after a second, and the interval between rounds is a second.
fn hasty() -> Options {
    variable(variable(Server::with_secret(SECRET), "AGE", "1s"), "INTERVAL", "1s").with_fresh_instances()
}

fn variable(options: Options, name: &str, value: &str) -> Options {
    options.env(&format!("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_{name}"), value)
}

fn start(server: &Server) -> Response {
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    assert_eq!(started.status(), "202 Accepted", "{started}");
    started
}

/// Makes the server do rounds, and waits until another one may follow.
fn rounds(server: &Server, number: usize) {
    for _ in 0..number {
        thread::sleep(A_WHILE);
        server.post("/v2/c/blobs/uploads/").send();
    }
    thread::sleep(Duration::from_millis(300));
}

fn is_there(server: &Server, upload: &Response) -> bool {
    server.get(&upload.location()).send().status() == "204 No Content"
}

#[test]
fn an_upload_that_nobody_completes_is_purged_and_the_log_says_so() {
    let server = hasty().start();
    let abandoned = start(&server);
    server.patch(&abandoned.location()).body("abc").send();
    let [growing, written] = [start(&server), start(&server)];
    // One that is being written to, by a client that is slow.
    let mut slow = TcpStream::connect(server.address()).unwrap();
    let head =
        format!("PATCH {} HTTP/1.1\r\nHost: r\r\nTransfer-Encoding: chunked\r\n\r\n", written.location());
    slow.write_all(head.as_bytes()).unwrap();
    write_chunk(&mut slow, b"ab").unwrap();
    rounds(&server, 1);
    let grown = server.patch(&growing.location()).body("abc").send();
    write_chunk(&mut slow, b"c").unwrap();
    rounds(&server, 1);

    let uuid = abandoned.header("docker-upload-uuid");
    let line = server.logged("purged the abandoned upload");
    assert!(
        line.contains(uuid) && line.contains(" of a/b, started ") && line.ends_with(", 3 bytes"),
        "{line}"
    );
    assert!(!is_there(&server, &abandoned), "it is still there");
    let put = server.put(&abandoned.completed_by(&sha256(b"abc"))).body("abc").send();
    assert_eq!(put.status(), "404 Not Found", "{put}");

    assert!(is_there(&server, &written), "one that is being written to is gone");
    let put = server.put(&grown.completed_by(&sha256(b"abc"))).send();
    assert_eq!(put.status(), "201 Created", "one that has grown is gone: {put}");
}

#[test]
fn a_dry_run_only_says_what_it_would_purge() {
    let server = variable(hasty(), "DRYRUN", "true").start();
    let abandoned = start(&server);
    rounds(&server, 2);
    let line = server.logged("would purge the abandoned upload");
    assert!(line.contains(abandoned.header("docker-upload-uuid")), "{line}");
    assert!(is_there(&server, &abandoned));
}

#[test]
fn purging_can_be_switched_off_and_takes_a_week_where_it_is_not() {
    for options in [variable(hasty(), "ENABLED", "false"), variable(hasty(), "AGE", "168h")] {
        let server = options.start();
        let abandoned = start(&server);
        rounds(&server, 2);
        assert!(is_there(&server, &abandoned) && !server.log().contains("purge"), "{}", server.log());
    }
}

#[test]
fn a_duration_that_is_none_is_named() {
    for (name, value) in [("AGE", "7d"), ("INTERVAL", "3600"), ("ENABLED", "perhaps"), ("DRYRUN", "1")] {
        let server = variable(Server::with_secret(SECRET), name, value).start();
        assert_eq!(server.get("/v2/").send().status(), "503 Service Unavailable", "{name}={value}");
        let line = server.logged(&format!("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_{name} must be "));
        assert!(line.contains(value), "{line}");
    }
}

/// Both registries have their default age.
#[test]
fn what_distribution_left_is_purged() {
    over_files!();
    let options = variable(Server::with_secret(SECRET), "INTERVAL", "1s").with_fresh_instances();
    let uploads = options.root().join("repositories/d/e/_uploads");
    for (id, started_at) in [
        ("11501b54-0000-4000-8000-000000000001", Some("2025-11-11T02:57:30Z")),
        ("11501b54-0000-4000-8000-000000000002", Some("2999-01-01T00:00:00Z")),
        ("11501b54-0000-4000-8000-000000000003", None),
    ] {
        fs::create_dir_all(uploads.join(id)).unwrap();
        fs::write(uploads.join(id).join("data"), "abc").unwrap();
        if let Some(started_at) = started_at {
            fs::write(uploads.join(id).join("startedat"), started_at).unwrap();
        }
    }
    let server = options.start();
    let asked = Instant::now();
    while uploads.join("11501b54-0000-4000-8000-000000000001").exists() {
        assert!(asked.elapsed() < Duration::from_secs(60), "it is still there");
        rounds(&server, 1);
    }
    let left: Vec<_> = fs::read_dir(uploads).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
