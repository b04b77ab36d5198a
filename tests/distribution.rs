//! distribution itself, on the same directory: each registry serves the content that the other stored, and continues
//! the uploads that the other began.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use lighter_test_host::bucket::Bucket;
use serde_json::{Value, json};

use crate::client::Request;
use crate::content::{noise, push_blob, sha256};
use crate::images::{INDEX, LAYER, MANIFEST, manifest};
use crate::process::{Process, installed};
use crate::server::{SECRET, Server};

/// Its name in Debian.
pub(crate) const PROGRAM: &str = "docker-registry";

pub(crate) struct Distribution {
    pub(crate) address: SocketAddr,
    _process: Process,
}

impl Distribution {
    /// Starts on the data of a server, which may still run.
    pub(crate) fn start(server: &Server) -> Self {
        let mut command = program();
        command.arg("serve").arg(configuration(server));
        let process = Process::start(command);
        let line = process.wait_for("listening on 127.0.0.1:");
        let (_, address) = line.split_once("listening on ").unwrap();
        let address = address.split(['"', ' ']).next().unwrap().parse().expect("an address");
        Self { address, _process: process }
    }

    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.address, method, target)
    }
}

fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    // It takes its settings from there, too; and with a certificate of the machine's own, its s3 driver does not start.
    for (name, _) in env::vars_os().filter(|(name, _)| is_setting(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

fn is_setting(name: &str) -> bool {
    name.starts_with("REGISTRY_") || name.starts_with("AWS_")
}

fn configuration(server: &Server) -> PathBuf {
    let path = server.data().join("distribution.yml");
    let storage = match server.bucket() {
        None => format!("filesystem: {{ rootdirectory: '{}' }}", server.data().display()),
        Some((Bucket { endpoint, name, region, access_key, secret_key }, root)) => format!(
            "redirect: {{ disable: true }}, s3: {{ regionendpoint: '{endpoint}', bucket: '{name}', region: '{region}', \
             accesskey: '{access_key}', secretkey: '{secret_key}', rootdirectory: '/{root}', secure: false, \
             chunksize: 5242880 }}"
        ),
    };
    let configuration = format!(
        "version: 0.1\n\
         storage: {{ {storage}, delete: {{ enabled: true }} }}\n\
         compatibility: {{ schema1: {{ enabled: true }} }}\n\
         http: {{ addr: '127.0.0.1:0', secret: '{SECRET}', relativeurls: true }}\n"
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

/// The form of an image that distribution served to clients of 2015, which also pushed such images.
#[test]
fn an_image_of_schema_1_is_served_as_distribution_stored_it() {
    over_files!();
    if !installed(PROGRAM) {
        return;
    }
    let server = Server::start();
    let distribution = Distribution::start(&server);
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {}, "history": [{"created_by": "x"}],
        "rootfs": {"type": "layers", "diff_ids": [sha256(b"hello")]},
    });
    let config = config.to_string();
    push_blob(&server, "a/b", b"hello");
    push_blob(&server, "a/b", config.as_bytes());
    let docker = "application/vnd.docker.distribution.manifest.v2+json";
    let layer = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let image = json!({
        "schemaVersion": 2, "mediaType": docker,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": sha256(config.as_bytes()), "size": config.len(),
        },
        "layers": [{"mediaType": layer, "digest": sha256(b"hello"), "size": 5}],
    });
    let put =
        server.put("/v2/a/b/manifests/v1").header("Content-Type", docker).body(image.to_string()).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    // Converted and signed for who does not accept it, and pushed back.
    let signed = distribution.request("GET", "/v2/a/b/manifests/v1").send();
    let media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    assert_eq!(signed.header("content-type"), media_type, "{signed}");
    let put = distribution.request("PUT", "/v2/a/b/manifests/old").header("Content-Type", media_type);
    let put = put.body(signed.body).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    let digest = put.header("docker-content-digest");

    // The payload alone is what it stored, and what the digest is of.
    for reference in ["old", digest] {
        let pulled = server.get(&format!("/v2/a/b/manifests/{reference}")).send();
        let media_type = "application/vnd.docker.distribution.manifest.v1+json";
        assert_eq!(pulled.header("content-type"), media_type, "{reference}: {pulled}");
        assert_eq!(pulled.header("docker-content-digest"), digest, "{reference}: {pulled}");
        assert_eq!(sha256(&pulled.body), digest, "{reference}: {pulled}");
        assert!(pulled.text().contains("fsLayers") && !pulled.text().contains("signatures"), "{pulled}");
    }
    if installed("skopeo") {
        let target = format!("docker://{}/a/b:old", server.address());
        let mut inspect = Command::new("skopeo");
        inspect.args(["inspect", "--tls-verify=false", "--no-tags", &target]);
        let inspected = inspect.output().unwrap();
        assert!(inspected.status.success(), "{}", String::from_utf8_lossy(&inspected.stderr));
        let inspected: Value = serde_json::from_slice(&inspected.stdout).unwrap();
        assert!(inspected["Layers"].as_array().unwrap().contains(&json!(sha256(b"hello"))), "{inspected}");
    }
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

    let (done, said) = collect_garbage(&server, &[]);
    assert!(done, "{said}");
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), manifest(&layer));
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{layer_digest}")).send().status(), "200 OK");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{garbage}")).send().status(), "404 Not Found");
    // It is gone for good, and can be pushed again.
    push_blob(&server, "a/b", b"nobody refers to this");
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{garbage}")).send().status(), "200 OK");
}

