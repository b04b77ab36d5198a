//! The checks of a change: tests and lints.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::components::{Tested, WithDriver, packages};
use crate::process::{capture, run, step};
use crate::toolchain::{Toolchain, cargo};
use crate::workspace;

/// The test that kills the server.
const CRASH: &str = "crash::what_was_acknowledged_outlives_the_server";

/// The integration tests that look at what the filesystem driver has written, or write what it is to
/// read. They say nothing of another driver.
const OF_FILES: &[&str] = &[
    "crash::",
    "disk::",
    "distribution::",
    "faults::",
    "healing::",
    "instructions::",
    "paging::",
    "storage::",
    "access::settings::users_and_rules_may_be_in_files",
    "answers::a_fault_of_the_storage_stays_in_the_log",
    "configuration::an_empty_variable_is_none",
    "deletes::a_read_only_registry_refuses_everything_that_writes",
    "host::the_storage_may_be_another_directory",
    "host::without_storage_the_registry_says_so",
    "names::no_path_leads_out_of_the_storage",
    "purging::what_distribution_left_is_purged",
    "referrers::what_another_registry_stored_is_found_when_first_asked_for",
    "state::an_upload_that_distribution_began_is_finished",
    "tables::every_code_has_a_request_that_it_answers",
    "token_server::",
    "tags::a_page_has_at_most_1000_tags",
    "unproven::",
    "writers::a_hold_from_the_future_is_not_waited_for",
    "writers::a_server_that_was_killed_goes_on_from_what_was_acknowledged",
    "writers::an_upload_that_was_removed_under_its_writer_is_unknown",
    "writers::who_stood_still",
];

/// The integration tests that are run once more over a registry and a driver that were composed. They call
/// each function of the contract, and need the environment that a driver gives.
const OF_COMPOSITION: [&str; 4] = ["blobs::", "deletes::", "uploads::", "variables::"];

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
    step("running some of them over the registry composed with that driver", || {
        let mut tests = tests(wasmtime, &tested.composed);
        run(tests.args(integration).arg("--").args(arguments).args(left_out.clone()).args(OF_COMPOSITION))
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

/// Gives anything to everything that reads it, for about so many seconds: by libFuzzer, or, where that or a
/// nightly compiler is missing, by the property tests of the same, which choose anew each time.
pub(crate) fn fuzz(seconds: u64) -> Result<()> {
    const TARGETS: [&str; 3] = ["texts", "manifests", "session"];
    // By rustup's cargo, which knows other compilers than the one that runs this.
    let fuzz = || {
        let mut cargo = Command::new("cargo");
        cargo.env_remove("CARGO").current_dir(workspace("")).args(["+nightly", "fuzz"]);
        cargo
    };
    if capture(fuzz().arg("--version")).is_ok() {
        let each = format!("-max_total_time={}", seconds.div_ceil(TARGETS.len() as u64));
        return TARGETS.into_iter().try_for_each(|target| {
            step(&format!("fuzzing {target}"), || run(fuzz().args(["run", target, "--", &each])))
        });
    }
    eprintln!("xtask: there is no nightly compiler with cargo-fuzz here: the property tests run instead");
    step("running the property tests again and again", || {
        let started = Instant::now();
        while started.elapsed().as_secs() < seconds {
            run(cargo().args(["test", "--quiet", "--test", "bad_input"]))?;
        }
        Ok(())
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
