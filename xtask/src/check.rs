//! The checks of a change: tests and lints.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use lighter_test_host::garage::Garage;

use crate::components::{Tested, WithDriver, packages};
use crate::process::{capture, run, run_and_read, step};
use crate::toolchain::{Toolchain, cargo};
use crate::workspace;

/// The tests that kill the server: over a directory, and over a bucket.
const CRASH: [&str; 4] = [
    "crash::what_was_acknowledged_outlives_the_server",
    "fleet::what_was_acknowledged_outlives_any_server_of_a_bucket",
    "collecting::what_manifests_refer_to_outlives_collections",
    "cold_pulls::a_mirror_that_is_killed_gives_and_stores_nothing_wrong",
];

/// The integration tests that also run over a composed registry and driver. They call each function of the contract, and
/// need the environment that a driver provides.
const OF_COMPOSITION: [&str; 5] = ["blobs::", "deletes::", "tags::", "uploads::", "variables::"];

/// The tests over HTTP.
const INTEGRATION: [&str; 4] = ["--package", "lighter", "--test", "integration"];

/// Runs every test. The tests over HTTP run on wasmtime with the component, then with those of the key-value and the S3
/// driver, and on Spin with these two if `spin` is installed.
///
/// If `garage` is a program, they run on that store and nowhere else.
pub(crate) fn test(
    wasmtime: &Path,
    tested: &Tested,
    long: bool,
    arguments: &[String],
    garage: Option<&Path>,
) -> Result<()> {
    let run = |driver: &WithDriver, selection: &[&str], variables: &[(&str, &str)]| {
        let mut tests = tests(wasmtime, &driver.registry);
        tests.env("LIGHTER_CONTRACT", &driver.contract).envs(variables.iter().copied());
        if long {
            tests.env("LIGHTER_LONG", "1");
        }
        // The name that was asked for may not be that of a driver's test.
        let at_least = u64::from(arguments.is_empty() || selection != INTEGRATION);
        counted(tests.args(selection).arg("--").args(arguments), at_least)
    };
    if garage.is_some() {
        return on_garage(tested, garage, |driver, variables| run(driver, &INTEGRATION, variables).map(drop));
    }
    step("running the tests", || run(&tested.default, &["--workspace", "--all-features"], &[]))?;
    over_others(tested, |driver, variables| run(driver, &INTEGRATION, variables).map(drop))?;
    if arguments.is_empty() {
        step("running some of them over the registry composed with that driver", || {
            let mut tests = tests(wasmtime, &tested.composed);
            let said = counted(tests.args(INTEGRATION).arg("--").args(OF_COMPOSITION), 1)?;
            let ran = |suite: &&str| said.lines().any(|line| line.starts_with(&format!("test {suite}")));
            let missing: Vec<_> = OF_COMPOSITION.into_iter().filter(|suite| !ran(suite)).collect();
            ensure!(missing.is_empty(), "no test begins with {}", missing.join(" or "));
            Ok(said)
        })?;
    }
    if Command::new("spin").arg("--version").output().is_err() {
        eprintln!("xtask: spin is not installed, so the integration tests are not run on it");
        return Ok(());
    }
    for (driver, name) in [(&tested.key_value, "key-value"), (&tested.s3_on_spin, "S3")] {
        step(&format!("running the integration tests on Spin, over the {name} driver"), || {
            run(driver, &INTEGRATION, &[("LIGHTER_SPIN", "spin")])
        })?;
    }
    Ok(())
}

/// Runs the conformance suite over each storage driver, and on Garage if `garage` is a program.
pub(crate) fn conformance(
    wasmtime: &Path,
    tested: &Tested,
    suite: &Path,
    garage: Option<&Path>,
) -> Result<()> {
    let suite = fs::canonicalize(suite).with_context(|| {
        format!("{} does not exist: build the suite as docs/conformance.md says", suite.display())
    })?;
    let run = |driver: &WithDriver, variables: &[(&str, &str)]| {
        let mut tests = tests(wasmtime, &driver.registry);
        tests.env("LIGHTER_SUITE", &suite).envs(variables.iter().copied()).args(INTEGRATION);
        counted(tests.args(["--", "--exact", "conformance::the_suite_passes"]), 1).map(drop)
    };
    step("running over the filesystem driver", || run(&tested.default, &[]))?;
    over_others(tested, run)?;
    on_garage(tested, garage, run)
}

