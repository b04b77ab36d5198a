//! Upstreams: the registries that this one is a mirror of. No other server is ever asked, but for those that an upstream
//! redirects to, and its token service.
//!
//! ```json
//! {
//!   "docker.io": { "username": "ann", "password": "…", "ttl": "10m" },
//!   "ghcr.io": {},
//!   "corp": { "url": "https://registry.example.com", "namespace": "registry.example.com" }
//! }
//! ```
//!
//! A member's name is the beginning of the names of the repositories that come from it: `docker.io/library/alpine`. The
//! empty one is for all repositories that no other is for.

mod client;
mod login;
mod url;

use core::time::Duration;

use serde_json::Value;

pub use self::client::{Client, Failure, Question};
pub use self::url::Url;
use crate::duration;
use crate::http::query::decode;
use crate::name::Name;
use lighter_storage::Settings;

const UPSTREAMS: &str = "REGISTRY_PROXY_UPSTREAMS";
const UPSTREAMS_PATH: &str = "REGISTRY_PROXY_UPSTREAMS_PATH";
const REMOTE_URL: &str = "REGISTRY_PROXY_REMOTEURL";
const USERNAME: &str = "REGISTRY_PROXY_USERNAME";
const PASSWORD: &str = "REGISTRY_PROXY_PASSWORD";
const TTL: &str = "REGISTRY_PROXY_TTL";

/// The names of the variables of upstreams.
pub(crate) const NAMES: [&str; 6] = [UPSTREAMS, UPSTREAMS_PATH, REMOTE_URL, USERNAME, PASSWORD, TTL];

/// How long a tag is served without asking its upstream, unless that is configured.
const DEFAULT_TTL: Duration = Duration::from_secs(60);

/// How long to wait for an upstream, unless that is configured. docker waits 60 s for a manifest.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The most days that are configured, as in the rules of retention.
const MOST_DAYS: u64 = 1_000_000;

/// The longest that a pull leaves no trace after an earlier one, in seconds: a day.
const TRACED: u64 = 86_400;

/// The name of Docker Hub in references, and the host that answers for it.
const HUB: &str = "docker.io";
const HUB_HOST: &str = "registry-1.docker.io";

/// What the log says of a TTL that was set for distribution, where it has another meaning.
const TTL_NOTICE: &str = "REGISTRY_PROXY_TTL: a tag is served for so long without asking the upstream, and nothing is removed \
                          after it; distribution asks each time, and removes content after it";

/// A registry that repositories come from.
#[derive(Debug)]
pub struct Upstream {
    /// The beginning of the names of its repositories here, without a slash at its end; empty for all.
    pub prefix: String,
    /// What clients call it in the query parameter `ns`.
    pub namespace: String,
    /// Where it is.
    pub url: Url,
    /// The user and the password that it gets.
    credentials: Option<(String, String)>,
    /// How long a tag is served without asking.
    pub ttl: Duration,
    /// How long to wait for an answer, or the next bytes of one.
    timeout: Duration,
    /// For how many days what came from it is kept without a pull; for ever if there is no number.
    pub keep_days: Option<u64>,
    /// How many bytes its repositories may have, if that is limited.
    pub size: Option<u64>,
}

/// All upstreams.
#[derive(Debug)]
pub struct Upstreams(Vec<Upstream>);

/// Where a repository comes from.
#[derive(Debug)]
pub struct Origin<'a> {
    /// The upstream.
    pub upstream: &'a Upstream,
    /// The repository's name there.
    pub remote: String,
    /// The repository's name here.
    pub local: String,
}

impl Upstreams {
    /// All of them.
    pub fn all(&self) -> &[Upstream] {
        &self.0
    }

