//! The tags of a repository.

use super::{Deletion, Reference, Repository};
use crate::layout;
use crate::name::is_tag;
use lighter_hash::Digest;
use lighter_storage::{Error, Result, Storage};

/// The most repairs of an immutable tag.
const REPAIRS: u32 = 1000;

impl<S: Storage> Repository<'_, S> {
    /// Points a tag to a manifest of the repository, by the digest that the manifest was pushed by, which the tag is served
    /// with.
    pub fn move_tag(&self, tag: &str, digest: &Digest) -> Result<()> {
        self.storage.set(&layout::tag_link(self.name, tag), digest.as_str().as_bytes())?;
        self.record_tag(tag, digest)
    }

    /// Points an immutable tag to a manifest of the repository, unless it points to one already, and returns whether it
    /// points to this one now. Of several calls at once for different manifests, one points the tag to its own, as far as
    /// the store keeps its promise of [`create`](Storage::create).
    ///
    /// A link that names no manifest is damaged: it is empty or malformed, as a crash of distribution leaves it, or the
    /// manifest is lost. It cannot be removed and created again: a call that is late would remove what another has created.
    /// So each repair has a number, whoever creates its record decides what the tag points to, and the others complete that.
    pub fn claim_tag(&self, tag: &str, digest: &Digest, canonical: &Digest) -> Result<bool> {
        let (key, value) = (layout::tag_link(self.name, tag), digest.as_str().as_bytes());
        if self.storage.create(&key, value)? {
            self.record_tag(tag, digest)?;
            return Ok(true);
        }
        if let Some(held) = self.held_by_tag(tag)? {
            return Ok(held == *canonical);
        }
        for number in 1..=REPAIRS {
            let repair = layout::tag_repair(self.name, tag, number);
            if self.storage.create(&repair, value)? {
                self.storage.set(&key, value)?;
                self.record_tag(tag, digest)?;
                return Ok(true);
            }
            let Some(theirs) = self.link(&repair)? else { continue };
            if let Some((_, manifest)) = self.manifest(&Reference::Digest(theirs.clone()))? {
                // Whoever has decided it may have crashed before it did this.
                self.storage.set(&key, theirs.as_str().as_bytes())?;
                return Ok(manifest.canonical == *canonical);
            }
        }
        Err(Error::Other(format!("{key}: the tag was repaired {REPAIRS} times; delete it")))
    }

    /// Writes the history of a tag, which only distribution's collector reads, to remove entries from it: so a crash of the
    /// machine may lose it. It is written after the tag, whose own directory is durable by then.
    fn record_tag(&self, tag: &str, digest: &Digest) -> Result<()> {
        let (history, key) =
            (layout::tag_index(self.name, tag), layout::tag_index_link(self.name, tag, digest));
        self.storage.set_volatile(&history, &key, digest.as_str().as_bytes())
    }

    /// Returns the digest that a tag names, whether or not there is such a manifest.
    pub fn named_by(&self, tag: &str) -> Result<Option<Digest>> {
        self.link(&layout::tag_link(self.name, tag))
    }

    /// Returns the canonical digest of the manifest that a tag points to, if the repository has that manifest.
    pub fn held_by_tag(&self, tag: &str) -> Result<Option<Digest>> {
        let found = self.manifest(&Reference::Tag(tag.to_owned()))?;
        Ok(found.map(|(_, manifest)| manifest.canonical))
    }

    /// Removes a tag, with its history. The manifest stays, and need not exist; the tag may be damaged.
    pub fn delete_tag(&self, tag: &str) -> Result<Deletion> {
        if self.storage.get(&layout::tag_link(self.name, tag))?.is_none() {
            return Ok(Deletion::Absent);
        }
        self.storage.delete_prefix(&layout::tag(self.name, tag))?;
        Ok(Deletion::Done)
    }

    /// Lists at most `limit` tags in byte order, after one.
    ///
    /// Foreign names among the tags, and tags that a crash left unfinished, are skipped: a client may reject a whole list
    /// because of one invalid tag. A link is read only if its size is not that of a digest.
    pub fn tags(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let mut tags: Vec<String> = Vec::new();
        let mut after = after.map(str::to_owned);
        loop {
            let wanted = limit - tags.len() as u32;
            let prefix = layout::tags(self.name);
            let found = self.storage.list_having(&prefix, layout::TAG_LINK, after.as_deref(), wanted)?;
            let complete = found.len() < wanted as usize;
            after = found.last().map(|(name, _)| name.clone());
            for (name, size) in found {
                if is_tag(&name) && (layout::is_size_of_link(size) || self.named_by(&name)?.is_some()) {
                    tags.push(name);
                }
            }
            if complete || tags.len() == limit as usize {
                return Ok(tags);
            }
        }
    }
}

#[cfg(test)]
mod tests;
