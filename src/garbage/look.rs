//! The look: which collections are announced, which batches are in progress, and when something was last removed.

use core::time::Duration;

use super::outside::Outside;
use crate::layout;
use lighter_storage::{Result, Storage};

/// How long before a request's check something must have been removed for the request to take no notice of it, in seconds.
/// It leaves room for clocks that differ.
const SETTLED: u64 = 300;

/// How long a `list` may take in which a trace is missing that appeared meanwhile.
const SEEN: Duration = Duration::from_secs(1);

/// How the name of a trace begins. No other name has an `n`.
const ENDED: &str = "ended.";

/// What one look shows.
#[derive(Debug, Default)]
pub struct Look {
    /// The ids of the announced collections.
    pub announced: Vec<String>,
    /// The names of the batches in progress, and of those that a crash has left.
    pub batches: Vec<String>,
    /// The names of the traces.
    traces: Vec<String>,
}

impl Look {
    /// Looks. One storage call.
    pub fn take<S: Storage>(storage: &S) -> Result<Self> {
        let mut look = Self::default();
        for name in storage.list(layout::COLLECTION, None, u32::MAX)? {
            match name.as_str() {
                name if name.starts_with(ENDED) => &mut look.traces,
                name if name.contains('.') => &mut look.batches,
                _ => &mut look.announced,
            }
            .push(name);
        }
        Ok(look)
    }

    /// Whether nothing was removed since some time before `since`, in seconds since 1970, and nothing is about to be.
    pub fn is_quiet(&self, since: u64) -> bool {
        let is_settled = |name: &String| {
            let time = name.get(ENDED.len()..).and_then(|rest| rest.split('.').next()?.parse::<u64>().ok());
            time.is_some_and(|time| time.saturating_add(SETTLED) < since)
        };
        self.announced.is_empty() && self.batches.is_empty() && self.traces.iter().all(is_settled)
    }
}

/// From which age on a trace is left anew before a batch, in seconds.
const OLD: u64 = 60;

/// How long after a trace a removal may begin, in seconds. It takes effect within two minutes more, by any clock, so that the
/// trace is younger than [`SETTLED`] for a request that has checked before the removal.
const LATEST: u64 = 120;

/// The trace of removals in batches, which is left before them. Whoever has checked something before a removal, and looks
/// after its batch has ended, sees the trace, and checks again.
pub struct Trace<'a> {
    /// What else the removals need.
    pub outside: &'a dyn Outside,
    left: Option<u64>,
}

impl<'a> Trace<'a> {
    /// A trace that is to be left.
    pub fn new(outside: &'a dyn Outside) -> Self {
        Self { outside, left: None }
    }

    /// Leaves it before a batch, unless that was done a moment ago.
    pub fn leave<S: Storage>(&mut self, storage: &S) -> Result<()> {
        if self.is_older(OLD) {
            // Before it is there, so that it is never taken for younger than it is.
            self.left = Some(self.outside.now());
            leave_trace(storage, self.outside)?;
        }
        Ok(())
    }

    /// Whether it is too late to remove anything after this trace.
    pub fn is_late(&self) -> bool {
        self.is_older(LATEST)
    }

    fn is_older(&self, age: u64) -> bool {
        self.left.is_none_or(|left| self.outside.now().abs_diff(left) > age)
    }
}

/// Leaves the trace of what was just removed, in place of earlier ones. When it returns, every look that still goes on shows
/// the trace.
pub fn leave_trace<S: Storage>(storage: &S, outside: &dyn Outside) -> Result<()> {
    let earlier = Look::take(storage)?.traces;
    let name = format!("{ENDED}{}.{}", outside.now(), outside.fresh_name());
    storage.set(&layout::collection_trace(&name), b"")?;
    for name in earlier {
        storage.delete_prefix(&layout::collection(&name))?;
    }
    outside.pause(SEEN);
    Ok(())
}
