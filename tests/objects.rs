//! The registry over an object store: what it asks of the store, and what comes of a store that fails.

use std::time::Duration;

use lighter_s3_store::Fault;

use crate::client::{Request, Response};
use crate::content::{noise, push_blob, sha256};
use crate::images::{MANIFEST, manifest};
use crate::server::{REDIRECT_DISABLE, Server, has_own_objects, is_exclusive};
use crate::skip::skip;

/// What storing a manifest with two blobs and a tag takes: two requests to find each of the blobs, and four writes.
const MANIFEST_REQUESTS: usize = 9;

/// A server that has found out what the store can do.
fn warm(redirect: bool) -> Server {
    let server = Server::with_secret("s")
        .env(REDIRECT_DISABLE, if redirect { "false" } else { "true" })
        // It looks for abandoned uploads after an answer.
        .env("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED", "false")
        .start();
    push_blob(&server, "warm", b"warm");
    if has_own_objects() {
        server.objects().take_log();
    }
    server
}

/// The requests that the store got, without what varies: the ids of uploads, the names of tails, and what each instance
/// asks once.
fn requests(server: &Server) -> Vec<String> {
    let short = |request: String| {
        let (method, key) = request.split_once(' ').expect("a method and a key");
        let key = key.replace("docker/registry/v2/", "");
        let parts: Vec<&str> =
            key.split('/').map(|part| if part.len() >= 36 { "<id>" } else { part }).collect();
        let key = parts.join("/");
        let key = key.split_once(".tail.").map_or(key.clone(), |(before, _)| format!("{before}.tail"));
        format!("{method} {key}")
    };
    let mut requests = server.objects().take_log();
    requests.retain(|request| request != "GET lighter/store");
    requests.into_iter().map(short).collect()
}

/// How many requests the store got.
fn count(server: &Server) -> usize {
    requests(server).len()
}

#[test]
fn a_request_costs_so_many_of_the_store() {
    over_objects!();
    own_store!();
    let server = warm(true);
    if !is_exclusive() {
        return skip("a store without conditional writes costs more requests");
    }
    let layer = noise(3, 3 << 20).into_bytes();
    let digest = sha256(&layer);

    let upload = "repositories/a/b/_uploads/<id>";
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    assert_eq!(requests(&server), [format!("PUT {upload}/startedat"), format!("PUT {upload}/data.state")]);
    let patched = server.patch(&started.location()).body(layer.as_slice()).send();
    assert_eq!(
        requests(&server),
        [
            format!("GET {upload}/data.state"),
            format!("PUT {upload}/data.state"),
            format!("PUT {upload}/data.tail"),
            format!("PUT {upload}/data.state"),
        ]
    );
    let put = server.put(&patched.completed_by(&digest)).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    let completed = requests(&server);
    assert_eq!(completed.len(), 9, "{completed:?}");

    // With the digest before the bytes, nothing is copied.
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let other = noise(4, 3 << 20).into_bytes();
    let put = server.put(&started.completed_by(&sha256(&other))).body(other.as_slice()).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    let completed = requests(&server);
    assert_eq!(completed.len(), 10, "{completed:?}");

    let blob = format!("/v2/a/b/blobs/{digest}");
    assert_eq!(server.head(&blob).send().status(), "200 OK");
    assert_eq!(count(&server), 2);
    assert_eq!(server.get(&blob).send().status(), "307 Temporary Redirect");
    assert_eq!(count(&server), 2);

    push_blob(&server, "a/b", b"layer");
    push_blob(&server, "a/b", b"{}");
    let image = manifest(b"layer");
    count(&server);
    let tag = "/v2/a/b/manifests/v1";
    let put = server.put(tag).header("Content-Type", MANIFEST).body(image.as_str()).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    let stored = requests(&server);
    assert_eq!(stored.len(), MANIFEST_REQUESTS, "{stored:?}");
    // All links are asked for at once, and then all contents.
    let methods: Vec<&str> = stored.iter().map(|request| request.split(' ').next().unwrap()).collect();
    assert_eq!(methods[..4], ["GET", "GET", "HEAD", "HEAD"], "{stored:?}");
    assert_eq!(server.head(tag).send().status(), "200 OK");
    assert_eq!(count(&server), 3);
    assert_eq!(server.get(tag).send().status(), "200 OK");
    assert_eq!(count(&server), 3);
}

