//! Immutable tags: a tag that exists is neither moved nor deleted.

use std::fs;
use std::process::Command;
use std::thread;

use insta::assert_snapshot;

use crate::client::Response;
use crate::content::{push_blob, sha256, sha512};
use crate::images::MANIFEST;
use crate::manifests::image;
use crate::server::{SECRET, Server};
use crate::skip::installed;

/// The variable, and a value of it: everything but `latest`.
const IMMUTABLE: (&str, &str) = ("REGISTRY_TAGS_IMMUTABLE", "*:*,!*:latest");

fn server() -> Server {
    let server = Server::with_secret(SECRET).env(IMMUTABLE.0, IMMUTABLE.1).start();
    push_blobs(&server);
    server
}

fn push_blobs(server: &Server) {
    push_blob(server, "a/b", b"{}");
    push_blob(server, "a/b", b"hello");
}

/// One of many images that differ only in an annotation.
fn other(number: usize) -> String {
    image().replace("}]}", &format!(r#"}}],"annotations":{{"number":"{number}"}}}}"#))
}

fn put(server: &Server, reference: &str, image: &str) -> Response {
    server.put(&format!("/v2/a/b/manifests/{reference}")).header("Content-Type", MANIFEST).body(image).send()
}

fn get(server: &Server, reference: &str) -> String {
    server.get(&format!("/v2/a/b/manifests/{reference}")).send().text()
}

#[test]
fn a_tag_that_exists_is_not_moved() {
    let server = server();
    assert_eq!(put(&server, "v1", &other(1)).status(), "201 Created");
    // The same again, as a client does whose connection broke.
    assert_snapshot!(put(&server, "v1", &other(1)), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:3e8432d156b86815c163355dde29a17c0073b754392da4e19986367d033deec1
    location: /v2/a/b/manifests/sha256:3e8432d156b86815c163355dde29a17c0073b754392da4e19986367d033deec1
    ");
    assert_snapshot!(put(&server, "v1", &other(2)), @r#"
    409 Conflict
    content-length: 137
    content-type: application/json

    {"errors":[{"code":"DENIED","message":"the tag v1 is immutable: it names another manifest, and stays with it; push under another tag"}]}
    "#);
    assert_eq!(get(&server, "v1"), other(1));
    // Nothing of it was stored.
    let digest = sha256(other(2).as_bytes());
    assert_eq!(server.get(&format!("/v2/a/b/manifests/{digest}")).send().status(), "404 Not Found");
    // What an old docker sends next is told the same, and not that its type is wrong.
    let schema1 = server.put("/v2/a/b/manifests/v1");
    let schema1 = schema1.header("Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws");
    assert_eq!(schema1.body(r#"{"schemaVersion":1}"#).send().status(), "409 Conflict");
    // Others may be moved, and new ones may be made of the same manifest.
    for image in [other(1), other(2)] {
        assert_eq!(put(&server, "latest", &image).status(), "201 Created");
    }
    assert_eq!(get(&server, "latest"), other(2));
    assert_eq!(put(&server, "v2", &other(1)).status(), "201 Created");
}

#[test]
fn by_digest_all_tags_are_checked_before_anything_is_stored() {
    let server = server();
    assert_eq!(put(&server, "v1", &other(1)).status(), "201 Created");
    let digest = sha256(other(2).as_bytes());
    let refused = put(&server, &format!("{digest}?tag=v2&tag=v1&tag=latest"), &other(2));
    assert_eq!(refused.status(), "409 Conflict", "{refused}");
    assert_eq!(server.get("/v2/a/b/tags/list").send().text(), "{\"name\":\"a/b\",\"tags\":[\"v1\"]}\n");
    let again = put(&server, &format!("{digest}?tag=v2&tag=latest"), &other(2));
    assert_eq!(again.status(), "201 Created", "{again}");
    // By another digest it is the same manifest, and the tag keeps the one that it is served with.
    let other_digest = sha512(other(2).as_bytes());
    assert_eq!(put(&server, &format!("{other_digest}?tag=v2"), &other(2)).status(), "201 Created");
    let head = server.head("/v2/a/b/manifests/v2").send();
    assert_eq!(head.header("docker-content-digest"), digest);
}

#[test]
fn a_tag_that_exists_is_not_deleted() {
    let server = server();
    let digest = sha256(other(1).as_bytes());
    for tag in ["latest", "v1"] {
        assert_eq!(put(&server, tag, &other(1)).status(), "201 Created");
    }
    assert_snapshot!(server.delete("/v2/a/b/manifests/v1").send(), @r#"
    409 Conflict
    content-length: 89
    content-type: application/json

    {"errors":[{"code":"DENIED","message":"the tag v1 is immutable: it cannot be deleted"}]}
    "#);
    // Its manifest cannot be deleted either, and keeps its other tags.
    assert_snapshot!(server.delete(&format!("/v2/a/b/manifests/{digest}")).send(), @r#"
    409 Conflict
    content-length: 89
    content-type: application/json

    {"errors":[{"code":"DENIED","message":"the tag v1 is immutable: it cannot be deleted"}]}
    "#);
    for tag in ["latest", "v1"] {
        assert_eq!(get(&server, tag), other(1));
    }
    assert_eq!(server.delete("/v2/a/b/manifests/latest").send().status(), "202 Accepted");
    assert_eq!(server.delete("/v2/a/b/manifests/v2").send().status(), "404 Not Found");
    // A manifest that no such tag points to can be deleted.
    assert_eq!(put(&server, "latest", &other(2)).status(), "201 Created");
    let other_digest = sha256(other(2).as_bytes());
    assert_eq!(server.delete(&format!("/v2/a/b/manifests/{other_digest}")).send().status(), "202 Accepted");
    assert_eq!(server.get("/v2/a/b/tags/list").send().text(), "{\"name\":\"a/b\",\"tags\":[\"v1\"]}\n");
}

#[test]
fn of_pushes_at_once_one_wins() {
    const CLIENTS: usize = 6;
    const ROUNDS: usize = 15;
    let server = Server::with_secret(SECRET).env(IMMUTABLE.0, IMMUTABLE.1).with_fresh_instances().start();
    push_blobs(&server);
    for round in 0..ROUNDS {
        let tag = format!("v{round}");
        let answers: Vec<_> = thread::scope(|scope| {
            let push = |client| {
                let (server, tag) = (&server, &tag);
                scope.spawn(move || put(server, tag, &other(client)))
            };
            let running: Vec<_> = (0..CLIENTS).map(push).collect();
            running.into_iter().map(|client| client.join().unwrap()).collect()
        });
        let winners: Vec<usize> = (0..CLIENTS).filter(|at| answers[*at].status() == "201 Created").collect();
        assert_eq!(
            winners.len(),
            1,
            "{tag}: {}",
            answers.iter().map(ToString::to_string).collect::<String>()
        );
        for (at, answer) in answers.iter().enumerate().filter(|(at, _)| *at != winners[0]) {
            assert_eq!(answer.status(), "409 Conflict", "{at}: {answer}");
        }
        assert_eq!(get(&server, &tag), other(winners[0]));
    }
}

#[test]
fn a_damaged_tag_is_healed_by_one_of_several_pushes() {
    over_files!();
    const CLIENTS: usize = 4;
    let server = Server::with_secret(SECRET).env(IMMUTABLE.0, IMMUTABLE.1).with_fresh_instances().start();
    push_blobs(&server);
    let tags = server.root().join("repositories/a/b/_manifests/tags");
    let absent = sha256(b"absent");
    for (round, damage) in ["", "\0\0", &absent, "sha256:2cf2"].into_iter().enumerate() {
        let link = tags.join(format!("v{round}/current/link"));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        // It is damaged twice: by a crash of distribution, and then because its manifest is lost.
        for again in [false, true] {
            fs::write(&link, damage).unwrap();
            let images = (0..CLIENTS).map(|client| other(client + if again { CLIENTS } else { 0 }));
            let images: Vec<String> = images.collect();
            let answers: Vec<_> = thread::scope(|scope| {
                let push = |image: &'_ String| {
                    let image = image.clone();
                    let server = &server;
                    scope.spawn(move || put(server, &format!("v{round}"), &image))
                };
                let running: Vec<_> = images.iter().map(push).collect();
                running.into_iter().map(|client| client.join().unwrap()).collect()
            });
            let winners: Vec<usize> =
                (0..CLIENTS).filter(|at| answers[*at].status() == "201 Created").collect();
            assert_eq!(winners.len(), 1, "{damage:?}: {}", answers[0]);
            let image = &images[winners[0]];
            assert_eq!(get(&server, &format!("v{round}")), *image);
            let digest = sha256(image.as_bytes()).replace(':', "/");
            fs::remove_file(
                server.root().join("repositories/a/b/_manifests/revisions").join(digest).join("link"),
            )
            .unwrap();
        }
    }
    // What is damaged can also be deleted.
    fs::write(tags.join("v0/current/link"), "").unwrap();
    assert_eq!(server.delete("/v2/a/b/manifests/v0").send().status(), "202 Accepted");
    assert!(!tags.join("v0").exists());
}

#[test]
fn a_wrong_pattern_keeps_the_registry_from_serving() {
    let server = Server::with_secret(SECRET).env(IMMUTABLE.0, "v*").start();
    assert_eq!(server.get("/v2/").send().status(), "503 Service Unavailable");
    server.logged(r#"REGISTRY_TAGS_IMMUTABLE: \"v*\" must be REPOSITORY:TAG"#);
}

#[test]
fn skopeo_shows_why() {
    if !installed("skopeo") {
        return;
    }
    let server = server();
    let copy = |number: usize| {
        assert_eq!(put(&server, &format!("source{number}"), &other(number)).status(), "201 Created");
        let address = server.address();
        let [from, to] =
            [format!("source{number}"), "v1".to_owned()].map(|tag| format!("docker://{address}/a/b:{tag}"));
        let flags = ["copy", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false"];
        Command::new("skopeo").args(flags).args([&from, &to]).output().unwrap()
    };
    assert!(copy(1).status.success());
    assert!(copy(1).status.success(), "the same again");
    let refused = copy(2);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(said.contains("denied: the tag v1 is immutable: it names another manifest"), "{said}");
    assert_eq!(get(&server, "v1"), other(1));
}
