//! The entry points for bad input, and the invariants that must hold. The property tests and the fuzz targets share
//! them: both make bytes, and the bytes decide on requests.

use std::time::Duration;

use lighter::auth::token::{Claims, ResourceActions, TokenKey};
use lighter::auth::{Auth, Backend, Passwords, Rules, basic};
use lighter::config::Config;
use lighter::endpoint::Resource;
use lighter::http::query::{decode, encode};
use lighter::http::range::{ByteRange, Chunk};
use lighter::http::{Body, Method, Query, Request};
use lighter::manifest::{Manifest, index_entries, media_type_of};
use lighter::media_type::UNKNOWN;
use lighter::name::{Name, is_tag};
use lighter::referrer::Referrer;
use lighter::registry::Registry;
use lighter::route::Route;
use lighter::upload_state::Secret;
use lighter_hash::Digest;
use lighter_storage::{Memory, Stream};

const REQUESTS_MAX: usize = 24;

/// Parts that requests are made of, besides any text: what is nearly right goes deeper than noise.
const PARTS: [&str; 63] = [
    "/v2/",
    "/ui/",
    "/delete",
    "a",
    "a/b",
    "/blobs/",
    "/blobs/uploads/",
    "/manifests/",
    "/tags/list",
    "/referrers/",
    "_catalog",
    "_lighter/check?",
    "_lighter/usage?",
    "_lighter/uploads?",
    "remove",
    "seconds=",
    "0.0.0.0,",
    "r,a,",
    ",",
    "v1",
    "sha256:",
    "sha512:",
    HELLO,
    EMPTY,
    "..",
    "/../",
    "%2e%2e",
    "%2f",
    "%00",
    "%",
    "?",
    "&",
    "=",
    "digest=",
    "mount=",
    "from=",
    "_state=",
    "n=",
    "last=",
    "tag=",
    "artifactType=",
    "0",
    "18446744073709551615",
    "-",
    "bytes=",
    "bytes ",
    "/*",
    "\u{202e}",
    "ä",
    "\0",
    " ",
    "\\",
    "_uploads",
    "link",
    "/token",
    "scope=",
    "service=lighter",
    "repository:",
    "registry:catalog:*",
    ":pull,push",
    "Bearer ",
    "Basic ",
    "Og==",
];
const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const HEADERS: [&str; 12] = [
    "Content-Range",
    "Content-Length",
    "Content-Type",
    "Range",
    "If-Range",
    "If-None-Match",
    "Accept",
    "Host",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "Forwarded",
    "Authorization",
];

