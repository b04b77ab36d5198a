//! The registry over the bucket of an object store, for `wasmtime serve`, and its commands, for `wasmtime run`.
#![cfg(target_family = "wasm")]

use lighter_s3::{S3, System};
use lighter_wasi::{Handler, Outgoing, environment};

static REGISTRY: Handler<S3<System<Outgoing>>> = Handler::new(environment);

lighter_wasi::export_handler!(REGISTRY);
lighter_wasi::export_command!(REGISTRY);
