//! The list of repositories.

use crate::layout;
use crate::name::Name;
use lighter_storage::{Result, Storage};

/// The least and the most names that are listed at a time. The parts of the repository itself come first.
const BATCH: (usize, usize) = (16, 1000);

/// Lists at most `limit` repositories after `after`: those that have manifests, and that `shows` lets the caller see.
///
/// The order is distribution's: by components, so the repositories below another come right after it. No more is
/// read than the page needs.
pub fn list<S: Storage>(
    storage: &S,
    shows: impl Fn(&str) -> bool,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>> {
    let mut walk = Walk { storage, shows: &shows, limit, names: Vec::new() };
    walk.add_below("", after, None)?;
    Ok(walk.names)
}

/// A walk over the repositories that fills a page.
struct Walk<'a, S> {
    storage: &'a S,
    shows: &'a dyn Fn(&str) -> bool,
    limit: usize,
    names: Vec<String>,
}

impl<S: Storage> Walk<'_, S> {
    /// Adds the repositories below a path. `after` is relative to the path; `listed` holds the first names below it,
    /// if they are already known.
    fn add_below(&mut self, path: &str, after: Option<&str>, mut listed: Option<Vec<String>>) -> Result<()> {
        let mut last = None;
        if let Some(after) = after {
            // The previous page ended at this repository, or below it.
            let (first, rest) =
                after.split_once('/').map_or((after, None), |(first, rest)| (first, Some(rest)));
            if let Ok(child) = Name::parse(&join(path, first)) {
                self.add_below(child.as_str(), rest, None)?;
            }
            last = Some(first.to_owned());
        }
        while !self.is_full() {
            let children = match listed.take() {
                Some(children) => children,
                None => self.children(path, last.as_deref())?,
            };
            for child in &children {
                // Skip names that cannot be repositories: those that begin with `_`, and foreign files.
                let Ok(child) = Name::parse(&join(path, child)) else { continue };
                let inside = self.children(child.as_str(), None)?;
                if (self.shows)(child.as_str()) && self.has_manifests(&child, &inside)? {
                    self.names.push(child.to_string());
                }
                if !self.is_full() {
                    self.add_below(child.as_str(), None, Some(inside))?;
                }
                if self.is_full() {
                    return Ok(());
                }
            }
            if children.len() < self.batch() {
                return Ok(());
            }
            last = children.last().cloned();
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.names.len() >= self.limit
    }

    fn batch(&self) -> usize {
        self.limit.clamp(BATCH.0, BATCH.1)
    }

    /// The first names below a path, after one.
    fn children(&self, path: &str, after: Option<&str>) -> Result<Vec<String>> {
        self.storage.list(&layout::repositories(path), after, self.batch() as u32)
    }

    /// Whether a repository has manifests. `inside` holds the first names below it.
    fn has_manifests(&self, name: &Name, inside: &[String]) -> Result<bool> {
        let here = inside.iter().any(|name| name == layout::MANIFESTS);
        if here || inside.len() < self.batch() {
            return Ok(here);
        }
        let first = self.storage.list(&layout::repository(name), Some(layout::BEFORE_MANIFESTS), 1)?;
        Ok(first.first().is_some_and(|first| first == layout::MANIFESTS))
    }
}

fn join(path: &str, child: &str) -> String {
    if path.is_empty() { child.to_owned() } else { format!("{path}/{child}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lighter_storage::Memory;

    fn store(repositories: &[&str]) -> Memory {
        let storage = Memory::default();
        for name in repositories {
            let key = layout::tag_link(&Name::parse(name).unwrap(), "v1");
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
    fn a_repository_is_found_among_many_that_are_below_it() {
        // Numbers come before what it has itself.
        let mut names: Vec<String> = (0..40).map(|n| format!("a/{n:02}")).collect();
        names.insert(0, "a".to_owned());
        let storage = store(&names.iter().map(String::as_str).collect::<Vec<_>>());
        for limit in [1, 2, 39, 41, 100] {
            assert_eq!(list(&storage, |_| true, None, limit).unwrap(), names[..limit.min(41)]);
        }
        assert_eq!(list(&storage, |name| name != "a", None, 2).unwrap(), ["a/00", "a/01"]);
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
