//! The set of what is referenced, as 8 bytes of each digest: those of two digests that are the same only keep too much. It is
//! bounded: where there would be more, it has only the beginning of the range of digests that it began with.

use std::collections::BinaryHeap;

use super::mark::{Id, id};
use lighter_hash::Digest;

/// How many digests a set has at most: 8 MiB.
pub(super) const LIMIT: usize = 1 << 20;

/// How many digests are in a run: 64 KiB.
pub(super) const RUN: usize = 8192;

/// The set.
#[derive(Debug)]
pub(super) struct Referenced {
    /// The first and the last one of the range.
    pub(super) range: (u64, u64),
    limit: usize,
    sorted: Vec<u64>,
    /// Those that came since, in any order.
    fresh: Vec<u64>,
}

/// The part of a digest that the set knows.
pub(super) fn prefix(id: &Id) -> u64 {
    id.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

impl Referenced {
    /// An empty set of what is in a range.
    pub(super) fn new(range: (u64, u64), limit: usize) -> Self {
        Self { range, limit, sorted: Vec::new(), fresh: Vec::new() }
    }

    /// Whether the set would have it.
    pub(super) fn covers(&self, id: &Id) -> bool {
        (self.range.0..=self.range.1).contains(&prefix(id))
    }

    /// Whether it is referenced.
    pub(super) fn has(&self, id: &Id) -> bool {
        let prefix = prefix(id);
        self.sorted.binary_search(&prefix).is_ok() || self.fresh.contains(&prefix)
    }

    /// Adds one, by its canonical digest.
    pub(super) fn add(&mut self, canonical: &Digest) {
        let Some(id) = id(canonical) else { return };
        let prefix = prefix(&id);
        if self.covers(&id) && self.sorted.binary_search(&prefix).is_err() {
            self.fresh.push(prefix);
        }
    }

    /// Whether enough have come to fill a run.
    pub(super) fn is_run_full(&self) -> bool {
        self.fresh.len() >= RUN.min(self.limit)
    }

    /// Takes in what came since the last time, and returns that as a run, or nothing if there is none.
    pub(super) fn merge(&mut self) -> Vec<u8> {
        self.fresh = BinaryHeap::from(core::mem::take(&mut self.fresh)).into_sorted_vec();
        self.fresh.dedup();
        let run = self.fresh.iter().flat_map(|prefix| prefix.to_be_bytes()).collect();
        self.take_in();
        let (first, last) = &mut self.range;
        while self.sorted.len() > self.limit && last > first {
            *last = *first + (*last - *first) / 2;
            let end = self.sorted.partition_point(|prefix| prefix <= last);
            self.sorted.truncate(end);
        }
        run
    }

    /// Moves what is fresh to where it belongs in what is sorted, from the greatest on: the whole is not sorted again.
    fn take_in(&mut self) {
        let mut end = self.sorted.len();
        self.sorted.resize(end + self.fresh.len(), 0);
        while let Some(prefix) = self.fresh.pop() {
            let place =
                self.sorted.get(..end).map_or(0, |sorted| sorted.partition_point(|old| *old < prefix));
            self.sorted.copy_within(place..end, place + self.fresh.len() + 1);
            if let Some(free) = self.sorted.get_mut(place + self.fresh.len()) {
                *free = prefix;
            }
            end = place;
        }
    }

    /// Adds a run.
    pub(super) fn add_run(&mut self, run: &[u8]) {
        let prefixes = run.as_chunks().0.iter().map(|bytes| u64::from_be_bytes(*bytes));
        let (first, last) = self.range;
        self.fresh.extend(prefixes.filter(|prefix| (first..=last).contains(prefix)));
        self.merge();
    }

    /// All of it, in runs.
    pub(super) fn runs(&self) -> impl Iterator<Item = Vec<u8>> {
        self.sorted.chunks(RUN).map(|run| run.iter().flat_map(|prefix| prefix.to_be_bytes()).collect())
    }

    /// How many there are, but for those of the last run.
    pub(super) fn len(&self) -> usize {
        self.sorted.len()
    }
}
