//! Schedules, and what is said of them.

use std::fmt;

/// One step of a schedule. Actors are numbered in the order in which they were added, from 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// An actor does what it is about to do.
    Run(usize),
    /// An actor takes one of several ways.
    Choose(usize, usize),
    /// An actor stops for ever.
    Crash(usize),
    /// So many seconds go by.
    Jump(u64),
}

/// How much was explored.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// How many different states there are, of the store and the actors together.
    pub states: usize,
    /// How many schedules lead through them: too many, at times, for an integer.
    pub schedules: f64,
    /// How many different states there are at the end.
    pub outcomes: usize,
    /// How many states were left out, with all that comes after them: see [`crate::Scenario::waits`].
    pub cut: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, schedules, outcomes, cut } = self;
        write!(to, "{schedules:.1e} schedules in {states} states, with {outcomes} outcomes, {cut} states cut")
    }
}

/// A schedule after which something is wrong.
pub struct Failure {
    /// What is wrong.
    pub message: String,
    /// The schedule, to be followed again by [`crate::Scenario::replay`].
    pub schedule: Vec<Step>,
    /// The same, call by call.
    pub lines: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in self.lines.iter().enumerate() {
            writeln!(to, "{:3}. {line}", number + 1)?;
        }
        writeln!(to, "{}", self.message)?;
        write!(to, "to be followed again: {:?}", self.schedule)
    }
}

/// As a test shows it that unwraps.
impl fmt::Debug for Failure {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "\n{self}")
    }
}
