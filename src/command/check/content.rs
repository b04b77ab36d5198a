//! The content: each blob, read to its end and compared with its digest.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::repository::Part;
use super::{Check, Place};
use crate::clock;
use crate::command::Failure;
use crate::command::output::Field;
use crate::layout;
use lighter_hash::{Algorithm, Digest, Hasher};
use lighter_storage::{BlobInfo, Error, Storage, Stream};

/// The number of blobs that are found at a time.
const LISTED: u32 = 1000;

/// How far apart two statements of when a blob was published may be, in seconds, that mean the same time: an age is in
/// whole seconds.
const SAME: u64 = 1;

/// What is known of a blob, and since when it is there.
#[derive(Clone, Copy)]
struct Seen {
    size: u64,
    /// When the blob was published, in seconds since 1970, if the store knows.
    published: Option<u64>,
}

impl Seen {
    /// What the store says of a blob at a time.
    fn at(now: u64, info: BlobInfo) -> Self {
        Self { size: info.size, published: info.age.map(|age| now.saturating_sub(age)) }
    }

    /// Whether the blob was not published again in between. In doubt it was.
    fn is_same(self, other: Self) -> bool {
        self.size == other.size
            && match (self.published, other.published) {
                (Some(one), Some(other)) => one.abs_diff(other) <= SAME,
                (None, None) => true,
                _ => false,
            }
    }
}

/// A blob that was read in part.
pub(super) struct Begun {
    digest: Digest,
    seen: Seen,
    offset: u64,
    /// The hash of what was read.
    hasher: Hasher,
}

/// What came of reading a blob.
enum Read {
    /// It is as it should be, or it is gone.
    Fine,
    /// It does not match its digest.
    Broken,
    /// It cannot be read.
    Unreadable,
    /// The time was up.
    Begun(Box<Begun>),
}

impl<S: Storage> Check<'_, '_, S> {
    /// Checks blobs after a key until the time is up, or until there is something else to do about one.
    pub(super) fn content(&mut self, mut after: String) -> Result<Place, Failure> {
        loop {
            let from = Some(after.as_str()).filter(|after| !after.is_empty());
            let now = clock::seconds();
            let page = self.step.storage.enumerate(&layout::blobs(), from, LISTED)?;
            for entry in page.entries {
                if let Some(digest) = layout::blob_digest(&entry.key)
                    && let Some(place) = self.blob(&digest, Seen::at(now, entry.info))?
                {
                    return Ok(place);
                }
                after = entry.key;
                if self.step.is_late() {
                    return Ok(Place::Content(after));
                }
            }
            match page.next {
                Some(next) => after = next,
                None => return Ok(Place::Repository(String::new(), Part::END)),
            }
            if self.step.is_late() {
                return Ok(Place::Content(after));
            }
        }
    }

    /// Goes on with a blob that was read in part.
    pub(super) fn inside(&mut self, begun: Box<Begun>) -> Result<Place, Failure> {
        let digest = begun.digest.clone();
        let now = clock::seconds();
        let place = match self.step.storage.stat(&layout::blob(&digest))? {
            Some(info) => {
                let seen = Seen::at(now, info);
                let end = self.read(&digest, seen, Some(begun).filter(|begun| begun.seen.is_same(seen)))?;
                self.ended(&digest, seen.size, end)?
            }
            None => None,
        };
        Ok(place.unwrap_or_else(|| Place::Content(layout::blob(&digest))))
    }

    /// Checks a blob. Returns a place if the walk does not go on with the next blob.
    fn blob(&mut self, digest: &Digest, seen: Seen) -> Result<Option<Place>, Failure> {
        // A crash of another registry may have left the name without the bytes.
        let is_empty = seen.size == 0 && *digest != Digest::of(Algorithm::Sha256, &[]);
        let end = if self.is_quick && !is_empty { Read::Fine } else { self.read(digest, seen, None)? };
        self.ended(digest, seen.size, end)
    }

