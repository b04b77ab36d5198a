//! Enumeration in bounded steps, for a store whose keys are a tree of directories.

use crate::{BlobEntry, BlobInfo, BlobPage, Result};

/// A tree of keys, as a driver has it.
pub trait Tree {
    /// Returns the first `limit` names directly under a prefix that are wanted, in byte order. A name under which there
    /// are further names ends in `/`.
    fn names(&self, prefix: &str, limit: usize, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<String>>;

    /// Returns what is known of a blob, or none if there is no blob under that key.
    fn look(&self, key: &str) -> Result<Option<BlobInfo>>;
}

/// No key has this character, and it comes after all that keys have. So of a directory `a`, `a/~` comes after all
/// keys under it, and before all others that come after these.
pub const AFTER_ALL: &str = "~";

/// Whether a name in a directory, or something under it, comes after a position in that directory. The name of a
/// directory ends in `/`.
pub fn comes_after(name: &str, position: &str) -> bool {
    let is_begun = || position.strip_prefix(name).is_some_and(|rest| rest != AFTER_ALL);
    name > position || name.ends_with('/') && is_begun()
}

/// Takes a step of `Storage::enumerate` through a tree. Names that lead to no blob count as much as blobs do,
/// so that a step is bounded where many were removed.
pub fn walk(tree: &dyn Tree, prefix: &str, after: Option<&str>, limit: u32) -> Result<BlobPage> {
    let (below, after) = (format!("{prefix}/"), after.unwrap_or_default());
    let after = match after.strip_prefix(&below) {
        Some(after) => after,
        None if *after < *below => "",
        None => return Ok(BlobPage::default()),
    };
    let mut step = Step { tree, left: limit.max(1) as usize, page: BlobPage::default() };
    if step.is_over_under(prefix, after)? {
        step.page.next = None;
    }
    Ok(step.page)
}

struct Step<'a> {
    tree: &'a dyn Tree,
    /// How many names may still be looked at.
    left: usize,
    page: BlobPage,
}

impl Step<'_> {
    /// Looks at what is under a prefix and comes after some text, and returns whether that was all.
    fn is_over_under(&mut self, prefix: &str, after: &str) -> Result<bool> {
        let names = self.tree.names(prefix, self.left, &|name| comes_after(name, after))?;
        for name in names {
            if self.left == 0 {
                return Ok(false);
            }
            let key = format!("{prefix}/{name}");
            match key.strip_suffix('/') {
                None => {
                    let info = self.tree.look(&key)?;
                    self.page.entries.extend(info.map(|info| BlobEntry { key: key.clone(), info }));
                    self.looked_at(key);
                }
                Some(directory) => {
                    let before = self.left;
                    if !self.is_over_under(directory, after.strip_prefix(&*name).unwrap_or_default())? {
                        return Ok(false);
                    }
                    if self.left == before {
                        self.looked_at(key + AFTER_ALL);
                    }
                }
            }
        }
        // Where there were as many as asked for, there may be more.
        Ok(self.left > 0)
    }

    fn looked_at(&mut self, position: String) {
        self.left -= 1;
        self.page.next = Some(position);
    }
}
