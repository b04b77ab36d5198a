//! What the driver needs of where it runs: outgoing HTTP, a clock, and chance.

use std::thread;
use std::time::{Duration, SystemTime};

use lighter_fetch::Fetch;
use uuid::Uuid;

/// Where the driver runs.
pub trait Host {
    /// What sends its requests.
    type Fetch: Fetch;

    /// What sends its requests.
    fn fetch(&self) -> &Self::Fetch;

    /// Seconds since 1970.
    fn now(&self) -> u64;

    /// Waits.
    fn pause(&self, time: Duration);

    /// A number that nobody else draws.
    fn draw(&self) -> u128;
}

/// A machine, or an instance of a component, with what sends requests there.
#[derive(Clone, Copy, Debug, Default)]
pub struct System<F>(pub F);

impl<F: Fetch> Host for System<F> {
    type Fetch = F;

    fn fetch(&self) -> &F {
        &self.0
    }

    fn now(&self) -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    fn pause(&self, time: Duration) {
        thread::sleep(time);
    }

    fn draw(&self) -> u128 {
        Uuid::new_v4().as_u128()
    }
}
