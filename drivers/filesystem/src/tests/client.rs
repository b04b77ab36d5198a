//! A client of the driver, as the registry is one: it remembers what was acknowledged, tries again what failed, and
//! checks what is there after a power cut.

use std::collections::BTreeMap;

use lighter_storage::{BlobInfo, Content, Error, Result, Storage, Upload};

use super::model::Model;
use crate::storage::Filesystem;
use crate::upload::Writer;

/// One request to the driver, or the part of one that is about one upload. Contents are of text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Set(&'static str, &'static str),
    Create(&'static str, &'static str),
    Delete(&'static str),
    DeletePrefix(&'static str),
    /// Stores a value that may be lost, under a prefix where all may be.
    Volatile(&'static str, &'static str, &'static str),
    /// Removes what is under a prefix, and may come back.
    DiscardPrefix(&'static str),
    Put(&'static str, &'static str),
    DeleteBlob(&'static str),
    /// Begins an upload without bytes, as `POST` does.
    Start(&'static str),
    /// Begins an upload, or opens it, and appends.
    Append(&'static str, &'static str),
    /// Makes what was appended durable, and notes its hash: `PATCH` has ended.
    Suspend(&'static str),
    /// Lets go of what was appended: the request has failed.
    Drop(&'static str),
    /// The server is killed, and its lease is left behind.
    Kill(&'static str),
    /// Publishes the upload as a blob, after further bytes: `PUT`.
    Commit(&'static str, &'static str, &'static str),
    Abort(&'static str),
}

/// What the client does about a step that failed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Then {
    /// It tries again, until it is acknowledged.
    Repeat,
    /// It looks at what is there, and takes that for what happened. Uploads go on from where they stand.
    Believe,
}

/// What may be under a key.
type Allowed = Vec<Option<Vec<u8>>>;

/// An upload as its client sees it.
#[derive(Default)]
struct Session {
    /// All that was sent, and how much of it was acknowledged.
    sent: Vec<u8>,
    acknowledged: usize,
    /// Whether it may have ended, and as which blob.
    ending: bool,
    /// Whether its writer was killed: then nothing is believed that was not acknowledged, as by the registry.
    killed: bool,
    becomes: Option<&'static str>,
}

pub(crate) struct Client {
    disk: Model,
    storage: Filesystem<Model>,
    values: BTreeMap<&'static str, Allowed>,
    blobs: BTreeMap<&'static str, Allowed>,
    uploads: BTreeMap<&'static str, Session>,
    writers: BTreeMap<&'static str, Writer<Model>>,
}

/// A lease that nobody releases has expired after this many seconds.
const EXPIRED: u64 = 30;

fn text(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

pub(crate) fn storage(disk: &Model) -> Filesystem<Model> {
    Filesystem::new(Ok((disk.clone(), "root".to_owned())))
}

impl Client {
    pub(crate) fn new(disk: &Model) -> Self {
        Self {
            disk: disk.clone(),
            storage: storage(disk),
            values: BTreeMap::new(),
            blobs: BTreeMap::new(),
            uploads: BTreeMap::new(),
            writers: BTreeMap::new(),
        }
    }

    /// Takes all steps. Stops where the power is off.
    pub(crate) fn run(&mut self, steps: &[Step], then: Then) {
        for step in steps {
            self.take(*step, then);
            if self.disk.is_off() {
                return;
            }
        }
    }

    /// Takes a step until it is acknowledged, or was looked at, or the power is off.
    fn take(&mut self, step: Step, then: Then) {
        for _ in 0..4 {
            self.expect(step);
            let done = self.attempt(step);
            if self.disk.is_off() {
                return;
            }
            match done {
                Ok(()) => return self.acknowledge(step),
                Err(Error::NotFound) if self.restarts(step).unwrap_or(self.disk.is_off()) => {}
                Err(error) => {
                    assert!(error != Error::NotFound, "{step:?}: an upload is gone");
                    self.disk.pass(EXPIRED);
                    if then == Then::Believe && self.believe(step).unwrap_or(self.disk.is_off()) {
                        return;
                    }
                }
            }
        }
        panic!("{step:?} does not go on");
    }

    fn attempt(&mut self, step: Step) -> Result<()> {
        let storage = &self.storage;
        match step {
            Step::Set(key, value) => storage.set(key, value.as_bytes()),
            Step::Create(key, value) => storage.create(key, value.as_bytes()).map(|created| {
                // One that was there stays, and the client may rely on it.
                let allowed = self.values.entry(key).or_default();
                allowed.retain(|there| *there == text(value) || !created && there.is_some());
                assert!(!allowed.is_empty(), "{step:?}: nothing was there");
            }),
            Step::Delete(key) => storage.delete(key),
            Step::DeletePrefix(prefix) => storage.delete_prefix(prefix),
            Step::Volatile(prefix, key, value) => storage.set_volatile(prefix, key, value.as_bytes()),
            Step::DiscardPrefix(prefix) => storage.discard_prefix(prefix),
            Step::Put(key, content) => storage.put(key, content.as_bytes()),
            Step::DeleteBlob(key) => storage.delete_blob(key),
            Step::Start(id) => storage.create_upload(id)?.suspend(&[]),
            Step::Append(id, bytes) => {
                let mut writer = self.writer(id)?;
                let session = self.uploads.entry(id).or_default();
                let here = writer.offset() as usize;
                // Of what is sent once more, a part may have been stored.
                session.sent.truncate(here);
                session.sent.extend_from_slice(bytes.as_bytes());
                if let Err(error) = writer.append(bytes.as_bytes()) {
                    // As the registry does: what did arrive is kept.
                    let _ = writer.suspend(&[]);
                    session.sent.truncate(here);
                    return Err(error);
                }
                self.writers.insert(id, writer);
                Ok(())
            }
            Step::Suspend(id) => {
                let mut writer = self.writer(id)?;
                let session = self.uploads.entry(id).or_default();
                // Where it failed before, the client sends again what is not there.
                let missing = session.sent.get(writer.offset() as usize..).unwrap_or_default();
                if !missing.is_empty() {
                    writer.append(missing)?;
                }
                let offset = writer.offset();
                writer.suspend(&[(format!("{}/hashes/sha256/{offset}", parent(id)), b"a hash".to_vec())])
            }
            Step::Drop(id) => {
                self.writers.remove(id);
                Ok(())
            }
            Step::Kill(id) => {
                std::mem::forget(self.writers.remove(id));
                self.uploads.entry(id).or_default().killed = true;
                self.disk.pass(EXPIRED);
                Ok(())
            }
            Step::Commit(id, bytes, key) => {
                let mut writer = self.writer(id)?;
                let session = self.uploads.entry(id).or_default();
                let missing = writer.offset() as usize..;
                session.becomes = Some(key);
                session.ending = true;
                if !session.sent.ends_with(bytes.as_bytes()) {
                    session.sent.extend_from_slice(bytes.as_bytes());
                }
                let allowed = self.blobs.entry(key).or_insert_with(|| vec![None]);
                allowed.push(Some(session.sent.clone()));
                let missing = session.sent[missing].to_vec();
                // As the registry, which appends nothing where there is nothing.
                if !missing.is_empty() {
                    writer.append(&missing).inspect_err(|_| session.ending = false)?;
                }
                writer.commit(key)
            }
            Step::Abort(id) => {
                let writer = self.writer(id)?;
                self.uploads.entry(id).or_default().ending = true;
                writer.abort()
            }
        }
    }

    /// The writer of an upload: the open one, or one that opens it, or a new one.
    fn writer(&mut self, id: &'static str) -> Result<Writer<Model>> {
        if let Some(writer) = self.writers.remove(id) {
            return Ok(writer);
        }
        let Some(session) = self.uploads.get_mut(id) else { return self.storage.create_upload(id) };
        let mut writer = self.storage.open_upload(id)?;
        if session.killed && writer.offset() > session.acknowledged as u64 {
            writer.cut(session.acknowledged as u64)?;
            session.sent.truncate(session.acknowledged);
        }
        session.killed = false;
        let stored = writer.offset() as usize;
        assert!(stored >= session.acknowledged, "{id} has lost acknowledged bytes: {stored}");
        // Nothing crashed: what the status says is believed.
        assert!(stored <= session.sent.len(), "{id} has bytes that were not sent");
        Ok(writer)
    }

    /// What may come of a step is allowed from now on.
    fn expect(&mut self, step: Step) {
        let may = |keys: &mut BTreeMap<&'static str, Allowed>, key, value| {
            keys.entry(key).or_insert_with(|| vec![None]).push(value);
        };
        match step {
            Step::Set(key, value) | Step::Create(key, value) => may(&mut self.values, key, text(value)),
            Step::Put(key, content) => may(&mut self.blobs, key, text(content)),
            Step::Delete(key) => may(&mut self.values, key, None),
            Step::DeleteBlob(key) => may(&mut self.blobs, key, None),
            Step::DeletePrefix(prefix) => {
                self.under(prefix).for_each(|allowed| allowed.push(None));
            }
            _ => {}
        }
    }

    fn under(&mut self, prefix: &str) -> impl Iterator<Item = &mut Allowed> {
        let below = format!("{prefix}/");
        self.values.iter_mut().filter(move |(key, _)| key.starts_with(&below)).map(|(_, allowed)| allowed)
    }

    /// Nothing but what was acknowledged is allowed.
    fn acknowledge(&mut self, step: Step) {
        match step {
            Step::Set(key, value) => drop(self.values.insert(key, vec![text(value)])),
            Step::Put(key, content) => drop(self.blobs.insert(key, vec![text(content)])),
            Step::Delete(key) => drop(self.values.insert(key, vec![None])),
            Step::DeleteBlob(key) => drop(self.blobs.insert(key, vec![None])),
            Step::DeletePrefix(prefix) => self.under(prefix).for_each(|allowed| *allowed = vec![None]),
            Step::Start(id) => drop(self.uploads.insert(id, Session::default())),
            Step::Suspend(id) => {
                let session = self.uploads.entry(id).or_default();
                session.acknowledged = session.sent.len();
            }
            Step::Commit(id, _, key) => {
                let session = self.uploads.remove(id).unwrap_or_default();
                self.blobs.insert(key, vec![Some(session.sent)]);
            }
            Step::Abort(id) => drop(self.uploads.remove(id)),
            Step::Volatile(..) | Step::DiscardPrefix(_) => {}
            Step::Create(..) | Step::Append(..) | Step::Drop(_) | Step::Kill(_) => {}
        }
    }

    /// Whether an upload that is not there has ended, or had nothing that was acknowledged: its client then begins
    /// another one, and sends everything again.
    fn restarts(&mut self, step: Step) -> Result<bool> {
        let (Step::Append(id, _) | Step::Suspend(id) | Step::Commit(id, ..) | Step::Abort(id)) = step else {
            return Ok(false);
        };
        let Some(session) = self.uploads.get(id) else { return Ok(true) };
        let may = session.ending || session.acknowledged == 0;
        if may && matches!(step, Step::Commit(..)) {
            let sent = session.sent.clone();
            let mut writer = self.storage.create_upload(id)?;
            writer.append(&sent)?;
            self.writers.insert(id, writer);
        }
        Ok(may)
    }

    /// Takes what is there for what happened. Returns whether that ends the step.
    fn believe(&mut self, step: Step) -> Result<bool> {
        let allow = |allowed: &mut Allowed, there: Option<Vec<u8>>| {
            assert!(allowed.contains(&there), "{step:?} left {there:?}");
            *allowed = vec![there];
        };
        match step {
            Step::Set(key, _) | Step::Create(key, _) | Step::Delete(key) => {
                allow(self.values.entry(key).or_default(), self.storage.get(key)?);
            }
            // That is not atomic: each value may be there or not, until it is called again.
            Step::DeletePrefix(_) | Step::DiscardPrefix(_) | Step::Volatile(..) => {}
            Step::Put(key, _) | Step::DeleteBlob(key) => {
                allow(self.blobs.entry(key).or_default(), blob(&self.storage, key)?);
            }
            Step::Commit(id, _, key) => {
                // A blob that is seen is used, by those who mount it.
                let Some(there) = blob(&self.storage, key)? else { return Ok(false) };
                self.uploads.remove(id);
                allow(self.blobs.entry(key).or_default(), Some(there));
            }
            // The client asks for the status, and goes on from there.
            Step::Suspend(id) => {
                if let Some(stored) = self.storage.received(id)? {
                    let (stored, session) = (stored as usize, self.uploads.entry(id).or_default());
                    assert!((session.acknowledged..=session.sent.len()).contains(&stored), "{id}: {stored}");
                    session.sent.truncate(stored);
                }
            }
            Step::Start(_) | Step::Append(..) | Step::Drop(_) | Step::Kill(_) | Step::Abort(_) => {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Checks what is there after a power cut, and that everything goes on from there.
    pub(crate) fn check(&self, disk: &Model, why: &str) {
        disk.pass(EXPIRED);
        let storage = storage(disk);
        for (key, allowed) in &self.values {
            let there = storage.get(key).expect("a value");
            assert!(allowed.contains(&there), "{why}: {key} is {there:?}, not one of {allowed:?}");
        }
        for (key, allowed) in &self.blobs {
            let there = blob(&storage, key).expect("a blob");
            assert!(allowed.contains(&there), "{why}: {key} is {there:?}, not one of {allowed:?}");
        }
        for (id, session) in &self.uploads {
            session.check(&storage, id, why);
        }
        // Everything can be written to, and stays.
        for key in self.values.keys() {
            storage.set(key, b"new").unwrap_or_else(|error| panic!("{why}: {key} is stuck: {error}"));
        }
        let again = super::client::storage(&disk.after_cut(&mut super::choices::Choices::default()));
        for key in self.values.keys() {
            assert_eq!(again.get(key).unwrap(), text("new"), "{why}: {key} after a second cut");
        }
        for (id, session) in &self.uploads {
            let key = format!("finished/{id}");
            let there = blob(&again, &key).expect("a blob");
            assert!(there.is_none() || there.as_ref() == Some(&session.sent), "{why}: {id} is {there:?}");
            if session.acknowledged > 0 && !session.ending {
                assert!(there.is_some(), "{why}: {id} is lost in the second cut");
            }
        }
    }
}

fn parent(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Session {
    /// Takes up an upload after a crash, as the registry does, and finishes it.
    fn check(&self, storage: &Filesystem<Model>, id: &str, why: &str) {
        let mut writer = match storage.open_upload(id) {
            Ok(writer) => writer,
            Err(Error::NotFound) => {
                let published = self.becomes.and_then(|key| blob(storage, key).expect("a blob"));
                let ended = self.ending && (self.becomes.is_none() || published.as_ref() == Some(&self.sent));
                assert!(ended || self.acknowledged == 0, "{why}: {id} is gone");
                return;
            }
            Err(error) => panic!("{why}: {id} cannot be opened: {error}"),
        };
        let stored = writer.offset() as usize;
        assert!(stored >= self.acknowledged, "{why}: of {id} only {stored} bytes are left");
        // What nothing proves is not believed.
        writer.cut(self.acknowledged as u64).unwrap();
        let there = bytes(writer.read().unwrap());
        assert_eq!(there, self.sent[..self.acknowledged], "{why}: {id}");
        writer.append(&self.sent[self.acknowledged..]).unwrap();
        writer.commit(&format!("finished/{id}")).unwrap();
    }
}

/// A blob's bytes, or none.
pub(crate) fn blob(storage: &Filesystem<Model>, key: &str) -> Result<Option<Vec<u8>>> {
    let Some(BlobInfo { size, .. }) = storage.stat(key)? else { return Ok(None) };
    let bytes = bytes(storage.read(key, 0, size)?);
    assert_eq!(bytes.len() as u64, size);
    Ok(Some(bytes))
}

/// The bytes of content, which the disk of the tests has in memory.
fn bytes(content: Content) -> Vec<u8> {
    let Content::Bytes(bytes) = content else { panic!("a stream") };
    bytes
}
