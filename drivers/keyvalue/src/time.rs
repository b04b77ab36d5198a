//! The clock.

use std::thread;
use std::time::{Duration, SystemTime};

/// Who has shown no sign of life for so many seconds is taken to have crashed.
pub(crate) const EXPIRY: u64 = 10;

/// Who is at work shows a sign of life before it does something, if the last one is so many seconds ago.
pub(crate) const RENEWAL: u64 = 2;

/// Seconds since 1970, by the host's clock.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Waits: not at all in the first round, and then longer and longer.
pub(crate) fn pause(round: u32) {
    if round > 0 {
        thread::sleep(Duration::from_millis(round.min(25).into()));
    }
}

/// A point in time by which another has finished, or has crashed.
pub(crate) struct Deadline(u64);

impl Deadline {
    pub(crate) fn new(now: u64) -> Self {
        Self(now)
    }

    pub(crate) fn is_over(&self, now: u64) -> bool {
        // The clock counts whole seconds.
        now.saturating_sub(self.0) > EXPIRY
    }

    /// Whether others, whose deadline may be the same, could take it to be over soon.
    pub(crate) fn is_half_over(&self, now: u64) -> bool {
        now.saturating_sub(self.0) > EXPIRY / 2
    }
}
