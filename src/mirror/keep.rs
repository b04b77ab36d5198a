//! A blob on its way from an upstream to a client, which is stored as it passes.

use std::sync::atomic::Ordering;

use super::Source;
use crate::access_log::log;
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

    /// Passes and stores what is left, for nobody. A blob without bytes is stored by this.
    pub fn finish(&mut self) -> core::result::Result<(), String> {
        if self.size == 0 {
            self.keep(&[], true);
            self.verify()
        } else {
            while self.next()?.is_some() {}
            Ok(())
        }
    }

    /// Waits for the next bytes, hashes them, and stores them.
    fn take(&mut self) -> core::result::Result<Vec<u8>, String> {
        let bytes = self.receive()?;
        self.passed += bytes.len() as u64;
        if self.passed > self.size {
            return Err("the upstream sends more than it has announced".to_owned());
        }
        self.hashers.iter_mut().for_each(|hasher| hasher.update(&bytes));
        let is_last = self.passed == self.size;
        self.keep(&bytes, is_last);
        if is_last {
            self.verify()?;
        }
        Ok(bytes)
    }

    /// Stores bytes, together with others. The first ones are given out before a store is even asked for room.
    fn keep(&mut self, bytes: &[u8], is_last: bool) {
        if !self.is_kept {
            return;
        }
        self.gathered.extend_from_slice(bytes);
        if (self.gathered.len() >= GATHERED || is_last)
            && let Err(error) = self.store()
        {
            self.failed(&error.to_string());
        }
    }

    /// Stores what was gathered.
    fn store(&mut self) -> Result<()> {
        if self.copy.is_none() {
            self.source.mirror.begun.store(true, Ordering::Relaxed);
            self.copy = Some(Copy::start(&self.source, &self.digest)?);
        }
        if let Some(copy) = &mut self.copy {
            copy.writer.append(&self.gathered)?;
        }
        self.gathered.clear();
        Ok(())
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
            self.failed(&error.to_string());
        }
        Ok(())
    }

    fn failed(&mut self, why: &str) {
        log(format!("{} of {} is passed on without being stored: {why}", self.digest, self.source.name));
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
        let stays = upload::publish(&source.repository(), &self.id, self.writer, digest, canonical)?;
        let removed = || Error::Other("it was removed at once, as garbage".to_owned());
        stays.then_some(()).ok_or_else(removed)
    }
}

impl<S: Storage> Stream for Keep<S> {
    fn next(&mut self) -> core::result::Result<Option<Vec<u8>>, String> {
        if self.passed == self.size {
            return Ok(None);
        }
        let taken = self.take();
        if taken.is_err() {
            self.forget();
        }
        taken.map(Some)
    }

    fn forward(&mut self, into: &mut dyn Sink, _most: u64) -> core::result::Result<Option<u64>, String> {
        let Some(bytes) = self.next()? else { return Ok(None) };
        if let Err(left) = into.write(&bytes) {
            return match self.finish() {
                Ok(()) => Err(format!("{left}; the blob is stored all the same")),
                Err(why) => Err(format!("{left}; {why}")),
            };
        }
        Ok(Some(bytes.len() as u64))
    }
}

/// An answer that is not sent to its end, and whose rest nobody has taken, leaves nothing behind.
impl<S: Storage> Drop for Keep<S> {
    fn drop(&mut self) {
        self.forget();
    }
}
