//! How long what came from upstreams is kept, by their `keep_days` and `size`.
//!
//! The time of a pull is that of the manifest: one that is pulled after some time is stored anew
//! ([`Source::trace`](crate::mirror::Source::trace)). A limit in bytes becomes a time, too: that from which on what was not
//! pulled has to go, so that the rest fits. So both are applied as one rule, and in both an index keeps what it names.

use std::collections::BinaryHeap;

use super::contents::{Contents, Stop};
use super::decide::ages;
use super::{Cached, DAY};
use crate::clock;
use crate::config::Keeping;
use crate::garbage::references::{canonical, read};
use crate::layout;
use crate::name::Name;
use crate::repositories;
use crate::repository::Repository;
use crate::size::in_units;
use crate::upstream::Upstream;
use lighter_hash::Digest;
use lighter_storage::{Result, Storage};

/// The most contents of an upstream that are added up. They take 16 bytes each.
const MOST: usize = 1_000_000;

/// The number of blobs that are listed at a time.
const LISTED: u32 = 1000;

/// The beginning of a digest, and the seconds since the content was pulled. Two digests that begin alike only count too much.
type Content = (u64, u32);

/// The rules for what came from upstreams.
pub struct Caches<'a> {
    keeping: &'a Keeping,
    /// When the sizes were added up, in seconds since 1970.
    measured: u64,
    /// The upstreams with more than they may have, and how long it is kept.
    over: Vec<(&'a str, u64)>,
}

impl<'a> Caches<'a> {
    /// Adds up what the repositories of each upstream have that has a limit. What was pulled more recently than `grace`, in
    /// seconds, stays in any case. `trouble` is told of limits that cannot be kept.
    pub fn measure<S: Storage>(
        storage: &S,
        keeping: &'a Keeping,
        grace: u64,
        trouble: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        let (measured, mut over) = (clock::seconds(), Vec::new());
        for upstream in limited(keeping) {
            let most = upstream.size.unwrap_or(u64::MAX);
            let within = within(storage, keeping, upstream, most, trouble)?;
            over.extend(within.map(|seconds| (upstream.prefix.as_str(), seconds.max(grace))));
        }
        Ok(Self { keeping, measured, over })
    }

    /// What was measured, in digits and dots, for a later piece of the same command. None if no upstream has a limit.
    pub fn remembered(&self) -> Option<String> {
        let mut limited = limited(self.keeping).peekable();
        limited.peek()?;
        let mut text = self.measured.to_string();
        for upstream in limited {
            text.push('.');
            text.extend(self.over_of(upstream).map(|seconds| seconds.to_string()));
        }
        Some(text)
    }

    /// What an earlier piece has measured. Returns `None` if that is of other upstreams, or lies in the future.
    pub fn recall(keeping: &'a Keeping, text: &str) -> Option<Self> {
        let mut numbers = text.split('.');
        let measured = numbers.next()?.parse().ok().filter(|measured| *measured <= clock::seconds())?;
        let mut over = Vec::new();
        for upstream in limited(keeping) {
            let seconds = numbers.next()?;
            if !seconds.is_empty() {
                over.push((upstream.prefix.as_str(), seconds.parse().ok()?));
            }
        }
        numbers.next().is_none().then_some(Self { keeping, measured, over })
    }

    fn over_of(&self, upstream: &Upstream) -> Option<u64> {
        self.over.iter().find(|(prefix, _)| *prefix == upstream.prefix).map(|(_, seconds)| *seconds)
    }

    /// Whether there is no rule at all.
    pub fn is_empty(&self) -> bool {
        let mut all = self.keeping.upstreams.iter().flat_map(|upstreams| upstreams.all());
        all.all(|upstream| upstream.keep_days.is_none() && upstream.size.is_none())
    }

    /// The rule for a repository, if it has an upstream with one.
    pub fn of(&self, repository: &Name) -> Option<Cached> {
        let upstream = self.keeping.upstreams.as_ref()?.find(repository.as_str(), None)?.upstream;
        // What was added up gets older, but not more.
        let since = clock::seconds().saturating_sub(self.measured);
        let over = self.over_of(upstream).map(|seconds| seconds.saturating_add(since));
        let days = upstream.keep_days.map(|days| days * DAY);
        let from = &upstream.namespace;
        match (days, over) {
            (_, Some(seconds)) if days.is_none_or(|days| seconds < days) => {
                let most = in_units(upstream.size.unwrap_or_default(), 1000, &["kB", "MB", "GB", "TB"]);
                Some(Cached { seconds, why: format!("what came from {from} has {most} at most") })
            }
            (Some(seconds), _) => {
                let days = seconds / DAY;
                Some(Cached { seconds, why: format!("what came from {from} is kept for {days} days") })
            }
            (None, _) => None,
        }
    }
}

