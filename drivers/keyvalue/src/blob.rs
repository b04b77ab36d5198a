//! Blobs: one value that has the bytes, if they are few, or says where they lie.
//!
//! A blob's key names its content, so that of two that are published at once either will do: the one
//! that comes second gives up its own chunks, unless the first one is broken. It makes the first one young again.
//!
//! A key without a blob may name chunks all the same, so that a crash leaves none that nothing names: those of a blob
//! that is *coming*, which are being written, and those of one that is *gone*, which are being removed. The one
//! becomes a blob or the other by one swap. So whoever has written chunks learns whether they are still wanted, and
//! if they are not, begins anew. Only what is gone is removed by others. The chunks of an upload need none of this: its
//! state names them.

use std::borrow::Cow;
use std::cell::Cell;

use lighter_storage::{BlobInfo, Error, Result};

use crate::bucket::Bucket;
use crate::content::{Content, Reader, Run};
use crate::key::{Kind, stored};
use crate::{cell, index};

const KIND: Kind = Kind::Blob;

/// So few bytes are no chunk.
pub(crate) const FEW: usize = 64 * 1024;

/// The words of the line that stands before the bytes, or before where they lie. After a blank, it says when the blob
/// was published, in seconds since 1970. Earlier versions did not say that.
const INLINE: &str = "bytes";
const CHUNKED: &str = "chunks";

/// The same where there is no blob: the time is when that was stored, and there may be no chunks.
const COMING: &str = "coming";
const GONE: &str = "gone";

/// How often a blob is made young while others change it. Each time one of them succeeds.
const TRIES: u32 = 1000;

/// A blob as it is stored.
#[derive(Debug, PartialEq)]
pub(crate) enum Blob {
    Inline(Vec<u8>),
    Chunked(Content),
}

impl Blob {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Chunked(content) => content.size(),
        }
    }

    fn write(&self, published: u64) -> Vec<u8> {
        let (kind, rest) = match self {
            Self::Inline(bytes) => (INLINE, Cow::Borrowed(bytes.as_slice())),
            Self::Chunked(content) => (CHUNKED, Cow::Owned(content.write().into_bytes())),
        };
        [format!("{kind} {published}\n").as_bytes(), &rest].concat()
    }

    fn is_of(&self, content: &Content) -> bool {
        matches!(self, Self::Chunked(own) if own == content)
    }

    fn is_intact(&self, bucket: &impl Bucket) -> Result<bool> {
        match self {
            Self::Inline(_) => Ok(true),
            Self::Chunked(content) => content.is_intact(bucket),
        }
    }

    pub(crate) fn delete_chunks(&self, bucket: &impl Bucket) -> Result<()> {
        match self {
            Self::Inline(_) => Ok(()),
            Self::Chunked(content) => content.delete(bucket),
        }
    }
}

/// What is stored under a blob's key.
#[derive(PartialEq)]
enum Stored {
    /// A blob, and when it was published, if that is known.
    Blob(Blob, Option<u64>),
    /// The chunks of a blob that is about to appear, since then.
    Coming(u64, Content),
    /// The chunks of a blob that was removed then, if they are not removed yet.
    Gone(u64, Option<Content>),
}

impl Stored {
    fn parse(stored: &[u8]) -> Option<Self> {
        let end = stored.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = (str::from_utf8(stored.get(..end)?).ok()?, stored.get(end + 1..)?);
        let (kind, time) = match line.split_once(' ') {
            Some((kind, time)) => (kind, Some(time.parse().ok()?)),
            None => (line, None),
        };
        let content = || Content::read(str::from_utf8(rest).ok()?);
        Some(match kind {
            INLINE => Self::Blob(Blob::Inline(rest.to_owned()), time),
            CHUNKED => Self::Blob(Blob::Chunked(content()?), time),
            COMING => Self::Coming(time?, content()?),
            GONE if rest.is_empty() => Self::Gone(time?, None),
            GONE => Self::Gone(time?, Some(content()?)),
            _ => return None,
        })
    }

    /// Reads what is stored under a key.
    fn get(bucket: &impl Bucket, key: &str) -> Result<Option<(Vec<u8>, Self)>> {
        let Some(stored) = bucket.get(&stored(KIND, key))? else { return Ok(None) };
        match Self::parse(&stored) {
            Some(parsed) => Ok(Some((stored, parsed))),
            None => Err(Error::Other(format!("what is stored as {key} is not a blob"))),
        }
    }
}

