//! An upload: bytes on their way to becoming a blob, over one or many requests.

use uuid::Uuid;

use crate::clock;
use crate::garbage::outside::{Outside as _, System};
use crate::layout;
use crate::push;
use crate::repository::Repository;
use crate::upload_proof::{self as proof, Proof};
use lighter_hash::{Algorithm, Digest, Hasher};
use lighter_storage::{self as storage, Note, Put, Storage, Stream, Upload as _, read_exactly};

/// The reason why an operation on an upload failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no such upload: it has ended, or never existed.
    Unknown,
    /// Another request is writing to the upload.
    Busy,
    /// The bytes that were sent do not continue the upload at its `offset`.
    OutOfOrder {
        /// How many bytes the upload has.
        offset: u64,
    },
    /// The body is not as long as the chunk that was announced. What arrived is kept.
    WrongLength {
        /// How many bytes the upload has.
        offset: u64,
    },
    /// The content does not match the digest. The upload has ended.
    WrongDigest,
    /// The content was removed as garbage while it was published again. The upload has ended.
    Collected,
    /// The body broke off, with a text for the log. What arrived is kept.
    Broken(String),
    /// Storage has failed.
    Storage(storage::Error),
}

/// The result of an operation on an upload.
pub type Result<T> = core::result::Result<T, Error>;

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match error {
            // The upload was purged, or ended by another request.
            storage::Error::NotFound => Self::Unknown,
            storage::Error::Busy => Self::Busy,
            error => Self::Storage(error),
        }
    }
}

/// An upload that this request holds: no other request can write to it meanwhile.
pub struct Upload<'a, S: Storage> {
    repository: &'a Repository<'a, S>,
    id: String,
    writer: S::Upload,
    /// The hashes of all bytes up to the writer's offset. Empty until one is needed.
    hashers: Vec<Hasher>,
    /// The stored SHA-256 of the bytes so far, until it is needed.
    kept: Option<Hasher>,
    /// Whether bytes were dropped because nothing proved that they are stored.
    is_cut: bool,
}

impl<'a, S: Storage> Upload<'a, S> {
    /// Starts an upload. Returns it, and when it was started.
    pub fn start(repository: &'a Repository<'a, S>) -> storage::Result<(Self, String)> {
        let (id, started_at, writer) = begin(repository)?;
        let kept = Some(Hasher::new(Algorithm::Sha256));
        Ok((Self { repository, id, writer, hashers: Vec::new(), kept, is_cut: false }, started_at))
    }

    /// Resumes an upload after the last byte that is proven to be stored; bytes beyond that are dropped. `signed` is the
    /// offset that the client's `_state` names.
    pub fn resume(repository: &'a Repository<'a, S>, id: &str, signed: u64) -> Result<Self> {
        let mut writer = repository.storage().open_upload(&layout::upload_data(repository.name(), id))?;
        let Proof { offset, sha256 } = proof::find_open(repository, id, &writer, signed)?;
        let is_cut = offset < writer.offset();
        if is_cut {
            proof::remove_beyond(repository, id, offset)?;
        }
        // distribution keeps a hash before it syncs the bytes. So where no answer tells of these bytes, storage is told not
        // to rely on what it finds, and syncs them again.
        if is_cut || offset != signed && !repository.storage().proves_uploads() {
            writer.cut(offset)?;
        }
        Ok(Self { repository, id: id.to_owned(), writer, hashers: Vec::new(), kept: sha256, is_cut })
    }

    /// Cancels an upload and removes its bytes.
    pub fn cancel(repository: &Repository<S>, id: &str) -> Result<()> {
        let writer = repository.storage().open_upload(&layout::upload_data(repository.name(), id))?;
        Ok(abort(repository, id, writer)?)
    }

    /// Returns how many bytes of an upload are proven to be stored. `signed` is the offset that the client's
    /// `_state` names, if it brings one.
    pub fn received(repository: &Repository<S>, id: &str, signed: Option<u64>) -> Result<u64> {
        proof::received(repository, id, signed)?.ok_or(Error::Unknown)
    }

    /// Returns when an upload was started: RFC 3339, in UTC. Empty if that is not known.
    pub fn started_at(repository: &Repository<S>, id: &str) -> storage::Result<String> {
        let started_at = repository.storage().get(&layout::upload_started_at(repository.name(), id))?;
        let started_at = String::from_utf8(started_at.unwrap_or_default()).unwrap_or_default();
        // A crash of the machine may have damaged it.
        Ok(Some(started_at).filter(|text| !text.contains('\0')).unwrap_or_default())
    }

