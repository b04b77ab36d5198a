//! Uploads, as the contract has them.
//!
//! The bytes of an upload are parts of one size, sent while the next one fills. What is left of them, the tail, is stored once
//! the writer lets go. All of that is in one [`Record`], with the notes about these bytes. To complete the parts takes their
//! tags, so what becomes a blob is what the record says, whoever else may have written to the same upload.

use std::sync::Arc;

use lighter_storage::{self as storage, Content, Note, Stream, Upload, beyond_the_end, check_key};

use crate::batch::all_or_none;
use crate::client::{Call, Client, Payload};
use crate::copy::{self, Source};
use crate::host::Host;
use crate::lease::{self, Lease};
use crate::multipart;
use crate::record::{Base, Record};
use crate::value;
use crate::writer::Writer;

type Result<T> = storage::Result<T>;

impl<H: Host> Writer<H> {
    /// Begins an upload that nobody else knows. Nothing is stored before its writer lets go.
    pub(crate) fn create(client: &Arc<Client<H>>, id: &str) -> Self {
        Self::of(client, id, Lease::create(client))
    }

    /// Holds an upload.
    pub(crate) fn open(client: &Arc<Client<H>>, id: &str) -> Result<Self> {
        let (lease, was_held) = Lease::acquire(client, id)?;
        let mut writer = Self::of(client, id, lease);
        if was_held && (writer.upload.is_some() || writer.base.is_some()) {
            writer.find_completed()?;
        }
        Ok(writer)
    }

    /// Looks whether the writer before has completed the parts, and crashed before it wrote that down. If so, nothing is
    /// known of the hash of these bytes.
    fn find_completed(&mut self) -> Result<()> {
        let answer = match self.client.call(&Call::new("HEAD", &self.id)) {
            Ok(answer) => answer,
            Err(failure) if failure.is_absence() => return Ok(()),
            Err(failure) => return Err(failure.into()),
        };
        let (etag, whole) = (answer.etag(), answer.response.content_length().unwrap_or(0));
        let is_known = |known: Option<&String>| known == Some(&etag);
        if is_known(self.old.as_ref()) || is_known(self.base.as_ref().map(|base| &base.etag)) {
            return Ok(());
        }
        self.base = Some(Base { size: whole, whole, etag });
        (self.upload, self.tail) = (None, None);
        self.parts.clear();
        self.changed();
        Ok(())
    }

    /// Shows that this writer is at work, if it is time for that. Fails if another one holds the upload.
    fn renew(&mut self) -> Result<()> {
        if !self.lease.is_old(&self.client) {
            return Ok(());
        }
        // What is stored already and goes farther than the record does.
        let record = Record { held: true, notes: Vec::new(), tail: None, ..self.record(self.parts.stored()) };
        let record = if record.offset() > self.lease.record.offset() {
            record
        } else {
            Record { held: true, ..self.lease.record.clone() }
        };
        self.lease.write(&self.client, &self.id, record)
    }

    /// Stores the bytes after the parts, if they are not, and writes down what the upload has.
    fn store(&mut self, held: bool, notes: &[Note]) -> Result<()> {
        self.settle()?;
        let before = self.lease.record.tail.clone();
        if !self.buffer.is_empty() {
            let tail = match &before {
                Some(tail) if self.is_unchanged => tail.clone(),
                _ => self.store_tail()?,
            };
            self.tail = Some(tail);
        }
        let record = Record { held, notes: notes.to_vec(), ..self.record(usize::MAX) };
        let tail = record.tail.as_ref().map(|tail| tail.name.clone());
        self.lease.write(&self.client, &self.id, record)?;
        if held {
            // The buffer has it, too.
            self.tail = None;
        }
        if let Some(unused) = before.map(|before| before.name).filter(|name| tail.as_ref() != Some(name)) {
            // What fails goes with the upload at the latest.
            let _ = value::delete(&self.client, &self.tail_key(&unused));
        }
        Ok(())
    }

    /// Whether only the first bytes of the base count.
    fn is_cut(&self) -> bool {
        self.base.as_ref().is_some_and(|base| base.size < base.whole)
    }

    /// Makes one object of what is more than one.
    fn gather(&mut self) -> Result<()> {
        if self.base.is_some() && (self.is_cut() || self.tail.is_some() || !self.buffer.is_empty()) {
            self.split_base()?;
        }
        if self.parts.len() > 0 {
            self.settle()?;
            self.complete_all()?;
        }
        Ok(())
    }

    /// Makes a blob of the upload.
    fn publish(&mut self, key: &str) -> Result<()> {
        self.gather()?;
        if self.is_cut() {
            // The store wanted more parts than these.
            self.gather()?;
        }
        let source = match (&self.base, &self.tail) {
            (Some(base), _) => Some((self.id.clone(), base.etag.clone(), base.size)),
            (None, Some(tail)) => Some((self.tail_key(&tail.name), tail.etag.clone(), tail.size)),
            (None, None) => None,
        };
        let published = match &source {
            Some((from, etag, size)) => {
                copy::copy(&self.client, &Source { key: from, etag, size: *size }, key)
            }
            None => {
                let call = Call::put(key, self.buffer.clone()).payload(Payload::Unsigned);
                self.client.call(&call).map(drop)
            }
        };
        published.map_err(|failure| match failure.is_absence() || failure.is_unmet() {
            true => self.lease.gone(&self.client, &self.id, failure),
            false => failure.into(),
        })
    }

