//! Other programs: run them, and say in one sentence what went wrong.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
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

/// Builds something: runs a program whose output the user sees, and says in one sentence what it lacked, if
/// that is something that many a machine lacks.
pub(crate) fn build(command: &mut Command) -> Result<()> {
    let mut errors = io::stderr();
    if errors.is_terminal() {
        // It cannot see that for itself.
        command.env("CARGO_TERM_COLOR", "always").env("CARGO_TERM_PROGRESS_WHEN", "always");
        command.env("CARGO_TERM_PROGRESS_WIDTH", "80");
    }
    let child = command.stderr(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot start {}", name(command)))?;
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        let mut stderr = BufReader::new(stderr);
        loop {
            let part = stderr.fill_buf()?;
            let length = part.len();
            if length == 0 {
                break;
            }
            // Whether the user can be told or not, the program goes on.
            let _ = errors.write_all(part);
            said.extend_from_slice(part);
            stderr.consume(length);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        let lacks = lack(&String::from_utf8_lossy(&said)).map(|lack| format!(": {lack}"));
        bail!("{} failed ({status}){}", name(command), lacks.unwrap_or_default());
    }
    Ok(())
}

/// Returns what a build lacked, by what it said.
fn lack(said: &str) -> Option<&'static str> {
    const LACKS: [(&str, &str); 7] = [
        ("No space left on device", "there is no space left on the disk"),
        ("Disk quota exceeded", "there is no space left on the disk for this user"),
        ("linker `cc` not found", "there is no C compiler on PATH"),
        ("failed to find tool", "there is no C or C++ compiler on PATH"),
        ("Permission denied", "what it has to read or to write is not permitted to this user"),
        ("Could not resolve host", "there is no network, and this has to be fetched once"),
        ("failed to download", "the network does not lead to where this has to be fetched from once"),
    ];
    LACKS.into_iter().find(|(says, _)| said.contains(says)).map(|(_, lack)| lack)
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

    use super::{build, lack, name, reason, run_bounded};

    #[test]
    fn what_a_build_lacked_is_told() {
        for (said, lacked) in [
            ("error: failed to build archive at `x`: No space left on device (os error 28)", "no space"),
            ("error: linker `cc` not found\n  |\n  = note: No such file or directory", "no C compiler"),
            ("error occurred in cc-rs: failed to find tool \"c++\": No such file", "C++ compiler"),
            (
                "Caused by:\n  [6] Could not resolve hostname (Could not resolve host: index.crates.io)",
                "no network",
            ),
            ("error: failed to download `a v1`\n  [7] Could not connect to server", "network does not lead"),
        ] {
            assert!(lack(said).unwrap().contains(lacked), "{said}");
        }
        assert_eq!(lack("error[E0425]: cannot find value `x` in this scope"), None);
    }

    #[test]
    #[cfg(unix)]
    fn a_build_ends_with_one_sentence() {
        let script = "echo 'linker `cc` not found' >&2; exit 101";
        let error = build(Command::new("sh").arg("-c").arg(script)).unwrap_err().to_string();
        assert!(error.ends_with("(exit status: 101): there is no C compiler on PATH"), "{error}");
        build(Command::new("sh").arg("-c").arg("echo x >&2")).unwrap();
        assert!(
            build(&mut Command::new("/nonexistent/cargo")).unwrap_err().to_string().contains("cannot start")
        );
    }

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
