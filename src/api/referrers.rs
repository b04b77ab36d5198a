//! `/v2/<name>/referrers/<digest>`.

use serde::Serialize;
use serde_json::value::RawValue;

use super::parse_digest;
use crate::endpoint::{Access, Answer, Call, Endpoint, READ, Resource};
use crate::error::Result;
use crate::http::Response;
use crate::http::page::{PAGE_MAX, PageQuery};
use crate::json::json_body;
use crate::media_type::OCI_INDEX;
use crate::referrers;
use crate::repository::Repository;
use crate::route::Path;
use lighter_storage::Storage;

/// The path of the referrers of a manifest.
pub const PATH: Path = Path::OneOf("/referrers", "<digest>");

impl<S: Storage> Resource<S> {
    /// The referrers of a manifest.
    pub const REFERRERS: Self = Self {
        path: PATH,
        endpoints: &[Endpoint { methods: READ, access: Access::Pull, answer: Answer::Repository(list) }],
    };
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u8,
    media_type: &'static str,
    manifests: Vec<Box<RawValue>>,
}

/// `GET`: the manifests whose subject has a digest (OCI Distribution Spec, end-12). For a valid digest
/// the answer is always an index, perhaps an empty one: a 404 tells clients that the registry does not support
/// referrers.
fn list<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    let (subject, query) = (parse_digest(call.last)?, &call.request.query);
    let PageQuery { n, last } = PageQuery::parse(query)?;
    let n = n.unwrap_or(PAGE_MAX);
    let last = last.as_deref().map(parse_digest).transpose()?;
    // A media type has no blank. A blank here was a `+`, as in `application/spdx+json`, that the client did not
    // encode: a query decodes it to a blank.
    let artifact_type = query.get("artifactType").filter(|wanted| !wanted.is_empty());
    let artifact_type = artifact_type.map(|wanted| wanted.replace(' ', "+"));
    let artifact_type = artifact_type.as_deref();
    let page = match n {
        0 => referrers::ReferrerPage::default(),
        n => {
            let backfilled = referrers::backfill(repository, &subject, !call.config.read_only)?;
            referrers::list(repository, &subject, &backfilled, artifact_type, last.as_ref(), n as usize)?
        }
    };
    let mut headers = Vec::new();
    if let Some(last) = page.last {
        let path = call.prefix() + &PATH.write(repository.name().as_str(), subject.as_str());
        let kept = artifact_type.map(|artifact_type| ("artifactType", artifact_type));
        headers.push(("Link", PageQuery::next(&path, n, &last, kept)));
    }
    if artifact_type.is_some() {
        headers.push(("OCI-Filters-Applied", "artifactType".to_owned()));
    }
    let index = Index { schema_version: 2, media_type: OCI_INDEX, manifests: page.descriptors };
    Ok(Response::new(200).with_bytes(OCI_INDEX, json_body(&index)).with_headers(headers))
}
