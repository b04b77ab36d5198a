//! WASI 0.2 in both directions: the calls from a host to a component, and those from a component to its host.
//!
//! A product is a `static` in a crate of `components/`: a `Handler`, which is a registry over a storage, or a
//! `Driver`, which is only a storage, to be composed with a registry.
//!
//! The crate is empty on targets other than WebAssembly.
#![cfg(target_family = "wasm")]

#[doc(hidden)]
pub mod bindings;
mod body;
mod command;
mod environment;
pub mod exported;
mod fetch;
mod files;
mod handler;
mod response;

pub use self::environment::{Source, environment, environment_with_variables};
pub use self::exported::Driver;
pub use self::fetch::Outgoing;
pub use self::handler::Handler;
#[doc(hidden)]
pub use wasi;
