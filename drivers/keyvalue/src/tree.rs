//! The blobs under a prefix, as the index has their names.

use std::cell::RefCell;

use lighter_storage::{BlobInfo, Result, Tree};

use crate::bucket::Bucket;
use crate::key::split;
use crate::page::Page;
use crate::{blob, index};

/// The last segment of a blob's key where the index does not have it: earlier versions did not write it down, and the
/// registry gives all its blobs this one.
const DATA: &str = "data";

/// The names in a store. The page that was read last is kept, since it has the names of all blobs under a prefix.
pub(crate) struct Blobs<'a, B> {
    bucket: &'a B,
    last: RefCell<(Option<String>, Page)>,
}

impl<'a, B: Bucket> Blobs<'a, B> {
    pub(crate) fn new(bucket: &'a B) -> Self {
        Self { bucket, last: RefCell::default() }
    }

    /// Reads the page of a directory, if there is one, and makes something of it.
    fn with_page<T>(&self, directory: &str, done: impl FnOnce(&Page) -> T) -> Result<Option<T>> {
        let mut last = self.last.borrow_mut();
        if last.0.as_deref() != Some(directory) {
            let Some(page) = index::page(self.bucket, directory)? else { return Ok(None) };
            *last = (Some(directory.to_owned()), page);
        }
        Ok(Some(done(&last.1)))
    }
}

impl<B: Bucket> Tree for Blobs<'_, B> {
    fn names(&self, prefix: &str, limit: usize, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<String>> {
        let (directory, name) = split(prefix);
        let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let above =
            self.with_page(directory, |page| (owned(page.values(name)), page.has(&format!("{name}/"))));
        let (mut names, has_page) = above?.unwrap_or_default();
        if has_page {
            let prefixes = self.with_page(prefix, |page| owned(page.prefixes()))?;
            if prefixes.is_none() && names.is_empty() {
                names.push(DATA.to_owned());
            }
            names.extend(prefixes.into_iter().flatten().map(|name| name + "/"));
        }
        names.retain(|name| is_wanted(name));
        names.sort_unstable();
        names.truncate(limit);
        Ok(names)
    }

    fn look(&self, key: &str) -> Result<Option<BlobInfo>> {
        blob::stat(self.bucket, key)
    }
}
