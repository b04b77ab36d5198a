//! Passwords: the entries of an htpasswd file.

use bcrypt::HashParts;

/// Beyond this a check takes seconds in WebAssembly, and every wrong one as long.
const COST_MAX: u32 = 14;

/// The users, and what their passwords are checked against.
#[derive(Clone, Debug)]
pub struct Passwords(Vec<(String, String)>);

impl Passwords {
    /// Reads entries `NAME:HASH`, one to a line; blank lines and those that begin with `#` are passed
    /// over. Errs, for the log, with the line that is no such entry.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut entries: Vec<(String, String)> = Vec::new();
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let (name, hash) =
                line.split_once(':').ok_or_else(|| format!("line {number} is not of the form NAME:HASH"))?;
            if name.is_empty() {
                return Err(format!("line {number} has no name"));
            }
            let cost = hash.parse::<HashParts>().map(|parts| parts.get_cost());
            let cost = cost.map_err(|_| {
                format!("line {number}: the hash of {name:?} is not bcrypt's; make it with `htpasswd -nbB`")
            })?;
            if cost > COST_MAX {
                return Err(format!(
                    "line {number}: the hash of {name:?} has cost {cost}, and {COST_MAX} is the most"
                ));
            }
            if entries.iter().any(|(other, _)| other == name) {
                return Err(format!("line {number}: {name:?} is there twice"));
            }
            entries.push((name.to_owned(), hash.to_owned()));
        }
        if entries.is_empty() {
            return Err("there is no entry, so that nobody could log in".to_owned());
        }
        Ok(Self(entries))
    }

    /// Whether a password is right. A name that nobody has takes as long as the longest check, which is
    /// that of the highest cost: the number at 4 in a hash such as `$2y$10$…`.
    pub fn check(&self, name: &str, password: &str) -> bool {
        let entry = self.0.iter().find(|(other, _)| other == name);
        let costly = self.0.iter().max_by_key(|(_, hash)| hash.get(4..6));
        let Some((_, hash)) = entry.or(costly) else { return false };
        bcrypt::verify(password, hash).unwrap_or(false) && entry.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `htpasswd -nbB -C 4 ann pass`, and the same in the other spellings.
    const ANN: &str = "ann:$2y$04$KBEVYEW/IQWzCPDyv/XkmeYLUbIvvXyC0lr7EAYtMhIPkfHIz1IWG";

    fn hashed(password: &str) -> String {
        bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap().format_for_version(bcrypt::Version::TwoB)
    }

    #[test]
    fn passwords_are_checked() {
        let text =
            format!("# users\n\nann:{}\r\nbob:{}\n", hashed("pass"), hashed("").replace("$2b$", "$2a$"));
        let passwords = Passwords::parse(&text).unwrap();
        assert!(passwords.check("ann", "pass") && passwords.check("bob", ""));
        for (name, password) in
            [("ann", ""), ("ann", "pass "), ("bob", "pass"), ("eve", "pass"), ("", "pass")]
        {
            assert!(!passwords.check(name, password), "{name} {password}");
        }
    }

    #[test]
    fn a_line_that_is_no_entry_is_named() {
        let costly = hashed("x").replace("$04$", "$15$");
        for (text, named) in [
            ("", "no entry"),
            ("# ann", "no entry"),
            ("ann", "line 1 is not"),
            (":x", "line 1 has no name"),
            ("\nann:{SHA}x", "line 2: the hash of \"ann\""),
            ("ann:$apr1$x$y", "make it with `htpasswd -nbB`"),
            (&*format!("ann:{costly}"), "cost 15"),
            (&format!("{ANN}\n{ANN}"), "line 2: \"ann\" is there twice"),
        ] {
            let error = Passwords::parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
            assert!(!error.contains("$2"), "{error}");
        }
    }
}
