//! Variables whose value is a mapping: `REGISTRY_STORAGE_DELETE={"enabled":true}` is another spelling of
//! `REGISTRY_STORAGE_DELETE_ENABLED=true`.
//!
//! distribution reads the value of a variable as YAML (`configuration/parser.go`), so a whole branch of its
//! configuration fits into one. What is read here is JSON, and of YAML what people write into a variable:
//! block and flow mappings, quoted and plain scalars, comments. Anything else (anchors, tags, block
//! sequences, text over several lines) is an error, because a setting that is ignored may be the one that
//! keeps others out.

use serde_json::{Map, Value};

/// The parent that may also be the name of a storage driver: the component has one, whatever it says.
const STORAGE: &str = "REGISTRY_STORAGE";

/// The parent that is a variable itself: the kind of access control.
const AUTH: &str = "REGISTRY_AUTH";

/// Flattens the variables of an environment: each mapping becomes the variables that it stands for. `known`
/// has the names that can be set; a variable is read as a mapping if one of them begins with its name.
///
/// As in distribution, the longer name decides: a variable goes before a mapping that contains it, and a
/// mapping before one that contains the mapping. Empty variables and members that are `null` count as not
/// set.
///
/// Errs, for the log, with the variable that cannot be read. The text never contains its value, which may
/// be a secret.
pub(super) fn flatten(
    variables: impl IntoIterator<Item = (String, String)>,
    known: &[&str],
) -> Result<Vec<(String, String)>, String> {
    let mut flat = Vec::new();
    let mut mappings = Vec::new();
    for (name, value) in variables.into_iter().filter(|(_, value)| !value.is_empty()) {
        if !is_parent(&name, known) {
            flat.push((name, value));
            continue;
        }
        match read(&value) {
            Some(Value::Object(mapping)) => mappings.push((name, mapping)),
            Some(Value::String(_)) if [AUTH, STORAGE].contains(&&*name) => flat.push((name, value)),
            _ => return Err(no_mapping(&name, known)),
        }
    }
    mappings.sort_by_key(|(name, _)| core::cmp::Reverse(name.len()));
    for (name, mapping) in mappings {
        let mut members = Vec::new();
        expand(&name, mapping, known, &mut members)?;
        members.retain(|(name, _)| flat.iter().all(|(other, _)| other != name));
        flat.extend(members);
    }
    Ok(flat)
}

/// Whether a variable is the parent of known ones. One that is known itself is none, but for the kind of
/// access control.
fn is_parent(name: &str, known: &[&str]) -> bool {
    let is_above = |other: &&str| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
    name.starts_with("REGISTRY_") && known.iter().any(is_above) && (name == AUTH || !known.contains(&name))
}

fn no_mapping(name: &str, known: &[&str]) -> String {
    let below = known.iter().find(|other| other.starts_with(&format!("{name}_"))).unwrap_or(&name);
    format!("{name} is not a mapping that can be read; write it as JSON, or set {below}")
}

/// Adds the variables that a mapping stands for.
fn expand(
    parent: &str,
    mapping: Map<String, Value>,
    known: &[&str],
    flat: &mut Vec<(String, String)>,
) -> Result<(), String> {
    for (key, value) in mapping {
        let name = format!("{parent}_{}", key.to_ascii_uppercase());
        if parent == AUTH && !known.contains(&&*name) {
            // Its members are the kinds that there are, and the one that is there is meant.
            if flat.iter().any(|(name, _)| name == AUTH) {
                return Err(format!("{AUTH} has more than one kind of access control; keep one of them"));
            }
            flat.push((AUTH.to_owned(), key));
        }
        match value {
            Value::Null => {}
            Value::Object(mapping) if !known.contains(&&*name) => expand(&name, mapping, known, flat)?,
            _ if is_parent(&name, known) => return Err(no_mapping(&name, known)),
            Value::String(text) if text.is_empty() => {}
            Value::String(text) => flat.push((name, text)),
            other => flat.push((name, other.to_string())),
        }
    }
    Ok(())
}

