//! The commands of an operator: what one may do with a store besides serving it.
//!
//! A command is a walk that stops when its time is up, and returns where to go on. The command line lets it walk to the
//! end; over HTTP ([`crate::api::commands`]) each call is a bounded piece of it, and the client calls again. Between two
//! pieces nothing is kept: the place and the sums so far are a text, which the caller hands back.
//!
//! To add a command: a file in `src/command/` with its row, and the row in [`Command::TABLE`].

pub mod check;
pub mod console;
mod cursor;
mod gc;
mod help;
pub mod options;
pub mod output;
pub mod uploads;
pub mod usage;

use std::time::Instant;

use self::console::{Console, Lines};
use self::options::{Choice, Kind, Options};
use self::output::{Field, Output};
use crate::config::Keeping;
use lighter_storage::{Error, Storage, nearest};

/// A command.
pub struct Command<S: 'static> {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// What its help says besides.
    pub details: &'static str,
    /// The options that it has besides [`COMMON`].
    pub choices: &'static [Choice],
    /// Takes a piece of the walk.
    pub step: fn(&mut Step<S>) -> Result<Piece, Failure>,
}

/// The options of all commands.
pub const COMMON: &[Choice] = &[FROM, SECONDS];

/// Where to go on.
pub const FROM: Choice = Choice {
    name: "from",
    kind: Kind::Text("PLACE"),
    about: "go on where an earlier call has stopped: the place that it printed as `next`",
};

/// How long to walk.
pub const SECONDS: Choice = Choice {
    name: "seconds",
    kind: Kind::Number,
    about: "stop after so many seconds, and print where to go on",
};

/// The form of the output, which has no choice over HTTP.
const JSON: Choice =
    Choice { name: "json", kind: Kind::Switch, about: "print one JSON object for each line, for programs" };

/// What a command needs to take a piece of its walk.
pub struct Step<'a, S> {
    /// The store.
    pub storage: &'a S,
    /// What is kept, whatever the command removes.
    pub keeping: &'a Keeping,
    /// What the caller has asked for.
    pub options: &'a Options,
    /// Where to go on: empty, or what an earlier piece has returned.
    pub from: &'a str,
    /// When to stop.
    pub until: Option<Instant>,
    /// The time now, in seconds since 1970.
    pub now: u64,
    /// Where what is found goes to.
    pub out: &'a mut dyn Output,
}

impl<S> Step<'_, S> {
    /// Whether it is time to stop. A piece asks after it has done something, so that each one comes further.
    pub fn is_late(&self) -> bool {
        self.out.is_full() || self.is_over_time()
    }

    /// Whether the time is up, however much was found.
    pub fn is_over_time(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }
}

/// The end of a piece of a walk.
#[derive(Debug)]
pub struct Piece {
    /// The sums, for people. Those of a walk that is over are of the whole of it.
    pub text: String,
    /// The same, for programs.
    pub sums: Vec<(&'static str, u64)>,
    /// Whether there is anything that the operator should look at.
    pub has_findings: bool,
    /// Where to go on, or `None` if the walk is over.
    pub next: Option<String>,
}

/// Why a command cannot go on.
#[derive(Debug)]
pub enum Failure {
    /// The place is not one that this command has returned.
    Place,
    /// The time does not suffice for the smallest piece. The text says what to do, for the caller.
    Time(&'static str),
    /// The store has failed.
    Storage(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}

/// How a program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Fine = 0,
    /// The command has found something that the operator should look at.
    Findings = 1,
    /// The arguments or the settings are wrong, and nothing was done.
    Wrong = 2,
    /// The store has failed, and the command did not come to its end.
    Failed = 3,
}

impl<S: Storage> Command<S> {
    /// All commands, in the order of the alphabet.
    pub const TABLE: &'static [Self] = &[Self::CHECK, Self::GC, Self::UPLOADS, Self::USAGE];

