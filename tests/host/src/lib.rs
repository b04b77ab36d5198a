//! Starts the registry under a real host, and talks to it over HTTP: for the tests, the benchmark, and
//! `cargo xtask serve`. All three start it by the same command line, and none of them needs another client. What else a
//! registry may need is started here too: an object store.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do the functions that help it; what others call returns errors"
)]

pub mod bucket;
pub mod client;
pub mod cluster;
pub mod garage;
pub mod process;
pub mod wasmtime;
