//! What configures a product: variables, and the files that they name.

/// What a host gives to configure a product.
pub struct Environment {
    /// Variables, by their names. Of several with one name the last one counts, and an empty one counts as not set.
    pub variables: Vec<(String, String)>,
    /// The names of variables whose reader is not in this component: it is the driver that the component is
    /// composed with.
    pub read_elsewhere: Vec<&'static str>,
    /// Reads the files that variables name.
    pub read_file: ReadFile,
}

/// Reads the text of a file, by its path as a variable has it. Errs with the reason, for the log.
pub type ReadFile = fn(&str) -> Result<String, String>;

impl Environment {
    /// Adds the variables of another source, but for those that are set already.
    pub fn add(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            if !self.variables.iter().any(|(set, value)| *set == name && !value.is_empty()) {
                self.variables.push((name, value));
            }
        }
    }
}

/// The variables that are set, and the names of all that may be.
pub struct Settings {
    variables: Vec<(String, String)>,
    known: Vec<&'static str>,
    read_file: ReadFile,
}

/// How the names begin that must have a reader. Others are for other programs.
const PREFIX: &str = "REGISTRY_";

impl Settings {
    /// Takes variables, and the names of those that have a reader.
    pub fn new(
        variables: impl IntoIterator<Item = (String, String)>,
        known: Vec<&'static str>,
        read_file: ReadFile,
    ) -> Self {
        let variables = variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { variables, known, read_file }
    }

    /// Returns the value of a variable, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(self.known.contains(&name), "{name} is read, but not among the known names");
        self.variables.iter().rfind(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Reads the file that a variable names, if it is set. Errs, for the log, with the name, the path and the reason.
    pub fn file(&self, name: &str) -> Option<Result<String, String>> {
        let path = self.get(name)?;
        Some((self.read_file)(path).map_err(|reason| format!("{name}: cannot read {path}: {reason}")))
    }

    /// Returns a text that one variable has, or the file that another one names, and which of the two it is from. Errs, for
    /// the log, if both are set, or as [`file`](Self::file) does.
    pub fn text_or_file(
        &self,
        text: &'static str,
        path: &'static str,
    ) -> Result<Option<(&'static str, String)>, String> {
        match (self.get(text), self.file(path)) {
            (Some(value), None) => Ok(Some((text, value.to_owned()))),
            (None, Some(file)) => Ok(Some((path, file?))),
            (Some(_), Some(_)) => Err(format!("{text} and {path} are both set")),
            (None, None) => Ok(None),
        }
    }

    /// Returns the names of the variables that are set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the names that begin with `REGISTRY_` and have no reader. Mostly they are misspelt.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.names().filter(|name| name.starts_with(PREFIX) && !self.known.contains(name))
    }

    /// Says of a name that is not known which known one is the nearest.
    pub fn guess(&self, unknown: &str) -> String {
        let length = unknown.len().saturating_sub(PREFIX.len());
        match nearest(unknown, length * 3 / 5, self.known.iter().copied()) {
            Some(name) => format!("unknown variable {unknown}; did you mean {name}?"),
            None => format!("unknown variable {unknown}"),
        }
    }
}

/// Finds the known word that is the nearest to an unknown one, if no more than `most` letters differ.
pub fn nearest<'a>(unknown: &str, most: usize, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let nearest = known.map(|word| (distance(word, unknown), word)).min_by_key(|(distance, _)| *distance);
    nearest.filter(|(distance, _)| *distance <= most).map(|(_, word)| word)
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

    fn pairs(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let known =
            vec!["REGISTRY_A", "REGISTRY_B", "REGISTRY_HTTP_SECRET", "REGISTRY_STORAGE_DELETE_ENABLED"];
        Settings::new(pairs(variables), known, |path| Err(format!("{path} is not there")))
    }

    #[test]
    fn the_last_one_of_a_name_counts_unless_it_is_empty() {
        let settings =
            settings(&[("REGISTRY_A", "1"), ("REGISTRY_A", "2"), ("REGISTRY_A", ""), ("REGISTRY_B", "")]);
        assert_eq!((settings.get("REGISTRY_A"), settings.get("REGISTRY_B")), (Some("2"), None));
    }

    #[test]
    fn another_source_adds_what_is_not_set() {
        let variables = pairs(&[("A", "1"), ("B", "")]);
        let mut environment =
            Environment { variables, read_elsewhere: Vec::new(), read_file: |_| Ok(String::new()) };
        environment.add(pairs(&[("A", "2"), ("B", "2"), ("C", "2")]));
        assert_eq!(environment.variables, pairs(&[("A", "1"), ("B", ""), ("B", "2"), ("C", "2")]));
    }

    #[test]
    fn a_variable_without_a_reader_is_unknown() {
        let settings = settings(&[("REGISTRY_A", "1"), ("REGISTRY_C", "1"), ("HOME", "/")]);
        assert_eq!(settings.unknown().collect::<Vec<_>>(), ["REGISTRY_C"]);
    }

    #[test]
    fn the_nearest_known_name_is_guessed() {
        let settings = settings(&[]);
        assert!(settings.guess("REGISTRY_HTTP_SECRETS").ends_with("did you mean REGISTRY_HTTP_SECRET?"));
        assert!(
            settings
                .guess("REGISTRY_STORAGE_DELETES")
                .ends_with("did you mean REGISTRY_STORAGE_DELETE_ENABLED?")
        );
        assert!(settings.guess("REGISTRY_XYZ_XYZ") == "unknown variable REGISTRY_XYZ_XYZ");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told_with_its_variable() {
        let settings = settings(&[("REGISTRY_A", "/a")]);
        assert_eq!(settings.file("REGISTRY_B"), None);
        let error = "REGISTRY_A: cannot read /a: /a is not there".to_owned();
        assert_eq!(settings.file("REGISTRY_A"), Some(Err(error)));
    }

    #[test]
    fn a_text_is_in_a_variable_or_in_a_file() {
        let of = |variables: &[(&str, &str)]| settings(variables).text_or_file("REGISTRY_A", "REGISTRY_B");
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[("REGISTRY_A", "x")]), Ok(Some(("REGISTRY_A", "x".to_owned()))));
        assert_eq!(
            of(&[("REGISTRY_B", "/b")]),
            Err("REGISTRY_B: cannot read /b: /b is not there".to_owned())
        );
        let both = of(&[("REGISTRY_A", "x"), ("REGISTRY_B", "/b")]);
        assert_eq!(both, Err("REGISTRY_A and REGISTRY_B are both set".to_owned()));
    }

    #[test]
    fn words_have_a_distance() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
