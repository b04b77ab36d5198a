//! What a manifest refers to: every digest that stands anywhere in it. One rule for all types, which keeps rather too much.

use crate::layout;
use crate::name::Name;
use lighter_hash::{Algorithm, Digest};
use lighter_storage::{Error, Result, Storage, read_exactly};

/// The length of the longest digest as text: `sha512:` and 128 digits.
const LONGEST: usize = 7 + 128;

/// The length from which a word is searched before it has ended.
const WORD: usize = 4096;

/// Finds digests in text that comes in pieces.
#[derive(Default)]
pub struct Finder {
    found: Vec<Digest>,
    /// The last characters of those that digests are made of.
    word: Vec<u8>,
    /// The beginning of an escape of JSON.
    escape: Vec<u8>,
}

/// All digests that stand anywhere in content. Some may be there twice.
pub fn digests_in(content: &[u8]) -> Vec<Digest> {
    let mut finder = Finder::default();
    finder.update(content);
    finder.finish()
}

impl Finder {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.take(*byte));
    }

    /// All digests that were found. Some may be there twice.
    pub fn finish(mut self) -> Vec<Digest> {
        self.end_word();
        self.found
    }

    /// Undoes escapes. A digest can be written as `sha256\u003a…`, and clients read that.
    fn take(&mut self, byte: u8) {
        match (self.escape.as_slice(), byte) {
            ([], b'\\') | ([_], b'u') => self.escape.push(byte),
            ([], _) => self.add(byte),
            ([_], _) => {
                self.escape.clear();
                // Of the others only `\n` and its like stand for something else: for nothing that is in a digest.
                self.add(if matches!(byte, b'b' | b'f' | b'n' | b'r' | b't') { b' ' } else { byte });
            }
            ([_, _, digits @ ..], _) if digits.len() < 3 => self.escape.push(byte),
            ([_, _, digits @ ..], _) => {
                let digits = [digits, &[byte]].concat();
                let number = str::from_utf8(&digits).ok().and_then(|hex| u16::from_str_radix(hex, 16).ok());
                self.escape.clear();
                match number {
                    Some(number) => self.add(u8::try_from(number).unwrap_or(b' ')),
                    // This is not JSON.
                    None => digits.into_iter().for_each(|byte| self.add(byte)),
                }
            }
        }
    }

    fn add(&mut self, byte: u8) {
        if matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b':') {
            self.word.push(byte);
            if self.word.len() == WORD {
                self.search();
                self.word.drain(..WORD - LONGEST);
            }
        } else {
            self.end_word();
        }
    }

    fn end_word(&mut self) {
        self.search();
        self.word.clear();
    }

    fn search(&mut self) {
        let word = str::from_utf8(&self.word).unwrap_or_default();
        for (at, _) in word.match_indices("sha") {
            for (length, name) in [(7 + 64, "sha256:"), (LONGEST, "sha512:")] {
                let digest = word.get(at..at + length).filter(|text| text.starts_with(name));
                self.found.extend(digest.and_then(|text| Digest::parse(text).ok()));
            }
        }
    }
}

/// The digests in stored content, by its canonical digest. Content that is not there names nothing; an error is not taken
/// for that.
pub fn read<S: Storage>(storage: &S, canonical: &Digest) -> Result<Vec<Digest>> {
    let key = layout::blob(canonical);
    let Some(info) = storage.stat(&key)? else { return Ok(Vec::new()) };
    let mut finder = Finder::default();
    let mut content = match storage.read(&key, 0, info.size) {
        Err(Error::NotFound) => return Ok(Vec::new()),
        content => content?,
    };
    read_exactly(&mut content, info.size, "stored content ends early", |bytes| {
        finder.update(bytes);
        Ok(())
    })
    .map_err(|why| Error::Other(format!("the manifest {canonical} cannot be read: {why}")))?;
    Ok(finder.finish())
}

/// The canonical digests of what a repository has under a digest: of a SHA-512, what its alias and the repository's links
/// name. distribution has no aliases.
pub fn canonical<S: Storage>(storage: &S, name: &Name, digest: &Digest) -> Result<Vec<Digest>> {
    if digest.algorithm() == Algorithm::Sha256 {
        return Ok(vec![digest.clone()]);
    }
    let mut found = Vec::new();
    for key in [layout::alias(digest), layout::layer_link(name, digest), layout::revision_link(name, digest)]
    {
        found.extend(linked(storage, &key)?.flatten());
    }
    Ok(found)
}

/// Reads a link: none if there is no such link, and no digest if it is damaged.
pub fn linked<S: Storage>(storage: &S, key: &str) -> Result<Option<Option<Digest>>> {
    let value = storage.get(key)?;
    Ok(value.map(|value| layout::digest_in_link(&value)))
}
