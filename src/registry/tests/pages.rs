//! The pages over storage in memory: hostile images, the bounds and the cost of each page, and what deletes.

use super::*;
use crate::auth::{Auth, Backend, Passwords, Rules};
use crate::media_type::{OCI_INDEX, OCI_MANIFEST};
use core::time::Duration;
use serde_json::{Value, json};

const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// Every kind of text that could leave its place in a page.
const ATTACKS: [&str; 12] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)' x='",
    "</title></textarea></pre></style><script>alert(1)</script>",
    "javascript:alert(1)",
    "<a href=\"javascript:alert(1)\">here</a>",
    "<!--",
    "]]><svg/onload=alert(1)>",
    "&lt;script&gt;&#60;b&#62;",
    "\u{202e}txt.exe\u{2066}\u{200f}",
    "\0\u{1b}[31m\r\n\u{2028}",
    "<base href=https://evil.example/><meta http-equiv=refresh content=0;url=https://evil.example/>",
];

/// The tags and attributes that pages are made of. There is none that runs anything or loads from elsewhere.
const TAGS: &str = "html head meta title link body a header main h1 h2 form input button p ul ol li nav span bdi code \
                    section label time div table thead tbody tr th td dl dt dd details summary pre wbr";
const ATTRIBUTES: &str = "lang charset name content rel href class id tabindex role action for type maxlength \
                          placeholder value title datetime scope readonly aria-hidden aria-label method http-equiv open";

impl Bench {
    fn ask(&self, method: Method, target: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        let mut body = body.as_bytes().to_vec();
        let request = Request::new(method, target, headers.collect(), &mut body)
            .with_authority(Some("r.example.com".to_owned()));
        Registry::new(&self.storage, &self.config).handle(request).0
    }

    /// A page, which is checked for everything that holds for all of them.
    fn page(&self, target: &str) -> String {
        let response = self.ask(Get, target, &[], "");
        assert_eq!(response.status, 200, "{target}");
        check_headers(&response);
        let page = text(response);
        check_markup(&page);
        page
    }

    fn blob(&self, content: &[u8]) -> Value {
        let digest = Digest::of(Algorithm::Sha256, content);
        assert_eq!(self.send(Post, &format!("/v2/a/blobs/uploads/?digest={digest}"), content).status, 201);
        json!({ "digest": digest.as_str(), "size": content.len() })
    }

    /// Pushes a manifest and returns its descriptor.
    fn push(&self, reference: &str, manifest: &Value) -> Value {
        let content = manifest.to_string();
        let digest = Digest::of(Algorithm::Sha256, content.as_bytes());
        let reference = if reference.is_empty() { digest.as_str() } else { reference };
        let put = self.send(Put, &format!("/v2/a/manifests/{reference}"), content.as_bytes());
        let status = put.status;
        assert_eq!(status, 201, "{}", text(put));
        json!({ "digest": digest.as_str(), "size": content.len(), "mediaType": manifest["mediaType"] })
    }

    fn counts(&self, target: &str) -> [usize; 4] {
        self.storage.take_calls();
        self.page(target);
        let calls = self.storage.take_calls();
        assert!(calls.iter().all(|call| ["list", "get", "stat", "read"].contains(call)), "{calls:?}");
        ["list", "get", "stat", "read"].map(|name| calls.iter().filter(|call| **call == name).count())
    }
}

fn text(response: Response) -> String {
    match response.body {
        Body::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
        Body::Empty => String::new(),
        Body::Content(..) => panic!("a page is in memory"),
    }
}

