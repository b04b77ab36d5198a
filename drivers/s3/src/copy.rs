//! Copies within the store, of which no byte comes here.

use crate::batch::all_or_none;
use crate::client::{Call, Client, Result};
use crate::error::Failure;
use crate::host::Host;
use crate::multipart;
use crate::xml;

/// An object as it was seen.
pub(crate) struct Source<'a> {
    pub(crate) key: &'a str,
    pub(crate) etag: &'a str,
    pub(crate) size: u64,
}

impl Source<'_> {
    /// Makes a call a copy of this object, as long as it is the same. It has a body, though an empty one.
    fn named<H: Host>(&self, client: &Client<H>, call: Call) -> Call {
        call.header("x-amz-copy-source", client.copy_source(self.key))
            .header("x-amz-copy-source-if-match", self.etag)
            .body(Vec::new())
    }
}

/// Copies an object to a key: in one request, or in parts if it is large, since a store may take minutes for a large one.
pub(crate) fn copy<H: Host>(client: &Client<H>, source: &Source, target: &str) -> Result<()> {
    if source.size <= client.config.copy_threshold {
        return client.call(&source.named(client, Call::new("PUT", target))).map(drop);
    }
    let upload = multipart::begin(client, target)?;
    let copied = parts(client, source, target, &upload, client.config.copy_chunk, source.size)
        .and_then(|tags| complete(client, target, &upload, &tags, source.size));
    if copied.is_err() {
        // What is left of it is no blob, and a rule of the bucket removes it.
        let _ = multipart::abort(client, target, &upload);
    }
    copied
}

fn complete<H: Host>(
    client: &Client<H>,
    target: &str,
    upload: &str,
    tags: &[String],
    size: u64,
) -> Result<()> {
    multipart::complete(client, target, upload, tags.iter().map(String::as_str), size).map(drop)
}

/// Copies the first bytes of an object to parts of a size, the last of which may be smaller. Returns their tags.
pub(crate) fn parts<H: Host>(
    client: &Client<H>,
    source: &Source,
    target: &str,
    upload: &str,
    chunk: u64,
    length: u64,
) -> Result<Vec<String>> {
    let calls = (0..length.div_ceil(chunk)).map(|index| {
        let (first, end) = (index * chunk, length.min((index + 1) * chunk));
        source
            .named(client, multipart::part(target, upload, index as usize))
            .header("x-amz-copy-source-range", format!("bytes={first}-{}", end - 1))
    });
    let answers = all_or_none(client, calls, client.config.copy_concurrency)?;
    let tag = |answer: &crate::client::Answer| {
        let missing = || Failure::refused(&format!("copy {}", source.key), 200, None, b"");
        xml::text(&answer.text(), "ETag").ok_or_else(missing)
    };
    answers.iter().map(tag).collect()
}