    /// Finds the origin of a repository, if it is mirrored. `namespace` is the `ns` that the client has sent.
    ///
    /// Docker Hub's short names are completed, so that `alpine` and `library/alpine` are one repository.
    pub fn find(&self, name: &str, namespace: Option<&str>) -> Option<Origin<'_>> {
        let (upstream, below) = match namespace {
            Some(namespace) => {
                let upstream = self.0.iter().find(|upstream| upstream.namespace == namespace)?;
                // A `Link` has the name of here, and a client may add its `ns` to that.
                (upstream, upstream.below(name).unwrap_or(name))
            }
            None => {
                let all = self.0.iter().filter_map(|upstream| Some((upstream, upstream.below(name)?)));
                all.max_by_key(|(upstream, _)| upstream.prefix.len())?
            }
        };
        let is_short = upstream.url.authority == HUB_HOST && !below.contains('/');
        let remote = if is_short { format!("library/{below}") } else { below.to_owned() };
        let slash = if upstream.prefix.is_empty() { "" } else { "/" };
        let local = [&upstream.prefix, slash, &remote].concat();
        Some(Origin { upstream, remote, local })
    }
}

impl Upstream {
    /// How long after a pull the next one leaves a trace, in seconds, if somebody reads these: a tenth of the days that
    /// content is kept for, and a day at most.
    pub fn traced(&self) -> Option<u64> {
        match self.keep_days {
            Some(days) => Some((days * 8640).min(TRACED)),
            None => self.size.map(|_| TRACED),
        }
    }

    /// The part of a repository's name that is the name at the upstream, if the repository is one of its own.
    fn below<'a>(&self, name: &'a str) -> Option<&'a str> {
        if self.prefix.is_empty() {
            return Some(name);
        }
        name.strip_prefix(&self.prefix)?.strip_prefix('/')
    }

    /// An upstream of which only the address is known. Errs with what is wrong with that.
    fn new(prefix: &str, url: &str) -> Result<Self, String> {
        let invalid = || "its url must be a scheme and a host, such as https://registry.example.com";
        let url = Url::parse(url.trim_end_matches('/')).filter(|url| !url.target.contains('?'));
        let mut url = url.ok_or_else(invalid)?;
        if url.authority == HUB || url.authority == "index.docker.io" {
            url.authority = HUB_HOST.to_owned();
        }
        let namespace = if url.authority == HUB_HOST { HUB } else { &url.authority };
        Ok(Self {
            prefix: prefix.to_owned(),
            namespace: namespace.to_owned(),
            url,
            credentials: None,
            ttl: DEFAULT_TTL,
            timeout: DEFAULT_TIMEOUT,
            keep_days: None,
            size: None,
        })
    }

    fn read(prefix: &str, members: &Value) -> Result<Self, String> {
        let members = members.as_object().ok_or("it is not an object")?;
        if !prefix.is_empty() && Name::parse(prefix).is_err() {
            return Err(
                "it is not the beginning of a repository's name; name another one, and its url".to_owned()
            );
        }
        let known = ["url", "namespace", "username", "password", "ttl", "timeout", "keep_days", "size"];
        if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("unknown member {name:?}; expected one of {}", known.join(", ")));
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or_else(|| format!("its {name} is not a string")),
        };
        let time = |name: &str, default| match text(name)? {
            None => Ok(default),
            Some(text) => {
                duration::parse(text).ok_or_else(|| format!("its {name} must be a duration, such as `10m`"))
            }
        };
        let number = |name: &str, most: u64| match members.get(name).map(Value::as_u64) {
            None => Ok(None),
            Some(Some(number)) if (1..=most).contains(&number) => Ok(Some(number)),
            _ => Err(format!("its {name} must be a whole number from 1 to {most}")),
        };
        let mut upstream = match text("url")? {
            Some(url) => Self::new(prefix, url)?,
            None if prefix.is_empty() => return Err("it needs a url".to_owned()),
            None => Self::new(prefix, &format!("https://{prefix}"))?,
        };
        if let Some(namespace) = text("namespace")? {
            namespace.clone_into(&mut upstream.namespace);
        }
        if !upstream.namespace.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("its namespace must be a host, perhaps with a port".to_owned());
        }
        upstream.ttl = time("ttl", upstream.ttl)?;
        upstream.timeout = time("timeout", upstream.timeout)?;
        upstream.keep_days = number("keep_days", MOST_DAYS)?;
        upstream.size = number("size", i64::MAX as u64)?;
        upstream.credentials = credentials(text("username")?, text("password")?)?;
        Ok(upstream)
    }
}

