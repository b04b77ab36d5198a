//! The mirror over storage in memory, with upstreams on sockets.

mod full;
mod hostile;
mod server;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use self::server::Server;
use super::*;
use crate::auth::{Auth, variables};
use crate::config::{self, Config, Keeping};
use crate::http::Method::{self, Get, Head, Post, Put};
use crate::http::{Body, Request};
use crate::immutable_tags::ImmutableTags;
use crate::registry::Registry;
use lighter_fetch::native::Native;
use lighter_storage::{Environment, Memory, Sink, Stream as _, forward_exactly};

static NATIVE: Native = Native;

const LAYER: &[u8] = b"a layer of an image";

fn digest(content: &[u8]) -> String {
    Digest::of(Algorithm::Sha256, content).to_string()
}

fn image(layer: &[u8]) -> String {
    let (config, layer) = (digest(b"{}"), digest(layer));
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"digest":"{config}","size":2}},"layers":[{{"digest":"{layer}","size":1}}]}}"#
    )
}

fn open() -> Config {
    Config { http_secret: Some("s".to_owned()), ..Config::default() }
}

/// An upstream with a password: `ann`'s is `pw`.
fn closed() -> Config {
    let variables = [
        ("REGISTRY_HTTP_SECRET", "s"),
        ("REGISTRY_AUTH", "htpasswd"),
        ("REGISTRY_AUTH_HTPASSWD_ENTRIES", closed_entry()),
    ];
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let environment = Environment { variables, read_elsewhere: Vec::new(), read_file: |_| Ok(String::new()) };
    Config::read(&config::settings(environment, [&[], &[]]).unwrap(), None).unwrap()
}

fn closed_entry() -> &'static str {
    static ENTRY: OnceLock<String> = OnceLock::new();
    ENTRY.get_or_init(|| {
        let hash = bcrypt::hash_with_salt("pw", 4, [7; 16]).unwrap();
        format!("ann:{}", hash.format_for_version(bcrypt::Version::TwoY))
    })
}

/// What a client has got.
struct Got {
    status: u16,
    headers: Vec<(&'static str, String)>,
    /// The body, as far as it came.
    body: Vec<u8>,
    /// Why it was cut off, if it was.
    cut: Option<String>,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// A client, which may leave.
struct Client {
    body: Vec<u8>,
    most: usize,
}

impl Sink for Client {
    fn write(&mut self, bytes: &[u8]) -> core::result::Result<(), String> {
        if self.body.len() + bytes.len() > self.most {
            return Err("the client has left".to_owned());
        }
        self.body.extend_from_slice(bytes);
        Ok(())
    }
}

/// A mirror of one upstream, as `up/`.
struct Bench<S: 'static = Memory> {
    upstream: Server,
    storage: &'static S,
    mirror: &'static Mirror<S>,
}

// A derived one would want `S: Clone`.
impl<S> Clone for Bench<S> {
    fn clone(&self) -> Self {
        Self { upstream: self.upstream.clone(), ..*self }
    }
}

impl Bench {
    fn new(members: &str) -> Self {
        Self::of(Server::start(open), members)
    }

    fn of(upstream: Server, members: &str) -> Self {
        Self::over(upstream, members)
    }

    /// Whether a blob is stored, and no upload is left.
    fn has(&self, content: &[u8]) -> bool {
        let keys = self.storage.keys();
        assert!(!keys.iter().any(|key| key.contains("_uploads")), "{keys:?}");
        keys.contains(&layout::blob(&Digest::of(Algorithm::Sha256, content)))
    }

