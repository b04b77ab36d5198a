//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use crate::serve::Site;

/// The text of `cargo xtask help`.
pub(crate) const HELP: &str = "\
Builds, serves and tests Lighter.

Usage: cargo xtask <command> [options]

Commands:
  build   Compile the registry with each storage to WebAssembly, into target/components/. Also compile
          the registry and the storage drivers separately, for composition, into its folder parts/.
  serve   Build, then serve the registry until Ctrl-C. Environment variables that begin with REGISTRY_
          are passed on to it.
            --listen ADDRESS  the address and port to listen on (127.0.0.1:5000)
            --data DIRECTORY  the directory for all data; created if it does not exist (./data)
  cluster Build, then serve the registry from several instances behind a balancer (haproxy), over a Garage
          of three nodes, on this machine until Ctrl-C. Nothing is kept.
            --registries N    number of instances (3)
  run     Build, then run a command of an operator on the data of the registry, also while it is served.
          The command follows after --: `cargo xtask run -- help` lists the commands.
            --data DIRECTORY  the directory for all data (./data)
  test    Build, then run all tests. Arguments after -- are passed on to them.
            --long            include the long tests
            --garage          run the integration tests over the S3 driver on Garage, and no others
  bench   Build, then measure Lighter beside distribution and other installed registries, and write a
          report. This takes about ten minutes, during which nothing else should run.
            --rounds N           number of rounds (5)
            --size MIB           size of the large blob (512)
            --peer NAME=COMMAND  another registry; {port} and {data} in its command are filled in
            --sync DIRECTORY     a directory on a file system mounted with -o sync: olareg is measured there once
                                 more, since it does not sync itself
            --storage s3         instead, measure over an object store, which counts what it is asked
            --out DIRECTORY      directory of the report (target/bench)
            --mirror             instead, measure pulls through Lighter and distribution as mirrors
            --rate MIB           what the mirrors' upstream sends a second on each connection
            --collection BLOBS   instead, measure the collection of garbage from so many blobs, and clients
                                 beside it
  crash   Build, then kill the server repeatedly while clients push, and while they pull through it as a
          mirror, and check that nothing that was acknowledged is lost, and nothing wrong is given out
          or stored. Prints a summary.
            --kills N         number of kills (200)
            --seed S          seed for the content of the pushes and the times of the kills (1)
            --storage NAME    filesystem (default), or three servers over one bucket: s3 or garage
  conformance
          Build, then run the conformance suite of the OCI Distribution Spec over each storage driver, with
          every option turned on. Fails unless all tests pass. docs/conformance.md says how to build it.
            --suite PROGRAM   the suite (conformance)
            --garage          run it over the S3 driver on Garage, too
  fuzz    Feed random input to every parser: with cargo-fuzz if it is installed with a nightly compiler,
          otherwise by repeating the property tests.
            --seconds N       approximate duration (60)
  lint    Check the format, lint for this machine and for WebAssembly, and check the licences, sources and
          advisories of the dependencies with cargo-deny.
  help    Print this text.

Everything that is downloaded or built is kept under target/.
";

/// A task of `cargo xtask`.
#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    /// Compile.
    Build,
    /// Serve the registry.
    Serve(Site),
    /// Serve from several instances over one bucket.
    Cluster {
        /// How many.
        registries: usize,
    },
    /// Run a command of an operator.
    Run {
        /// The directory for all data.
        data: PathBuf,
        /// The command and its options.
        arguments: Vec<String>,
    },
    /// Run all tests.
    Test {
        /// Whether to include the long tests.
        long: bool,
        /// Whether to run on Garage.
        garage: bool,
        /// The arguments for the test programs.
        arguments: Vec<String>,
    },
    /// Measure beside other registries.
    Bench {
        /// The arguments for the benchmark.
        arguments: Vec<String>,
    },
    /// Kill the server while clients push.
    Crash {
        /// The number of kills.
        kills: u64,
        /// The seed for the content of the pushes and the times of the kills.
        seed: u64,
        /// What the servers store in.
        storage: Storage,
    },
    /// Run the conformance suite.
    Conformance {
        /// The suite's program.
        suite: PathBuf,
        /// Whether to run it on Garage, too.
        garage: bool,
    },
    /// Feed random input to every parser.
    Fuzz {
        /// The approximate duration.
        seconds: u64,
    },
    /// Check the format, and lint.
    Lint,
    /// Print the help.
    Help,
}

/// What a server stores in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// A directory.
    Filesystem,
    /// The bucket of the tests' own store.
    S3,
    /// The bucket of Garage.
    Garage,
}

