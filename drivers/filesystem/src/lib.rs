//! The filesystem storage driver: keys are paths below a directory that the host gives.
//!
//! The registry's keys are the paths of distribution's filesystem driver, so that what lies there
//! is distribution's own layout. A value or blob appears by a rename of a temporary file that was
//! synced before, and the directory is synced after, so that a crash at any point leaves the old
//! content or the new. Temporary files have distribution's names, `<name>.<uuid>.tmp`.
//!
//! The directory is the one that `REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY` names, or
//! `/var/lib/registry`, as the guest sees it.
//!
//! What comes of it is the registry with this storage linked in (the feature `registry`), or a driver to be
//! composed with a registry (`driver`). They behave alike. Linked in, the bytes of an upload pass by one
//! component and not by two.

#[cfg(target_family = "wasm")]
mod host;

#[cfg(any(target_family = "wasm", test))]
mod directory;
#[cfg(any(target_family = "wasm", test))]
mod disk;
#[cfg(any(target_family = "wasm", test))]
mod error;
#[cfg(any(target_family = "wasm", test))]
mod lease;
#[cfg(any(target_family = "wasm", test))]
mod path;
#[cfg(any(target_family = "wasm", test))]
mod publish;
#[cfg(any(target_family = "wasm", test))]
mod storage;
#[cfg(any(target_family = "wasm", test))]
mod tree;
#[cfg(any(target_family = "wasm", test))]
mod upload;

#[cfg(test)]
mod tests;

#[cfg(all(target_family = "wasm", feature = "registry", not(feature = "token-server")))]
lighter::export_registry!(storage::Filesystem<host::Host>, lighter::component::environment);
#[cfg(all(target_family = "wasm", feature = "token-server"))]
lighter::export_registry!(
    storage::Filesystem<host::Host>,
    lighter::component::environment,
    lighter_token_server::TOKEN_SERVER
);
#[cfg(all(target_family = "wasm", feature = "driver"))]
lighter::export_storage!(storage::Filesystem<host::Host>, lighter::component::environment);
