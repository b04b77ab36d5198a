//! The filesystem storage driver: keys are paths below a directory that the host gives.
//!
//! The registry's keys are the paths of distribution's filesystem driver, so that what lies there
//! is distribution's own layout. A value or blob appears by a rename of a temporary file that was
//! synced before, and the directory is synced after, so that a crash at any point leaves the old
//! content or the new. Temporary files have distribution's names, `<name>.<uuid>.tmp`.
//!
//! The directory is the one that `REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY` names, or
//! `/var/lib/registry`, as the guest sees it.

#[cfg(target_family = "wasm")]
mod bindings;
#[cfg(target_family = "wasm")]
mod blobs;
#[cfg(target_family = "wasm")]
mod claim;
#[cfg(target_family = "wasm")]
mod directory;
#[cfg(target_family = "wasm")]
mod error;
#[cfg(target_family = "wasm")]
mod key_value;
#[cfg(any(target_family = "wasm", test))]
mod path;
#[cfg(target_family = "wasm")]
mod upload;