/// The link to content and the content are asked for at once, so that they take the time of one request.
#[test]
fn a_link_and_its_content_are_asked_for_at_once() {
    over_objects!();
    own_store!();
    let server = warm(true);
    let layer = push_blob(&server, "a/b", b"layer");
    push_blob(&server, "a/b", b"{}");
    let image = manifest(b"layer");
    let tag = "/v2/a/b/manifests/v1";
    let put = server.put(tag).header("Content-Type", MANIFEST).body(image.as_str()).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    let at_once = |request: Request, status: &str| {
        server.objects().take_most_at_once();
        let answer = request.try_send().expect("an answer");
        assert_eq!(answer.status(), status, "{answer}");
        server.objects().take_most_at_once()
    };
    let (blob, absent) =
        (format!("/v2/a/b/blobs/{layer}"), format!("/v2/a/b/blobs/{}", sha256(b"something else")));
    let by_digest = format!("/v2/a/b/manifests/{}", sha256(image.as_bytes()));
    server.objects().set_delay(Duration::from_millis(300));
    assert_eq!(at_once(server.head(&blob), "200 OK"), 2);
    assert_eq!(at_once(server.head(&absent), "404 Not Found"), 2);
    assert_eq!(at_once(server.get(&by_digest), "200 OK"), 2);
    assert_eq!(at_once(server.get(tag), "200 OK"), 2);
}

#[test]
fn a_page_of_tags_costs_few_requests_of_the_store() {
    over_objects!();
    own_store!();
    let server = warm(true);
    let tags = "docker/registry/v2/repositories/a/b/_manifests/tags";
    let digest = sha256(b"layer");
    let mut names: Vec<String> = (0..300).map(|number| format!("v1.{number}-rc")).collect();
    names.sort_unstable();
    for name in &names {
        for at in 0..if name == "v1.150-rc" { 3_000 } else { 1 } {
            let index =
                format!("{tags}/{name}/index/sha256/{}/link", sha256(name.as_bytes()) + &at.to_string());
            server.objects().put(&index.replace(':', "-"), digest.as_bytes());
        }
        server.objects().put(&format!("{tags}/{name}/current/link"), digest.as_bytes());
    }
    // What is on its way to becoming a tag is none.
    server.objects().put(&format!("{tags}/v1.1/index/sha256/{}/link", &digest[7..]), digest.as_bytes());
    let page = |query: &str| {
        let page = server.get(&format!("/v2/a/b/tags/list?{query}")).send();
        let listed: serde_json::Value = serde_json::from_slice(&page.body).expect("a list");
        let listed = listed["tags"].as_array().expect("tags").iter().filter_map(|tag| tag.as_str());
        (listed.map(str::to_owned).collect::<Vec<_>>(), requests(&server))
    };
    for (query, from, most, costs) in [
        // Beside the list: whether there are tags such as `v1` and `v1.14`, which a store lists later.
        ("n=10", 0, 10, 3),
        ("n=40", 0, 40, 3),
        ("n=40&last=v1.2-rc", 113, 40, 2),
        ("n=100&last=v1.2-rc", 113, 100, 2),
        // Behind the history of `v1.150-rc` another list begins, which is the last one.
        ("n=100", 0, 100, 2),
    ] {
        let (listed, requests) = page(query);
        assert_eq!(listed, names[from..from + most], "{query}");
        assert_eq!(requests.len(), costs, "{query}: {requests:?}");
    }
    let (listed, requests) = page("");
    assert_eq!(listed, names);
    assert_eq!(requests.len(), 2, "{requests:?}");
}

/// Follows a redirect as a client does, with its range.
pub(crate) fn follow(answer: &Response, range: Option<&str>) -> Response {
    let url = answer.header("location");
    let (_, rest) = url.split_once("://").expect("a URL");
    let (authority, path) = rest.split_once('/').expect("a path");
    assert!(authority.starts_with("127.0.0.1:"), "{url}");
    let address = authority.parse().expect("an address");
    let request = Request::new(address, "GET", &format!("/{path}"));
    let request = match range {
        Some(range) => request.header("Range", range),
        None => request,
    };
    request.try_send().expect("an answer")
}

#[test]
fn a_blob_comes_from_the_store() {
    over_objects!();
    let server = warm(true);
    let content = noise(9, 100_000).into_bytes();
    let digest = push_blob(&server, "a/b", &content);
    let target = format!("/v2/a/b/blobs/{digest}");
    let sent = server.get(&target).send();
    assert_eq!(sent.status(), "307 Temporary Redirect", "{sent}");
    assert_eq!(sent.header("docker-content-digest"), digest);
    assert!(follow(&sent, None).body == content);
    // With its range, too, if there is such a one.
    let sent = server.get(&target).header("Range", "bytes=10-19").send();
    assert_eq!(sent.status(), "307 Temporary Redirect", "{sent}");
    assert!(follow(&sent, Some("bytes=10-19")).body == content[10..20]);
    let sent = server.get(&target).header("Range", "bytes=100000-").send();
    assert_eq!(sent.status(), "416 Range Not Satisfiable", "{sent}");
    // Nobody else can read it by another method, or for long.
    let sent = server.get(&target).send();
    let url = sent.header("location");
    assert!(url.contains("X-Amz-Expires=1200&"), "{url}");
    assert!(!server.log().contains("X-Amz-Signature"), "{}", server.log());
    // What is asked for with HEAD, or is there already, is answered.
    assert_eq!(server.head(&target).send().status(), "200 OK");
    let current = server.get(&target).header("If-None-Match", &format!("\"{digest}\"")).send();
    assert_eq!(current.status(), "304 Not Modified");
}

