//! The checks of a change: tests and lints.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::components::{Tested, WithDriver, packages};
use crate::process::{run, step};
use crate::toolchain::{Toolchain, cargo};

/// The test that kills the server.
const CRASH: &str = "crash::what_was_acknowledged_outlives_the_server";

/// The integration tests that look at what the filesystem driver has written, or write what it is to
/// read. They say nothing of another driver.
const OF_FILES: &[&str] = &[
    "crash::",
    "disk::",
    "distribution::",
    "healing::",
    "paging::",
    "storage::",
    "access::settings::users_and_rules_may_be_in_files",
    "answers::a_fault_of_the_storage_stays_in_the_log",
    "configuration::an_empty_variable_is_none",
    "deletes::a_read_only_registry_refuses_everything_that_writes",
    "host::the_storage_may_be_another_directory",
    "host::without_storage_the_registry_says_so",
    "names::no_path_leads_out_of_the_storage",
    "referrers::what_another_registry_stored_is_found_when_first_asked_for",
    "state::an_upload_that_distribution_began_is_finished",
    "tables::every_code_has_a_request_that_it_answers",
    "token_server::",
    "tags::a_page_has_at_most_1000_tags",
    "writers::a_server_that_was_killed_goes_on_from_what_is_stored",
];

/// Runs every test. Those over HTTP start wasmtime with the component, and then once more with the
/// key-value driver's; and where there is `spin`, it with the key-value driver's.
pub(crate) fn test(wasmtime: &Path, tested: &Tested, long: bool, arguments: &[String]) -> Result<()> {
    let selected = |driver: &WithDriver, selection: &[&str]| {
        let mut tests = tests(wasmtime, &driver.registry);
        tests.env("LIGHTER_CONTRACT", &driver.contract);
        if long {
            tests.env("LIGHTER_LONG", "1");
        }
        tests.args(selection).arg("--").args(arguments);
        tests
    };
    step("running the tests", || run(&mut selected(&tested.default, &["--workspace", "--all-features"])))?;
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
    step("running the integration tests on Spin", || {
        let mut tests = selected(&tested.key_value, &integration);
        run(tests.env("LIGHTER_SPIN", "spin").args(left_out))
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
        run(cargo().args(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-Dwarnings"]))
    })?;
    step("linting for WebAssembly", || {
        let mut clippy = toolchain.cargo("clippy");
        clippy.args(["--lib", "--all-features"]).args(packages().flat_map(|package| ["--package", package]));
        run(clippy.args(["--", "-Dwarnings"]))
    })
}
