//! Skipped tests: those that do not apply to the tested driver, and those that need something that this machine lacks.
//! Each is recorded, and `cargo xtask test` prints their number and the reasons.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::process::Command;
use std::thread;

/// Skips a test that reads or writes the filesystem driver's files, if another driver is tested.
macro_rules! over_files {
    () => {
        if !crate::server::is_over_files() {
            return crate::skip::skip("it looks at files, and this driver has none");
        }
    };
}

/// Skips a test that looks at an object store, if another driver is tested.
macro_rules! over_objects {
    () => {
        if crate::server::driver() != crate::server::Driver::S3 {
            return crate::skip::skip("it looks at an object store, and this driver has none");
        }
    };
}

/// Skips a test that looks into the object store or has it fail, over one that is not the tests' own.
macro_rules! own_store {
    () => {
        if crate::server::driver() == crate::server::Driver::S3 && !crate::server::has_own_objects() {
            return crate::skip::skip(
                "it looks into the object store or has it fail, and this one is not the tests' own",
            );
        }
    };
}

/// Skips a test of who is first, over a store that cannot tell.
macro_rules! exclusive {
    () => {
        if !crate::server::is_exclusive() {
            return crate::skip::skip("a store without conditional writes cannot tell who is first");
        }
    };
}

/// Records that the test is skipped.
pub(crate) fn skip(why: &str) {
    if let Some(path) = env::var_os("LIGHTER_SKIPPED") {
        let mut notes = File::options().create(true).append(true).open(path).expect("a file of notes");
        // In one write, since other tests write meanwhile. A test runs in a thread of its name.
        let note = format!("{}: {why}\n", thread::current().name().unwrap_or("a test"));
        notes.write_all(note.as_bytes()).expect("a note");
    }
}

/// Skips a test that cannot run because something is missing on this machine. In CI, where `LIGHTER_REQUIRE_PEERS` is 1,
/// that is a failure.
pub(crate) fn missing(what: &str) {
    assert!(env::var_os("LIGHTER_REQUIRE_PEERS").is_none_or(|value| value != "1"), "{what}");
    // Not `eprintln!`: what that prints is not shown of a test that passes.
    io::stderr().write_all(format!("skipped: {what}\n").as_bytes()).expect("a stderr");
    skip(what);
}

/// Whether a program is installed. If not, the test is skipped.
pub(crate) fn installed(program: &str) -> bool {
    let installed = Command::new(program).arg("--version").output().is_ok();
    if !installed {
        missing(&format!("{program} is not installed"));
    }
    installed
}
