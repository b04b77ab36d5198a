//! The conformance suite of the OCI Distribution Spec, with every option turned on. `cargo xtask conformance` names it by
//! `LIGHTER_SUITE`; without that, it is not run.

use std::env;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::crash::say;
use crate::server::{Server, storage};
use crate::skip::skip;

/// The versions of the spec that the suite knows: the released one, and the next.
const VERSIONS: [&str; 2] = ["stable", "dev"];

/// The options of the suite, which are variables that begin with `OCI_`.
const OPTIONS: &str = "
    API_PULL API_PUSH API_BLOBS_ATOMIC API_BLOBS_DELETE API_BLOBS_DIGEST_HEADER API_BLOBS_MOUNT_ANONYMOUS
    API_BLOBS_UPLOAD_CANCEL API_MANIFESTS_ATOMIC API_MANIFESTS_DELETE API_MANIFESTS_DIGEST_HEADER
    API_MANIFESTS_TAG_PARAM API_TAGS_ATOMIC API_TAGS_DELETE API_TAGS_LIST API_REFERRER DATA_IMAGE DATA_INDEX
    DATA_INDEX_LIST DATA_SPARSE DATA_ARTIFACT DATA_SUBJECT DATA_SUBJECT_MISSING DATA_ARTIFACT_LIST
    DATA_SUBJECT_LIST DATA_DATA_FIELD DATA_NONDISTRIBUTABLE DATA_CUSTOM_FIELDS DATA_NO_LAYERS DATA_EMPTY_BLOB
    DATA_SHA512
";

#[test]
fn the_suite_passes() {
    let Some(suite) = env::var_os("LIGHTER_SUITE") else {
        return skip("the conformance suite is run by `cargo xtask conformance`");
    };
    let all = VERSIONS.map(|version| {
        let results =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/conformance/{}-{version}", storage()));
        fs::create_dir_all(&results).unwrap();
        let counts = run(suite.as_ref(), version, &results);
        say(&format!("{}, {version}: {counts}; see {}", storage(), results.join("report.html").display()));
        counts
    });
    for counts in all {
        assert!(counts.are_all_passes(), "{counts}");
    }
}

fn run(suite: &Path, version: &str, results: &Path) -> Counts {
    // Blobs pass through it, as in most tests: an object store that a client is sent to does not tell the digest.
    let server = Server::with_secret("s")
        .env("REGISTRY_LOG_ACCESSLOG_DISABLED", "true")
        // The suite pushes manifests whose blobs it never pushes.
        .env("REGISTRY_VALIDATION_DISABLED", "true")
        .start();
    let mut command = Command::new(suite);
    command.current_dir(results).env("OCI_VERSION", version).env("OCI_RESULTS_DIR", results);
    command.env("OCI_REGISTRY", server.address().to_string()).env("OCI_TLS", "disabled");
    command.envs(OPTIONS.split_whitespace().map(|option| (format!("OCI_{option}"), "true")));
    // Its exit status adds nothing to the report.
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {}: {error}", suite.display()));
    Counts::parse(&String::from_utf8_lossy(&output.stdout))
}

/// The number of tests with each result.
#[derive(Debug, PartialEq)]
struct Counts(Vec<(String, u64)>);

impl Counts {
    /// Reads the report: lines such as `  Pass..........................:       1032`.
    fn parse(report: &str) -> Self {
        let summary = report.lines().skip_while(|line| !line.starts_with("OCI Conformance Result:")).skip(1);
        let count = |line: &str| {
            let (name, number) = line.split_once(':')?;
            Some((name.trim().trim_end_matches('.').to_lowercase(), number.trim().parse().ok()?))
        };
        let counts: Vec<_> = summary.map_while(count).filter(|(name, _)| name != "total").collect();
        Self(counts)
    }

    /// Whether there are tests, and all have passed. A skipped one has not.
    fn are_all_passes(&self) -> bool {
        let is_pass = |name: &str| name == "pass";
        self.0.iter().all(|(name, number)| is_pass(name) == (*number > 0)) && !self.0.is_empty()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.0.iter().map(|(name, number)| format!("{number} {name}")).collect();
        f.write_str(&counts.join(", "))
    }
}

#[test]
fn a_report_is_one_of_passes_only_if_all_passed() {
    let report = |pass: u64, skip: u64| {
        Counts::parse(&format!(
            "Test results\nOCI Conformance Result: Pass\n  Disabled......................:          0\n  \
             Skip..........................:          {skip}\n  Pass..........................:       {pass}\n  \
             Total.........................:       {}\n\nAPI conformance:\n  Ping: Pass\n",
            pass + skip
        ))
    };
    assert_eq!(report(1032, 0).to_string(), "0 disabled, 0 skip, 1032 pass");
    assert!(report(1032, 0).are_all_passes());
    assert!(!report(1030, 2).are_all_passes());
    // A suite that tests nothing does not pass.
    assert!(!report(0, 0).are_all_passes());
    assert!(!Counts::parse("no such file").are_all_passes());
}
