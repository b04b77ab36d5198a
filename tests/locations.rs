//! The locations in answers: they begin with `/`, unless the registry is configured otherwise.

use insta::assert_snapshot;

use crate::images::INDEX;
use crate::paging::target;
use crate::server::Server;

const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const EMPTY_INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

/// The beginning of the locations that a server gives to a client with these headers.
fn base(server: &Server, headers: &[(&str, &str)]) -> String {
    let post = server.post("/v2/a/b/blobs/uploads/");
    let post = headers.iter().fold(post, |post, (name, value)| post.header(name, value));
    let location = post.send().location();
    let (base, _) = location.split_once("/v2/a/b/blobs/uploads/").expect("an upload's path");
    base.to_owned()
}

#[test]
fn locations_are_relative_whatever_proxies_say() {
    let server = Server::start();
    for headers in [
        &[][..],
        &[("Forwarded", "proto=https;host=registry.example.com")],
        &[("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "registry.example.com")],
        &[("X-Forwarded-Prefix", "/registry")],
    ] {
        assert_eq!(base(&server, headers), "", "{headers:?}");
    }
}

#[test]
fn a_configured_host_is_in_every_location() {
    let server = Server::with_secret("s").env("REGISTRY_HTTP_HOST", "https://registry.example.com/").start();
    let started = server.post("/v2/a/b/blobs/uploads/").header("X-Forwarded-Host", "other.example.com");
    let started = started.send();
    assert_snapshot!(started, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: https://registry.example.com/v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-0
    ");
    let path = started.location().replace("https://registry.example.com", "");
    let status = server.get(&path).send();
    assert!(status.location().starts_with("https://registry.example.com/v2/"), "{status}");
    let patched = server.patch(&path).body("abc").send();
    assert!(patched.location().starts_with("https://registry.example.com/v2/"), "{patched}");
    let path = patched.location().replace("https://registry.example.com", "");
    assert_snapshot!(server.put(&format!("{path}&digest={ABC}")).send(), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    location: https://registry.example.com/v2/a/b/blobs/sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
    ");
    let manifest = server.put("/v2/a/b/manifests/v1").header("Content-Type", INDEX).body(EMPTY_INDEX);
    assert_snapshot!(manifest.send(), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:bc5857ac9458293d5111ab85c952172cd7f56bceb4e3014ddc4cafac8927b313
    location: https://registry.example.com/v2/a/b/manifests/sha256:bc5857ac9458293d5111ab85c952172cd7f56bceb4e3014ddc4cafac8927b313
    ");
}

#[test]
fn what_proxies_say_counts_where_that_is_configured() {
    let server = Server::with_secret("s").env("REGISTRY_HTTP_RELATIVEURLS", "false").start();
    let own = format!("http://{}", server.address());
    for (headers, expected) in [
        (&[][..], &*own),
        (&[("X-Forwarded-Proto", "https")], &own.replace("http:", "https:")),
        (&[("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "r.example.com")], "https://r.example.com"),
        (
            &[("X-Forwarded-Host", "r.example.com, inner.example.com"), ("X-Forwarded-Port", "8443")],
            "http://r.example.com:8443",
        ),
        (
            &[("Forwarded", "for=192.0.2.1;proto=https;host=\"r.example.com:8443\"")],
            "https://r.example.com:8443",
        ),
        (&[("Forwarded", "Proto=HTTPS; Host=[2001:db8::1]:5000, host=inner")], "https://[2001:db8::1]:5000"),
        // The newer header makes the older ones count for nothing.
        (
            &[("Forwarded", "proto=https;host=r.example.com"), ("X-Forwarded-Host", "x.example.com")],
            "https://r.example.com",
        ),
        (
            &[
                ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Host", "r.example.com"),
                ("X-Forwarded-Prefix", "/registry/"),
            ],
            "https://r.example.com/registry",
        ),
        // Nonsense leaves what is right from everywhere.
        (&[("X-Forwarded-Host", "r.example.com/path?query")], ""),
        (&[("X-Forwarded-Proto", "javascript")], ""),
    ] {
        assert_eq!(base(&server, headers), expected, "{headers:?}");
    }
}

#[test]
fn a_registry_may_be_served_below_a_path() {
    let server = Server::with_secret("s").env("REGISTRY_HTTP_PREFIX", "/some/where/").start();
    assert_eq!(server.get("/some/where/v2/").send().status(), "200 OK");
    assert_eq!(server.get("/v2/").send().status(), "404 Not Found");
    assert_eq!(server.get("/some/wherev2/").send().status(), "404 Not Found");
    // A load balancer asks without it.
    assert_eq!(server.get("/").send().status(), "200 OK");
    let started = server.post("/some/where/v2/a/b/blobs/uploads/").send();
    assert_snapshot!(started, @"
    202 Accepted
    content-length: 0
    docker-upload-uuid: <uuid>
    location: /some/where/v2/a/b/blobs/uploads/<uuid>?_state=<state>
    range: 0-0
    ");
    // The client can continue with the given location.
    let patched = server.patch(&started.location()).body("abc").send();
    let put = server.put(&patched.completed_by(ABC)).send();
    assert_eq!(server.get(&put.location()).send().text(), "abc");
    let host = Server::with_secret("s").env("REGISTRY_HTTP_HOST", "https://r.example.com");
    let host = host.env("REGISTRY_HTTP_PREFIX", "/some/where").start();
    let started = host.post("/some/where/v2/a/blobs/uploads/").send();
    assert!(started.location().starts_with("https://r.example.com/some/where/v2/a/"), "{started}");
}

#[test]
fn a_link_leads_on_below_the_path_that_the_client_knows() {
    let prefixed = Server::with_secret("s").env("REGISTRY_HTTP_PREFIX", "/some/where").start();
    for tag in ["v1", "v2"] {
        let put = prefixed.put(&format!("/some/where/v2/a/manifests/{tag}")).header("Content-Type", INDEX);
        assert_eq!(put.body(EMPTY_INDEX).send().status(), "201 Created");
    }
    let first = prefixed.get("/some/where/v2/a/tags/list?n=1").send();
    assert_snapshot!(first, @r#"
    200 OK
    content-length: 27
    content-type: application/json
    link: </some/where/v2/a/tags/list?last=v1&n=1>; rel="next"

    {"name":"a","tags":["v1"]}
    "#);
    let next = prefixed.get(&target(first.header("link"))).send();
    assert_eq!(next.text(), "{\"name\":\"a\",\"tags\":[\"v2\"]}\n");

    // It is relative even where locations are not, with the path that a proxy takes off.
    let data_of = Server::with_secret("s").env("REGISTRY_HTTP_RELATIVEURLS", "false");
    let forwarded = data_of.on_data_of(&prefixed).start();
    let list = forwarded.get("/v2/a/tags/list?n=1").header("X-Forwarded-Host", "r.example.com");
    assert_eq!(list.send().header("link"), r#"</v2/a/tags/list?last=v1&n=1>; rel="next""#);
    let list = forwarded.get("/v2/a/tags/list?n=1").header("X-Forwarded-Prefix", "/registry");
    assert_eq!(list.send().header("link"), r#"</registry/v2/a/tags/list?last=v1&n=1>; rel="next""#);
}