/// Reads a value. Plain scalars of YAML are strings, whatever they look like, but for `null`.
fn read(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_slice(text.as_bytes()) {
        return Some(value);
    }
    // YAML does not take tabs for indentation. What begins with a marker may be several documents.
    if text.lines().any(|line| line.trim_start_matches(' ').starts_with('\t') || line.starts_with("---")) {
        return None;
    }
    if text.trim_start().starts_with(['{', '[']) {
        let mut flow = Flow(text);
        let value = flow.node(DEPTH_MAX)?;
        return flow.is_at_end().then_some(value);
    }
    let lines = text.lines().map(|line| (line.len() - line.trim_start_matches(' ').len(), line.trim()));
    let lines: Vec<_> = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect();
    if let [(_, line)] = *lines
        && key(line).is_none()
    {
        return scalar(line);
    }
    let mut lines = &*lines;
    let mapping = block(&mut lines, DEPTH_MAX)?;
    lines.is_empty().then_some(Value::Object(mapping))
}

/// No configuration is deeper.
const DEPTH_MAX: usize = 20;

/// Reads a mapping of lines, each with its indentation.
fn block(lines: &mut &[(usize, &str)], depth: usize) -> Option<Map<String, Value>> {
    let depth = depth.checked_sub(1)?;
    let (indentation, _) = *lines.first()?;
    let mut mapping = Map::new();
    while let Some((&(indented, line), rest)) = lines.split_first() {
        if indented < indentation {
            break;
        }
        let (key, value) = key(line).filter(|_| indented == indentation)?;
        *lines = rest;
        let is_nested = rest.first().is_some_and(|(next, _)| *next > indentation);
        let value =
            if value.is_empty() && is_nested { Value::Object(block(lines, depth)?) } else { scalar(value)? };
        if mapping.insert(key, value).is_some() {
            return None;
        }
    }
    Some(mapping)
}

/// Takes the key off a line of a mapping, and leaves the value.
fn key(line: &str) -> Option<(String, &str)> {
    let mut flow = Flow(line);
    let Value::String(key) = flow.scalar()? else { return None };
    let rest = flow.0.trim_start().strip_prefix(':')?;
    let value = rest.trim_start();
    let is_apart = rest.is_empty() || value.len() < rest.len();
    is_apart.then_some((key, if value.starts_with('#') { "" } else { value }))
}

/// Reads what stands alone on the rest of a line.
fn scalar(line: &str) -> Option<Value> {
    if line.starts_with(['{', '[', '"', '\'']) || line.is_empty() {
        let mut flow = Flow(line);
        let value = flow.node(DEPTH_MAX)?;
        return flow.is_at_end().then_some(value);
    }
    // Outside of a flow, commas and brackets are a part of the text.
    let line = line.split_once(" #").map_or(line, |(line, _)| line).trim_end();
    if line.contains(": ") || line.ends_with(':') { None } else { plain(line) }
}

/// Takes a plain scalar. What begins like an anchor, a tag, a sequence or a text over several lines is not
/// one.
fn plain(text: &str) -> Option<Value> {
    let is_special = text.starts_with(['&', '*', '!', '|', '>', '%', '@', '`', '#', ',', ']', '}']);
    let is_item = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\t']);
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Value::Null),
        _ if is_special || text.strip_prefix(['-', '?', ':']).is_some_and(is_item) => None,
        _ => Some(Value::String(text.to_owned())),
    }
}

/// What is still to be read of a flow: `{…}`, `[…]`, or a scalar in it.
struct Flow<'a>(&'a str);

