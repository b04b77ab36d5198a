//! Content: bytes that lie in chunks, each a value of its own.

use lighter_storage::{Error, Result, Stream};

use crate::bucket::{Bucket, delete_all};
use crate::key::{Kind, stored};

/// Chunks that one writer has written, all of one size but the last.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    /// The number of the writer.
    pub(crate) writer: u32,
    /// The size of a chunk.
    pub(crate) chunk: u64,
    /// The bytes of all the chunks.
    pub(crate) bytes: u64,
}

impl Run {
    pub(crate) fn chunks(&self) -> u64 {
        self.bytes.div_ceil(self.chunk)
    }

    /// The bytes in front of the last chunk.
    fn before_last(&self) -> u64 {
        self.chunks().saturating_sub(1) * self.chunk
    }
}

/// Where content lies.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    /// What its chunks are named after: nothing else's are.
    pub(crate) id: String,
    pub(crate) runs: Vec<Run>,
}

impl Content {
    pub(crate) fn new(id: String) -> Self {
        Self { id, runs: Vec::new() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.runs.iter().map(|run| run.bytes).sum()
    }

    pub(crate) fn chunk(&self, writer: u32, index: u64) -> String {
        stored(Kind::Chunk, &format!("{}/{writer}/{index}", self.id))
    }

    fn chunks(&self) -> impl Iterator<Item = String> {
        self.runs.iter().flat_map(|run| (0..run.chunks()).map(|index| self.chunk(run.writer, index)))
    }

    /// Adds a chunk, and returns its name.
    pub(crate) fn push(&mut self, writer: u32, chunk: u64, bytes: u64) -> String {
        match self.runs.last_mut().filter(|run| run.writer == writer) {
            Some(run) => run.bytes += bytes,
            None => self.runs.push(Run { writer, chunk, bytes }),
        }
        self.last().unwrap_or_default()
    }

    /// Takes the last chunk away.
    pub(crate) fn pop(&mut self) {
        if let Some(mut run) = self.runs.pop() {
            run.bytes = run.before_last();
            self.runs.extend(Some(run).filter(|run| run.bytes > 0));
        }
    }

    /// Drops all bytes after the first ones, and returns the names of the chunks that have no others. Where
    /// the end lies within a chunk, that stays as it is, longer than what counts of it.
    pub(crate) fn cut(&mut self, mut bytes: u64) -> Vec<String> {
        let mut chunks: Vec<String> = self.chunks().collect();
        for run in &mut self.runs {
            run.bytes = run.bytes.min(bytes);
            bytes -= run.bytes;
        }
        self.runs.retain(|run| run.bytes > 0);
        let kept = self.chunks().count();
        chunks.drain(..kept);
        chunks
    }

    /// The name of the last chunk.
    pub(crate) fn last(&self) -> Option<String> {
        self.runs.last().map(|run| self.chunk(run.writer, run.chunks().saturating_sub(1)))
    }

    /// Whether every chunk is there.
    pub(crate) fn is_intact(&self, bucket: &impl Bucket) -> Result<bool> {
        for chunk in self.chunks() {
            if !bucket.exists(&chunk)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn delete(&self, bucket: &impl Bucket) -> Result<()> {
        delete_all(bucket, self.chunks())
    }

    /// Writes what [`Content::read`] reads.
    pub(crate) fn write(&self) -> String {
        let runs = self.runs.iter().map(|run| format!("{} {} {}\n", run.writer, run.chunk, run.bytes));
        format!("{}\n{}", self.id, runs.collect::<String>())
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let id = lines.next()?.to_owned();
        let run = |line: &str| {
            let mut fields = line.split(' ');
            let writer = fields.next()?.parse().ok()?;
            let chunk = fields.next()?.parse().ok().filter(|chunk| *chunk > 0)?;
            Some(Run { writer, chunk, bytes: fields.next()?.parse().ok()? })
        };
        Some(Self { id, runs: lines.map(run).collect::<Option<_>>()? })
    }
}

/// Bytes on their way out: those of the chunks, and then some that are no chunk.
pub(crate) struct Reader<B> {
    bucket: B,
    content: Option<Content>,
    run: usize,
    index: u64,
    skip: u64,
    left: u64,
    rest: Vec<u8>,
}

impl<B: Bucket> Reader<B> {
    /// Reads at most `length` bytes from an offset on.
    pub(crate) fn new(bucket: &B, content: Option<Content>, rest: Vec<u8>, offset: u64, length: u64) -> Self {
        let bucket = bucket.clone();
        let mut reader = Self { bucket, content: None, run: 0, index: 0, skip: offset, left: length, rest };
        for run in content.iter().flat_map(|content| &content.runs) {
            if reader.skip < run.bytes {
                reader.index = reader.skip / run.chunk;
                reader.skip %= run.chunk;
                break;
            }
            reader.skip -= run.bytes;
            reader.run += 1;
        }
        if content.as_ref().is_none_or(|content| reader.run >= content.runs.len()) {
            let skip = usize::try_from(reader.skip).unwrap_or(usize::MAX).min(reader.rest.len());
            reader.rest.drain(..skip);
            reader.skip = 0;
        }
        Self { content, ..reader }
    }

    /// Returns the next bytes, or none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut bytes = match self.next_chunk()? {
            Some(chunk) => chunk,
            None => core::mem::take(&mut self.rest),
        };
        bytes.drain(..usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len()));
        self.skip = 0;
        bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= bytes.len() as u64;
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(content) = self.content.as_ref().filter(|_| self.left > 0) else { return Ok(None) };
        let Some(run) = content.runs.get(self.run) else { return Ok(None) };
        let key = content.chunk(run.writer, self.index);
        let expected = (run.bytes - self.index * run.chunk).min(run.chunk);
        self.index += 1;
        if self.index == run.chunks() {
            (self.run, self.index) = (self.run + 1, 0);
        }
        match self.bucket.get(&key)? {
            // It is longer where content was cut.
            Some(mut bytes) if bytes.len() as u64 >= expected => {
                bytes.truncate(usize::try_from(expected).unwrap_or(usize::MAX));
                Ok(Some(bytes))
            }
            Some(_) => Err(Error::Other(format!("{key} has not the length that it was written with"))),
            None => Err(Error::Other(format!("{key} is missing"))),
        }
    }
}

impl<B: Bucket> Stream for Reader<B> {
    fn next(&mut self) -> core::result::Result<Option<Vec<u8>>, String> {
        Reader::next(self).map_err(|error| error.to_string())
    }
}