    /// Counts a blob, and prints what was found of it.
    fn ended(&mut self, digest: &Digest, size: u64, end: Read) -> Result<Option<Place>, Failure> {
        let text = Field::Text(digest.as_str());
        match end {
            Read::Begun(begun) => return Ok(Some(Place::Inside(begun))),
            Read::Fine => {}
            Read::Unreadable => self.found(
                &format!("the blob {digest} cannot be read"),
                &[("finding", Field::Text("unreadable")), ("digest", text)],
            ),
            Read::Broken => {
                if self.removes {
                    self.step.storage.delete_blob(&layout::blob(digest))?;
                }
                let removed = if self.removes { ", and was removed" } else { "" };
                self.found(
                    &format!("the blob {digest} of {size} bytes does not match its digest{removed}"),
                    &[
                        ("finding", Field::Text("broken")),
                        ("digest", text),
                        ("bytes", Field::Number(size)),
                        ("removed", Field::Flag(self.removes)),
                    ],
                );
            }
        }
        self.sums.blobs += 1;
        self.sums.bytes += size;
        // The second part of the walk finds which repositories had what was removed.
        let owners = matches!(end, Read::Unreadable) || matches!(end, Read::Broken) && !self.removes;
        Ok(owners.then(|| Place::Owners(digest.clone(), String::new())))
    }

    /// Reads a blob, from where an earlier piece has stopped.
    fn read(&mut self, digest: &Digest, mut seen: Seen, begun: Option<Box<Begun>>) -> Result<Read, Failure> {
        let key = layout::blob(digest);
        let mut from = begun.map(|begun| (begun.offset, begun.hasher));
        loop {
            let (mut offset, mut hasher) = from.take().unwrap_or_else(|| (0, Hasher::new(Algorithm::Sha256)));
            let mut content = match self.step.storage.read(&key, offset, seen.size - offset) {
                Ok(content) => content,
                Err(Error::NotFound) => return Ok(Read::Fine),
                Err(error) => return Ok(self.unreadable(digest, &error.to_string())),
            };
            while offset < seen.size {
                let mut bytes = match content.next() {
                    Ok(Some(bytes)) => bytes,
                    Ok(None) => break,
                    Err(error) => return Ok(self.unreadable(digest, &error)),
                };
                bytes.truncate(usize::try_from(seen.size - offset).unwrap_or(usize::MAX));
                hasher.update(&bytes);
                offset += bytes.len() as u64;
                self.step.out.progress(self.sums.blobs, "blobs", digest.as_str());
                if offset < seen.size && self.step.is_late() {
                    let digest = digest.clone();
                    return Ok(Read::Begun(Box::new(Begun { digest, seen, offset, hasher })));
                }
            }
            if offset == seen.size && hasher.finish() == *digest {
                return Ok(Read::Fine);
            }
            // Meanwhile a push may have stored it again, or a deletion removed it.
            let now = clock::seconds();
            match self.step.storage.stat(&key)?.map(|info| Seen::at(now, info)) {
                None => return Ok(Read::Fine),
                Some(again) if again.is_same(seen) => return Ok(Read::Broken),
                Some(again) => seen = again,
            }
        }
    }

    fn unreadable(&mut self, digest: &Digest, error: &str) -> Read {
        self.step.out.trouble(&format!("the blob {digest} cannot be read: {error}"));
        Read::Unreadable
    }
}

impl Begun {
    /// Reads a place.
    pub(super) fn read(parts: &[&str]) -> Option<Self> {
        let [hex, size, published, offset, state] = parts else { return None };
        let digest = digest(hex)?;
        let (size, offset) = (size.parse().ok()?, offset.parse().ok()?);
        let published = if published.is_empty() { None } else { Some(published.parse().ok()?) };
        let state = URL_SAFE_NO_PAD.decode(state).ok()?;
        let hasher = Hasher::from_state(Algorithm::Sha256, &state, offset)?;
        (offset <= size).then_some(Self { digest, seen: Seen { size, published }, offset, hasher })
    }

    /// Writes a place.
    pub(super) fn write(&self) -> String {
        let Self { digest, seen: Seen { size, published }, offset, hasher } = self;
        let published = published.map(|published| published.to_string()).unwrap_or_default();
        let state = URL_SAFE_NO_PAD.encode(hasher.to_state());
        format!("{},{size},{published},{offset},{state}", digest.hex())
    }
}

/// Reads the digest in a place.
pub(super) fn digest(hex: &str) -> Option<Digest> {
    layout::listed_digest(Algorithm::Sha256, hex)
}

/// Reads a position among all content: what follows their prefix, or nothing for the beginning. It need not be a key.
pub(super) fn position(place: &str) -> Option<String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b'~');
    if place.is_empty() {
        return Some(String::new());
    }
    place.bytes().all(allowed).then(|| format!("{}/{place}", layout::blobs()))
}

/// Writes a position.
pub(super) fn place(position: &str) -> &str {
    position.strip_prefix(&layout::blobs()).and_then(|place| place.strip_prefix('/')).unwrap_or_default()
}
