//! What whole requests cost and answer, over storage in memory.

mod pages;
pub(crate) mod recorded;
mod unproven;

use self::recorded::Recorded;
use super::*;
use crate::http::Body;
use crate::http::Method::{Delete, Get, Head, Patch, Post, Put};
use crate::immutable_tags::ImmutableTags;
use lighter_hash::{Algorithm, Digest};
use lighter_storage::Memory;

/// A registry over storage that records its calls.
struct Bench {
    storage: Recorded<Memory>,
    config: Config,
}

impl Bench {
    fn new() -> Self {
        let config = Config { http_secret: Some("s".to_owned()), ..Config::default() };
        Self { storage: Recorded::default(), config }
    }

    fn send(&self, method: Method, target: &str, body: &[u8]) -> Response {
        let headers = vec![("Content-Length".to_owned(), body.len().to_string().into_bytes())];
        let mut body = body.to_vec();
        let request = Request::new(method, target, headers, &mut body);
        Registry::new(&self.storage, &self.config).handle(request).0
    }

    /// Sends a request and returns its status and the storage calls that it took.
    fn cost(&self, method: Method, target: &str, body: &[u8]) -> (u16, String) {
        self.storage.take_calls();
        let status = self.send(method, target, body).status;
        (status, self.storage.take_calls().join(" "))
    }

    /// The storage calls after a request's answer.
    fn cost_after(&self, method: Method, target: &str, body: &[u8]) -> String {
        let headers = vec![("Content-Length".to_owned(), body.len().to_string().into_bytes())];
        let registry = Registry::new(&self.storage, &self.config);
        let (_, entry) = registry.handle(Request::new(method, target, headers, &mut body.to_vec()));
        self.storage.take_calls();
        if entry.has_started_upload() {
            assert_eq!(registry.purge(), [""; 0]);
        }
        self.storage.take_calls().join(" ")
    }

    fn started(&self) -> String {
        location(&self.send(Post, "/v2/a/blobs/uploads/", b""))
    }
}

fn location(response: &Response) -> String {
    response.header("Location").unwrap().to_owned()
}

const CONFIG: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"; // {}
const LAYER: &[u8] = b"a layer";

fn manifest() -> String {
    let layer = Digest::of(Algorithm::Sha256, LAYER);
    format!(r#"{{"schemaVersion":2,"config":{{"digest":"{CONFIG}"}},"layers":[{{"digest":"{layer}"}}]}}"#)
}

/// A registry that has an image, `a:v1`.
fn with_image() -> Bench {
    let bench = Bench::new();
    for content in [&b"{}"[..], LAYER] {
        let target = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(Algorithm::Sha256, content));
        assert_eq!(bench.send(Post, &target, content).status, 201);
    }
    assert_eq!(bench.send(Put, "/v2/a/manifests/v1", manifest().as_bytes()).status, 201);
    bench
}

/// Each call is at least one trip to the host. A request may cost no more than this; a higher cost must be decided
/// deliberately.
#[test]
fn a_request_costs_so_many_storage_calls() {
    let bench = with_image();
    let by_digest = format!("/v2/a/manifests/{}", Digest::of(Algorithm::Sha256, manifest().as_bytes()));
    let blob = format!("/v2/a/blobs/{CONFIG}");
    for (method, target, status, calls) in [
        (Get, "/v2/", 200, ""),
        (Head, blob.as_str(), 200, "get stat"),
        (Get, blob.as_str(), 200, "get stat read"),
        (Get, by_digest.as_str(), 200, "get load"),
        (Get, "/v2/a/manifests/v1", 200, "get get load"),
        (Get, "/v2/a/tags/list?n=1", 200, "list-having"),
        (Post, "/v2/a/blobs/uploads/", 202, "set-volatile create-upload suspend"),
    ] {
        assert_eq!(bench.cost(method.clone(), target, b""), (status, calls.to_owned()), "{method} {target}");
    }
    let patch = bench.cost(Patch, &bench.started(), b"abc");
    assert_eq!(patch, (202, "open-upload append suspend received".to_owned()));
    let cancel = bench.cost(Delete, &bench.started(), b"");
    assert_eq!(cancel, (204, "open-upload abort discard-prefix".to_owned()));
    // Who makes a reference looks once for collections of garbage, after that: before the tag.
    let put = bench.cost(Put, "/v2/a/manifests/v2", manifest().as_bytes());
    assert_eq!(put, (201, "get get stat stat put set list set set-volatile".to_owned()));
    let mount = bench.cost(Post, &format!("/v2/b/blobs/uploads/?mount={CONFIG}&from=a"), b"");
    assert_eq!(mount, (201, "get stat set list".to_owned()));
}