const BODIES: [&str; 9] = [
    "hello",
    "",
    "{}",
    r#"{"schemaVersion":2,"config":{"digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}}"#,
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"subject":{"digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},"annotations":{"a":1}}"#,
    r#"{"schemaVersion":2,"mediaType":"a\r\nX: y","manifests":[[[{}]]]}"#,
    "grant_type=password&username=ann&password=pass&scope=repository:a:*+registry:catalog:*",
    "grant_type=password&username=%00&password=%ff&scope=repository:%0d%0a:pull",
    "grant_type=refresh_token&refresh_token=x",
];

/// Ann, whose password is `pass`.
const USERS: &str = "ann:$2y$04$KBEVYEW/IQWzCPDyv/XkmeYLUbIvvXyC0lr7EAYtMhIPkfHIz1IWG";
const ANN: &str = "Basic YW5uOnBhc3M=";

/// Invalid credentials.
const CREDENTIALS: [&str; 8] = [
    "Basic Og==",
    "Basic YW5uOng=",
    "Basic",
    "Bearer ",
    "Bearer a.b.c",
    "Basic AAAA",
    "Negotiate x",
    "basic /w==",
];

/// Bytes that decide.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte().unwrap_or(0)).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte().unwrap_or(0)) % choices.len()]
    }

    /// A text of parts, or any.
    fn text(&mut self) -> String {
        match self.byte().unwrap_or(0) {
            255 => String::from_utf8_lossy(self.bytes()).into_owned(),
            parts => (0..parts % 8).map(|_| self.of(&PARTS)).collect(),
        }
    }

    /// A request, mostly for something that there is. Also returns whether it has valid credentials.
    fn request<'b>(&mut self, locations: &[String], body: &'b mut Broken) -> Option<(Request<'b>, bool)> {
        let method = match self.byte()? % 8 {
            0 | 1 => Method::Get,
            2 => Method::Head,
            3 => Method::Post,
            4 => Method::Put,
            5 => Method::Patch,
            6 => Method::Delete,
            _ => Method::Other(self.text()),
        };
        let target = match self.byte()? % 10 {
            8 => format!("/token?scope=repository:{}:{}", self.text(), self.text()),
            9 => "/token".to_owned(),
            0 => self.text(),
            1 => format!("/v2/{}/blobs/uploads/{}", self.text(), self.text()),
            2 => format!("/v2/a/blobs/{HELLO}"),
            3 => format!("/v2/a/manifests/{}", self.text()),
            4 => "/v2/a/blobs/uploads/".to_owned(),
            5 => format!("/v2/a/blobs/uploads/?digest={HELLO}"),
            _ if locations.is_empty() => "/v2/_catalog".to_owned(),
            _ => {
                let location = &locations[usize::from(self.byte()?) % locations.len()];
                let joint = if location.contains('?') { "&digest=" } else { "?digest=" };
                [location.as_str(), joint, self.of(&[HELLO, EMPTY, "x"])].concat()
            }
        };
        let mut headers = Vec::new();
        for _ in 0..self.byte()? % 4 {
            let value = if self.byte()? < 200 { self.text().into_bytes() } else { self.bytes().to_vec() };
            headers.push((self.of(&HEADERS).to_owned(), value));
        }
        let credentials = match self.byte()? {
            0..100 => Some(if self.byte()? < 128 { ANN.to_owned() } else { token() }),
            100..150 => Some(self.of(&CREDENTIALS).to_owned()),
            150..200 => Some(self.of(&["Bearer ", "Basic "]).to_owned() + &self.text()),
            _ => None,
        };
        headers.extend(credentials.map(|value| ("Authorization".to_owned(), value.into_bytes())));
        let is_of_ann = |value: &str| value.contains(&ANN["Basic ".len()..]) || value == token();
        let known = headers.iter().any(|(_, value)| is_of_ann(&String::from_utf8_lossy(value)));
        let content = if self.byte()? < 200 { self.of(&BODIES).as_bytes() } else { self.bytes() };
        let broken = self.byte()? == 255;
        *body = Broken { content: content.to_vec(), broken };
        Some((Request::new(method, &target, headers, body), known))
    }
}

/// A token for a repository that never expires.
fn token() -> String {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let access =
        ResourceActions { kind: "repository".into(), name: "a".into(), actions: names(&["pull", "push"]) };
    let claims = Claims {
        iss: "lighter".into(),
        sub: "ann".into(),
        aud: names(&["lighter"]),
        exp: u64::MAX,
        nbf: 0,
        iat: 0,
        jti: String::new(),
        access: vec![access],
    };
    format!("Bearer {}", TokenKey::new(b"secret").sign(&claims))
}

/// Access control under which anonymous callers may only pull.
fn auth() -> Auth {
    let rules =
        r#"{"admin": ["user:ann"], "repositories": {"*": {"anonymous": ["pull"], "user:ann": ["*"]}}}"#;
    Auth {
        service: "lighter".into(),
        issuer: "lighter".into(),
        realm: None,
        basic_realm: "Lighter".into(),
        patience: Duration::ZERO,
        backend: Backend::Rules(
            Passwords::parse(USERS, &mut Vec::new()).expect("users"),
            Rules::parse(rules).expect("rules"),
        ),
    }
}

/// A body that may break off.
#[derive(Default)]
struct Broken {
    content: Vec<u8>,
    broken: bool,
}

impl Stream for Broken {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        match self.content.next()? {
            None if self.broken => Err("the client has gone".to_owned()),
            next => Ok(next),
        }
    }
}

