//! A process that runs for as long as a test does.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// A running process. It is killed when this is dropped; if that is because the test fails, what the
/// process wrote is shown.
pub(crate) struct Process {
    child: Child,
    log: Arc<Log>,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that what it starts itself ends with it.
        command.process_group(0);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log = Arc::new(Log::default());
        log.follow(child.stdout.take().expect("a piped stdout"));
        log.follow(child.stderr.take().expect("a piped stderr"));
        Self { child, log }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process has written a line that contains this, and returns the line.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.log.wait_for(text).unwrap_or_else(|| panic!("the process does not say {text:?}"))
    }

    /// Everything that the process has written so far.
    pub(crate) fn log(&self) -> String {
        self.log.text()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.id())]).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the output of process {}:\n{}", self.id(), self.log.text());
        }
    }
}

/// Whether there is such a program. Says so if not: the test then has nothing to run.
pub(crate) fn installed(program: &str) -> bool {
    let installed = Command::new(program).arg("--version").output().is_ok();
    if !installed {
        // Not `eprintln!`: what that prints is not shown of a test that passes.
        let message = format!("skipped: {program} is not installed\n");
        io::stderr().write_all(message.as_bytes()).expect("a stderr");
    }
    installed
}

/// What a process writes to stdout and stderr.
#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Default)]
struct Lines {
    text: Vec<String>,
    followed: u32,
}

impl Log {
    fn follow(self: &Arc<Self>, output: impl Read + Send + 'static) {
        let log = Arc::clone(self);
        log.lines.lock().unwrap().followed += 1;
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                log.lines.lock().unwrap().text.push(line);
                log.more.notify_all();
            }
            log.lines.lock().unwrap().followed -= 1;
            log.more.notify_all();
        });
    }

    /// Returns the first line that contains this, or none if the process ends without it or has
    /// long had the time to write it.
    fn wait_for(&self, text: &str) -> Option<String> {
        let find = |lines: &Lines| lines.text.iter().find(|line| line.contains(text)).cloned();
        let lines = self.lines.lock().unwrap();
        let waiting = |lines: &mut Lines| lines.followed > 0 && find(lines).is_none();
        let (lines, _) = self.more.wait_timeout_while(lines, Duration::from_secs(30), waiting).unwrap();
        find(&lines)
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap().text.join("\n")
    }
}
