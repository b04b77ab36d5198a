//! Blobs: one value that has the bytes, if they are few, or says where they lie.
//!
//! A blob's key names its content, so that of two that are published at once either will do: the one
//! that comes second gives up its own chunks, unless the first one is broken. It makes the first one young again.

use std::borrow::Cow;

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

    /// Writes what [`read`](Self::read) reads.
    fn write(&self, published: u64) -> Vec<u8> {
        let (kind, rest) = match self {
            Self::Inline(bytes) => (INLINE, Cow::Borrowed(bytes.as_slice())),
            Self::Chunked(content) => (CHUNKED, Cow::Owned(content.write().into_bytes())),
        };
        [format!("{kind} {published}\n").as_bytes(), &rest].concat()
    }

    /// Reads a blob, and when it was published, if that is known.
    fn read(key: &str, stored: &[u8]) -> Result<(Self, Option<u64>)> {
        Self::parse(stored).ok_or_else(|| Error::Other(format!("what is stored as {key} is not a blob")))
    }

    fn parse(stored: &[u8]) -> Option<(Self, Option<u64>)> {
        let end = stored.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = (str::from_utf8(stored.get(..end)?).ok()?, stored.get(end + 1..)?);
        let (kind, published) = match line.split_once(' ') {
            Some((kind, published)) => (kind, Some(published.parse().ok()?)),
            None => (line, None),
        };
        let blob = match kind {
            INLINE => Self::Inline(rest.to_owned()),
            CHUNKED => Self::Chunked(Content::read(str::from_utf8(rest).ok()?)?),
            _ => return None,
        };
        Some((blob, published))
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
    bucket.get(&stored(KIND, key))?.map(|stored| Blob::read(key, &stored)).transpose()
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
    let mut content = Content::new(bucket.fresh_name());
    content.runs.push(Run { writer: 1, chunk: chunk as u64, bytes: bytes.len() as u64 });
    for (index, bytes) in bytes.chunks(chunk).enumerate() {
        bucket.set(&content.chunk(1, index as u64), bytes)?;
    }
    let blob = Blob::Chunked(content);
    if publish(bucket, key, &blob)? { Ok(()) } else { blob.delete_chunks(bucket) }
}

/// Makes a blob appear, whole, by one small write. Returns whether that was needed; if not, nothing
/// refers to its chunks.
pub(crate) fn publish(bucket: &impl Bucket, key: &str, blob: &Blob) -> Result<bool> {
    let is_used = make_appear(bucket, key, blob)?;
    index::add(bucket, key)?;
    Ok(is_used)
}

fn make_appear(bucket: &impl Bucket, key: &str, blob: &Blob) -> Result<bool> {
    while !cell::create(bucket, KIND, key, &blob.write(bucket.now()))? {
        match bucket.get(&stored(KIND, key))?.as_deref().and_then(Blob::parse) {
            // It may have been published before, by one who then crashed.
            Some((other, _)) if other == *blob || is_as_good(bucket, &other, blob)? => {
                if make_young(bucket, key, &other)? {
                    return Ok(other == *blob);
                }
            }
            other => {
                bucket.set(&stored(KIND, key), &blob.write(bucket.now()))?;
                if let Some((other, _)) = other {
                    other.delete_chunks(bucket)?;
                }
                break;
            }
        }
    }
    Ok(true)
}

/// Has the age of a blob count from now. Returns whether it is still there, and the same.
fn make_young(bucket: &impl Bucket, key: &str, blob: &Blob) -> Result<bool> {
    let since = bucket.now();
    for round in 0..TRIES {
        match bucket.get(&stored(KIND, key))?.as_deref().and_then(Blob::parse) {
            Some((there, published)) if there == *blob => {
                let now = bucket.now();
                if published.is_some_and(|published| (since..=now).contains(&published)) {
                    return Ok(true);
                }
                bucket.swap(&stored(KIND, key), &|there| {
                    let is_same = Blob::parse(there).is_some_and(|(there, _)| there == *blob);
                    is_same.then(|| blob.write(now))
                })?;
                bucket.pause(round);
            }
            _ => return Ok(false),
        }
    }
    Err(Error::Other(format!("others keep changing {key}")))
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
    let found = find(bucket, key);
    cell::delete(bucket, KIND, key)?;
    match found {
        Ok(Some(blob)) => blob.delete_chunks(bucket),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    }
}