fn check_headers(response: &Response) {
    for (name, value) in [
        ("Content-Type", "text/html; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "same-origin"),
    ] {
        assert_eq!(response.header(name), Some(value));
    }
    let policy = response.header("Content-Security-Policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none';") && policy.ends_with("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
}

/// Reads a page as a browser does, and fails where it has a tag or an attribute that is not one of ours, a link to
/// elsewhere, or a tag that is not closed.
fn check_markup(page: &str) {
    let tags: Vec<&str> = TAGS.split_whitespace().collect();
    let attributes: Vec<&str> = ATTRIBUTES.split_whitespace().collect();
    let mut open = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "a > outside of tags: {}", &rest[..at]);
        rest = &rest[at + 1..];
        let name_end = rest.find([' ', '>']).unwrap();
        let name = &rest[..name_end];
        rest = &rest[name_end..];
        assert!(tags.contains(&name.trim_start_matches('/')), "<{name}");
        loop {
            rest = rest.trim_start_matches(' ');
            if let Some(after) = rest.strip_prefix('>') {
                rest = after;
                break;
            }
            let end = rest.find(['=', '>', ' ']).unwrap();
            let attribute = &rest[..end];
            assert!(attributes.contains(&attribute), "<{name} {attribute}");
            rest = &rest[end..];
            let Some(after) = rest.strip_prefix("=\"") else { continue };
            let (value, after) = after.split_once('"').unwrap();
            assert!(!value.contains(['<', '>']), "<{name} {attribute}={value}");
            if ["href", "action"].contains(&attribute) {
                assert!(value.starts_with("/ui/") || value == "#main", "<{name} {attribute}={value}");
            }
            rest = after;
        }
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "</{name}>"),
            None if ["meta", "link", "input", "wbr"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, [""; 0]);
    for character in ['\0', '\u{1b}', '\r', '\u{202e}', '\u{2066}', '\u{200f}', '\u{2028}'] {
        assert!(!page.contains(character), "{character:?}");
    }
}

/// A config, an image, an index, an artifact and a referrer, all of whose texts are one attack.
fn hostile(bench: &Bench, attack: &str) -> Vec<String> {
    let mut map = serde_json::Map::new();
    for name in [attack, "org.opencontainers.image.title", "org.opencontainers.image.created", "b"] {
        map.insert(name.to_owned(), json!(attack));
    }
    let map = Value::Object(map);
    let config = json!({
        "created": attack, "author": attack, "architecture": attack, "os": attack, "variant": attack,
        "config": {
            "Entrypoint": [attack], "Cmd": attack, "WorkingDir": attack, "User": attack, "StopSignal": attack,
            "Env": [attack, attack], "Labels": map, "ExposedPorts": { attack: {} }, "Volumes": { attack: {} },
            "Healthcheck": { "Test": [attack] },
        },
        "history": [{ "created_by": attack }, { "comment": attack, "empty_layer": true }, attack],
    });
    let mut config = bench.blob(config.to_string().as_bytes());
    config["mediaType"] = json!(CONFIG_TYPE);
    let mut layer = bench.blob(json!({ attack: attack }).to_string().as_bytes());
    layer["mediaType"] = json!(format!("{attack}+json"));
    layer["annotations"] = map.clone();
    let image = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer, layer], "annotations": map,
    });
    let mut entry = bench.push("image", &image);
    entry["platform"] = json!({ "architecture": attack, "os": attack, "variant": attack });
    entry["annotations"] = json!({ "vnd.docker.reference.digest": attack });
    let mut attestation = entry.clone();
    attestation["platform"] = json!({ "architecture": "unknown", "os": "unknown" });
    let index = json!({
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry, attestation], "annotations": map,
    });
    bench.push("index", &index);
    let referrer = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": attack, "config": layer, "layers": [layer],
        "subject": entry, "annotations": map,
    });
    let referrer = bench.push("artifact", &referrer);
    let pages = ["/ui/", "/ui/a", "/ui/a:image", "/ui/a:index", "/ui/a:artifact", "/ui/a:image/delete"];
    let mut pages = pages.map(str::to_owned).to_vec();
    pages.push(format!("/ui/a@{}", referrer["digest"].as_str().unwrap()));
    pages.push(format!("/ui/a@{}", layer["digest"].as_str().unwrap()));
    pages.push(format!("/ui/a@{}", entry["digest"].as_str().unwrap()));
    let attack = crate::http::query::encode(attack);
    pages.extend(["q", "in", "last", "from", "page"].map(|name| format!("/ui/?{name}={attack}")));
    pages.extend(["q", "from", "page", "deleted"].map(|name| format!("/ui/a?{name}={attack}")));
    pages
}

#[test]
fn no_text_of_an_image_becomes_a_part_of_a_page() {
    for attack in ATTACKS {
        let bench = Bench::new();
        let pages = hostile(&bench, attack);
        for target in &pages {
            bench.page(target);
        }
        // The texts are there all the same.
        let shown = bench.page("/ui/a:image");
        assert!(shown.matches("alert(1)").count() > 10 || !attack.contains("alert(1)"), "{attack}");
        let refused = bench.ask(Get, &format!("/ui/{}", crate::http::query::encode(attack)), &[], "");
        assert!((400..500).contains(&refused.status));
        if refused.header("Content-Type") != Some("application/json") {
            check_headers(&refused);
            check_markup(&text(refused));
        }
    }
}