impl<'a> Flow<'a> {
    fn node(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.skip();
        if self.take('{') {
            let mut mapping = Map::new();
            self.members('}', |flow| {
                let Value::String(key) = flow.scalar()? else { return None };
                flow.skip();
                let value = flow.take(':').then(|| flow.node(depth))??;
                mapping.insert(key, value).is_none().then_some(())
            })?;
            return Some(Value::Object(mapping));
        }
        if self.take('[') {
            let mut items = Vec::new();
            self.members(']', |flow| {
                items.push(flow.node(depth)?);
                Some(())
            })?;
            return Some(Value::Array(items));
        }
        self.scalar()
    }

    /// Reads what stands between commas, up to a bracket.
    fn members(&mut self, end: char, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        loop {
            self.skip();
            if self.take(end) {
                return Some(());
            }
            member(self)?;
            self.skip();
            if !self.take(',') && !self.0.starts_with(end) {
                return None;
            }
        }
    }

    fn scalar(&mut self) -> Option<Value> {
        if self.0.starts_with('"') {
            return self.double_quoted().map(Value::String);
        }
        if self.take('\'') {
            return self.single_quoted().map(Value::String);
        }
        let bytes = self.0.as_bytes();
        // A colon ends a plain scalar only before a blank, and `#` only after one.
        let ends = |(at, byte): (usize, &u8)| match byte {
            b',' | b'[' | b']' | b'{' | b'}' | b'\n' => true,
            b':' => bytes.get(at + 1).is_none_or(|next| b" \t\r\n,[]{}".contains(next)),
            b'#' => at > 0 && bytes.get(at - 1).is_some_and(u8::is_ascii_whitespace),
            _ => false,
        };
        let end = bytes.iter().enumerate().position(ends).unwrap_or(bytes.len());
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        plain(text.trim())
    }

