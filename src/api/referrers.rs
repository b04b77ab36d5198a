//! `/v2/<name>/referrers/<digest>`.

use serde::Serialize;

use super::digest;
use crate::error::Result;
use crate::http::page::{PAGE_MAX, Page};
use crate::http::response::json_body;
use crate::http::{Request, Response};
use crate::manifest::OCI_INDEX;
use crate::referrers::{self, Descriptor};
use crate::repository::Repository;
use crate::storage::Storage;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

/// `GET`: the manifests whose subject has a digest (OCI Distribution Spec, end-12). For a valid digest
/// the answer is always an index, if an empty one: a 404 tells clients that the registry knows no
/// referrers.
pub fn list<S: Storage, B>(
    repository: &Repository<S>,
    subject: &str,
    request: &Request<B>,
    may_write: bool,
) -> Result<Response<S::Content>> {
    let subject = digest(subject)?;
    let Page { n, last } = Page::parse(&request.query)?;
    let n = n.unwrap_or(PAGE_MAX);
    let last = last.as_deref().map(digest).transpose()?;
    let artifact_type = request.query.get("artifactType").filter(|wanted| !wanted.is_empty());
    let mut manifests = match n {
        0 => Vec::new(),
        // One more than asked for tells whether there is a next page.
        n => referrers::list(repository, &subject, artifact_type, last.as_ref(), n as usize + 1, may_write)?,
    };
    let mut headers = Vec::new();
    if manifests.len() > n as usize {
        manifests.truncate(n as usize);
        let path = format!("/v2/{}/referrers/{subject}", repository.name());
        let kept = artifact_type.map(|artifact_type| ("artifactType", artifact_type));
        headers.extend(manifests.last().map(|last| ("Link", Page::next(&path, n, last.digest(), kept))));
    }
    if artifact_type.is_some() {
        headers.push(("OCI-Filters-Applied", "artifactType".to_owned()));
    }
    let index = Index { schema_version: 2, media_type: OCI_INDEX, manifests };
    Ok(Response::new(200).with_bytes(OCI_INDEX, json_body(&index)).with_headers(headers))
}
