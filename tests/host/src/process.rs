//! A server's process.

use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that [`Process::wait_for`] waits for a line.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running process, with a group of its own: what it starts itself ends with it. It is killed when this is
/// dropped; if that is because a test fails, what the process wrote is shown.
pub struct Process {
    child: Child,
    log: Arc<Log>,
}

impl Process {
    /// Starts a process and keeps what it writes. Panics if it cannot be started.
    pub fn start(mut command: Command) -> Self {
        Self::spawn(&mut command).unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Starts a process and keeps what it writes.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let log = Arc::new(Log::default());
        let kept = Arc::clone(&log);
        start(command, log, move |line| kept.add(line))
    }

    /// Starts a process and hands each line that it writes to a function, without keeping any.
    pub fn follow(command: &mut Command, each: impl Fn(String) + Send + Sync + 'static) -> io::Result<Self> {
        start(command, Arc::default(), each)
    }

    /// The id of the process, which is also that of its group.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process has written a line that contains this, and returns the line. Panics if it ends
    /// without it, or does not write it within 30 s.
    pub fn wait_for(&self, text: &str) -> String {
        self.try_wait_for(text).unwrap_or_else(|| panic!("the process does not say {text:?}"))
    }

    /// As [`Process::wait_for`], but returns `None` instead of panicking.
    pub fn try_wait_for(&self, text: &str) -> Option<String> {
        self.log.wait_for(text)
    }

    /// Everything that the process has written so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// How the process ended, if it has.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// The number in a line of `/proc/<id>/status`, such as `VmHWM`, the most memory that the process has held: in
    /// KiB. None where there is no such file or line. `spin up` serves in a process that it starts; then it is that
    /// one's.
    pub fn status(&self, name: &str) -> Option<u64> {
        let id = self.id().to_string();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let server = children.split_whitespace().last().unwrap_or(&id);
        let status = fs::read_to_string(format!("/proc/{server}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    /// Asks the process to end, as Ctrl-C does, and kills it if it takes longer than this.
    pub fn stop(mut self, grace: Duration) -> io::Result<()> {
        signal("-INT", self.id());
        let asked = Instant::now();
        while self.ended()?.is_none() && asked.elapsed() < grace {
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        signal("-KILL", self.id());
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the output of process {}:\n{}", self.id(), self.log.text());
        }
    }
}

fn start(
    command: &mut Command,
    log: Arc<Log>,
    each: impl Fn(String) + Send + Sync + 'static,
) -> io::Result<Process> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = command.spawn()?;
    let each = Arc::new(each);
    let outputs = [
        child.stdout.take().map(|output| Box::new(output) as Box<dyn Read + Send>),
        child.stderr.take().map(|output| Box::new(output) as Box<dyn Read + Send>),
    ];
    for output in outputs.into_iter().flatten() {
        log.lines.lock().unwrap().followed += 1;
        let (log, each) = (Arc::clone(&log), Arc::clone(&each));
        thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                each(String::from_utf8_lossy(&line).into_owned());
            }
            log.lines.lock().unwrap().followed -= 1;
            log.more.notify_all();
        });
    }
    Ok(Process { child, log })
}

/// Sends a signal to a group of processes. It may have ended already, and there are no signals but on Unix.
fn signal(signal: &str, group: u32) {
    if cfg!(unix) {
        let _ =
            Command::new("kill").args([signal, "--", &format!("-{group}")]).stderr(Stdio::null()).status();
    }
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
    /// How many outputs are still open.
    followed: u32,
}

impl Log {
    fn add(&self, line: String) {
        self.lines.lock().unwrap().text.push(line);
        self.more.notify_all();
    }

    /// Returns the first line that contains this, or none if the process ends without it or has
    /// long had the time to write it.
    fn wait_for(&self, text: &str) -> Option<String> {
        let find = |lines: &Lines| lines.text.iter().find(|line| line.contains(text)).cloned();
        let lines = self.lines.lock().unwrap();
        let waiting = |lines: &mut Lines| lines.followed > 0 && find(lines).is_none();
        let (lines, _) = self.more.wait_timeout_while(lines, PATIENCE, waiting).unwrap();
        find(&lines)
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap().text.join("\n")
    }
}
