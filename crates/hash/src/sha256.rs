//! SHA-256 (FIPS 180-4) with a state that can be stored, in the format of Go's `crypto/sha256`.

mod compress;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd;

use self::compress::compress;

/// Bytes in a block.
const BLOCK: usize = 64;

/// The beginning of a state in Go's format.
const MAGIC: &[u8; 4] = b"sha\x03";

/// The padding of a message: as many of its bytes as fill a block, apart from the message's length.
const PADDING: [u8; BLOCK] = {
    let mut padding = [0; BLOCK];
    padding[0] = 0x80;
    padding
};

/// A hash in progress.
#[derive(Clone)]
pub struct Sha256 {
    state: [u32; 8],
    /// The beginning of a block. The bytes beyond it are old.
    pending: [u8; BLOCK],
    /// The number of bytes hashed, including those pending.
    length: u64,
}

impl Sha256 {
    /// Starts with no bytes hashed.
    pub fn new() -> Self {
        let state =
            [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
        Self { state, pending: [0; BLOCK], length: 0 }
    }

    /// Hashes further bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        let fill = self.fill();
        self.length += bytes.len() as u64;
        if fill > 0 {
            let now = bytes.split_off(..bytes.len().min(BLOCK - fill)).unwrap_or_default();
            self.pending.iter_mut().skip(fill).zip(now).for_each(|(pending, byte)| *pending = *byte);
            if fill + now.len() < BLOCK {
                return;
            }
            compress(&mut self.state, &[self.pending]);
        }
        let (blocks, rest) = bytes.as_chunks();
        compress(&mut self.state, blocks);
        self.pending.iter_mut().zip(rest).for_each(|(pending, byte)| *pending = *byte);
    }

    /// The hash of all bytes.
    pub fn finish(mut self) -> [u8; 32] {
        let bits = self.length.wrapping_mul(8);
        let padding = BLOCK - (self.fill() + 8) % BLOCK;
        self.update(PADDING.get(..padding).unwrap_or_default());
        self.update(&bits.to_be_bytes());
        let mut hash = [0; 32];
        hash.as_chunks_mut()
            .0
            .iter_mut()
            .zip(self.state)
            .for_each(|(bytes, word)| *bytes = word.to_be_bytes());
        hash
    }

    /// The state in Go's format, 108 bytes: the chaining values, the pending block, filled up
    /// with zeros, and the length.
    pub fn to_state(&self) -> Vec<u8> {
        let mut state = Vec::with_capacity(4 + 32 + BLOCK + 8);
        state.extend_from_slice(MAGIC);
        state.extend(self.state.iter().flat_map(|word| word.to_be_bytes()));
        state.extend(self.pending.iter().take(self.fill()));
        state.resize(4 + 32 + BLOCK, 0);
        state.extend_from_slice(&self.length.to_be_bytes());
        state
    }

    /// Resumes a hash from a state in Go's format, if it is a state after exactly `length` bytes. Go leaves old bytes
    /// in the block beyond those pending; they are ignored.
    pub fn from_state(state: &[u8], length: u64) -> Option<Self> {
        let (words, rest) = state.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
        let (pending, hashed) = rest.split_first_chunk()?;
        if hashed != length.to_be_bytes() {
            return None;
        }
        let mut hasher = Self { state: [0; 8], pending: *pending, length };
        let words = words.as_chunks().0.iter();
        hasher.state.iter_mut().zip(words).for_each(|(word, bytes)| *word = u32::from_be_bytes(*bytes));
        Some(hasher)
    }

    /// The number of bytes pending.
    fn fill(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }
}