/// The upstreams that may have no more than so many bytes here.
fn limited(keeping: &Keeping) -> impl Iterator<Item = &Upstream> {
    let all = keeping.upstreams.iter().flat_map(|upstreams| upstreams.all());
    all.filter(|upstream| upstream.size.is_some())
}

/// Finds the time, in seconds, from which on what was not pulled has to go, so that the rest of an upstream has no more than
/// so many bytes. Returns `None` if all of it fits.
fn within<S: Storage>(
    storage: &S,
    keeping: &Keeping,
    upstream: &Upstream,
    most: u64,
    trouble: &mut dyn FnMut(&str),
) -> Result<Option<u64>> {
    let Some(found) = contents_of(storage, keeping, upstream, trouble)? else {
        let from = &upstream.namespace;
        trouble(&format!(
            "the size of what came from {from} is not limited: it has more than {MOST} contents"
        ));
        return Ok(None);
    };
    let (mut sizes, mut after): (Vec<(u32, u64)>, Option<String>) = (Vec::new(), None);
    loop {
        let page = storage.enumerate(&layout::blobs(), after.as_deref(), LISTED)?;
        for entry in page.entries {
            let begins = layout::blob_digest(&entry.key).map(|digest| beginning(&digest));
            let place = begins.and_then(|begins| found.binary_search_by_key(&begins, |(of, _)| *of).ok());
            sizes.extend(place.and_then(|place| found.get(place)).map(|(_, age)| (*age, entry.info.size)));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let younger = |than: u32| sizes.iter().filter(|(age, _)| *age < than).map(|(_, size)| size).sum::<u64>();
    if sizes.iter().map(|(_, size)| size).sum::<u64>() <= most {
        return Ok(None);
    }
    let (mut fits, mut exceeds) = (0, u32::MAX);
    while exceeds - fits > 1 {
        let middle = fits + (exceeds - fits) / 2;
        if younger(middle) <= most { fits = middle } else { exceeds = middle }
    }
    Ok(Some(fits.into()))
}

/// Finds all that the repositories of an upstream have and name, each once, with the age of the youngest that keeps it.
/// Returns `None` if it is too much.
fn contents_of<S: Storage>(
    storage: &S,
    keeping: &Keeping,
    upstream: &Upstream,
    trouble: &mut dyn FnMut(&str),
) -> Result<Option<Vec<Content>>> {
    let (mut found, mut at): (Vec<Content>, _) = (Vec::new(), String::new());
    while let Some(name) = repositories::after(storage, &at, &mut || {})? {
        at = name.to_string();
        let origin = keeping.upstreams.as_ref().and_then(|upstreams| upstreams.find(&at, None));
        if origin.is_none_or(|origin| origin.upstream.prefix != upstream.prefix) {
            continue;
        }
        let repository = Repository::new(storage, &name);
        let mut contents = Contents::of_upstream();
        match contents.read(&repository, |tag| keeping.immutable_tags.include(&name, tag)) {
            Ok(()) => {}
            Err(Stop::Storage(error)) => return Err(error),
            Err(Stop::TooMany(of, most)) => {
                trouble(&format!("{name} is not added up: it has more than {most} {of}"));
                continue;
            }
        }
        for (manifest, age) in contents.manifests.iter().zip(ages(&contents)) {
            found.push((beginning(&manifest.digest), age));
            for named in read(storage, &manifest.digest)? {
                let named = canonical(storage, &name, &named)?;
                found.extend(named.iter().map(|digest| (beginning(digest), age)));
            }
        }
        if found.len() > MOST {
            found = each_once(found);
        }
        if found.len() > MOST {
            return Ok(None);
        }
    }
    Ok(Some(each_once(found)))
}

/// Puts contents in order, each once, with its least age. A heap takes less code than a sort.
fn each_once(found: Vec<Content>) -> Vec<Content> {
    let mut found = BinaryHeap::from(found).into_sorted_vec();
    found.dedup_by_key(|(begins, _)| *begins);
    found
}

/// The first 8 bytes of a digest.
fn beginning(digest: &Digest) -> u64 {
    digest.hex().get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
