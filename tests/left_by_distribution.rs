//! `gc` in a store that distribution has filled, with leftovers of each kind: they go, and what is left is served by
//! distribution.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::client::Response;
use crate::commands::{file, printed, text};
use crate::content::sha256;
use crate::distribution::{Distribution, PROGRAM, collect_garbage};
use crate::habits::expect;
use crate::images::{INDEX, MANIFEST, manifest};
use crate::server::Server;
use crate::skip::installed;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

fn digest(content: &str) -> String {
    sha256(content.as_bytes())
}

fn push_blob(distribution: &Distribution, repository: &str, content: &str) {
    let started = distribution.request("POST", &format!("/v2/{repository}/blobs/uploads/")).send();
    let put = distribution.request("PUT", &started.completed_by(&digest(content))).body(content).send();
    expect(put, "201 Created");
}

fn put(
    distribution: &Distribution,
    repository: &str,
    reference: &str,
    media_type: &str,
    content: &str,
) -> Response {
    let put = distribution.request("PUT", &format!("/v2/{repository}/manifests/{reference}"));
    expect(put.header("Content-Type", media_type).body(content).send(), "201 Created")
}

fn push_image(distribution: &Distribution, repository: &str, reference: &str, layer: &str) -> String {
    push_blob(distribution, repository, "{}");
    push_blob(distribution, repository, layer);
    let content = manifest(layer.as_bytes());
    put(distribution, repository, reference, MANIFEST, &content);
    content
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A directory with what is below it, as the store's own paths.
fn walk(root: &Path, path: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        if path.is_dir() {
            walk(root, &path, found);
        }
    }
}

fn all(server: &Server) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(&server.root(), &server.root(), &mut found);
    found
}

/// Makes everything look as if it had been stored two months ago.
fn make_old(server: &Server) {
    let long_ago = SystemTime::now() - Duration::from_secs(60 * 86_400);
    for path in all(server) {
        File::open(server.root().join(path)).unwrap().set_modified(long_ago).unwrap();
    }
}

/// Pushes an image, and returns it in the form that distribution serves to clients of 2015 and takes from them.
fn push_schema_1(distribution: &Distribution) -> String {
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {}, "history": [{"created_by": "x"}],
        "rootfs": {"type": "layers", "diff_ids": [digest("of schema 1")]},
    });
    let config = config.to_string();
    push_blob(distribution, "a/b", "of schema 1");
    push_blob(distribution, "a/b", &config);
    let image = json!({
        "schemaVersion": 2, "mediaType": DOCKER_MANIFEST,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": digest(&config), "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "digest": digest("of schema 1"), "size": 11,
        }],
    });
    put(distribution, "a/b", "new", DOCKER_MANIFEST, &image.to_string());
    let signed = distribution.request("GET", "/v2/a/b/manifests/new").send();
    assert_eq!(signed.header("content-type"), SCHEMA_1, "{signed}");
    put(distribution, "a/b", "old", SCHEMA_1, &signed.text());
    image.to_string()
}

