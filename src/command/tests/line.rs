//! The command line.

use super::check::Chunked;
use super::*;
use crate::command::console::Console;

#[derive(Default)]
struct Streams {
    out: String,
    err: String,
}

impl Console for Streams {
    fn print(&mut self, text: &str) -> bool {
        self.out.push_str(text);
        true
    }

    fn error(&mut self, text: &str) {
        self.err.push_str(text);
    }

    fn is_terminal(&self) -> [bool; 2] {
        [false; 2]
    }
}

fn line(line: &str, open: impl FnOnce() -> Result<Memory, String>) -> (Exit, Streams) {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let mut streams = Streams::default();
    let exit = main(&words, || Ok((open()?, Keeping::default())), NOW, &mut streams);
    (exit, streams)
}

#[test]
fn help_needs_no_store() {
    let nothing = || -> Result<Memory, String> { panic!("the store was opened") };
    for words in ["", "help", "--help", "-h"] {
        let (exit, said) = line(words, nothing);
        assert_eq!((exit, said.err.as_str()), (Exit::Fine, ""));
        for command in Command::<Memory>::TABLE {
            assert!(said.out.contains(&format!("  {:16}{}\n", command.name, command.about)), "{}", said.out);
        }
    }
    for words in ["help check", "check --help", "check --remove -h", "--help check"] {
        let (exit, said) = line(words, nothing);
        assert_eq!(exit, Exit::Fine);
        assert!(said.out.starts_with("check: ") && said.out.contains("\n  --remove "), "{}", said.out);
        assert!(
            said.out.contains("\n  --seconds N ") && said.out.contains("\n  --from PLACE "),
            "{}",
            said.out
        );
    }
    assert_eq!(line("version", nothing).1.out, format!("lighter {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(line("--version", nothing).0, Exit::Fine);
}

#[test]
fn the_help_is_not_wider_than_a_terminal() {
    let nothing = || -> Result<Memory, String> { panic!("the store was opened") };
    let commands = Command::<Memory>::TABLE.iter().map(|command| format!("help {}", command.name));
    for words in commands.chain(["help".to_owned()]) {
        for line in line(&words, nothing).1.out.lines() {
            assert!(line.len() <= 100, "{words}: {line}");
        }
    }
}

#[test]
fn wrong_arguments_do_nothing() {
    let nothing = || -> Result<Memory, String> { panic!("the store was opened") };
    for (words, error) in [
        ("chekc", "there is no command \"chekc\"; did you mean check?"),
        ("frobnicate", "there is no command \"frobnicate\"; there are `check` `gc` `uploads` `usage`"),
        ("help usag", "there is no command \"usag\"; did you mean usage?"),
        ("usag --help", "there is no command \"usag\"; did you mean usage?"),
        ("check --remov", "check has no option --remov; did you mean --remove?"),
        ("usage a/b", "usage takes no \"a/b\"; `help usage` lists its options"),
        ("usage --seconds soon", "--seconds must be a whole number from 1 to 86400, not \"soon\""),
        ("usage --from", "--from needs a value: a text"),
        ("version now", "version takes no more words"),
        ("help check usage", "help takes no more words"),
    ] {
        let (exit, said) = line(words, nothing);
        assert_eq!((exit, said.out.as_str()), (Exit::Wrong, ""), "{words}");
        assert_eq!(said.err, format!("lighter: {error}\n"));
    }
    let (exit, said) = line("usage --from x", || Ok(Memory::default()));
    assert_eq!(
        (exit, said.err.as_str()),
        (Exit::Wrong, "lighter: --from: \"x\" is not a place that usage has printed\n")
    );
    let (exit, said) = line("usage", || Err("REGISTRY_X is wrong".to_owned()));
    assert_eq!((exit, said.err.as_str()), (Exit::Wrong, "lighter: REGISTRY_X is wrong\n"));
}

#[test]
fn a_command_prints_lines_or_json_and_ends_with_what_it_found() {
    let storage = images();
    let (exit, said) = line("usage", || Ok(storage.clone()));
    assert_eq!(exit, Exit::Fine);
    let last = said.out.lines().last().unwrap();
    assert!(last.ends_with("in 6 blobs, 0 B of them in no repository"), "{}", said.out);
    assert_eq!(said.out.lines().count(), 3, "{}", said.out);
    assert!(said.out.lines().next().unwrap().ends_with("  4 blobs  a/b"), "{}", said.out);

    storage.put(&layout::blob(&sha256(b"of c")), b"of d").unwrap();
    let (exit, said) = line("check --json", || Ok(storage.clone()));
    assert_eq!(exit, Exit::Findings);
    for line in said.out.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(object.is_object(), "{line}");
    }
    let last: serde_json::Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["command"], &last["over"], &last["findings"]),
        (&"check".into(), &true.into(), &1.into())
    );
    assert_eq!(last["next"], serde_json::Value::Null);
}

#[test]
fn a_store_that_fails_ends_the_command() {
    let open = || Ok((Chunked::down(), Keeping::default()));
    let mut streams = Streams::default();
    let exit = main(&["check".to_owned()], open, NOW, &mut streams);
    assert_eq!((exit, streams.out.as_str()), (Exit::Failed, ""));
    assert_eq!(streams.err, "lighter: storage: the store is down\n");
}