/// Runs distribution's collector, and returns whether it succeeded, and its output.
pub(crate) fn collect_garbage(server: &Server, options: &[&str]) -> (bool, String) {
    let mut collector = program();
    collector.arg("garbage-collect").args(options).arg(configuration(server));
    let collected = collector.output().unwrap();
    (collected.status.success(), String::from_utf8_lossy(&collected.stderr).into_owned())
}

/// The collector ignores a repository without `_layers`, and treats its content as garbage.
#[test]
fn distribution_collects_no_manifest_of_a_repository_without_blobs() {
    over_files!();
    if !installed(PROGRAM) {
        return;
    }
    let server = Server::start();
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[]}}"#);
    let put = |repository: &str, tag: &str, content: &str| {
        let put = server.put(&format!("/v2/{repository}/manifests/{tag}")).header("Content-Type", INDEX);
        let put = put.body(content).send();
        assert_eq!(put.status(), "201 Created", "{put}");
    };
    put("a/b", "v1", &index);
    let child = json!({"mediaType": INDEX, "digest": sha256(index.as_bytes()), "size": index.len()});
    let parent = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).to_string();
    put("a/b", "v2", &parent);
    // One of blobs, as BuildKit's cache, has all that it names.
    let layer = json!({"mediaType": LAYER, "digest": push_blob(&server, "c", b"hello"), "size": 5});
    let cache = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [layer]}).to_string();
    put("c", "cache", &cache);
    let garbage = push_blob(&server, "c", b"nobody refers to this");

    let (done, said) = collect_garbage(&server, &[]);
    assert!(done, "{said}");
    for (target, content) in [
        ("/v2/a/b/manifests/v1", &*index),
        ("/v2/a/b/manifests/v2", &parent),
        ("/v2/c/manifests/cache", &cache),
        (&format!("/v2/c/blobs/{}", sha256(b"hello")), "hello"),
    ] {
        let pulled = server.get(target).send();
        assert_eq!((pulled.status(), &*pulled.text()), ("200 OK", content), "{target}");
    }
    assert_eq!(server.get(&format!("/v2/c/blobs/{garbage}")).send().status(), "404 Not Found");
    // Nothing else comes of it: no blob can be pulled that was not pushed as one.
    let not_a_blob = server.get(&format!("/v2/a/b/blobs/{}", sha256(index.as_bytes()))).send();
    assert_eq!(not_a_blob.status(), "404 Not Found", "{not_a_blob}");
}

/// `docs/reliability.md` describes this. If it is fixed, remove that passage.
#[test]
fn distribution_collects_nothing_where_there_is_a_manifest_that_it_does_not_know() {
    over_files!();
    if !installed(PROGRAM) {
        return;
    }
    let server = Server::start();
    let media_type = "application/vnd.example+json";
    let content = format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}"}}"#);
    let put = server.put("/v2/a/b/manifests/v1").header("Content-Type", media_type).body(&*content).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    let garbage = push_blob(&server, "a/b", b"nobody refers to this");
    let (done, said) = collect_garbage(&server, &[]);
    assert!(!done && said.contains("unrecognized manifest content type"), "{said}");
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().text(), content);
    assert_eq!(server.get(&format!("/v2/a/b/blobs/{garbage}")).send().status(), "200 OK");
}

/// `docs/reliability.md` describes this, too.
#[test]
fn distribution_deletes_what_is_untagged_if_it_is_told_to() {
    over_files!();
    if !installed(PROGRAM) {
        return;
    }
    let server = Server::start();
    push_blob(&server, "a/b", b"{}");
    push_blob(&server, "a/b", b"hello");
    let put = |reference: &str, media_type: &str, content: &str| {
        let put = server.put(&format!("/v2/a/b/manifests/{reference}")).header("Content-Type", media_type);
        let put = put.body(content).send();
        assert_eq!(put.status(), "201 Created", "{put}");
        format!("/v2/a/b/manifests/{}", sha256(content.as_bytes()))
    };
    let image = manifest(b"hello");
    let subject = json!({"mediaType": MANIFEST, "digest": sha256(image.as_bytes()), "size": image.len()});
    let signature = image.replace("}]}", &format!(r#"}}],"subject":{subject}}}"#));
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [subject]}).to_string();
    let signature = put(&sha256(signature.as_bytes()), MANIFEST, &signature);
    let image = put(&sha256(image.as_bytes()), MANIFEST, &image);
    let index = put("v1", INDEX, &index);
    let (done, said) = collect_garbage(&server, &["--delete-untagged"]);
    assert!(done, "{said}");
    assert_eq!(server.get(&index).send().status(), "200 OK");
    assert_eq!(server.get(&signature).send().status(), "404 Not Found");
    // Version 3 keeps what an index names.
    let version = Command::new(PROGRAM).arg("--version").output().unwrap();
    if String::from_utf8_lossy(&version.stdout).contains(" 2.") {
        assert_eq!(server.get(&image).send().status(), "404 Not Found");
    }
}
