//! What a repository has: links to blobs and manifests, and tags. All content is stored once for
//! all repositories; a repository sees what it has a link to.

use crate::digest::{Algorithm, Digest};
use crate::keys;
use crate::name::{Name, is_tag};
use crate::storage::{Result, Storage};

/// Stored content that a repository may see.
#[derive(Debug)]
pub struct Blob {
    /// What it is stored under.
    pub canonical: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What a manifest is asked for by.
#[derive(Debug, PartialEq, Eq)]
pub enum Reference {
    /// A tag.
    Tag(String),
    /// A digest.
    Digest(Digest),
}

/// A repository. It exists once something was pushed to it.
pub struct Repository<'a, S> {
    storage: &'a S,
    name: &'a Name,
}

impl<'a, S: Storage> Repository<'a, S> {
    /// Looks at a repository in storage. Touches nothing.
    pub fn new(storage: &'a S, name: &'a Name) -> Self {
        Self { storage, name }
    }

    /// Its name.
    pub fn name(&self) -> &'a Name {
        self.name
    }

    /// Where it is stored.
    pub fn storage(&self) -> &'a S {
        self.storage
    }

    /// Finds a blob that the repository has.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Blob>> {
        self.follow(&keys::layer_link(self.name, digest))
    }

    /// Gives the repository a blob that is stored.
    pub fn link_blob(&self, digest: &Digest, canonical: &Digest) -> Result<()> {
        self.storage.set(&keys::layer_link(self.name, canonical), canonical.as_str().as_bytes())?;
        if digest != canonical {
            self.storage.set(&keys::layer_link(self.name, digest), canonical.as_str().as_bytes())?;
        }
        Ok(())
    }

    /// Finds a manifest that the repository has, and its digest: the one it was asked for by, or the
    /// one that the tag points to.
    pub fn manifest(&self, reference: &Reference) -> Result<Option<(Digest, Blob)>> {
        let digest = match reference {
            Reference::Digest(digest) => digest.clone(),
            Reference::Tag(tag) => match self.link(&keys::tag_link(self.name, tag))? {
                Some(digest) => digest,
                None => return Ok(None),
            },
        };
        let manifest = self.follow(&keys::revision_link(self.name, &digest))?;
        Ok(manifest.map(|blob| (digest, blob)))
    }

    /// Whether the repository has a manifest.
    pub fn has_manifest(&self, digest: &Digest) -> Result<bool> {
        Ok(self.follow(&keys::revision_link(self.name, digest))?.is_some())
    }

    /// Stores a manifest under its digest, which is that of the content, and points a tag to it.
    ///
    /// What is seen first is written last: the content, the revision, the tag's history, the tag.
    pub fn put_manifest(
        &self,
        content: &[u8],
        digest: &Digest,
        canonical: &Digest,
        tag: Option<&str>,
    ) -> Result<()> {
        let link = canonical.as_str().as_bytes();
        self.storage.put(&keys::blob(canonical), content)?;
        self.storage.set(&keys::revision_link(self.name, canonical), link)?;
        if digest != canonical {
            self.storage.set(&keys::revision_link(self.name, digest), link)?;
        }
        if let Some(tag) = tag {
            self.storage.set(&keys::tag_index_link(self.name, tag, canonical), link)?;
            self.storage.set(&keys::tag_link(self.name, tag), link)?;
        }
        Ok(())
    }

    /// Lists at most `limit` tags in byte order, after one.
    ///
    /// Whatever else lies among the tags, or is left of one that a crash kept from being written, is
    /// passed over: a client may give up a whole list for one tag that is none.
    pub fn tags(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let mut tags: Vec<String> = Vec::new();
        let mut after = after.map(str::to_owned);
        loop {
            let wanted = limit - tags.len() as u32;
            let names = self.storage.list(&keys::tags(self.name), after.as_deref(), wanted)?;
            let complete = names.len() < wanted as usize;
            after = names.last().cloned();
            for name in names {
                if is_tag(&name) && self.link(&keys::tag_link(self.name, &name))?.is_some() {
                    tags.push(name);
                }
            }
            if complete || tags.len() == limit as usize {
                return Ok(tags);
            }
        }
    }

    /// Whether anything was ever pushed to the repository, and not only to one below it: what it has
    /// lies under names that begin with `_`, which no repository's does.
    pub fn exists(&self) -> Result<bool> {
        let own = self.storage.list(&keys::repository(self.name), Some("_"), 1)?;
        Ok(own.first().is_some_and(|name| name.starts_with('_')))
    }

    /// Reads a link and finds the content that it names.
    fn follow(&self, key: &str) -> Result<Option<Blob>> {
        let Some(canonical) = self.link(key)? else { return Ok(None) };
        let size = self.storage.stat(&keys::blob(&canonical))?;
        Ok(size.filter(|size| *size > 0 || canonical == empty()).map(|size| Blob { canonical, size }))
    }

    /// Reads a link. An empty or malformed one, which a crash of distribution can leave, counts as
    /// none, so that a push heals it.
    fn link(&self, key: &str) -> Result<Option<Digest>> {
        let value = self.storage.get(key)?.unwrap_or_default();
        Ok(str::from_utf8(&value).ok().and_then(|digest| Digest::parse(digest.trim()).ok()))
    }
}

/// The digest of nothing: the only content that may have no bytes.
fn empty() -> Digest {
    crate::hash::digest(Algorithm::Sha256, &[])
}