impl Task {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut words = words.into_iter();
        let mut task = match words.next().as_deref() {
            None | Some("help" | "--help" | "-h") => Task::Help,
            Some("build") => Task::Build,
            Some("serve") => Task::Serve(Site { listen: "127.0.0.1:5000".into(), data: "data".into() }),
            Some("cluster") => Task::Cluster { registries: 3 },
            Some("run") => Task::Run { data: "data".into(), arguments: Vec::new() },
            Some("test") => Task::Test { long: false, garage: false, arguments: Vec::new() },
            Some("bench") => Task::Bench { arguments: Vec::new() },
            Some("crash") => Task::Crash { kills: 200, seed: 1, storage: Storage::Filesystem },
            Some("conformance") => Task::Conformance { suite: "conformance".into(), garage: false },
            Some("fuzz") => Task::Fuzz { seconds: 60 },
            Some("lint") => Task::Lint,
            Some(other) => bail!("unknown command `{other}`; `cargo xtask help` lists the commands"),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match (word.as_str(), &mut task) {
                ("--help" | "-h", _) => return Ok(Self::Help),
                ("--listen", Task::Serve(site)) => site.listen = value()?,
                ("--data", Task::Serve(site)) => site.data = value()?.into(),
                ("--data", Task::Run { data, .. }) => *data = value()?.into(),
                ("--long", Task::Test { long, .. }) => *long = true,
                ("--garage", Task::Test { garage, .. } | Task::Conformance { garage, .. }) => *garage = true,
                ("--registries", Task::Cluster { registries }) => *registries = number(&word, &value()?)?,
                ("--storage", Task::Crash { storage, .. }) => {
                    *storage = match &*value()? {
                        "filesystem" => Storage::Filesystem,
                        "s3" => Storage::S3,
                        "garage" => Storage::Garage,
                        other => bail!("--storage is filesystem, s3 or garage, not `{other}`"),
                    }
                }
                ("--kills", Task::Crash { kills, .. }) => *kills = number(&word, &value()?)?,
                ("--seed", Task::Crash { seed, .. }) => *seed = number(&word, &value()?)?,
                ("--suite", Task::Conformance { suite, .. }) => *suite = value()?.into(),
                ("--seconds", Task::Fuzz { seconds }) => *seconds = number(&word, &value()?)?,
                ("--", Task::Test { arguments, .. } | Task::Run { arguments, .. }) => {
                    arguments.extend(words.by_ref())
                }
                (_, Task::Bench { arguments }) => arguments.extend([word].into_iter().chain(words.by_ref())),
                _ => bail!("unknown option `{word}` for this command; `cargo xtask help` lists the options"),
            }
        }
        Ok(task)
    }
}

fn number<N: FromStr>(option: &str, value: &str) -> Result<N> {
    value.parse().ok().with_context(|| format!("{option} needs a number, not `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::{Storage, Task};
    use crate::serve::Site;

    fn parse(line: &str) -> Result<Task, String> {
        Task::parse(line.split_whitespace().map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn no_command_asks_for_help() {
        for line in ["", "help", "--help", "build -h"] {
            assert_eq!(parse(line).unwrap(), Task::Help, "{line}");
        }
    }

    #[test]
    fn where_to_serve_can_be_said() {
        let site = |listen: &str, data: &str| Task::Serve(Site { listen: listen.into(), data: data.into() });
        assert_eq!(parse("serve").unwrap(), site("127.0.0.1:5000", "data"));
        assert_eq!(parse("serve --data /d --listen [::1]:0").unwrap(), site("[::1]:0", "/d"));
    }

    #[test]
    fn tests_are_told_what_follows_two_dashes() {
        let told = |long, words: &[&str]| Task::Test {
            long,
            garage: false,
            arguments: words.iter().copied().map(str::to_owned).collect(),
        };
        assert_eq!(parse("test").unwrap(), told(false, &[]));
        assert_eq!(parse("test --long -- push --long --").unwrap(), told(true, &["push", "--long", "--"]));
    }

    #[test]
    fn a_command_follows_two_dashes() {
        let run = |data: &str, words: &[&str]| Task::Run {
            data: data.into(),
            arguments: words.iter().copied().map(str::to_owned).collect(),
        };
        assert_eq!(parse("run").unwrap(), run("data", &[]));
        assert_eq!(parse("run --data /d -- usage --help").unwrap(), run("/d", &["usage", "--help"]));
        assert!(parse("run usage").unwrap_err().contains("`usage`"));
    }

    #[test]
    fn the_benchmark_reads_its_options() {
        let arguments = ["--rounds", "3", "--fast"].map(str::to_owned).to_vec();
        assert_eq!(parse("bench --rounds 3 --fast").unwrap(), Task::Bench { arguments });
        assert_eq!(parse("bench --help").unwrap(), Task::Help);
    }

    #[test]
    fn tasks_are_what_they_are_unless_told_otherwise() {
        let crash = |kills, seed, storage| Task::Crash { kills, seed, storage };
        let suite = |suite: &str, garage| Task::Conformance { suite: suite.into(), garage };
        for (line, task) in [
            ("crash", crash(200, 1, Storage::Filesystem)),
            ("crash --seed 7 --kills 3 --storage s3", crash(3, 7, Storage::S3)),
            ("cluster", Task::Cluster { registries: 3 }),
            ("cluster --registries 2", Task::Cluster { registries: 2 }),
            ("conformance", suite("conformance", false)),
            ("conformance --suite /a/b --garage", suite("/a/b", true)),
            ("fuzz", Task::Fuzz { seconds: 60 }),
            ("fuzz --seconds 9", Task::Fuzz { seconds: 9 }),
        ] {
            assert_eq!(parse(line).unwrap(), task, "{line}");
        }
        assert!(parse("crash --kills many").unwrap_err().contains("`many`"));
        assert!(parse("crash --storage tape").unwrap_err().contains("`tape`"));
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert!(parse("bild").unwrap_err().contains("`bild`"));
        assert!(parse("build --listen 127.0.0.1:0").unwrap_err().contains("`--listen`"));
        assert!(parse("lint -- x").unwrap_err().contains("`--`"));
        assert!(parse("build --fast").unwrap_err().contains("`--fast`"));
        assert!(parse("serve --data").unwrap_err().contains("needs a value"));
    }
}
