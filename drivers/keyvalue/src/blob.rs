//! Blobs: one value that has the bytes, if they are few, or says where they lie.
//!
//! A blob's key names its content, so that of two that are published at once either will do: the one
//! that comes second gives up its own chunks, unless the first one is broken.

use lighter_storage::{Error, Result};

use crate::bucket::Bucket;
use crate::content::{Content, Reader, Run};
use crate::key::{Kind, split, stored};
use crate::{cell, index};

const KIND: Kind = Kind::Blob;

/// So few bytes are no chunk.
pub(crate) const FEW: usize = 64 * 1024;

/// What stands before the bytes, or before where they lie.
const INLINE: &[u8] = b"bytes\n";
const CHUNKED: &[u8] = b"chunks\n";

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

    fn write(&self) -> Vec<u8> {
        match self {
            Self::Inline(bytes) => [INLINE, bytes].concat(),
            Self::Chunked(content) => [CHUNKED, content.write().as_bytes()].concat(),
        }
    }

    fn read(key: &str, stored: &[u8]) -> Result<Self> {
        if let Some(bytes) = stored.strip_prefix(INLINE) {
            return Ok(Self::Inline(bytes.to_owned()));
        }
        let text = stored.strip_prefix(CHUNKED).and_then(|text| str::from_utf8(text).ok());
        let content = text.and_then(Content::read);
        content.map(Self::Chunked).ok_or_else(|| Error::Other(format!("what is stored as {key} is no blob")))
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
    let mut is_used = true;
    if !cell::create(bucket, KIND, key, &blob.write())? {
        let other = bucket.get(&stored(KIND, key))?.map(|stored| Blob::read(key, &stored));
        match other {
            // Published before, by one who then crashed.
            Some(Ok(other)) if other == *blob => {}
            Some(Ok(other)) if is_as_good(bucket, &other, blob)? => is_used = false,
            other => {
                bucket.set(&stored(KIND, key), &blob.write())?;
                if let Some(Ok(other)) = other {
                    other.delete_chunks(bucket)?;
                }
            }
        }
    }
    index::add_prefix(bucket, split(key).0)?;
    Ok(is_used)
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
