//! `/` and `/v2/`.

use crate::http::Response;

/// `GET /`: the registry answers. Load balancers ask for it.
pub fn health() -> Response {
    Response::new(200).with_header("Cache-Control", "no-cache")
}

/// `GET /v2/`: this is a registry (OCI Distribution Spec, end-1).
pub fn version() -> Response {
    Response::new(200).with_bytes("application/json", b"{}".to_vec())
}
