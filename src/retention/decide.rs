//! What a rule removes from a repository: a decision that depends only on what the repository has.
//!
//! - A tag is kept if the rule keeps it, if it is immutable, or if its manifest cannot be read. All tags of the same age as the last of the newest are kept
//!   with it.
//! - A tag that belongs to a manifest, by the name that clients and cosign give it (`sha256-<hex>`, `sha256-<hex>.sig`), is
//!   kept as long as that manifest, and does not count among the newest. Without that manifest it is kept like a manifest
//!   without a tag.
//! - A manifest is kept if a tag that is kept points to it, or if it is young.
//! - What came from an upstream and was not pulled for too long is not kept by that, and neither are its tags, unless they
//!   are immutable.
//! - What is kept keeps what it names and what refers to it, but not its subject.

use std::collections::BinaryHeap;

use super::contents::Contents;
use super::{DAY, Rule};
use lighter_hash::{Algorithm, Digest};

/// What is to be removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Removals {
    /// Tags, by their places in the contents.
    pub tags: Vec<(usize, Why)>,
    /// Manifests, by their places in the contents. One that keeps another comes before it.
    pub manifests: Vec<usize>,
}

/// Why a tag is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The rule does not keep it.
    NotKept,
    /// It came from an upstream, and was not pulled for too long.
    NotPulled,
    /// The manifest that it belongs to is removed.
    OwnerRemoved,
    /// The manifest that it belongs to is not there.
    OwnerAbsent,
}

/// The manifest that a tag belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    None,
    Absent,
    At(usize),
}

/// Decides what a rule removes.
pub(super) fn decide(rule: &Rule, contents: &Contents) -> Removals {
    let mut decision = Decision::new(rule, contents);
    decision.keep_tags();
    decision.keep_young();
    decision.keep_what_is_kept();
    Removals { tags: decision.tags_to_remove(), manifests: decision.manifests_to_remove() }
}

/// How old each manifest is, for who keeps what was pulled last: as old as the youngest that keeps it. What always stays has
/// no age.
pub(super) fn ages(contents: &Contents) -> Vec<u32> {
    let rule = Rule::default();
    let decision = Decision::new(&rule, contents);
    let stays = contents.unreadable.is_some();
    let all = contents.manifests.iter().enumerate();
    let age = |at: usize| u32::try_from(decision.age(at)).unwrap_or(u32::MAX);
    let mut order: Vec<(u64, u32)> = all
        .map(|(at, manifest)| (if stays || !manifest.is_mirrored { 0 } else { age(at).into() }, at as u32))
        .collect();
    let immutable = contents.tags.iter().filter(|tag| tag.is_immutable);
    order.extend(immutable.map(|tag| (0, tag.manifest)));
    let mut ages: Vec<Option<u32>> = vec![None; contents.manifests.len()];
    for (age, at) in BinaryHeap::from(order).into_sorted_vec() {
        let mut queue = vec![at as usize];
        while let Some(at) = queue.pop() {
            let Some(unknown) = ages.get_mut(at).filter(|age| age.is_none()) else { continue };
            *unknown = Some(age as u32);
            queue.extend(decision.kept_by(at));
            let tags = second(&decision.attached, at).filter_map(|tag| contents.tags.get(tag));
            queue.extend(tags.map(|tag| tag.manifest as usize));
        }
    }
    ages.into_iter().map(Option::unwrap_or_default).collect()
}

struct Decision<'a> {
    rule: &'a Rule,
    contents: &'a Contents,
    owners: Vec<Owner>,
    /// Each manifest with one that refers to it, in order.
    referrers: Vec<(usize, usize)>,
    /// Each manifest with a tag that belongs to it, in order.
    attached: Vec<(usize, usize)>,
    /// Which tags are kept.
    tags: Vec<bool>,
    /// Which manifests are kept.
    manifests: Vec<bool>,
    /// Manifests that are kept, and whose own have still to be.
    queue: Vec<usize>,
}

