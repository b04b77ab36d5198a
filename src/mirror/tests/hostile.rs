//! Upstreams that fail, and those that lie.

use std::thread;
use std::time::{Duration, Instant};

use super::*;

fn answer(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status} X\r\n{headers}\r\n").as_bytes(), body].concat()
}

/// A mirror that has an image, whose tag has to be checked again.
fn with_image() -> Bench {
    let bench = Bench::new(r#", "ttl": "0", "timeout": "300ms""#);
    bench.push_image("a", "v1", LAYER);
    bench.pull(LAYER);
    bench.upstream.take_lines();
    bench
}

#[test]
fn what_is_stored_is_served_when_the_upstream_fails() {
    for (failure, missing) in [
        (Vec::new(), 503),
        (answer(500, "Content-Length: 0\r\n", b""), 503),
        (answer(429, "Retry-After: 7\r\nContent-Length: 0\r\n", b""), 429),
        (answer(401, "Content-Length: 0\r\n", b""), 404),
        (answer(403, "Content-Length: 0\r\n", b""), 404),
        (b"no HTTP at all\r\n\r\n".to_vec(), 503),
        (answer(200, "Content-Length: 20000000\r\n", b"{"), 503),
    ] {
        let case = String::from_utf8_lossy(&failure).into_owned();
        let bench = with_image();
        bench.upstream.act(move |asked| {
            // Its HEAD says that the tag has moved, so that the image is asked for.
            let is_moved = asked.line.starts_with("HEAD") && failure.starts_with(b"HTTP/1.1 200");
            Some(if is_moved { answer(200, "", b"") } else { failure.clone() })
        });
        bench.pull(LAYER);
        let before = bench.storage.keys();
        let got = bench.get("/v2/up/a/manifests/v2");
        assert_eq!(got.status, missing, "{case}: {}", got.text());
        assert_eq!(got.header("Retry-After"), Some("7").filter(|_| missing == 429), "{case}");
        let blob = bench.get(&format!("/v2/up/a/blobs/{}", digest(b"x")));
        assert!(blob.status == missing || blob.cut.is_some(), "{case}: {}", blob.status);
        // What a client makes up is not remembered.
        assert_eq!(bench.storage.keys(), before, "{case}");
    }
}

/// While it is down, it is not asked for each request.
#[test]
fn an_upstream_that_fails_is_left_alone_for_a_while() {
    let bench = with_image();
    bench.upstream.act(|_| Some(answer(429, "Content-Length: 0\r\n", b"")));
    bench.pull(LAYER);
    bench.pull(LAYER);
    assert_eq!(bench.upstream.take_lines(), ["HEAD /v2/a/manifests/v1"]);
}

#[test]
fn a_tag_that_the_upstream_has_no_more_is_gone() {
    let bench = with_image();
    bench.upstream.act(|_| Some(answer(404, "Content-Length: 0\r\n", b"")));
    assert_eq!(bench.get("/v2/up/a/manifests/v1").status, 404);
    assert_eq!(bench.get(&format!("/v2/up/a/manifests/{}", digest(image(LAYER).as_bytes()))).status, 200);
}

/// A HEAD is not believed if it says that there is nothing.
#[test]
fn an_upstream_may_know_no_head() {
    let bench = with_image();
    bench.push_image("a", "v1", b"other");
    bench
        .upstream
        .act(|asked| asked.line.starts_with("HEAD").then(|| answer(404, "Content-Length: 0\r\n", b"")));
    assert_eq!(bench.get("/v2/up/a/manifests/v1").text(), image(b"other"));
}

#[test]
fn a_manifest_that_lies_is_not_stored() {
    let real = image(LAYER);
    let named = format!("/v2/up/a/manifests/{}", digest(real.as_bytes()));
    let with_digest = format!("Docker-Content-Digest: {}\r\n", digest(b"x"));
    for (target, lie) in [
        (&*named, answer(200, "", image(b"other").as_bytes())),
        ("/v2/up/a/manifests/v1", answer(200, &with_digest, real.as_bytes())),
        ("/v2/up/a/manifests/v1", answer(200, "Content-Type: text/html\r\n", b"<html>Log in</html>")),
        ("/v2/up/a/manifests/v1", answer(200, "", b"{}")),
        ("/v2/up/a/manifests/v1", answer(200, "", &vec![b' '; MANIFEST_MAX as usize + 1])),
    ] {
        let bench = Bench::new("");
        bench.upstream.act(move |_| Some(lie.clone()));
        let got = bench.get(target);
        assert_eq!(got.status, 503, "{}", got.text());
        assert_eq!(bench.storage.keys(), [""; 0]);
    }
}

#[test]
fn a_blob_that_lies_is_cut_off_and_not_stored() {
    let target = format!("/v2/up/a/blobs/{}", digest(LAYER));
    let length = |length: usize| format!("Content-Length: {length}\r\n");
    for (lie, why) in [
        (answer(200, &length(19), b"another layer, same"), "do not match"),
        (answer(200, &length(18), LAYER), "do not match"),
        (answer(200, &length(25), LAYER), "breaks off after 19 of 25"),
        (answer(200, &length(10 << 30), LAYER), "breaks off after 19 of 10737418240"),
        (
            answer(
                200,
                "Content-Length: 19\r\nTransfer-Encoding: chunked\r\n",
                b"20\r\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n0\r\n\r\n",
            ),
            "more than it has announced",
        ),
    ] {
        let bench = Bench::new("");
        bench.upstream.act(move |_| Some(lie.clone()));
        let got = bench.get(&target);
        let cut = got.cut.unwrap();
        assert!(got.status == 200 && cut.contains(why), "{why}: {cut}");
        let announced: usize =
            got.headers.iter().find(|(name, _)| *name == "Content-Length").unwrap().1.parse().unwrap();
        assert!(got.body.len() < announced, "{why}");
        assert!(!bench.has(LAYER) && bench.storage.keys().is_empty(), "{why}");
    }
    let bench = Bench::new("");
    bench.upstream.act(|_| Some(answer(200, "", LAYER)));
    assert_eq!(bench.get(&target).status, 503);
}

#[test]
fn a_range_that_lies_is_refused() {
    let target = format!("/v2/up/a/blobs/{}", digest(LAYER));
    for range in [
        "bytes 0-3/19",
        "bytes 1-4/19",
        "bytes 2-5/4",
        "bytes 5-2/19",
        "bytes */19",
        "x",
        "bytes 2-18446744073709551615/19",
    ] {
        let bench = Bench::new("");
        let lie = answer(206, &format!("Content-Range: {range}\r\nContent-Length: 4\r\n"), b"abcd");
        bench.upstream.act(move |_| Some(lie.clone()));
        assert_eq!(bench.ask(Get, &target, ("Range", "bytes=2-5"), usize::MAX).status, 503, "{range}");
    }
    // It answers a request without a range with a part.
    let bench = Bench::new("");
    bench
        .upstream
        .act(|_| Some(answer(206, "Content-Range: bytes 0-3/19\r\nContent-Length: 4\r\n", b"abcd")));
    assert_eq!(bench.get(&target).status, 503);
    // It knows no ranges.
    let bench = Bench::new("");
    bench.upstream.act(|_| Some(answer(200, "Content-Length: 19\r\n", LAYER)));
    let got = bench.ask(Get, &target, ("Range", "bytes=2-5"), usize::MAX);
    assert_eq!((got.status, &*got.body), (200, LAYER));
    assert!(bench.has(LAYER));
}

#[test]
fn redirects_end() {
    let target = format!("/v2/up/a/blobs/{}", digest(LAYER));
    for (location, requests) in [("/round", 6), ("ftp://a/", 1), ("", 1), ("http://user:pw@a/", 1)] {
        let bench = Bench::new("");
        bench
            .upstream
            .act(move |_| Some(answer(302, &format!("Location: {location}\r\nContent-Length: 0\r\n"), b"")));
        assert_eq!(bench.get(&target).status, 503, "{location}");
        assert_eq!(bench.upstream.take_lines().len(), requests, "{location}");
    }
}

#[test]
fn a_login_that_does_not_help_ends() {
    let bench = Bench::new(r#", "username": "ann", "password": "pw""#);
    let realm = format!("WWW-Authenticate: Bearer realm=\"http://{}/token\"\r\n", bench.upstream.address);
    bench.upstream.act(move |asked| {
        Some(match asked.line.contains("/token") {
            true => answer(200, "", br#"{"token":"t"}"#),
            false => answer(401, &realm, b""),
        })
    });
    assert_eq!(bench.get("/v2/up/a/manifests/v1").status, 404);
    assert_eq!(bench.upstream.take_lines().len(), 3);
}

/// Credentials go to no other host that an upstream names without TLS.
#[test]
fn credentials_go_nowhere_else() {
    let thief = Server::start(open);
    let bench = Bench::new(r#", "username": "ann", "password": "pw""#);
    let port = thief.address.port();
    let realm = format!("WWW-Authenticate: Bearer realm=\"http://localhost:{port}/token\"\r\n");
    bench.upstream.act(move |_| Some(answer(401, &realm, b"")));
    assert_eq!(bench.get("/v2/up/a/manifests/v1").status, 404);
    // A server that the upstream redirects to asks for a login.
    let location = format!("Location: http://{}/x\r\n", thief.address);
    bench.upstream.act(move |_| Some(answer(302, &location, b"")));
    thief.act(|_| Some(answer(401, "WWW-Authenticate: Basic realm=\"x\"\r\n", b"")));
    assert_eq!(bench.get("/v2/up/a/manifests/v1").status, 404);
    let asked = thief.take_asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), None);
}

#[test]
fn an_upstream_that_stalls_is_given_up() {
    let started = Instant::now();
    let bench = with_image();
    bench.upstream.act(|asked| {
        thread::sleep(Duration::from_secs(2));
        Some(answer(200, "Content-Length: 19\r\n", if asked.line.is_empty() { b"" } else { LAYER }))
    });
    bench.pull(LAYER);
    assert_eq!(bench.get("/v2/up/a/manifests/v2").status, 503);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

/// An outage that is over before the request is sent again is not seen.
#[test]
fn a_request_is_sent_once_more() {
    let bench = Bench::new("");
    bench.push_image("a", "v1", LAYER);
    for failure in [Vec::new(), answer(503, "Content-Length: 0\r\n", b"")] {
        let times = AtomicUsize::new(0);
        bench.upstream.act(move |_| (times.fetch_add(1, Ordering::Relaxed) == 0).then(|| failure.clone()));
        bench.forget_tag_check();
        assert_eq!(bench.get("/v2/up/a/manifests/v1").status, 200);
    }
}

/// A store that is full is no reason not to answer.
#[test]
fn a_blob_that_cannot_be_stored_is_passed_on() {
    let bench = Bench::new("");
    let layer = vec![6; 1_000_000];
    bench.push_image("a", "v1", &layer);
    let target = format!("/v2/up/a/blobs/{}", digest(&layer));
    let config = open();
    let registry = Registry::new(bench.storage, &config).with_mirror(bench.mirror);
    let (response, _) = registry.handle(Request::new(Get, &target, Vec::new(), &mut Vec::new()));
    let Body::Content(mut content, length) = response.body else { panic!("no content") };
    let mut client = Client { body: Vec::new(), most: usize::MAX };
    let data = loop {
        client.write(&content.next().unwrap().unwrap()).unwrap();
        let keys = bench.storage.keys();
        let data = keys.into_iter().find(|key| key.ends_with("/data") && key.contains("_uploads"));
        if let Some(data) = data {
            break data;
        }
    };
    // The upload is taken away: every further call for it fails.
    thread::sleep(Duration::from_millis(5_100));
    bench.storage.open_upload(&data).unwrap();
    let rest = length - client.body.len() as u64;
    forward_exactly(&mut content, &mut client, rest, "").unwrap();
    assert!(client.body == layer);
    assert!(!bench.storage.keys().contains(&layout::blob(&Digest::of(Algorithm::Sha256, &layer))));
}
