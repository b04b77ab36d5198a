//! Requests.

use core::fmt;

use super::Query;
use lighter_storage::{Sink, Stream};

/// A request's method.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are HTTP's own")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    /// Any other method, which no endpoint answers.
    Other(String),
}

impl Method {
    /// Its name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Other(method) => method,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request, before its body has been read.
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query.
    pub query: Query,
    headers: Vec<(String, Vec<u8>)>,
    authority: Option<String>,
    /// The body.
    pub body: Incoming<'a>,
}

/// The body of a request, whose bytes are counted as they come.
pub struct Incoming<'a> {
    stream: &'a mut dyn Stream,
    received: u64,
}

impl Incoming<'_> {
    /// The number of bytes received so far.
    pub fn received(&self) -> u64 {
        self.received
    }
}

impl Stream for Incoming<'_> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        let next = self.stream.next()?;
        self.received += next.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(next)
    }

    fn forward(&mut self, into: &mut dyn Sink, most: u64) -> Result<Option<u64>, String> {
        let moved = self.stream.forward(into, most)?;
        self.received += moved.unwrap_or(0);
        Ok(moved)
    }
}

impl<'a> Request<'a> {
    /// Makes a request. `target` is the path with the query; header names may have any case.
    pub fn new(
        method: Method,
        target: &str,
        headers: Vec<(String, Vec<u8>)>,
        body: &'a mut dyn Stream,
    ) -> Self {
        let body = Incoming { stream: body, received: 0 };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (path, query) = (path.to_owned(), Query::parse(query));
        Self { method, path, query, headers, authority: None, body }
    }

    /// Names the host that the client asked, with its port.
    #[must_use]
    pub fn with_authority(self, authority: Option<String>) -> Self {
        Self { authority, ..self }
    }

    /// The host that the client asked, with its port, if the component's host reports it.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        str::from_utf8(value).ok().map(str::trim)
    }

    /// The number of times that a header occurs.
    pub fn count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).count()
    }

    /// The length of the body, if the client announced it.
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// Whether `If-Range` allows a range of content with this entity tag: the header is absent or names the tag, not as
    /// a weak one. The registry never sends the other validator, a date.
    pub fn may_have_range(&self, etag: &str) -> bool {
        self.header("if-range").is_none_or(|tag| tag.trim_matches('"') == etag.trim_matches('"'))
    }

    /// Whether `If-None-Match` names an entity tag. Clients send it quoted, weak or bare.
    pub fn has_current(&self, etag: &str) -> bool {
        let bare = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_owned();
        let matches = |tag: &str| tag.trim() == "*" || bare(tag) == bare(etag);
        self.header("if-none-match").is_some_and(|tags| tags.split(',').any(matches))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(header: &str, value: &str) -> Request<'static> {
        Request::new(
            Method::Get,
            "/v2/?a=b",
            vec![(header.into(), value.into())],
            Box::leak(Box::new(Vec::new())),
        )
    }

    #[test]
    fn the_target_is_split() {
        let request = request("X", "y");
        assert_eq!((request.path.as_str(), request.query.get("a")), ("/v2/", Some("b")));
        assert_eq!(request.header("x"), Some("y"));
    }

    #[test]
    fn lengths_are_numbers() {
        assert_eq!(request("Content-Length", " 12 ").content_length(), Some(12));
        assert_eq!(request("Content-Length", "-1").content_length(), None);
        assert_eq!(request("X", "12").content_length(), None);
    }

    #[test]
    fn entity_tags_match_in_every_spelling() {
        let etag = "\"sha256:ab\"";
        for header in ["\"sha256:ab\"", "sha256:ab", "W/\"sha256:ab\"", "*", "\"x\", \"sha256:ab\""] {
            assert!(request("If-None-Match", header).has_current(etag), "{header}");
        }
        assert!(!request("If-None-Match", "\"sha256:a\"").has_current(etag));
        assert!(!request("X", "*").has_current(etag));
    }

    #[test]
    fn a_range_is_of_what_the_client_has() {
        let etag = "\"sha256:ab\"";
        for header in ["\"sha256:ab\"", "sha256:ab"] {
            assert!(request("If-Range", header).may_have_range(etag), "{header}");
        }
        for header in ["\"sha256:a\"", "W/\"sha256:ab\"", "*", "Wed, 21 Oct 2026 07:28:00 GMT", ""] {
            assert!(!request("If-Range", header).may_have_range(etag), "{header}");
        }
        assert!(request("X", "y").may_have_range(etag));
    }
}
