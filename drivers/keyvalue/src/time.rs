//! The clock.

use std::thread;
use std::time::{Duration, SystemTime};

/// Who has shown no sign of life for so many seconds is taken to have crashed.
#[cfg(not(test))]
pub(crate) const EXPIRY: u64 = 10;
#[cfg(test)]
pub(crate) const EXPIRY: u64 = 2;

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Whether one who showed a sign of life then is taken to be alive. A sign from the future is of a clock that was
/// set back since.
pub(crate) fn is_recent(time: u64) -> bool {
    now().abs_diff(time) <= EXPIRY
}

/// Waits for another to finish: not at all in the first round, and then longer and longer.
pub(crate) fn pause(round: u32) {
    if round > 0 {
        thread::sleep(Duration::from_millis(round.min(25).into()));
    }
}

/// A point in time by which another has finished, or has crashed.
pub(crate) struct Patience(u64);

impl Patience {
    pub(crate) fn new() -> Self {
        Self(now())
    }

    pub(crate) fn is_over(&self) -> bool {
        // The clock counts whole seconds.
        now().saturating_sub(self.0) > EXPIRY
    }
}
