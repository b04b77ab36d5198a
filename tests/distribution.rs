//! distribution itself, on the same directory: either serves what the other stored, and either goes
//! on with an upload that the other began.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::client::Request;
use crate::content::{noise, push_blob, sha256};
use crate::images::{MANIFEST, manifest};
use crate::process::{Process, installed};
use crate::server::{SECRET, Server};

/// What Debian calls it.
const PROGRAM: &str = "docker-registry";

struct Distribution {
    address: SocketAddr,
    _process: Process,
}

impl Distribution {
    /// Starts on the data of a server, which may still run.
    fn start(server: &Server) -> Self {
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg(configuration(server.data()));
        let process = Process::start(command);
        let line = process.wait_for("listening on 127.0.0.1:");
        let (_, address) = line.split_once("listening on ").unwrap();
        let address = address.split(['"', ' ']).next().unwrap().parse().expect("an address");
        Self { address, _process: process }
    }

    fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.address, method, target)
    }
}

fn configuration(data: &Path) -> PathBuf {
    let path = data.join("distribution.yml");
    let configuration = format!(
        "version: 0.1\n\
         storage: {{ filesystem: {{ rootdirectory: '{}' }} }}\n\
         http: {{ addr: '127.0.0.1:0', secret: '{SECRET}', relativeurls: true }}\n",
        data.display()
    );
    fs::write(&path, configuration).unwrap();
    path
}

#[test]
fn distribution_serves_what_was_pushed_here() {
    over_files!();
    if !installed(PROGRAM) {
        return;
    }
    let server = Server::start();
    let layer = noise(30, 1_000_000).into_bytes();
    push_blob(&server, "a/b", b"{}");
    let digest = push_blob(&server, "a/b", &layer);
    let put =
        server.put("/v2/a/b/manifests/v1").header("Content-Type", MANIFEST).body(manifest(&layer)).send();
    assert_eq!(put.status(), "201 Created", "{put}");

    let distribution = Distribution::start(&server);
    let get = |target: &str| distribution.request("GET", target).header("Accept", MANIFEST).send();
    assert_eq!(get("/v2/a/b/tags/list").text(), "{\"name\":\"a/b\",\"tags\":[\"v1\"]}\n");
    assert_eq!(get("/v2/a/b/manifests/v1").text(), manifest(&layer));
    assert!(get(&format!("/v2/a/b/blobs/{digest}")).body == layer, "the layer is another");
}

#[test]
fn what_was_pushed_to_distribution_is_served_here() {
    over_files!();
    if !installed(PROGRAM) {
        return;
    }
    let server = Server::start();
    let distribution = Distribution::start(&server);
    let layer = noise(31, 1_000_000).into_bytes();
    for blob in [&b"{}"[..], &layer] {
        let started = distribution.request("POST", "/v2/a/b/blobs/uploads/").send();
        let put = distribution.request("PUT", &started.completed_by(&sha256(blob))).body(blob).send();
        assert_eq!(put.status(), "201 Created", "{put}");
    }
    let put = distribution.request("PUT", "/v2/a/b/manifests/v1").header("Content-Type", MANIFEST);
    let put = put.body(manifest(&layer)).send();
    assert_eq!(put.status(), "201 Created", "{put}");

    assert_eq!(server.get("/v2/a/b/tags/list").send().text(), "{\"name\":\"a/b\",\"tags\":[\"v1\"]}\n");
    let pulled = server.get("/v2/a/b/manifests/v1").send();
    assert_eq!((pulled.text(), pulled.header("content-type")), (manifest(&layer), MANIFEST));
    assert!(
        server.get(&format!("/v2/a/b/blobs/{}", sha256(&layer))).send().body == layer,
        "the layer is another"
    );
}

#[test]
fn an_upload_goes_to_and_fro() {
    over_files!();
    if !installed(PROGRAM) {
        return;
    }
    let server = Server::start();
    let distribution = Distribution::start(&server);
    let here = |method: &str, target: &str| server.request(method, target);
    let there = |method: &str, target: &str| distribution.request(method, target);
    type Side<'a> = &'a dyn Fn(&str, &str) -> Request;
    let content = noise(32, 400_003).into_bytes();
    let digest = sha256(&content);
    for (one, other) in [(&here as Side, &there as Side), (&there, &here)] {
        let mut answer = one("POST", "/v2/a/b/blobs/uploads/").send();
        for (number, chunk) in content.chunks(100_001).enumerate() {
            let side = if number % 2 == 0 { other } else { one };
            answer = side("PATCH", &answer.location()).body(chunk).send();
            assert_eq!(answer.status(), "202 Accepted", "{answer}");
        }
        // distribution believes the hash that was kept here: it is right, or this fails.
        let put = one("PUT", &answer.completed_by(&digest)).send();
        assert_eq!(put.status(), "201 Created", "{put}");
        assert!(
            other("GET", &format!("/v2/a/b/blobs/{digest}")).send().body == content,
            "the blob is another"
        );
    }
}

#[test]
fn distribution_collects_garbage_among_what_was_pushed_here() {
    over_files!();
    if !installed(PROGRAM) {
        return;
    }
    let server = Server::start();
    let layer = noise(33, 1_000).into_bytes();
    push_blob(&server, "a/b", b"{}");
    let layer_digest = push_blob(&server, "a/b", &layer);
    let garbage = push_blob(&server, "a/b", b"nobody refers to this");
    server.put("/v2/a/b/manifests/v1").header("Content-Type", MANIFEST).body(manifest(&layer)).send();
    server.post("/v2/a/b/blobs/uploads/").send();

    let collected =
        Command::new(PROGRAM).arg("garbage-collect").arg(configuration(server.data())).output().unwrap();
    assert!(collected.status.success(), "{}", String::from_utf8_lossy(&collected.stderr));
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), manifest(&layer));
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{layer_digest}")).send().status(), "200 OK");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{garbage}")).send().status(), "404 Not Found");
    // It is gone for good, and can be pushed again.
    push_blob(&server, "a/b", b"nobody refers to this");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{garbage}")).send().status(), "200 OK");
}
