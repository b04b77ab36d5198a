//! The command line.

use anyhow::{Context, Result, bail};

use crate::toolchain::Way;

/// What `cargo xtask help` prints.
pub(crate) const HELP: &str = "\
Builds, composes, serves and tests Lighter.

Usage: cargo xtask <command> [options]

Commands:
  build   Compile the registry and its storage drivers to WebAssembly, and compose them into
          target/components/.
  help    Print this text.

Options of every command:
  --toolchain NAME  Use only this way to a compiler for wasm32-wasip2: `installed` (what is there, or
                    what rustup installs), `debian-source` (the installed compiler, and the standard
                    library's source from Debian) or `debian-compiler` (Debian's own). Without it they
                    are tried in that order.

All that is fetched or made is kept under target/.
";

/// What `cargo xtask` was asked to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    /// Compile and compose.
    Build,
    /// Say how to use it.
    Help,
}

/// A command line.
#[derive(Debug, PartialEq)]
pub(crate) struct Arguments {
    /// What to do.
    pub(crate) task: Task,
    /// The only toolchain to use, where that is not left to us.
    pub(crate) toolchain: Option<Way>,
}

impl Arguments {
    /// Reads what follows the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut words = words.into_iter();
        let mut task = match words.next().as_deref() {
            None | Some("help" | "--help" | "-h") => Task::Help,
            Some("build") => Task::Build,
            Some(other) => bail!("there is no command `{other}`; `cargo xtask help` lists them"),
        };
        let mut toolchain = None;
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--help" | "-h" => task = Task::Help,
                "--toolchain" => {
                    let name = value()?;
                    toolchain =
                        Some(Way::named(&name).with_context(|| format!("there is no toolchain `{name}`"))?);
                }
                _ => bail!("there is no option `{word}` here; `cargo xtask help` lists them"),
            }
        }
        Ok(Self { task, toolchain })
    }
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Task};
    use crate::toolchain::Way;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn no_command_asks_for_help() {
        for line in ["", "help", "--help", "build -h"] {
            assert_eq!(parse(line).unwrap().task, Task::Help, "{line}");
        }
    }

    #[test]
    fn a_toolchain_can_be_named() {
        assert_eq!(parse("build").unwrap(), Arguments { task: Task::Build, toolchain: None });
        let way = parse("build --toolchain debian-source").unwrap().toolchain;
        assert_eq!(way, Some(Way::DebianSource));
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert!(parse("bild").unwrap_err().contains("`bild`"));
        assert!(parse("build --fast").unwrap_err().contains("`--fast`"));
        assert!(parse("build --toolchain").unwrap_err().contains("needs a value"));
        assert!(parse("build --toolchain nightly").unwrap_err().contains("`nightly`"));
    }
}
