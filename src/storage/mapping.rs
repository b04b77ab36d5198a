//! Mappings in the value of a variable: JSON, and of YAML what people write into a variable, which is block and
//! flow mappings, quoted and plain scalars, and comments. Anything else (anchors, tags, block sequences, text
//! over several lines) cannot be read, because a setting that is misread may be the one that keeps others out.

/// What a text of YAML is. Scalars are texts, whatever they look like, but for `null`.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Scalar(String),
    /// No setting is one, so its items are read and left out.
    Sequence,
    Mapping(Members),
}

/// The members of a mapping.
pub(super) type Members = Vec<(String, Node)>;

/// Adds a member to a mapping. One key twice is an error.
fn insert(members: &mut Members, key: String, value: Node) -> Option<()> {
    let is_new = members.iter().all(|(other, _)| *other != key);
    members.push((key, value));
    is_new.then_some(())
}

/// No configuration is deeper.
const DEPTH_MAX: usize = 20;

/// Reads a value.
pub(super) fn read(text: &str) -> Option<Node> {
    if text.trim_start().starts_with(['{', '[']) {
        return Flow(text).whole();
    }
    // YAML does not take tabs for indentation. What begins with a marker may be several documents.
    let indented = |line: &'_ str| line.len() - line.trim_start_matches(' ').len();
    let is_odd = |line: &str| line.trim_start_matches(' ').starts_with('\t') || line.starts_with("---");
    if text.lines().any(is_odd) {
        return None;
    }
    let lines = text.lines().map(|line| (indented(line), line.trim()));
    let lines: Vec<_> = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).collect();
    if let [(_, line)] = *lines
        && key(line).is_none()
    {
        return scalar(line);
    }
    let mut lines = &*lines;
    let members = block(&mut lines, DEPTH_MAX)?;
    lines.is_empty().then_some(Node::Mapping(members))
}

/// Reads a mapping of lines, each with its indentation.
fn block(lines: &mut &[(usize, &str)], depth: usize) -> Option<Members> {
    let depth = depth.checked_sub(1)?;
    let (indentation, _) = *lines.first()?;
    let mut members = Members::new();
    while let Some((&(indented, line), rest)) = lines.split_first() {
        if indented < indentation {
            break;
        }
        let (key, value) = key(line).filter(|_| indented == indentation)?;
        *lines = rest;
        let is_nested = value.is_empty() && rest.first().is_some_and(|(next, _)| *next > indentation);
        let value = if is_nested { Node::Mapping(block(lines, depth)?) } else { scalar(value)? };
        insert(&mut members, key, value)?;
    }
    Some(members)
}

/// Takes the key off a line of a mapping, and leaves the value.
fn key(line: &str) -> Option<(String, &str)> {
    let mut flow = Flow(line);
    let Node::Scalar(key) = flow.scalar()? else { return None };
    let rest = flow.0.trim_start().strip_prefix(':')?;
    let value = rest.trim_start();
    let is_apart = rest.is_empty() || value.len() < rest.len();
    is_apart.then_some((key, if value.starts_with('#') { "" } else { value }))
}

/// Reads what stands alone on the rest of a line.
fn scalar(line: &str) -> Option<Node> {
    if line.starts_with(['{', '[', '"', '\'']) {
        return Flow(line).whole();
    }
    // Outside of a flow, commas and brackets are a part of the text.
    let line = line.split_once(" #").map_or(line, |(line, _)| line).trim_end();
    if line.contains(": ") || line.ends_with(':') { None } else { plain(line) }
}

/// Takes a plain scalar. What begins like an anchor, a tag, a sequence or a text over several lines is not
/// one.
fn plain(text: &str) -> Option<Node> {
    let is_special = text.starts_with(['&', '*', '!', '|', '>', '%', '@', '`', '#', ',', ']', '}']);
    let is_item = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\t']);
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(Node::Null),
        _ if is_special || text.strip_prefix(['-', '?', ':']).is_some_and(is_item) => None,
        _ => Some(Node::Scalar(text.to_owned())),
    }
}

/// What is still to be read of a flow: `{…}`, `[…]`, or a scalar in it. JSON is one.
struct Flow<'a>(&'a str);