#[test]
fn a_text_of_a_megabyte_is_cut() {
    for attack in ["a", "<", "\u{202e}", "\""] {
        let bench = Bench::new();
        for target in hostile(&bench, &attack.repeat(70_000 / attack.len())) {
            if !target.contains('=') {
                let page = bench.page(&target);
                assert!(page.len() < 1_000_000, "{target}: {}", page.len());
            }
        }
    }
}

/// A browser must not take a manifest for a page: it comes from the same origin as the pages.
#[test]
fn a_manifest_cannot_pass_for_a_page() {
    let bench = Bench::new();
    for media_type in ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml"] {
        let manifest = json!({ "mediaType": media_type, "x": "<script>alert(1)</script>" }).to_string();
        assert_eq!(bench.send(Put, "/v2/a/manifests/v1", manifest.as_bytes()).status, 201);
        let pulled = bench.send(Get, "/v2/a/manifests/v1", b"");
        assert_eq!(pulled.header("Content-Type"), Some(media_type));
        assert_eq!(pulled.header("Content-Security-Policy"), Some("default-src 'none'; sandbox"));
        assert_eq!(pulled.header("X-Content-Type-Options"), Some("nosniff"));
        bench.page("/ui/a:v1");
        bench.page("/ui/a");
    }
    let image = with_image().send(Get, "/v2/a/manifests/v1", b"");
    assert_eq!(image.header("Content-Security-Policy"), None);
}

#[test]
fn a_page_makes_so_many_storage_calls() {
    let bench = with_image();
    let image = Digest::of(Algorithm::Sha256, manifest().as_bytes());
    for (target, calls) in [
        ("/ui/", "list list"),
        // The tags, one tag, its manifest, and its config if the manifest says that it is one; uploads.
        ("/ui/a", "list get get stat read list"),
        // The manifest, the config, referrers by both algorithms, the fallback tag, the tags of cosign, other tags.
        ("/ui/a:v1", "get get stat read get stat list list get get get get list get"),
        ("/ui/_style.css", ""),
        ("/ui/_icon.svg", ""),
        ("/ui/_login", ""),
        ("/ui/a:v1/delete", "get"),
        ("/", ""),
    ] {
        let cost = bench.cost(Get, target, b"");
        assert!(cost.0 < 400 && cost.1 == calls, "{target}: {cost:?}");
    }
    let (status, calls) = bench.cost(Get, &format!("/ui/a@{image}/delete"), b"");
    assert_eq!((status, calls.as_str()), (200, "get list get list"));
    let layer = Digest::of(Algorithm::Sha256, LAYER);
    // No such manifest, so a blob.
    assert_eq!(bench.cost(Get, &format!("/ui/a@{layer}"), b""), (200, "get get stat read".to_owned()));
}

/// The cost of a page is bounded, however many tags, entries or referrers there are.
#[test]
fn a_page_is_bounded() {
    let bench = Bench::new();
    let mut config = bench.blob(b"{\"os\":\"linux\",\"architecture\":\"amd64\"}");
    config["mediaType"] = json!(CONFIG_TYPE);
    let image = |n: usize| json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [], "annotations": { "n": n.to_string() } });
    let entries: Vec<Value> = (0..500)
        .map(|n| {
            let mut entry = bench.push("", &image(n));
            entry["platform"] = json!({ "os": "linux", "architecture": format!("a{n}") });
            entry
        })
        .collect();
    bench.push("index", &json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries }));
    for n in 0..20_000 {
        let key = format!("docker/registry/v2/repositories/a/_manifests/tags/t{n:05}/current/link");
        let digest = entries[n % 500]["digest"].as_str().unwrap();
        bench.storage.set(&key, digest.as_bytes()).unwrap();
    }
    // 50 tags with four calls each, 40 configs with three, and the uploads.
    let [list, get, stat, read] = bench.counts("/ui/a?page=2");
    assert_eq!([list, get, stat, read], [2, 100 + 40, 50 + 40, 50 + 40]);
    let page = bench.page("/ui/a?page=2");
    assert_eq!(page.matches("<li>").count(), 50);
    assert!(page.contains("among 10,000 names; there are more"), "{page}");
    assert!(bench.page("/ui/a?page=200").contains("More tags"), "the last page of the first 10,000");
    assert!(bench.counts("/ui/a?from=t10000&q=t1999").iter().sum::<usize>() < 50 * 4 + 40 * 3 + 3);
    // An index: 50 entries with three calls each, and 100 tags that could name it.
    let [list, get, stat, read] = bench.counts("/ui/a:index");
    assert_eq!([list, get, stat, read], [3, 2 + 50 + 4 + 100, 51, 51]);
    assert!(bench.page("/ui/a:index?page=10").contains("linux/a499"));
    let subject = bench.push("subject", &image(1000));
    for n in 0..120 {
        let mut referrer = image(n);
        referrer["subject"] = subject.clone();
        bench.push("", &referrer);
    }
    let [.., read] = bench.counts("/ui/a:subject");
    assert!(read <= 2 + 50, "{read}");
    assert!(bench.page("/ui/a:subject").contains("<li>and more</li>"));
    let repositories = |target: &str| bench.counts(target).iter().sum::<usize>();
    for n in 0..3000 {
        let key = format!("docker/registry/v2/repositories/r{n:05}/_manifests/tags/v1/current/link");
        bench.storage.set(&key, b"sha256:").unwrap();
    }
    assert!(repositories("/ui/") <= 105);
    assert!(repositories("/ui/?q=nothing") <= 1200, "{}", repositories("/ui/?q=nothing"));
    assert!(bench.page("/ui/?q=nothing").contains("Search on"));
    assert_eq!(bench.page("/ui/?q=r02999&last=r02000").matches("class=\"repository\"").count(), 1);
}