/// A link that is damaged may name other content than that of its own digest.
#[test]
fn a_link_leads_to_the_content_that_it_names() {
    let bench = with_image();
    let key = format!("docker/registry/v2/repositories/a/_layers/sha256/{}/link", &CONFIG["sha256:".len()..]);
    let target = format!("/v2/a/blobs/{CONFIG}");
    for (link, length) in [(Digest::of(Algorithm::Sha256, LAYER).as_str(), Some("7")), ("", None)] {
        bench.storage.set(&key, link.as_bytes()).unwrap();
        let answer = bench.send(Head, &target, b"");
        assert_eq!(answer.status, if length.is_some() { 200 } else { 404 }, "{link}");
        assert!(length.is_none_or(|length| answer.header("Content-Length") == Some(length)), "{link}");
    }
}

/// An immutable tag costs a look at it first, and one call for both the look whether it is there and its writing.
#[test]
fn an_immutable_tag_costs_so_many_storage_calls() {
    let mut bench = with_image();
    bench.config.keeping.immutable_tags = ImmutableTags::parse("*:*,!*:v2").unwrap();
    let cost = |method: Method, target: &str| bench.cost(method, target, manifest().as_bytes());
    let first = cost(Put, "/v2/a/manifests/v3");
    assert_eq!(first, (201, "get get get stat stat put set list create set-volatile".to_owned()));
    let again = cost(Put, "/v2/a/manifests/v3");
    assert_eq!(again, (201, "get get stat get get stat stat put set list create get get stat".to_owned()));
    let mutable = cost(Put, "/v2/a/manifests/v2");
    assert_eq!(mutable, (201, "get get stat stat put set list set set-volatile".to_owned()));
    bench.send(Put, "/v2/a/manifests/v2", br#"{"schemaVersion":2,"manifests":[]}"#);
    let other = bench.cost(Put, "/v2/a/manifests/v3", br#"{"schemaVersion":2,"manifests":[]}"#);
    assert_eq!(other, (409, "get get stat".to_owned()));
    assert_eq!(bench.cost(Delete, "/v2/a/manifests/v3", b""), (409, "get get stat".to_owned()));
}

/// The content that an index names is found at once, be it a manifest or a blob. If none of it exists, `_layers` is made,
/// once.
#[test]
fn an_index_costs_so_many_storage_calls() {
    let bench = with_image();
    let index = |media_type: &str, content: &[u8]| {
        let digest = Digest::of(Algorithm::Sha256, content);
        let entry = format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{}}}"#, content.len());
        format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#)
    };
    let image = index(crate::media_type::OCI_MANIFEST, manifest().as_bytes());
    let cache = index("application/vnd.oci.image.layer.v1.tar+gzip", LAYER);
    for content in [&image, &cache] {
        let put = bench.cost(Put, "/v2/a/manifests/v2", content.as_bytes());
        assert_eq!(put, (201, "get stat put set list set set-volatile".to_owned()), "{content}");
    }
    let empty = br#"{"schemaVersion":2,"manifests":[]}"#;
    for calls in ["get set put set list set set-volatile", "get put set list set set-volatile"] {
        assert_eq!(bench.cost(Put, "/v2/b/manifests/v1", empty), (201, calls.to_owned()));
    }
    assert_eq!(bench.cost(Delete, "/v2/b/manifests/v1", b""), (202, "get delete-prefix".to_owned()));
}

