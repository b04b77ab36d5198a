//! The page about a blob: a layer, a config or a file.

use super::frame::{Site, end};
use super::html::has;
use super::parts::Part;
use super::repositories::way;
use super::summary::short;
use super::units;
use crate::error::Result;
use crate::http::Response;
use crate::repository::{Blob, Repository};
use lighter_hash::Digest;
use lighter_storage::{self as storage, Storage};

/// The longest JSON that is shown among other things, in bytes.
const SMALL: u64 = 32 * 1024;

/// The longest JSON that is shown on a page of its own, in bytes.
const SHOWN: u64 = 1024 * 1024;

/// Answers with the page about a blob.
pub fn show<S: Storage>(
    repository: &Repository<S>,
    site: &Site,
    digest: &Digest,
    blob: &Blob,
) -> Result<Response> {
    let name = repository.name();
    let mut html = site.begin(digest.as_str());
    way(&mut html, site, name);
    html.raw("<h1>Blob <span class=\"reference\">")
        .text(digest.as_str())
        .raw("</span></h1><p class=\"about\">");
    units::size(&mut html, blob.size);
    if let Some(age) = blob.age {
        html.raw(" <span>pushed ");
        units::ago(&mut html, age);
        html.raw("</span>");
    }
    html.raw("</p><section class=\"pull\"><h2>Fetch</h2>");
    let reference = [&*site.host, "/", name.as_str(), "@", digest.as_str()].concat();
    html.copyable("crane", &["crane blob ", &reference, " > blob"].concat());
    html.copyable("oras", &["oras blob fetch --output blob ", &reference].concat());
    html.copyable("digest", digest.as_str()).raw("</section>");
    if let Some(json) = json(repository, blob, SHOWN)? {
        html.raw("<section><h2>Content</h2>").json(&json).raw("</section>");
    }
    Ok(end(html, 200))
}

/// Reads what a descriptor names, if that is JSON and small.
pub fn small_json<S: Storage>(repository: &Repository<S>, named: &Part) -> storage::Result<Option<String>> {
    let is_json = has(&named.media_type, "json") && named.size.is_some_and(|size| size <= SMALL);
    match named.digest.as_ref().filter(|_| is_json) {
        Some(digest) => match repository.blob(digest)? {
            Some(blob) => json(repository, &blob, SMALL),
            None => Ok(None),
        },
        None => Ok(None),
    }
}

/// Reads a blob, if it has at most `max` bytes and looks like a document in JSON.
fn json<S: Storage>(repository: &Repository<S>, blob: &Blob, max: u64) -> storage::Result<Option<String>> {
    let text = short(repository, blob, max)?;
    Ok(text.filter(|text| text.trim_start().starts_with(['{', '['])))
}