#[test]
fn a_huge_config_or_manifest_is_read_within_bounds() {
    let bench = Bench::new();
    let many = |n: usize| {
        let object: Value =
            (0..n).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
        object
    };
    let list: Vec<Value> = (0..60_000).map(|n| json!({ "created_by": format!("RUN {n}") })).collect();
    for inner in [
        json!({ "history": list }),
        json!({ "config": { "Labels": many(100_000), "Env": vec!["A=b"; 100_000] } }),
        json!({ "config": { "Cmd": ["x".repeat(3_000_000)] } }),
        json!({ "history": "[".repeat(3_000_000) }),
    ] {
        let mut config = bench.blob(inner.to_string().as_bytes());
        config["mediaType"] = json!(CONFIG_TYPE);
        let image = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [], "annotations": many(100_000) });
        bench.push("v1", &image);
        let page = bench.page("/ui/a:v1");
        assert!(page.len() < 1_000_000, "{}", page.len());
        bench.page("/ui/a");
    }
    assert!(bench.page("/ui/a").contains("Unread"), "a large manifest is not read for a row");
}

#[test]
fn repositories_are_a_tree() {
    let bench = Bench::new();
    for name in ["a", "a/b", "a/c/d", "a-b", "z/y/x"] {
        let key = format!("docker/registry/v2/repositories/{name}/_manifests/tags/v1/current/link");
        bench.storage.set(&key, b"sha256:").unwrap();
    }
    let tree = |target: &str| {
        let page = bench.page(target);
        let start = page.find("<ul class=\"tree\">").unwrap();
        let tree = &page[start..page.find("<p class=\"actions\">").unwrap()];
        let links = tree.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        links.collect::<Vec<_>>()
    };
    assert_eq!(
        tree("/ui/"),
        [
            "/ui/a",
            "/ui/a/b",
            "/ui/?in=a%2Fc",
            "/ui/a/c/d",
            "/ui/a-b",
            "/ui/?in=z",
            "/ui/?in=z%2Fy",
            "/ui/z/y/x"
        ]
    );
    assert_eq!(tree("/ui/?in=a"), ["/ui/a", "/ui/a/b", "/ui/?in=a%2Fc", "/ui/a/c/d"]);
    assert_eq!(tree("/ui/?q=C"), ["/ui/?in=a", "/ui/?in=a%2Fc", "/ui/a/c/d"]);
    assert!(bench.page("/ui/?q=nothing").contains("No repository fits."));
    assert!(Bench::new().page("/ui/").contains("nothing here yet"));
}