/// Writes where the chunks lie of a blob that is not there.
fn absent(kind: &str, time: u64, content: Option<&Content>) -> Vec<u8> {
    format!("{kind} {time}\n{}", content.map(Content::write).unwrap_or_default()).into_bytes()
}

/// Replaces what is stored under a key by something else, and returns whether that is there.
fn replace(bucket: &impl Bucket, key: &str, old: &[u8], new: &[u8]) -> Result<bool> {
    let place = stored(KIND, key);
    bucket.swap(&place, &|there| (there == old).then(|| new.to_owned()))?;
    Ok(bucket.get(&place)?.as_deref() == Some(new))
}

/// Finds a blob.
pub(crate) fn find(bucket: &impl Bucket, key: &str) -> Result<Option<Blob>> {
    Ok(look(bucket, key)?.map(|(blob, _)| blob))
}

/// Finds out how large a blob is, and how old.
pub(crate) fn stat(bucket: &impl Bucket, key: &str) -> Result<Option<BlobInfo>> {
    let Some((blob, published)) = look(bucket, key)? else { return Ok(None) };
    let age = published.map(|published| bucket.now().saturating_sub(published));
    Ok(Some(BlobInfo { size: blob.size(), age }))
}

/// Finds a blob, and when it was published.
fn look(bucket: &impl Bucket, key: &str) -> Result<Option<(Blob, Option<u64>)>> {
    Ok(match Stored::get(bucket, key)? {
        Some((_, Stored::Blob(blob, published))) => Some((blob, published)),
        _ => None,
    })
}

/// Opens a blob.
pub(crate) fn read<B: Bucket>(bucket: &B, key: &str, offset: u64, length: u64) -> Result<Reader<B>> {
    match find(bucket, key)?.ok_or(Error::NotFound)? {
        Blob::Inline(bytes) => Ok(Reader::new(bucket, None, bytes, offset, length)),
        Blob::Chunked(content) => Ok(Reader::new(bucket, Some(content), Vec::new(), offset, length)),
    }
}

/// Stores content that is all in memory, and publishes it.
pub(crate) fn put(bucket: &impl Bucket, key: &str, bytes: &[u8], chunk: usize) -> Result<()> {
    if bytes.len() <= FEW {
        return publish(bucket, key, &Blob::Inline(bytes.to_owned())).map(drop);
    }
    for _ in 0..TRIES {
        let mut content = Content::new(bucket.fresh_name());
        content.runs.push(Run { writer: 1, chunk: chunk as u64, bytes: bytes.len() as u64 });
        let blob = Blob::Chunked(content.clone());
        let chunks_are = match announce(bucket, key, &content)? {
            Some(is_announced) if is_announced => Chunks::Announced,
            Some(_) => Chunks::Named,
            None => return index::add(bucket, key),
        };
        for (index, bytes) in bytes.chunks(chunk).enumerate() {
            bucket.set(&content.chunk(1, index as u64), bytes)?;
        }
        let appeared = make_appear(bucket, key, &blob, chunks_are)?;
        if appeared != Appeared::Itself {
            content.delete(bucket)?;
        }
        if appeared != Appeared::Lost {
            return index::add(bucket, key);
        }
    }
    Err(contended(key))
}

/// Says under a key which chunks are about to be written for it. Returns whether that is said now, which it is not
/// where another one's is said, or none if the blob is there and needs no chunks.
fn announce(bucket: &impl Bucket, key: &str, content: &Content) -> Result<Option<bool>> {
    let coming = |now| absent(COMING, now, Some(content));
    for round in 0..TRIES {
        if cell::create(bucket, KIND, key, &coming(bucket.now()))? {
            // Where it is found by one who tidies.
            return index::add(bucket, key).map(|()| Some(true));
        }
        let Some(found) = bucket.get(&stored(KIND, key))? else { continue };
        match Stored::parse(&found) {
            Some(Stored::Blob(other, _)) => {
                if !is_as_good(bucket, &other, &Blob::Chunked(content.clone()))? {
                    return Ok(Some(false));
                }
                if make_young(bucket, key, &other)? {
                    return Ok(None);
                }
            }
            Some(Stored::Gone(_, None)) => {
                if replace(bucket, key, &found, &coming(bucket.now()))? {
                    return index::add(bucket, key).map(|()| Some(true));
                }
            }
            Some(Stored::Gone(_, Some(gone))) => drop(remove_gone(bucket, key, &found, &gone)?),
            // One who may be at work, or one that is to be replaced.
            Some(Stored::Coming(..)) | None => return Ok(Some(false)),
        }
        bucket.pause(round);
    }
    Err(contended(key))
}

