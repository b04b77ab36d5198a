//! A process that runs for as long as a test does.

use std::io::{self, Write};
use std::process::Command;

pub(crate) use lighter_test_host::process::Process;

/// Whether there is such a program. Says so if not: the test then has nothing to run.
pub(crate) fn installed(program: &str) -> bool {
    let installed = Command::new(program).arg("--version").output().is_ok();
    if !installed {
        // Not `eprintln!`: what that prints is not shown of a test that passes.
        let message = format!("skipped: {program} is not installed\n");
        io::stderr().write_all(message.as_bytes()).expect("a stderr");
    }
    installed
}
