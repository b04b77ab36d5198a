//! The URLs of servers: one that is configured, and those that an answer leads to.

use crate::config::is_of_host;
use lighter_fetch::Scheme;

/// A URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether the connection is encrypted.
    pub scheme: Scheme,
    /// The host, in lower case, with its port if that is not the scheme's own.
    pub authority: String,
    /// The path and the query, encoded; may be empty.
    pub target: String,
}

impl Url {
    /// Reads an absolute URL of HTTP. A user in it is refused, and a fragment left out.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme =
            [Scheme::Http, Scheme::Https].into_iter().find(|s| scheme.eq_ignore_ascii_case(s.as_str()))?;
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = authority.to_ascii_lowercase();
        let authority = match authority.rsplit_once(':') {
            Some((host, port)) if port.parse() == Ok(scheme.default_port()) => host.to_owned(),
            _ => authority,
        };
        let is_authority = !authority.is_empty() && authority.bytes().all(is_of_host);
        if !is_authority || !target.bytes().all(|b| b.is_ascii_graphic()) {
            return None;
        }
        let slash = if target.starts_with('?') { "/" } else { "" };
        Some(Self { scheme, authority, target: [slash, target].concat() })
    }

    /// Reads a URL that stands in an answer from this one: an absolute one, or one with a path that begins with `/`.
    pub fn resolve(&self, location: &str) -> Option<Self> {
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.scheme.as_str()));
        }
        if location.starts_with('/') {
            return Self::parse(&format!("{}://{}{location}", self.scheme.as_str(), self.authority));
        }
        Self::parse(location)
    }

    /// The URL with more at its end.
    pub fn join(&self, more: &str) -> Self {
        Self { target: [&self.target, more].concat(), ..self.clone() }
    }

    /// The host, without a port.
    pub fn host(&self) -> &str {
        match self.authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => host,
            _ => &self.authority,
        }
    }

    /// Whether another URL is of the same server.
    pub fn is_same_server(&self, other: &Self) -> bool {
        (self.scheme, &self.authority) == (other.scheme, &other.authority)
    }

    /// Whether a secret of this server's may go to another one that it names: over TLS, or, if this server has none, to
    /// its own host.
    pub fn may_share_with(&self, other: &Self) -> bool {
        match self.scheme {
            Scheme::Https => other.scheme == Scheme::Https,
            Scheme::Http => self.host() == other.host(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn urls_are_taken_apart() {
        let parts = |text| {
            let Url { scheme, authority, target } = url(text);
            format!("{} {authority} {target}", scheme.as_str())
        };
        assert_eq!(parts("https://Example.com"), "https example.com ");
        assert_eq!(parts("HTTP://a:80/b?c=d#e"), "http a /b?c=d");
        assert_eq!(parts("https://a:80?x"), "https a:80 /?x");
        assert_eq!(parts("http://[::1]:5000/x"), "http [::1]:5000 /x");
        for bad in [
            "",
            "a",
            "ftp://a/",
            "https://",
            "https:///x",
            "https://a b/",
            "https://u@a/",
            "http://a/\r\n",
            "http://a/é",
        ] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
        assert_eq!((url("http://a:1/").host(), url("http://[::1]").host()), ("a", "[::1]"));
    }

    #[test]
    fn answers_lead_to_other_urls() {
        let from = url("https://a/x");
        assert_eq!(from.resolve("/y?z"), Some(url("https://a/y?z")));
        assert_eq!(from.resolve("//b/y"), Some(url("https://b/y")));
        assert_eq!(from.resolve("http://b/"), Some(url("http://b/")));
        assert_eq!(from.resolve("y"), None);
    }

    #[test]
    fn a_secret_goes_only_where_it_may() {
        for (from, to, may) in [
            ("https://a", "https://b", true),
            ("https://a", "http://a", false),
            ("http://a:1", "http://a:2", true),
            ("http://a", "https://a", true),
            ("http://a", "https://b", false),
            ("http://a", "http://b", false),
        ] {
            assert_eq!(url(from).may_share_with(&url(to)), may, "{from} {to}");
        }
    }
}
