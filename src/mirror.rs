//! The mirror: repositories whose content comes from an upstream when it is first asked for, and stays.
//!
//! Manifests and blobs are stored as if they had been pushed, under the repository's name. What is named by a digest is
//! never asked for again. A tag has one value more, which says until when its upstream need not be asked.
//!
//! What an upstream does not have is not remembered: that would let any client store a value for each name that it makes
//! up.

mod keep;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};

pub use self::keep::Keep;
use crate::access_log::log;
use crate::clock;
use crate::config::Validation;
use crate::garbage::outside::System;
use crate::http::range::ByteRange;
use crate::layout;
use crate::manifest::{MANIFEST_MAX, Manifest};
use crate::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use crate::name::Name;
use crate::push::{self, Pushed};
use crate::repository::{Reference, Repository};
use crate::upstream::{Client, Failure, Origin, Question, Upstream, Upstreams};
use lighter_fetch::{Ask, Response};
use lighter_hash::{Algorithm, Digest};
use lighter_storage::{self as storage, Content, Storage};

/// How long an upstream that failed is not asked again for a tag that is stored, in seconds.
const RETRY: u64 = 30;

/// Why something could not be had.
#[derive(Debug)]
pub enum Error {
    /// The upstream has not given it.
    Upstream(Failure),
    /// Storage has failed.
    Storage(storage::Error),
}

/// What the mirror returns.
pub type Result<T> = core::result::Result<T, Error>;

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Upstream(failure)
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        Self::Storage(error)
    }
}

fn down(why: impl Into<String>) -> Error {
    Error::Upstream(Failure::Down(why.into()))
}

/// A mirror of upstreams. It lives as long as its process or instance, because what it streams does not end with the
/// function that answers.
pub struct Mirror<S: 'static> {
    storage: &'static S,
    upstreams: &'static Upstreams,
    client: Client,
    /// Whether an upload was begun since [`take_begun`](Self::take_begun) was last called.
    begun: AtomicBool,
}

impl<S: Storage> Mirror<S> {
    /// Makes a mirror that asks its upstreams by `fetch`.
    pub fn new(storage: &'static S, upstreams: &'static Upstreams, fetch: &'static dyn Ask) -> Self {
        Self { storage, upstreams, client: Client::new(fetch), begun: AtomicBool::new(false) }
    }

    /// Finds where a repository comes from, as [`Upstreams::find`] does.
    pub fn find(&self, name: &Name, namespace: Option<&str>) -> Option<Origin<'static>> {
        self.upstreams.find(name.as_str(), namespace)
    }

    /// Whether an upload was begun since the last time: one that a crash abandons has to be found.
    pub fn take_begun(&self) -> bool {
        self.begun.swap(false, Ordering::Relaxed)
    }
}

/// A mirrored repository.
pub struct Source<S: 'static> {
    mirror: &'static Mirror<S>,
    upstream: &'static Upstream,
    /// Its name at the upstream.
    remote: String,
    /// Its name here.
    name: Name,
}

impl<S: Storage> Source<S> {
    /// The repository that it is stored in.
    fn repository(&self) -> Repository<'_, S> {
        Repository::new(self.mirror.storage, &self.name)
    }
}

// A derived one would want `S: Clone`.
impl<S> Clone for Source<S> {
    fn clone(&self) -> Self {
        let Self { mirror, upstream, remote, name } = self;
        Self { mirror, upstream, remote: remote.clone(), name: name.clone() }
    }
}

/// A blob that an upstream has begun to send.
pub enum Opened<S: Storage + 'static> {
    /// All of it.
    Whole(Keep<S>),
    /// The part that was asked for, which is not stored.
    Part {
        /// The bytes.
        content: Content,
        /// The position of the first one.
        offset: u64,
        /// How many there are.
        length: u64,
        /// The size of the blob.
        size: u64,
    },
    /// The range has none of its bytes. The size, if the upstream says it.
    Unsatisfiable(Option<u64>),
}

/// A manifest that the store has not taken, and that is passed on all the same.
pub struct Passed {
    /// Its content, which matches the digest.
    pub content: Vec<u8>,
    /// The digest that it was asked for by, or that its tag names.
    pub digest: Digest,
}

/// A list of an upstream's, in JSON.
pub struct Listing {
    /// The document.
    pub body: Vec<u8>,
    /// The header `Link`.
    pub link: Option<String>,
    /// The header `OCI-Filters-Applied`.
    pub filters: Option<String>,
}

impl<S: Storage> Source<S> {
    /// A repository whose origin was found.
    pub fn new(mirror: &'static Mirror<S>, upstream: &'static Upstream, remote: String, name: Name) -> Self {
        Self { mirror, upstream, remote, name }
    }

