//! The referrers of a manifest: signatures, attestations, bills of materials.
//!
//! A push writes one key for each referrer, so that pushes do not disturb each other. There are two ways to find
//! referrers that another registry stored: the fallback tag `<algorithm>-<hex>` that clients keep if a registry does not
//! support referrers, and a single search of all manifests of a repository, when a client first asks. However a manifest
//! is found, it counts only if its own `subject` is the requested one: such a tag may be any index, whose entries refer
//! to nothing.

use serde_json::value::{RawValue, to_raw_value};

use crate::clock;
use crate::descriptor::Descriptor;
use crate::layout;
use crate::manifest::{MANIFEST_MAX, index_entries, media_type_of};
use crate::media_type;
use crate::referrer::Referrer;
use crate::repository::{Reference, Repository};
use lighter_hash::{Algorithm, Digest};
use lighter_storage::{Result, Storage};

/// The number of manifests that are listed at a time when all of them are read.
const BATCH: u32 = 1000;

/// The most bytes of descriptors on a page. The answer is an index, and clients accept none that is larger than a
/// manifest may be.
const PAGE_BYTES: usize = MANIFEST_MAX as usize - 4096;

/// A page of a list of referrers.
#[derive(Debug, Default)]
pub struct ReferrerPage {
    /// The descriptors of the referrers.
    pub descriptors: Vec<Box<RawValue>>,
    /// The digest of the last referrer on the page, if there are more after it.
    pub last: Option<String>,
    bytes: usize,
}

/// Lists at most `limit` referrers of a subject, in the order of their digests, after one, and only those of an
/// artifact type if one is given. There are fewer if they would take more than `PAGE_BYTES`. `backfilled` are the
/// referrers that [`backfill`] has just found.
pub fn list<S: Storage>(
    repository: &Repository<S>,
    subject: &Digest,
    backfilled: &[Digest],
    artifact_type: Option<&str>,
    after: Option<&Digest>,
    limit: usize,
) -> Result<ReferrerPage> {
    let mut found_otherwise = fallback(repository, subject)?;
    found_otherwise.extend_from_slice(backfilled);
    let wanted = |descriptor: &Descriptor| {
        let artifact_type_of = |wanted| {
            descriptor.artifact_type.as_ref().is_some_and(|its_own| media_type::same(its_own, wanted))
        };
        artifact_type.is_none_or(artifact_type_of)
    };
    let (mut page, mut last) = (ReferrerPage::default(), None);
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let mut after = match after {
            Some(after) if after.algorithm() == algorithm => Some(after.hex().to_owned()),
            Some(after) if after.algorithm() == Algorithm::Sha512 => continue,
            _ => None,
        };
        loop {
            let prefix = layout::referrers(repository.name(), subject, algorithm);
            let mut hexes = repository.storage().list(&prefix, after.as_deref(), BATCH)?;
            let until = hexes.last().filter(|_| hexes.len() == BATCH as usize).cloned();
            let others = found_otherwise.iter().filter(|other| other.algorithm() == algorithm);
            for other in others.map(|other| other.hex().to_owned()) {
                let in_batch = after.as_ref().is_none_or(|after| other > *after)
                    && until.as_ref().is_none_or(|until| other <= *until);
                if let (true, Err(place)) = (in_batch, hexes.binary_search(&other)) {
                    hexes.insert(place, other);
                }
            }
            for hex in hexes {
                let Some(digest) = layout::listed_digest(algorithm, &hex) else { continue };
                let Some(descriptor) = describe(repository, &digest, subject)?.filter(wanted) else {
                    continue;
                };
                if !page.takes(&descriptor, limit) {
                    return Ok(ReferrerPage { last, ..page });
                }
                last = Some(descriptor.digest.to_string());
            }
            let Some(until) = until else { break };
            after = Some(until);
        }
    }
    Ok(page)
}

