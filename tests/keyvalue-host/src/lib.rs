//! For tests: `wasi:keyvalue` over a directory, so that the key-value driver runs where the host has
//! no store. It is as narrow as Spin's SQLite store and the hosted ones are:
//!
//! - `list-keys` returns every key at once, and fails if it is given a cursor.
//! - A key of more than 255 bytes, or a value of more than 1 MB, is refused.
//! - A compare-and-swap is right on a key that is there. On one that was not, it overwrites what came
//!   in between. A counter is right.
//! - `get-many` leaves out what is not there.
//!
//! And the variables that Spin has beside the environment, from a file.

#[cfg(target_family = "wasm")]
mod bindings;
#[cfg(target_family = "wasm")]
mod exports;
#[cfg(target_family = "wasm")]
mod files;
#[cfg(target_family = "wasm")]
mod variables;