    /// The upload's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How many bytes the upload has.
    pub fn offset(&self) -> u64 {
        self.writer.offset()
    }

    /// Prepares to hash, with SHA-256 and the algorithm that the client will ask for. Bytes that were received earlier are
    /// read again only if their hash was not stored.
    pub fn hash_with(&mut self, algorithm: Algorithm) -> Result<()> {
        let mut behind = Vec::new();
        for algorithm in [Algorithm::Sha256, algorithm] {
            if self.hashers.iter().chain(&behind).any(|hasher| hasher.algorithm() == algorithm) {
                continue;
            }
            let kept = match algorithm {
                Algorithm::Sha256 => self.kept.take(),
                Algorithm::Sha512 => proof::open_hash(self.repository, &self.id, &self.writer, algorithm)?,
            };
            match kept {
                Some(hasher) => self.hashers.push(hasher),
                None => behind.push(Hasher::new(algorithm)),
            }
        }
        if !behind.is_empty() {
            self.read_again(&mut behind)?;
            self.hashers.append(&mut behind);
        }
        Ok(())
    }

    /// Receives bytes that belong at an offset, to the end of a stream, and hashes them. Returns the upload, and how
    /// many bytes came. If they do not continue the upload, or break off, it is suspended with what did arrive.
    pub fn receive_at(
        mut self,
        first: u64,
        algorithm: Algorithm,
        body: &mut dyn Stream,
    ) -> Result<(Self, u64)> {
        // The offset matters only if bytes are appended.
        if first != self.offset() && next(body)?.is_some() {
            return Err(Error::OutOfOrder { offset: self.suspend()? });
        }
        self.hash_with(algorithm)?;
        match self.receive(body) {
            Ok(received) => Ok((self, received)),
            Err(error) => {
                self.suspend()?;
                Err(error)
            }
        }
    }

    /// Publishes a whole body that belongs at an offset, if its digest and its length are known and storage can check them
    /// itself: then no byte passes through here. Returns the upload if not, before anything of the body was read. If the
    /// body breaks off, nothing of it is kept.
    pub fn put_at(
        self,
        first: u64,
        digest: &Digest,
        length: Option<u64>,
        body: &mut dyn Stream,
    ) -> Result<Option<Self>> {
        let is_whole = first == 0 && self.offset() == 0 && digest.algorithm() == Algorithm::Sha256;
        let Some(length) = length.filter(|length| *length > 0 && is_whole) else { return Ok(Some(self)) };
        let (storage, since) = (self.repository.storage(), System.now());
        match storage.put_stream(&layout::blob(digest), digest.hex(), body, length)? {
            Put::Declined => return Ok(Some(self)),
            Put::Stored => {}
            Put::OtherContent => {
                self.abort()?;
                return Err(Error::WrongDigest);
            }
            Put::Broken(why) => {
                self.suspend()?;
                return Err(Error::Broken(why));
            }
        }
        self.writer.abort()?;
        let is_there = link_and_end(self.repository, &self.id, since, digest, digest)?;
        if is_there { Ok(None) } else { Err(Error::Collected) }
    }

    /// Receives bytes to the end of a stream, and returns how many. What arrived before an error is
    /// kept.
    pub fn receive(&mut self, body: &mut dyn Stream) -> Result<u64> {
        let start = self.offset();
        while let Some(bytes) = next(body)? {
            let hashed = self.offset();
            if let Err(error) = self.writer.append(&bytes) {
                // A part of the bytes may be stored, but is not hashed. On a full disk this makes room for the hash of
                // the rest. The first error is reported.
                let _ = self.writer.cut(hashed);
                return Err(error.into());
            }
            self.hashers.iter_mut().for_each(|hasher| hasher.update(&bytes));
        }
        Ok(self.offset() - start)
    }

    /// Makes the received bytes durable and stores their hash, so that a later request can continue. Returns the upload's
    /// offset.
    pub fn suspend(self) -> Result<u64> {
        let offset = self.offset();
        let (storage, name) = (self.repository.storage(), self.repository.name());
        let note = |hasher: &Hasher| {
            (layout::upload_hash_state(name, &self.id, hasher.algorithm(), offset), hasher.to_state())
        };
        // No bytes need no proof.
        let notes: Vec<Note> = self.hashers.iter().filter(|_| offset > 0).map(note).collect();
        self.writer.suspend(&notes)?;
        // Another request may have ended the upload meanwhile, and would not remove notes that came later.
        if !notes.is_empty()
            && !storage.proves_uploads()
            && storage.received(&layout::upload_data(name, &self.id))?.is_none()
        {
            storage.discard_prefix(&layout::upload(name, &self.id))?;
        }
        Ok(offset)
    }

