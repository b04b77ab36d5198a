//! Passwords: the entries of an htpasswd file.

use core::hint::black_box;

use bcrypt::HashParts;

/// The highest cost of a hash. With a higher one each check takes seconds in WebAssembly, of a wrong password too.
const COST_MAX: u32 = 14;

/// The users with the hashes of their passwords.
#[derive(Clone, Debug)]
pub struct Passwords(Vec<User>);

#[derive(Clone, Debug)]
struct User {
    name: String,
    hash: String,
    cost: u32,
}

impl Passwords {
    /// Reads entries `NAME:HASH`, one to a line; blank lines and lines that begin with `#` are
    /// skipped. A user whose hash cannot be checked (it is not bcrypt, or costs more than `COST_MAX`) is left
    /// out, and `notices` says so: the others can still log in.
    ///
    /// Errs, for the log, with the line that is not an entry, or if no user is left. Neither text contains
    /// a hash.
    pub fn parse(text: &str, notices: &mut Vec<String>) -> Result<Self, String> {
        let mut users: Vec<User> = Vec::new();
        let mut left_out: Vec<String> = Vec::new();
        let mut names = Vec::new();
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
            if names.contains(&name) {
                return Err(format!("line {number}: {name:?} appears twice"));
            }
            names.push(name);
            match cost(hash) {
                Ok(cost) => users.push(User { name: name.to_owned(), hash: hash.to_owned(), cost }),
                Err(why) => left_out.push(format!("line {number}: the hash of {name:?} {why}")),
            }
        }
        if users.is_empty() {
            let none = || "the file has no entries, so nobody could log in".to_owned();
            return Err(left_out.first().map_or_else(none, |first| format!("{first}; no user is left")));
        }
        notices.extend(left_out.into_iter().map(|why| format!("{why}; this user cannot log in")));
        Ok(Self(users))
    }

    /// Whether a password is right. A wrong one takes as much work for every name, known or not: as much as the hash
    /// with the highest cost.
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

    /// The costs of the extra hashes that bring the work for an entry, or for an unknown name, up to the highest.
    /// Each step of the cost doubles the work, so the costs from one up to another make up the difference.
    fn makes_up_for(&self, entry: Option<&User>) -> impl Iterator<Item = u32> {
        let most = self.0.iter().map(|entry| entry.cost).max().unwrap_or_default();
        entry.map_or(most..most + 1, |entry| entry.cost..most)
    }
}

/// Returns the cost of a hash, or why it cannot be checked.
fn cost(hash: &str) -> Result<u32, String> {
    let cost = hash.parse::<HashParts>().map(|parts| parts.get_cost());
    match cost.map_err(|_| "is not bcrypt; make it with `htpasswd -nbB`")? {
        cost @ ..=COST_MAX => Ok(cost),
        cost => Err(format!("has cost {cost}; at most {COST_MAX} is accepted")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `htpasswd -nbB -C 4 ann pass`, and the same in the other spellings.
    const ANN: &str = "ann:$2y$04$KBEVYEW/IQWzCPDyv/XkmeYLUbIvvXyC0lr7EAYtMhIPkfHIz1IWG";

    fn parse(text: &str) -> Result<Passwords, String> {
        Passwords::parse(text, &mut Vec::new())
    }

    fn hashed(password: &str) -> String {
        bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap().format_for_version(bcrypt::Version::TwoB)
    }

    #[test]
    fn passwords_are_checked() {
        let text =
            format!("# users\n\nann:{}\r\nbob:{}\n", hashed("pass"), hashed("").replace("$2b$", "$2a$"));
        let passwords = parse(&text).unwrap();
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
        let passwords = parse(&[entry("ann", 5), entry("bob", 9), entry("cy", 10)].concat()).unwrap();
        let rest = |entry| passwords.makes_up_for(entry).map(|cost| 1 << cost).sum::<u32>();
        assert_eq!(rest(None), 1 << 10);
        for entry in &passwords.0 {
            assert_eq!((1 << entry.cost) + rest(Some(entry)), 1 << 10, "{entry:?}");
        }
    }

    #[test]
    fn a_user_whose_hash_cannot_be_checked_is_left_out_and_named() {
        let costly = hashed("x").replace("$04$", "$15$");
        let text =
            format!("{ANN}\nbob:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n\ncy:$apr1$x$y\ndan:{costly}\neve:");
        let mut notices = Vec::new();
        let passwords = Passwords::parse(&text, &mut notices).unwrap();
        let names: Vec<&str> = passwords.0.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["ann"]);
        let not_bcrypt = "is not bcrypt; make it with `htpasswd -nbB`; this user cannot log in";
        assert_eq!(
            notices,
            [
                format!("line 2: the hash of \"bob\" {not_bcrypt}"),
                format!("line 4: the hash of \"cy\" {not_bcrypt}"),
                "line 5: the hash of \"dan\" has cost 15; at most 14 is accepted; this user cannot log in"
                    .to_owned(),
                format!("line 6: the hash of \"eve\" {not_bcrypt}"),
            ]
        );
        for name in ["bob", "cy", "dan", "eve"] {
            assert!(!passwords.check(name, "x") && !passwords.check(name, ""), "{name}");
        }
        // A name stands for one user, even if one of the two entries cannot be used.
        for text in [format!("{ANN}\nann:x"), format!("ann:x\n{ANN}")] {
            assert!(parse(&text).unwrap_err().contains("line 2: \"ann\" appears twice"));
        }
    }

    #[test]
    fn a_line_that_is_no_entry_is_named() {
        let costly = hashed("x").replace("$04$", "$15$");
        for (text, named) in [
            ("", "no entries"),
            ("# ann", "no entries"),
            ("ann", "line 1 is not"),
            (":x", "line 1 has no name"),
            ("\nann:{SHA}x", "line 2: the hash of \"ann\""),
            ("ann:$apr1$x$y", "make it with `htpasswd -nbB`"),
            (&*format!("ann:{costly}"), "cost 15"),
            (&format!("{ANN}\n{ANN}"), "line 2: \"ann\" appears twice"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
            assert!(!error.contains("$2"), "{error}");
        }
    }
}
