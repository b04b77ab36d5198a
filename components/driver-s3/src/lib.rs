//! The S3 driver alone, to be composed with the registry.
#![cfg(target_family = "wasm")]

use lighter_s3::{S3, System};
use lighter_wasi::{Driver, Outgoing, environment};

static DRIVER: Driver<S3<System<Outgoing>>> = Driver::new(environment);

lighter_wasi::export_driver!(DRIVER: S3<System<Outgoing>>);