    /// Publishes the upload, as [`commit`](Self::commit) does. `received` is the number of bytes in this request.
    pub fn complete(self, received: u64, digest: &Digest) -> Result<()> {
        // The client may have sent the dropped bytes earlier. A commit without them would fail and end the upload.
        if self.is_cut && received == 0 {
            return Err(Error::OutOfOrder { offset: self.suspend()? });
        }
        self.commit(digest)
    }

    /// Publishes the upload as a blob of the repository, if it matches the digest; otherwise ends it and stores nothing.
    pub fn commit(mut self, digest: &Digest) -> Result<()> {
        self.hash_with(digest.algorithm())?;
        let digests: Vec<Digest> = self.hashers.drain(..).map(Hasher::finish).collect();
        let canonical = digests.iter().find(|digest| digest.algorithm() == Algorithm::Sha256);
        let Some(canonical) = canonical.filter(|_| digests.contains(digest)) else {
            self.abort()?;
            return Err(Error::WrongDigest);
        };
        let is_there = publish(self.repository, &self.id, self.writer, digest, canonical)?;
        if is_there { Ok(()) } else { Err(Error::Collected) }
    }

    /// Ends the upload.
    pub fn abort(self) -> Result<()> {
        Ok(abort(self.repository, &self.id, self.writer)?)
    }

    /// Hashes the bytes that were received earlier.
    fn read_again(&mut self, hashers: &mut [Hasher]) -> Result<()> {
        let mut content = self.writer.read()?;
        let read = read_exactly(&mut content, self.offset(), "the upload's bytes end early", |bytes| {
            hashers.iter_mut().for_each(|hasher| hasher.update(bytes));
            Ok(())
        });
        read.map_err(|source| Error::Storage(storage::Error::Other(source)))
    }
}

/// Begins an upload. Returns its id, when it was started, and its writer.
pub fn begin<S: Storage>(repository: &Repository<S>) -> storage::Result<(String, String, S::Upload)> {
    let (storage, name) = (repository.storage(), repository.name());
    let (id, started_at) = (Uuid::new_v4().to_string(), clock::now());
    // First, because an upload has a date. Nobody knows of the upload yet, and nothing is lost with an upload that has no
    // bytes: so it need not outlive a crash of the machine, and the purging dates one anew that has lost its date.
    let key = layout::upload_started_at(name, &id);
    let begun = storage
        .set_volatile(&layout::upload(name, &id), &key, started_at.as_bytes())
        .and_then(|()| storage.create_upload(&layout::upload_data(name, &id)));
    match begun {
        Ok(writer) => Ok((id, started_at, writer)),
        Err(error) => {
            // Otherwise each attempt would leave something in a store that is full.
            let _ = discard(repository, &id);
            Err(error)
        }
    }
}

/// Publishes an upload, whose digests were verified, as a blob of a repository. Returns whether the blob is there: otherwise
/// it was removed as garbage meanwhile. The upload has ended either way.
pub fn publish<S: Storage>(
    repository: &Repository<S>,
    id: &str,
    writer: S::Upload,
    digest: &Digest,
    canonical: &Digest,
) -> storage::Result<bool> {
    let since = System.now();
    writer.commit(&layout::blob(canonical))?;
    link_and_end(repository, id, since, digest, canonical)
}

/// Links content that was published after `since`, and ends its upload.
fn link_and_end<S: Storage>(
    repository: &Repository<S>,
    id: &str,
    since: u64,
    digest: &Digest,
    canonical: &Digest,
) -> storage::Result<bool> {
    // After the content, because it makes the blob visible.
    let is_there = push::blob(repository, &System, since, digest, canonical)?;
    discard(repository, id)?;
    Ok(is_there)
}

/// Ends an upload and removes its bytes.
pub fn abort<S: Storage>(repository: &Repository<S>, id: &str, writer: S::Upload) -> storage::Result<()> {
    writer.abort()?;
    discard(repository, id)
}

/// Removes what is left of an upload that has ended. What a crash of the machine brings back is purged, as one that its
/// client gave up.
fn discard<S: Storage>(repository: &Repository<S>, id: &str) -> storage::Result<()> {
    repository.storage().discard_prefix(&layout::upload(repository.name(), id))
}

/// Waits for the next bytes of a body. An error usually means that the client has disconnected.
fn next(body: &mut dyn Stream) -> Result<Option<Vec<u8>>> {
    body.next().map_err(Error::Broken)
}