    fn forget_tag_check(&self) {
        self.storage.delete(&layout::tag_fresh(&Name::parse("up/a").unwrap(), "v1")).unwrap();
    }
}

impl<S: Storage + Default> Bench<S> {
    fn over(upstream: Server, members: &str) -> Self {
        let address = upstream.address;
        let document =
            format!(r#"{{"up": {{"url": "http://{address}", "namespace": "up.example"{members}}}}}"#);
        let upstreams = Box::leak(Box::new(Upstreams::parse(&document).unwrap()));
        let storage: &S = Box::leak(Box::default());
        let mirror = Box::leak(Box::new(Mirror::new(storage, upstreams, &NATIVE)));
        Self { upstream, storage, mirror }
    }

    fn ask(&self, method: Method, target: &str, header: (&str, &str), most: usize) -> Got {
        self.ask_with(&open(), method, target, header, most)
    }

    fn ask_with(
        &self,
        config: &Config,
        method: Method,
        target: &str,
        header: (&str, &str),
        most: usize,
    ) -> Got {
        let registry = Registry::new(self.storage, config).with_mirror(self.mirror);
        let headers = vec![(header.0.to_owned(), header.1.as_bytes().to_vec())];
        let (response, _) = registry.handle(Request::new(method, target, headers, &mut Vec::new()));
        let mut client = Client { body: Vec::new(), most };
        let sent = match response.body {
            Body::Empty => Ok(()),
            Body::Bytes(bytes) => client.write(&bytes),
            Body::Content(mut content, length) => {
                forward_exactly(&mut content, &mut client, length, "the content ends early")
            }
        };
        Got { status: response.status, headers: response.headers, body: client.body, cut: sent.err() }
    }

    fn get(&self, target: &str) -> Got {
        self.ask(Get, target, ("X", "y"), usize::MAX)
    }

    /// Pushes to the upstream.
    fn push(&self, method: Method, target: &str, body: &[u8]) {
        let config = open();
        let headers = vec![("Content-Length".to_owned(), body.len().to_string().into_bytes())];
        let registry = Registry::new(&self.upstream.storage, &config);
        let (response, _) = registry.handle(Request::new(method, target, headers, &mut body.to_vec()));
        assert_eq!(response.status, 201, "{target}");
    }

    fn push_image(&self, repository: &str, tag: &str, layer: &[u8]) {
        for content in [b"{}", layer] {
            let target = format!("/v2/{repository}/blobs/uploads/?digest={}", digest(content));
            self.push(Post, &target, content);
        }
        self.push(Put, &format!("/v2/{repository}/manifests/{tag}"), image(layer).as_bytes());
    }

    /// Pulls the image as containerd does.
    fn pull(&self, layer: &[u8]) {
        let head = self.ask(Head, "/v2/up/a/manifests/v1", ("X", "y"), 0);
        let by_digest = digest(image(layer).as_bytes());
        assert_eq!((head.status, head.header("Docker-Content-Digest")), (200, Some(&*by_digest)));
        assert_eq!(self.get(&format!("/v2/up/a/manifests/{by_digest}")).text(), image(layer));
        for content in [b"{}", layer] {
            let got = self.get(&format!("/v2/up/a/blobs/{}", digest(content)));
            assert!(got.status == 200 && got.body == content && got.cut.is_none(), "{:?}", got.cut);
            assert_eq!(got.header("Docker-Content-Digest"), Some(&*digest(content)));
            assert_eq!(got.header("Content-Length"), Some(&*content.len().to_string()));
        }
    }
}

/// Each is a request to the upstream.
#[test]
fn a_pull_costs_so_many_requests() {
    let bench = Bench::new("");
    bench.push_image("a", "v1", LAYER);
    bench.pull(LAYER);
    let (config, layer) = (digest(b"{}"), digest(LAYER));
    let first = [
        "GET /v2/a/manifests/v1".to_owned(),
        format!("GET /v2/a/blobs/{config}"),
        format!("GET /v2/a/blobs/{layer}"),
    ];
    assert_eq!(bench.upstream.take_lines(), first);
    bench.pull(LAYER);
    assert_eq!(bench.upstream.take_lines(), [""; 0]);
    bench.forget_tag_check();
    bench.pull(LAYER);
    assert_eq!(bench.upstream.take_lines(), ["HEAD /v2/a/manifests/v1"]);

    // The tag names another image, whose config is the same.
    bench.push_image("a", "v1", b"other");
    bench.forget_tag_check();
    bench.pull(b"other");
    let other = ["HEAD", "GET"].map(|method| format!("{method} /v2/a/manifests/v1"));
    let other = [&other[..], &[format!("GET /v2/a/blobs/{}", digest(b"other"))]].concat();
    assert_eq!(bench.upstream.take_lines(), other);
    assert!(bench.has(LAYER) && bench.has(b"other"));
}

#[test]
fn without_a_ttl_a_tag_is_checked_each_time() {
    let bench = Bench::new(r#", "ttl": "0""#);
    bench.push_image("a", "v1", LAYER);
    for lines in [&["GET /v2/a/manifests/v1"][..], &["HEAD /v2/a/manifests/v1"], &["HEAD /v2/a/manifests/v1"]]
    {
        assert_eq!(bench.get("/v2/up/a/manifests/v1").text(), image(LAYER));
        assert_eq!(bench.upstream.take_lines(), lines);
    }
}

/// It names what was pulled first, whatever the upstream does, which is not even asked.
#[test]
fn an_immutable_tag_does_not_move() {
    let bench = Bench::new(r#", "ttl": "0""#);
    let immutable_tags = ImmutableTags::parse("up/*:v*").unwrap();
    let config = Config { keeping: Keeping { immutable_tags, ..Keeping::default() }, ..open() };
    let get = |tag: &str| {
        let target = format!("/v2/up/a/manifests/{tag}");
        bench.ask_with(&config, Get, &target, ("X", "y"), usize::MAX).text().to_owned()
    };
    for layer in [LAYER, b"other"] {
        bench.push_image("a", "v1", layer);
        bench.push_image("a", "latest", layer);
        assert_eq!((get("v1"), get("latest")), (image(LAYER), image(layer)));
    }
    let [get, head] =
        ["GET", "HEAD"].map(|method| move |tag: &str| format!("{method} /v2/a/manifests/{tag}"));
    assert_eq!(bench.upstream.take_lines(), [get("v1"), get("latest"), head("latest"), get("latest")]);
}

#[test]
fn what_came_from_an_upstream_has_a_record_until_it_is_deleted() {
    let bench = Bench::new("");
    bench.push_image("a", "v1", LAYER);
    bench.pull(LAYER);
    let name = Name::parse("up/a").unwrap();
    let record = layout::mirrored(&name, &Digest::of(Algorithm::Sha256, image(LAYER).as_bytes()));
    let came = bench.storage.get(&record).unwrap().unwrap();
    let came: u64 = str::from_utf8(&came).unwrap().parse().unwrap();
    assert!(clock::seconds() - came < 60);
    let target = format!("/v2/up/a/manifests/{}", digest(image(LAYER).as_bytes()));
    assert_eq!(bench.ask(Method::Delete, &target, ("X", "y"), 0).status, 202);
    assert_eq!(bench.storage.get(&record).unwrap(), None);
    assert!(!bench.storage.keys().iter().any(|key| key.contains("/_manifests/")));
}

#[test]
fn an_upstream_is_found_by_prefix_and_by_namespace() {
    let bench = Bench::new("");
    bench.push_image("a", "v1", LAYER);
    let got = bench.get("/v2/a/manifests/v1?ns=up.example");
    assert_eq!((got.text(), got.header("OCI-Namespace")), (&*image(LAYER), Some("up.example")));
    assert_eq!(bench.upstream.take_lines(), ["GET /v2/a/manifests/v1"]);
    // It is the same repository.
    let got = bench.get("/v2/up/a/manifests/v1");
    assert_eq!((got.status, got.header("OCI-Namespace")), (200, None));
    for target in ["/v2/a/manifests/v1", "/v2/a/manifests/v1?ns=other", "/v2/up/a/manifests/v1?ns="] {
        assert_eq!(bench.get(target).status, 404, "{target}");
    }
    assert_eq!(bench.upstream.take_lines(), [""; 0]);
}

#[test]
fn a_mirror_takes_no_push() {
    let bench = Bench::new("");
    for (method, target) in [
        (Put, "/v2/up/a/manifests/v1"),
        (Post, "/v2/up/a/blobs/uploads/"),
        (Post, "/v2/a/blobs/uploads/?ns=up.example"),
    ] {
        let got = bench.ask(method, target, ("X", "y"), usize::MAX);
        assert_eq!((got.status, got.header("Allow")), (405, Some("GET, HEAD")), "{target}");
        assert!(got.text().contains("a mirror of up.example; push there"), "{}", got.text());
    }
    assert_eq!(bench.ask(Post, "/v2/own/blobs/uploads/", ("X", "y"), 0).status, 202);
    assert_eq!(bench.upstream.take_lines(), [""; 0]);
}

#[test]
fn what_is_asked_by_head_is_asked_by_head() {
    let bench = Bench::new("");
    bench.push_image("a", "v1", LAYER);
    let layer = digest(LAYER);
    let got = bench.ask(Head, &format!("/v2/up/a/blobs/{layer}"), ("X", "y"), 0);
    let length = LAYER.len().to_string();
    assert_eq!((got.status, got.header("Content-Length")), (200, Some(&*length)));
    assert_eq!(bench.upstream.take_lines(), [format!("HEAD /v2/a/blobs/{layer}")]);
    assert_eq!(bench.storage.keys(), [""; 0]);
    let none = format!("/v2/up/a/blobs/{}", digest(b"none"));
    assert_eq!(bench.ask(Head, &none, ("X", "y"), usize::MAX).status, 404);
    assert_eq!(bench.get(&none).status, 404);
    assert_eq!(bench.storage.keys(), [""; 0]);
}

#[test]
fn a_range_is_passed_on_and_not_stored() {
    let bench = Bench::new("");
    bench.push_image("a", "v1", LAYER);
    let target = format!("/v2/up/a/blobs/{}", digest(LAYER));
    for (range, offset, end) in
        [("bytes=2-5", 2, 6), ("bytes=10-", 10, LAYER.len()), ("bytes=-3", LAYER.len() - 3, LAYER.len())]
    {
        let got = bench.ask(Get, &target, ("Range", range), usize::MAX);
        let content_range = format!("bytes {offset}-{}/{}", end - 1, LAYER.len());
        assert_eq!((got.status, got.header("Content-Range")), (206, Some(&*content_range)), "{range}");
        assert_eq!(&got.body, &LAYER[offset..end]);
    }
    let got = bench.ask(Get, &target, ("Range", "bytes=99-"), usize::MAX);
    assert_eq!((got.status, got.header("Content-Range")), (416, Some(&*format!("bytes */{}", LAYER.len()))));
    assert_eq!(bench.storage.keys(), [""; 0]);
    // This one is no part.
    let got = bench.ask(Get, &target, ("Range", "bytes=0-"), usize::MAX);
    assert_eq!((got.status, &*got.body), (200, LAYER));
    assert!(bench.has(LAYER));
}

#[test]
fn a_blob_of_another_repository_is_shown_only_if_the_upstream_has_it() {
    let bench = Bench::new("");
    bench.push_image("a", "v1", LAYER);
    bench.pull(LAYER);
    bench.upstream.take_lines();
    let layer = digest(LAYER);
    assert_eq!(bench.get(&format!("/v2/up/b/blobs/{layer}")).status, 404);
    bench.push_image("b", "v1", LAYER);
    assert_eq!(bench.get(&format!("/v2/up/b/blobs/{layer}")).body, LAYER);
    // No byte came again.
    assert_eq!(bench.upstream.take_lines(), [(); 2].map(|()| format!("HEAD /v2/b/blobs/{layer}")));
}

#[test]
fn a_client_that_leaves_loses_nothing() {
    let bench = Bench::new("");
    let layer = vec![7; 300_000];
    bench.push_image("a", "v1", &layer);
    let target = format!("/v2/up/a/blobs/{}", digest(&layer));
    let got = bench.ask(Get, &target, ("X", "y"), 100_000);
    assert_eq!(got.cut.as_deref(), Some("the client has left; the blob is stored all the same"));
    assert!(bench.has(&layer));
    bench.upstream.take_lines();
    assert!(bench.get(&target).body == layer);
    assert_eq!(bench.upstream.take_lines(), [""; 0]);
}

/// The content of a layer as it is answered, of which nothing was taken yet, and its length.
fn content_of(registry: &Registry<Memory>, layer: &[u8]) -> (Content, u64) {
    let target = format!("/v2/up/a/blobs/{}", digest(layer));
    let (response, _) = registry.handle(Request::new(Get, &target, Vec::new(), &mut Vec::new()));
    let Body::Content(content, length) = response.body else { panic!("no content") };
    (content, length)
}

#[test]
fn an_answer_that_nobody_takes_leaves_nothing() {
    let bench = Bench::new("");
    let layer = vec![8; 1_000_000];
    bench.push_image("a", "v1", &layer);
    let config = open();
    let registry = Registry::new(bench.storage, &config).with_mirror(bench.mirror);
    let (mut content, _) = content_of(&registry, &layer);
    let has_begun = || bench.storage.keys().iter().any(|key| key.contains("_uploads"));
    // The first bytes do not wait for the store.
    content.next().unwrap().unwrap();
    assert!(!has_begun() && !registry.has_kept());
    while !has_begun() {
        content.next().unwrap().unwrap();
    }
    assert!(registry.has_kept() && !registry.has_kept());
    drop(content);
    assert!(!bench.has(&layer));
}

/// A client that looks at the store whenever it gets something.
struct Watching<'a> {
    bench: &'a Bench,
    layer: &'a [u8],
    got: usize,
    most_stored: u64,
}

impl Sink for Watching<'_> {
    fn write(&mut self, bytes: &[u8]) -> core::result::Result<(), String> {
        let is_last = self.got + bytes.len() == self.layer.len();
        let keys = self.bench.storage.keys();
        let upload = keys.iter().find(|key| key.contains("_uploads") && key.ends_with("/data"));
        let stored = upload.and_then(|id| self.bench.storage.received(id).unwrap()).unwrap_or_default();
        // Not these, which are hashed and stored while they are on their way.
        assert!(stored <= self.got as u64, "{stored} bytes are stored, and {} given", self.got);
        assert_eq!(upload.is_none() && self.bench.has(self.layer), is_last);
        self.most_stored = self.most_stored.max(stored);
        self.got += bytes.len();
        Ok(())
    }
}

#[test]
fn bytes_are_given_before_they_are_stored_but_for_the_last_ones() {
    let bench = Bench::new("");
    let layer = vec![6; 2_000_000];
    bench.push_image("a", "v1", &layer);
    let config = open();
    let registry = Registry::new(bench.storage, &config).with_mirror(bench.mirror);
    let (mut content, length) = content_of(&registry, &layer);
    let mut client = Watching { bench: &bench, layer: &layer, got: 0, most_stored: 0 };
    forward_exactly(&mut content, &mut client, length, "the content ends early").unwrap();
    assert!(client.got == layer.len() && client.most_stored > 0, "{}", client.most_stored);
}

#[test]
fn several_clients_at_once_are_all_served() {
    let bench = Bench::new("");
    let layer = vec![9; 1_000_000];
    bench.push_image("a", "v1", &layer);
    let target = format!("/v2/up/a/blobs/{}", digest(&layer));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (bench, target) = (bench.clone(), target.clone());
            std::thread::spawn(move || bench.get(&target).body)
        })
        .collect();
    for client in clients {
        assert!(client.join().unwrap() == layer);
    }
    assert!(bench.has(&layer));
}

