//! A blob on its way from an upstream to a client, which is stored as it passes.

use core::mem;
use std::sync::atomic::Ordering;

use super::Source;
use crate::layout;
use crate::upload;
use lighter_hash::{Algorithm, Digest, Hasher};
use lighter_storage::{Content, Error, Result, Sink, Storage, Stream, Upload};

/// How many bytes are stored in one call. An upstream's pieces are small, and a call for each would take longer than all else.
const GATHERED: usize = 256 * 1024;

/// How often a blob that breaks off is continued.
const CONTINUED: u32 = 3;

/// A blob that is passed on and stored. It works when it is pulled: a slow client slows the upstream down, and no more
/// than a piece is ever in memory.
///
/// Nothing waits for the store before the first bytes are given out. The last bytes are given out once the digest is verified and the blob is stored. If it does not match, they are
/// withheld: the client has fewer bytes than were announced, and nothing is stored. If storage fails, the client gets
/// the blob all the same. If the client leaves, the rest is fetched and stored.
pub struct Keep<S: Storage + 'static> {
    source: Source<S>,
    digest: Digest,
    body: Content,
    size: u64,
    passed: u64,
    hashers: Vec<Hasher>,
    /// Whether it is to be stored, and nothing of that has failed.
    is_kept: bool,
    /// What has passed, and is stored once there is more.
    gathered: Vec<u8>,
    /// What was stored so far.
    copy: Option<Copy<S>>,
    continued: u32,
}

/// An upload, as a client's would be: the purge finds it if a crash abandons it. Two requests for the same blob have
/// one each, and the last one's bytes replace equal ones.
struct Copy<S: Storage> {
    id: String,
    writer: S::Upload,
}

impl<S: Storage> Keep<S> {
    pub(super) fn start(source: Source<S>, digest: Digest, body: Content, size: u64) -> Self {
        let mut hashers = vec![Hasher::new(Algorithm::Sha256)];
        if digest.algorithm() != Algorithm::Sha256 {
            hashers.push(Hasher::new(digest.algorithm()));
        }
        let (gathered, copy) = (Vec::new(), None);
        Self { source, digest, body, size, passed: 0, hashers, is_kept: true, gathered, copy, continued: 0 }
    }

    /// The size of the blob, as the upstream has announced it.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Stores what is left, for nobody, unless the store does not take it. A blob without bytes is stored by this.
    pub fn finish(&mut self) -> core::result::Result<(), String> {
        if self.size == 0 {
            self.settle(&[])
        } else {
            while self.is_kept && self.next()?.is_some() {}
            Ok(())
        }
    }

    /// Waits for the next bytes, and counts them. Returns none if all were taken.
    fn take(&mut self) -> core::result::Result<Option<Vec<u8>>, String> {
        if self.has_all() {
            return Ok(None);
        }
        let bytes = self.receive()?;
        self.passed += bytes.len() as u64;
        if self.passed > self.size {
            return Err("the upstream sends more than it has announced".to_owned());
        }
        Ok(Some(bytes))
    }

    fn has_all(&self) -> bool {
        self.passed == self.size
    }

    /// Passes the next bytes on, and stores them. Returns how many, or none if all were passed.
    fn pass(&mut self, into: &mut dyn Sink) -> core::result::Result<Option<u64>, String> {
        let Some(bytes) = self.take()? else { return Ok(None) };
        let is_last = self.has_all();
        // The client's connection takes them while they are hashed. The last ones wait for the digest.
        let early = if is_last { Ok(()) } else { into.write(&bytes) };
        self.settle(&bytes)?;
        let given = if is_last { into.write(&bytes) } else { early };
        given.map(|()| Some(bytes.len() as u64)).map_err(|left| match self.finish() {
            Ok(()) if self.is_kept => format!("{left}; the blob is stored all the same"),
            Ok(()) => left,
            Err(why) => format!("{left}; {why}"),
        })
    }

    /// Hashes and stores bytes. After the last ones, the digest is verified, and the blob published.
    fn settle(&mut self, bytes: &[u8]) -> core::result::Result<(), String> {
        self.hashers.iter_mut().for_each(|hasher| hasher.update(bytes));
        self.keep(bytes);
        if self.has_all() { self.verify() } else { Ok(()) }
    }

