//! Hashing that can stop in one request and continue in the next.
//!
//! The state has the format of Go's `crypto/sha256` and `crypto/sha512`, which
//! distribution keeps in `hashstates/`: a magic number, the chaining values big-endian, the block
//! buffer, and the number of bytes hashed.

mod digest;
mod sha256;

use sha2::digest::common::hazmat::SerializableState;
use sha2::{Digest as _, Sha512};

pub use self::digest::{Algorithm, Digest};
use self::sha256::Sha256;

/// A hash in progress.
#[derive(Clone)]
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-512.
    Sha512(Sha512),
}

impl Hasher {
    /// Starts with no bytes hashed.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Hashes further bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all bytes so far.
    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(hasher) => Digest::of_output(Algorithm::Sha256, &hasher.finish()),
            Self::Sha512(hasher) => Digest::of_output(Algorithm::Sha512, &hasher.finalize()),
        }
    }

    /// The state in Go's format: 108 bytes for SHA-256, 204 for SHA-512.
    pub fn to_state(&self) -> Vec<u8> {
        match self {
            Self::Sha256(hasher) => hasher.to_state(),
            Self::Sha512(hasher) => marshal(&hasher.serialize()),
        }
    }

    /// Resumes a hash from a state in Go's format, if it is a state of this algorithm after exactly `length` bytes.
    pub fn from_state(algorithm: Algorithm, state: &[u8], length: u64) -> Option<Self> {
        match algorithm {
            Algorithm::Sha256 => Sha256::from_state(state, length).map(Self::Sha256),
            Algorithm::Sha512 => {
                let state = unmarshal(state, length)?;
                Sha512::deserialize(state.as_slice().try_into().ok()?).ok().map(Self::Sha512)
            }
        }
    }
}

impl Digest {
    /// Computes the digest of content that is in memory.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }
}

// sha2 serializes SHA-512 as: 8 chaining values, the number of whole blocks in 16 bytes, the fill of the
// block buffer in one byte, then the buffer without its last byte; all little-endian.

/// The beginning of a SHA-512 state in Go's format.
const MAGIC: &[u8; 4] = b"sha\x07";

/// Bytes in a word.
const WORD: usize = 8;

/// Bytes in a block.
const BLOCK: usize = 128;

/// Converts sha2's format to Go's.
fn marshal(state: &[u8]) -> Vec<u8> {
    let (words, rest) = state.split_at(8 * WORD);
    let (blocks, buffer) = rest.split_at(2 * WORD);
    let blocks = blocks.iter().rev().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    let (fill, pending) = buffer.split_first().unwrap_or((&0, &[]));
    let mut out = Vec::with_capacity(4 + 8 * WORD + BLOCK + 8);
    out.extend_from_slice(MAGIC);
    out.extend(words.chunks(WORD).flat_map(|word| word.iter().rev()));
    out.extend_from_slice(pending);
    out.push(0);
    out.extend_from_slice(&(blocks * BLOCK as u64 + u64::from(*fill)).to_be_bytes());
    out
}

/// Converts Go's format to sha2's. Go leaves old bytes in the buffer beyond its fill; sha2 needs them to be zero.
fn unmarshal(state: &[u8], length: u64) -> Option<Vec<u8>> {
    let rest = state.strip_prefix(MAGIC)?;
    let (words, rest) = rest.split_at_checked(8 * WORD)?;
    let (buffer, hashed) = rest.split_at_checked(BLOCK)?;
    if hashed != length.to_be_bytes() {
        return None;
    }
    let fill = (length % BLOCK as u64) as usize;
    let mut out = Vec::with_capacity(10 * WORD + BLOCK);
    out.extend(words.chunks(WORD).flat_map(|word| word.iter().rev()));
    out.extend((length / BLOCK as u64).to_le_bytes());
    out.resize(10 * WORD, 0);
    out.push(fill as u8);
    out.extend_from_slice(buffer.get(..fill)?);
    out.resize(10 * WORD + BLOCK, 0);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    fn state_after(bytes: &[u8]) -> Vec<u8> {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(bytes);
        hasher.to_state()
    }

    const IV: &str = "6a09e667 bb67ae85 3c6ef372 a54ff53a 510e527f 9b05688c 1f83d9ab 5be0cd19";
    const AFTER_64_A: &str = "df5bb81c e81e0626 fb45a894 4fd40f31 b25e6816 d6d499c1 ab904929 00635e66";

    /// These are states that Go's `crypto/sha256` has marshalled.
    #[test]
    fn states_are_gos() {
        let zeros = |n: usize| "00".repeat(n);
        assert_eq!(state_after(b""), hex(&format!("73686103 {IV} {} {}", zeros(64), zeros(8))));
        assert_eq!(state_after(b"abc"), hex(&format!("73686103 {IV} 616263 {} {}03", zeros(61), zeros(7))));
        assert_eq!(
            state_after(&[b'a'; 64]),
            hex(&format!("73686103 {AFTER_64_A} {} {}40", zeros(64), zeros(7)))
        );
        assert_eq!(
            state_after(&[b'a'; 70]),
            hex(&format!("73686103 {AFTER_64_A} 616161616161 {} {}46", zeros(58), zeros(7)))
        );
    }

    /// Some lengths need a block of its own for the padding, and some do not.
    #[test]
    fn messages_of_every_length_have_the_hash_of_sha2() {
        let content: Vec<u8> = (0..200_u8).collect();
        for end in 0..content.len() {
            let message = &content[..end];
            let expected = Digest::of_output(Algorithm::Sha256, &sha2::Sha256::digest(message));
            assert_eq!(Digest::of(Algorithm::Sha256, message), expected, "{end} bytes");
        }
    }

    #[test]
    fn a_hash_continues_where_it_stopped() {
        let content: Vec<u8> = (0..1000_u32).map(|n| (n * 7) as u8).collect();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let whole = Digest::of(algorithm, &content);
            for stop in [0, 1, 63, 64, 65, 127, 128, 129, 999, 1000] {
                let (first, second) = content.split_at(stop);
                let mut hasher = Hasher::new(algorithm);
                hasher.update(first);
                let state = hasher.to_state();
                let mut resumed = Hasher::from_state(algorithm, &state, stop as u64).unwrap();
                resumed.update(second);
                assert_eq!(resumed.finish(), whole, "{algorithm:?} at {stop}");
            }
        }
    }

    #[test]
    fn a_state_that_does_not_fit_is_refused() {
        let state = state_after(b"abc");
        assert!(Hasher::from_state(Algorithm::Sha256, &state, 3).is_some());
        assert!(Hasher::from_state(Algorithm::Sha256, &state, 4).is_none());
        assert!(Hasher::from_state(Algorithm::Sha256, &state[..107], 3).is_none());
        assert!(Hasher::from_state(Algorithm::Sha256, b"", 0).is_none());
        assert!(Hasher::from_state(Algorithm::Sha512, &state, 3).is_none());
    }

    /// Go does not clear the buffer beyond its fill.
    #[test]
    fn leftovers_in_the_buffer_do_not_matter() {
        let mut state = state_after(b"abc");
        state[4 + 32 + 3] = 0xff;
        let hasher = Hasher::from_state(Algorithm::Sha256, &state, 3).unwrap();
        assert_eq!(hasher.finish(), Digest::of(Algorithm::Sha256, b"abc"));
    }
}
