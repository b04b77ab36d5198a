//! `/v2/_catalog`.

use serde::Serialize;

use crate::catalog;
use crate::endpoint::{Access, Answer, Call, Endpoint, READ, Resource};
use crate::error::Result;
use crate::http::Response;
use crate::http::page::Page;
use crate::http::response::json_body;
use crate::route::Path;
use lighter_storage::Storage;

/// How many repositories are listed where the client names no number (distribution's default).
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

/// `GET`: the repositories that the caller may pull, a page of them (distribution's API; no part of the OCI
/// spec).
fn list<S: Storage>(call: &mut Call<S>) -> Result<Response> {
    let Page { n, last } = Page::parse(&call.request.query)?;
    let n = n.unwrap_or(PAGE);
    let mut names = match n {
        0 => Vec::new(),
        // One more than asked for tells whether there is a next page.
        n => catalog::list(call.storage, |name| call.caller.may_see(name), last.as_deref(), n as usize + 1)?,
    };
    let mut link = Vec::new();
    if names.len() > n as usize {
        names.truncate(n as usize);
        let path = call.prefix() + &PATH.write("", "");
        link.extend(names.last().map(|last| ("Link", Page::next(&path, n, last, None))));
    }
    let body = json_body(&Catalog { repositories: names });
    Ok(Response::new(200).with_bytes("application/json", body).with_headers(link))
}
