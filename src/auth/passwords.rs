//! Passwords: the entries of an htpasswd file.

use core::hint::black_box;

use bcrypt::HashParts;

/// Beyond this a check takes seconds in WebAssembly, and every wrong one as long.
const COST_MAX: u32 = 14;

/// The users, and what their passwords are checked against.
#[derive(Clone, Debug)]
pub struct Passwords(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    hash: String,
    cost: u32,
}

impl Passwords {
    /// Reads entries `NAME:HASH`, one to a line; blank lines and those that begin with `#` are passed
    /// over. Errs, for the log, with the line that is no such entry.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut entries: Vec<Entry> = Vec::new();
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
            if entries.iter().any(|other| other.name == name) {
                return Err(format!("line {number}: {name:?} is there twice"));
            }
            entries.push(Entry { name: name.to_owned(), hash: hash.to_owned(), cost });
        }
        if entries.is_empty() {
            return Err("there is no entry, so that nobody could log in".to_owned());
        }
        Ok(Self(entries))
    }

    /// Whether a password is right. A wrong one is as much work for every name, whether or not somebody
    /// has it: as much as the hash of the highest cost.
    pub fn check(&self, name: &str, password: &str) -> bool {
        let entry = self.0.iter().find(|entry| entry.name == name);
        if entry.is_some_and(|entry| bcrypt::verify(password, &entry.hash).unwrap_or(false)) {
            return true;
        }
        for cost in self.makes_up_for(entry) {
            let _ = black_box(bcrypt::hash_with_salt(password, cost, [0; 16]));
        }
        false
    }

    /// The costs of the hashes that are as much work as what is left after that of an entry, or of nobody.
    /// Each step of the cost doubles the work: from one cost up to another, all in between are what is missing.
    fn makes_up_for(&self, entry: Option<&Entry>) -> impl Iterator<Item = u32> {
        let most = self.0.iter().map(|entry| entry.cost).max().unwrap_or_default();
        entry.map_or(most..most + 1, |entry| entry.cost..most)
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
    fn a_wrong_password_is_as_much_work_for_every_name() {
        let entry = |name: &str, cost: u32| {
            format!("{name}:{}\n", hashed("x").replace("$04$", &format!("${cost:02}$")))
        };
        let passwords =
            Passwords::parse(&[entry("ann", 5), entry("bob", 9), entry("cy", 10)].concat()).unwrap();
        let rest = |entry| passwords.makes_up_for(entry).map(|cost| 1 << cost).sum::<u32>();
        assert_eq!(rest(None), 1 << 10);
        for entry in &passwords.0 {
            assert_eq!((1 << entry.cost) + rest(Some(entry)), 1 << 10, "{entry:?}");
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
