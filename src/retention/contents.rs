//! What a repository has, as far as retention needs it: read from storage within a bound.
//!
//! A repository beyond the [`Limits`] is not read. So its contents take about 64 MiB at most, beside one manifest that is
//! being read, of [`MANIFEST_MAX`] bytes.

use std::collections::BinaryHeap;

use super::Rule;
use crate::garbage::references::digests_in;
use crate::layout;
use crate::manifest::MANIFEST_MAX;
use crate::name::is_tag;
use crate::referrer::Referrer;
use crate::repository::{Blob, Repository};
use lighter_hash::{Algorithm, Digest};
use lighter_storage::{Error, Result, Storage};

/// How much of a repository is read at most.
#[derive(Debug)]
pub(super) struct Limits {
    /// Tags.
    pub tags: usize,
    /// Manifests, and the digests of another algorithm that they have.
    pub manifests: usize,
    /// How often manifests name each other.
    pub names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { tags: 100_000, manifests: 100_000, names: 1_000_000 }
    }
}

/// The number of names that are listed at a time.
const BATCH: u32 = 1000;

/// What a repository has.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The tags that point to manifests.
    pub tags: Vec<Tag>,
    /// The manifests. Each stays in its place, also once it is removed.
    pub manifests: Vec<Manifest>,
    /// A manifest that cannot be read: what it names is not known.
    pub unreadable: Option<Digest>,
    /// Names that are listed among the manifests without a link, where it matters which ones came from an upstream.
    pub absent: Vec<Digest>,
    /// The places of the manifests, in the order of their digests.
    order: Vec<u32>,
    /// Other digests of manifests, in order, with the places of these.
    aliases: Vec<(Digest, u32)>,
    names: usize,
    limits: Limits,
    of_upstream: bool,
}

/// A tag.
#[derive(Debug)]
pub(super) struct Tag {
    pub name: String,
    /// The place of the manifest that it points to.
    pub manifest: u32,
    pub is_immutable: bool,
}

/// A manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    /// Its canonical digest.
    pub digest: Digest,
    /// The seconds since it was last pushed, to any repository, if the store knows.
    pub age: Option<u64>,
    /// The places of the manifests that it names, but not of its subject.
    pub names: Vec<u32>,
    /// The place of its subject.
    pub subject: Option<u32>,
    /// Whether its content is there and matches its digest.
    pub is_readable: bool,
    pub is_removed: bool,
    /// Whether it came from an upstream, where that matters.
    pub is_mirrored: bool,
}

