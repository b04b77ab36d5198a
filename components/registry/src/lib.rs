//! The registry without a storage: it imports one, to be composed with a driver in any language.
#![cfg(target_family = "wasm")]

use lighter_imported::{Imported, environment_of_driver};
use lighter_wasi::Handler;

static REGISTRY: Handler<Imported> = Handler::new(environment_of_driver);

lighter_wasi::export_handler!(REGISTRY);
