//! The writer of an upload: how its bytes are stored, and become an object.
//!
//! What an upload has is its base, its parts, and then its tail or its buffer. A store does not give back a part, so what must
//! be read again, or be cut within a part, becomes an object first: the base.

use std::sync::Arc;

use lighter_storage::{Error, Result};

use crate::batch::all_or_none;
use crate::client::{Call, Client, Payload};
use crate::copy::{self, Source};
use crate::error::Failure;
use crate::host::Host;
use crate::lease::Lease;
use crate::multipart::{self, PARTS_MAX};
use crate::parts::Parts;
use crate::record::{Base, Record, Tail};

/// An open upload.
pub struct Writer<H: Host> {
    pub(crate) client: Arc<Client<H>>,
    /// The key that the upload has, under which its parts become an object.
    pub(crate) id: String,
    pub(crate) lease: Lease,
    /// The upload in parts, once there is one.
    pub(crate) upload: Option<String>,
    pub(crate) parts: Parts<H>,
    /// What comes after the parts, unless it is the tail.
    pub(crate) buffer: Vec<u8>,
    /// What comes after the parts, as it is stored, unless it was fetched to the buffer.
    pub(crate) tail: Option<Tail>,
    /// What comes before the parts. There are none then.
    pub(crate) base: Option<Base>,
    /// The tag of an object under the upload's key that has no meaning any more.
    pub(crate) old: Option<String>,
    /// Whether the bytes are still those of the record.
    pub(crate) is_unchanged: bool,
    pub(crate) is_open: bool,
}

impl<H: Host> Writer<H> {
    pub(crate) fn of(client: &Arc<Client<H>>, id: &str, lease: Lease) -> Self {
        let record = lease.record.clone();
        Self {
            client: Arc::clone(client),
            id: id.to_owned(),
            lease,
            upload: record.upload,
            parts: Parts::of(record.parts, record.chunk),
            buffer: Vec::new(),
            tail: record.tail,
            base: record.base,
            old: record.old,
            is_unchanged: true,
            is_open: true,
        }
    }

    pub(crate) fn changed(&mut self) {
        self.is_unchanged = false;
    }

    /// The record of this upload with so many parts.
    pub(crate) fn record(&self, parts: usize) -> Record {
        Record {
            held: false,
            upload: self.upload.clone(),
            parts: self.parts.tags().take(parts).map(str::to_owned).collect(),
            tail: self.tail.clone(),
            base: self.base.clone(),
            old: self.old.clone(),
            ..self.lease.record.clone()
        }
    }

    /// Says what a failure of a request for parts means: perhaps the upload has ended.
    pub(crate) fn failed(&mut self, failure: Failure) -> Error {
        if failure.is("NoSuchUpload") || failure.is("InvalidPart") {
            return self.lease.gone(&self.client, &self.id, failure);
        }
        failure.into()
    }

    /// Returns the upload in parts, begun if there is none.
    pub(crate) fn upload(&mut self) -> Result<String> {
        if let Some(upload) = &self.upload {
            return Ok(upload.clone());
        }
        let upload = multipart::begin(&self.client, &self.id)?;
        self.upload = Some(upload.clone());
        Ok(upload)
    }

    /// The key of a tail.
    pub(crate) fn tail_key(&self, name: &str) -> String {
        format!("{}.tail.{name}", self.id)
    }

    /// Makes the buffer all that comes after the parts.
    pub(crate) fn fetch_tail(&mut self) -> Result<()> {
        let Some(tail) = &self.tail else { return Ok(()) };
        let call = Call::new("GET", &self.tail_key(&tail.name)).header("if-match", tail.etag.as_str());
        match self.client.call(&call) {
            Ok(answer) if answer.body.len() as u64 == tail.size => self.buffer = answer.body,
            Ok(_) => return Err(Error::Other(format!("{} is not as long as its record says", self.id))),
            Err(failure) if failure.is_absence() || failure.is_unmet() => {
                return Err(self.lease.gone(&self.client, &self.id, failure));
            }
            Err(failure) => return Err(failure.into()),
        }
        self.tail = None;
        Ok(())
    }

