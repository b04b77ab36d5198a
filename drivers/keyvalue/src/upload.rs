//! The writer of an upload: chunks that become a blob by being named.

use lighter_storage::{self as storage, Error, Note, Result, Upload, beyond_the_end, check_key};

use crate::blob::{self, Blob, FEW};
use crate::bucket::{Bucket, delete_all};
use crate::content::{Content, Reader, Run};
use crate::state::{ABORTED, State};
use crate::time::RENEWAL;
use crate::{lease, value};

/// Returns how many bytes of an upload are stored, or none.
pub(crate) fn received(bucket: &impl Bucket, id: &str) -> Result<Option<u64>> {
    match lease::look(bucket, id)? {
        Some(state) if !state.is_aborted() && !is_published(bucket, &state)? => Ok(Some(state.size())),
        _ => Ok(None),
    }
}

/// An open upload.
pub struct Writer<B: Bucket> {
    bucket: B,
    upload: String,
    number: u32,
    /// The size of a chunk.
    chunk: usize,
    /// What is stored. The tail is what is not, once something was appended.
    state: State,
    /// How many of the first bytes earlier writers have made durable.
    durable: u64,
    /// Whether the state is stored as it is, and the next writer will see it.
    kept: bool,
    open: bool,
}

impl<B: Bucket> Writer<B> {
    pub(crate) fn create(bucket: &B, id: &str, chunk: usize) -> Result<Self> {
        let state = State::new(bucket.now(), bucket.fresh_name());
        let number = lease::begin(bucket, id, &state)?;
        Ok(Self {
            bucket: bucket.clone(),
            upload: id.to_owned(),
            number,
            chunk,
            state,
            durable: 0,
            kept: true,
            open: true,
        })
    }

    pub(crate) fn open(bucket: &B, id: &str, chunk: usize) -> Result<Self> {
        let (number, state) = lease::acquire(bucket, id)?;
        let (upload, durable) = (id.to_owned(), state.size());
        // A target that another has left is not this writer's.
        let kept = state.target.is_none();
        let mut writer =
            Self { bucket: bucket.clone(), upload, number, chunk, state, durable, kept, open: true };
        if writer.state.is_aborted() {
            // By one who stands still or has crashed, and whose chunks may be half gone.
            writer.remove()?;
            return Err(Error::NotFound);
        }
        if is_published(bucket, &writer.state)? {
            // By one who then crashed.
            writer.end()?;
            return Err(Error::NotFound);
        }
        if let Some(target) = writer.state.target.clone().filter(|_| !writer.state.superseded.is_empty()) {
            // One who stands still may be about to publish it, and then no chunk of it may be touched. So
            // this is done in its place, whether it goes on or not.
            writer.publish(&target)?;
            return Err(Error::NotFound);
        }
        writer.state.target = None;
        Ok(writer)
    }

    /// Makes a blob of what is stored, and ends the upload.
    fn publish(&mut self, key: &str) -> Result<()> {
        let State { content, tail, .. } = &self.state;
        let blob = match content.runs.is_empty() {
            true => Blob::Inline(tail.clone()),
            false => Blob::Chunked(content.clone()),
        };
        if blob::publish(&self.bucket, key, &blob)? || self.state.content.runs.is_empty() {
            return self.end();
        }
        self.give_up()
    }

    /// Removes the upload, after it is written down that whoever goes on in this writer's place removes it too.
    /// Otherwise one that stands still now could remove the chunks of what another has made of them meanwhile.
    fn give_up(&mut self) -> Result<()> {
        self.state.target = Some(ABORTED.to_owned());
        self.keep()?;
        self.remove()
    }

