//! The checks of a change: tests and lints.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::components::{Tested, packages};
use crate::process::{run, step};
use crate::toolchain::{Toolchain, cargo};

/// The test that kills the server.
const CRASH: &str = "crash::what_was_acknowledged_outlives_the_server";

/// The integration tests that look at what the filesystem driver has written, or write what it is to
/// read. They say nothing of another driver.
const OF_FILES: &[&str] = &[
    "disk::",
    "distribution::",
    "healing::",
    "host::the_storage_may_be_another_directory",
    "host::without_storage_the_registry_says_so",
    "names::no_path_leads_out_of_the_storage",
    "state::an_upload_that_distribution_began_is_finished",
    "tags::a_page_has_at_most_1000_tags",
    "writers::a_server_that_was_killed_goes_on_from_what_is_stored",
];

/// The integration test that Spin fails: an answer that comes before the request's body is read loses
/// its own body on the way.
const NOT_ON_SPIN: &str = "writers::of_two_writers_at_once_one_wins";

/// Runs every test. Those over HTTP start wasmtime with the component, and then once more with the
/// key-value driver's; and where there is `spin`, it with the key-value driver's.
pub(crate) fn test(wasmtime: &Path, tested: &Tested, long: bool, arguments: &[String]) -> Result<()> {
    let selected = |component: &Path, selection: &[&str]| {
        let mut tests = tests(wasmtime, component);
        tests.env("LIGHTER_CONTRACT", &tested.contract);
        if long {
            tests.env("LIGHTER_LONG", "1");
        }
        tests.args(selection).arg("--").args(arguments);
        tests
    };
    step("running the tests", || run(&mut selected(&tested.registry, &["--workspace"])))?;
    eprintln!("xtask: left out of what follows, since it looks at files: {}", OF_FILES.join(" "));
    let integration = ["--package", "lighter", "--test", "integration"];
    let left_out = OF_FILES.iter().flat_map(|name| ["--skip", name]);
    step("running the integration tests over the key-value driver", || {
        run(selected(&tested.over_files, &integration).args(left_out.clone()))
    })?;
    if Command::new("spin").arg("--version").output().is_err() {
        eprintln!("xtask: there is no spin here: the integration tests are not run on it");
        return Ok(());
    }
    eprintln!("xtask: left out of what follows as well, since Spin fails it: {NOT_ON_SPIN}");
    step("running the integration tests on Spin", || {
        let mut tests = selected(&tested.key_value, &integration);
        run(tests.env("LIGHTER_SPIN", "spin").args(left_out).args(["--skip", NOT_ON_SPIN]))
    })
}

/// Runs the test that kills the server, with so many kills.
pub(crate) fn crash(wasmtime: &Path, component: &Path, kills: u64, seed: u64) -> Result<()> {
    let mut tests = tests(wasmtime, component);
    tests.env("LIGHTER_KILLS", kills.to_string()).env("LIGHTER_SEED", seed.to_string());
    tests.args(["--test", "integration", "--", "--exact", CRASH]);
    step(&format!("killing the server {kills} times while clients push"), || run(&mut tests))
}

fn tests(wasmtime: &Path, component: &Path) -> Command {
    let mut tests = cargo();
    tests.env("LIGHTER_WASMTIME", wasmtime).env("LIGHTER_COMPONENT", component).arg("test");
    tests
}

/// Checks the format, and lints what runs here as well as what runs on a WebAssembly host.
pub(crate) fn lint(toolchain: &Toolchain) -> Result<()> {
    step("checking the format", || run(cargo().args(["fmt", "--all", "--check"])))?;
    step("linting for this machine", || {
        run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-Dwarnings"]))
    })?;
    step("linting for WebAssembly", || {
        let mut clippy = toolchain.cargo("clippy");
        clippy.arg("--lib").args(packages().flat_map(|package| ["--package", package]));
        run(clippy.args(["--", "-Dwarnings"]))
    })
}