    /// Makes parts of the base, and of what is left of it the beginning of the buffer.
    pub(crate) fn split_base(&mut self) -> Result<()> {
        let Some(base) = self.base.clone() else { return Ok(()) };
        self.fetch_tail()?;
        let chunk = self.parts.chunk();
        let copied = base.size - base.size % chunk;
        let mut rest = Vec::new();
        if base.size > copied {
            let range = format!("bytes={copied}-{}", base.size - 1);
            let call =
                Call::new("GET", &self.id).header("range", range).header("if-match", base.etag.as_str());
            rest = self.client.call(&call)?.body;
        }
        if copied > 0 {
            let upload = self.upload()?;
            let source = Source { key: &self.id, etag: &base.etag, size: base.whole };
            let tags = copy::parts(&self.client, &source, &self.id, &upload, chunk, copied)?;
            self.parts.set(tags);
        }
        rest.append(&mut self.buffer);
        self.buffer = rest;
        (self.base, self.old) = (None, Some(base.etag));
        self.changed();
        self.flush()
    }

    /// Sends the parts that the buffer has.
    pub(crate) fn flush(&mut self) -> Result<()> {
        let chunk = usize::try_from(self.parts.chunk()).unwrap_or(usize::MAX);
        while self.buffer.len() >= chunk {
            if self.parts.len() + 1 >= PARTS_MAX {
                let why = "the upload has 10,000 parts; set REGISTRY_STORAGE_S3_CHUNKSIZE to more";
                return Err(Error::Other(why.to_owned()));
            }
            let upload = self.upload()?;
            self.parts.make_room(&self.client).map_err(|failure| self.failed(failure))?;
            let rest = self.buffer.split_off(chunk);
            let part = core::mem::replace(&mut self.buffer, self.parts.spare());
            self.buffer.extend_from_slice(&rest);
            self.parts.push(&self.client, &self.id, &upload, part).map_err(|failure| self.failed(failure))?;
        }
        Ok(())
    }

