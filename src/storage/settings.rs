//! What configures a product: variables, and the files that they name.

use core::cell::RefCell;

/// The variables that are set. They remember which ones they were asked for, so that one which has no reader can be
/// reported: mostly it is a misspelt name.
pub struct Settings {
    variables: Vec<(String, String)>,
    read_file: ReadFile,
    known: RefCell<Vec<&'static str>>,
}

/// Reads the text of a file, by its path as a variable has it. Errs with the reason, for the log.
pub type ReadFile = fn(&str) -> Result<String, String>;

/// More names than are asked for, mostly.
const NAMES: usize = 32;

/// How the names begin that must have a reader. Others are for other programs.
const PREFIX: &str = "REGISTRY_";

impl Settings {
    /// Takes variables, such as those of an environment. An empty one counts as not set. Of several with one name
    /// the last one counts.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>, read_file: ReadFile) -> Self {
        let variables = variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { variables, read_file, known: RefCell::new(Vec::with_capacity(NAMES)) }
    }

    /// Adds variables of another source, but for those that are set already.
    pub fn add(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            if !value.is_empty() && self.find(&name).is_none() {
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
        self.variables.iter().map(|(name, _)| name.as_str()).find(|name| names.contains(name))
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
    /// asked.
    pub fn unknown(&self) -> Vec<&str> {
        let known = self.known.borrow();
        let names = self.variables.iter().map(|(name, _)| name.as_str());
        names.filter(|name| name.starts_with(PREFIX) && !known.contains(name)).collect()
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
        self.variables.iter().rfind(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
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
        assert_eq!(settings.unknown(), ["REGISTRY_B"]);
        assert_eq!(settings.known(), ["REGISTRY_A", "REGISTRY_D", "REGISTRY_C"]);
    }

    #[test]
    fn the_nearest_known_name_is_guessed() {
        let settings = settings(&[]);
        settings.get("REGISTRY_HTTP_SECRET");
        settings.get("REGISTRY_STORAGE_DELETE_ENABLED");
        assert!(settings.guess("REGISTRY_HTTP_SECRETS").ends_with("is it REGISTRY_HTTP_SECRET?"));
        assert!(
            settings.guess("REGISTRY_STORAGE_DELETE").ends_with("is it REGISTRY_STORAGE_DELETE_ENABLED?")
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
    fn words_have_a_distance() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
