//! Uploads in parts, as a store has them.

use crate::client::{Call, Client, Result};
use crate::error::Failure;
use crate::host::Host;
use crate::xml;

/// The most parts that an upload can have.
pub(crate) const PARTS_MAX: usize = 10_000;

/// Begins an upload in parts to a key, and returns its id.
pub(crate) fn begin<H: Host>(client: &Client<H>, key: &str) -> Result<String> {
    let call = Call::new("POST", key).query("uploads", "").header("content-type", "application/octet-stream");
    let answer = client.call(&call.body(Vec::new()))?;
    let missing = || Failure::refused(&format!("POST {key}"), answer.response.status, None, b"");
    xml::text(&answer.text(), "UploadId").ok_or_else(missing)
}

/// The request that stores a part, by its index from 0.
pub(crate) fn part(key: &str, upload: &str, index: usize) -> Call {
    Call::new("PUT", key).query("partNumber", (index + 1).to_string()).query("uploadId", upload)
}

/// Makes an object of parts, by their tags, and returns the object's tag. `size` is what it then has.
///
/// If the upload is gone once the request was sent again, the first one was carried out, and its answer was lost.
pub(crate) fn complete<'a, H: Host>(
    client: &Client<H>,
    key: &str,
    upload: &str,
    tags: impl Iterator<Item = &'a str>,
    size: u64,
) -> Result<String> {
    let mut xml = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (index, tag) in tags.enumerate() {
        let tag = tag.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        xml += &format!("<Part><PartNumber>{}</PartNumber><ETag>{tag}</ETag></Part>", index + 1);
    }
    xml += "</CompleteMultipartUpload>";
    let call = Call::new("POST", key).query("uploadId", upload).body(xml.into_bytes());
    let failed = match client.finish(&call, client.begin(&call)) {
        Ok(answer) => return Ok(xml::text(&answer.text(), "ETag").unwrap_or_default()),
        Err(failed) => failed,
    };
    if failed.again && failed.failure.is("NoSuchUpload") {
        let answer = client.call(&Call::new("HEAD", key));
        if let Some(answer) = answer.ok().filter(|answer| answer.response.content_length() == Some(size)) {
            return Ok(answer.etag());
        }
    }
    Err(failed.failure)
}

/// Gives an upload in parts up.
pub(crate) fn abort<H: Host>(client: &Client<H>, key: &str, upload: &str) -> Result<()> {
    match client.call(&Call::new("DELETE", key).query("uploadId", upload)) {
        Err(failure) if !failure.is_absence() => Err(failure),
        _ => Ok(()),
    }
}
