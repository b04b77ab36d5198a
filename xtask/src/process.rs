//! Running other programs, with errors of one sentence.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a long piece of work reports that it is still running.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Does a long piece of work. Prints what it is before, what it is and the time so far every [`HEARTBEAT`], and the time
/// that it took after.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("xtask: {what} ...");
    let started = Instant::now();
    let done = with_heartbeat(HEARTBEAT, work, || {
        // This overwrites cargo's progress line on a terminal; cargo prints it again.
        let start_of_line = if io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
        eprintln!("{start_of_line}xtask: {} so far: {what}", minutes(started.elapsed()));
    })?;
    eprintln!("xtask: done in {}", minutes(started.elapsed()));
    Ok(done)
}

/// Does some work, and calls a function repeatedly until the work is done.
fn with_heartbeat<T>(every: Duration, work: impl FnOnce() -> T, mut beat: impl FnMut() + Send) -> T {
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while is_done.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                beat();
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// Formats a duration.
fn minutes(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// Runs a program whose output the user sees.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", name(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", name(command));
    }
    Ok(())
}

/// Builds something: runs a program whose output the user sees. If a common requirement is missing, the error names it in
/// one sentence.
pub(crate) fn build(command: &mut Command) -> Result<()> {
    let mut errors = io::stderr();
    if errors.is_terminal() {
        // It cannot see that for itself.
        command.env("CARGO_TERM_COLOR", "always").env("CARGO_TERM_PROGRESS_WHEN", "always");
        command.env("CARGO_TERM_PROGRESS_WIDTH", "80");
    }
    let child = command.stderr(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot start {}", name(command)))?;
    let said = child.stderr.take().map(|stderr| pass_on(stderr, &mut errors)).transpose()?;
    let status = child.wait()?;
    if !status.success() {
        let lacks = lack(&said.unwrap_or_default()).map(|lack| format!(": {lack}"));
        bail!("{} failed ({status}){}", name(command), lacks.unwrap_or_default());
    }
    Ok(())
}

/// Runs a program whose output the user sees, and returns what it wrote to its standard output.
pub(crate) fn run_and_read(command: &mut Command) -> Result<String> {
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot start {}", name(command)))?;
    let said = child.stdout.take().map(|stdout| pass_on(stdout, &mut io::stdout())).transpose()?;
    let status = child.wait()?;
    if !status.success() {
        bail!("{} failed ({status})", name(command));
    }
    Ok(said.unwrap_or_default())
}

/// Shows the user what a program writes, as it writes it, and returns it.
fn pass_on(output: impl Read, to: &mut impl Write) -> Result<String> {
    let mut output = BufReader::new(output);
    let mut said = Vec::new();
    loop {
        let part = output.fill_buf()?;
        let length = part.len();
        if length == 0 {
            return Ok(String::from_utf8_lossy(&said).into_owned());
        }
        // The program continues even if its output cannot be shown.
        let _ = to.write_all(part).and_then(|()| to.flush());
        said.extend_from_slice(part);
        output.consume(length);
    }
}

/// Returns the requirement that a build lacked, according to its output.
fn lack(said: &str) -> Option<&'static str> {
    const LACKS: [(&str, &str); 7] = [
        ("No space left on device", "the disk is full: no space is left"),
        ("Disk quota exceeded", "the disk quota of this user is used up"),
        ("linker `cc` not found", "there is no C compiler on PATH"),
        ("failed to find tool", "there is no C or C++ compiler on PATH"),
        ("Permission denied", "this user has no permission for a file that it must read or write"),
        ("Could not resolve host", "there is no network, and this must be downloaded once"),
        ("failed to download", "the network does not reach the server of a download"),
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

/// Returns the line in which a program says why it failed: the first error, or its last words.
fn reason(said: &str) -> &str {
    let is_error = |line: &&str| line.starts_with("E: ") || line.starts_with("error");
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    said.lines().find(is_error).or(last).unwrap_or("it printed no message")
}

/// Returns the program and its first argument, as the name of the command.
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
    use std::process::Command;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::{build, lack, minutes, name, reason, with_heartbeat};

    #[test]
    fn work_that_takes_long_is_heard_of() {
        let (beats, heard) = mpsc::channel();
        let work = || (0..3).map(|_| heard.recv_timeout(Duration::from_secs(30)).unwrap()).count();
        let done = with_heartbeat(Duration::from_millis(1), work, || _ = beats.send(()));
        assert_eq!(done, 3);
        assert_eq!(with_heartbeat(Duration::MAX, || "at once", || panic!("nothing takes long")), "at once");
    }

    #[test]
    fn a_minute_is_written_as_one() {
        assert_eq!(minutes(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(minutes(Duration::from_secs(59)), "59.0 s");
        assert_eq!(minutes(Duration::from_secs(671)), "11 min 11 s");
    }

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
            ("error: failed to download `a v1`\n  [7] Could not connect to server", "network does not reach"),
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
        assert_eq!(reason(""), "it printed no message");
    }

    #[test]
    fn a_command_is_named_by_its_verb() {
        assert_eq!(
            name(Command::new("/usr/bin/apt-get").args(["--quiet=2", "update", "x"])),
            "`apt-get update`"
        );
        assert_eq!(name(Command::new("rustc").arg("--version")), "`rustc`");
    }
}