    /// Stores bytes, together with others if they are few.
    fn keep(&mut self, bytes: &[u8]) {
        if !self.is_kept {
            return;
        }
        let mut gathered = mem::take(&mut self.gathered);
        let is_alone = gathered.is_empty() && bytes.len() >= GATHERED;
        if !is_alone {
            gathered.extend_from_slice(bytes);
            if gathered.len() < GATHERED && !self.has_all() {
                self.gathered = gathered;
                return;
            }
        }
        if let Err(error) = self.store(if is_alone { bytes } else { &gathered }) {
            return self.failed(&error);
        }
        gathered.clear();
        self.gathered = gathered;
    }

    fn store(&mut self, bytes: &[u8]) -> Result<()> {
        let copy = match &mut self.copy {
            Some(copy) => copy,
            None => {
                let copy = Copy::start(&self.source, &self.digest)?;
                self.source.mirror.begun.store(true, Ordering::Relaxed);
                self.copy.insert(copy)
            }
        };
        copy.writer.append(bytes)
    }

    /// Waits for the next bytes. A body that breaks off is continued.
    fn receive(&mut self) -> core::result::Result<Vec<u8>, String> {
        loop {
            let broken = match self.body.next() {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => "it ends early".to_owned(),
                Err(broken) => broken,
            };
            let broken =
                format!("the upstream breaks off after {} of {} bytes: {broken}", self.passed, self.size);
            if self.continued == CONTINUED || self.passed == 0 {
                return Err(broken);
            }
            self.continued += 1;
            match self.source.open_rest(&self.digest, self.passed, self.size) {
                Ok(rest) => self.body = rest,
                Err(_) => return Err(broken),
            }
        }
    }

    /// Stores the blob, if all that has come matches the digest.
    fn verify(&mut self) -> core::result::Result<(), String> {
        let digests: Vec<Digest> = self.hashers.drain(..).map(Hasher::finish).collect();
        if !digests.contains(&self.digest) {
            return Err(format!("the upstream's bytes do not match {}", self.digest));
        }
        if let (Some(canonical), Some(copy)) = (digests.first(), self.copy.take())
            && let Err(error) = copy.commit(&self.source, &self.digest, canonical)
        {
            self.failed(&error);
        }
        Ok(())
    }

    fn failed(&mut self, why: &Error) {
        self.source.tell_passed_on(&self.digest, why);
        (self.is_kept, self.gathered) = (false, Vec::new());
        self.forget();
    }

    /// Removes what was stored.
    fn forget(&mut self) {
        if let Some(Copy { id, writer }) = self.copy.take() {
            // Whatever stays, the purge finds.
            let _ = upload::abort(&self.source.repository(), &id, writer);
        }
    }
}

impl<S: Storage> Copy<S> {
    fn start(source: &Source<S>, digest: &Digest) -> Result<Self> {
        let (id, _, mut writer) = upload::begin(&source.repository())?;
        if digest.algorithm() == Algorithm::Sha256 {
            writer.aim(&layout::blob(digest))?;
        }
        Ok(Self { id, writer })
    }

    fn commit(self, source: &Source<S>, digest: &Digest, canonical: &Digest) -> Result<()> {
        let repository = source.repository();
        let published = upload::publish(&repository, &self.id, self.writer, digest, canonical);
        let stays = published.inspect_err(|_| {
            // Its bytes would stay in a store that may be full, until the purge finds them.
            let _ = upload::Upload::cancel(&repository, &self.id);
        })?;
        let removed = || Error::Other("it was removed at once, as garbage".to_owned());
        stays.then_some(()).ok_or_else(removed)
    }
}

impl<S: Storage> Stream for Keep<S> {
    fn next(&mut self) -> core::result::Result<Option<Vec<u8>>, String> {
        let next =
            self.take().and_then(|taken| taken.map(|bytes| self.settle(&bytes).map(|()| bytes)).transpose());
        if next.is_err() {
            self.forget();
        }
        next
    }

    fn forward(&mut self, into: &mut dyn Sink, _most: u64) -> core::result::Result<Option<u64>, String> {
        let passed = self.pass(into);
        if passed.is_err() {
            self.forget();
        }
        passed
    }
}

/// An answer that is not sent to its end, and whose rest nobody has taken, leaves nothing behind.
impl<S: Storage> Drop for Keep<S> {
    fn drop(&mut self) {
        self.forget();
    }
}
