//! The registry over a directory, for `wasmtime serve`, and its commands, for `wasmtime run`.
#![cfg(target_family = "wasm")]

use lighter_filesystem::{Filesystem, Host};
use lighter_wasi::{Handler, environment};

static REGISTRY: Handler<Filesystem<Host>> = Handler::new(environment);

lighter_wasi::export_handler!(REGISTRY);
lighter_wasi::export_command!(REGISTRY);