#[test]
fn a_blob_passes_through_where_that_is_wanted() {
    over_objects!();
    let server = warm(false);
    let content = noise(9, 6 << 20).into_bytes();
    let digest = push_blob(&server, "a/b", &content);
    let target = format!("/v2/a/b/blobs/{digest}");
    let blob = server.get(&target).send();
    assert_eq!(blob.status(), "200 OK", "{}", blob.status());
    assert!(blob.body == content, "the blob is another");
    let part = server.get(&target).header("Range", "bytes=10-19").send();
    assert_eq!(part.status(), "206 Partial Content", "{part}");
    assert!(part.body == content[10..20]);
}

#[test]
fn a_layer_goes_straight_to_the_store_which_checks_it() {
    over_objects!();
    own_store!();
    let server = warm(false);
    // More than a part, so that it is spliced.
    let content = noise(5, 20 << 20).into_bytes();
    let digest = sha256(&content);
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    server.objects().take_log();
    let put = server.put(&started.completed_by(&digest)).body(content.as_slice()).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    let requests = requests(&server);
    assert!(requests.iter().all(|request| !request.contains("uploadId")), "{requests:?}");
    assert!(server.get(&format!("/v2/a/b/blobs/{digest}")).send().body == content);

    // What the digest does not fit is stored nowhere.
    let keys = server.objects().keys();
    let wrong = sha256(b"something else");
    for length in [10, 20 << 20] {
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        let put = server.put(&started.completed_by(&wrong)).body(&content[..length]).send();
        assert_eq!(put.status(), "400 Bad Request", "{put}");
        assert!(put.text().contains("DIGEST_INVALID"), "{put}");
    }
    assert_eq!(server.objects().keys(), keys);
    // The same by a POST with the digest.
    let whole = server.post(&format!("/v2/c/blobs/uploads/?digest={digest}")).body(content.as_slice()).send();
    assert_eq!(whole.status(), "201 Created", "{whole}");
}

#[test]
fn of_a_layer_with_a_wrong_digest_nothing_is_stored() {
    over_objects!();
    let server = warm(false);
    let content = noise(5, 20 << 20).into_bytes();
    let wrong = sha256(b"something else");
    let blob = format!("/v2/a/b/blobs/{wrong}");
    for length in [10, 20 << 20] {
        let started = server.post("/v2/a/b/blobs/uploads/").send();
        let put = server.put(&started.completed_by(&wrong)).body(&content[..length]).send();
        assert_eq!(put.status(), "400 Bad Request", "{put}");
        assert!(put.text().contains("DIGEST_INVALID"), "{put}");
        assert_eq!(server.head(&blob).send().status(), "404 Not Found");
    }
    // What is right is stored all the same, and what comes later is no harm to it.
    push_blob(&server, "a/b", b"something else");
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let put = server.put(&started.completed_by(&wrong)).body(content.as_slice()).send();
    assert_eq!(put.status(), "400 Bad Request", "{put}");
    assert_eq!(server.get(&blob).send().text(), "something else");
}

#[test]
fn a_store_that_fails_now_and_then_is_asked_again() {
    over_objects!();
    own_store!();
    let server = warm(false);
    let content = noise(6, 100_000).into_bytes();
    for (number, fault) in [Fault::Unavailable, Fault::Internal, Fault::Reset, Fault::Lost, Fault::Truncated]
        .into_iter()
        .enumerate()
    {
        let name = format!("r{number}");
        // Each request of a push by PATCH and PUT.
        for after in 0..14 {
            server.objects().fail(after, fault);
            let started = server.post(&format!("/v2/{name}/blobs/uploads/")).send();
            let patched = server.patch(&started.location()).body(content.as_slice()).send();
            assert_eq!(patched.status(), "202 Accepted", "{fault:?} of request {after}: {patched}");
            let put = server.put(&patched.completed_by(&sha256(&content))).send();
            assert_eq!(put.status(), "201 Created", "{fault:?} of request {after}: {put}");
            server.objects().stop_failing();
        }
        let digest = sha256(&content);
        assert!(server.get(&format!("/v2/{name}/blobs/{digest}")).send().body == content);
    }
}

#[test]
fn a_full_store_is_told() {
    over_objects!();
    own_store!();
    let server = warm(false);
    for _ in 0..4 {
        server.objects().fail(0, Fault::Full);
    }
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    server.objects().stop_failing();
    assert!(started.status().starts_with('5'), "{started}");
    server.logged("507 XMinioStorageFull");
    assert_eq!(server.post("/v2/a/b/blobs/uploads/").send().status(), "202 Accepted");
}