#[test]
fn only_browsers_are_led_to_the_pages() {
    let mut bench = with_image();
    let plain = bench.ask(Get, "/", &[("Accept", "*/*")], "");
    assert_eq!((plain.status, plain.body.length()), (200, 0));
    let accept = [("Accept", "text/html,application/xhtml+xml")];
    let led = bench.ask(Get, "/", &accept, "");
    assert_eq!((led.status, text(led).contains("url=/ui/")), (200, true));
    bench.config.pages = false;
    let plain = bench.ask(Get, "/", &accept, "");
    assert_eq!((plain.status, plain.body.length()), (200, 0));
    for target in ["/ui/", "/ui/a", "/ui/a:v1", "/ui/_style.css", "/ui/a:v1/delete"] {
        let refused = bench.ask(Get, target, &accept, "");
        assert_eq!(
            (refused.status, refused.header("Content-Type")),
            (404, Some("application/json")),
            "{target}"
        );
    }
    bench.config.pages = true;
    bench.config.prefix = "/p".to_owned();
    let page = text(bench.ask(Get, "/p/ui/a:v1", &[], ""));
    assert!(page.contains("href=\"/p/ui/_style.css\"") && page.contains("oras pull r.example.com/a:v1"));
    assert!(!page.contains("\"/ui/"), "{page}");
}

/// The fields of the form on a page.
fn form(page: &str) -> String {
    let fields = page.split("<input type=\"hidden\" name=\"").skip(1).map(|rest| {
        let (name, rest) = rest.split_once("\" value=\"").unwrap();
        format!("{name}={}", crate::http::query::encode(rest.split('"').next().unwrap()))
    });
    fields.collect::<Vec<_>>().join("&")
}

#[test]
fn only_the_own_form_deletes() {
    let bench = with_image();
    bench.send(Put, "/v2/a/manifests/v2", manifest().as_bytes());
    let target = "/ui/a:v1/delete";
    let good = form(&bench.page(target));
    let of_other = form(&bench.page("/ui/a:v2/delete"));
    let here = ("Sec-Fetch-Site", "same-origin");
    let touched = good.replace("until=1", "until=2");
    for (what, headers, body, status) in [
        ("no form", &[here][..], "", 403),
        ("another tag's form", &[here], &*of_other, 403),
        ("a longer life", &[here], &*touched, 403),
        ("a signature that is cut", &[here], &good[..good.len() - 4], 403),
        ("sent from elsewhere", &[("Sec-Fetch-Site", "cross-site")], &*good, 403),
        ("sent from a neighbour", &[("Sec-Fetch-Site", "same-site")], &*good, 403),
        ("an older browser, elsewhere", &[("Origin", "https://evil.example")], &*good, 403),
        ("a frame without origin", &[("Origin", "null")], &*good, 403),
        ("too long", &[here], &*"x".repeat(5000), 413),
    ] {
        let refused = bench.ask(Post, target, headers, body);
        assert_eq!(refused.status, status, "{what}");
        check_headers(&refused);
        check_markup(&text(refused));
    }
    assert_eq!(bench.send(Get, "/v2/a/manifests/v1", b"").status, 200);
    let deleted = bench.ask(Post, target, &[("Origin", "https://r.example.com")], &good);
    assert_eq!((deleted.status, deleted.header("Location")), (303, Some("/ui/a?deleted=1")));
    assert_eq!(bench.send(Get, "/v2/a/manifests/v1", b"").status, 404);
    assert_eq!(bench.send(Get, "/v2/a/manifests/v2", b"").status, 200);
    assert_eq!(bench.ask(Post, target, &[here], &good).status, 404);
    // A manifest goes with its tags.
    let target = format!("/ui/a@{}/delete", Digest::of(Algorithm::Sha256, manifest().as_bytes()));
    let page = bench.page(&target);
    assert!(page.contains("<li>v2</li>"), "{page}");
    assert_eq!(bench.ask(Post, &target, &[here], &form(&page)).status, 303);
    assert_eq!(bench.send(Get, "/v2/a/manifests/v2", b"").status, 404);
}

#[test]
fn a_tag_that_has_moved_is_not_deleted() {
    let bench = with_image();
    let form = form(&bench.page("/ui/a:v1/delete"));
    let moved = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] });
    bench.push("v1", &moved);
    let refused = bench.ask(Post, "/ui/a:v1/delete", &[], &form);
    assert_eq!(refused.status, 409);
    assert_eq!(bench.send(Get, "/v2/a/manifests/v1", b"").status, 200);
}

