//! `gc`: a small registry with garbage of each kind, collected beside the server by a command and over HTTP.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::thread;
use std::time::{Duration, SystemTime};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::access;
use crate::client::Response;
use crate::commands::{call, file, printed, text};
use crate::content::{push_blob, sha256};
use crate::habits::expect;
use crate::images::{INDEX, MANIFEST, manifest};
use crate::server::{Options, SECRET, Server};

/// Longer than the second from which content and uploads are old here.
const A_WHILE: Duration = Duration::from_millis(2_100);

/// A server that answers commands over HTTP.
fn options() -> Options {
    Server::with_secret(SECRET).env("REGISTRY_HTTP_COMMANDS_ENABLED", "true")
}

fn put(server: &Server, repository: &str, reference: &str, media_type: &str, content: &str) -> String {
    let put = server.put(&format!("/v2/{repository}/manifests/{reference}"));
    expect(put.header("Content-Type", media_type).body(content).send(), "201 Created");
    format!("/v2/{repository}/manifests/{}", sha256(content.as_bytes()))
}

fn digest(content: &str) -> String {
    sha256(content.as_bytes())
}

/// Pushes an image of one layer, with its blobs. Returns where it is served.
fn image(server: &Server, repository: &str, reference: &str, layer: &str) -> String {
    push_blob(server, repository, b"{}");
    push_blob(server, repository, layer.as_bytes());
    let content = manifest(layer.as_bytes());
    let reference = if reference.is_empty() { &digest(&content) } else { reference };
    put(server, repository, reference, MANIFEST, &content)
}

/// What is pushed into a server: what a collection keeps, and what it removes.
struct Pushed {
    /// Where everything is served that must stay.
    kept: Vec<String>,
    /// Where the blobs are served that must go.
    garbage: Vec<String>,
    /// The digests of all content that must go.
    removed: BTreeSet<String>,
    /// An upload that nobody completes.
    abandoned: Response,
}

