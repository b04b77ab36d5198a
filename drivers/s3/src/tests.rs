//! The driver over the store of the tests.

mod bench;
mod chance;
mod contract;
mod faults;
mod lists;
mod schedules;
mod uploads;
