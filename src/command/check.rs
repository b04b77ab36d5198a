//! `check`: whether what is stored is what it should be.
//!
//! First all content is read once, whatever has it, and compared with its digest ([`content`]). Then the repositories are
//! walked through: what their links and tags lead to, and what their manifests name ([`repository`]).
//!
//! Only broken content is ever removed: while it is there, a push finds the blob and does not send it. Everything else
//! that can be found stays as it is, and a push heals it, too: a link to content that comes back leads to it again. To
//! remove a link would be a danger instead: a push at the same moment may have made it.
//!
//! It costs one read of all content, and about two storage calls for each link, each tag and each name in a manifest.
//! Memory: a chunk of content, or one manifest.

mod content;
mod repository;

use super::cursor::{self, Sums};
use super::options::{Choice, Kind};
use super::output::{Field, bytes};
use super::{Command, Failure, Piece, Step};
use crate::layout;
use crate::name::Name;
use crate::repositories;
use lighter_hash::Digest;
use lighter_storage::Storage;

const QUICK: Choice =
    Choice { name: "quick", kind: Kind::Switch, about: "do not read content, but for manifests" };
const REMOVE: Choice = Choice {
    name: "remove",
    kind: Kind::Switch,
    about: "remove content that does not match its digest, so that a push stores it again",
};

impl<S: Storage> Command<S> {
    /// `check`.
    pub const CHECK: Self = Self {
        name: "check",
        about: "compare what is stored with its digests, and find what is missing",
        details: "Reads all content once and compares it with its digest. Then finds, for each repository,\n\
                  blobs and manifests without content, manifests that name what the repository does not\n\
                  have, and tags that point to nothing. A push of the same image heals each of these, once\n\
                  broken content is removed.",
        choices: &[QUICK, REMOVE],
        step: |step| Check::new(step).and_then(Check::run),
    };
}

/// A piece of the walk.
struct Check<'a, 's, S> {
    step: &'a mut Step<'s, S>,
    /// The options `quick` and `remove`.
    is_quick: bool,
    removes: bool,
    sums: Counts,
}

/// What was seen so far.
struct Counts {
    blobs: u64,
    bytes: u64,
    repositories: u64,
    findings: u64,
}

/// A place in the walk.
enum Place {
    /// All content after this key.
    Content(String),
    /// Inside of a blob.
    Inside(Box<content::Begun>),
    /// The repositories that have this broken content, after one.
    Owners(Digest, String),
    /// In a repository, after one of its parts.
    Repository(String, repository::Part),
}

impl<'a, 's, S: Storage> Check<'a, 's, S> {
    fn new(step: &'a mut Step<'s, S>) -> Result<(Self, Place), Failure> {
        let (sums, parts) = cursor::read(step.from).ok_or(Failure::Place)?;
        let place = Place::read(&parts).ok_or(Failure::Place)?;
        let [blobs, bytes, repositories, findings] = sums;
        let (is_quick, removes) = (step.options.has(QUICK.name), step.options.has(REMOVE.name));
        let sums = Counts { blobs, bytes, repositories, findings };
        Ok((Self { step, is_quick, removes, sums }, place))
    }

    fn run((mut check, mut place): (Self, Place)) -> Result<Piece, Failure> {
        let next = loop {
            let next = match place {
                Place::Content(after) => check.content(after)?,
                Place::Inside(begun) => check.inside(begun)?,
                Place::Owners(digest, after) => check.owners(digest, after)?,
                Place::Repository(name, part) => match check.repositories(name, part)? {
                    Some(next) => next,
                    None => break None,
                },
            };
            if check.step.is_late() {
                break Some(next);
            }
            place = next;
        };
        let Counts { blobs, bytes: size, repositories, findings } = check.sums;
        let next = next.map(|place| place.write(&[blobs, size, repositories, findings]));
        let read = if check.is_quick { "looked at" } else { "read" };
        Ok(Piece {
            text: format!(
                "{read} {blobs} blobs with {}, looked into {repositories} repositories: {findings} findings",
                bytes(size)
            ),
            sums: vec![
                ("blobs", blobs),
                ("bytes", size),
                ("repositories", repositories),
                ("findings", findings),
            ],
            has_findings: findings > 0,
            next,
        })
    }

    /// Says which repositories have broken content, after one, until the time is up.
    fn owners(&mut self, digest: Digest, mut after: String) -> Result<Place, Failure> {
        while let Some(name) = repositories::after(self.step.storage, &after, &mut || {})? {
            self.step.out.progress(self.sums.blobs, "blobs", name.as_str());
            for (kind, link) in [
                ("blob", layout::layer_link(&name, &digest)),
                ("manifest", layout::revision_link(&name, &digest)),
            ] {
                if self.step.storage.get(&link)?.is_some() {
                    self.step.out.item(
                        &format!("{name}: has the broken {kind} {digest}"),
                        &[
                            ("affected", Field::Text(kind)),
                            ("repository", Field::Text(name.as_str())),
                            ("digest", Field::Text(digest.as_str())),
                        ],
                    );
                }
            }
            after = name.to_string();
            if self.step.is_late() {
                return Ok(Place::Owners(digest, after));
            }
        }
        Ok(Place::Content(layout::blob(&digest)))
    }

    /// Counts something that was found, and prints it.
    fn found(&mut self, text: &str, fields: &[(&'static str, Field)]) {
        self.sums.findings += 1;
        self.step.out.item(text, fields);
    }
}

impl Place {
    fn read(parts: &[&str]) -> Option<Self> {
        Some(match parts {
            [] => Self::Content(String::new()),
            ["c", position] => Self::Content(content::position(position)?),
            ["b", parts @ ..] => Self::Inside(Box::new(content::Begun::read(parts)?)),
            ["o", hex, after] => Self::Owners(content::digest(hex)?, repository_or_none(after)?),
            ["r", name, part, last] => {
                Self::Repository(repository_or_none(name)?, repository::Part::read(part, last)?)
            }
            _ => return None,
        })
    }

    fn write(&self, sums: &Sums) -> String {
        match self {
            Self::Content(after) => cursor::write(sums, &["c", content::place(after)]),
            Self::Inside(begun) => cursor::write(sums, &["b", &begun.write()]),
            Self::Owners(digest, after) => cursor::write(sums, &["o", digest.hex(), after]),
            Self::Repository(name, part) => {
                let [letter, last] = part.parts();
                cursor::write(sums, &["r", name, letter, last])
            }
        }
    }
}

/// Checks the name of a repository in a place. An empty one stands for the beginning.
fn repository_or_none(name: &str) -> Option<String> {
    (name.is_empty() || Name::parse(name).is_ok()).then(|| name.to_owned())
}
