//! `/` and `/v2/`.

use crate::endpoint::{Access, Answer, Call, Endpoint, READ, Resource};
use crate::error::Result;
use crate::http::Response;
use crate::route::Path;
use crate::ui::frame::root;
use lighter_storage::Storage;

impl<S: Storage> Resource<S> {
    /// The registry, for load balancers.
    pub const HEALTH: Self = Self {
        path: Path::Whole("/"),
        endpoints: &[Endpoint { methods: READ, access: Access::None, answer: Answer::Registry(health) }],
    };

    /// The registry, for clients.
    pub const BASE: Self = Self {
        path: Path::Whole("/v2/"),
        endpoints: &[Endpoint { methods: READ, access: Access::Login, answer: Answer::Registry(version) }],
    };
}

/// `GET /`: confirms that the registry answers. Load balancers use it. A browser finds the way to the pages here, with the
/// same status, since some that watch a registry behave like browsers.
fn health<S: Storage>(call: &mut Call<S>) -> Result<Response> {
    let is_browser = call.request.header("accept").is_some_and(|accept| accept.contains("text/html"));
    if call.config.pages && is_browser {
        return Ok(root(&call.prefix()));
    }
    Ok(Response::new(200).with_header("Cache-Control", "no-cache"))
}

/// `GET /v2/`: confirms that this is a registry (OCI Distribution Spec, end-1).
fn version<S: Storage>(_: &mut Call<S>) -> Result<Response> {
    Ok(Response::new(200).with_bytes("application/json", b"{}".to_vec()))
}