/// Runs something over the key-value driver, and over the S3 driver with each kind of store.
fn over_others(tested: &Tested, run: impl Fn(&WithDriver, &[(&str, &str)]) -> Result<()>) -> Result<()> {
    step("running over the key-value driver", || run(&tested.over_files, &[]))?;
    step("running over the S3 driver", || run(&tested.s3, &[]))?;
    step("running over it and a store without conditional writes", || {
        run(&tested.s3, &[("LIGHTER_S3", "unconditional")])
    })
}

/// Runs something over the S3 driver on Garage, if `garage` is a program.
fn on_garage(
    tested: &Tested,
    garage: Option<&Path>,
    run: impl Fn(&WithDriver, &[(&str, &str)]) -> Result<()>,
) -> Result<()> {
    let Some(garage) = garage.map(start).transpose()? else { return Ok(()) };
    let bucket = garage.bucket(None);
    let variables: Vec<_> = bucket.variables().into_iter().chain([("LIGHTER_S3", "garage")]).collect();
    step("running over the S3 driver on Garage", || run(&tested.s3, &variables))
}

/// Runs tests, and says how many passed, how many were skipped, and why. Fails if fewer ran than `at_least`,
/// because libtest succeeds even if no test has the requested name. Returns the output.
fn counted(tests: &mut Command, at_least: u64) -> Result<String> {
    let notes = workspace("target/tmp/skipped");
    fs::create_dir_all(workspace("target/tmp"))?;
    fs::write(&notes, "").with_context(|| format!("cannot write {}", notes.display()))?;
    let said = run_and_read(tests.env("LIGHTER_SKIPPED", &notes))?;
    let Some(passed) = passed(&said) else { return Ok(said) };
    ensure!(passed >= at_least, "no test ran: no test has this name");
    let mut skipped = BTreeMap::new();
    for (_, why) in fs::read_to_string(&notes)?.lines().filter_map(|note| note.split_once(": ")) {
        *skipped.entry(why.to_owned()).or_insert(0_u64) += 1;
    }
    let count: u64 = skipped.values().sum();
    eprintln!("xtask: {} tests passed, {count} skipped", passed.saturating_sub(count));
    for (why, count) in skipped {
        eprintln!("xtask:   {count} skipped: {why}");
    }
    Ok(said)
}

/// Returns how many tests passed, by lines such as `test result: ok. 3 passed; 0 failed; ...`, or `None` if there is no
/// such line.
fn passed(said: &str) -> Option<u64> {
    let results = said.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    let counts = results.filter_map(|result| result.split(' ').next()?.parse::<u64>().ok());
    counts.reduce(|sum, count| sum + count)
}

/// Feeds random input to every parser, for about this many seconds: by libFuzzer, or, if that or a nightly compiler is
/// missing, by repeating the property tests, whose input differs each time.
pub(crate) fn fuzz(seconds: u64) -> Result<()> {
    const TARGETS: [&str; 3] = ["texts", "manifests", "session"];
    // `cargo` of rustup, which finds other compilers than the current one.
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
    eprintln!("xtask: there is no nightly compiler with cargo-fuzz, so the property tests run instead");
    step("repeating the property tests", || {
        let started = Instant::now();
        while started.elapsed().as_secs() < seconds {
            run(cargo().args(["test", "--quiet", "--test", "bad_input"]))?;
        }
        Ok(())
    })
}

