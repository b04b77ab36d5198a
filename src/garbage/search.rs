//! What a collection does in each of its phases: it reads manifests, and finds what they do not refer to.

use super::batch::{Removal, What};
use super::collection::Collection;
use super::outside::Outside;
use super::references::linked;
use super::report::Phase;
use super::{mark, referenced, references};
use crate::layout;
use crate::name::Name;
use crate::purge;
use lighter_hash::Digest;
use lighter_storage::{Result, Storage, check_key};

/// How much content is listed at a time.
pub(super) const LISTED: u32 = 512;

impl<S: Storage, O: Outside> Collection<'_, S, O> {
    /// Does a bounded piece of a phase. Returns whether that was the last one.
    pub(super) fn piece(&mut self) -> Result<bool> {
        match self.progress.report.phase {
            Phase::References => self.read_manifests(),
            Phase::Links => self.find_links(),
            Phase::Aliases => self.find_aliases(),
            Phase::Content => self.find_content(),
            Phase::Uploads => self.remove_uploads(),
            Phase::Over => Ok(true),
        }
    }

    fn read_manifests(&mut self) -> Result<bool> {
        let Some(page) = self.progress.place.page(self.storage, layout::revisions, true)? else {
            return Ok(true);
        };
        // Those of the first range are all.
        let is_counted = self.referenced.range.0 == 0;
        self.progress.report.repositories += u64::from(page.is_first && is_counted);
        for hex in &page.names {
            let Some(digest) = layout::listed_digest(page.algorithm, hex) else { continue };
            // What was removed may still be listed. A link that is damaged is repaired by a push, so it counts.
            let Some(link) = linked(self.storage, &layout::revision_link(&page.name, &digest))? else {
                continue;
            };
            self.progress.report.manifests += u64::from(is_counted);
            self.add_manifest(&page.name, &digest)?;
            if let Some(canonical) = link.filter(|canonical| *canonical != digest) {
                self.add_manifest(&page.name, &canonical)?;
            }
            if self.referenced.is_run_full() {
                self.keep_run()?;
            }
        }
        Ok(false)
    }

    /// Adds a manifest and what it names.
    pub(super) fn add_manifest(&mut self, name: &Name, digest: &Digest) -> Result<()> {
        for canonical in references::canonical(self.storage, name, digest)? {
            self.referenced.add(&canonical);
            for named in references::read(self.storage, &canonical)? {
                for canonical in references::canonical(self.storage, name, &named)? {
                    self.referenced.add(&canonical);
                }
            }
        }
        Ok(())
    }

    fn find_links(&mut self) -> Result<bool> {
        let Some(page) = self.progress.place.page(self.storage, layout::layers, true)? else {
            return Ok(true);
        };
        let prefix = layout::layers(&page.name, page.algorithm);
        for hex in page.names {
            let named = layout::listed_digest(page.algorithm, &hex);
            // Without a call for what is referenced: the links of a sha256 digest name the same one.
            let Some(named) = named else { continue };
            if mark::id(&named).is_none_or(|id| self.may_be_garbage(&id)) {
                self.consider(What::Link, layout::link_in(&prefix, &hex), Some(named))?;
            }
        }
        Ok(false)
    }

    fn find_aliases(&mut self) -> Result<bool> {
        let Some((prefix, names)) = self.progress.place.aliases(self.storage)? else { return Ok(true) };
        for hex in names {
            self.consider(What::Alias, layout::link_in(&prefix, &hex), None)?;
        }
        Ok(false)
    }

    /// Removes a link later, if it leads to garbage or nowhere. One that a crash has emptied leads to what it is `named`
    /// after.
    fn consider(&mut self, what: What, key: String, named: Option<Digest>) -> Result<()> {
        if let Some(link) = linked(self.storage, &key)?
            && let Some(canonical) = link.or(named)
            && let Some(id) = mark::id(&canonical)
            && self.may_be_garbage(&id)
        {
            let info = self.storage.stat(&layout::blob(&canonical))?;
            if info.is_none_or(|info| self.is_old(&info)) {
                self.pending.push(Removal { what, key, canonical, id, size: 0 });
            }
        }
        Ok(())
    }

    fn find_content(&mut self) -> Result<bool> {
        let first = format!("{:016x}", self.referenced.range.0);
        let after = self.progress.place.after.take().unwrap_or_else(|| layout::contents_from(&first));
        let page = self.storage.enumerate(&layout::blobs(), Some(&after), LISTED)?;
        for entry in page.entries {
            let Some(canonical) = layout::blob_digest(&entry.key) else { continue };
            let Some(id) = mark::id(&canonical) else { continue };
            if referenced::prefix(&id) > self.referenced.range.1 {
                return Ok(true);
            }
            if self.may_be_garbage(&id) && self.is_old(&entry.info) {
                let (what, key, size) = (What::Content, entry.key, entry.info.size);
                self.pending.push(Removal { what, key, canonical, id, size });
            }
        }
        self.progress.place.after = page.next;
        Ok(self.progress.place.after.is_none())
    }

    fn may_be_garbage(&self, id: &mark::Id) -> bool {
        self.referenced.covers(id) && !self.referenced.has(id)
    }

    fn remove_uploads(&mut self) -> Result<bool> {
        let uploads = |name: &Name, _| layout::uploads(name);
        let Some(page) = self.progress.place.page(self.storage, uploads, false)? else { return Ok(true) };
        let now = self.outside.now();
        for id in page.names.iter().filter(|id| check_key(id).is_ok()) {
            let started = self.storage.get(&layout::upload_started_at(&page.name, id))?.unwrap_or_default();
            let is_older = |started: &str| purge::is_older(started, now, self.options.uploads);
            if !str::from_utf8(&started).is_ok_and(is_older) {
                continue;
            }
            let size = self.storage.received(&layout::upload_data(&page.name, id))?.unwrap_or(0);
            // It has grown since the purging of uploads has seen it.
            let seen = self.storage.get(&layout::upload_purge_mark(&page.name, id))?;
            if seen.is_some_and(|seen| seen != size.to_string().as_bytes()) {
                continue;
            }
            if self.options.dry_run || purge::remove(self.storage, &page.name, id, &size.to_string())? {
                self.progress.report.uploads += 1;
                self.progress.report.upload_bytes += size;
            }
        }
        Ok(false)
    }
}