    /// Stores the bytes that wait for more as a chunk, and that it is there.
    fn flush(&mut self) -> Result<()> {
        if self.state.tail.is_empty() {
            return Ok(());
        }
        if self.is_silent() {
            lease::check(&self.bucket, &self.upload, self.number)?;
        }
        let before = core::mem::replace(&mut self.state.time, self.bucket.now());
        let has_durable_tail = !self.durable_tail().is_empty();
        let tail = core::mem::take(&mut self.state.tail);
        let chunk = self.state.content.push(self.number, self.chunk as u64, tail.len() as u64);
        let mut values = [(chunk, tail), (lease::place(&self.upload, self.number), self.state.write())];
        let stored = match has_durable_tail {
            // Only the state that is stored has these bytes, so the chunk must be there before the next state.
            true => values.iter().try_for_each(|(key, value)| self.bucket.set(key, value)),
            // At once, since on SQLite it is the writes that take the time, and not the bytes. A crash may leave
            // the state alone, and then these bytes are lost: no client was told that they are durable.
            false => self.bucket.set_many(&values),
        };
        let [(_, tail), _] = &mut values;
        self.state.tail = core::mem::take(tail);
        self.kept = false;
        if let Err(error) = stored {
            self.state.content.pop();
            self.state.time = before;
            return Err(error);
        }
        // The memory is used again.
        self.state.tail.clear();
        let confirmed = lease::confirm(&self.bucket, &self.upload, self.number);
        if confirmed.is_err() {
            self.state.time = before;
        }
        self.kept = confirmed.is_ok();
        confirmed
    }

    /// Whether the tail is to become a chunk, rather than to be stored with the state.
    fn has_long_tail(&self) -> bool {
        self.state.tail.len() > FEW.min(self.chunk / 2)
    }

    /// Shows a sign of life, if it is time for one, and fails if the upload was lost.
    fn renew(&mut self) -> Result<()> {
        if self.is_silent() { self.keep() } else { Ok(()) }
    }

    /// The bytes of the tail that an earlier writer has made durable, in its state alone.
    fn durable_tail(&self) -> &[u8] {
        let length = self.durable.saturating_sub(self.state.content.size());
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.state.tail.get(..length).unwrap_or(&self.state.tail)
    }

    fn is_silent(&self) -> bool {
        self.bucket.now().abs_diff(self.state.time) >= RENEWAL
    }

    /// Shows a sign of life by storing the state: with the whole tail if that is short, and otherwise with as much
    /// of it as is nowhere else.
    fn keep(&mut self) -> Result<()> {
        let before = core::mem::replace(&mut self.state.time, self.bucket.now());
        let whole = (self.has_long_tail()).then(|| {
            let durable = self.durable_tail().to_owned();
            core::mem::replace(&mut self.state.tail, durable)
        });
        let kept = lease::keep(&self.bucket, &self.upload, self.number, &self.state);
        self.kept = kept.is_ok() && whole.is_none();
        if let Some(whole) = whole {
            self.state.tail = whole;
        }
        if kept.is_err() {
            // It was no sign of life, and a writer that has lost the upload is to find out again.
            self.state.time = before;
        }
        kept
    }

    /// Makes what was appended known, and then releases the lease. These are two steps: after one that did both, another
    /// that has acquired the upload could not be told from one that had superseded this writer before.
    fn release(&mut self) -> Result<()> {
        self.open = false;
        self.settle()?;
        lease::release(&self.bucket, &self.upload, self.number, &self.state)
    }

    /// Stores what is not stored.
    fn settle(&mut self) -> Result<()> {
        if self.has_long_tail() {
            return self.flush();
        }
        if self.kept { Ok(()) } else { self.keep() }
    }

    /// Takes the end of content back into the tail, where this writer has stored it as a part of a chunk: the
    /// next chunk will have the same name. What another writer has stored stays: that was perhaps
    /// acknowledged, and this writer's own chunks have other names.
    fn take_back(&self, content: &mut Content, dropped: &mut Vec<String>) -> Result<Vec<u8>> {
        let own = content.runs.last().filter(|run| run.writer == self.number);
        let rest = own.map_or(0, |run| run.bytes % run.chunk);
        let Some(chunk) = content.last().filter(|_| rest > 0) else { return Ok(Vec::new()) };
        let missing = || Error::Other(format!("{chunk} is missing"));
        let mut tail = self.bucket.get(&chunk)?.ok_or_else(missing)?;
        tail.truncate(usize::try_from(rest).unwrap_or(usize::MAX));
        dropped.extend(content.cut(content.size() - rest));
        Ok(tail)
    }

