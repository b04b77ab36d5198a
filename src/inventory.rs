//! The inventory of a manifest: which of the named content a repository has, and which is missing.
//!
//! Broken blobs that are found on the way are **removed, for all repositories**. A blob that is shorter than
//! the manifest says may have been cut off by a crash of another registry. If its digest does not match, it is removed
//! and counts as missing, so the client pushes it again. If it matches, the manifest is wrong, which is the client's
//! error; the other sizes are then ignored, because checking one reads a whole blob.

use crate::config::Validation;
use crate::descriptor::Descriptor;
use crate::manifest::Manifest;
use crate::media_type;
use crate::repository::{Blob, Repository};
use lighter_hash::Digest;
use lighter_storage::{Result, Storage};

/// How many blobs are looked for at once.
const AT_ONCE: usize = 64;

/// The result of looking for a manifest's content.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Whether the repository has any of it.
    pub has_some: bool,
    /// The content that is missing.
    pub missing: Vec<Missing>,
}

/// Content that a manifest names and the repository does not have.
#[derive(Debug)]
pub enum Missing {
    /// A config, a layer, or another blob.
    Blob(Digest),
    /// A manifest.
    Manifest(Digest),
}

/// Finds the content that a manifest names, as far as it is to be checked, and removes broken blobs.
pub fn take<S: Storage>(
    repository: &Repository<S>,
    manifest: &Manifest,
    validation: Validation,
) -> Result<Inventory> {
    if validation.images && !manifest.blobs.is_empty() {
        return heal_and_find_blobs(repository, manifest);
    }
    if validation.indexes && !manifest.entries.is_empty() {
        return heal_and_find_entries(repository, manifest);
    }
    Ok(Inventory::default())
}

/// Finds the blobs that an image names, and removes broken ones.
fn heal_and_find_blobs<S: Storage>(repository: &Repository<S>, manifest: &Manifest) -> Result<Inventory> {
    let (mut inventory, mut sizes_count) = (Inventory::default(), true);
    for named in manifest.blobs.chunks(AT_ONCE) {
        let blobs = repository.blobs(named.iter().map(|named| &named.digest))?;
        for (named, blob) in named.iter().zip(blobs) {
            let found = heal(repository, named, blob, &mut sizes_count)?;
            inventory.add(found, || Missing::Blob(named.digest.clone()));
        }
    }
    Ok(inventory)
}

/// Finds the content that an index names, and removes broken blobs.
///
/// An entry may be a blob: BuildKit exports its cache as an index of layers and a config, and so does containerd with
/// its checkpoints. The kind that the entry's media type names is looked for first.
fn heal_and_find_entries<S: Storage>(repository: &Repository<S>, manifest: &Manifest) -> Result<Inventory> {
    let (mut inventory, mut sizes_count) = (Inventory::default(), true);
    for named in &manifest.entries {
        let is_manifest = named.media_type.is_empty() || media_type::known(&named.media_type).is_some();
        let found = is_manifest && repository.has_manifest(&named.digest)?
            || heal_and_find_blob(repository, named, &mut sizes_count)?
            || !is_manifest && repository.has_manifest(&named.digest)?;
        let missing = if is_manifest { Missing::Manifest } else { Missing::Blob };
        inventory.add(found, || missing(named.digest.clone()));
    }
    Ok(inventory)
}

impl Inventory {
    fn add(&mut self, found: bool, missing: impl FnOnce() -> Missing) {
        if found {
            self.has_some = true;
        } else {
            self.missing.push(missing());
        }
    }
}

fn heal_and_find_blob<S: Storage>(
    repository: &Repository<S>,
    named: &Descriptor,
    sizes_count: &mut bool,
) -> Result<bool> {
    heal(repository, named, repository.blob(&named.digest)?, sizes_count)
}

/// Removes a blob that was found if it is broken. Returns whether it is there. `sizes_count` is cleared when a size turns out
/// to be wrong.
fn heal<S: Storage>(
    repository: &Repository<S>,
    named: &Descriptor,
    found: Option<Blob>,
    sizes_count: &mut bool,
) -> Result<bool> {
    let Some(blob) = found else { return Ok(false) };
    if *sizes_count && named.size.is_some_and(|size| size > blob.size) {
        *sizes_count = repository.remove_if_broken(&blob)?;
        return Ok(!*sizes_count);
    }
    Ok(true)
}