impl<'a> Decision<'a> {
    fn new(rule: &'a Rule, contents: &'a Contents) -> Self {
        let owners: Vec<Owner> = contents.tags.iter().map(|tag| owner(&tag.name, contents)).collect();
        let owned =
            |(at, owner): (usize, &Owner)| if let Owner::At(of) = owner { Some((*of, at)) } else { None };
        let attached: BinaryHeap<_> = owners.iter().enumerate().filter_map(owned).collect();
        let manifests = contents.manifests.iter().enumerate();
        let referrers: BinaryHeap<_> =
            manifests.filter_map(|(at, m)| Some((m.subject? as usize, at))).collect();
        Self {
            rule,
            contents,
            owners,
            referrers: referrers.into_sorted_vec(),
            attached: attached.into_sorted_vec(),
            tags: vec![false; contents.tags.len()],
            manifests: vec![false; contents.manifests.len()],
            queue: Vec::new(),
        }
    }

    fn keep_tags(&mut self) {
        let rule = self.rule;
        let keeps_all = rule.newest.is_none() && rule.days.is_none() && rule.tags.is_none();
        let oldest = self.oldest_of_newest();
        for (at, (tag, owner)) in self.contents.tags.iter().zip(self.owners.clone()).enumerate() {
            let age = self.age(tag.manifest as usize);
            let is_named = || rule.tags.iter().flatten().any(|pattern| pattern.matches(&tag.name));
            let is_kept = match owner {
                _ if tag.is_immutable || !self.is_readable(tag.manifest as usize) => true,
                _ if self.contents.is_expired(rule, tag.manifest as usize) => false,
                _ if is_named() => true,
                Owner::At(_) => false,
                Owner::Absent => self.is_young(age),
                Owner::None => {
                    keeps_all
                        || oldest.is_some_and(|oldest| age <= oldest)
                        || rule.days.is_some_and(|days| age < days * DAY)
                }
            };
            if is_kept {
                self.keep_tag(at);
            }
        }
    }

    /// The age of the last of the newest tags.
    fn oldest_of_newest(&self) -> Option<u64> {
        let newest = self.rule.newest?;
        let all = self.contents.tags.iter().zip(&self.owners);
        let own = all.filter(|(_, owner)| **owner == Owner::None);
        let ages: BinaryHeap<u64> = own.map(|(tag, _)| self.age(tag.manifest as usize)).collect();
        Some(ages.into_sorted_vec().get(newest as usize - 1).copied().unwrap_or(u64::MAX))
    }

    /// Keeps manifests without regard to tags.
    fn keep_young(&mut self) {
        for at in 0..self.manifests.len() {
            // What one that cannot be read names is not known, so it may be any.
            let is_expired = self.contents.is_expired(self.rule, at);
            if self.contents.unreadable.is_some() || !is_expired && self.is_young(self.age(at)) {
                self.keep_manifest(at);
            }
        }
    }

    /// Keeps what the manifests that are kept keep, and so on.
    fn keep_what_is_kept(&mut self) {
        while let Some(at) = self.queue.pop() {
            for kept in self.kept_by(at) {
                self.keep_manifest(kept);
            }
            for tag in second(&self.attached, at).collect::<Vec<_>>() {
                self.keep_tag(tag);
            }
        }
    }

    /// The manifests that a manifest keeps: those that it names, and its referrers.
    fn kept_by(&self, at: usize) -> Vec<usize> {
        let names = self.contents.manifests.get(at).map_or(&[][..], |manifest| &manifest.names);
        names.iter().map(|named| *named as usize).chain(second(&self.referrers, at)).collect()
    }

    fn keep_tag(&mut self, at: usize) {
        if let (Some(kept), Some(tag)) = (self.tags.get_mut(at), self.contents.tags.get(at)) {
            *kept = true;
            self.keep_manifest(tag.manifest as usize);
        }
    }

