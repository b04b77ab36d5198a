//! What `wit/` promises, checked over any storage.
//!
//! A check is written once, against the trait that the registry uses. Natively it runs over the
//! storage in memory. Over a storage driver it runs where the registry does: this is a component with
//! the registry's imports, composed with the driver in the registry's place, and a request runs a
//! check. Where a promise is about several callers at once, as many requests run the check together.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a check fails by panicking"
)]

pub mod checks;

#[cfg(target_family = "wasm")]
mod component;
