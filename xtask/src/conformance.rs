//! The conformance suite of the OCI Distribution Spec, with every option turned on.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use lighter_test_host::process::Process;
use lighter_test_host::wasmtime::{DATA, READY, Serve, address_in};

use crate::components::Tested;
use crate::process::step;
use crate::workspace;

/// The versions of the spec that the suite knows: the released one, and the next.
const VERSIONS: [&str; 2] = ["stable", "dev"];

/// The variables that turn the suite's options on or off.
const SETTINGS: [&str; 30] = [
    "OCI_API_PULL",
    "OCI_API_PUSH",
    "OCI_API_BLOBS_ATOMIC",
    "OCI_API_BLOBS_DELETE",
    "OCI_API_BLOBS_DIGEST_HEADER",
    "OCI_API_BLOBS_MOUNT_ANONYMOUS",
    "OCI_API_BLOBS_UPLOAD_CANCEL",
    "OCI_API_MANIFESTS_ATOMIC",
    "OCI_API_MANIFESTS_DELETE",
    "OCI_API_MANIFESTS_DIGEST_HEADER",
    "OCI_API_MANIFESTS_TAG_PARAM",
    "OCI_API_TAGS_ATOMIC",
    "OCI_API_TAGS_DELETE",
    "OCI_API_TAGS_LIST",
    "OCI_API_REFERRER",
    "OCI_DATA_IMAGE",
    "OCI_DATA_INDEX",
    "OCI_DATA_INDEX_LIST",
    "OCI_DATA_SPARSE",
    "OCI_DATA_ARTIFACT",
    "OCI_DATA_SUBJECT",
    "OCI_DATA_SUBJECT_MISSING",
    "OCI_DATA_ARTIFACT_LIST",
    "OCI_DATA_SUBJECT_LIST",
    "OCI_DATA_DATA_FIELD",
    "OCI_DATA_NONDISTRIBUTABLE",
    "OCI_DATA_CUSTOM_FIELDS",
    "OCI_DATA_NO_LAYERS",
    "OCI_DATA_EMPTY_BLOB",
    "OCI_DATA_SHA512",
];

/// Runs the suite over each storage driver, and fails unless all tests pass; a skipped test counts as a failure.
pub(crate) fn conformance(wasmtime: &Path, tested: &Tested, suite: &Path) -> Result<()> {
    let suite = fs::canonicalize(suite).with_context(|| {
        format!("{} does not exist: build the suite as docs/conformance.md says", suite.display())
    })?;
    let mut failed = Vec::new();
    for (driver, component) in
        [("filesystem", &tested.default.registry), ("keyvalue", &tested.over_files.registry)]
    {
        for version in VERSIONS {
            let results = workspace("target/conformance").join(format!("{driver}-{version}"));
            let counts = step(&format!("running version {version} over the {driver} driver"), || {
                one_run(wasmtime, component, &suite, version, &results)
            })?;
            println!("{driver}, {version}: {counts}; see {}", results.join("report.html").display());
            if !counts.are_all_passes() {
                failed.push(format!("{version} over {driver}"));
            }
        }
    }
    if !failed.is_empty() {
        bail!("the suite failed: {}", failed.join(", "));
    }
    Ok(())
}

fn one_run(wasmtime: &Path, component: &Path, suite: &Path, version: &str, results: &Path) -> Result<Counts> {
    let data = results.join("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    fs::create_dir_all(&data).with_context(|| format!("cannot create {}", data.display()))?;
    let serve = Serve::default().directory(&data, DATA).env("REGISTRY_LOG_ACCESSLOG_DISABLED=true");
    // The suite pushes manifests whose blobs it never pushes.
    let serve = serve.env("REGISTRY_VALIDATION_DISABLED=true");
    let registry =
        Process::spawn(&mut serve.command(wasmtime, component)).context("cannot start wasmtime")?;
    let address = registry.try_wait_for(READY).and_then(|line| address_in(&line));
    let address = address.with_context(|| format!("wasmtime did not start to serve:\n{}", registry.log()))?;
    let mut command = Command::new(suite);
    command.current_dir(results).env("OCI_VERSION", version).env("OCI_RESULTS_DIR", results);
    command.env("OCI_REGISTRY", address.to_string()).env("OCI_TLS", "disabled");
    command.envs(SETTINGS.map(|setting| (setting, "true")));
    // Its exit status adds nothing to the report.
    let output = command.output().with_context(|| format!("cannot start {}", suite.display()))?;
    Counts::parse(&String::from_utf8_lossy(&output.stdout))
}

/// The number of tests with each result.
#[derive(Debug, PartialEq)]
struct Counts(Vec<(String, u64)>);

impl Counts {
    /// Reads the report: lines such as `  Pass..........................:       1032`.
    fn parse(report: &str) -> Result<Self> {
        let summary = report.lines().skip_while(|line| !line.starts_with("OCI Conformance Result:")).skip(1);
        let count = |line: &str| {
            let (name, number) = line.split_once(':')?;
            Some((name.trim().trim_end_matches('.').to_lowercase(), number.trim().parse().ok()?))
        };
        let counts: Vec<_> = summary.map_while(count).filter(|(name, _)| name != "total").collect();
        if counts.iter().all(|(_, number)| *number == 0) {
            bail!("the suite tested nothing; is it the conformance suite of the OCI Distribution Spec?");
        }
        Ok(Self(counts))
    }

    fn are_all_passes(&self) -> bool {
        self.0.iter().all(|(name, number)| name == "pass" || *number == 0)
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts: Vec<_> = self.0.iter().map(|(name, number)| format!("{number} {name}")).collect();
        f.write_str(&counts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    fn report(pass: u64, skip: u64) -> String {
        format!(
            "Test results\nOCI Conformance Result: Pass\n  Disabled......................:          0\n  \
             Skip..........................:          {skip}\n  Pass..........................:       {pass}\n  \
             Total.........................:       {}\n\nAPI conformance:\n  Ping: Pass\n",
            pass + skip
        )
    }

    #[test]
    fn counts_are_read_from_the_report() {
        let counts = Counts::parse(&report(1032, 0)).unwrap();
        assert_eq!(counts.to_string(), "0 disabled, 0 skip, 1032 pass");
        assert!(counts.are_all_passes());
        assert!(!Counts::parse(&report(1030, 2)).unwrap().are_all_passes());
    }

    #[test]
    fn a_suite_that_tests_nothing_does_not_pass() {
        assert!(Counts::parse(&report(0, 0)).is_err());
        assert!(Counts::parse("no such file").is_err());
    }
}