/// Makes a blob appear, whole, by one small write. Returns whether that was needed; if not, nothing
/// refers to its chunks.
pub(crate) fn publish(bucket: &impl Bucket, key: &str, blob: &Blob) -> Result<bool> {
    let appeared = make_appear(bucket, key, blob, Chunks::Named)?;
    index::add(bucket, key)?;
    Ok(appeared == Appeared::Itself)
}

/// What names the chunks of a blob that is about to appear.
#[derive(Clone, Copy, PartialEq)]
enum Chunks {
    /// What is stored under its key, unless another has decided that they are to go.
    Announced,
    /// Something else.
    Named,
}

#[derive(Clone, Copy, PartialEq)]
enum Appeared {
    /// The blob is there.
    Itself,
    /// Another one is there that is as good.
    Another,
    /// Nothing that is as good is there, and its chunks may be gone.
    Lost,
}

fn make_appear(bucket: &impl Bucket, key: &str, blob: &Blob, chunks: Chunks) -> Result<Appeared> {
    let is_announced = chunks == Chunks::Announced;
    let tried = Cell::new(false);
    for round in 0..TRIES {
        if tried.get() && was_removed(bucket, key, blob)? {
            // Where the chunks were announced, it may also be that one who tidied took them for a crash's.
            return Ok(if is_announced { Appeared::Lost } else { Appeared::Another });
        }
        if !is_announced && cell::create(bucket, KIND, key, &blob.write(bucket.now()))? {
            return Ok(Appeared::Itself);
        }
        let Some(found) = bucket.get(&stored(KIND, key))? else {
            if is_announced {
                return Ok(Appeared::Lost);
            }
            continue;
        };
        let appear = || {
            tried.set(true);
            replace(bucket, key, &found, &blob.write(bucket.now()))
        };
        let is_done = match Stored::parse(&found) {
            // It may have been published before, by one who then crashed.
            Some(Stored::Blob(other, _)) if other == *blob || is_as_good(bucket, &other, blob)? => {
                if make_young(bucket, key, &other)? {
                    return Ok(if other == *blob { Appeared::Itself } else { Appeared::Another });
                }
                false
            }
            Some(Stored::Coming(_, content)) if is_announced && blob.is_of(&content) => appear()?,
            _ if is_announced => return Ok(Appeared::Lost),
            Some(Stored::Coming(since, content)) if !bucket.is_recent(since) => {
                let gone = absent(GONE, bucket.now(), Some(&content));
                replace(bucket, key, &found, &gone)?;
                false
            }
            // Whoever is about to make another appear finds this one, and gives up its chunks.
            Some(Stored::Coming(..) | Stored::Gone(_, None)) => appear()?,
            Some(Stored::Gone(_, Some(gone))) => {
                remove_gone(bucket, key, &found, &gone)?;
                false
            }
            other => {
                bucket.set(&stored(KIND, key), &blob.write(bucket.now()))?;
                if let Some(Stored::Blob(other, _)) = other {
                    other.delete_chunks(bucket)?;
                }
                true
            }
        };
        if is_done {
            return Ok(Appeared::Itself);
        }
        bucket.pause(round);
    }
    Err(contended(key))
}

/// Whether a blob that was about to appear has perhaps done so and was removed since, with its chunks. Then whoever
/// removed it has the last word.
fn was_removed(bucket: &impl Bucket, key: &str, blob: &Blob) -> Result<bool> {
    match bucket.get(&stored(KIND, key))?.as_deref().map(Stored::parse) {
        Some(Some(Stored::Gone(_, Some(content)))) if blob.is_of(&content) => Ok(true),
        Some(Some(Stored::Blob(there, _))) if there == *blob => Ok(false),
        _ => Ok(!blob.is_intact(bucket)?),
    }
}