    /// What clients call the upstream.
    pub fn namespace(&self) -> &'static str {
        &self.upstream.namespace
    }

    fn ask(
        &self,
        method: &'static str,
        path: &str,
        headers: Vec<(&'static str, String)>,
    ) -> Result<Response> {
        let (upstream, repository) = (self.upstream, &*self.remote);
        Ok(self.mirror.client.ask(&Question { upstream, repository, method, path, headers })?)
    }

    fn ask_for_manifest(&self, method: &'static str, reference: &str) -> Result<Response> {
        let types = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
        self.ask(method, &format!("/manifests/{reference}"), vec![("accept", types)])
    }

    /// Brings a tag up to date, unless its upstream was asked for it lately. If that fails, what is stored is as it was.
    /// Returns the new manifest if the store does not take it.
    pub fn refresh(&self, repository: &Repository<S>, tag: &str) -> Result<Option<Passed>> {
        let (storage, key) = (self.mirror.storage, layout::tag_fresh(&self.name, tag));
        let (now, ttl) = (clock::seconds(), self.upstream.ttl.as_secs());
        let until = storage.get(&key)?.and_then(|until| str::from_utf8(&until).ok()?.parse().ok());
        // A time that lies too far ahead is of another configuration, or of a clock that was wrong.
        if until.is_some_and(|until: u64| (now + 1..=now + ttl.max(RETRY)).contains(&until)) {
            return Ok(None);
        }
        let reference = Reference::Tag(tag.to_owned());
        let stored = repository.manifest(&reference)?;
        let refreshed = match &stored {
            Some((digest, _)) => match self.is_current(tag, digest) {
                Ok(true) => Ok(None),
                // Some registries, and mirrors of mirrors, answer a HEAD of what they have with 404.
                Ok(false) | Err(Error::Upstream(Failure::Unknown)) => {
                    self.fetch(repository, &reference, false)
                }
                Err(error) => Err(error),
            },
            None => self.fetch(repository, &reference, false),
        };
        let life = match &refreshed {
            Ok(None) => ttl,
            // A client that asks for a tag which nobody has stores nothing.
            Err(Error::Upstream(Failure::Down(_) | Failure::Limited(_))) if stored.is_some() => RETRY,
            Ok(Some(_)) | Err(_) => 0,
        };
        if life > 0
            && let Err(why) = storage.set(&key, (now + life).to_string().as_bytes())
        {
            log(format!("{}:{tag} is asked for again next time: {}", self.name, with_advice(&why)));
        }
        refreshed
    }

    /// Has a manifest that is served count as pulled, if that matters to anybody: if it is old, it is stored once more, which
    /// makes it new. So a pull that comes soon after another one costs nothing.
    pub fn trace(&self, repository: &Repository<S>, digest: &Digest) -> storage::Result<()> {
        let Some(period) = self.upstream.traced() else { return Ok(()) };
        let Some((_, manifest)) = repository.manifest(&Reference::Digest(digest.clone()))? else {
            return Ok(());
        };
        if manifest.age.is_some_and(|age| age < period) {
            return Ok(());
        }
        let content = repository.read_manifest(&manifest)?;
        let key = layout::blob(&manifest.canonical);
        content.map_or(Ok(()), |content| self.mirror.storage.put(&key, &content))
    }

    /// Removes the record that a manifest came from here. The manifest was deleted by this reference.
    pub fn forget(&self, reference: &str) -> storage::Result<()> {
        match Digest::parse(reference) {
            Ok(digest) => self.mirror.storage.delete(&layout::mirrored(&self.name, &digest)),
            // A tag.
            Err(_) => Ok(()),
        }
    }

    /// Whether the upstream's tag still names a digest. It is asked by HEAD, which Docker Hub does not count as a pull.
    fn is_current(&self, tag: &str, digest: &Digest) -> Result<bool> {
        let answer = self.ask_for_manifest("HEAD", tag)?;
        Ok(answer.header("docker-content-digest") == Some(digest.as_str()))
    }

    /// Fetches a manifest, and stores it. A tag is pointed to it; one that is immutable only if it points nowhere yet.
    /// Returns the manifest if the store does not take it.
    pub fn fetch(
        &self,
        repository: &Repository<S>,
        reference: &Reference,
        is_immutable: bool,
    ) -> Result<Option<Passed>> {
        let asked = match reference {
            Reference::Tag(tag) => tag.as_str(),
            Reference::Digest(digest) => digest.as_str(),
        };
        let mut answer = self.ask_for_manifest("GET", asked)?;
        let named = match reference {
            Reference::Digest(digest) => Some(digest.clone()),
            Reference::Tag(_) => {
                answer.header("docker-content-digest").and_then(|name| Digest::parse(name).ok())
            }
        };
        let content = answer.read(MANIFEST_MAX as usize).map_err(|error| down(error.to_string()))?;
        let canonical = Digest::of(Algorithm::Sha256, &content);
        let digest = named.unwrap_or_else(|| canonical.clone());
        if Digest::of(digest.algorithm(), &content) != digest {
            return Err(down("its manifest does not match the digest"));
        }
        let manifest = Manifest::parse(&content, answer.header("content-type"));
        let manifest = manifest.map_err(|wrong| down(format!("its manifest cannot be stored: {wrong}")))?;
        // What it names is not here yet, and is fetched when a client asks for it.
        let (manifest, validation) = (&manifest, Validation { images: false, indexes: false });
        let pushed =
            Pushed { content: &content, digest: &digest, canonical: &canonical, manifest, validation };
        let Err(why) = self.keep(repository, reference, is_immutable, &pushed) else { return Ok(None) };
        self.tell_passed_on(&digest, &why);
        Ok(Some(Passed { content, digest }))
    }

    /// Stores a manifest, and points a tag to it.
    fn keep(
        &self,
        repository: &Repository<S>,
        reference: &Reference,
        is_immutable: bool,
        pushed: &Pushed,
    ) -> storage::Result<()> {
        let Pushed { digest, canonical, .. } = pushed;
        // Before the manifest: without this, it would count as pushed by somebody, and stay for ever.
        let came = clock::seconds().to_string();
        self.mirror.storage.set(&layout::mirrored(&self.name, canonical), came.as_bytes())?;
        push::manifest(repository, &System, pushed)?;
        match reference {
            // Whichever of several comes first, all clients get that one.
            Reference::Tag(tag) if is_immutable => _ = repository.claim_tag(tag, digest, canonical)?,
            Reference::Tag(tag) => repository.move_tag(tag, digest)?,
            Reference::Digest(_) => {}
        }
        Ok(())
    }

    /// Logs that the store has not taken something that clients get all the same.
    pub fn tell_passed_on(&self, digest: &Digest, why: &storage::Error) {
        log(format!("{digest} of {} is passed on without being stored: {}", self.name, with_advice(why)));
    }

    /// Asks for the size of a blob.
    pub fn blob_size(&self, digest: &Digest) -> Result<u64> {
        let answer = self.ask("HEAD", &format!("/blobs/{digest}"), Vec::new())?;
        answer.content_length().ok_or_else(|| down("it does not say how long the blob is"))
    }

    /// Opens a blob, or the part of it that a `Range` with one range asks for.
    pub fn open(&self, digest: &Digest, range: Option<&str>) -> Result<Opened<S>> {
        let headers = range.map(|range| ("range", range.to_owned())).into_iter().collect();
        let answer = self.ask("GET", &format!("/blobs/{digest}"), headers)?;
        let (of_part, size) = content_range(&answer).unwrap_or_default();
        match answer.status {
            200 => {
                let size = answer.content_length();
                let size = size.ok_or_else(|| down("it does not say how long the blob is"))?;
                Ok(Opened::Whole(Keep::start(self.clone(), digest.clone(), answer.body, size)))
            }
            206 => match ByteRange::parse(range, size) {
                ByteRange::Part { offset, length } if of_part == Some((offset, length)) => {
                    Ok(Opened::Part { content: answer.body, offset, length, size })
                }
                _ => Err(down("it answers with another range")),
            },
            _ => Ok(Opened::Unsatisfiable(Some(size).filter(|size| *size > 0))),
        }
    }

    /// Opens the rest of a blob whose first bytes have come.
    fn open_rest(&self, digest: &Digest, offset: u64, size: u64) -> Result<Content> {
        match self.open(digest, Some(&format!("bytes={offset}-")))? {
            Opened::Part { content, size: still, .. } if still == size => Ok(content),
            _ => Err(down("it does not continue where it broke off")),
        }
    }

    /// Asks for a list: what follows the repository's name in the path, and the query.
    pub fn list(&self, path: &str, query: &str) -> Result<Listing> {
        let question = if query.is_empty() { path.to_owned() } else { [path, "?", query].concat() };
        let mut answer = self.ask("GET", &question, Vec::new())?;
        let body = answer.read(MANIFEST_MAX as usize).map_err(|error| down(error.to_string()))?;
        let header = |name: &str| answer.header(name).map(str::to_owned);
        Ok(Listing { body, link: header("link"), filters: header("oci-filters-applied") })
    }
}

/// Why the store has not taken something, and what to do about it.
fn with_advice(why: &storage::Error) -> String {
    let advice = match why {
        storage::Error::NoSpace(_) => "; make room or collect garbage",
        storage::Error::AccessDenied(_) => "; check that the server may write to the storage",
        _ => "",
    };
    format!("{why}{advice}")
}

/// Reads `Content-Range`: the first byte's position and the number of bytes, and the size of the whole.
fn content_range(answer: &Response) -> Option<(Option<(u64, u64)>, u64)> {
    let (range, size) = answer.header("content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    let part = range.split_once('-').and_then(|(first, last)| {
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        Some((first, last.checked_sub(first)?.checked_add(1)?))
    });
    Some((part, size.parse().ok()?))
}
