//! Requests and answers, taken apart.

use core::ops::{Deref, Range};
use std::sync::Arc;

/// A request to the store.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path and the query, encoded, as they came.
    pub target: String,
    /// The headers, with their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Arc<Vec<u8>>,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The path, still encoded.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&*self.target, |(path, _)| path)
    }

    /// The names and values of the query, decoded, in their order.
    pub fn query(&self) -> Vec<(String, String)> {
        let (_, query) = self.target.split_once('?').unwrap_or_default();
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
    }

    /// The value of a parameter of the query, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.query().into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }
}

/// An answer of the store.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers, without `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body. That of a HEAD is the one that a GET would get.
    pub body: Body,
}

/// The body of an answer: bytes, or a part of them. Those of an object are not copied, whatever its size.
#[derive(Clone, Debug, Default)]
pub struct Body {
    bytes: Arc<Vec<u8>>,
    part: Range<usize>,
}

impl Body {
    /// A part of bytes, which is empty where there are none.
    pub(crate) fn part(bytes: &Arc<Vec<u8>>, part: Range<usize>) -> Self {
        Self { bytes: Arc::clone(bytes), part }
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.part.clone()).unwrap_or_default()
    }
}

impl Response {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn xml(status: u16, xml: &str) -> Self {
        let xml = Arc::new(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{xml}").into_bytes());
        Self { body: Body::part(&xml, 0..xml.len()), ..Self::new(status) }
            .with("content-type", "application/xml")
    }
}

/// Why the store refuses a request: a status, a code and a message.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) u16, pub(crate) &'static str, pub(crate) String);

pub(crate) type Result<T> = core::result::Result<T, Refusal>;

/// Refuses.
pub(crate) fn refuse<T>(status: u16, code: &'static str, message: impl Into<String>) -> Result<T> {
    Err(Refusal(status, code, message.into()))
}

/// Decodes percent-encoded text. What is not encoded rightly stays.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| after.split_at_checked(2)).flatten();
        let byte = hex.and_then(|(hex, _)| u8::from_str_radix(core::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.split_at(2).1 } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Encodes text as a signature wants it: all but letters, digits and `-._~`, and perhaps `/`.
pub(crate) fn encode(text: &str, keeps_slash: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || keeps_slash && byte == b'/' {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}