    fn keep_manifest(&mut self, at: usize) {
        if let Some(kept) = self.manifests.get_mut(at).filter(|kept| !**kept) {
            *kept = true;
            self.queue.push(at);
        }
    }

    /// The age of a manifest. One whose age the store does not know is old.
    fn age(&self, at: usize) -> u64 {
        self.contents.manifests.get(at).and_then(|manifest| manifest.age).unwrap_or(u64::MAX)
    }

    fn is_readable(&self, at: usize) -> bool {
        self.contents.manifests.get(at).is_some_and(|manifest| manifest.is_readable)
    }

    fn is_young(&self, age: u64) -> bool {
        self.rule.untagged_days.is_none_or(|days| age < days * DAY)
    }

    fn tags_to_remove(&self) -> Vec<(usize, Why)> {
        let is_expired = |at: usize| {
            let tag = self.contents.tags.get(at);
            tag.is_some_and(|tag| self.contents.is_expired(self.rule, tag.manifest as usize))
        };
        let removed = |(at, (owner, is_kept)): (usize, (&Owner, &bool))| {
            let why = match owner {
                _ if is_expired(at) => Why::NotPulled,
                Owner::None => Why::NotKept,
                Owner::At(_) => Why::OwnerRemoved,
                Owner::Absent => Why::OwnerAbsent,
            };
            if *is_kept { None } else { Some((at, why)) }
        };
        self.owners.iter().zip(&self.tags).enumerate().filter_map(removed).collect()
    }

    /// The manifests that are not kept: what keeps another comes before it, so that one which is pushed again meanwhile is
    /// noticed before what it keeps is removed. Manifests that keep each other come last.
    fn manifests_to_remove(&self) -> Vec<usize> {
        let mut keepers = vec![0_u32; self.manifests.len()];
        let goes = |at: usize| {
            self.manifests.get(at) == Some(&false)
                && self.contents.manifests.get(at).is_some_and(|manifest| !manifest.is_removed)
        };
        let all = || (0..self.manifests.len()).filter(|at| goes(*at));
        for kept in all().flat_map(|at| self.kept_by(at)) {
            if let Some(keepers) = keepers.get_mut(kept) {
                *keepers += 1;
            }
        }
        let mut order: Vec<usize> = all().filter(|at| keepers.get(*at) == Some(&0)).collect();
        let mut next = 0;
        while let Some(at) = order.get(next).copied() {
            next += 1;
            for kept in self.kept_by(at) {
                if let Some(keepers) = keepers.get_mut(kept) {
                    *keepers -= 1;
                    if *keepers == 0 && goes(kept) {
                        order.push(kept);
                    }
                }
            }
        }
        order.extend(all().filter(|at| keepers.get(*at).is_some_and(|keepers| *keepers > 0)));
        order
    }
}

/// The manifest that a tag belongs to, by its name: that of the Referrers Tag Schema of the OCI Distribution Spec, or such
/// a name with an ending, as cosign gives it to signatures. Only SHA-256 leaves room for the whole digest.
fn owner(tag: &str, contents: &Contents) -> Owner {
    let digest = tag.strip_prefix("sha256-").and_then(|rest| {
        let hex = rest.get(..64)?;
        let ending = rest.get(64..)?;
        let is_one = ending.is_empty() || ending.starts_with('.');
        Digest::parse(&format!("{}:{hex}", Algorithm::Sha256.as_str())).ok().filter(|_| is_one)
    });
    match digest.map(|digest| contents.find(&digest)) {
        None => Owner::None,
        Some(None) => Owner::Absent,
        Some(Some(at)) => Owner::At(at as usize),
    }
}

/// The second of the pairs with this first, of pairs in order.
fn second(pairs: &[(usize, usize)], first: usize) -> impl Iterator<Item = usize> {
    let from = pairs.partition_point(|(one, _)| *one < first);
    pairs.iter().skip(from).take_while(move |(one, _)| *one == first).map(|(_, second)| *second)
}

#[cfg(test)]
mod tests;
