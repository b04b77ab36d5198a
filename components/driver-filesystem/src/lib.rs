//! The filesystem driver alone, to be composed with the registry.
#![cfg(target_family = "wasm")]

use lighter_filesystem::{Filesystem, Host};
use lighter_wasi::{Driver, environment};

static DRIVER: Driver<Filesystem<Host>> = Driver::new(environment);

lighter_wasi::export_driver!(DRIVER: Filesystem<Host>);
