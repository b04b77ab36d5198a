//! The key-value storage driver: everything lies in a store of the host's, `wasi:keyvalue`.
//!
//! ```text
//! v/<key>              a value
//! b/<key>              a blob: its bytes, if they are few, or the names of its chunks; or those of one that is not there
//! c/<id>/<run>/<n>     a chunk of a blob or an upload
//! i/<directory>        which names are directly under a prefix: see `index`
//! i/~deleted-from      which directories names are deleted from, but for the usual ones
//! u/<upload>           the number of an upload's last writer, or of one before it: see `lease`
//! u/<upload>#<n>       the state that its writer n has left: see `state`
//! h/<upload>#<n>       the counter by which one becomes writer n
//! t/<upload>#<n>       when one was about to become writer n
//! e/<upload>#<n>       that the upload has ended, for a writer that n has superseded
//! V B I/<key>#<n>      who may create what is under the small letter: see `cell`
//! ```
//!
//! `key` has the letters. Keys that are longer than stores allow end in a hash. What a store offers is taken as narrowly as
//! it is offered in truth. `list-keys` returns every key there is, and is not used. A swap may be
//! reported as done that was not (Redis), so whoever swaps reads what came of it; and one of a key
//! that is not there excludes nobody (SQLite), so what must be exclusive is an `increment`. `get-many`
//! asks Redis something else, and is not used.

#[cfg(target_family = "wasm")]
mod bindings;
mod blob;
mod bucket;
mod cell;
mod content;
#[cfg(target_family = "wasm")]
mod host;
mod index;
mod key;
mod lease;
#[cfg(test)]
mod memory;
mod page;
mod state;
mod storage;
#[cfg(test)]
mod tests;
mod tidy;
mod time;
mod tree;
mod upload;
mod value;

pub use self::bucket::Bucket;
#[cfg(target_family = "wasm")]
pub use self::host::Host;
pub use self::storage::KeyValue;