/// Why contents were not read.
#[derive(Debug)]
pub(super) enum Stop {
    Storage(Error),
    /// There is too much, of this.
    TooMany(&'static str, usize),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}

impl Contents {
    /// Empty contents, for no more than these.
    #[cfg(test)]
    pub(super) fn within(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Empty contents, of a repository that has an upstream.
    pub(super) fn of_upstream() -> Self {
        Self { of_upstream: true, ..Self::default() }
    }

    /// Whether a manifest came from an upstream, and was not pulled for longer than the rule keeps such content.
    pub(super) fn is_expired(&self, rule: &Rule, at: usize) -> bool {
        let manifest = self.manifests.get(at).filter(|manifest| manifest.is_mirrored);
        let (Some(cached), Some(manifest)) = (&rule.cached, manifest) else { return false };
        manifest.age.unwrap_or(u64::MAX) >= cached.seconds
    }

    /// Contents without a storage.
    #[cfg(test)]
    pub(super) fn of(manifests: Vec<Manifest>, tags: Vec<Tag>) -> Self {
        let mut contents = Self { manifests, tags, ..Self::default() };
        contents.sort();
        contents
    }

    /// Reads what has changed since the last time, and everything at first. A manifest that is known is not read again,
    /// unless it was removed and is there again.
    pub(super) fn read<S: Storage>(
        &mut self,
        repository: &Repository<S>,
        is_immutable: impl Fn(&str) -> bool,
    ) -> core::result::Result<(), Stop> {
        self.unreadable = None;
        self.absent.clear();
        let fresh = self.list_manifests(repository)?;
        self.list_aliases(repository)?;
        for at in fresh {
            self.read_manifest(repository, at)?;
        }
        if let Some(manifest) = self.manifests.iter().find(|manifest| !manifest.is_readable) {
            self.unreadable = Some(manifest.digest.clone());
        }
        // Last: what is pushed meanwhile has a tag to a manifest that is not known, and then both stay.
        self.list_tags(repository, is_immutable)
    }

    /// Finds the place of a manifest, by any of its digests.
    pub(super) fn find(&self, digest: &Digest) -> Option<u32> {
        if digest.algorithm() != Algorithm::Sha256 {
            let found = self.aliases.binary_search_by(|(alias, _)| alias.as_str().cmp(digest.as_str()));
            return found.ok().and_then(|found| self.aliases.get(found)).map(|(_, at)| *at);
        }
        let text_at =
            |at: &u32| self.manifests.get(*at as usize).map_or("", |manifest| manifest.digest.as_str());
        let found = self.order.binary_search_by(|at| text_at(at).cmp(digest.as_str())).ok()?;
        self.order.get(found).copied()
    }

    /// Reads which manifest a tag points to, if that is known.
    pub(super) fn held_by_tag<S: Storage>(
        &self,
        repository: &Repository<S>,
        tag: &str,
    ) -> Result<Option<u32>> {
        let link = repository.storage().get(&layout::tag_link(repository.name(), tag))?;
        Ok(link.and_then(|link| self.find(&layout::digest_in_link(&link)?)))
    }

    /// Lists the manifests, and returns the places of those that are new.
    fn list_manifests<S: Storage>(
        &mut self,
        repository: &Repository<S>,
    ) -> core::result::Result<Vec<usize>, Stop> {
        let mut fresh = Vec::new();
        each_revision(repository, Algorithm::Sha256, |digest| {
            let known = self.find(&digest).map(|at| at as usize);
            if known.and_then(|at| self.manifests.get(at)).is_some_and(|manifest| !manifest.is_removed) {
                return Ok(());
            }
            let Some(link) = repository.storage().get(&layout::revision_link(repository.name(), &digest))?
            else {
                // The name of one that was removed may still be listed.
                self.absent.extend(self.of_upstream.then_some(digest));
                return within(self.absent.len(), self.limits.manifests, "names without a manifest");
            };
            if link.trim_ascii() != digest.as_str().as_bytes() {
                self.unreadable = Some(digest);
                return Ok(());
            }
            fresh.push(known.unwrap_or(self.manifests.len()));
            if known.is_none() {
                self.manifests.push(Manifest {
                    digest,
                    age: None,
                    names: Vec::new(),
                    subject: None,
                    is_readable: true,
                    is_removed: false,
                    is_mirrored: false,
                });
            }
            within(self.manifests.len(), self.limits.manifests, "manifests")
        })?;
        self.sort();
        Ok(fresh)
    }

    /// Whether a repository has manifests that were not read.
    pub(super) fn are_behind<S: Storage>(&self, repository: &Repository<S>) -> Result<bool> {
        let mut are_behind = false;
        let listed = each_revision(repository, Algorithm::Sha256, |digest| {
            let known = self.find(&digest).and_then(|at| self.manifests.get(at as usize));
            if known.is_none_or(|manifest| manifest.is_removed) {
                are_behind |=
                    repository.storage().get(&layout::revision_link(repository.name(), &digest))?.is_some();
            }
            Ok(())
        });
        match listed {
            Err(Stop::Storage(error)) => Err(error),
            _ => Ok(are_behind),
        }
    }

    fn sort(&mut self) {
        let places: BinaryHeap<(&str, u32)> =
            self.manifests.iter().map(|manifest| manifest.digest.as_str()).zip(0..).collect();
        self.order = places.into_sorted_vec().into_iter().map(|(_, at)| at).collect();
    }

    fn list_aliases<S: Storage>(&mut self, repository: &Repository<S>) -> core::result::Result<(), Stop> {
        let mut aliases = Vec::new();
        each_revision(repository, Algorithm::Sha512, |alias| {
            let link = repository.storage().get(&layout::revision_link(repository.name(), &alias))?;
            if let Some(at) = link.and_then(|link| self.find(&layout::digest_in_link(&link)?)) {
                aliases.push((alias, at));
            }
            within(aliases.len(), self.limits.manifests, "digests of manifests")
        })?;
        // They are listed in order.
        self.aliases = aliases;
        Ok(())
    }

    fn read_manifest<S: Storage>(
        &mut self,
        repository: &Repository<S>,
        at: usize,
    ) -> core::result::Result<(), Stop> {
        let Some(digest) = self.manifests.get(at).map(|manifest| manifest.digest.clone()) else {
            return Ok(());
        };
        let info = repository.storage().stat(&layout::blob(&digest))?;
        let content = match info {
            Some(info) if info.size <= MANIFEST_MAX => repository.read_manifest(&Blob {
                canonical: digest.clone(),
                size: info.size,
                age: info.age,
            })?,
            _ => None,
        };
        let is_readable = content.is_some();
        let content = content.unwrap_or_default();
        let subject = Referrer::of(&content).and_then(|referrer| referrer.subject);
        let names: BinaryHeap<u32> = digests_in(&content)
            .into_iter()
            .filter(|named| Some(named) != subject.as_ref())
            .filter_map(|named| self.find(&named))
            .filter(|named| *named as usize != at)
            .collect();
        let mut names = names.into_sorted_vec();
        names.dedup();
        names.shrink_to_fit();
        let subject = subject.and_then(|subject| self.find(&subject));
        let mirrored = layout::mirrored(repository.name(), &digest);
        let is_mirrored = self.of_upstream && repository.storage().get(&mirrored)?.is_some();
        self.names += names.len();
        if let Some(manifest) = self.manifests.get_mut(at) {
            let (digest, age) = (manifest.digest.clone(), info.and_then(|info| info.age));
            *manifest = Manifest { digest, age, names, subject, is_readable, is_removed: false, is_mirrored };
        }
        within(self.names, self.limits.names, "references among manifests")
    }

    fn list_tags<S: Storage>(
        &mut self,
        repository: &Repository<S>,
        is_immutable: impl Fn(&str) -> bool,
    ) -> core::result::Result<(), Stop> {
        self.tags.clear();
        let prefix = layout::tags(repository.name());
        each(repository, &prefix, |name| {
            if !is_tag(&name) {
                return Ok(());
            }
            if let Some(manifest) = self.held_by_tag(repository, &name)? {
                let is_immutable = is_immutable(&name);
                self.tags.push(Tag { name, manifest, is_immutable });
            }
            within(self.tags.len(), self.limits.tags, "tags")
        })
    }
}

fn within(number: usize, most: usize, of: &'static str) -> core::result::Result<(), Stop> {
    if number > most { Err(Stop::TooMany(of, most)) } else { Ok(()) }
}

/// Goes through the digests of an algorithm under which a repository has manifests, in order.
fn each_revision<S: Storage>(
    repository: &Repository<S>,
    algorithm: Algorithm,
    mut take: impl FnMut(Digest) -> core::result::Result<(), Stop>,
) -> core::result::Result<(), Stop> {
    let prefix = layout::revisions(repository.name(), algorithm);
    each(repository, &prefix, |hex| layout::listed_digest(algorithm, &hex).map_or(Ok(()), &mut take))
}

/// Goes through the names under a prefix, in order.
fn each<S: Storage>(
    repository: &Repository<S>,
    prefix: &str,
    mut take: impl FnMut(String) -> core::result::Result<(), Stop>,
) -> core::result::Result<(), Stop> {
    let mut after: Option<String> = None;
    loop {
        let names = repository.storage().list(prefix, after.as_deref(), BATCH)?;
        let is_last = names.len() < BATCH as usize;
        after = names.last().cloned();
        names.into_iter().try_for_each(&mut take)?;
        if is_last {
            return Ok(());
        }
    }
}

/// Returns the seconds since content was last published.
pub(super) fn age<S: Storage>(repository: &Repository<S>, canonical: &Digest) -> Result<Option<u64>> {
    Ok(repository.storage().stat(&layout::blob(canonical))?.and_then(|info| info.age))
}
