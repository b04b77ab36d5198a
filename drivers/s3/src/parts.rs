//! The parts of an upload: those that are stored, and those that are on their way.

use std::sync::Arc;

use crate::batch::Batch;
use crate::client::{Answer, Client, Failed, Payload};
use crate::error::Failure;
use crate::host::Host;
use crate::multipart;

type Result<T> = core::result::Result<T, Failure>;

/// A part.
enum Part {
    /// It is stored, and this is its tag.
    Stored(String),
    /// It is on its way, or has failed and has to be sent again.
    Sent(Arc<Vec<u8>>),
}

/// The parts of an upload, each of the same size.
pub(crate) struct Parts<H: Host> {
    parts: Vec<Part>,
    chunk: u64,
    /// Those on their way, by their index.
    batch: Batch<H>,
    /// Memory of a part that was stored.
    spare: Option<Vec<u8>>,
}

impl<H: Host> Parts<H> {
    pub(crate) fn of(tags: Vec<String>, chunk: u64) -> Self {
        let parts = tags.into_iter().map(Part::Stored).collect();
        Self { parts, chunk, batch: Batch::new(), spare: None }
    }

    pub(crate) fn chunk(&self) -> u64 {
        self.chunk
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    /// How many bytes they have.
    pub(crate) fn size(&self) -> u64 {
        self.parts.len() as u64 * self.chunk
    }

    /// The tags, up to the first part that is not stored.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map_while(|part| match part {
            Part::Stored(tag) => Some(tag.as_str()),
            Part::Sent(_) => None,
        })
    }

    /// How many of the first parts are stored.
    pub(crate) fn stored(&self) -> usize {
        self.tags().count()
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.set(Vec::new());
    }

    /// Takes over parts that are stored, in place of all others.
    pub(crate) fn set(&mut self, tags: Vec<String>) {
        self.parts = tags.into_iter().map(Part::Stored).collect();
        self.batch = Batch::new();
    }

    pub(crate) fn truncate(&mut self, count: u64) {
        self.parts.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    }

    /// Memory for the next part.
    pub(crate) fn spare(&mut self) -> Vec<u8> {
        self.spare.take().unwrap_or_default()
    }

    pub(crate) fn pump(&mut self) {
        self.batch.pump();
    }

    /// Waits until a further part may be sent.
    pub(crate) fn make_room(&mut self, client: &Client<H>) -> Result<()> {
        while self.batch.len() >= client.config.upload_concurrency {
            self.land(client)?;
        }
        Ok(())
    }

    /// Sends a part.
    pub(crate) fn push(&mut self, client: &Client<H>, key: &str, upload: &str, bytes: Vec<u8>) -> Result<()> {
        let (index, bytes) = (self.parts.len(), Arc::new(bytes));
        self.parts.push(Part::Sent(bytes));
        self.send(client, key, upload, index)
    }

    fn send(&mut self, client: &Client<H>, key: &str, upload: &str, index: usize) -> Result<()> {
        let Some(Part::Sent(bytes)) = self.parts.get(index) else { return Ok(()) };
        let call = multipart::part(key, upload, index).body(Arc::clone(bytes)).payload(Payload::Unsigned);
        match self.batch.start(client, index, call) {
            Some(ended) => self.ended(index, ended),
            None => Ok(()),
        }
    }

    /// Waits for one of those on their way.
    fn land(&mut self, client: &Client<H>) -> Result<()> {
        match self.batch.next(client) {
            Some((index, ended)) => self.ended(index, ended),
            None => Ok(()),
        }
    }

    fn ended(&mut self, index: usize, ended: core::result::Result<Answer, Failed>) -> Result<()> {
        let answer = ended.map_err(|failed| failed.failure)?;
        if let Some(part) = self.parts.get_mut(index)
            && let Part::Sent(bytes) = core::mem::replace(part, Part::Stored(answer.etag()))
            && let Ok(mut bytes) = Arc::try_unwrap(bytes)
        {
            bytes.clear();
            self.spare = Some(bytes);
        }
        Ok(())
    }

    /// Waits until all are stored. Those that failed are sent once more.
    pub(crate) fn settle(&mut self, client: &Client<H>, key: &str, upload: &str) -> Result<()> {
        self.land_all(client);
        for index in self.stored()..self.parts.len() {
            self.send(client, key, upload, index)?;
            self.make_room(client)?;
        }
        while self.batch.len() > 0 {
            self.land(client)?;
        }
        Ok(())
    }

    /// Waits for all on their way, whatever comes of them.
    fn land_all(&mut self, client: &Client<H>) {
        while self.batch.len() > 0 {
            // What failed is still there.
            let _ = self.land(client);
        }
    }

    /// Drops the bytes from an offset on, which is within the parts. Returns what is left of the part that the offset is
    /// in, if that was not stored. Otherwise only parts that were not stored are gone, and the others are as they were.
    pub(crate) fn take_back(&mut self, client: &Client<H>, offset: u64) -> Option<Vec<u8>> {
        self.land_all(client);
        while let Some(Part::Sent(bytes)) = self.parts.pop_if(|part| matches!(part, Part::Sent(_))) {
            if let Some(kept) = offset.checked_sub(self.size()) {
                let kept = bytes.get(..usize::try_from(kept).unwrap_or(usize::MAX)).unwrap_or(&bytes);
                return Some(kept.to_vec());
            }
        }
        None
    }
}