#[test]
fn leftovers_of_distribution_go_and_it_serves_what_is_left() {
    over_files!();
    if !installed(PROGRAM) {
        return;
    }
    let server = Server::start();
    let distribution = Distribution::start(&server);
    // Images, one of which has lost its tag; an index, whose image has none; and a name that only distribution takes.
    let image = push_image(&distribution, "a/b", "v1", "one");
    let untagged = push_image(&distribution, "a/b", "v2", "two");
    push_image(&distribution, "a/b", "v2", "three");
    let child = push_image(&distribution, "c", &digest(&manifest(b"four")), "four");
    let descriptor = json!({"mediaType": MANIFEST, "digest": digest(&child), "size": child.len()});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]}).to_string();
    put(&distribution, "c", "v1", INDEX, &index);
    let of_team = push_image(&distribution, "Team/app", "v1", "of a team");
    let docker = push_schema_1(&distribution);
    // One of a type that nobody knows, with a blob that has no link.
    let odd = format!(r#"{{"schemaVersion":2,"mediaType":"x/y","parts":[[{{"at":"{}"}}]]}}"#, digest("odd"));
    write(&file(&server, &digest("odd")), "odd");
    write(&file(&server, &digest(&odd)), &odd);
    let repository = server.root().join("repositories/a/b");
    let link = |of: &str, digest: &str| {
        repository.join(format!("{of}/sha256/{}/link", digest.strip_prefix("sha256:").unwrap()))
    };
    write(&link("_manifests/revisions", &digest(&odd)), &digest(&odd));
    // An upload of today, and a tag whose manifest is gone, which only a client may remove.
    expect(distribution.request("POST", "/v2/c/blobs/uploads/").send(), "202 Accepted");
    write(&repository.join("_manifests/tags/gone/current/link"), &digest("gone"));
    drop(distribution);
    let kept = all(&server);

    // An image that was deleted with its tag, so that only schema 1 needs its layer. Its config has a link.
    fs::remove_dir_all(repository.join("_manifests/tags/new")).unwrap();
    let revision = link("_manifests/revisions", &digest(&docker));
    fs::remove_dir_all(revision.parent().unwrap()).unwrap();
    let config = serde_json::from_str::<Value>(&docker).unwrap()["config"]["digest"].clone();
    let config = config.as_str().unwrap();
    let mut kept = &kept & &all(&server);
    // It is empty since the pushes.
    kept.remove("repositories/Team/app/_uploads");
    for path in [file(&server, config), file(&server, &digest(&docker)), link("_layers", config)] {
        // The shard of the digest goes too, unless something else is in it.
        let paths = path.parent().unwrap().ancestors().take(2).chain([&*path]);
        for path in paths.filter(|path| !path.ends_with("sha256")) {
            kept.remove(path.strip_prefix(server.root()).unwrap().to_str().unwrap());
        }
    }
    // Blobs: without a link, with one, and with one that a crash has emptied. Links: one that leads nowhere, and the
    // folder of one that was removed.
    for content in ["without a link", "with a link", "with an empty link"] {
        write(&file(&server, &digest(content)), content);
    }
    write(&link("_layers", &digest("with a link")), &digest("with a link"));
    write(&link("_layers", &digest("with an empty link")), "");
    write(&link("_layers", &digest("nowhere")), &digest("nowhere"));
    fs::create_dir_all(link("_layers", &digest("removed")).parent().unwrap()).unwrap();
    // Uploads: one with bytes and hash states, and one without bytes.
    for (id, files) in [("1", &["data", "hashstates/sha256/0", "hashstates/sha256/9"][..]), ("2", &[])] {
        let upload = repository.join(format!("_uploads/11501b54-0000-4000-8000-00000000000{id}"));
        write(&upload.join("startedat"), "2025-11-11T02:57:30Z");
        files.iter().for_each(|file| write(&upload.join(file), "123456789"));
    }
    make_old(&server);
    let before = all(&server);
    let said = printed(&server.command(&["gc", "--dry-run"], &[]), 0);
    assert!(
        said.starts_with("would remove 5 blobs with 659 B, 4 links to blobs, 2 uploads with 9 B, "),
        "{said}"
    );
    assert_eq!(all(&server), before);

    let end: Value = serde_json::from_str(&printed(&server.command(&["gc", "--json"], &[]), 0)).unwrap();
    let counts = ["blobs", "links", "uploads", "upload_bytes", "tags", "manifests"];
    assert_eq!(counts.map(|name| end[name].as_u64().unwrap()), [5, 4, 2, 9, 0, 0], "{end}");
    let left = all(&server);
    let lost: Vec<_> = kept.difference(&left).collect();
    let found: Vec<_> = left.difference(&kept).filter(|path| !path.starts_with("blobs/sha256/")).collect();
    assert_eq!((&lost[..], &found[..]), (&[][..], &[][..]), "what is lost, and what is left over");
    for gone in [config, &digest(&docker), &digest("without a link"), &digest("with an empty link")] {
        assert!(!file(&server, gone).parent().unwrap().exists(), "{gone}");
    }
    let said = printed(&server.command(&["check", "--quick"], &[]), 1);
    assert_eq!(said.lines().next(), Some("a/b: the tag gone points to nothing"), "{said}");

    let distribution = Distribution::start(&server);
    for (target, media_type, content) in [
        ("/v2/a/b/manifests/v1", MANIFEST, &image),
        (&*format!("/v2/a/b/manifests/{}", digest(&untagged)), MANIFEST, &untagged),
        ("/v2/c/manifests/v1", INDEX, &index),
        (&format!("/v2/c/manifests/{}", digest(&child)), MANIFEST, &child),
        ("/v2/Team/app/manifests/v1", MANIFEST, &of_team),
    ] {
        let served = distribution.request("GET", target).header("Accept", media_type).send();
        assert_eq!((served.status(), &served.text()), ("200 OK", content), "{target}");
    }
    expect(distribution.request("GET", "/v2/a/b/manifests/old").send(), "200 OK");
    for (repository, layer) in [
        ("a/b", "one"),
        ("a/b", "two"),
        ("a/b", "three"),
        ("a/b", "of schema 1"),
        ("c", "four"),
        ("Team/app", "of a team"),
    ] {
        let served = distribution.request("GET", &format!("/v2/{repository}/blobs/{}", digest(layer))).send();
        assert_eq!((served.status(), &*served.text()), ("200 OK", layer));
    }
    drop(distribution);
    // Its collector ends where it finds a type that it does not know, and finds nothing once that is deleted.
    expect(server.get(&format!("/v2/a/b/manifests/{}", digest(&odd))).send(), "200 OK");
    assert_eq!(fs::read_to_string(file(&server, &digest("odd"))).unwrap(), "odd");
    expect(server.delete(&format!("/v2/a/b/manifests/{}", digest(&odd))).send(), "202 Accepted");
    make_old(&server);
    let end: Value = serde_json::from_str(&printed(&server.command(&["gc", "--json"], &[]), 0)).unwrap();
    assert_eq!(end["blobs"], 2, "{end}");
    let left = all(&server);
    let (done, said) = collect_garbage(&server, &[]);
    assert!(done, "{said}");
    assert_eq!(all(&server), left, "{said}");
}

#[test]
fn a_repository_that_cannot_be_read_stops_the_collection() {
    over_files!();
    let server = Server::start();
    let garbage = file(&server, &digest("nobody refers to this"));
    write(&garbage, "nobody refers to this");
    // distribution takes the first part for a host.
    write(&server.root().join("repositories/host:5000/app/_layers/x"), "");
    let output = server.command(&["gc", "--grace", "0s"], &[]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = text(&output.stderr);
    assert!(
        said.contains("repositories/host:5000 has a name that cannot be read") && said.contains("rename it"),
        "{said}"
    );
    assert!(garbage.exists());
}