    /// Waits until all parts are stored.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let upload = self.upload.clone().unwrap_or_default();
        self.parts.settle(&self.client, &self.id, &upload).map_err(|failure| self.failed(failure))
    }

    /// Makes an object of the parts, and perhaps of further ones by their tags, which is what the upload then has. `size` is
    /// that of all of these.
    pub(crate) fn complete(&mut self, further: Option<&str>, size: u64) -> core::result::Result<(), Failure> {
        let upload = self.upload.clone().unwrap_or_default();
        let tags: Vec<String> = self.parts.tags().chain(further).map(str::to_owned).collect();
        let (whole, etag) = match multipart::complete(&self.client, &self.id, &upload, &tags, size) {
            Ok(etag) => (size, etag),
            Err(failure) if failure.is("InvalidPart") => {
                self.complete_with_others(&upload, &tags).ok_or(failure)?
            }
            Err(failure) => return Err(failure),
        };
        self.base = Some(Base { size, whole, etag });
        self.upload = None;
        self.parts.clear();
        Ok(())
    }

    /// Makes an object of the parts and of those that are stored behind them, if that is it: a store may want all parts that
    /// it has, also those that were cut off, or that a writer which crashed has sent. Returns its size and its tag.
    fn complete_with_others(&self, upload: &str, tags: &[String]) -> Option<(u64, String)> {
        let mut stored = multipart::parts(&self.client, &self.id, upload).ok()?;
        let is_same = stored.iter().zip(tags).all(|(part, tag)| part.tag == *tag);
        if stored.len() <= tags.len() || !is_same {
            return None;
        }
        let last = stored.len() - 1;
        for (index, part) in stored.iter_mut().enumerate() {
            if index == last || part.size >= self.parts.chunk() {
                continue;
            }
            // A tail, which must be as large as any part now that others come behind it. What is added does not count.
            let mut bytes = if index < tags.len() { self.buffer.clone() } else { Vec::new() };
            if index < tags.len() && bytes.len() as u64 != part.size {
                return None;
            }
            bytes.resize(usize::try_from(self.parts.chunk()).ok()?, 0);
            let call = multipart::part(&self.id, upload, index).body(bytes).payload(Payload::Unsigned);
            (part.size, part.tag) = (self.parts.chunk(), self.client.call(&call).ok()?.etag());
        }
        let whole = stored.iter().map(|part| part.size).sum();
        let all: Vec<String> = stored.into_iter().map(|part| part.tag).collect();
        let etag = multipart::complete(&self.client, &self.id, upload, &all, whole).ok()?;
        Some((whole, etag))
    }

    /// Makes an object of the parts, if there are any, and writes that down.
    pub(crate) fn complete_parts(&mut self) -> Result<()> {
        self.settle()?;
        if self.parts.len() == 0 {
            return Ok(());
        }
        let stored = &self.lease.record;
        // What came after just these parts still does, if nothing more became of it.
        let follows = stored.base.is_none() && stored.parts.len() == self.parts.len();
        let tail = stored.tail.clone().filter(|_| follows);
        let notes = if self.is_unchanged { stored.notes.clone() } else { Vec::new() };
        self.complete(None, self.parts.size()).map_err(|failure| self.failed(failure))?;
        self.old = None;
        let record = Record { held: true, notes, tail, ..self.record(0) };
        self.lease.write(&self.client, &self.id, record)
    }

    /// Stores the buffer as a tail, and, where there are parts, as the next one, so that nothing need be sent again at a
    /// commit.
    pub(crate) fn store_tail(&self) -> Result<Tail> {
        let Record { turn, beat, .. } = &self.lease.record;
        // Nobody else has the turn, and the record names none with this beat yet.
        let (bytes, name) = (Arc::new(self.buffer.clone()), format!("{turn}.{}", beat + 1));
        let size = bytes.len() as u64;
        let mut calls = vec![Call::put(&self.tail_key(&name), Arc::clone(&bytes)).payload(Payload::Unsigned)];
        if let Some(upload) = self.upload.as_ref().filter(|_| self.parts.len() > 0) {
            let call = multipart::part(&self.id, upload, self.parts.len()).body(bytes);
            calls.push(call.payload(Payload::Unsigned));
        }
        let mut tags = all_or_none(&self.client, calls, 2)?.into_iter().map(|answer| answer.etag());
        Ok(Tail { name, size, etag: tags.next().unwrap_or_default(), part: tags.next() })
    }

    /// Makes an object of the parts and what comes after them.
    pub(crate) fn complete_all(&mut self) -> Result<()> {
        let stored = self.tail.as_ref().and_then(|tail| Some((tail.part.clone()?, tail.size)));
        if let Some((tag, size)) = stored {
            match self.complete(Some(&tag), self.parts.size() + size) {
                Ok(()) => {
                    self.tail = None;
                    return Ok(());
                }
                // A writer that crashed may have stored another part in its place. The tail is still there.
                Err(failure) if failure.is("InvalidPart") => {}
                Err(failure) => return Err(self.failed(failure)),
            }
        }
        self.fetch_tail()?;
        let size = self.parts.size() + self.buffer.len() as u64;
        let mut last = None;
        if !self.buffer.is_empty() {
            let upload = self.upload()?;
            let call = multipart::part(&self.id, &upload, self.parts.len()).body(self.buffer.clone());
            let answer = self.client.call(&call.payload(Payload::Unsigned));
            last = Some(answer.map_err(|failure| self.failed(failure))?.etag());
        }
        self.complete(last.as_deref(), size).map_err(|failure| self.failed(failure))?;
        self.buffer = Vec::new();
        Ok(())
    }
}