    /// Finds a command by its name. Errs with the nearest one, for the caller.
    pub fn find(name: &str) -> Result<&'static Self, String> {
        let names = || Self::TABLE.iter().map(|command| command.name);
        Self::TABLE.iter().find(|command| command.name == name).ok_or_else(|| {
            match nearest(name, 2, names()) {
                Some(near) => format!("there is no command {name:?}; did you mean {near}?"),
                None => {
                    let mut wrong = format!("there is no command {name:?}; there are");
                    names().for_each(|name| wrong.extend([" `", name, "`"]));
                    wrong
                }
            }
        })
    }

    /// Takes a piece of the walk, and prints its end after what it has found.
    pub fn run(&self, step: &mut Step<S>) -> Result<Piece, Failure> {
        let piece = (self.step)(step)?;
        let mut fields = vec![("command", Field::Text(self.name))];
        fields.extend(piece.sums.iter().map(|(name, sum)| (*name, Field::Number(*sum))));
        fields.push(("over", Field::Flag(piece.next.is_none())));
        let mut text = piece.text.clone();
        if let Some(next) = &piece.next {
            fields.push(("next", Field::Text(next)));
            text.extend(["\nnot over yet; go on with --from ", next]);
        }
        step.out.item(&text, &fields);
        Ok(piece)
    }
}

/// Runs the command that the arguments of a program name, without the name of the program. `open` opens the store and
/// reads what is kept, or errs, for the operator, with the variable that is wrong.
pub fn main<S: Storage + 'static>(
    arguments: &[String],
    open: impl FnOnce() -> Result<(S, Keeping), String>,
    now: u64,
    console: &mut dyn Console,
) -> Exit {
    let (first, rest) = arguments.split_first().map_or(("help", arguments), |(first, rest)| (&**first, rest));
    let text = match (first, rest) {
        ("version" | "--version", []) => Ok(help::version()),
        ("help" | "--help" | "-h", []) => Ok(help::all::<S>()),
        ("help" | "--help" | "-h", [name]) => Command::<S>::find(name).map(help::of),
        ("help" | "--help" | "-h" | "version" | "--version", _) => {
            Err(format!("{first} takes no more words"))
        }
        (_, rest) if rest.iter().any(|word| word == "--help" || word == "-h") => {
            Command::<S>::find(first).map(help::of)
        }
        _ => {
            return match invoke(first, rest, open, now, console) {
                Ok(exit) => exit,
                Err((wrong, exit)) => {
                    console.error(&format!("lighter: {wrong}\n"));
                    exit
                }
            };
        }
    };
    match text {
        Ok(text) => {
            console.print(&text);
            Exit::Fine
        }
        Err(wrong) => {
            console.error(&format!("lighter: {wrong}\n"));
            Exit::Wrong
        }
    }
}

fn invoke<S: Storage + 'static>(
    name: &str,
    words: &[String],
    open: impl FnOnce() -> Result<(S, Keeping), String>,
    now: u64,
    console: &mut dyn Console,
) -> Result<Exit, (String, Exit)> {
    let wrong = |text| (text, Exit::Wrong);
    let command = Command::<S>::find(name).map_err(wrong)?;
    let choices = [command.choices, COMMON, &[JSON]].concat();
    let options = Options::of_words(name, &choices, words).map_err(wrong)?;
    let (storage, keeping) = open().map_err(wrong)?;
    let mut out = Lines::new(console, options.has(JSON.name));
    let mut step = Step {
        storage: &storage,
        keeping: &keeping,
        options: &options,
        from: options.text(FROM.name),
        until: options.until(None),
        now,
        out: &mut out,
    };
    let end = command.run(&mut step);
    out.end();
    match end {
        Ok(piece) if piece.has_findings => Ok(Exit::Findings),
        Ok(_) => Ok(Exit::Fine),
        Err(Failure::Place) => Err(wrong(format!(
            "--from: {:?} is not a place that {name} has printed",
            options.text(FROM.name)
        ))),
        Err(Failure::Time(why)) => Err((why.to_owned(), Exit::Failed)),
        Err(Failure::Storage(error)) => Err((error.to_string(), Exit::Failed)),
    }
}

#[cfg(test)]
mod tests;
