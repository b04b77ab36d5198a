//! What a repository has of what a manifest names, and what it lacks.
//!
//! Broken blobs that are found on the way are **removed, for all repositories**. One that is shorter than the
//! manifest says was perhaps cut off, by a crash of another registry. If it was, it is removed and counts as
//! absent: then it is pushed again. If not, the manifest is wrong, which is its client's business, and none of
//! its other sizes counts: reading blobs costs.

use crate::descriptor::Descriptor;
use crate::manifest::Manifest;
use crate::media_type;
use crate::repository::Repository;
use lighter_hash::Digest;
use lighter_storage::{Result, Storage};

/// What was found, and what was not.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Whether the repository has any of it.
    pub has_some: bool,
    /// What it lacks.
    pub missing: Vec<Missing>,
}

/// Content that a manifest names and the repository lacks.
#[derive(Debug)]
pub enum Missing {
    /// A config, a layer, or another blob.
    Blob(Digest),
    /// A manifest.
    Manifest(Digest),
}

/// Finds the blobs that an image names, and removes broken ones.
pub fn heal_and_find_blobs<S: Storage>(repository: &Repository<S>, manifest: &Manifest) -> Result<Inventory> {
    let (mut inventory, mut sizes_count) = (Inventory::default(), true);
    for named in &manifest.blobs {
        let found = heal_and_find_blob(repository, named, &mut sizes_count)?;
        inventory.add(found, || Missing::Blob(named.digest.clone()));
    }
    Ok(inventory)
}

/// Finds what an index names, and removes broken blobs.
///
/// An entry may be a blob: BuildKit exports its cache as an index of layers and a config, and containerd its
/// checkpoints. What an entry says that it is, is looked for first.
pub fn heal_and_find_entries<S: Storage>(
    repository: &Repository<S>,
    manifest: &Manifest,
) -> Result<Inventory> {
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

/// `sizes_count` until one is found to be wrong.
fn heal_and_find_blob<S: Storage>(
    repository: &Repository<S>,
    named: &Descriptor,
    sizes_count: &mut bool,
) -> Result<bool> {
    let Some(blob) = repository.blob(&named.digest)? else { return Ok(false) };
    if *sizes_count && named.size.is_some_and(|size| size > blob.size) {
        *sizes_count = repository.remove_if_broken(&blob)?;
        return Ok(!*sizes_count);
    }
    Ok(true)
}
