//! What configures a product: variables, and the files that they name.

use core::cell::RefCell;

use super::mapping::{Members, Node, read};

/// The variables that are set. They remember which ones they were asked for, so that one which has no reader can be
/// reported: mostly it is a misspelt name.
///
/// As in distribution (`configuration/parser.go`), a value may be a mapping that sets what is below its name:
/// `REGISTRY_STORAGE_DELETE={"enabled":true}` is `REGISTRY_STORAGE_DELETE_ENABLED=true`. The longer name decides: a
/// variable goes before a mapping that contains it, and a mapping before one that contains the mapping.
pub struct Settings {
    variables: Vec<(String, String)>,
    members: Vec<Member>,
    read_file: ReadFile,
    known: RefCell<Vec<&'static str>>,
}

/// Reads the text of a file, by its path as a variable has it. Errs with the reason, for the log.
pub type ReadFile = fn(&str) -> Result<String, String>;

/// More names than are asked for, mostly.
const NAMES: usize = 32;

/// How the names begin that must have a reader. Others are for other programs.
const PREFIX: &str = "REGISTRY_";

/// The variable that may also be the name of a storage driver: the component has one, whatever it says.
const STORAGE: &str = "REGISTRY_STORAGE";

/// The variable that is a setting and a mapping, whose one member is the setting: the kind of access control.
const AUTH: &str = "REGISTRY_AUTH";

/// What a mapping says of a variable.
struct Member {
    /// The variable.
    name: String,
    /// Its value, or a mapping without its members, which are listed on their own.
    value: Node,
    /// The variable that has the mapping.
    parent: String,
}

