//! The walk through all repositories, also those without a manifest, which the [catalog](crate::catalog) does not list.

use crate::layout;
use crate::name::Name;
use lighter_storage::{Error, Result, Storage, check_key};

/// The number of names that are listed at a time. The parts of a repository itself come first.
const LISTED: u32 = 16;

/// Finds the next repository in the order of the walk: the first below this one, or else the next beside it or beside
/// one of its parents. An empty name stands for the root. A folder that has only other repositories in it counts as one,
/// and names that cannot be repositories are skipped. `lists` is called before each storage call.
pub fn after<S: Storage>(storage: &S, repository: &str, lists: &mut dyn FnMut()) -> Result<Option<Name>> {
    walk(storage, repository, &|path| Ok(Name::parse(path).ok()), lists)
}

/// As [`after`], and with those that only another registry serves: distribution has names such as `Team/app`. Whoever
/// removes what no repository refers to has to see all of them, so a name that is no key is an error.
pub fn after_of_all<S: Storage>(storage: &S, repository: &str) -> Result<Option<Name>> {
    let name = |path: &str| {
        // The parts of a repository itself.
        if path.rsplit('/').next().is_some_and(|last| last.starts_with('_')) {
            return Ok(None);
        }
        let unreadable = |_| {
            let folder = layout::repositories(path);
            let why = "has a name that cannot be read, so it is not known what it refers to; rename it, or move it away";
            Error::Other(format!("{folder} {why}"))
        };
        check_key(path).map_err(unreadable)?;
        Ok(Some(Name::stored(path)))
    };
    walk(storage, repository, &name, &mut || {})
}

/// Reads the path of a folder as the name of a repository.
type ReadName<'a> = &'a dyn Fn(&str) -> Result<Option<Name>>;

fn walk<S: Storage>(
    storage: &S,
    repository: &str,
    name: ReadName,
    lists: &mut dyn FnMut(),
) -> Result<Option<Name>> {
    let (mut path, mut last) = (repository, None);
    loop {
        if let Some(name) = first_below(storage, path, last, name, lists)? {
            return Ok(Some(name));
        }
        if path.is_empty() {
            return Ok(None);
        }
        (path, last) = path.rsplit_once('/').map_or(("", Some(path)), |(path, last)| (path, Some(last)));
    }
}

/// Finds the first repository directly below a path, after a name.
fn first_below<S: Storage>(
    storage: &S,
    path: &str,
    after: Option<&str>,
    name: ReadName,
    lists: &mut dyn FnMut(),
) -> Result<Option<Name>> {
    let mut after = after.map(str::to_owned);
    loop {
        lists();
        let names = storage.list(&layout::repositories(path), after.as_deref(), LISTED)?;
        let slash = if path.is_empty() { "" } else { "/" };
        for below in &names {
            if let Some(name) = name(&format!("{path}{slash}{below}"))? {
                return Ok(Some(name));
            }
        }
        if names.len() < LISTED as usize {
            return Ok(None);
        }
        after = names.last().cloned();
    }
}