/// Only a request that started an upload pays for the purging of abandoned ones, and only after its answer.
#[test]
fn purging_costs_no_other_request_anything() {
    let bench = with_image();
    let uploads = "/v2/a/blobs/uploads/";
    let one = format!("{uploads}?digest={CONFIG}");
    let requests = || {
        [
            (Get, "/v2/".to_owned(), &b""[..]),
            (Head, format!("/v2/a/blobs/{CONFIG}"), b""),
            (Get, format!("/v2/a/blobs/{CONFIG}"), b""),
            (Get, "/v2/a/manifests/v1".to_owned(), b""),
            (Get, "/v2/a/tags/list".to_owned(), b""),
            (Post, one.clone(), b"{}"),
            (Post, format!("{uploads}?mount={CONFIG}"), b""),
            (Patch, bench.started(), b"abc"),
            (Put, format!("{}&digest={CONFIG}", bench.started()), b"{}"),
            (Put, "/v2/a/manifests/v1".to_owned(), manifest().leak().as_bytes()),
            (Delete, bench.started(), b""),
            (Get, bench.started(), b""),
        ]
    };
    for (method, target, body) in requests() {
        assert_eq!(bench.cost_after(method.clone(), &target, body), "", "{method} {target}");
    }
    // A round: its progress, a repository, its three uploads, which are young, and no other repository.
    let after = bench.cost_after(Post, uploads, b"");
    assert_eq!(after, "get list list get get get list list set");
    assert_eq!(bench.cost_after(Post, uploads, b""), "get");
    // An instance that knows the time of the next round makes no call.
    let registry = Registry::new(&bench.storage, &bench.config);
    registry.purge();
    bench.storage.take_calls();
    registry.purge();
    assert_eq!(bench.storage.take_calls(), [""; 0]);
}

/// docker's way, containerd's way, and many chunks: none of them reads the bytes again.
#[test]
fn a_push_costs_so_many_storage_calls() {
    let bench = Bench::new();
    let name = Digest::of(Algorithm::Sha256, b"abcabc");
    let target = format!("{}&digest={name}", bench.started());
    assert_eq!(
        bench.cost(Put, &target, b"abcabc"),
        (201, "open-upload append commit set list discard-prefix".to_owned())
    );

    let patched = location(&bench.send(Patch, &bench.started(), b"abc"));
    let (status, calls) = bench.cost(Patch, &patched, b"abc");
    assert_eq!((status, calls.as_str()), (202, "open-upload get append suspend received"));
    let patched =
        location(&bench.send(Patch, &location(&bench.send(Patch, &bench.started(), b"abc")), b"abc"));
    let (status, calls) = bench.cost(Put, &format!("{patched}&digest={name}"), b"");
    assert_eq!((status, calls.as_str()), (201, "open-upload get commit set list discard-prefix"));
}

/// The cost of a page depends on its own entries, not on the number of others.
#[test]
fn a_page_costs_what_is_on_it() {
    let bench = with_image();
    let image = Digest::of(Algorithm::Sha256, manifest().as_bytes());
    for n in 0..10_000 {
        for tag in [format!("a/_manifests/tags/t{n:05}"), format!("r{n:05}/_manifests/tags/v1")] {
            let key = format!("docker/registry/v2/repositories/{tag}/current/link");
            bench.storage.set(&key, image.as_str().as_bytes()).unwrap();
        }
    }
    for n in 0..300 {
        let about = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{CONFIG}"}},"subject":{{"digest":"{image}"}},"n":{n}}}"#
        );
        let target = format!("/v2/a/manifests/{}", Digest::of(Algorithm::Sha256, about.as_bytes()));
        assert_eq!(bench.send(Put, &target, about.as_bytes()).status, 201);
    }
    let cost = |target: &str| {
        let (status, calls) = bench.cost(Get, target, b"");
        assert_eq!(status, 200, "{target}");
        ["list-having", "list", "get", "stat", "read"]
            .map(|name| calls.split(' ').filter(|call| *call == name).count())
    };
    assert_eq!(cost("/v2/a/tags/list?n=100&last=t05000"), [1, 0, 0, 0, 0]);
    // The parts of each: its manifests, or repositories below it.
    assert_eq!(cost("/v2/_catalog?n=100&last=r05000"), [0, 103, 0, 0, 0]);
    let referrers = format!("/v2/a/referrers/{image}?n=100");
    // The first time, all manifests are read.
    assert!(cost(&referrers)[4] > 300);
    assert_eq!(cost(&referrers), [0, 1, 103, 101, 101]);
}

#[test]
fn a_head_tells_the_length_and_sends_nothing() {
    let bench = with_image();
    for target in ["/v2/", "/v2/a/manifests/v1", "/v2/a/tags/list", "/v2/_catalog", "/v2/none"] {
        let get = bench.send(Get, target, b"");
        let head = bench.send(Head, target, b"");
        assert_eq!((head.status, head.header("Content-Length")), (get.status, get.header("Content-Length")));
        assert!(matches!(head.body, Body::Empty) && get.body.length() > 0, "{target}");
    }
}