#[test]
fn an_empty_blob_and_one_of_sha512_are_stored() {
    let bench = Bench::new("");
    let empty = digest(b"");
    bench.push(Post, &format!("/v2/a/blobs/uploads/?digest={empty}"), b"");
    let got = bench.get(&format!("/v2/up/a/blobs/{empty}"));
    assert_eq!((got.status, got.header("Content-Length"), got.body.len()), (200, Some("0"), 0));
    assert!(bench.has(b""));
    let sha512 = Digest::of(Algorithm::Sha512, LAYER).to_string();
    bench.push(Post, &format!("/v2/a/blobs/uploads/?digest={sha512}"), LAYER);
    bench.upstream.take_lines();
    for _ in 0..2 {
        let got = bench.get(&format!("/v2/up/a/blobs/{sha512}"));
        assert_eq!((&*got.body, got.header("Docker-Content-Digest")), (LAYER, Some(&*sha512)));
    }
    assert_eq!(bench.upstream.take_lines().len(), 1);
    assert!(bench.has(LAYER));
}

#[test]
fn lists_come_from_the_upstream_or_else_from_here() {
    let bench = Bench::new("");
    for tag in ["v1", "v2", "v3"] {
        bench.push_image("a", tag, LAYER);
    }
    let subject = digest(image(LAYER).as_bytes());
    let referrer = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"digest":"{}","size":2}},"layers":[],"subject":{{"digest":"{subject}","size":1}}}}"#,
        digest(b"{}")
    );
    bench.push(Put, "/v2/a/manifests/sig", referrer.as_bytes());
    bench.pull(LAYER);
    assert_eq!(
        bench.get("/v2/up/a/tags/list").text(),
        "{\"name\":\"up/a\",\"tags\":[\"sig\",\"v1\",\"v2\",\"v3\"]}\n"
    );
    let page = bench.get("/v2/up/a/tags/list?n=2");
    assert_eq!(page.text(), "{\"name\":\"up/a\",\"tags\":[\"sig\",\"v1\"]}\n");
    assert_eq!(page.header("Link"), Some("</v2/up/a/tags/list?last=v1&n=2>; rel=\"next\""));
    // A client that follows it may add its `ns`.
    let page = bench.get("/v2/up/a/tags/list?last=v1&n=2&ns=up.example");
    assert_eq!(page.text(), "{\"name\":\"up/a\",\"tags\":[\"v2\",\"v3\"]}\n");
    let list = format!("/v2/up/a/referrers/{subject}");
    assert!(bench.get(&list).text().contains(&digest(referrer.as_bytes())));
    assert_eq!(bench.get("/v2/up/none/tags/list").status, 404);

    bench.upstream.act(|_| Some(Vec::new()));
    assert_eq!(bench.get("/v2/up/a/tags/list").text(), "{\"name\":\"up/a\",\"tags\":[\"v1\"]}\n");
    assert_eq!(bench.get("/v2/up/none/tags/list").status, 503);
    let got = bench.get(&list);
    assert!(got.status == 200 && got.text().contains("\"manifests\":[]"), "{}", got.text());
    bench.upstream.act(|_| Some(b"HTTP/1.1 404 X\r\n\r\n".to_vec()));
    assert_eq!(bench.get(&list).status, 404);
}

