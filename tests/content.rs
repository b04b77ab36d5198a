//! Content to push: its digests, and content of any size that is not held in memory.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256, Sha512};

use crate::server::Server;

pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

pub(crate) fn sha512(bytes: &[u8]) -> String {
    format!("sha512:{}", hex(&Sha512::digest(bytes)))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts a blob into a repository, in one request after the POST, and returns its digest.
pub(crate) fn push_blob(server: &Server, repository: &str, bytes: &[u8]) -> String {
    let digest = sha256(bytes);
    let started = server.post(&format!("/v2/{repository}/blobs/uploads/")).send();
    let stored = server.put(&started.completed_by(&digest)).body(bytes).send();
    assert_eq!(stored.status(), "201 Created", "{stored}");
    digest
}

/// Bytes without a pattern, as many as asked for: the same ones for the same seed.
pub(crate) fn noise(seed: u64, length: u64) -> Noise {
    let word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Noise { word, block: Vec::new(), at: 0, left: length }
}

pub(crate) struct Noise {
    word: u64,
    block: Vec<u8>,
    at: usize,
    left: u64,
}

impl Noise {
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The digest of all of it.
    pub(crate) fn digest(mut self) -> String {
        let mut digest = DigestSink::default();
        io::copy(&mut self, &mut digest).unwrap();
        digest.finish()
    }

    fn next_word(&mut self) -> u64 {
        // xorshift64
        self.word ^= self.word << 13;
        self.word ^= self.word >> 7;
        self.word ^= self.word << 17;
        self.word
    }
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A block is made once and then marked anew for each use: making GBs afresh would take
        // longer than pushing them.
        if self.block.is_empty() {
            self.block = (0..8192).flat_map(|_| self.next_word().to_le_bytes()).collect();
        }
        if self.at == 0 {
            let mark = self.next_word().to_le_bytes();
            self.block[..8].copy_from_slice(&mark);
        }
        let length = buffer.len().min(self.block.len() - self.at);
        let length = length.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buffer[..length].copy_from_slice(&self.block[self.at..self.at + length]);
        self.at = (self.at + length) % self.block.len();
        self.left -= length as u64;
        Ok(length)
    }
}

/// Takes bytes, and keeps only their digest.
#[derive(Default)]
pub(crate) struct DigestSink(Sha256);

impl DigestSink {
    pub(crate) fn finish(self) -> String {
        format!("sha256:{}", hex(&self.0.finalize()))
    }
}

impl Write for DigestSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
