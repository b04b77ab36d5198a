//! `/v2/_catalog`.

use serde::Serialize;

use crate::auth::Caller;
use crate::catalog;
use crate::error::Result;
use crate::http::page::Page;
use crate::http::response::json_body;
use crate::http::{Request, Response};
use lighter_storage::Storage;

/// How many repositories are listed where the client names no number (distribution's default).
const PAGE: u32 = 100;

#[derive(Serialize)]
struct Catalog {
    repositories: Vec<String>,
}

/// `GET`: the repositories that the caller may pull, a page of them (distribution's API; no part of the OCI
/// spec).
pub fn list<S: Storage>(storage: &S, caller: &Caller, request: &Request) -> Result<Response> {
    let Page { n, last } = Page::parse(&request.query)?;
    let n = n.unwrap_or(PAGE);
    let mut names = match n {
        0 => Vec::new(),
        // One more than asked for tells whether there is a next page.
        n => catalog::list(storage, |name| caller.may_see(name), last.as_deref(), n as usize + 1)?,
    };
    let mut link = Vec::new();
    if names.len() > n as usize {
        names.truncate(n as usize);
        link.extend(names.last().map(|last| ("Link", Page::next("/v2/_catalog", n, last, None))));
    }
    let body = json_body(&Catalog { repositories: names });
    Ok(Response::new(200).with_bytes("application/json", body).with_headers(link))
}
