//! Fuzzes everything that reads a manifest.
#![no_main]

#[path = "../../tests/bad_input/entry.rs"]
#[allow(dead_code, reason = "each target uses one entry point")]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    entry::manifests(data);
});