/// What the rules of this registry forbid is refused before anything is looked up, stored or not.
#[test]
fn the_rules_go_first() {
    let bench = Bench::new("");
    bench.push_image("a", "v1", LAYER);
    bench.pull(LAYER);
    bench.upstream.take_lines();
    let rules = r#"{"repositories": {"up/b": {"anonymous": ["pull"]}, "up/a": {"user:ann": ["pull"]}}}"#;
    let variables = [
        (variables::AUTH, "htpasswd"),
        ("REGISTRY_AUTH_HTPASSWD_ENTRIES", closed_entry()),
        ("REGISTRY_AUTH_RULES", rules),
    ];
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let environment = Environment { variables, read_elsewhere: Vec::new(), read_file: |_| Ok(String::new()) };
    let config = Config::read(&config::settings(environment, [&[], &[]]).unwrap(), None).unwrap();
    let _: &Auth = config.auth.as_ref().unwrap();
    let registry = Registry::new(bench.storage, &config).with_mirror(bench.mirror);
    let ask = |target: &str, password: Option<&str>| {
        let headers = password.map(|password| {
            use base64::Engine;
            let login = base64::engine::general_purpose::STANDARD.encode(format!("ann:{password}"));
            ("Authorization".to_owned(), format!("Basic {login}").into_bytes())
        });
        let mut body = Vec::new();
        let request = Request::new(Get, target, headers.into_iter().collect(), &mut body);
        registry.handle(request).0.status
    };
    let layer = digest(LAYER);
    for target in
        ["/v2/up/a/manifests/v1", "/v2/a/manifests/v1?ns=up.example", &format!("/v2/up/a/blobs/{layer}")]
    {
        assert_eq!((ask(target, None), ask(target, Some("pw"))), (401, 200), "{target}");
    }
    assert_eq!(bench.upstream.take_lines(), [""; 0]);
    assert_eq!(ask(&format!("/v2/up/b/blobs/{layer}"), None), 404);
    assert_eq!(bench.upstream.take_lines(), [format!("HEAD /v2/b/blobs/{layer}")]);
}

