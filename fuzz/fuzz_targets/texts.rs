//! Fuzzes everything that reads a text.
#![no_main]

#[path = "../../tests/bad_input/entry.rs"]
#[allow(dead_code, reason = "each target uses one entry point")]
mod entry;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = str::from_utf8(data) {
        entry::texts(text);
    }
});
