//! The registry over the key-value store of the host, for Spin. That host has variables besides the environment.
#![cfg(target_family = "wasm")]

use lighter_keyvalue::{Host, KeyValue};
use lighter_wasi::{Handler, environment_with_variables};

static REGISTRY: Handler<KeyValue<Host>> = Handler::new(environment_with_variables);

lighter_wasi::export_handler!(REGISTRY);
