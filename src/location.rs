//! The addresses that clients are sent to: `Location` and `Link`.
//!
//! A `Location` begins with `/` unless it is configured otherwise. Every client resolves it against the
//! address that it used, through any proxy. A wrong absolute `Location` behind a proxy is the problem that users of
//! registries report most often.

use crate::config::{Config, Location, is_of_host, is_prefix};
use crate::http::Request;

/// Returns the beginning of a `Location`, before the path: nothing, a path prefix, or a scheme and host with one.
pub fn base(config: &Config, request: &Request) -> String {
    let origin = match &config.location {
        Location::Relative => String::new(),
        Location::Host(host) => host.clone(),
        Location::Forwarded => origin(request).unwrap_or_default(),
    };
    origin + &prefix(config, request)
}

/// Returns the beginning of an absolute URL, before the path. Returns `None` if the host that the client used is
/// unknown.
pub fn absolute(config: &Config, request: &Request) -> Option<String> {
    let origin = match &config.location {
        Location::Host(host) => host.clone(),
        Location::Relative | Location::Forwarded => origin(request)?,
    };
    Some(origin + &prefix(config, request))
}

/// Returns the beginning of a `Link`, before the path. It is always relative: some clients follow no other, and some
/// use only its path.
pub fn prefix(config: &Config, request: &Request) -> String {
    match &config.location {
        Location::Relative | Location::Host(_) => config.prefix.clone(),
        Location::Forwarded => forwarded_prefix(request) + &config.prefix,
    }
}

/// Returns the scheme and host that the client used, as the nearest proxy reports them: by `Forwarded` (RFC 7239), or
/// without that by `X-Forwarded-*`, or else by the request itself. Returns `None` if the host is invalid.
fn origin(request: &Request) -> Option<String> {
    let (scheme, host) = match request.header("forwarded") {
        Some(forwarded) => (parameter(forwarded, "proto"), parameter(forwarded, "host")),
        None => {
            let host = first(request, "x-forwarded-host");
            let host = match (host, first(request, "x-forwarded-port")) {
                (Some(host), Some(port)) if !host.contains(':') => Some(format!("{host}:{port}")),
                (host, _) => host,
            };
            (first(request, "x-forwarded-proto"), host)
        }
    };
    let scheme = scheme.unwrap_or_else(|| "http".to_owned()).to_ascii_lowercase();
    let host = host.or_else(|| request.authority().map(str::to_owned))?;
    let valid =
        matches!(scheme.as_str(), "http" | "https") && !host.is_empty() && host.bytes().all(is_of_host);
    valid.then(|| format!("{scheme}://{host}"))
}

/// The host of a URL, with its port.
pub fn host_of(url: &str) -> Option<&str> {
    url.split_once("://")?.1.split('/').next().filter(|host| !host.is_empty())
}

/// The beginning of the path that a proxy has removed.
fn forwarded_prefix(request: &Request) -> String {
    let prefix = first(request, "x-forwarded-prefix").unwrap_or_default();
    let prefix = prefix.trim_end_matches('/');
    if is_prefix(prefix) { prefix.to_owned() } else { String::new() }
}

/// The first member of a list header, which comes from the proxy nearest to the client.
fn first(request: &Request, name: &str) -> Option<String> {
    let value = request.header(name)?.split(',').next()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// A parameter of the first element of a `Forwarded` header.
fn parameter(forwarded: &str, name: &str) -> Option<String> {
    let pairs = forwarded.split(',').next()?.split(';').filter_map(|pair| pair.trim().split_once('='));
    let value = pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1.trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Method;

    fn base_of(location: Location, prefix: &str, headers: &[(&str, &str)]) -> String {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        let mut body = Vec::new();
        let request = Request::new(Method::Get, "/v2/", headers.collect(), &mut body)
            .with_authority(Some("r:5000".into()));
        base(&Config { location, prefix: prefix.to_owned(), ..Config::default() }, &request)
    }

    #[test]
    fn relative_by_default_whatever_proxies_say() {
        let headers = [("X-Forwarded-Host", "x.example.com"), ("Forwarded", "host=f.example.com")];
        assert_eq!(base_of(Location::Relative, "", &headers), "");
        assert_eq!(base_of(Location::Relative, "/p", &headers), "/p");
        assert_eq!(base_of(Location::Host("https://r".into()), "/p", &headers), "https://r/p");
    }

    #[test]
    fn what_proxies_say_counts_when_asked_for() {
        for (headers, expected) in [
            (&[][..], "http://r:5000"),
            (&[("X-Forwarded-Proto", "https")], "https://r:5000"),
            (&[("X-Forwarded-Proto", "https, http"), ("X-Forwarded-Host", "a.b, c.d")], "https://a.b"),
            (&[("X-Forwarded-Host", "a.b"), ("X-Forwarded-Port", "8443")], "http://a.b:8443"),
            (&[("X-Forwarded-Prefix", "/p/"), ("X-Forwarded-Proto", "https")], "https://r:5000/p"),
            (
                &[("Forwarded", "for=1.2.3.4;proto=https;host=\"a.b:1\", host=c"), ("X-Forwarded-Host", "x")],
                "https://a.b:1",
            ),
            (&[("Forwarded", "for=1.2.3.4"), ("X-Forwarded-Host", "x")], "http://r:5000"),
        ] {
            assert_eq!(base_of(Location::Forwarded, "", headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn nonsense_from_a_proxy_is_passed_over() {
        for headers in [
            &[("X-Forwarded-Host", "a b")][..],
            &[("X-Forwarded-Proto", "javascript")],
            &[("X-Forwarded-Host", "a/b?c")],
        ] {
            assert_eq!(base_of(Location::Forwarded, "", headers), "", "{headers:?}");
        }
        for prefix in ["//evil", "p", "/p q", "/"] {
            assert_eq!(base_of(Location::Forwarded, "", &[("X-Forwarded-Prefix", prefix)]), "http://r:5000");
        }
    }
}