    /// Removes what is left of the upload.
    fn end(&mut self) -> Result<()> {
        self.is_open = false;
        if let Some(upload) = self.upload.take() {
            multipart::abort(&self.client, &self.id, &upload)?;
        }
        let record = &self.lease.record;
        let has_object = self.base.is_some() || self.old.is_some();
        let tail = record.tail.as_ref().map(|tail| self.tail_key(&tail.name));
        let keys = [
            Some(lease::key(&self.id)).filter(|_| self.lease.is_stored()),
            Some(self.id.clone()).filter(|_| has_object),
            tail,
        ];
        let calls: Vec<Call> = keys.into_iter().flatten().map(|key| Call::new("DELETE", &key)).collect();
        let at_once = calls.len();
        all_or_none(&self.client, calls, at_once)?;
        Ok(())
    }
}

impl<H: Host> Upload for Writer<H> {
    fn offset(&self) -> u64 {
        let base = self.base.as_ref().map_or(0, |base| base.size);
        let rest = self.tail.as_ref().map_or(self.buffer.len() as u64, |tail| tail.size);
        base + self.parts.size() + rest
    }

    fn note(&self, key: &str) -> Result<Option<Vec<u8>>> {
        check_key(key)?;
        let notes = self.lease.record.notes.iter().filter(|_| self.is_unchanged);
        Ok(notes.filter(|(other, _)| other == key).map(|(_, value)| value.clone()).next())
    }

    fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.renew()?;
        self.parts.pump();
        if bytes.is_empty() {
            return Ok(());
        }
        self.fetch_tail()?;
        self.split_base()?;
        self.changed();
        let chunk = usize::try_from(self.parts.chunk()).unwrap_or(usize::MAX);
        while !bytes.is_empty() {
            let room = chunk.saturating_sub(self.buffer.len());
            let (now, later) = bytes.split_at(bytes.len().min(room));
            // At once, since a buffer that doubles leaves holes as large as itself, and WebAssembly gives no memory back.
            // What is not written to takes none.
            self.buffer.reserve_exact(room);
            self.buffer.extend_from_slice(now);
            self.flush()?;
            bytes = later;
        }
        Ok(())
    }

    fn cut(&mut self, offset: u64) -> Result<()> {
        let size = self.offset();
        if offset > size {
            return Err(beyond_the_end(offset, size));
        }
        self.renew()?;
        if offset == size {
            return Ok(());
        }
        self.fetch_tail()?;
        self.changed();
        let end = self.base.as_ref().map_or(self.parts.size(), |base| base.size);
        if let Some(kept) = offset.checked_sub(end) {
            self.buffer.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
            return Ok(());
        }
        self.buffer.clear();
        if self.base.is_none() {
            // What was not stored is in memory still.
            if let Some(part) = self.parts.take_back(&self.client, offset) {
                self.buffer = part;
                return Ok(());
            }
            self.settle()?;
            if !offset.is_multiple_of(self.parts.chunk()) {
                // A store does not give back a part.
                self.parts.truncate(offset.div_ceil(self.parts.chunk()));
                self.complete(None, self.parts.size()).map_err(|failure| self.failed(failure))?;
                self.old = None;
            } else {
                self.parts.truncate(offset / self.parts.chunk());
            }
        }
        if let Some(base) = &mut self.base {
            base.size = offset;
        }
        // Before other bytes take the place of those that the record names.
        self.store(true, &[])
    }

    fn read(&mut self) -> Result<Content> {
        self.fetch_tail()?;
        self.complete_parts()?;
        let Some(base) = self.base.as_ref().filter(|base| base.size > 0) else {
            return Ok(Content::Bytes(self.buffer.clone()));
        };
        let mut call = Call::new("GET", &self.id).header("if-match", base.etag.as_str());
        if base.size < base.whole {
            call = call.header("range", format!("bytes=0-{}", base.size - 1));
        }
        let first = self.client.open(&call)?.body;
        Ok(Content::Chunks(Box::new(Chain { first: Some(first), rest: self.buffer.clone() })))
    }

    fn suspend(mut self, notes: &[Note]) -> Result<()> {
        let checked = notes.iter().try_for_each(|(key, _)| check_key(key));
        let notes = if checked.is_ok() { notes } else { &[] };
        self.store(false, notes)?;
        self.is_open = false;
        checked
    }

    fn commit(mut self, key: &str) -> Result<()> {
        check_key(key)?;
        self.renew()?;
        self.publish(key)?;
        self.end()
    }

    fn abort(mut self) -> Result<()> {
        self.renew()?;
        self.end()
    }
}

impl<H: Host> Drop for Writer<H> {
    fn drop(&mut self) {
        if self.is_open && self.store(false, &[]).is_err() {
            // What could not be stored is lost. The upload is let go of, as it was written down last.
            let record = Record { held: false, ..self.lease.record.clone() };
            let _ = self.lease.write(&self.client, &self.id, record);
        }
    }
}

/// The bytes of an object, and then some from memory.
struct Chain {
    first: Option<Content>,
    rest: Vec<u8>,
}

impl Stream for Chain {
    fn next(&mut self) -> core::result::Result<Option<Vec<u8>>, String> {
        if let Some(first) = &mut self.first {
            match first.next()? {
                None => self.first = None,
                some => return Ok(some),
            }
        }
        self.rest.next()
    }
}
