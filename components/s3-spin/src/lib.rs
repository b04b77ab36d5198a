//! The registry over the bucket of an object store, for Spin. That host has variables besides the environment, where
//! credentials belong; `wasmtime serve` has none unless it is told so.
#![cfg(target_family = "wasm")]

use lighter_s3::{S3, System};
use lighter_wasi::{Handler, Outgoing, environment_with_variables};

static REGISTRY: Handler<S3<System<Outgoing>>> = Handler::new(environment_with_variables);

lighter_wasi::export_handler!(REGISTRY);
