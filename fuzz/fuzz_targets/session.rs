//! Fuzzes whole requests, one after the other.
#![no_main]

#[path = "../../tests/bad_input/entry.rs"]
#[allow(dead_code, reason = "each target uses one entry point")]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    entry::session(data);
});
