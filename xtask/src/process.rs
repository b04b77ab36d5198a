//! Other programs: run them, and say in one sentence what went wrong.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Does a long piece of work, saying what it is before and how long it took after.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("xtask: {what} ...");
    let started = Instant::now();
    let done = work()?;
    eprintln!("xtask: done in {:.1} s", started.elapsed().as_secs_f64());
    Ok(done)
}

/// Runs a program whose output the user sees.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", name(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", name(command));
    }
    Ok(())
}

/// Runs a program and returns what it wrote to its standard output; why it failed goes into the error.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", name(command)))?;
    if !output.status.success() {
        bail!(
            "{} failed ({}): {}",
            name(command),
            output.status,
            reason(&String::from_utf8_lossy(&output.stderr))
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program with its output going to a file, and ends it when it takes longer than `limit`.
pub(crate) fn run_bounded(command: &mut Command, limit: Duration, log: File) -> Result<()> {
    let started = Instant::now();
    let errors = log.try_clone().context("cannot share the log file")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .with_context(|| format!("cannot start {}", name(command)))?;
    loop {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("{} failed ({status})", name(command));
            }
            return Ok(());
        }
        if started.elapsed() > limit {
            child.kill().and_then(|()| child.wait().map(drop)).context("cannot end a program")?;
            bail!("{} took longer than {} s", name(command), limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Returns the line in which a program says why it failed: the first error, or its last words.
fn reason(said: &str) -> &str {
    let is_error = |line: &&str| line.starts_with("E: ") || line.starts_with("error");
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    said.lines().find(is_error).or(last).unwrap_or("it said nothing")
}

/// Returns the program and its first argument, which is how a reader knows a command.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    match command.get_args().find(|argument| !argument.to_string_lossy().starts_with('-')) {
        Some(verb) => format!("`{program} {}`", verb.to_string_lossy()),
        None => format!("`{program}`"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::{name, reason, run_bounded};

    #[test]
    fn the_first_error_is_the_reason() {
        let apt = "W: old\nE: Failed to fetch http://a/b  Could not connect\nE: Some files failed.\n";
        assert_eq!(reason(apt), "E: Failed to fetch http://a/b  Could not connect");
        assert_eq!(reason("starting\nno space left\n\n"), "no space left");
        assert_eq!(reason(""), "it said nothing");
    }

    #[test]
    fn a_command_is_named_by_its_verb() {
        assert_eq!(
            name(Command::new("/usr/bin/apt-get").args(["--quiet=2", "update", "x"])),
            "`apt-get update`"
        );
        assert_eq!(name(Command::new("rustc").arg("--version")), "`rustc`");
    }

    #[test]
    #[cfg(unix)]
    fn what_takes_too_long_is_ended() {
        let started = Instant::now();
        let log = File::options().write(true).open("/dev/null").unwrap();
        let ended = run_bounded(Command::new("sleep").arg("60"), Duration::from_millis(200), log);
        assert!(ended.unwrap_err().to_string().contains("took longer"));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