/// Has the age of a blob count from now. Returns whether it is still there, and the same.
fn make_young(bucket: &impl Bucket, key: &str, blob: &Blob) -> Result<bool> {
    let since = bucket.now();
    for round in 0..TRIES {
        match bucket.get(&stored(KIND, key))?.as_deref().and_then(Stored::parse) {
            Some(Stored::Blob(there, published)) if there == *blob => {
                let now = bucket.now();
                if published.is_some_and(|published| (since..=now).contains(&published)) {
                    return Ok(true);
                }
                bucket.swap(&stored(KIND, key), &|there| match Stored::parse(there)? {
                    Stored::Blob(there, _) if there == *blob => Some(blob.write(now)),
                    _ => None,
                })?;
                bucket.pause(round);
            }
            _ => return Ok(false),
        }
    }
    Err(contended(key))
}

fn contended(key: &str) -> Error {
    Error::Other(format!("others keep changing {key}"))
}

/// Whether there is no need to replace a blob by another one of its key.
fn is_as_good(bucket: &impl Bucket, stored: &Blob, other: &Blob) -> Result<bool> {
    match (stored, other) {
        (Blob::Inline(stored), Blob::Inline(other)) => Ok(stored == other),
        _ => Ok(stored.size() == other.size() && stored.is_intact(bucket)?),
    }
}

/// Removes a blob and its chunks.
pub(crate) fn delete(bucket: &impl Bucket, key: &str) -> Result<()> {
    for round in 0..TRIES {
        match Stored::get(bucket, key) {
            Ok(Some((found, Stored::Blob(Blob::Chunked(content), _)))) => {
                let gone = absent(GONE, bucket.now(), Some(&content));
                if replace(bucket, key, &found, &gone)? {
                    content.delete(bucket)?;
                    // Another may have published it again, or have tidied it.
                    let is_own = bucket.get(&stored(KIND, key))?.as_deref() == Some(&*gone);
                    return if is_own { cell::delete_known(bucket, KIND, key) } else { Ok(()) };
                }
            }
            Ok(Some((_, Stored::Blob(Blob::Inline(_), _)))) => return cell::delete(bucket, KIND, key),
            // What is coming was not there yet, and what is gone is another's.
            Ok(_) => return Ok(()),
            Err(error) => return cell::delete(bucket, KIND, key).and(Err(error)),
        }
        bucket.pause(round);
    }
    Err(contended(key))
}

/// Removes the chunks of a blob that is gone, and says so. Returns whether it is said.
fn remove_gone(bucket: &impl Bucket, key: &str, found: &[u8], gone: &Content) -> Result<bool> {
    gone.delete(bucket)?;
    replace(bucket, key, found, &absent(GONE, bucket.now(), None))
}

/// What one who tidies has found under a key.
pub(crate) struct Remains {
    /// Whether there is anything that the index must lead to.
    pub(crate) stays: bool,
    /// The chunks that go.
    pub(crate) chunks: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// Removes the chunks that a crash has left under a key, if they are as old as that.
pub(crate) fn tidy(bucket: &impl Bucket, key: &str, age: u64, dry_run: bool) -> Result<Remains> {
    let stays = |stays| Ok(Remains { stays, chunks: 0, bytes: 0 });
    let Some(mut found) = bucket.get(&stored(KIND, key))? else { return stays(false) };
    let (since, is_coming, content) = match Stored::parse(&found) {
        None | Some(Stored::Blob(..)) => return stays(true),
        Some(Stored::Gone(_, None)) => return stays(false),
        Some(Stored::Gone(since, Some(content))) => (since, false, content),
        Some(Stored::Coming(since, content)) => (since, true, content),
    };
    if bucket.now().saturating_sub(since) < age {
        return stays(true);
    }
    if !dry_run {
        if is_coming {
            let gone = absent(GONE, bucket.now(), Some(&content));
            if !replace(bucket, key, &found, &gone)? {
                return stays(true);
            }
            found = gone;
        }
        if !remove_gone(bucket, key, &found, &content)? {
            return stays(true);
        }
    }
    let chunks = content.runs.iter().map(Run::chunks).sum();
    Ok(Remains { stays: false, chunks, bytes: content.size() })
}