#[test]
fn where_nothing_may_be_deleted_there_is_no_form() {
    for (delete, read_only) in [(false, false), (true, true)] {
        let mut bench = with_image();
        let form = form(&bench.page("/ui/a:v1/delete"));
        (bench.config.delete, bench.config.read_only) = (delete, read_only);
        assert!(!bench.page("/ui/a:v1").contains("Delete this"));
        assert_eq!(bench.ask(Get, "/ui/a:v1/delete", &[], "").status, 405);
        assert_eq!(bench.ask(Post, "/ui/a:v1/delete", &[], &form).status, 405);
        assert_eq!(bench.send(Get, "/v2/a/manifests/v1", b"").status, 200);
    }
}

/// `ann` and `bob`, with the password `pass`.
fn users() -> Passwords {
    let hash = bcrypt::hash_with_salt("pass", 4, [7; 16]).unwrap().format_for_version(bcrypt::Version::TwoB);
    Passwords::parse(&format!("ann:{hash}\nbob:{hash}\n"), &mut Vec::new()).unwrap()
}

const RULES: &str = r#"{"catalog":["authenticated"],"repositories":{
    "a": {"user:ann":["*"],"user:bob":["pull"]}, "public/*": {"anonymous":["pull"]}, "secret": {"user:ann":["pull"]}}}"#;
const ANN: (&str, &str) = ("Authorization", "Basic YW5uOnBhc3M=");
const BOB: (&str, &str) = ("Authorization", "Basic Ym9iOnBhc3M=");

#[test]
fn a_page_shows_what_its_caller_may_pull() {
    let mut bench = with_image();
    for name in ["public/b", "secret"] {
        let key = format!("docker/registry/v2/repositories/{name}/_manifests/tags/v1/current/link");
        bench.storage.set(&key, b"sha256:").unwrap();
    }
    let backend = Backend::Rules(users(), Rules::parse(RULES).unwrap());
    bench.config.auth = Some(Auth {
        service: "lighter".into(),
        issuer: "lighter".into(),
        realm: None,
        basic_realm: "Here".into(),
        patience: Duration::ZERO,
        backend,
    });
    let status = |target: &str, headers: &[_]| bench.ask(Get, target, headers, "").status;
    for target in ["/ui/", "/ui/a", "/ui/a:v1", "/ui/none", "/ui/_login", "/ui/a:v1/delete"] {
        let refused = bench.ask(Get, target, &[], "");
        assert_eq!((refused.status, refused.header("WWW-Authenticate")), (401, Some("Basic realm=\"Here\"")));
        check_headers(&refused);
        check_markup(&text(refused));
        let wrong = bench.ask(Get, target, &[("Authorization", "Basic YW5uOngK")], "");
        assert_eq!((wrong.status, wrong.header("WWW-Authenticate")), (401, Some("Basic realm=\"Here\"")));
    }
    // The clients of the API are asked for a token as before.
    let api = bench.ask(Get, "/v2/a/tags/list", &[], "");
    assert!(api.header("WWW-Authenticate").unwrap().starts_with("Bearer realm="));
    assert_eq!(status("/ui/public/b", &[]), 200);
    assert_eq!((status("/ui/_style.css", &[]), status("/ui/_icon.svg", &[])), (200, 200));
    assert_eq!((status("/ui/secret", &[BOB]), status("/ui/none", &[BOB])), (403, 403));
    assert_eq!(status("/ui/_login", &[BOB]), 303);
    let list = text(bench.ask(Get, "/ui/?q=", &[BOB], ""));
    assert!(list.contains("/ui/a\"") && list.contains("/ui/public/b") && !list.contains("secret"), "{list}");
    assert!(list.contains("bob"), "{list}");
    assert!(!text(bench.ask(Get, "/ui/?in=secret", &[BOB], "")).contains("/ui/secret"));
    let page = text(bench.ask(Get, "/ui/public/b", &[], ""));
    assert!(page.contains("/ui/_login\">Log in"), "{page}");
    // Bob may not delete, not even with Ann's form.
    let theirs = text(bench.ask(Get, "/ui/a:v1", &[BOB], ""));
    assert!(!theirs.contains("Delete this"));
    assert_eq!(status("/ui/a:v1/delete", &[BOB]), 403);
    let form = form(&text(bench.ask(Get, "/ui/a:v1/delete", &[ANN], "")));
    assert_eq!(bench.ask(Post, "/ui/a:v1/delete", &[BOB], &form).status, 403);
    assert_eq!(bench.ask(Post, "/ui/a:v1/delete", &[], &form).status, 401);
    assert_eq!(bench.ask(Post, "/ui/a:v1/delete", &[ANN], &form).status, 303);
}
