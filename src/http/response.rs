//! Responses.

use lighter_storage::Content;

/// The body of a response.
pub enum Body {
    /// No body. For a HEAD, the headers may still state a length.
    Empty,
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// Stored content, and the number of bytes to send.
    Content(Content, u64),
}

impl Body {
    /// The number of bytes to send.
    pub fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Content(_, length) => *length,
        }
    }
}

/// A response.
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers, without `Content-Length` unless the body is [`Body::Empty`].
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

impl Response {
    /// A response without a body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds headers.
    #[must_use]
    pub fn with_headers(mut self, headers: Vec<(&'static str, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Sets the body to bytes of a media type.
    #[must_use]
    pub fn with_bytes(mut self, media_type: &str, bytes: Vec<u8>) -> Self {
        self.body = Body::Bytes(bytes);
        self.with_header("Content-Type", media_type)
    }

    /// The value of a header, by the name that it was added with.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    /// Removes the body, as for a HEAD, and keeps its length in the headers.
    #[must_use]
    pub fn without_body(self) -> Self {
        let response = self.with_content_length();
        Self { body: Body::Empty, ..response }
    }

    /// States the body's length, which clients want even if it is 0. A 304 states none: it would be the length of the
    /// content that is not sent.
    #[must_use]
    pub fn with_content_length(self) -> Self {
        if self.status == 304 || self.header("Content-Length").is_some() {
            return self;
        }
        let length = self.body.length().to_string();
        self.with_header("Content-Length", length)
    }
}
