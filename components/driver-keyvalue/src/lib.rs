//! The key-value driver alone, to be composed with the registry. It passes on the variables of its host.
#![cfg(target_family = "wasm")]

use lighter_keyvalue::{Host, KeyValue};
use lighter_wasi::{Driver, environment_with_variables};

static DRIVER: Driver<KeyValue<Host>> = Driver::new(environment_with_variables);

lighter_wasi::export_driver!(DRIVER: KeyValue<Host>);