#[test]
fn a_login_is_remembered() {
    let bench = Bench::of(Server::start(closed), r#", "username": "ann", "password": "pw""#);
    bench.push_image("a", "v1", LAYER);
    bench.pull(LAYER);
    let asked = bench.upstream.take_asked();
    let lines: Vec<&str> = asked.iter().map(|asked| asked.line.split(['?', ':']).next().unwrap()).collect();
    let blob = "GET /v2/a/blobs/sha256";
    assert_eq!(lines, ["GET /v2/a/manifests/v1", "GET /token", "GET /v2/a/manifests/v1", blob, blob]);
    let schemes: Vec<_> = asked
        .iter()
        .map(|asked| asked.header("authorization").map(|value| value.split(' ').next().unwrap()))
        .collect();
    assert_eq!(schemes, [None, Some("Basic"), Some("Bearer"), Some("Bearer"), Some("Bearer")]);

    let wrong = Bench::of(bench.upstream.clone(), r#", "username": "ann", "password": "wrong""#);
    assert_eq!(wrong.get("/v2/up/a/manifests/v1").status, 404);
    assert_eq!(bench.upstream.take_lines().len(), 2);
}

/// A redirect to another server is followed, and that one gets no login.
#[test]
fn a_redirect_is_followed_without_the_login() {
    let bench = Bench::of(Server::start(closed), r#", "username": "ann", "password": "pw""#);
    bench.push_image("a", "v1", LAYER);
    let cdn = Server::start(open);
    cdn.act(|_| Some([b"HTTP/1.1 200 X\r\nContent-Length: 19\r\n\r\n", LAYER].concat()));
    let (target, address) = (format!("/v2/up/a/blobs/{}", digest(LAYER)), cdn.address);
    bench.upstream.act(move |asked| {
        let is_blob = asked.line.contains("/blobs/") && asked.header("authorization").is_some();
        is_blob.then(|| format!("HTTP/1.1 307 X\r\nLocation: http://{address}/x?sig=1\r\n\r\n").into_bytes())
    });
    assert_eq!(bench.get(&target).body, LAYER);
    let asked = cdn.take_asked();
    assert_eq!(
        (asked.len(), asked[0].line.as_str(), asked[0].header("authorization")),
        (1, "GET /x?sig=1", None)
    );
    assert!(bench.has(LAYER));
}

/// A body that breaks off is continued where it broke off, and the client does not notice.
#[test]
fn a_blob_that_breaks_off_is_continued() {
    let bench = Bench::new("");
    bench.push_image("a", "v1", LAYER);
    let times = Arc::new(AtomicUsize::new(0));
    bench.upstream.act(move |asked| {
        let is_first = asked.line.contains("/blobs/") && times.fetch_add(1, Ordering::Relaxed) == 0;
        is_first.then(|| [b"HTTP/1.1 200 X\r\nContent-Length: 19\r\n\r\n", &LAYER[..5]].concat())
    });
    let got = bench.get(&format!("/v2/up/a/blobs/{}", digest(LAYER)));
    assert!(got.body == LAYER && got.cut.is_none(), "{:?}", got.cut);
    assert_eq!(bench.upstream.take_asked()[1].header("range"), Some("bytes=5-"));
    assert!(bench.has(LAYER));
}
