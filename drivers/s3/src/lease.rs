//! Who holds an upload: the one whose name is in its record.
//!
//! A record changes by compare-and-swap, where the store has that. Where it has not, its reader writes and reads again, and
//! two who do so within milliseconds may both believe that they hold the upload. Then one finds out later, and bytes that
//! were acknowledged may be lost; what becomes a blob is right all the same, since the record names the parts by their tags
//! and has the hash of just these.

use lighter_storage::Error;

use crate::abilities::Condition;
use crate::client::{Answer, Call, Client, Result, age};
use crate::error::Failure;
use crate::host::Host;
use crate::record::Record;

/// Who has not written the record for so many seconds, by the store's clock, is taken to have crashed.
const EXPIRY: u64 = 45;

/// Who is at work writes it again before changing something, if the last time is so many seconds ago.
const RENEWAL: u64 = 15;

/// The key of an upload's record.
pub(crate) fn key(id: &str) -> String {
    format!("{id}.state")
}

/// A record that was read.
struct Found {
    record: Record,
    etag: String,
    /// How many seconds ago it was written, if the store tells.
    age: Option<u64>,
}

fn look<H: Host>(client: &Client<H>, id: &str) -> lighter_storage::Result<Option<Found>> {
    let answer = match client.call(&Call::new("GET", &key(id))) {
        Ok(answer) => answer,
        Err(failure) if failure.is_absence() => return Ok(None),
        Err(failure) => return Err(failure.into()),
    };
    let no_record = || Error::Other(format!("{} is no record of an upload by this version", key(id)));
    let record = Record::read(&answer.body).ok_or_else(no_record)?;
    Ok(Some(Found { record, etag: answer.etag(), age: age(&answer.response) }))
}

/// Returns how many bytes of an upload are stored, or none.
pub(crate) fn received<H: Host>(client: &Client<H>, id: &str) -> lighter_storage::Result<Option<u64>> {
    Ok(look(client, id)?.map(|found| found.record.offset()))
}

/// The hold on an upload.
pub(crate) struct Lease {
    /// What is stored. Of an upload that was just created, nothing is.
    pub(crate) record: Record,
    /// The tag of what is stored.
    etag: Option<String>,
    /// When it was last written, in seconds since 1970.
    written: u64,
    is_lost: bool,
}

impl Lease {
    /// Holds an upload that nobody else knows. Nothing is stored yet.
    pub(crate) fn create<H: Host>(client: &Client<H>) -> Self {
        let record =
            Record { writer: client.nonce(), turn: 1, chunk: client.config.chunk, ..Record::default() };
        Self { record, etag: None, written: client.host.now(), is_lost: false }
    }

    /// Takes hold of an upload. Returns also whether another one held it, and has crashed.
    pub(crate) fn acquire<H: Host>(client: &Client<H>, id: &str) -> lighter_storage::Result<(Self, bool)> {
        let Some(Found { record, etag, age }) = look(client, id)? else { return Err(Error::NotFound) };
        let was_held = record.held;
        if was_held && age.is_none_or(|age| age <= EXPIRY) {
            return Err(Error::Busy);
        }
        let own = Record { writer: client.nonce(), held: true, turn: record.turn + 1, ..record };
        let mut lease = Self { record: own.clone(), etag: Some(etag), written: 0, is_lost: false };
        if client.is_conditional()? {
            lease.swap(client, id, own)?;
        } else {
            lease.store(client, id, own)?;
            lease.confirm(client, id)?;
        }
        Ok((lease, was_held))
    }

    /// Stores a record, and fails with `busy` if another one holds the upload.
    pub(crate) fn write<H: Host>(
        &mut self,
        client: &Client<H>,
        id: &str,
        record: Record,
    ) -> lighter_storage::Result<()> {
        if self.is_lost {
            return Err(Error::Busy);
        }
        let (writer, turn) = (self.record.writer.clone(), self.record.turn);
        let record = Record { writer, turn, ..record };
        if self.etag.is_none() {
            return self.store(client, id, record);
        }
        if client.is_conditional()? {
            return self.swap(client, id, record);
        }
        self.confirm(client, id)?;
        self.store(client, id, record)
    }

    /// Whether there is a record.
    pub(crate) fn is_stored(&self) -> bool {
        self.etag.is_some()
    }

    /// Whether the record has to be written again before something is changed.
    pub(crate) fn is_old<H: Host>(&self, client: &Client<H>) -> bool {
        self.is_lost || self.etag.is_some() && client.host.now().abs_diff(self.written) >= RENEWAL
    }

    /// Fails with `busy` unless the record that is stored is this writer's.
    pub(crate) fn confirm<H: Host>(&mut self, client: &Client<H>, id: &str) -> lighter_storage::Result<()> {
        match look(client, id)? {
            Some(found) if found.record.writer == self.record.writer => Ok(()),
            _ => {
                self.is_lost = true;
                Err(Error::Busy)
            }
        }
    }

    fn put<H: Host>(
        &self,
        client: &Client<H>,
        id: &str,
        record: &mut Record,
        condition: Option<&str>,
    ) -> Result<Answer> {
        record.beat = self.record.beat + 1;
        let mut call = Call::put(&key(id), record.write());
        if let Some(etag) = condition {
            let as_in_ceph = client.abilities()?.writes == Condition::AsInCeph;
            call = call.header("if-match", if as_in_ceph { etag.trim_matches('"') } else { etag });
        }
        client.call(&call)
    }

    fn store<H: Host>(
        &mut self,
        client: &Client<H>,
        id: &str,
        mut record: Record,
    ) -> lighter_storage::Result<()> {
        let started = client.host.now();
        let answer = self.put(client, id, &mut record, None)?;
        self.stored(record, answer.etag(), started);
        Ok(())
    }

    fn swap<H: Host>(
        &mut self,
        client: &Client<H>,
        id: &str,
        mut record: Record,
    ) -> lighter_storage::Result<()> {
        let started = client.host.now();
        let etag = match self.put(client, id, &mut record, self.etag.as_deref()) {
            Ok(answer) => answer.etag(),
            Err(failure) if failure.is_unmet() || failure.is_absence() => {
                // Perhaps by the same request, whose answer was lost.
                match look(client, id)? {
                    Some(found) if found.record == record => found.etag,
                    _ => {
                        self.is_lost = true;
                        return Err(Error::Busy);
                    }
                }
            }
            Err(failure) => return Err(failure.into()),
        };
        self.stored(record, etag, started);
        Ok(())
    }

    fn stored(&mut self, record: Record, etag: String, started: u64) {
        // From when it was sent: the store may have had it as early as that.
        (self.record, self.etag, self.written) = (record, Some(etag), started);
    }

    /// What it is that the upload's bytes are gone, for one who has found that: an upload that ended, if another holds it.
    pub(crate) fn gone<H: Host>(&mut self, client: &Client<H>, id: &str, failure: Failure) -> Error {
        match self.confirm(client, id) {
            Err(Error::Busy) => Error::Busy,
            Err(error) => error,
            Ok(()) => {
                self.is_lost = true;
                match crate::value::delete(client, &key(id)) {
                    Ok(()) => Error::NotFound,
                    Err(_) => failure.into(),
                }
            }
        }
    }
}
