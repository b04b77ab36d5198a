//! The texts of `help` and `version`.

use super::options::{Choice, Kind};
use super::{COMMON, Command, JSON};
use lighter_storage::Storage;

/// The text of `version`.
pub(super) fn version() -> String {
    format!("lighter {}\n", env!("CARGO_PKG_VERSION"))
}

/// The text of `help`.
pub(super) fn all<S: Storage + 'static>() -> String {
    let mut text = "\
The commands of an operator, in the file that serves the registry. They work on
the same storage, also while it serves:

  wasmtime run -Shttp --dir ./data::/var/lib/registry lighter-filesystem.wasm COMMAND [OPTIONS]

"
    .to_owned();
    let rows = Command::<S>::TABLE.iter().map(|command| (command.name, command.about));
    for (name, about) in rows.chain([
        ("help [COMMAND]", "print this text, or that of a command"),
        ("version", "print the version"),
    ]) {
        text.push_str(&format!("  {name:16}{about}\n"));
    }
    text + "
The exit status is 0 if all is well, 1 if `check` has found something, 2 if the
arguments or settings are wrong, and 3 if the storage has failed.
"
}

/// The help of a command.
pub(super) fn of<S>(command: &Command<S>) -> String {
    let mut text = format!("{}: {}.\n\n{}\n\n", command.name, command.about, command.details);
    for Choice { name, kind, about } in command.choices.iter().chain(COMMON).chain([&JSON]) {
        let space = if matches!(kind, Kind::Text(_)) { " " } else { "" };
        let option = [name, space, kind.placeholder()].concat();
        text.push_str(&format!("  --{option:14}{about}\n"));
    }
    text
}