    /// The escapes that YAML has beyond those of JSON are not known here.
    fn double_quoted(&mut self) -> Option<String> {
        let mut is_escaped = false;
        let end = self.0.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        })?;
        let (quoted, rest) = self.0.split_at_checked(end + 2)?;
        self.0 = rest;
        serde_json::from_slice(quoted.as_bytes()).ok()
    }

    fn single_quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let (part, rest) = self.0.split_once('\'')?;
            text.push_str(part);
            self.0 = rest;
            if !self.take('\'') {
                return (!text.contains('\n')).then_some(text);
            }
            text.push('\'');
        }
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.0.strip_prefix(c);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Passes over blanks and the ends of lines.
    fn skip(&mut self) {
        self.0 = self.0.trim_start();
    }

    /// Whether nothing but blanks and a comment is left.
    fn is_at_end(&self) -> bool {
        let rest = self.0.trim_start();
        rest.is_empty() || (rest.starts_with('#') && rest.len() < self.0.len() && !rest.contains('\n'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const KNOWN: [&str; 4] = ["REGISTRY_A_B_C", "REGISTRY_A_D", "REGISTRY_AUTH", "REGISTRY_AUTH_X_Y"];

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn flat(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut flat = flatten(pairs(variables), &KNOWN).unwrap();
        flat.sort();
        flat
    }

    #[test]
    fn the_longer_name_decides() {
        let all = [
            ("REGISTRY_A", r#"{"b":{"c":1},"d":"x"}"#),
            ("REGISTRY_A_B", r#"{"c":2}"#),
            ("REGISTRY_A_B_C", "3"),
        ];
        for (set, c) in [(&all[..], "3"), (&all[..2], "2"), (&all[..1], "1")] {
            let expected = pairs(&[("REGISTRY_A_B_C", c), ("REGISTRY_A_D", "x")]);
            assert_eq!(flat(set), expected);
            let reversed: Vec<_> = set.iter().rev().copied().collect();
            assert_eq!(flat(&reversed), expected);
        }
    }

    #[test]
    fn other_variables_stay_as_they_are() {
        let other = [("HOME", "{"), ("REGISTRY_AB", r#"{"c":1}"#), ("REGISTRY_A_D", r#"{"e":1}"#)];
        assert_eq!(flat(&other), pairs(&other));
        assert_eq!(flat(&[("REGISTRY_A", ""), ("REGISTRY_A_B", r#"{"c":null,"C":""}"#)]), []);
        let auth = [("REGISTRY_AUTH", "x"), ("REGISTRY_AUTH_X_Y", "z")];
        assert_eq!(flat(&[("REGISTRY_AUTH", "x: {y: z}")]), pairs(&auth));
    }

    #[test]
    fn yaml_is_read_as_people_write_it() {
        for (text, value) in [
            ("enabled: true", json!({ "enabled": "true" })),
            ("enabled:  true  # now", json!({ "enabled": "true" })),
            ("\"enabled\": 'true'", json!({ "enabled": "true" })),
            ("{enabled: true}", json!({ "enabled": "true" })),
            (" { 'enabled' : true , } ", json!({ "enabled": "true" })),
            ("{\"enabled\":true, age: 1h}", json!({ "enabled": "true", "age": "1h" })),
            (
                "a:\n  b:\n    c: 1\n\n# no\n  d: x, y\ne: {f: [1, 'a''b', \"c\\n\"]}\n",
                json!({ "a": { "b": { "c": "1" }, "d": "x, y" }, "e": { "f": ["1", "a'b", "c\n"] } }),
            ),
            ("a:\r\n  b: https://x:5000/#y\r\n", json!({ "a": { "b": "https://x:5000/#y" } })),
            ("a:\nb: # none\n  c: d\ne: ~", json!({ "a": null, "b": { "c": "d" }, "e": null })),
            ("a: -1\nb: :5000", json!({ "a": "-1", "b": ":5000" })),
            ("{}", json!({})),
            ("filesystem", json!("filesystem")),
            ("true", json!(true)),
        ] {
            assert_eq!(read(text), Some(value), "{text}");
        }
    }

    #[test]
    fn what_else_is_yaml_is_not_taken_for_something_else() {
        for text in [
            "{enabled:true}",
            "{enabled}",
            "{a: b",
            "{a: b}}",
            "{a: b} c",
            "{a: b c: d}",
            "{a b\nc: d}",
            "{a: b, a: c}",
            "a: &x b",
            "a: *x",
            "a: !!bool true",
            "a: |\n  b",
            "a: >\n  b",
            "a:\n- b",
            "a:\n  - b",
            "a: - b",
            "a: -",
            "a: b\n  c",
            "a: b\na: c",
            "a: b: c",
            "a: b:",
            "a: 'b",
            "a: 'b' c",
            "a: \"b",
            "a: \"\\x41\"",
            "a: [b",
            "a: ]",
            "a: @b",
            "a:\n\tb: c",
            "  a: b\nc: d",
            "a:\n   b: c\n  d: e",
            "- a",
            "? a",
            "---\na: b",
            "--- a: b",
            "a\nb",
            "# nothing",
            "%x",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&"{a: ".repeat(10_000)), None);
    }

    fn values() -> impl Strategy<Value = Value> {
        let scalars = prop_oneof![Just(Value::Null), "[ -~\u{e4}\n]{0,8}".prop_map(Value::String)];
        scalars.prop_recursive(4, 20, 4, |inner| {
            let members = prop::collection::vec(("[ -~]{1,6}", inner.clone()), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::Array),
                members.prop_map(|members| Value::Object(members.into_iter().collect()))
            ]
        })
    }

    proptest! {
        #[test]
        fn json_is_the_same_read_as_yaml(value in values(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            if value.is_object() || value.is_array() {
                prop_assert_eq!(read(&format!("{text} # a comment, which JSON has not")), Some(value));
            }
        }

        #[test]
        fn no_text_is_too_strange(text in "[ \t\n{}\\[\\]:,'\"#a\\-|&\\\\\u{e4}]{0,30}") {
            let _ = read(&text);
        }
    }
}
