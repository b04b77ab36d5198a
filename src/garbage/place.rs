//! How far a walk is through what every repository has.

use crate::layout;
use crate::name::Name;
use crate::repositories::Walk;
use lighter_hash::Algorithm;
use lighter_storage::{Result, Storage};

/// How many names are in a page: so many are looked at between two looks at the clock.
const PAGE: usize = 64;

/// How many names are listed at a time: whole pages, so that only the last page of all is short. A store may read a
/// directory as a whole for each listing.
const LISTED: usize = 16 * PAGE;

/// A place in the walk. The first one has an empty repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The repository, or where else names are listed.
    pub(super) repository: String,
    /// Whether this is about the second part of the repository: the digests by SHA-512.
    pub(super) is_second: bool,
    /// The last name that was listed.
    pub(super) after: Option<String>,
    /// Whether that was the last one of this part.
    pub(super) is_end: bool,
    /// What was listed and comes after that name. It is not stored.
    listed: Vec<String>,
    /// The repositories that come next. They are not stored.
    walk: Walk,
}

/// Names in a part of a repository.
pub(super) struct Page {
    /// The repository.
    pub(super) name: Name,
    /// By which algorithm these are digests, if they are.
    pub(super) algorithm: Algorithm,
    /// The names.
    pub(super) names: Vec<String>,
    /// Whether these are the first ones of the repository.
    pub(super) is_first: bool,
}

impl Place {
    /// Goes on by one page, under a prefix of each repository, and in those of both algorithms if there are two.
    /// Returns `None` at the end.
    pub(super) fn page<S: Storage>(
        &mut self,
        storage: &S,
        prefix: impl Fn(&Name, Algorithm) -> String,
        has_second: bool,
    ) -> Result<Option<Page>> {
        let mut is_first = false;
        if self.repository.is_empty() || self.is_end && (self.is_second || !has_second) {
            let mut walk = core::mem::take(&mut self.walk);
            let Some(next) = walk.after(storage, &self.repository)? else { return Ok(None) };
            *self = Self { repository: next.to_string(), walk, ..Self::default() };
            is_first = true;
        } else if self.is_end {
            (self.is_second, self.is_end, self.after) = (true, false, None);
        }
        let name = Name::stored(&self.repository);
        let algorithm = if self.is_second { Algorithm::Sha512 } else { Algorithm::Sha256 };
        let names = self.list(storage, &prefix(&name, algorithm))?;
        Ok(Some(Page { name, algorithm, names, is_first }))
    }

    /// Goes on by one page among the aliases. Returns the prefix and the names under it, or `None` at the end.
    pub(super) fn aliases<S: Storage>(&mut self, storage: &S) -> Result<Option<(String, Vec<String>)>> {
        if self.repository.is_empty() || self.is_end {
            let after = Some(self.repository.as_str()).filter(|shard| !shard.is_empty());
            let Some(shard) = storage.list(layout::ALIASES, after, 1)?.pop() else { return Ok(None) };
            *self = Self { repository: shard, ..Self::default() };
        }
        let prefix = format!("{}/{}", layout::ALIASES, self.repository);
        let names = self.list(storage, &prefix)?;
        Ok(Some((prefix, names)))
    }

    fn list<S: Storage>(&mut self, storage: &S, prefix: &str) -> Result<Vec<String>> {
        if self.listed.is_empty() {
            self.listed = storage.list(prefix, self.after.as_deref(), LISTED as u32)?;
        }
        let rest = self.listed.split_off(PAGE.min(self.listed.len()));
        let names = core::mem::replace(&mut self.listed, rest);
        self.is_end = names.len() < PAGE;
        if let Some(last) = names.last() {
            self.after = Some(last.clone());
        }
        Ok(names)
    }
}
