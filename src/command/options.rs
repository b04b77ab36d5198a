//! The options of commands, on a command line (`--grace 24h`) or in a query (`?grace=24h`).

use core::time::Duration;
use std::time::Instant;

use super::SECONDS;
use crate::duration;
use lighter_storage::nearest;

/// An option that a command has.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// What it does, for the help.
    pub about: &'static str,
}

/// What the value of an option must be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// There is none: the option is there, or it is not.
    Switch,
    /// A whole number, 1 or more and no more than a day has seconds.
    Number,
    /// A duration, as Go writes it.
    Duration,
    /// Any text. This is what the help calls it.
    Text(&'static str),
}

/// The largest [`Kind::Number`].
const NUMBER_MAX: u64 = 86_400;

/// The options that the caller has set, whose values were checked.
#[derive(Debug, Default)]
pub struct Options(Vec<(&'static str, String)>);

impl Options {
    /// Reads the words after a command on a command line. Errs with what is wrong, for the operator.
    pub fn of_words(command: &str, choices: &[Choice], words: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let option = word
                .strip_prefix("--")
                .ok_or_else(|| format!("{command} takes no {word:?}; `help {command}` lists its options"))?;
            let (name, value) =
                option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            let choice = find(choices, name).map_err(|near| match near {
                Some(near) => format!("{command} has no option --{name}; did you mean --{near}?"),
                None => format!("{command} has no option --{name}; `help {command}` lists its options"),
            })?;
            let value = match (choice.kind, value) {
                (Kind::Switch, None) => "",
                (Kind::Switch, Some(_)) => return Err(format!("--{name} takes no value")),
                (_, Some(value)) => value,
                (kind, None) => {
                    words.next().ok_or_else(|| format!("--{name} needs a value: {}", kind.expected()))?
                }
            };
            options
                .add(choice, value)
                .map_err(|expected| format!("--{name} must be {expected}, not {value:?}"))?;
        }
        Ok(options)
    }

    /// Reads the parameters of a query. Errs with what is wrong, for the client.
    pub fn of_query<'q>(
        command: &str,
        choices: &[Choice],
        query: impl Iterator<Item = (&'q str, &'q str)>,
    ) -> Result<Self, String> {
        let mut options = Self::default();
        for (name, value) in query {
            let choice = find(choices, name).map_err(|near| match near {
                Some(near) => format!("{command} has no parameter {name}; did you mean {near}?"),
                None => format!("{command} has no parameter {name}"),
            })?;
            match (choice.kind, value) {
                (Kind::Switch, "false") => {}
                (Kind::Switch, "" | "true") => options.0.push((choice.name, String::new())),
                (Kind::Switch, _) => return Err(format!("{name} must be true or false, not {value:?}")),
                _ => options
                    .add(choice, value)
                    .map_err(|expected| format!("{name} must be {expected}, not {value:?}"))?,
            }
        }
        Ok(options)
    }

    fn add(&mut self, choice: &Choice, value: &str) -> Result<(), &'static str> {
        let is_valid = match choice.kind {
            Kind::Switch | Kind::Text(_) => true,
            Kind::Number => value.parse().is_ok_and(|number| (1..=NUMBER_MAX).contains(&number)),
            Kind::Duration => duration::parse(value).is_some(),
        };
        if !is_valid {
            return Err(choice.kind.expected());
        }
        self.0.push((choice.name, value.to_owned()));
        Ok(())
    }

    /// Whether an option was set.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The text of an option; empty if it was not set.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The duration of an option, if it was set.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        duration::parse(self.get(name)?)
    }

    /// When to stop, by the option for that, or else after `default` seconds.
    pub fn until(&self, default: Option<u64>) -> Option<Instant> {
        let seconds = self.get(SECONDS.name).and_then(|seconds| seconds.parse().ok()).or(default)?;
        Some(Instant::now() + Duration::from_secs(seconds))
    }

    /// The value that was set last.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(set, _)| *set == name).map(|(_, value)| value.as_str())
    }
}

impl Kind {
    /// What the help calls a value.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Switch => "",
            Self::Number => " N",
            Self::Duration => " TIME",
            Self::Text(name) => name,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Switch => "nothing",
            Self::Number => "a whole number from 1 to 86400",
            Self::Duration => "a duration, such as 24h or 1h30m",
            Self::Text(_) => "a text",
        }
    }
}

/// Finds an option. Errs with the name of the nearest one, if any is near.
fn find<'c>(choices: &'c [Choice], name: &str) -> Result<&'c Choice, Option<&'static str>> {
    let found = choices.iter().find(|choice| choice.name == name);
    found.ok_or_else(|| nearest(name, 3.min(name.len() / 2), choices.iter().map(|choice| choice.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Query;

    const CHOICES: &[Choice] = &[
        Choice { name: "dry-run", kind: Kind::Switch, about: "" },
        Choice { name: "grace", kind: Kind::Duration, about: "" },
        Choice { name: "from", kind: Kind::Text("PLACE"), about: "" },
        SECONDS,
    ];

    fn words(line: &str) -> Result<Options, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::of_words("gc", CHOICES, &words)
    }

    fn query(query: &str) -> Result<Options, String> {
        Options::of_query("gc", CHOICES, Query::parse(query).pairs())
    }

    #[test]
    fn a_value_may_be_the_next_word_or_follow_a_sign() {
        for options in [
            words("--dry-run --grace 1h30m --from=a=b").unwrap(),
            query("dry-run&grace=1h30m&from=a%3Db").unwrap(),
        ] {
            assert!(options.has("dry-run") && !options.has("seconds"));
            assert_eq!(options.duration("grace"), Some(Duration::from_secs(5_400)));
            assert_eq!((options.text("from"), options.text("to")), ("a=b", ""));
            assert!(options.until(None).is_none() && options.until(Some(20)).is_some());
        }
        assert_eq!(words("--grace 1h --grace 2h").unwrap().text("grace"), "2h", "the last one counts");
        assert!(!query("dry-run=false").unwrap().has("dry-run"));
        assert!(query("dry-run=true").unwrap().has("dry-run"));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_right() {
        for (line, error) in [
            ("--dryrun", "gc has no option --dryrun; did you mean --dry-run?"),
            ("--graze 1h", "gc has no option --graze; did you mean --grace?"),
            ("--verbose", "gc has no option --verbose; `help gc` lists its options"),
            ("now", "gc takes no \"now\"; `help gc` lists its options"),
            ("--dry-run=yes", "--dry-run takes no value"),
            ("--grace", "--grace needs a value: a duration, such as 24h or 1h30m"),
            ("--grace 7d", "--grace must be a duration, such as 24h or 1h30m, not \"7d\""),
            ("--seconds=0", "--seconds must be a whole number from 1 to 86400, not \"0\""),
            ("--seconds -1", "--seconds must be a whole number from 1 to 86400, not \"-1\""),
        ] {
            assert_eq!(words(line).unwrap_err(), error);
        }
        for (text, error) in [
            ("dry_run", "gc has no parameter dry_run; did you mean dry-run?"),
            ("dry-run=0", "dry-run must be true or false, not \"0\""),
            ("grace=7d", "grace must be a duration, such as 24h or 1h30m, not \"7d\""),
            ("x=1", "gc has no parameter x"),
        ] {
            assert_eq!(query(text).unwrap_err(), error);
        }
    }
}
