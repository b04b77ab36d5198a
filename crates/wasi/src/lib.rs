//! WASI 0.2, in both directions: what a host calls of a component, and what a component asks of a host.
//!
//! A product is a `static` in a crate of `components/`: a `Handler`, which is a registry over some storage, or a
//! `Driver`, which is some storage alone, to be composed with a registry.
//!
//! All of it exists on a WebAssembly host only.
#![cfg(target_family = "wasm")]

#[doc(hidden)]
pub mod bindings;
mod body;
mod environment;
pub mod exported;
mod files;
mod handler;
mod response;

pub use self::environment::{Source, environment, environment_with_variables};
pub use self::exported::Driver;
pub use self::handler::Handler;
#[doc(hidden)]
pub use wasi;
