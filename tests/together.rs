//! Concurrent pushes into one registry, through independent instances.

use std::collections::BTreeSet;
use std::thread;

use serde_json::Value;

use crate::content::push_blob;
use crate::images::{MANIFEST, manifest};
use crate::server::Server;

const CLIENTS: usize = 6;
const TAGS: usize = 8;

/// Pushes an image as one client does, under some tags.
fn push(server: &Server, repository: &str, client: usize) {
    push_blob(server, repository, b"{}");
    push_blob(server, repository, b"a layer that all share");
    for tag in 0..TAGS {
        let put = server.put(&format!("/v2/{repository}/manifests/t{client}-{tag}"));
        let put = put.header("Content-Type", MANIFEST).body(manifest(b"a layer that all share")).send();
        assert_eq!(put.status(), "201 Created", "{put}");
    }
}

fn names(server: &Server, target: &str, member: &str) -> BTreeSet<String> {
    let listed = server.get(target).send();
    assert_eq!(listed.status(), "200 OK", "{listed}");
    let listed: Value = serde_json::from_slice(&listed.body).unwrap();
    listed[member].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[test]
fn tags_pushed_at_once_are_all_listed() {
    let server = Server::with_secret("a secret").with_fresh_instances().start();
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let server = &server;
            scope.spawn(move || push(server, "a/b", client));
        }
    });
    let expected = (0..CLIENTS).flat_map(|client| (0..TAGS).map(move |tag| format!("t{client}-{tag}")));
    assert_eq!(names(&server, "/v2/a/b/tags/list", "tags"), expected.collect());
}

#[test]
fn repositories_pushed_at_once_are_all_listed() {
    let server = Server::with_secret("a secret").with_fresh_instances().start();
    let repositories: Vec<String> = (0..CLIENTS).map(|client| format!("team/r{client}")).collect();
    thread::scope(|scope| {
        for (client, repository) in repositories.iter().enumerate() {
            let server = &server;
            scope.spawn(move || push(server, repository, client));
        }
    });
    assert_eq!(names(&server, "/v2/_catalog", "repositories"), repositories.into_iter().collect());
}
