//! What a peer is: which version, built by which compiler. A figure without them cannot be repeated.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Returns the name of a registry with its major and minor version, and all that it says of its version and its
/// compiler.
pub(crate) fn of(program: &Path) -> Result<(String, String)> {
    let is_olareg = program.ends_with("olareg");
    let (name, argument) = if is_olareg { ("olareg", "version") } else { ("distribution", "--version") };
    let said = output(Command::new(program).arg(argument))
        .with_context(|| format!("{} does not tell its version", program.display()))?;
    let version = said.split_whitespace().find_map(short).unwrap_or("of an unknown version");
    let (line, _) = said.split_once('\n').unwrap_or((&said, ""));
    let line = line.split_whitespace().last().unwrap_or_default();
    let compiler = compiler(&fs::read(program)?).unwrap_or_else(|| "an unknown compiler".to_owned());
    Ok((format!("{name} {version}"), format!("{line}, built by {compiler}")))
}

/// The major and minor part of a word that is a version.
fn short(word: &str) -> Option<&str> {
    let version = word.strip_prefix('v').unwrap_or(word);
    let dot = version.find('.')?;
    let minor = version.get(dot + 1..)?;
    let end = minor.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(minor.len());
    let is_version = version.get(..dot)?.parse::<u32>().is_ok() && end > 0;
    version.get(..dot + 1 + end).filter(|_| is_version)
}

/// The version of Go that a program was built by, as `go version` finds it: the header of its build information, 32
/// bytes, is followed by the length of that text and the text.
fn compiler(program: &[u8]) -> Option<String> {
    const MAGIC: &[u8] = b"\xff Go buildinf:";
    const HEADER: usize = 32;
    let starts = program.windows(MAGIC.len()).enumerate().filter(|(_, window)| *window == MAGIC);
    starts.map(|(at, _)| at).find_map(|at| {
        let (length, text) = program.get(at + HEADER..)?.split_first()?;
        let text = str::from_utf8(text.get(..usize::from(*length))?).ok()?;
        text.starts_with("go").then(|| format!("Go {}", text.trim_start_matches("go")))
    })
}

/// The first line that a command prints, if it succeeds.
pub(crate) fn first_line(command: &mut Command) -> Option<String> {
    output(command)?.lines().next().map(str::to_owned)
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

#[cfg(test)]
mod tests {
    use super::{compiler, short};

    #[test]
    fn a_version_is_told_from_other_words() {
        assert_eq!(short("v3.1.1"), Some("3.1"));
        assert_eq!(short("2.8.2+ds1"), Some("2.8"));
        assert_eq!(short("v0.2.3-0.20260722-79de6b"), Some("0.2"));
        for word in ["github.com/docker/distribution", "v", "3", "go1.27", "a.b"] {
            assert_eq!(short(word), None, "{word}");
        }
    }

    #[test]
    fn the_compiler_is_where_go_writes_it() {
        let mut program = b"\xff Go buildinf:, a text".to_vec();
        assert_eq!(compiler(&program), None);
        program.extend(b"\xff Go buildinf:\x08\x02");
        program.extend([0; 16]);
        program.extend(b"\x08go1.19.8\xc2");
        assert_eq!(compiler(&program).as_deref(), Some("Go 1.19.8"));
    }
}
