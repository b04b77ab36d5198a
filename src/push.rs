//! What clients push, as references that no collection of garbage may miss: a manifest, and a blob that is uploaded or mounted. Each writes its
//! reference, and looks after that (`docs/collection.md`).

use crate::config::Validation;
use crate::garbage::look::leave_trace;
use crate::garbage::mark::{Id, Mark, id};
use crate::garbage::outside::Outside;
use crate::garbage::references::{canonical, digests_in};
use crate::garbage::settle::{Reference, settle};
use crate::inventory::{self, Missing};
use crate::manifest::Manifest;
use crate::repository::Repository;
use lighter_hash::{Algorithm, Digest};
use lighter_storage::{Result, Storage};

/// A manifest that is pushed.
pub struct Pushed<'a> {
    /// Its content.
    pub content: &'a [u8],
    /// The digest that it is pushed by.
    pub digest: &'a Digest,
    /// Its canonical digest.
    pub canonical: &'a Digest,
    /// What was read of it.
    pub manifest: &'a Manifest,
    /// Which of what it names must be there.
    pub validation: Validation,
}

/// Stores a manifest, if what it names is there. Returns what is missing: then it is not stored. It has no tags yet.
pub fn manifest<S: Storage>(
    repository: &Repository<S>,
    outside: &dyn Outside,
    pushed: &Pushed,
) -> Result<Vec<Missing>> {
    let since = outside.now();
    let inventory = inventory::take(repository, pushed.manifest, pushed.validation)?;
    if !inventory.missing.is_empty() {
        return Ok(inventory.missing);
    }
    if !inventory.has_some {
        repository.keep_layers()?;
    }
    let reference = ManifestReference { repository, pushed };
    reference.write()?;
    while !settle(repository.storage(), outside, since, &reference)? {
        let missing = reference.take_back(outside)?;
        if !missing.is_empty() {
            return Ok(missing);
        }
    }
    Ok(Vec::new())
}

/// Links content to a repository, which was published or found after `since`, in seconds since 1970. Returns whether it is there;
/// otherwise it was just removed, as garbage. A link that leads nowhere is left then: it shows nothing, and another
/// request may need it.
pub fn blob<S: Storage>(
    repository: &Repository<S>,
    outside: &dyn Outside,
    since: u64,
    digest: &Digest,
    canonical: &Digest,
) -> Result<bool> {
    repository.link_blob(digest, canonical)?;
    settle(repository.storage(), outside, since, &BlobReference { repository, digest, canonical })
}

struct ManifestReference<'a, S> {
    repository: &'a Repository<'a, S>,
    pushed: &'a Pushed<'a>,
}

impl<S: Storage> ManifestReference<'_, S> {
    fn write(&self) -> Result<()> {
        let Pushed { content, digest, canonical, manifest, .. } = self.pushed;
        self.repository.put_manifest(content, digest, canonical, manifest.subject.as_ref())
    }

    /// Removes the manifest, if something is missing, and returns that. Others may push the same manifest at the same time,
    /// with success: so this is done as a collector removes something.
    fn take_back(&self, outside: &dyn Outside) -> Result<Vec<Missing>> {
        let Pushed { digest, canonical, manifest, validation, .. } = self.pushed;
        let storage = self.repository.storage();
        let mark = Mark::set(storage, outside, "pushed", id(canonical).as_slice())?;
        let missing = inventory::take(self.repository, manifest, *validation)?.missing;
        // Later it stays, and is like one whose blobs a client has deleted.
        if !missing.is_empty() && !mark.is_late(outside) {
            self.repository.take_back_manifest(digest, canonical, manifest.subject.as_ref())?;
            leave_trace(storage, outside)?;
        }
        mark.remove(storage)?;
        Ok(missing)
    }
}

impl<S: Storage> Reference for ManifestReference<'_, S> {
    fn ids(&self) -> Result<Vec<Id>> {
        let mut ids: Vec<Id> = id(self.pushed.canonical).into_iter().collect();
        for digest in digests_in(self.pushed.content) {
            let canonical = canonical(self.repository.storage(), self.repository.name(), &digest)?;
            ids.extend(canonical.iter().filter_map(id));
        }
        Ok(ids)
    }

    fn entry(&self) -> Option<(String, String)> {
        let value = format!("{}@{}", self.repository.name(), self.pushed.canonical);
        Some((Digest::of(Algorithm::Sha256, value.as_bytes()).hex().to_owned(), value))
    }

    fn is_whole(&self) -> Result<bool> {
        let Pushed { manifest, validation, .. } = self.pushed;
        Ok(inventory::take(self.repository, manifest, *validation)?.missing.is_empty())
    }

    fn renew(&self) -> Result<bool> {
        let Pushed { digest, canonical, .. } = self.pushed;
        let is_there = self.repository.has_all_of_manifest(digest, canonical)?;
        if !is_there {
            self.write()?;
        }
        Ok(is_there)
    }
}

struct BlobReference<'a, S> {
    repository: &'a Repository<'a, S>,
    digest: &'a Digest,
    canonical: &'a Digest,
}

impl<S: Storage> Reference for BlobReference<'_, S> {
    fn ids(&self) -> Result<Vec<Id>> {
        Ok(id(self.canonical).into_iter().collect())
    }

    fn entry(&self) -> Option<(String, String)> {
        None
    }

    fn is_whole(&self) -> Result<bool> {
        self.repository.has_content(self.canonical)
    }

    fn renew(&self) -> Result<bool> {
        let is_there = self.repository.has_links(self.digest, self.canonical)?;
        if !is_there {
            self.repository.link_blob(self.digest, self.canonical)?;
        }
        Ok(is_there)
    }
}
