//! A repository: links to blobs and manifests, and tags. Content is stored once for all repositories; a repository sees
//! only the content that it has a link to.

mod tag;

use crate::immutable_tags::ImmutableTags;
use crate::layout;
use crate::name::{Name, is_tag};
use crate::referrer::Referrer;
use lighter_hash::{Algorithm, Digest, Hasher};
use lighter_storage::{BlobInfo, Content, Error, Result, Storage, ValueWith, read_exactly};

/// Stored content that a repository may see.
#[derive(Debug)]
pub struct Blob {
    /// The digest that the content is stored under.
    pub canonical: Digest,
    /// The content's size in bytes.
    pub size: u64,
    /// How many seconds ago the content was last pushed, to any repository, if the storage knows.
    pub age: Option<u64>,
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

/// The result of a deletion.
#[derive(Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It was there, and is removed.
    Done,
    /// It was not there.
    Absent,
    /// It stays, because this tag is immutable.
    Refused(String),
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
        self.resolve(&layout::layer_link(self.name, digest), digest)
    }

    /// Finds several blobs, as [`blob`](Self::blob) does each.
    pub fn blobs<'d>(&self, digests: impl Iterator<Item = &'d Digest>) -> Result<Vec<Option<Blob>>> {
        let links: Vec<String> = digests.map(|digest| layout::layer_link(self.name, digest)).collect();
        let values = self.storage.get_all(&links)?.into_iter();
        let linked: Vec<Option<Digest>> =
            values.map(|value| value.and_then(|value| layout::digest_in_link(&value))).collect();
        let contents: Vec<String> = linked.iter().flatten().map(layout::blob).collect();
        let mut infos = self.storage.stat_all(&contents)?.into_iter();
        let mut blob = |canonical| blob_of(canonical, infos.next().flatten());
        Ok(linked.into_iter().map(|canonical| canonical.and_then(&mut blob)).collect())
    }

    /// Finds stored content, regardless of the repositories that have it.
    pub fn find_anywhere(&self, digest: &Digest) -> Result<Option<Blob>> {
        if digest.algorithm() == Algorithm::Sha256 {
            return self.blob_by_digest(digest);
        }
        self.resolve(&layout::alias(digest), digest)
    }

    /// Finds content by its canonical digest.
    fn blob_by_digest(&self, canonical: &Digest) -> Result<Option<Blob>> {
        let info = self.storage.stat(&layout::blob(canonical))?;
        Ok(blob_of(canonical.clone(), info))
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

    /// Whether stored content is there, by its canonical digest.
    pub fn has_content(&self, canonical: &Digest) -> Result<bool> {
        Ok(self.blob_by_digest(canonical)?.is_some())
    }

    /// Whether the repository has all of the links that [`link_blob`](Self::link_blob) makes.
    pub fn has_links(&self, digest: &Digest, canonical: &Digest) -> Result<bool> {
        let mut keys = vec![layout::layer_link(self.name, canonical)];
        if digest != canonical {
            keys.extend([layout::alias(digest), layout::layer_link(self.name, digest)]);
        }
        for key in keys {
            if self.link(&key)?.as_ref() != Some(canonical) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Finds a manifest that the repository has, and its digest: the requested one, or the one that
    /// the tag points to.
    pub fn manifest(&self, reference: &Reference) -> Result<Option<(Digest, Blob)>> {
        let Some(digest) = self.named(reference)? else { return Ok(None) };
        let manifest = self.resolve(&layout::revision_link(self.name, &digest), &digest)?;
        Ok(manifest.map(|blob| (digest, blob)))
    }

    /// Returns the digest that a reference names, whether or not there is such a manifest.
    pub fn named(&self, reference: &Reference) -> Result<Option<Digest>> {
        match reference {
            Reference::Digest(digest) => Ok(Some(digest.clone())),
            Reference::Tag(tag) => self.named_by(tag),
        }
    }

    /// Reads a manifest, if the repository has it. Content that does not match the digest counts as absent.
    pub fn load_manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let link = layout::revision_link(self.name, digest);
        let linked = self.linked(&link, digest, S::get_and_load, S::load)?;
        Ok(linked.and_then(|(canonical, content)| {
            content.filter(|content| Digest::of(Algorithm::Sha256, content) == canonical)
        }))
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
        Ok(self.resolve(&layout::revision_link(self.name, digest), digest)?.is_some())
    }

    /// Whether the repository lists a manifest, whose content may be lost.
    pub fn has_link(&self, digest: &Digest) -> Result<bool> {
        Ok(self.link(&layout::revision_link(self.name, digest))?.is_some())
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

    /// Stores a manifest under its digest, which is that of the content.
    ///
    /// The order of the writes is the content, the link from its subject, the revision: the manifest becomes visible last,
    /// and then its tags.
    pub fn put_manifest(
        &self,
        content: &[u8],
        digest: &Digest,
        canonical: &Digest,
        subject: Option<&Digest>,
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
        Ok(())
    }

    /// Whether a manifest is there under both of its digests, as [`put_manifest`](Self::put_manifest) stores it.
    pub fn has_all_of_manifest(&self, digest: &Digest, canonical: &Digest) -> Result<bool> {
        Ok(self.has_manifest(canonical)? && (digest == canonical || self.has_manifest(digest)?))
    }

    /// Takes back a manifest that was stored a moment ago. The content stays until garbage collection.
    pub fn take_back_manifest(
        &self,
        digest: &Digest,
        canonical: &Digest,
        subject: Option<&Digest>,
    ) -> Result<()> {
        self.storage.delete(&layout::revision_link(self.name, canonical))?;
        if digest != canonical {
            self.storage.delete(&layout::revision_link(self.name, digest))?;
        }
        match subject {
            Some(subject) => self.storage.delete(&layout::referrer_link(self.name, subject, digest)),
            None => Ok(()),
        }
    }

    /// Removes a blob from the repository, under all its digests. Other repositories keep it.
    pub fn unlink_blob(&self, canonical: &Digest) -> Result<()> {
        self.storage.delete(&layout::layer_link(self.name, canonical))?;
        for alias in self.digests_of(&layout::layers(self.name, Algorithm::Sha512), canonical)? {
            self.storage.delete(&layout::layer_link(self.name, &alias))?;
        }
        Ok(())
    }

    /// Removes a tag alone, or a manifest with all its tags, unless an immutable tag would go with it.
    pub fn delete(&self, reference: &Reference, immutable: &ImmutableTags) -> Result<Deletion> {
        let is_immutable = |tag: &str| immutable.include(self.name, tag);
        match reference {
            Reference::Tag(tag) if is_immutable(tag) && self.held_by_tag(tag)?.is_some() => {
                Ok(Deletion::Refused(tag.clone()))
            }
            Reference::Tag(tag) => self.delete_tag(tag),
            Reference::Digest(digest) => self.delete_manifest(digest, is_immutable),
        }
    }

    /// Removes a manifest from the repository, under all its digests and tags, and returns whether the repository had it.
    /// The tags are removed first, so that none points to a missing manifest. The content may be lost already.
    ///
    /// If one of the tags is immutable, nothing is removed.
    pub fn delete_manifest(&self, digest: &Digest, is_immutable: impl Fn(&str) -> bool) -> Result<Deletion> {
        let Some(canonical) = self.link(&layout::revision_link(self.name, digest))? else {
            return Ok(Deletion::Absent);
        };
        let digests = self.digests_of_manifest(&canonical)?;
        let mut tags = Vec::new();
        for tag in self.storage.list(&layout::tags(self.name), None, u32::MAX)? {
            if is_tag(&tag) && self.named_by(&tag)?.is_some_and(|digest| digests.contains(&digest)) {
                tags.push(tag);
            }
        }
        if let Some(tag) = tags.iter().find(|tag| is_immutable(tag)) {
            return Ok(Deletion::Refused(tag.clone()));
        }
        for tag in tags {
            self.storage.delete_prefix(&layout::tag(self.name, &tag))?;
        }
        self.unlink_manifest(&canonical, &digests, &|| true)?;
        Ok(Deletion::Done)
    }

    /// Removes a manifest from the repository, under all its digests, for as long as it may. Returns whether it has. Tags that
    /// point to it stay.
    pub fn delete_revision(&self, canonical: &Digest, may: &dyn Fn() -> bool) -> Result<bool> {
        self.unlink_manifest(canonical, &self.digests_of_manifest(canonical)?, may)
    }

    fn unlink_manifest(
        &self,
        canonical: &Digest,
        digests: &[Digest],
        may: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let content = match self.blob_by_digest(canonical)? {
            Some(blob) => self.read_manifest(&blob)?,
            None => None,
        };
        let subject = content.and_then(|content| Referrer::of(&content)?.subject);
        for digest in digests {
            if !may() {
                return Ok(false);
            }
            self.storage.delete(&layout::revision_link(self.name, digest))?;
            if let Some(subject) = &subject {
                self.storage.delete(&layout::referrer_link(self.name, subject, digest))?;
            }
        }
        Ok(true)
    }

    /// Returns the digests by which the repository has a manifest, the canonical one last.
    fn digests_of_manifest(&self, canonical: &Digest) -> Result<Vec<Digest>> {
        let mut digests = self.digests_of(&layout::revisions(self.name, Algorithm::Sha512), canonical)?;
        digests.push(canonical.clone());
        Ok(digests)
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

    /// Whether anything was ever pushed to the repository, and not only to one below it.
    pub fn exists(&self) -> Result<bool> {
        let own = self.storage.list(&layout::repository(self.name), Some(layout::OWN), 1)?;
        Ok(own.first().is_some_and(|name| layout::is_own(name)))
    }

    /// Reads the link by which content has a digest, and finds the content that it names.
    fn resolve(&self, link: &str, digest: &Digest) -> Result<Option<Blob>> {
        let linked = self.linked(link, digest, S::get_and_stat, S::stat)?;
        Ok(linked.and_then(|(canonical, info)| blob_of(canonical, info)))
    }

    /// Reads the link by which content has a digest, and asks for the content that it names: together with the link, if it
    /// can be known before what that names. Of a canonical digest, a link names that digest.
    fn linked<T>(
        &self,
        link: &str,
        digest: &Digest,
        both: impl FnOnce(&S, &str, &str) -> Result<Option<ValueWith<T>>>,
        alone: impl FnOnce(&S, &str) -> Result<Option<T>>,
    ) -> Result<Option<(Digest, Option<T>)>> {
        let (named, found) = if digest.algorithm() == Algorithm::Sha256 {
            let Some((value, found)) = both(self.storage, link, &layout::blob(digest))? else {
                return Ok(None);
            };
            (layout::digest_in_link(&value), Some(found))
        } else {
            (self.link(link)?, None)
        };
        let Some(canonical) = named else { return Ok(None) };
        let found = match found {
            Some(found) if canonical == *digest => found,
            _ => alone(self.storage, &layout::blob(&canonical))?,
        };
        Ok(Some((canonical, found)))
    }

    /// Reads a link. One that names no digest counts as missing, so that a push repairs it.
    fn link(&self, key: &str) -> Result<Option<Digest>> {
        Ok(self.storage.get(key)?.and_then(|value| layout::digest_in_link(&value)))
    }
}

/// Content that is known by its canonical digest, unless a crash has left it without its bytes.
fn blob_of(canonical: Digest, info: Option<BlobInfo>) -> Option<Blob> {
    let info = info.filter(|info| info.size > 0 || canonical == Digest::of(Algorithm::Sha256, &[]))?;
    Some(Blob { canonical, size: info.size, age: info.age })
}
