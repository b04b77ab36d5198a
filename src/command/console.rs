//! The output on a command line: what is found goes to stdout, and how far the command is to stderr.

use std::time::{Duration, Instant};

use super::output::{Field, Output, json_line};

/// The standard streams of a program.
pub trait Console {
    /// Writes to stdout. Returns whether anybody still reads.
    fn print(&mut self, text: &str) -> bool;

    /// Writes to stderr.
    fn error(&mut self, text: &str);

    /// Whether a person looks at what is written to stdout, and to stderr.
    fn is_terminal(&self) -> [bool; 2];
}

/// How often a terminal is told how far the command is.
const OFTEN: Duration = Duration::from_millis(200);

/// How often a log is told that.
const SELDOM: Duration = Duration::from_secs(30);

/// How many bytes are gathered for one write, if nobody waits for them.
const GATHERED: usize = 4096;

/// The most characters of a line on a terminal, which must not be wrapped to be written over.
const WIDTH: usize = 78;

/// Removes the line that a terminal's cursor is in.
const CLEAR: &str = "\r\x1b[K";

/// The output as lines.
pub(super) struct Lines<'a> {
    console: &'a mut dyn Console,
    json: bool,
    /// Whether a person reads stdout, and stderr.
    is_terminal: [bool; 2],
    gathered: String,
    /// When the last line about the progress was written, or the command began.
    told: Instant,
    /// Whether such a line stands on the terminal.
    is_shown: bool,
    is_closed: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(console: &'a mut dyn Console, json: bool) -> Self {
        let is_terminal = console.is_terminal();
        let (gathered, told) = (String::new(), Instant::now());
        Self { console, json, is_terminal, gathered, told, is_shown: false, is_closed: false }
    }

    /// Writes what is left.
    pub(super) fn end(mut self) {
        self.clear();
        self.flush();
    }

    fn flush(&mut self) {
        if !self.gathered.is_empty() {
            self.is_closed |= !self.console.print(&self.gathered);
            self.gathered.clear();
        }
    }

    fn clear(&mut self) {
        if core::mem::take(&mut self.is_shown) {
            self.console.error(CLEAR);
        }
    }
}

impl Output for Lines<'_> {
    fn item(&mut self, text: &str, fields: &[(&'static str, Field)]) {
        if self.json {
            self.gathered.push_str(&json_line(fields));
        } else {
            self.gathered.extend([text, "\n"]);
        }
        if self.is_terminal == [true; 2] {
            self.clear();
        }
        if self.is_terminal[0] || self.gathered.len() >= GATHERED {
            self.flush();
        }
    }

    fn progress(&mut self, count: u64, what: &'static str, at: &str) {
        let [_, is_terminal] = self.is_terminal;
        if self.told.elapsed() < if is_terminal { OFTEN } else { SELDOM } {
            return;
        }
        self.told = Instant::now();
        let line = format!("{count} {what}, at {at}");
        if is_terminal {
            // All that can stand here has one byte for each character.
            self.is_shown = true;
            self.console.error(&[CLEAR, line.get(..WIDTH).unwrap_or(&line)].concat());
        } else {
            self.flush();
            self.console.error(&(line + "\n"));
        }
    }

    fn trouble(&mut self, text: &str) {
        self.clear();
        self.console.error(&format!("lighter: {text}\n"));
    }

    fn is_full(&self) -> bool {
        self.is_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Streams {
        written: String,
        is_terminal: [bool; 2],
        is_closed: bool,
    }

    impl Console for Streams {
        fn print(&mut self, text: &str) -> bool {
            self.written.extend(["out:", text]);
            !self.is_closed
        }

        fn error(&mut self, text: &str) {
            self.written.extend(["err:", text]);
        }

        fn is_terminal(&self) -> [bool; 2] {
            self.is_terminal
        }
    }

    /// What is written for a progress, two items and another progress, long after each other.
    fn written(is_terminal: [bool; 2], json: bool) -> String {
        let mut streams = Streams { is_terminal, ..Streams::default() };
        let mut lines = Lines::new(&mut streams, json);
        let wait = |lines: &mut Lines| lines.told -= SELDOM;
        lines.progress(0, "blobs", "too early");
        wait(&mut lines);
        lines.progress(7, "blobs", "a/b");
        lines.progress(8, "blobs", "too early");
        lines.item("one", &[("n", Field::Number(1))]);
        lines.item("two", &[("n", Field::Number(2))]);
        wait(&mut lines);
        lines.progress(9, "blobs", &"long/".repeat(20));
        lines.end();
        streams.written
    }

    #[test]
    fn a_terminal_has_one_line_that_is_written_over() {
        let cut = format!("9 blobs, at {}", "long/".repeat(20));
        let cut = &cut[..WIDTH];
        assert_eq!(
            written([true, true], false),
            format!("err:{CLEAR}7 blobs, at a/berr:{CLEAR}out:one\nout:two\nerr:{CLEAR}{cut}err:{CLEAR}")
        );
        // Items that go into a file leave the line alone.
        assert_eq!(
            written([false, true], false),
            format!("err:{CLEAR}7 blobs, at a/berr:{CLEAR}{cut}err:{CLEAR}out:one\ntwo\n")
        );
    }

    #[test]
    fn a_log_has_a_line_now_and_then() {
        let rest = "long/".repeat(20);
        assert_eq!(
            written([false, false], true),
            format!("err:7 blobs, at a/b\nout:{{\"n\":1}}\n{{\"n\":2}}\nerr:9 blobs, at {rest}\n")
        );
    }

    #[test]
    fn a_reader_that_has_gone_ends_the_command() {
        let mut streams = Streams { is_terminal: [true; 2], is_closed: true, ..Streams::default() };
        let mut lines = Lines::new(&mut streams, false);
        assert!(!lines.is_full());
        lines.item("one", &[]);
        assert!(lines.is_full());
    }
}