impl Settings {
    /// Takes variables, such as those of an environment. An empty one counts as not set. Of several with one name
    /// the last one counts.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>, read_file: ReadFile) -> Self {
        let variables: Vec<_> = variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let mut members = Vec::new();
        variables.iter().for_each(|(name, value)| mapping(name, value, &mut members));
        Self { variables, members, read_file, known: RefCell::new(Vec::with_capacity(NAMES)) }
    }

    /// Adds variables of another source, but for those that are set already.
    pub fn add(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            if !value.is_empty() && self.find(&name).is_none() {
                mapping(&name, &value, &mut self.members);
                self.variables.push((name, value));
            }
        }
    }

    /// Returns the value of a variable, if it is set. Its name counts as known from now on.
    pub fn get(&self, name: &'static str) -> Option<&str> {
        self.known.borrow_mut().push(name);
        self.find(name)
    }

    /// Reads the file that a variable names, if it is set. Errs, for the log, with the name, the path and the reason.
    pub fn file(&self, name: &'static str) -> Option<Result<String, String>> {
        let path = self.get(name)?;
        Some((self.read_file)(path).map_err(|reason| format!("{name}: cannot read {path}: {reason}")))
    }

    /// Makes names known: those of variables whose reader does not ask for them here.
    pub fn know(&self, names: &[&'static str]) {
        self.known.borrow_mut().extend_from_slice(names);
    }

    /// Returns the first variable of several that is set. All of their names count as known from now on.
    pub fn first_of(&self, names: &[&'static str]) -> Option<&str> {
        self.know(names);
        let set = self.variables.iter().map(|(name, _)| name.as_str()).find(|name| names.contains(name));
        set.or_else(|| names.iter().copied().find(|name| self.member(name).is_some()))
    }

    /// Returns all names that are known by now.
    pub fn known(&self) -> Vec<String> {
        self.known.borrow().iter().map(|name| (*name).to_owned()).collect()
    }

    /// Returns all variables.
    pub fn into_variables(self) -> Vec<(String, String)> {
        self.variables
    }

    /// Returns the names that begin with `REGISTRY_` and are not known. That can be said once every reader has
    /// asked. Errs, for the log, with the variable above known ones that cannot be read as a mapping: if it were
    /// left out, what it should set would be left out, too. The text does not contain its value, which may be a
    /// secret.
    pub fn unknown(&self) -> Result<Vec<&str>, String> {
        let mut unknown = Vec::new();
        for (name, value) in &self.variables {
            if !name.starts_with(PREFIX) || (self.is_known(name) && !(name == AUTH && self.is_mapping(name)))
            {
                continue;
            }
            if self.below(name).is_none() {
                unknown.push(name.as_str());
                continue;
            }
            match read(value) {
                Some(Node::Mapping(_)) => self.check(name, &mut unknown)?,
                Some(Node::Scalar(_)) if name == STORAGE => {}
                _ => return Err(self.no_mapping(name)),
            }
        }
        Ok(unknown)
    }

    /// Adds those of a mapping, which can be read as one.
    fn check<'a>(&'a self, parent: &str, unknown: &mut Vec<&'a str>) -> Result<(), String> {
        for Member { name, value, .. } in self.members.iter().filter(|member| member.parent == parent) {
            match value {
                _ if name == AUTH => {}
                Node::Scalar(_) if self.is_known(name) => {}
                _ if self.is_known(name) => return Err(format!("{name} is a text, not a mapping or list")),
                Node::Mapping(_) if self.below(name).is_some() => {}
                _ if self.below(name).is_some() => return Err(self.no_mapping(name)),
                // What is in an unknown one is unknown, too.
                _ if unknown.last().is_some_and(|last| is_below(name, last)) => {}
                _ => unknown.push(name),
            }
        }
        Ok(())
    }

    fn is_known(&self, name: &str) -> bool {
        self.known.borrow().contains(&name)
    }

    fn is_mapping(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.parent == name)
    }

    /// Finds a known variable that a mapping of this name could set.
    fn below(&self, name: &str) -> Option<&'static str> {
        self.known.borrow().iter().copied().find(|known| is_below(known, name))
    }

    fn no_mapping(&self, name: &str) -> String {
        let below = self.below(name).unwrap_or_default();
        format!("{name} is not a mapping that can be read; write it as JSON, or set {below}")
    }

    /// Says of a name that is not known which known one is the nearest.
    pub fn guess(&self, unknown: &str) -> String {
        let known = self.known.borrow();
        let length = unknown.len().saturating_sub(PREFIX.len());
        match known.iter().min_by_key(|name| distance(name, unknown)) {
            Some(name) if distance(name, unknown) <= length * 3 / 5 => {
                format!("{unknown} means nothing here; is it {name}?")
            }
            _ => format!("{unknown} means nothing here"),
        }
    }

    fn find(&self, name: &str) -> Option<&str> {
        let own = self.variables.iter().rfind(|(other, _)| other == name).map(|(_, value)| value.as_str());
        if name == AUTH { self.member(name).or(own) } else { own.or_else(|| self.member(name)) }
    }

    /// Finds what the mapping with the longest name says. The value of a known variable is no mapping, whatever it
    /// looks like, but for the kind of access control.
    fn member(&self, name: &str) -> Option<&str> {
        if self.members.is_empty() {
            return None;
        }
        let named = self.members.iter().filter(|member| member.name == name);
        let named = named.filter(|Member { parent, .. }| parent == AUTH || !self.is_known(parent));
        match &named.max_by_key(|member| member.parent.len())?.value {
            Node::Scalar(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

/// Adds what a variable says of others, if it is a mapping.
fn mapping(name: &str, value: &str, all: &mut Vec<Member>) {
    // Few are one, and this is done for every instance.
    if !name.starts_with(PREFIX) || !value.contains(':') {
        return;
    }
    let Some(Node::Mapping(members)) = read(value) else { return };
    if name == AUTH
        && let [(kind, _)] = &*members
    {
        let value = Node::Scalar(kind.clone());
        all.push(Member { name: AUTH.to_owned(), value, parent: AUTH.to_owned() });
    }
    expand(name, name, members, all);
}

/// Adds what a mapping says of the variables below a name.
fn expand(parent: &str, above: &str, members: Members, all: &mut Vec<Member>) {
    for (key, value) in members {
        let name = format!("{above}_{}", key.to_ascii_uppercase());
        let (value, members) = match value {
            Node::Null => continue,
            Node::Mapping(members) => (Node::Mapping(Members::new()), members),
            other => (other, Members::new()),
        };
        all.push(Member { name: name.clone(), value, parent: parent.to_owned() });
        expand(parent, &name, members, all);
    }
}

fn is_below(name: &str, parent: &str) -> bool {
    name.strip_prefix(parent).is_some_and(|rest| rest.starts_with('_'))
}

/// How many letters have to be changed, added or removed to make one word of another (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut above = i + 1;
        let mut left_above = i;
        let mut next = vec![above];
        for (b, up) in other.bytes().zip(row.iter().skip(1)) {
            above = (left_above + usize::from(a != b)).min(above + 1).min(up + 1);
            next.push(above);
            left_above = *up;
        }
        row = next;
    }
    row.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::new(variables, |path| Err(format!("{path} is not there")))
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let mut settings = settings(&[("REGISTRY_A", ""), ("REGISTRY_B", "1")]);
        assert_eq!((settings.get("REGISTRY_A"), settings.get("REGISTRY_B")), (None, Some("1")));
        settings.add(
            [("REGISTRY_A", "2"), ("REGISTRY_B", "2"), ("REGISTRY_C", "")].map(|(a, b)| (a.into(), b.into())),
        );
        assert_eq!((settings.get("REGISTRY_A"), settings.get("REGISTRY_B")), (Some("2"), Some("1")));
        assert_eq!(settings.get("REGISTRY_C"), None);
    }

    #[test]
    fn the_last_one_of_a_name_counts() {
        let settings = settings(&[("REGISTRY_A", "1"), ("REGISTRY_A", "2")]);
        assert_eq!(settings.get("REGISTRY_A"), Some("2"));
    }

    #[test]
    fn a_variable_without_a_reader_is_unknown() {
        let settings =
            settings(&[("REGISTRY_A", "1"), ("REGISTRY_B", "1"), ("REGISTRY_C", "1"), ("HOME", "/")]);
        settings.get("REGISTRY_A");
        assert_eq!(settings.first_of(&["REGISTRY_D", "REGISTRY_C"]), Some("REGISTRY_C"));
        assert_eq!(settings.unknown().unwrap(), ["REGISTRY_B"]);
        assert_eq!(settings.known(), ["REGISTRY_A", "REGISTRY_D", "REGISTRY_C"]);
    }

    #[test]
    fn the_nearest_known_name_is_guessed() {
        let settings = settings(&[]);
        settings.get("REGISTRY_HTTP_SECRET");
        settings.get("REGISTRY_STORAGE_DELETE_ENABLED");
        assert!(settings.guess("REGISTRY_HTTP_SECRETS").ends_with("is it REGISTRY_HTTP_SECRET?"));
        assert!(
            settings.guess("REGISTRY_STORAGE_DELETES").ends_with("is it REGISTRY_STORAGE_DELETE_ENABLED?")
        );
        assert!(settings.guess("REGISTRY_X").ends_with("means nothing here"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_with_its_variable() {
        let settings = settings(&[("REGISTRY_A", "/a")]);
        assert_eq!(settings.file("REGISTRY_B"), None);
        let error = "REGISTRY_A: cannot read /a: /a is not there".to_owned();
        assert_eq!(settings.file("REGISTRY_A"), Some(Err(error)));
    }

    #[test]
    fn the_longer_name_decides() {
        let all = [
            ("REGISTRY_A", r#"{"b":{"c":1},"d":"x"}"#),
            ("REGISTRY_A_B", r#"{"c":2}"#),
            ("REGISTRY_A_B_C", "3"),
        ];
        for (set, c) in [(&all[..], "3"), (&all[..2], "2"), (&all[..1], "1")] {
            for set in [set.to_vec(), set.iter().rev().copied().collect()] {
                let settings = settings(&set);
                let values = (settings.get("REGISTRY_A_B_C"), settings.get("REGISTRY_A_D"));
                assert_eq!(values, (Some(c), Some("x")));
                assert_eq!(settings.unknown(), Ok(vec![]));
            }
        }
    }

    #[test]
    fn members_without_a_reader_are_unknown() {
        let settings = settings(&[
            ("REGISTRY_A", "{b: 1, c: {d: 2}, e: [3], f: null}"),
            ("REGISTRY_X", "{y: 1}"),
            ("REGISTRY_SECRET", "a: b"),
        ]);
        assert_eq!((settings.get("REGISTRY_A_B"), settings.get("REGISTRY_A_F")), (Some("1"), None));
        assert_eq!(settings.get("REGISTRY_SECRET"), Some("a: b"));
        assert_eq!(settings.unknown().unwrap(), ["REGISTRY_A_C", "REGISTRY_A_E", "REGISTRY_X"]);
    }

    #[test]
    fn what_stands_above_known_variables_is_a_mapping() {
        let unknown = |value| {
            let settings = settings(&[("REGISTRY_A", value)]);
            settings.get("REGISTRY_A_B_C");
            settings.unknown().map(|names| names.len())
        };
        assert_eq!((unknown("{b: {c: 1}}"), unknown("{}")), (Ok(0), Ok(0)));
        for value in ["true", "{b: {c: hidden}", "[b]", "{b:{c:hidden}}", "~"] {
            let error =
                "REGISTRY_A is not a mapping that can be read; write it as JSON, or set REGISTRY_A_B_C";
            assert_eq!(unknown(value), Err(error.to_owned()), "{value}");
        }
        assert!(unknown("{b: true}").unwrap_err().starts_with("REGISTRY_A_B is not a mapping"));
        for value in ["{b: {c: {d: 1}}}", "{b: {c: [1]}}"] {
            assert_eq!(unknown(value), Err("REGISTRY_A_B_C is a text, not a mapping or list".to_owned()));
        }
    }

    #[test]
    fn words_have_a_distance() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
