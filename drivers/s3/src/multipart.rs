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
/// If the upload is gone once the request was sent again, the first one was carried out, and its answer was lost. Ceph answers
/// such a request as the first one, and fails if the object is another.
pub(crate) fn complete<H: Host>(
    client: &Client<H>,
    key: &str,
    upload: &str,
    tags: &[String],
    size: u64,
) -> Result<String> {
    let mut xml = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (index, tag) in tags.iter().enumerate() {
        let tag = tag.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        xml += &format!("<Part><PartNumber>{}</PartNumber><ETag>{tag}</ETag></Part>", index + 1);
    }
    xml += "</CompleteMultipartUpload>";
    let call = Call::new("POST", key).query("uploadId", upload).body(xml.into_bytes());
    let tag = |text: &str| xml::text(text, "ETag").filter(|tag| !tag.is_empty()).map(quoted);
    let mut asked_again = false;
    let failed = loop {
        match client.finish(&call, client.begin(&call)) {
            Ok(answer) => match tag(&answer.text()) {
                Some(tag) => return Ok(tag),
                // Ceph 16 says it only to who asks again.
                None if !asked_again => asked_again = true,
                None => return Ok(String::new()),
            },
            Err(failed) => break failed,
        }
    };
    if (failed.again || asked_again) && failed.failure.is("NoSuchUpload") {
        let answer = client.call(&Call::new("HEAD", key));
        if let Some(answer) = answer.ok().filter(|answer| answer.response.content_length() == Some(size)) {
            return Ok(answer.etag());
        }
    }
    if failed.failure.is("InternalError")
        && let Err(gone) = parts(client, key, upload)
        && gone.is("NoSuchUpload")
    {
        return Err(gone);
    }
    Err(failed.failure)
}

/// A tag as headers have it. In XML a store may leave the quotes out.
pub(crate) fn quoted(tag: String) -> String {
    if tag.ends_with('"') { tag } else { format!("\"{tag}\"") }
}

/// A part that is stored.
pub(crate) struct Part {
    number: usize,
    pub(crate) tag: String,
    pub(crate) size: u64,
}

/// Returns the parts of an upload that are stored, up to the first that is missing.
pub(crate) fn parts<H: Host>(client: &Client<H>, key: &str, upload: &str) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    loop {
        let mut call = Call::new("GET", key).query("uploadId", upload);
        if let Some(last) = parts.last() {
            call = call.query("part-number-marker", last.number.to_string());
        }
        let answer = client.call(&call)?;
        let text = answer.text();
        let part = |xml: &str| {
            let number = |name: &str| xml::text(xml, name)?.parse().ok();
            let (number, size) = (number("PartNumber")?, number("Size")?);
            Some(Part { number: usize::try_from(number).ok()?, tag: quoted(xml::text(xml, "ETag")?), size })
        };
        let before = parts.len();
        for part in text.split("<Part>").skip(1).filter_map(part) {
            if part.number == parts.len() + 1 {
                parts.push(part);
            }
        }
        if xml::text(&text, "IsTruncated").as_deref() != Some("true") || parts.len() == before {
            return Ok(parts);
        }
    }
}

/// Gives an upload in parts up.
pub(crate) fn abort<H: Host>(client: &Client<H>, key: &str, upload: &str) -> Result<()> {
    match client.call(&Call::new("DELETE", key).query("uploadId", upload)) {
        Err(failure) if !failure.is_absence() => Err(failure),
        _ => Ok(()),
    }
}
