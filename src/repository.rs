//! A repository: links to blobs and manifests, and tags. Content is stored once for all repositories; a repository sees
//! only the content that it has a link to.

use crate::layout;
use crate::name::{Name, is_tag};
use crate::referrer::Referrer;
use lighter_hash::{Algorithm, Digest, Hasher};
use lighter_storage::{Content, Error, Result, Storage, read_exactly};

/// Stored content that a repository may see.
#[derive(Debug)]
pub struct Blob {
    /// The digest that the content is stored under.
    pub canonical: Digest,
    /// The content's size in bytes.
    pub size: u64,
}

/// How a client gets content.
pub enum Served {
    /// From a URL.
    At(String),
    /// From the registry.
    Content(Content),
}

/// The reference by which a manifest is requested.
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
    /// Makes a view of a repository, without any storage call.
    pub fn new(storage: &'a S, name: &'a Name) -> Self {
        Self { storage, name }
    }

    /// The repository's name.
    pub fn name(&self) -> &'a Name {
        self.name
    }

    /// Another repository in the same storage.
    pub fn other<'b>(&'b self, name: &'b Name) -> Repository<'b, S> {
        Repository { storage: self.storage, name }
    }

    /// The storage.
    pub(crate) fn storage(&self) -> &'a S {
        self.storage
    }

    /// Finds a blob that the repository has.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Blob>> {
        self.resolve(&layout::layer_link(self.name, digest))
    }

    /// Finds stored content, regardless of the repositories that have it.
    pub fn find_anywhere(&self, digest: &Digest) -> Result<Option<Blob>> {
        if digest.algorithm() == Algorithm::Sha256 {
            return self.blob_by_digest(digest);
        }
        self.resolve(&layout::alias(digest))
    }

    /// Finds content by its canonical digest.
    fn blob_by_digest(&self, canonical: &Digest) -> Result<Option<Blob>> {
        let size = self.storage.stat(&layout::blob(canonical))?.map(|info| info.size);
        // A crash may have left the content without its bytes.
        let size = size.filter(|size| *size > 0 || *canonical == Digest::of(Algorithm::Sha256, &[]));
        Ok(size.map(|size| Blob { canonical: canonical.clone(), size }))
    }

    /// Links a stored blob to the repository.
    pub fn link_blob(&self, digest: &Digest, canonical: &Digest) -> Result<()> {
        self.storage.set(&layout::layer_link(self.name, canonical), canonical.as_str().as_bytes())?;
        if digest != canonical {
            self.storage.set(&layout::alias(digest), canonical.as_str().as_bytes())?;
            self.storage.set(&layout::layer_link(self.name, digest), canonical.as_str().as_bytes())?;
        }
        Ok(())
    }

    /// Finds a manifest that the repository has, and its digest: the requested one, or the one that
    /// the tag points to.
    pub fn manifest(&self, reference: &Reference) -> Result<Option<(Digest, Blob)>> {
        let digest = match reference {
            Reference::Digest(digest) => digest.clone(),
            Reference::Tag(tag) => match self.link(&layout::tag_link(self.name, tag))? {
                Some(digest) => digest,
                None => return Ok(None),
            },
        };
        let manifest = self.resolve(&layout::revision_link(self.name, &digest))?;
        Ok(manifest.map(|blob| (digest, blob)))
    }

    /// Reads a manifest that was found. Returns `None` if the content does not match the digest, which counts as absent.
    pub fn read_manifest(&self, manifest: &Blob) -> Result<Option<Vec<u8>>> {
        let mut content = Vec::new();
        self.read(manifest, |bytes| content.extend_from_slice(bytes))?;
        Ok(Some(content).filter(|content| Digest::of(Algorithm::Sha256, content) == manifest.canonical))
    }

    /// Removes content, for all repositories, if it does not match its digest, and returns whether it did. This reads all
    /// of the content.
    pub fn remove_if_broken(&self, blob: &Blob) -> Result<bool> {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        self.read(blob, |bytes| hasher.update(bytes))?;
        let key = layout::blob(&blob.canonical);
        // Another request may have pushed the content meanwhile; then its size has changed.
        let size = || Ok(self.storage.stat(&key)?.map(|info| info.size));
        if hasher.finish() == blob.canonical || size()? != Some(blob.size) {
            return Ok(false);
        }
        self.storage.delete_blob(&key)?;
        Ok(true)
    }

    /// Finds how a client gets content that was found, from `offset` on: by a URL of the storage's, if it has one, or the
    /// content itself, of which no more than `length` bytes may be taken.
    pub fn serve(&self, blob: &Blob, offset: u64, length: u64) -> Result<Served> {
        let key = layout::blob(&blob.canonical);
        if S::HAS_LOCATIONS
            && let Some(url) = self.storage.location(&key)?
        {
            return Ok(Served::At(url));
        }
        self.storage.read(&key, offset, length).map(Served::Content)
    }

    /// Opens content that was found, from `offset` on. No more than `length` bytes may be taken.
    fn open(&self, blob: &Blob, offset: u64, length: u64) -> Result<Content> {
        self.storage.read(&layout::blob(&blob.canonical), offset, length)
    }

    /// Reads content to its end.
    fn read(&self, blob: &Blob, mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut stored = self.open(blob, 0, blob.size)?;
        let read = read_exactly(&mut stored, blob.size, "stored content ends early", |bytes| {
            take(bytes);
            Ok(())
        });
        read.map_err(Error::Other)
    }

    /// Whether the repository has a manifest.
    pub fn has_manifest(&self, digest: &Digest) -> Result<bool> {
        Ok(self.resolve(&layout::revision_link(self.name, digest))?.is_some())
    }

    /// Makes `_layers` exist, which distribution's collector needs to recognise the repository. It is called when the first
    /// manifest names no content of the repository; otherwise a blob's link, or an earlier manifest, has made it.
    pub fn keep_layers(&self) -> Result<()> {
        let key = layout::layers_keep(self.name);
        if self.storage.get(&key)?.is_none() {
            self.storage.set(&key, b"")?;
        }
        Ok(())
    }

    /// Stores a manifest under its digest, which is that of the content, and points tags to it.
    ///
    /// The order of the writes is the content, the link from its subject, the revision, a tag's history, the tag: the
    /// manifest becomes visible last.
    pub fn put_manifest(
        &self,
        content: &[u8],
        digest: &Digest,
        canonical: &Digest,
        subject: Option<&Digest>,
        tags: &[String],
    ) -> Result<()> {
        let link = canonical.as_str().as_bytes();
        self.storage.put(&layout::blob(canonical), content)?;
        if let Some(subject) = subject {
            self.storage.set(&layout::referrer_link(self.name, subject, digest), link)?;
        }
        self.storage.set(&layout::revision_link(self.name, canonical), link)?;
        if digest != canonical {
            self.storage.set(&layout::revision_link(self.name, digest), link)?;
        }
        for tag in tags {
            // The tag keeps the digest that the manifest was pushed by, which it is served with.
            self.storage.set(&layout::tag_index_link(self.name, tag, digest), digest.as_str().as_bytes())?;
            self.storage.set(&layout::tag_link(self.name, tag), digest.as_str().as_bytes())?;
        }
        Ok(())
    }

    /// Removes a blob from the repository, under all its digests. Other repositories keep it.
    pub fn unlink_blob(&self, canonical: &Digest) -> Result<()> {
        self.storage.delete(&layout::layer_link(self.name, canonical))?;
        for alias in self.digests_of(&layout::layers(self.name, Algorithm::Sha512), canonical)? {
            self.storage.delete(&layout::layer_link(self.name, &alias))?;
        }
        Ok(())
    }

    /// Removes a manifest from the repository, under all its digests and tags, and returns whether the repository had it.
    /// The tags are removed first, so that none points to a missing manifest. The content may be lost already.
    pub fn delete_manifest(&self, digest: &Digest) -> Result<bool> {
        let Some(canonical) = self.link(&layout::revision_link(self.name, digest))? else { return Ok(false) };
        let content = match self.blob_by_digest(&canonical)? {
            Some(blob) => self.read_manifest(&blob)?,
            None => None,
        };
        let subject = content.and_then(|content| Referrer::of(&content)?.subject);
        let mut digests = self.digests_of(&layout::revisions(self.name, Algorithm::Sha512), &canonical)?;
        digests.push(canonical);
        let names = self.storage.list(&layout::tags(self.name), None, u32::MAX)?;
        for tag in names.into_iter().filter(|name| is_tag(name)) {
            if self.link(&layout::tag_link(self.name, &tag))?.is_some_and(|digest| digests.contains(&digest))
            {
                self.storage.delete_prefix(&layout::tag(self.name, &tag))?;
            }
        }
        for digest in digests {
            self.storage.delete(&layout::revision_link(self.name, &digest))?;
            if let Some(subject) = &subject {
                self.storage.delete(&layout::referrer_link(self.name, subject, &digest))?;
            }
        }
        Ok(true)
    }

    /// Removes a tag, with its history, and returns whether there was one. The manifest stays,
    /// and need not exist; the tag may be damaged.
    pub fn delete_tag(&self, tag: &str) -> Result<bool> {
        if self.storage.get(&layout::tag_link(self.name, tag))?.is_none() {
            return Ok(false);
        }
        self.storage.delete_prefix(&layout::tag(self.name, tag))?;
        Ok(true)
    }

    /// Returns the SHA-512 digests by which the links under a prefix name content, given its canonical digest.
    fn digests_of(&self, prefix: &str, canonical: &Digest) -> Result<Vec<Digest>> {
        let mut aliases = Vec::new();
        for hex in self.storage.list(prefix, None, u32::MAX)? {
            let Some(alias) = layout::listed_digest(Algorithm::Sha512, &hex) else { continue };
            if self.link(&layout::link_in(prefix, &hex))?.as_ref() == Some(canonical) {
                aliases.push(alias);
            }
        }
        Ok(aliases)
    }

    /// Lists at most `limit` tags in byte order, after one.
    ///
    /// Foreign names among the tags, and tags that a crash left unfinished, are skipped: a client may reject a whole list
    /// because of one invalid tag.
    pub fn tags(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let mut tags: Vec<String> = Vec::new();
        let mut after = after.map(str::to_owned);
        loop {
            let wanted = limit - tags.len() as u32;
            let names = self.storage.list(&layout::tags(self.name), after.as_deref(), wanted)?;
            let complete = names.len() < wanted as usize;
            after = names.last().cloned();
            for name in names {
                if is_tag(&name) && self.link(&layout::tag_link(self.name, &name))?.is_some() {
                    tags.push(name);
                }
            }
            if complete || tags.len() == limit as usize {
                return Ok(tags);
            }
        }
    }

    /// Whether anything was ever pushed to the repository, and not only to one below it.
    pub fn exists(&self) -> Result<bool> {
        let own = self.storage.list(&layout::repository(self.name), Some(layout::OWN), 1)?;
        Ok(own.first().is_some_and(|name| layout::is_own(name)))
    }

    /// Reads a link and finds the content that it names.
    fn resolve(&self, key: &str) -> Result<Option<Blob>> {
        self.link(key)?.map_or(Ok(None), |canonical| self.blob_by_digest(&canonical))
    }

    /// Reads a link. An empty or malformed link, which a crash of distribution can leave, counts as missing, so that a push
    /// repairs it.
    fn link(&self, key: &str) -> Result<Option<Digest>> {
        let value = self.storage.get(key)?.unwrap_or_default();
        Ok(str::from_utf8(&value).ok().and_then(|digest| Digest::parse(digest.trim()).ok()))
    }
}
