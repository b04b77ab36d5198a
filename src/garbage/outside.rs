//! What the protocol needs besides the storage.

use core::time::Duration;

use uuid::Uuid;

use crate::clock;

/// Time, and fresh names.
pub trait Outside {
    /// The time, in seconds since 1970.
    fn now(&self) -> u64;
    /// Waits.
    fn pause(&self, time: Duration);
    /// A name that nobody else has, of letters and digits.
    fn fresh_name(&self) -> String;
}

/// Those of the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Outside for System {
    fn now(&self) -> u64 {
        clock::seconds()
    }

    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn fresh_name(&self) -> String {
        Uuid::new_v4().simple().to_string()
    }
}