impl ReferrerPage {
    /// Adds a descriptor, unless the page is full. There is always room for the first one.
    #[expect(clippy::expect_used, reason = "a descriptor has string keys and can always be written as JSON")]
    fn takes(&mut self, descriptor: &Descriptor, limit: usize) -> bool {
        let descriptor = to_raw_value(descriptor).expect("serializable");
        let bytes = self.bytes + descriptor.get().len() + 1;
        if self.descriptors.len() == limit || (bytes > PAGE_BYTES && !self.descriptors.is_empty()) {
            return false;
        }
        self.bytes = bytes;
        self.descriptors.push(descriptor);
        true
    }
}

/// Describes a manifest, if the repository has it and it refers to a subject.
fn describe<S: Storage>(
    repository: &Repository<S>,
    digest: &Digest,
    subject: &Digest,
) -> Result<Option<Descriptor>> {
    let Some((_, manifest)) = repository.manifest(&Reference::Digest(digest.clone()))? else {
        return Ok(None);
    };
    let Some(content) = repository.read_manifest(&manifest)? else { return Ok(None) };
    let referrer = Referrer::of(&content).filter(|referrer| referrer.subject.as_ref() == Some(subject));
    let Some(referrer) = referrer else { return Ok(None) };
    Ok(Some(Descriptor {
        media_type: media_type_of(&content),
        digest: digest.clone(),
        size: Some(manifest.size),
        has_urls: false,
        artifact_type: referrer.artifact_type,
        annotations: referrer.annotations,
    }))
}

/// Returns the digests in the index under the subject's fallback tag (OCI Distribution Spec, "Referrers Tag Schema").
pub fn fallback<S: Storage>(repository: &Repository<S>, subject: &Digest) -> Result<Vec<Digest>> {
    // The digest is cut off, because that of a SHA-512 would be longer than a tag may be.
    let tag = format!("{}-{:.64}", subject.algorithm().as_str(), subject.hex());
    match repository.manifest(&Reference::Tag(tag))? {
        Some((_, index)) => Ok(index_entries(&repository.read_manifest(&index)?.unwrap_or_default())),
        None => Ok(Vec::new()),
    }
}

/// Reads every manifest of a repository for its subject, unless that was done before, and returns the referrers of one
/// subject. If `may_write` is set, links to all referrers are stored for the next time.
pub fn backfill<S: Storage>(
    repository: &Repository<S>,
    subject: &Digest,
    mut may_write: bool,
) -> Result<Vec<Digest>> {
    let (storage, name) = (repository.storage(), repository.name());
    let complete = layout::referrers_complete(name);
    if storage.get(&complete)?.is_some() || !repository.exists()? {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let hexes = storage.list(&layout::revisions(name, Algorithm::Sha256), after.as_deref(), BATCH)?;
        for hex in &hexes {
            let Some(digest) = layout::listed_digest(Algorithm::Sha256, hex) else { continue };
            let Some((_, manifest)) = repository.manifest(&Reference::Digest(digest.clone()))? else {
                continue;
            };
            let content = repository.read_manifest(&manifest)?;
            let Some(referrer) = content.and_then(|content| Referrer::of(&content)) else { continue };
            let Some(its_subject) = referrer.subject else { continue };
            // A manifest that was pushed by another digest is listed by that one.
            if is_linked_otherwise(repository, &its_subject, &digest)? {
                continue;
            }
            if may_write {
                let key = layout::referrer_link(name, &its_subject, &digest);
                // A read does not depend on these links: storage may be full or read-only.
                may_write = storage.set(&key, digest.as_str().as_bytes()).is_ok();
            }
            if its_subject == *subject {
                found.push(digest);
            }
        }
        if hexes.len() < BATCH as usize {
            break;
        }
        after = hexes.last().cloned();
    }
    if may_write {
        let _ = storage.set(&complete, clock::now().as_bytes());
    }
    Ok(found)
}

/// Whether a referrer, given by its canonical digest, is already known by another digest.
fn is_linked_otherwise<S: Storage>(
    repository: &Repository<S>,
    subject: &Digest,
    canonical: &Digest,
) -> Result<bool> {
    let prefix = layout::referrers(repository.name(), subject, Algorithm::Sha512);
    for hex in repository.storage().list(&prefix, None, u32::MAX)? {
        let link = repository.storage().get(&layout::link_in(&prefix, &hex))?;
        if link.is_some_and(|link| link.trim_ascii() == canonical.as_str().as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}