/// Runs the tests that kill the server, with this many kills each: with clients alone, with collections of garbage, and as a
/// mirror. Over a bucket, of the tests' own store or of Garage, several servers are killed.
pub(crate) fn crash(
    wasmtime: &Path,
    component: &Path,
    kills: u64,
    seed: u64,
    garage: Option<&Path>,
) -> Result<()> {
    let mut tests = tests(wasmtime, component);
    let garage = garage.map(start).transpose()?;
    if let Some(bucket) = garage.as_ref().map(|garage| garage.bucket(None)) {
        tests.env("LIGHTER_S3", "garage").envs(bucket.variables());
    }
    tests.env("LIGHTER_KILLS", kills.to_string()).env("LIGHTER_SEED", seed.to_string());
    tests.args(["--test", "integration", "--", "--exact", "--test-threads=1"]).args(CRASH);
    let what = format!(
        "killing servers {kills} times while clients push, while garbage is collected, and while a mirror fetches"
    );
    step(&what, || counted(&mut tests, CRASH.len() as u64)).map(drop)
}

/// Starts Garage with an empty bucket.
fn start(garage: &Path) -> Result<Garage> {
    Garage::start(garage, &workspace("target/tmp/garage"), 1).context("cannot start Garage")
}

/// Measures the component beside other registries.
pub(crate) fn bench(wasmtime: &Path, component: &Path, arguments: &[String]) -> Result<()> {
    let mut bench = cargo();
    bench.env("LIGHTER_WASMTIME", wasmtime).env("LIGHTER_COMPONENT", component);
    bench.args(["run", "--package", "lighter-bench", "--manifest-path"]).arg(workspace("Cargo.toml"));
    // In the caller's directory, because an argument may be a relative path.
    run(bench.current_dir(env::current_dir()?).arg("--").args(arguments))
}

fn tests(wasmtime: &Path, component: &Path) -> Command {
    let mut tests = cargo();
    tests.env("LIGHTER_WASMTIME", wasmtime).env("LIGHTER_COMPONENT", component).arg("test");
    tests
}

/// Checks the format, lints the code for this machine and for WebAssembly, and checks the dependencies.
pub(crate) fn lint(toolchain: &Toolchain) -> Result<()> {
    step("checking the format", || run(cargo().args(["fmt", "--all", "--check"])))?;
    step("linting for this machine", || {
        run(cargo().args(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-Dwarnings"]))
    })?;
    step("linting for WebAssembly", || {
        let mut clippy = toolchain.cargo("clippy");
        clippy.args(["--lib", "--all-features"]).args(packages().flat_map(|package| ["--package", package]));
        run(clippy.args(["--", "-Dwarnings"]))
    })?;
    step("checking the dependencies against deny.toml", deny)
}

/// Checks the licences, sources and advisories of all dependencies with cargo-deny. If cargo-deny is missing, this prints a
/// notice, and fails in CI. The database of advisories comes over the network: if it cannot be fetched, this prints a
/// warning.
fn deny() -> Result<()> {
    let own = workspace("target/tools/bin/cargo-deny");
    let deny = || {
        let mut deny = Command::new(if own.exists() { own.as_os_str() } else { "cargo-deny".as_ref() });
        deny.current_dir(workspace(""));
        deny
    };
    if capture(deny().arg("--version")).is_err() {
        let missing = "cargo-deny is not installed, so licences, sources and advisories were not checked; install it \
                       with `cargo install --locked cargo-deny`";
        ensure!(env::var_os("LIGHTER_REQUIRE_PEERS").is_none_or(|value| value != "1"), missing);
        eprintln!("xtask: {missing}");
        return Ok(());
    }
    run(deny().args(["check", "licenses", "bans", "sources"]))?;
    match capture(deny().args(["fetch", "db"])) {
        Ok(_) => run(deny().args(["check", "advisories"])),
        Err(error) => {
            eprintln!(
                "xtask: WARNING: advisories were not checked, because their database cannot be fetched: {error:#}"
            );
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::passed;

    #[test]
    fn tests_that_passed_are_counted() {
        let result = |count: u64| {
            format!("running {count} tests\n\ntest result: ok. {count} passed; 0 failed; 9 filtered out\n")
        };
        assert_eq!(passed(&(result(3) + &result(0) + &result(12))), Some(15));
        assert_eq!(passed(&result(0)), Some(0));
        assert_eq!(passed("a: test\n\n1 test, 0 benchmarks\n"), None);
    }
}