/// Sends the requests that some bytes decide on to one registry, one after the other.
pub(crate) fn session(data: &[u8]) {
    let mut input = Input(data);
    let controlled = input.byte().is_some_and(|byte| byte % 2 == 1);
    let storage = Memory::default();
    let config = Config {
        http_secret: Some("secret".to_owned()),
        auth: controlled.then(auth),
        commands: true,
        ..Config::default()
    };
    let registry = Registry::new(&storage, &config);
    let mut locations = Vec::new();
    for _ in 0..REQUESTS_MAX {
        let mut body = Broken::default();
        let Some((request, known)) = input.request(&locations, &mut body) else { break };
        let line = format!("{} {}", request.method, request.path);
        let (mut response, entry) = registry.handle(request);
        assert!((200..500).contains(&response.status), "{line}: {} {:?}", response.status, entry.error);
        assert!(
            known || !controlled || !matches!(response.status, 201 | 202 | 204),
            "{line}: nobody did that"
        );
        for (name, value) in &response.headers {
            let safe = value.bytes().all(|b| (b' '..=b'~').contains(&b));
            assert!(safe, "{line}: {name}: {value:?} is no header");
        }
        if let Body::Bytes(body) = &response.body
            && response.status >= 400
        {
            if response.header("Content-Type") == Some("text/html; charset=utf-8") {
                let page = core::str::from_utf8(body).expect("text");
                assert!(page.contains("<h1>") && page.ends_with("</html>"), "{line}: {page}");
                continue;
            }
            let envelope: serde_json::Value = serde_json::from_slice(body).expect("an envelope of JSON");
            assert!(envelope["errors"][0]["code"].is_string(), "{line}: {envelope}");
        }
        if let Body::Content(content, length) = &mut response.body {
            let sent = content.next().expect("content in memory").unwrap_or_default();
            assert_eq!(sent.len() as u64, *length, "{line}");
        }
        if let Some(location) = response.header("Location") {
            locations.push(location.to_owned());
        }
    }
    for key in storage.keys() {
        assert!(is_key(&key), "{key:?} is stored");
    }
}

/// Whether a key is valid by `wit/types.wit`, and begins as Lighter's keys do.
fn is_key(key: &str) -> bool {
    let ours = key.starts_with("docker/registry/v2/") || key.starts_with("lighter/");
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let segment = |s: &str| !matches!(s, "" | "." | "..") && s.bytes().all(allowed);
    ours && key.split('/').all(segment)
}

/// Gives a text to everything that reads texts.
pub(crate) fn texts(text: &str) {
    if let Some((resource, Route { name: Some(name), last })) = Resource::<Memory>::find(text) {
        let written = resource.path.write(name, last);
        assert_eq!(text.trim_end_matches('/'), written.trim_end_matches('/'));
    }
    if let Ok(name) = Name::parse(text) {
        assert!(is_key(&format!("lighter/{name}")) && name.as_str().len() <= 255, "{text:?} is a name");
    }
    if is_tag(text) {
        assert!(is_key(&format!("lighter/{text}")), "{text:?} is a tag");
    }
    if let Ok(digest) = Digest::parse(text) {
        assert!(digest.hex().bytes().all(|b| b.is_ascii_hexdigit()) && digest.as_str() == text);
    }
    if let Some(chunk) = Chunk::parse(text) {
        assert!(chunk.first <= chunk.last && chunk.length() > 0);
    }
    for size in [0, 1, 10, u64::MAX] {
        if let ByteRange::Part { offset, length } = ByteRange::parse(Some(text), size) {
            assert!(
                length > 0 && offset.checked_add(length).is_some_and(|end| end <= size),
                "{text:?} of {size}"
            );
        }
    }
    assert!(Secret::new(b"secret").open(text).is_err(), "{text:?} is signed");
    assert!(TokenKey::new(b"secret").verify(text, "lighter", "lighter", 1).is_err(), "{text:?} is a token");
    for read in
        [Rules::parse(text).err(), Passwords::parse(text, &mut Vec::new()).err()].into_iter().flatten()
    {
        assert!(!read.is_empty());
    }
    let _ = basic(text);
    assert_eq!(decode(&encode(text)).as_deref(), Some(text));
    let _ = (decode(text), Query::parse(text));
}

/// Reads bytes as a manifest.
pub(crate) fn manifests(content: &[u8]) {
    let media_type = media_type_of(content);
    assert!(media_type.bytes().all(|b| (b' '..=b'~').contains(&b)), "{media_type:?} is no header");
    for content_type in [None, Some(media_type.as_str()), Some("application/vnd.oci.image.index.v1+json")] {
        if Manifest::parse(content, content_type).is_ok() {
            assert_ne!(media_type, UNKNOWN, "it would be served as nothing that it is");
        }
    }
    let _ = (Referrer::of(content), index_entries(content));
}
