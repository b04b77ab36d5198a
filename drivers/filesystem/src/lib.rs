//! The filesystem storage driver: keys are paths below a directory that the host gives.
//!
//! The registry's keys are the paths of distribution's filesystem driver, so that what lies there
//! is distribution's own layout. A value or blob appears by a rename of a temporary file that was
//! synced before, and the directory is synced after, so that a crash at any point leaves the old
//! content or the new. Temporary files have distribution's names, `<name>.<uuid>.tmp`. What crashes leave goes when
//! the store is tidied, as do empty directories: whoever finds that its directory is gone makes it again.
//!
//! The directory is the one that `REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY` names, or
//! `/var/lib/registry`, as the guest sees it.

mod directory;
mod disk;
mod error;
#[cfg(target_family = "wasm")]
mod host;
mod lease;
mod listing;
mod path;
mod publish;
mod storage;
#[cfg(test)]
mod tests;
mod tidy;
mod tree;
mod upload;

pub use self::disk::{Code, Disk, File, Kind, Links, Open, Stat};
#[cfg(target_family = "wasm")]
pub use self::host::Host;
pub use self::storage::Filesystem;
