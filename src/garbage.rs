//! The collection of garbage while clients push: content that no manifest refers to. `docs/collection.md` is the protocol, and
//! says why nothing is lost.
//!
//! From top to bottom: [`Collection`] is the collector; [`settle`](self::settle) is what a request does after it has made a
//! reference. Both know each other by the [look](look::Look) and the [marks](mark::Mark) of batches alone.

use core::time::Duration;

mod batch;
mod collection;
pub mod look;
pub mod mark;
pub mod outside;
mod place;
mod progress;
mod referenced;
pub mod references;
mod report;
mod search;
pub mod settle;

pub use self::collection::Collection;
pub use self::report::{Phase, Report};

/// What a collection removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The age from which content without a reference is removed, in whole seconds. Content whose age the store does not
    /// know is old.
    pub grace: Duration,
    /// The age from which an upload is removed.
    pub uploads: Duration,
    /// Whether it is only counted what would be removed. Nothing is written then, and clients are not disturbed.
    pub dry_run: bool,
}

impl Default for Options {
    /// Content that was pushed a day ago, and uploads that were started a week ago.
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self { grace: hours(24), uploads: hours(168), dry_run: false }
    }
}

#[cfg(test)]
pub(crate) mod tests;
