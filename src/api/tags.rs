//! `/v2/<name>/tags/list`.

use serde::Serialize;

use crate::endpoint::{Access, Answer, Call, Endpoint, READ, Resource};
use crate::error::{Code, Detail, Error, Result};
use crate::http::Response;
use crate::http::page::PageQuery;
use crate::json::json_body;
use crate::name::Name;
use crate::repository::Repository;
use crate::route::Path;
use lighter_storage::Storage;

/// The path of the tags.
pub const PATH: Path = Path::Of("/tags/list");

impl<S: Storage> Resource<S> {
    /// The tags of a repository.
    pub const TAGS: Self = Self {
        path: PATH,
        endpoints: &[Endpoint { methods: READ, access: Access::Pull, answer: Answer::Repository(list) }],
    };
}

#[derive(Serialize)]
struct Tags<'a> {
    name: &'a str,
    tags: Vec<String>,
}

/// `GET`: the tags in byte order, all of them or a page (OCI Distribution Spec, end-8).
fn list<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    let PageQuery { n, last } = PageQuery::parse(&call.request.query)?;
    let mut tags = match n {
        Some(0) => Vec::new(),
        // One more than requested shows whether there is a next page.
        Some(n) => repository.tags(last.as_deref(), n + 1)?,
        None => repository.tags(last.as_deref(), u32::MAX)?,
    };
    if tags.is_empty() && !repository.exists()? {
        return Err(unknown(repository.name()));
    }
    let mut link = None;
    if let Some(n) = n.filter(|n| tags.len() > *n as usize) {
        tags.truncate(n as usize);
        let path = call.prefix() + &PATH.write(repository.name().as_str(), "");
        link = tags.last().map(|last| ("Link", PageQuery::next(&path, n, last, None)));
    }
    Ok(page(repository.name(), tags, link.into_iter().collect()))
}

/// The answer with a page of tags.
pub(super) fn page(name: &Name, tags: Vec<String>, headers: Vec<(&'static str, String)>) -> Response {
    let body = json_body(&Tags { name: name.as_str(), tags });
    Response::new(200).with_bytes("application/json", body).with_headers(headers)
}

/// The error for a repository that is not there.
pub(super) fn unknown(name: &Name) -> Error {
    Error::new(Code::NameUnknown, Detail::Member("name", name.to_string()))
}
