//! Where a command puts what it finds.

use crate::size::in_units;

/// The output of a command.
pub trait Output {
    /// Takes what was found: for people, in lines without an end, and for programs, as the members of a JSON object.
    fn item(&mut self, text: &str, fields: &[(&'static str, Field)]);

    /// Is told how far the command is: how many of what it has done, and where it is. This is called often.
    fn progress(&mut self, count: u64, what: &'static str, at: &str);

    /// Takes what went wrong with a part of the store while the command goes on. This is for the operator alone.
    fn trouble(&mut self, text: &str);

    /// Whether it can take no more, so that the piece must end here.
    fn is_full(&self) -> bool;
}

/// A member of a JSON object.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// A string.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// A boolean.
    Flag(bool),
}

/// Writes members as a JSON object in a line of its own.
pub fn json_line(fields: &[(&'static str, Field)]) -> String {
    let mut line = String::new();
    for (name, field) in fields {
        line.push_str(if line.is_empty() { "{\"" } else { ",\"" });
        line.extend([name, "\":"]);
        match field {
            Field::Text(text) => line.push_str(&serde_json::to_string(text).unwrap_or_default()),
            Field::Number(number) => line.push_str(&number.to_string()),
            Field::Flag(flag) => line.push_str(if *flag { "true" } else { "false" }),
        }
    }
    line.push_str("}\n");
    line
}

/// Writes a number of bytes for people: `0 B`, `999 B`, `1.5 MiB`.
pub fn bytes(bytes: u64) -> String {
    in_units(bytes, 1024, &["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_one_json_object_in_a_line() {
        let fields =
            [("name", Field::Text("a \"b\"\n")), ("size", Field::Number(7)), ("over", Field::Flag(true))];
        assert_eq!(json_line(&fields), "{\"name\":\"a \\\"b\\\"\\n\",\"size\":7,\"over\":true}\n");
        assert_eq!(json_line(&fields[1..2]), "{\"size\":7}\n");
    }

    #[test]
    fn sizes_have_units() {
        for (number, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1023.9 KiB"),
            (1_572_864, "1.5 MiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }
}