    /// Removes all of the upload: the chunks first, since after a crash nothing but the state names them.
    fn remove(&mut self) -> Result<()> {
        self.open = false;
        self.state.content.delete(&self.bucket)?;
        self.end()
    }

    /// Removes all of the upload but the chunks.
    fn end(&mut self) -> Result<()> {
        self.open = false;
        let content = &self.state.content;
        // A writer that crashed may have written one chunk more than it has told of.
        let stray = (1..=self.number).map(|number| {
            let run = content.runs.iter().find(|run| run.writer == number);
            content.chunk(number, run.map_or(0, Run::chunks))
        });
        lease::end(&self.bucket, &self.upload, self.number, &self.state.superseded, stray)
    }
}

impl<B: Bucket> Upload for Writer<B> {
    fn offset(&self) -> u64 {
        self.state.size()
    }

    fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let room = self.chunk.saturating_sub(self.state.tail.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            bytes = later;
            self.state.tail.extend_from_slice(now);
            self.kept = false;
            if self.state.tail.len() >= self.chunk {
                self.flush()?;
            }
        }
        self.renew()
    }

    fn cut(&mut self, offset: u64) -> Result<()> {
        let size = self.state.size();
        if offset > size {
            return Err(beyond_the_end(offset, size));
        }
        self.renew()?;
        if let Some(tail) = offset.checked_sub(self.state.content.size()) {
            self.state.tail.truncate(usize::try_from(tail).unwrap_or(usize::MAX));
            self.kept &= offset == size;
            self.durable = self.durable.min(offset);
            return Ok(());
        }
        let mut content = self.state.content.clone();
        let mut dropped = content.cut(offset);
        let tail = self.take_back(&mut content, &mut dropped)?;
        let state = State { content, tail, ..self.state.clone() };
        let before = core::mem::replace(&mut self.state, state);
        // The chunks go once no state that is stored names them.
        if let Err(error) = self.keep() {
            self.state = before;
            return Err(error);
        }
        self.durable = self.durable.min(offset);
        delete_all(&self.bucket, dropped.into_iter())
    }

    fn read(&mut self) -> Result<storage::Content> {
        let State { content, tail, .. } = &self.state;
        let reader = Reader::new(&self.bucket, Some(content.clone()), tail.clone(), 0, u64::MAX);
        Ok(storage::Content::Chunks(Box::new(reader)))
    }

    fn suspend(mut self, notes: &[Note]) -> Result<()> {
        notes.iter().try_for_each(|(key, _)| check_key(key))?;
        if !notes.is_empty() {
            // The bytes first, and the lease until the notes are there.
            self.settle()?;
            for (key, value) in notes {
                // The clock is looked at last. A note that came after another has acquired the upload, and cut it,
                // would be about bytes that are others by then.
                while self.is_silent() {
                    self.keep()?;
                }
                value::set(&self.bucket, key, value)?;
            }
        }
        self.release()
    }

    fn commit(mut self, key: &str) -> Result<()> {
        check_key(key)?;
        if !self.state.content.runs.is_empty() || self.has_long_tail() {
            self.flush()?;
        }
        // From here on, whoever finds this upload after a crash looks for the blob before it touches a
        // chunk.
        self.state.target = Some(key.to_owned());
        self.keep()?;
        self.publish(key)
    }

    fn abort(mut self) -> Result<()> {
        self.give_up()
    }
}

impl<B: Bucket> Drop for Writer<B> {
    /// Keeps what was appended, if that is possible.
    fn drop(&mut self) {
        if self.open {
            let _ = self.release();
        }
    }
}

/// Whether the blob that an upload was about to become is there, and is of this upload.
fn is_published(bucket: &impl Bucket, state: &State) -> Result<bool> {
    let Some(target) = &state.target else { return Ok(false) };
    Ok(match blob::find(bucket, target)? {
        Some(Blob::Chunked(content)) => content.id == state.content.id,
        Some(Blob::Inline(bytes)) => state.content.runs.is_empty() && bytes == state.tail,
        None => false,
    })
}
