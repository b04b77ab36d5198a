//! The line that is written for each request.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use crate::config::Format;

/// What the log says about a request. The query and every header that could hold a secret are left out: with a
/// `_state`, anyone can write to its upload.
#[derive(Debug, Default, Serialize)]
pub struct LogEntry {
    /// The request's method.
    pub method: String,
    /// The request's path, still percent-encoded.
    pub path: String,
    /// The answer's status.
    pub status: u16,
    /// The bytes that were received as the body.
    pub received: u64,
    /// The bytes that the answer's body has.
    pub sent: u64,
    /// How long the answer took, in milliseconds.
    pub duration_ms: u64,
    /// The upload that the answer is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// The digest of the content that the answer is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The code of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The part of the error that the client does not see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl LogEntry {
    /// Begins the entry of a request. A `_state` that a client has wrongly put into the path is left out, with
    /// everything after it.
    pub fn of(method: &str, mut path: String) -> Self {
        // Hardly any path has such a character, and to look for one is cheaper than to look for a text.
        if path.contains('=') || path.contains('%') {
            let state = ["_state=", "_state%3"].iter().filter_map(|state| path.find(state)).min();
            path.truncate(state.unwrap_or(path.len()));
        }
        Self { method: method.to_owned(), path, ..Self::default() }
    }

    /// Whether the request started an upload that is not complete yet.
    pub fn has_started_upload(&self) -> bool {
        self.method == "POST" && self.upload.is_some()
    }

    /// Writes the entry as a line, without its end.
    #[must_use]
    pub fn line(mut self, format: Format, took: Duration) -> String {
        self.duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if format == Format::Json {
            return serde_json::to_string(&self).unwrap_or_default();
        }
        let Self { method, path, status, received, sent, duration_ms, upload, digest, code, error } = self;
        let mut line = format!(
            "{method} {} status={status} received={received} sent={sent} duration={duration_ms}ms",
            quoted_if_odd(path)
        );
        let optional = [("upload", upload), ("digest", digest), ("code", code), ("error", error.map(quoted))];
        for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            line.extend([" ", name, "=", &value]);
        }
        line
    }
}

/// Writes a line to the log in one write, so that another instance's line cannot come between its parts.
pub fn log(mut line: String) {
    line.push('\n');
    // There is nowhere to report that it cannot be written.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Quotes a text that may hold anything, so that it stays on one line.
fn quoted(text: String) -> String {
    serde_json::to_string(&text).unwrap_or(text)
}

/// Quotes a path if it contains anything that a terminal could interpret.
fn quoted_if_odd(path: String) -> String {
    if path.bytes().all(|b| b.is_ascii_graphic()) { path } else { quoted(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> LogEntry {
        LogEntry {
            method: "PATCH".into(),
            path: "/v2/a/b/blobs/uploads/u".into(),
            status: 500,
            received: 3,
            code: Some("UNKNOWN".into()),
            error: Some("storage: write \"x\"\n: io".into()),
            ..LogEntry::default()
        }
    }

    #[test]
    fn a_state_in_the_path_is_left_out() {
        let path = |path| LogEntry::of("GET", String::from(path)).path;
        assert_eq!(path("/v2/a/blobs/uploads/u%3F_state=AAAA"), "/v2/a/blobs/uploads/u%3F");
        assert_eq!(path("/v2/a/blobs/uploads/u%3F_state%3DAAAA"), "/v2/a/blobs/uploads/u%3F");
        assert_eq!(path("/v2/the_state/tags/list"), "/v2/the_state/tags/list");
    }

    #[test]
    fn an_entry_is_one_line() {
        let took = Duration::from_micros(12_345);
        assert_eq!(
            entry().line(Format::Text, took),
            r#"PATCH /v2/a/b/blobs/uploads/u status=500 received=3 sent=0 duration=12ms code=UNKNOWN error="storage: write \"x\"\n: io""#
        );
        assert_eq!(
            entry().line(Format::Json, took),
            r#"{"method":"PATCH","path":"/v2/a/b/blobs/uploads/u","status":500,"received":3,"sent":0,"duration_ms":12,"code":"UNKNOWN","error":"storage: write \"x\"\n: io"}"#
        );
    }
}
