//! `/v2/_catalog`.

use serde::Serialize;

use crate::catalog;
use crate::endpoint::{Access, Answer, Call, Endpoint, READ, Resource};
use crate::error::Result;
use crate::http::Response;
use crate::http::page::PageQuery;
use crate::json::json_body;
use crate::route::Path;
use lighter_storage::Storage;

/// The number of repositories on a page when the client names none (distribution's default).
const PAGE: u32 = 100;

const PATH: Path = Path::Whole("/v2/_catalog");

impl<S: Storage> Resource<S> {
    /// The repositories.
    pub const CATALOG: Self = Self {
        path: PATH,
        endpoints: &[Endpoint { methods: READ, access: Access::Catalog, answer: Answer::Registry(list) }],
    };
}

#[derive(Serialize)]
struct Catalog {
    repositories: Vec<String>,
}

/// `GET`: a page of the repositories that the caller may pull (distribution's API; not part of the OCI spec).
fn list<S: Storage>(call: &mut Call<S>) -> Result<Response> {
    let PageQuery { n, last } = PageQuery::parse(&call.request.query)?;
    let n = n.unwrap_or(PAGE);
    let mut names = match n {
        0 => Vec::new(),
        // One more than requested shows whether there is a next page.
        n => catalog::list(call.storage, |name| call.caller.may_see(name), last.as_deref(), n as usize + 1)?,
    };
    let mut link = Vec::new();
    if names.len() > n as usize {
        names.truncate(n as usize);
        let path = call.prefix() + &PATH.write("", "");
        link.extend(names.last().map(|last| ("Link", PageQuery::next(&path, n, last, None))));
    }
    let body = json_body(&Catalog { repositories: names });
    Ok(Response::new(200).with_bytes("application/json", body).with_headers(link))
}
