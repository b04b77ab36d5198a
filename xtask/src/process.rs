//! Other programs: run them, and say in one sentence what went wrong.

use std::fs::File;
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

/// Runs a program and returns what it wrote to its standard output; its errors go into ours.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", name(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        bail!("{} failed ({}): {reason}", name(command), output.status);
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

/// Returns the program and its first argument, which is how a reader knows a command.
fn name(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    match command.get_args().find(|argument| !argument.to_string_lossy().starts_with('-')) {
        Some(verb) => format!("`{program} {}`", verb.to_string_lossy()),
        None => format!("`{program}`"),
    }
}