fn credentials(username: Option<&str>, password: Option<&str>) -> Result<Option<(String, String)>, String> {
    match (username, password) {
        (Some(username), Some(password)) => Ok(Some((username.to_owned(), password.to_owned()))),
        (None, None) => Ok(None),
        _ => Err("a username needs a password, and a password a username".to_owned()),
    }
}

/// Reads the variables of upstreams. Errs, for the log, with the one that is wrong, and without its value, which may have
/// a password.
pub(crate) fn read(settings: &Settings, notices: &mut Vec<String>) -> Result<Option<Upstreams>, String> {
    let mut one = |url: &str| {
        let mut upstream = Upstream::new("", url).map_err(|wrong| format!("{REMOTE_URL}: {wrong}"))?;
        let wrong = |wrong| format!("{USERNAME}, {PASSWORD}: {wrong}");
        upstream.credentials = credentials(settings.get(USERNAME), settings.get(PASSWORD)).map_err(wrong)?;
        if let Some(ttl) = settings.get(TTL) {
            let invalid = || format!("{TTL} must be a duration, such as `10m` or `1h30m`");
            upstream.ttl = duration::parse(ttl).ok_or_else(invalid)?;
            notices.push(TTL_NOTICE.to_owned());
        }
        Ok(Upstreams(vec![upstream]))
    };
    match (settings.get(UPSTREAMS), settings.file(UPSTREAMS_PATH), settings.get(REMOTE_URL)) {
        (None, None, None) => match NAMES.iter().find(|name| settings.get(name).is_some()) {
            Some(name) => Err(format!("{name} is set, and {REMOTE_URL} is not")),
            None => Ok(None),
        },
        (Some(document), None, None) => {
            Upstreams::parse(document).map(Some).map_err(|e| format!("{UPSTREAMS}: {e}"))
        }
        (None, Some(document), None) => {
            Upstreams::parse(&document?).map(Some).map_err(|wrong| format!("{UPSTREAMS_PATH}: {wrong}"))
        }
        (None, None, Some(url)) => one(url).map(Some),
        _ => Err(format!("only one of {UPSTREAMS}, {UPSTREAMS_PATH} and {REMOTE_URL} may be set")),
    }
}

impl Upstreams {
    /// Reads the document. Errs, for the log, with what is wrong in it and where.
    pub fn parse(json: &str) -> Result<Self, String> {
        // The parser's own text could quote a password.
        let document: Value = serde_json::from_str(json)
            .map_err(|wrong| format!("not JSON, in line {}, column {}", wrong.line(), wrong.column()))?;
        let document = document.as_object().ok_or("the document is not an object")?;
        let read = |(prefix, members): (&String, &Value)| {
            Upstream::read(prefix, members).map_err(|wrong| format!("{prefix:?}: {wrong}"))
        };
        let all: Vec<Upstream> = document.iter().map(read).collect::<Result<_, _>>()?;
        for (at, upstream) in all.iter().enumerate() {
            if all.iter().skip(at + 1).any(|other| other.namespace == upstream.namespace) {
                return Err(format!("two upstreams have the namespace {}", upstream.namespace));
            }
        }
        Ok(Self(all))
    }
}

/// The query of the next page, if an answer's `Link` has one.
pub fn next_page(link: &str) -> Option<String> {
    let (url, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.contains("rel=\"next\"") || parameters.contains("rel=next");
    let (_, query) = url.split_once('?').filter(|_| is_next)?;
    let is_plain =
        query.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'"') && decode(query).is_some();
    is_plain.then(|| query.to_owned())
}

#[cfg(test)]
mod tests;
