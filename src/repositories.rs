//! The walk through all repositories, also those without a manifest, which the [catalog](crate::catalog) does not list.

use crate::layout;
use crate::name::Name;
use lighter_storage::{Error, Result, Storage, check_key};

/// The number of names that are listed at a time below a repository. The parts of it itself come first.
const BELOW: u32 = 16;

/// The number of names that are listed at a time beside a repository.
const BESIDE: u32 = 1000;

/// Finds the next repository in the order of the walk: the first below this one, or else the next beside it or beside
/// one of its parents. An empty name stands for the root. A folder that has only other repositories in it counts as one,
/// and names that cannot be repositories are skipped. `lists` is called before each storage call.
pub fn after<S: Storage>(storage: &S, repository: &str, lists: &mut dyn FnMut()) -> Result<Option<Name>> {
    let (mut path, mut last) = (repository, None);
    loop {
        if let Some(name) = first_below(storage, path, last, &served, lists)? {
            return Ok(Some(name));
        }
        if path.is_empty() {
            return Ok(None);
        }
        (path, last) = path.rsplit_once('/').map_or(("", Some(path)), |(path, last)| (path, Some(last)));
    }
}

/// Reads the path of a folder as the name of a repository.
type ReadName<'a> = &'a dyn Fn(&str) -> Result<Option<Name>>;

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
        let names = storage.list(&layout::repositories(path), after.as_deref(), BELOW)?;
        for below in &names {
            if let Some(name) = name(&join(path, below))? {
                return Ok(Some(name));
            }
        }
        if names.len() < BELOW as usize {
            return Ok(None);
        }
        after = names.last().cloned();
    }
}

fn join(folder: &str, name: &str) -> String {
    let slash = if folder.is_empty() { "" } else { "/" };
    format!("{folder}{slash}{name}")
}

/// A repository that this registry serves.
fn served(path: &str) -> Result<Option<Name>> {
    Ok(Name::parse(path).ok())
}

/// A repository that any registry serves: distribution has names such as `Team/app`. A name that is no key is an error.
fn stored(path: &str) -> Result<Option<Name>> {
    // The parts of a repository itself.
    if path.rsplit('/').next().is_some_and(|last| last.starts_with(layout::OWN)) {
        return Ok(None);
    }
    let unreadable = |_| {
        let folder = layout::repositories(path);
        let why = "has a name that cannot be read, so it is not known what it refers to; rename it, or move it away";
        Error::Other(format!("{folder} {why}"))
    };
    check_key(path).map_err(unreadable)?;
    Ok(Some(Name::stored(path)))
}

/// A walk for whoever removes what no repository refers to, and has to see all of them, also those that only another
/// registry serves. It keeps the names that it has listed: where each repository is asked for alone, a folder is listed
/// once for each that is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// The folders on the way to the current repository of which names are kept, the innermost last.
    folders: Vec<Folder>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    path: String,
    /// The names that come next, the first one last.
    names: Vec<String>,
    /// After which name the next listing begins, if there is one.
    after: Option<String>,
}

impl Walk {
    /// As [`after`], of each repository that this has returned. What came into being meanwhile may be left out. Errs for
    /// a folder whose name cannot be read.
    pub fn after<S: Storage>(&mut self, storage: &S, repository: &str) -> Result<Option<Name>> {
        let mut next = first_below(storage, repository, None, &stored, &mut || {})?;
        let mut path = repository;
        while next.is_none() && !path.is_empty() {
            let (folder, last) = path.rsplit_once('/').unwrap_or(("", path));
            next = self.beside(storage, folder, last)?;
            path = folder;
        }
        Ok(next)
    }

    /// Finds the next repository in a folder, after a name.
    fn beside<S: Storage>(&mut self, storage: &S, path: &str, last: &str) -> Result<Option<Name>> {
        let mut folder = match self.folders.pop() {
            Some(folder) if folder.path == path => folder,
            outer => {
                self.folders.extend(outer);
                Folder { path: path.to_owned(), names: Vec::new(), after: Some(last.to_owned()) }
            }
        };
        loop {
            while let Some(name) = folder.names.pop() {
                if let Some(name) = stored(&join(path, &name))? {
                    self.folders.push(folder);
                    return Ok(Some(name));
                }
            }
            let Some(after) = folder.after.take() else { return Ok(None) };
            let mut names = storage.list(&layout::repositories(path), Some(&after), BESIDE)?;
            folder.after = names.last().filter(|_| names.len() == BESIDE as usize).cloned();
            names.reverse();
            folder.names = names;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Walk, after};
    use lighter_storage::{Memory, Storage as _};

    #[test]
    fn a_walk_that_keeps_names_finds_the_same() {
        let storage = Memory::default();
        let mut names: Vec<String> = (0..2500).map(|number| format!("many/r{number}")).collect();
        names.extend(
            ["a", "a/b/c", "a/b", "a-b", "many/r1/x", "many/r1/x/y", "many/r2499/_x/z", "z"]
                .map(str::to_owned),
        );
        for name in &names {
            storage.set(&format!("docker/registry/v2/repositories/{name}/_layers/keep"), b"").unwrap();
        }
        let (mut walk, mut at, mut count) = (Walk::default(), String::new(), 0);
        loop {
            let next = walk.after(&storage, &at).unwrap();
            assert_eq!(next, after(&storage, &at, &mut || {}).unwrap(), "after {at}");
            let Some(next) = next else { break };
            (at, count) = (next.to_string(), count + 1);
        }
        // All but one that is none, and the folder `many`.
        assert_eq!((count, at.as_str()), (names.len() - 1 + 1, "z"));
        storage.set("docker/registry/v2/repositories/Odd/_layers/keep", b"").unwrap();
        assert_eq!(Walk::default().after(&storage, "").unwrap().unwrap().as_str(), "Odd");
        assert_eq!(after(&storage, "", &mut || {}).unwrap().unwrap().as_str(), "a");
        assert!(walk.folders.is_empty(), "{walk:?}");
    }
}
