//! The key-value storage driver: everything lies in a store of the host's, `wasi:keyvalue`.
//!
//! ```text
//! v/<key>              a value
//! b/<key>              a blob: its bytes, if they are few, or the names of its chunks
//! c/<id>/<run>/<n>     a chunk of a blob or an upload
//! i/<directory>        which names are directly under a prefix: see `index`
//! u/<upload>…          an upload: see `upload` and `hold`
//! V B I/<key>#<n>      who may create what is under the small letter: see `cell`
//! ```
//!
//! Keys that are longer than stores allow end in a hash. What a store offers is taken as narrowly as
//! it is offered in truth. `list-keys` returns every key there is, and is not used. A swap may be
//! reported as done that was not (Redis), so whoever swaps reads what came of it; and one of a key
//! that is not there excludes nobody (SQLite), so what must be exclusive is an `increment`. `get-many`
//! asks Redis something else, and is not used.
//!
//! What comes of it is the registry with this storage linked in (the feature `registry`), or a driver to be
//! composed with a registry (`driver`).

#[cfg(target_family = "wasm")]
mod bindings;
#[cfg(target_family = "wasm")]
mod environment;
#[cfg(target_family = "wasm")]
mod host;
#[cfg(target_family = "wasm")]
mod storage;

#[cfg(any(target_family = "wasm", test))]
mod blob;
#[cfg(any(target_family = "wasm", test))]
mod bucket;
#[cfg(any(target_family = "wasm", test))]
mod cell;
#[cfg(any(target_family = "wasm", test))]
mod content;
#[cfg(any(target_family = "wasm", test))]
mod hold;
#[cfg(any(target_family = "wasm", test))]
mod index;
#[cfg(any(target_family = "wasm", test))]
mod key;
#[cfg(any(target_family = "wasm", test))]
mod page;
#[cfg(any(target_family = "wasm", test))]
mod state;
#[cfg(any(target_family = "wasm", test))]
mod time;
#[cfg(any(target_family = "wasm", test))]
mod upload;
#[cfg(any(target_family = "wasm", test))]
mod value;

#[cfg(test)]
mod memory;
#[cfg(test)]
mod tests;

#[cfg(all(target_family = "wasm", feature = "registry"))]
lighter::export_registry!(storage::KeyValue, environment::environment);
#[cfg(all(target_family = "wasm", feature = "driver"))]
lighter::export_storage!(storage::KeyValue, environment::environment);