impl Flow<'_> {
    /// Reads all of it. A comment may follow.
    fn whole(mut self) -> Option<Node> {
        let node = self.node(DEPTH_MAX)?;
        let rest = self.0.trim_start();
        let is_comment = rest.starts_with('#') && rest.len() < self.0.len() && !rest.contains('\n');
        (rest.is_empty() || is_comment).then_some(node)
    }

    fn node(&mut self, depth: usize) -> Option<Node> {
        let depth = depth.checked_sub(1)?;
        self.0 = self.0.trim_start();
        if self.take('{') {
            let mut members = Members::new();
            while !self.ends('}')? {
                let Node::Scalar(key) = self.scalar()? else { return None };
                self.0 = self.0.trim_start();
                let value = self.take(':').then(|| self.node(depth))??;
                insert(&mut members, key, value)?;
                self.separator('}')?;
            }
            return Some(Node::Mapping(members));
        }
        if self.take('[') {
            while !self.ends(']')? {
                self.node(depth)?;
                self.separator(']')?;
            }
            return Some(Node::Sequence);
        }
        self.scalar()
    }

    /// Whether the next is a bracket, which is taken. Errs if nothing is left.
    fn ends(&mut self, bracket: char) -> Option<bool> {
        self.0 = self.0.trim_start();
        if self.0.is_empty() { None } else { Some(self.take(bracket)) }
    }

    /// Takes a comma. There need be none before the bracket.
    fn separator(&mut self, bracket: char) -> Option<()> {
        self.0 = self.0.trim_start();
        (self.take(',') || self.0.starts_with(bracket)).then_some(())
    }

    fn scalar(&mut self) -> Option<Node> {
        if self.0.starts_with('"') {
            return self.double_quoted().map(Node::Scalar);
        }
        if self.take('\'') {
            return self.single_quoted().map(Node::Scalar);
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

    /// The escapes are those of JSON, of which YAML has more.
    fn double_quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut units = Vec::new();
        let mut chars = self.0.strip_prefix('"')?.chars();
        loop {
            let c = match chars.next()? {
                '"' if units.is_empty() => break,
                '\\' => match chars.next()? {
                    'u' => {
                        let digits = chars.as_str().get(..4).filter(|digits| !digits.starts_with('+'))?;
                        units.push(u16::from_str_radix(digits, 16).ok()?);
                        chars = chars.as_str().get(4..)?.chars();
                        // Half of a pair waits for the other.
                        let Ok(decoded) = String::from_utf16(&units) else {
                            if units.len() > 1 {
                                return None;
                            }
                            continue;
                        };
                        units.clear();
                        text.push_str(&decoded);
                        continue;
                    }
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    c @ ('"' | '\\' | '/') => c,
                    _ => return None,
                },
                c if c.is_control() => return None,
                c => c,
            };
            if !units.is_empty() {
                return None;
            }
            text.push(c);
        }
        self.0 = chars.as_str();
        Some(text)
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// What a value of JSON is, where scalars are texts.
    fn node(value: &Value) -> Node {
        match value {
            Value::Null => Node::Null,
            Value::Array(_) => Node::Sequence,
            Value::Object(members) => {
                Node::Mapping(members.iter().map(|(key, value)| (key.clone(), node(value))).collect())
            }
            Value::String(text) => Node::Scalar(text.clone()),
            other => Node::Scalar(other.to_string()),
        }
    }

    #[test]
    fn yaml_is_read_as_people_write_it() {
        for (text, value) in [
            ("enabled: true", json!({ "enabled": "true" })),
            ("enabled:  true  # now", json!({ "enabled": "true" })),
            ("\"enabled\": 'true'", json!({ "enabled": "true" })),
            ("{enabled: true}", json!({ "enabled": "true" })),
            (" { 'enabled' : true , } ", json!({ "enabled": "true" })),
            ("{\"enabled\":true, f: 1h}", json!({ "enabled": "true", "f": "1h" })),
            (
                "a:\n  b:\n    c: 1\n\n# no\n  d: x, y\ne: {f: [1, 'a''b', \"c\\n\"]}\n",
                json!({ "a": { "b": { "c": "1" }, "d": "x, y" }, "e": { "f": ["1", "a'b", "c\n"] } }),
            ),
            ("a:\r\n  b: https://x:5000/#y\r\n", json!({ "a": { "b": "https://x:5000/#y" } })),
            ("a:\nb: # none\n  c: d\ne: ~", json!({ "a": null, "b": { "c": "d" }, "e": null })),
            ("a: -1\nb: :5000", json!({ "a": "-1", "b": ":5000" })),
            ("{}", json!({})),
            ("{\"a\": \"\\u00e4\\ud83d\\udca9\\/\\\"\\\\\"}", json!({ "a": "\u{e4}\u{1f4a9}/\"\\" })),
            ("{\n\t\"a\": 1.50,\n\t\"b\": null\n}\n", json!({ "a": "1.50", "b": null })),
            ("filesystem", json!("filesystem")),
            ("true", json!("true")),
        ] {
            assert_eq!(read(text), Some(node(&value)), "{text}");
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
            "a: \"\\u00e\"",
            "a: \"\\u+123\"",
            "a: \"\\ud83d\"",
            "a: \"\\ud83d\\n\"",
            "a: \"\\udca9\\ud83d\"",
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
        let texts = "[ -~\u{e4}\n]{0,8}".prop_map(Value::String);
        let scalars = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            texts
        ];
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
        fn json_is_yaml(value in values(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            if value.is_object() || value.is_array() {
                prop_assert_eq!(read(&text), Some(node(&value)));
                prop_assert_eq!(read(&format!("{text} # a comment")), Some(node(&value)));
            }
        }

        #[test]
        fn no_text_is_too_strange(text in "[ \t\n{}\\[\\]:,'\"#a\\-|&\\\\\u{e4}]{0,30}") {
            let _ = read(&text);
        }
    }
}
