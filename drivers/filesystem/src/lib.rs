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

#[cfg(target_family = "wasm")]
mod registry {
    //! The storage that a component is made of.

    use std::sync::OnceLock;

    use wasi::cli::environment::get_environment;

    use crate::host::Host;
    use crate::storage::Filesystem;

    /// Where the directory is, unless it is configured: distribution's default.
    const ROOT: &str = "/var/lib/registry";
    const ROOT_VARIABLE: &str = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY";

    impl Default for Filesystem<Host> {
        /// The directory is looked up once in the life of an instance.
        fn default() -> Self {
            static STORAGE: OnceLock<Filesystem<Host>> = OnceLock::new();
            let open = || {
                let variables = get_environment().into_iter();
                let mut configured =
                    variables.filter(|(name, value)| name == ROOT_VARIABLE && !value.is_empty());
                let root = configured.next().map_or_else(|| ROOT.to_owned(), |(_, value)| value);
                Self::new(Host::find(&root))
            };
            STORAGE.get_or_init(open).clone()
        }
    }
}

#[cfg(all(target_family = "wasm", feature = "registry"))]
lighter::export_registry!(storage::Filesystem<host::Host>, wasi::cli::environment::get_environment);
#[cfg(all(target_family = "wasm", feature = "driver"))]
lighter::export_storage!(storage::Filesystem<host::Host>);
