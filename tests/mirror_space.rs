//! What a mirror gives back: `gc` removes what came from an upstream and was not pulled for long, over real files.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use crate::client::Response;
use crate::commands::{file, printed, text};
use crate::content::{noise, push_blob, sha256};
use crate::habits::expect;
use crate::images::{INDEX, MANIFEST, manifest};
use crate::server::{SECRET, Server};

const DAY: Duration = Duration::from_secs(86_400);

/// The variables of a mirror of an upstream, as `up/`, with these members.
fn variables(upstream: &Server, members: &str) -> [String; 2] {
    let document = format!(r#"{{"up": {{"url": "http://{}", "ttl": "1h"{members}}}}}"#, upstream.address());
    [format!("REGISTRY_HTTP_SECRET={SECRET}"), format!("REGISTRY_PROXY_UPSTREAMS={document}")]
}

fn serve(variables: &[String; 2]) -> Server {
    let [.., upstreams] = variables;
    let (name, value) = upstreams.split_once('=').unwrap();
    Server::with_secret(SECRET).env(name, value).start()
}

fn gc(mirror: &Server, words: &[&str], variables: &[String; 2]) -> String {
    let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
    printed(&mirror.command(&[&["gc"], words].concat(), &variables), 0)
}

fn layer(name: &str) -> Vec<u8> {
    noise(u64::from(name.as_bytes()[0]), 100_000).into_bytes()
}

/// Pushes an image to the upstream, and returns its digest.
fn push(upstream: &Server, tag: &str) -> String {
    push_blob(upstream, "a", b"{}");
    push_blob(upstream, "a", &layer(tag));
    let content = manifest(&layer(tag));
    let put = upstream.put(&format!("/v2/a/manifests/{tag}")).header("Content-Type", MANIFEST);
    expect(put.body(content.clone()).send(), "201 Created");
    sha256(content.as_bytes())
}

/// Pulls an image from the mirror.
fn pull(mirror: &Server, tag: &str) {
    let got = expect(mirror.get(&format!("/v2/up/a/manifests/{tag}")).send(), "200 OK");
    assert_eq!(got.text(), manifest(&layer(tag)));
    for blob in [b"{}".to_vec(), layer(tag)] {
        let got = expect(mirror.get(&format!("/v2/up/a/blobs/{}", sha256(&blob))).send(), "200 OK");
        assert!(got.body == blob, "another blob");
    }
}

fn head(mirror: &Server, reference: &str) -> Response {
    mirror.head(&format!("/v2/up/a/manifests/{reference}")).send()
}

/// Makes all content so many days old.
fn age(mirror: &Server, days: u32) {
    let long_ago = SystemTime::now() - DAY * days;
    crate::disk::walk(&mirror.root().join("blobs"), &mut |path, is_empty| {
        if !is_empty {
            File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
        }
    });
}

/// How many days old content is.
fn days(mirror: &Server, digest: &str) -> u64 {
    let modified = fs::metadata(file(mirror, digest)).unwrap().modified().unwrap();
    modified.elapsed().unwrap_or_default().as_secs() / DAY.as_secs()
}

#[test]
fn what_was_not_pulled_for_days_goes_and_what_was_stays() {
    over_files!();
    let upstream = Server::start();
    let [old, young] = ["old", "young"].map(|tag| push(&upstream, tag));
    let keeping = variables(&upstream, r#", "keep_days": 30"#);
    let mirror = serve(&keeping);
    ["old", "young"].iter().for_each(|tag| pull(&mirror, tag));
    age(&mirror, 45);
    // Only this leaves a trace, and only in the manifest. HEAD counts, too.
    assert_eq!(days(&mirror, &young), 45);
    expect(head(&mirror, "young"), "200 OK");
    assert_eq!(
        (days(&mirror, &young), days(&mirror, &old), days(&mirror, &sha256(&layer("young")))),
        (0, 45, 45)
    );
    let traced = || fs::metadata(file(&mirror, &young)).unwrap().modified().unwrap();
    let before = traced();
    pull(&mirror, "young");
    assert_eq!(traced(), before, "a second pull has left a trace");

    let would = gc(&mirror, &["--dry-run"], &keeping);
    let why = format!("not pulled for 45 days; what came from {} is kept for 30 days", upstream.address());
    assert!(
        would.starts_with(&format!("up/a:old would be removed: {why}\nup/a@{old} would be removed: {why}\n")),
        "{would}"
    );
    assert!(!would.contains("young"), "{would}");
    assert!(file(&mirror, &old).exists());

    // A document that is wrong removes nothing.
    let wrong = variables(&upstream, r#", "keep_days": 0"#);
    let output = mirror.command(&["gc"], &wrong.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
    assert!(text(&output.stderr).contains("its keep_days must be"), "{output:?}");
    // Without the variables, there is no rule.
    assert!(!printed(&mirror.command(&["gc"], &[]), 0).contains("up/a"));
    assert!(file(&mirror, &old).exists());

    let done = gc(&mirror, &[], &keeping);
    assert!(
        done.contains(&format!("up/a@{old} removed: {why}")) && done.contains("removed 2 blobs"),
        "{done}"
    );
    assert!(!file(&mirror, &old).exists() && !file(&mirror, &sha256(&layer("old"))).exists());
    let record = mirror.root().join("repositories/up/a/_manifests/revisions/sha256").join(&old[7..]);
    assert!(!record.exists(), "a record of the manifest is left");
    // It comes again.
    pull(&mirror, "old");
    drop(upstream);
    ["old", "young"].iter().for_each(|tag| pull(&mirror, tag));
}

#[test]
fn a_mirror_within_its_size_keeps_what_was_pulled_last() {
    over_files!();
    let upstream = Server::start();
    let [a, b, c] = ["a", "b", "c"].map(|tag| push(&upstream, tag));
    let keeping = variables(&upstream, r#", "size": 250000"#);
    let mirror = serve(&keeping);
    for (tag, days) in [("b", 9), ("a", 4), ("c", 2)] {
        pull(&mirror, tag);
        age(&mirror, days);
    }
    // All are of the same age, until they are pulled.
    expect(head(&mirror, "a"), "200 OK");
    expect(head(&mirror, "c"), "200 OK");
    let done = gc(&mirror, &[], &keeping);
    let why = format!("not pulled for 2 days; what came from {} has 250.0 kB at most", upstream.address());
    assert!(done.contains(&format!("up/a@{b} removed: {why}")) && done.contains("removed 2 blobs"), "{done}");
    assert!(file(&mirror, &a).exists() && file(&mirror, &c).exists() && !file(&mirror, &b).exists());
    assert!(!gc(&mirror, &[], &keeping).contains("up/a"));
}

#[test]
fn what_was_pushed_before_there_was_an_upstream_stays() {
    over_files!();
    let upstream = Server::start();
    let old = push(&upstream, "old");
    let keeping = variables(&upstream, r#", "keep_days": 1, "size": 1"#);
    let mirror = serve(&keeping);
    pull(&mirror, "old");
    let own = Server::with_secret(SECRET).on_data_of(&mirror).start();
    push_blob(&own, "up/a", b"{}");
    push_blob(&own, "up/a", &layer("pushed"));
    let put = |reference: &str, media_type: &str, content: &str| {
        let put = own.put(&format!("/v2/up/a/manifests/{reference}")).header("Content-Type", media_type);
        expect(put.body(content).send(), "201 Created");
    };
    put("pushed", MANIFEST, &manifest(&layer("pushed")));
    age(&mirror, 99);
    let done = gc(&mirror, &[], &keeping);
    assert!(done.contains(&format!("up/a@{old} removed")) && !done.contains("pushed removed"), "{done}");
    expect(own.get("/v2/up/a/manifests/pushed").send(), "200 OK");
    expect(own.get(&format!("/v2/up/a/blobs/{}", sha256(&layer("pushed")))).send(), "200 OK");
    // And what it names.
    let keeping = variables(&upstream, r#", "keep_days": 1"#);
    let mirror = serve(&keeping);
    pull(&mirror, "old");
    let own = Server::with_secret(SECRET).on_data_of(&mirror).start();
    let size = manifest(&layer("old")).len();
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{{"mediaType":"{MANIFEST}","digest":"{old}","size":{size}}}]}}"#
    );
    let put = own.put("/v2/up/a/manifests/all").header("Content-Type", INDEX).body(index);
    expect(put.send(), "201 Created");
    age(&mirror, 99);
    let done = gc(&mirror, &[], &keeping);
    assert!(done.contains("up/a:old removed") && !done.contains('@'), "{done}");
    expect(own.get(&format!("/v2/up/a/manifests/{old}")).send(), "200 OK");
}
