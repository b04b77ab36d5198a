//! Which repositories there are.

use crate::keys;
use crate::name::Name;
use crate::storage::{Result, Storage};

/// How many names are listed at a time.
const BATCH: u32 = 1000;

/// Lists at most `limit` repositories that manifests were pushed to and that may be shown, after one.
///
/// The order is distribution's: by components, so that what is below a repository comes right after
/// it. No more is read than the page needs.
pub fn list<S: Storage>(
    storage: &S,
    shows: impl Fn(&str) -> bool,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>> {
    let mut names = Vec::new();
    below(storage, &shows, "", after, limit, &mut names)?;
    Ok(names)
}

/// Adds the repositories below a path, after one that is named from there.
fn below<S: Storage>(
    storage: &S,
    shows: &dyn Fn(&str) -> bool,
    path: &str,
    after: Option<&str>,
    limit: usize,
    names: &mut Vec<String>,
) -> Result<()> {
    let mut last = None;
    if let Some(after) = after {
        // The page before ended in this one, or below it.
        let (first, rest) = after.split_once('/').map_or((after, None), |(first, rest)| (first, Some(rest)));
        if let Ok(child) = Name::parse(&join(path, first)) {
            below(storage, shows, child.as_str(), rest, limit, names)?;
        }
        last = Some(first.to_owned());
    }
    while names.len() < limit {
        let wanted = BATCH.min(u32::try_from(limit).unwrap_or(BATCH));
        let children = storage.list(&keys::repositories(path), last.as_deref(), wanted)?;
        for child in &children {
            // Whatever is no name is no repository: those that begin with `_`, and strangers.
            let Ok(child) = Name::parse(&join(path, child)) else { continue };
            if names.len() < limit && shows(child.as_str()) && has_manifests(storage, &child)? {
                names.push(child.to_string());
            }
            if names.len() == limit {
                return Ok(());
            }
            below(storage, shows, child.as_str(), None, limit, names)?;
        }
        if children.len() < wanted as usize {
            return Ok(());
        }
        last = children.last().cloned();
    }
    Ok(())
}

fn join(path: &str, child: &str) -> String {
    if path.is_empty() { child.to_owned() } else { format!("{path}/{child}") }
}

fn has_manifests<S: Storage>(storage: &S, name: &Name) -> Result<bool> {
    let first = storage.list(&keys::repository(name), Some("_layers"), 1)?;
    Ok(first.first().is_some_and(|first| first == "_manifests"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::memory::Memory;

    fn store(repositories: &[&str]) -> Memory {
        let storage = Memory::default();
        for name in repositories {
            let key = keys::tag_link(&Name::parse(name).unwrap(), "v1");
            storage.set(&key, b"sha256:").unwrap();
        }
        storage
    }

    #[test]
    fn repositories_are_in_the_order_of_their_components() {
        let names = ["a", "a/b", "a/b/c", "a/d", "a-b", "a-b/c", "b/0", "b/0/x", "b/a"];
        let storage = store(&names);
        storage.set("docker/registry/v2/repositories/c/_uploads/u/startedat", b"").unwrap();
        storage.set("docker/registry/v2/repositories/Odd/_manifests/x", b"").unwrap();
        assert_eq!(list(&storage, |_| true, None, 100).unwrap(), names);
        for page in 1..=names.len() {
            let mut listed: Vec<String> = Vec::new();
            loop {
                let next = list(&storage, |_| true, listed.last().map(String::as_str), page).unwrap();
                if next.is_empty() {
                    break;
                }
                listed.extend(next);
            }
            assert_eq!(listed, names, "in pages of {page}");
        }
    }

    #[test]
    fn a_page_may_begin_after_what_is_not_there() {
        let storage = store(&["a/b", "a/d", "c"]);
        assert_eq!(list(&storage, |_| true, Some("a/c"), 10).unwrap(), ["a/d", "c"]);
        assert_eq!(list(&storage, |_| true, Some("b/x/y"), 10).unwrap(), ["c"]);
        assert_eq!(list(&storage, |_| true, Some("../.."), 10).unwrap(), ["a/b", "a/d", "c"]);
        assert_eq!(list(&storage, |_| true, Some("z"), 10).unwrap(), [""; 0]);
    }
}