/// Two repositories that share a layer; an index, whose image no tag names; a referrer, and an image without a tag. And
/// as garbage: a blob that no manifest names, a deleted image, and an upload that nobody completes.
fn push(server: &Server) -> Pushed {
    let mut kept = vec![image(server, "a/b", "v1", "hello"), image(server, "c", "v1", "hello")];
    let of_index = image(server, "a/b", "", "of an index");
    let child = json!({
        "mediaType": MANIFEST, "digest": digest(&manifest(b"of an index")), "size": manifest(b"of an index").len(),
    });
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).to_string();
    kept.extend([of_index, put(server, "a/b", "multi", INDEX, &index)]);
    push_blob(server, "a/b", b"a signature");
    let subject = manifest(b"hello");
    let subject = json!({"mediaType": MANIFEST, "digest": digest(&subject), "size": subject.len()});
    let signature = manifest(b"a signature").replace("}]}", &format!(r#"}}],"subject":{subject}}}"#));
    kept.push(put(server, "a/b", &digest(&signature), MANIFEST, &signature));
    kept.push(image(server, "a/b", "", "without a tag"));
    for (repository, content) in [
        ("a/b", "hello"),
        ("c", "hello"),
        ("c", "{}"),
        ("a/b", "of an index"),
        ("a/b", "a signature"),
        ("a/b", "without a tag"),
    ] {
        kept.push(format!("/v2/{repository}/blobs/{}", digest(content)));
    }
    push_blob(server, "c", b"nobody refers to this");
    let deleted = image(server, "a/b", "v2", "of a deleted image");
    expect(server.delete(&deleted).send(), "202 Accepted");
    let garbage = [("c", "nobody refers to this"), ("a/b", "of a deleted image")];
    let removed = garbage.map(|(_, content)| digest(content));
    let garbage = garbage.map(|(repository, content)| format!("/v2/{repository}/blobs/{}", digest(content)));
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let abandoned = expect(server.patch(&started.location()).body("abc").send(), "202 Accepted");
    let removed = removed.into_iter().chain([digest(&manifest(b"of a deleted image"))]).collect();
    Pushed { kept, garbage: garbage.to_vec(), removed, abandoned }
}

impl Pushed {
    /// Checks what is served.
    fn expect(&self, server: &Server, is_collected: bool) {
        for target in &self.kept {
            expect(server.get(target).send(), "200 OK");
        }
        let status = if is_collected { "404 Not Found" } else { "200 OK" };
        for target in &self.garbage {
            expect(server.head(target).send(), status);
        }
        let status = if is_collected { "404 Not Found" } else { "204 No Content" };
        expect(server.get(&self.abandoned.location()).send(), status);
        let referrers = expect(server.get(&self.kept[0].replace("manifests", "referrers")).send(), "200 OK");
        assert!(referrers.text().contains(r#""digest":"#), "{referrers}");
    }
}

/// The sums in the last line of a collection, but for what the driver has left, which differs.
fn sums(end: &Value) -> [u64; 7] {
    ["blobs", "bytes", "links", "uploads", "upload_bytes", "tags", "manifests"]
        .map(|name| end[name].as_u64().unwrap_or_else(|| panic!("{name}: {end}")))
}

/// Three pieces of content, with their bytes and two links, and the upload.
fn all() -> [u64; 7] {
    let bytes = ["nobody refers to this", "of a deleted image", &manifest(b"of a deleted image")];
    [3, bytes.iter().map(|content| content.len() as u64).sum(), 2, 1, 3, 0, 0]
}

#[test]
fn what_nothing_refers_to_goes_over_http() {
    let server = options().start();
    let pushed = push(&server);
    thread::sleep(A_WHILE);
    let (found, end, _) = call(&server, "gc", "dry-run&grace=1s&uploads=1s");
    assert_eq!((found.len(), sums(&end), &end["over"]), (0, all(), &true.into()));
    pushed.expect(&server, false);
    // Nothing is a day old.
    let (_, end, _) = call(&server, "gc", "");
    assert_eq!(sums(&end), [0; 7]);
    pushed.expect(&server, false);

    let (_, end, _) = call(&server, "gc", "grace=1s&uploads=1s");
    assert_eq!(sums(&end), all());
    pushed.expect(&server, true);
    let (found, end, _) = call(&server, "check", "");
    assert_eq!((found, &end["findings"]), (Vec::new(), &0.into()));
    let (_, end, _) = call(&server, "gc", "grace=0s&uploads=1s");
    assert_eq!(sums(&end), [0; 7]);
    // It can be pushed again.
    let again = image(&server, "a/b", "v2", "of a deleted image");
    expect(server.get(&again).send(), "200 OK");
    pushed.garbage.iter().skip(1).for_each(|target| _ = expect(server.head(target).send(), "200 OK"));
}

/// The digests of all content on disk.
fn stored(server: &Server) -> BTreeSet<String> {
    let mut stored = BTreeSet::new();
    for shard in fs::read_dir(server.root().join("blobs/sha256")).unwrap() {
        for blob in fs::read_dir(shard.unwrap().path()).unwrap() {
            stored.insert(format!("sha256:{}", blob.unwrap().file_name().to_str().unwrap()));
        }
    }
    stored
}

#[test]
fn what_nothing_refers_to_goes_beside_the_server() {
    over_files!();
    let server = Server::start();
    let pushed = push(&server);
    let before = stored(&server);
    thread::sleep(A_WHILE);
    let dry = ["gc", "--dry-run", "--grace", "1s", "--uploads", "1s"];
    assert_snapshot!(printed(&server.command(&dry, &[]), 0), @"would remove 3 blobs with 432 B, 2 links to blobs, 1 uploads with 3 B, 0 tags, 0 manifests, 1 leftovers with 0 B");
    assert_eq!(stored(&server), before);
    assert_snapshot!(printed(&server.command(&["gc"], &[]), 0), @"removed 0 blobs with 0 B, 0 links to blobs, 0 uploads with 0 B, 0 tags, 0 manifests, 0 leftovers with 0 B");
    pushed.expect(&server, false);
    for (words, error) in [
        (&["gc", "--dryrun"][..], "gc has no option --dryrun; did you mean --dry-run?"),
        (&["gc", "--grace", "7d"], "--grace must be a duration, such as 24h or 1h30m, not \"7d\""),
        (&["gc", "--grace=0s", "--from", "x"], "--from: \"x\" is not a place that gc has printed"),
        (&["gc", "now"], "gc takes no \"now\"; `help gc` lists its options"),
    ] {
        let output = server.command(words, &[]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
        assert_eq!(text(&output.stderr), format!("lighter: {error}\n"));
    }
    assert_eq!(stored(&server), before);

    let words = ["gc", "--grace", "0s", "--uploads", "1s", "--json"];
    let end: Value = serde_json::from_str(&printed(&server.command(&words, &[]), 0)).unwrap();
    assert_eq!(sums(&end), all());
    pushed.expect(&server, true);
    assert_eq!(before.difference(&stored(&server)).cloned().collect::<BTreeSet<_>>(), pushed.removed);
    assert!(printed(&server.command(&["check"], &[]), 0).ends_with(": 0 findings\n"));
}

#[test]
fn a_collection_may_take_several_calls() {
    over_files!();
    let server = options().start();
    let pushed = push(&server);
    // So much that a slow disk needs more than one call of a second; the pieces themselves are tested where no time counts.
    let garbage: Vec<String> = (0..1_500).map(|n| digest(&format!("garbage {n}"))).collect();
    for digest in &garbage {
        let path = file(&server, digest);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "garbage").unwrap();
        let hex = digest.strip_prefix("sha256:").unwrap();
        let link = server.root().join("repositories/c/_layers/sha256").join(hex);
        fs::create_dir_all(&link).unwrap();
        fs::write(link.join("link"), digest).unwrap();
    }
    let (_, end, _) = call(&server, "gc", "grace=0s&uploads=1s&seconds=1");
    let [blobs, bytes, links, uploads, ..] = all();
    let many = garbage.len() as u64;
    assert_eq!(sums(&end)[..4], [blobs + many, bytes + 7 * many, links + many, uploads]);
    pushed.expect(&server, true);
    let left = stored(&server);
    assert!(garbage.iter().all(|digest| !left.contains(digest)), "something is left");
}

#[test]
fn a_collection_is_for_those_alone_whom_the_rules_name() {
    let server = access::options().start();
    let ann = access::credentials("ann");
    let digest = sha256(b"nobody refers to this");
    let push = server.post(&format!("/v2/team/app/blobs/uploads/?digest={digest}"));
    let push = push.header("Authorization", &ann).body("nobody refers to this").send();
    expect(push, "201 Created");
    let target = format!("/v2/team/app/blobs/{digest}");
    let blob = || server.head(&target).header("Authorization", &ann).send();
    let collect = || server.post("/v2/_lighter/gc?grace=0s");
    expect(collect().send(), "401 Unauthorized");
    // Cy may push there, and Bob has the rights of every user.
    for user in ["bob", "cy"] {
        let refused = collect().header("Authorization", &access::credentials(user)).send();
        assert!(expect(refused, "403 Forbidden").text().contains("DENIED"));
    }
    expect(blob(), "200 OK");
    let end = expect(collect().header("Authorization", &ann).send(), "200 OK").text();
    assert!(end.starts_with(r#"{"command":"gc","blobs":1,"bytes":21,"links":1,"#), "{end}");
    expect(blob(), "404 Not Found");
}

const RULES: &str =
    r#"{"repositories": {"a/*": {"keep_newest": 1, "keep_tags": ["stable"], "keep_untagged_days": 7}}}"#;

#[test]
fn rules_of_retention_come_first() {
    let server = options().env("REGISTRY_RETENTION", RULES).start();
    let old = image(&server, "a/b", "v1", "old");
    image(&server, "a/b", "stable", "stable");
    image(&server, "c", "v1", "of c");
    thread::sleep(A_WHILE);
    image(&server, "a/b", "v2", "new");
    image(&server, "c", "v2", "new");
    let tags = |repository: &str| server.get(&format!("/v2/{repository}/tags/list")).send().text();
    let (found, end, _) = call(&server, "gc", "dry-run&grace=1s");
    assert_snapshot!(found.join("\n"), @r#"{"retention":"would be removed","repository":"a/b","tag":"v1","why":"pushed 0 days ago; kept are the newest 1, `stable`"}"#);
    assert_eq!(sums(&end), [0, 0, 0, 0, 0, 1, 0]);
    assert!(tags("a/b").contains("v1"));
    let (found, end, _) = call(&server, "gc", "grace=1s");
    assert_snapshot!(found.join("\n"), @r#"{"retention":"removed","repository":"a/b","tag":"v1","why":"pushed 0 days ago; kept are the newest 1, `stable`"}"#);
    assert_eq!(sums(&end), [0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(tags("a/b"), "{\"name\":\"a/b\",\"tags\":[\"stable\",\"v2\"]}\n");
    assert_eq!(tags("c"), "{\"name\":\"c\",\"tags\":[\"v1\",\"v2\"]}\n");
    // It has no tag, and is not a week old.
    expect(server.get(&old).send(), "200 OK");
}

#[test]
fn what_the_rules_do_not_keep_is_garbage_then() {
    over_files!();
    let server = Server::start();
    let old = image(&server, "a/b", "v1", "old");
    image(&server, "a/b", "v2", "new");
    let long_ago = SystemTime::now() - Duration::from_secs(45 * 86_400);
    for content in ["old", &manifest(b"old")] {
        let file = File::options().write(true).open(file(&server, &digest(content))).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    // Nothing is removed while the document is wrong.
    let before = stored(&server);
    let wrong = RULES.replace("keep_newest", "keep_newst");
    let output = server.command(&["gc", "--grace", "0s"], &[&format!("REGISTRY_RETENTION={wrong}")]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
    assert_snapshot!(text(&output.stderr), @r#"lighter: REGISTRY_RETENTION: a/*: unknown member "keep_newst"; did you mean keep_newest?"#);
    assert_eq!(stored(&server), before);

    let rules = format!("REGISTRY_RETENTION={RULES}");
    assert_snapshot!(printed(&server.command(&["gc", "--dry-run"], &[&rules]), 0), @"
    a/b:v1 would be removed: pushed 45 days ago; kept are the newest 1, `stable`
    a/b@sha256:788370f74a7178e298083f81cc4fd54aed1b907d96ce55b3dc4a650c0e1456d3 would be removed: pushed 45 days ago; without a tag, and without another manifest that keeps it, it is kept for 7 days
    would remove 0 blobs with 0 B, 0 links to blobs, 0 uploads with 0 B, 1 tags, 1 manifests, 0 leftovers with 0 B
    ");
    assert_eq!(stored(&server), before);
    expect(server.get("/v2/a/b/manifests/v1").send(), "200 OK");
    assert_snapshot!(printed(&server.command(&["gc"], &[&rules]), 0), @"
    a/b:v1 removed: pushed 45 days ago; kept are the newest 1, `stable`
    a/b@sha256:788370f74a7178e298083f81cc4fd54aed1b907d96ce55b3dc4a650c0e1456d3 removed: pushed 45 days ago; without a tag, and without another manifest that keeps it, it is kept for 7 days
    removed 2 blobs with 395 B, 1 links to blobs, 0 uploads with 0 B, 1 tags, 1 manifests, 0 leftovers with 0 B
    ");
    for target in ["/v2/a/b/manifests/v1", &*old] {
        expect(server.get(target).send(), "404 Not Found");
    }
    expect(server.get("/v2/a/b/manifests/v2").send(), "200 OK");
    let gone = ["old", &manifest(b"old")].map(digest);
    assert_eq!(before.difference(&stored(&server)).cloned().collect::<Vec<_>>().len(), gone.len());
    assert!(gone.iter().all(|digest| !stored(&server).contains(digest)));
}

/// `docs/operations.md` describes this.
#[test]
fn a_deletion_is_undone_within_the_grace_period() {
    over_files!();
    let server = Server::start();
    let deleted = image(&server, "a/b", "v1", "hello");
    let content = fs::read(file(&server, &digest(&manifest(b"hello")))).unwrap();
    expect(server.delete(&deleted).send(), "202 Accepted");
    printed(&server.command(&["gc"], &[]), 0);
    expect(server.get(&deleted).send(), "404 Not Found");
    assert_eq!(
        fs::read(file(&server, &digest(&manifest(b"hello")))).unwrap(),
        content,
        "its bytes are there"
    );
    let put = server.put(&format!("{deleted}?tag=v1")).header("Content-Type", MANIFEST).body(content);
    expect(put.send(), "201 Created");
    expect(server.get("/v2/a/b/manifests/v1").send(), "200 OK");
    expect(server.get(&format!("/v2/a/b/blobs/{}", sha256(b"hello"))).send(), "200 OK");
}
