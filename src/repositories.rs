//! The walk through all repositories, one after another, for whoever has to look into each.

use crate::layout;
use crate::name::Name;
use lighter_storage::{Result, Storage};

/// The number of names that are listed at a time. The parts of a repository itself come first.
const LISTED: u32 = 16;

/// Finds the next repository in the order of the walk: the first below this one, or else the next beside it or beside
/// one of its parents. An empty name stands for the root. `listing` is called before each storage call.
pub fn next<S: Storage>(storage: &S, repository: &str, listing: &dyn Fn()) -> Result<Option<Name>> {
    let (mut path, mut last) = (repository, None);
    loop {
        if let Some(name) = first_below(storage, path, last, listing)? {
            return Ok(Some(name));
        }
        if path.is_empty() {
            return Ok(None);
        }
        (path, last) = path.rsplit_once('/').map_or(("", Some(path)), |(path, last)| (path, Some(last)));
    }
}

/// Finds the first repository directly below a path, after a name. Names that cannot be repositories are skipped.
fn first_below<S: Storage>(
    storage: &S,
    path: &str,
    after: Option<&str>,
    listing: &dyn Fn(),
) -> Result<Option<Name>> {
    let mut after = after.map(str::to_owned);
    loop {
        listing();
        let names = storage.list(&layout::repositories(path), after.as_deref(), LISTED)?;
        let slash = if path.is_empty() { "" } else { "/" };
        let mut found = names.iter().filter_map(|name| Name::parse(&format!("{path}{slash}{name}")).ok());
        if let Some(name) = found.next() {
            return Ok(Some(name));
        }
        if names.len() < LISTED as usize {
            return Ok(None);
        }
        after = names.last().cloned();
    }
}
