//! Storage as the registry sees it: the promises of `wit/key-value.wit`, `wit/blobs.wit` and `wit/maintenance.wit`,
//! which hold for every implementation here.

use core::fmt;

pub mod calendar;
mod content;
mod having;
mod memory;
mod settings;
mod stream;
mod walk;

pub use self::content::Content;
pub use self::having::{Having, having};
pub use self::memory::Memory;
pub use self::settings::{Environment, ReadFile, Settings, nearest};
pub use self::stream::{Sink, Stream, forward_exactly, read_exactly};
pub use self::walk::{AFTER_ALL, Tree, comes_after, walk};

/// Why a storage operation failed. The texts are for the log.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no blob or upload under that key.
    NotFound,
    /// Another writer holds the upload.
    Busy,
    /// The store is full.
    NoSpace(String),
    /// The store does not allow it.
    AccessDenied(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("storage: not found"),
            Self::Busy => f.write_str("storage: held by another writer"),
            Self::NoSpace(what) => write!(f, "storage: no space: {what}"),
            Self::AccessDenied(what) => write!(f, "storage: access denied: {what}"),
            Self::Other(what) => write!(f, "storage: {what}"),
        }
    }
}

/// What a storage operation returns.
pub type Result<T> = core::result::Result<T, Error>;

/// Fails unless a key, or a prefix of keys, is of the form that `wit/types.wit` states. This is what keeps
/// every path inside a root directory.
pub fn check_key(key: &str) -> Result<()> {
    if is_key(key.as_bytes()) { Ok(()) } else { Err(Error::Other(format!("{key:?} is not a key"))) }
}

/// Whether a key is made of segments that are neither empty nor `.` nor `..`. Every storage call asks, so this is one
/// pass, and it looks each byte up.
fn is_key(key: &[u8]) -> bool {
    /// The length of a segment that has more than dots, which makes it longer than `..`.
    const NAME: u8 = 3;
    let mut length = 0;
    for byte in key {
        length = match byte {
            _ if IS_OF_NAME.get(usize::from(*byte)) == Some(&true) => NAME,
            b'/' if length == NAME => 0,
            b'.' => NAME.min(length + 1),
            _ => return false,
        };
    }
    length == NAME
}

/// Which bytes a key may have besides slashes and dots.
const IS_OF_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest = table.as_mut_slice();
    let mut byte: u8 = 0;
    while let Some((is_of_name, after)) = rest.split_first_mut() {
        *is_of_name = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        byte = byte.wrapping_add(1);
        rest = after;
    }
    table
};

/// The error for an upload that is to be cut where it has no bytes.
pub fn beyond_the_end(offset: u64, size: u64) -> Error {
    Error::Other(format!("an upload of {size} bytes cannot be cut to {offset}"))
}

/// What is known of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its size in bytes.
    pub size: u64,
    /// How many seconds ago it was last published, if the store knows.
    pub age: Option<u64>,
}

/// A blob, as [`Storage::enumerate`] finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its key.
    pub key: String,
    /// What is known of it.
    pub info: BlobInfo,
}

/// What a step of [`Storage::enumerate`] has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobPage {
    /// The blobs, in byte order of their keys.
    pub entries: Vec<BlobEntry>,
    /// Where the next step begins, or none if this was the last one.
    pub next: Option<String>,
}

/// What a step of [`Storage::tidy`] has removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// How many things.
    pub removed: u64,
    /// How many bytes of content they had.
    pub bytes: u64,
    /// Where the next step begins, or none if this was the last one.
    pub next: Option<String>,
}

/// What became of a stream, for [`Storage::put_stream`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is the blob now.
    Stored,
    /// It is not what the digest says, and nothing is stored.
    OtherContent,
    /// It broke off, with a text for the log, and nothing is stored.
    Broken(String),
    /// The store cannot do this. Nothing was read of the stream.
    Declined,
}

/// A value that is there, and with it what was asked of a blob, if that is there.
pub type ValueWith<T> = (Vec<u8>, Option<T>);

/// A store of values, blobs and uploads.
pub trait Storage {
    /// The writer of an upload.
    type Upload: Upload;

    /// Whether [`location`](Self::location) may return a URL.
    const HAS_LOCATIONS: bool = false;

    /// Returns a value, or none.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Returns several values, as [`get`](Self::get) does each. A driver whose store is far away asks for them at once.
    fn get_all(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
        keys.iter().map(|key| self.get(key)).collect()
    }
    /// Stores a value in place of what was there.
    fn set(&self, key: &str, value: &[u8]) -> Result<()>;
    /// Stores a value in place of what was there, where it does not matter if a crash of the machine loses or damages it.
    /// Other calls see it. The crash may take everything under `prefix`, which the key begins with, so nothing else
    /// that must last belongs there, but the bytes of uploads.
    fn set_volatile(&self, prefix: &str, key: &str, value: &[u8]) -> Result<()> {
        let _ = prefix;
        self.set(key, value)
    }
    /// Stores a value if there is none, and returns whether it did.
    fn create(&self, key: &str, value: &[u8]) -> Result<bool>;
    /// Removes a value, if it is there.
    fn delete(&self, key: &str) -> Result<()>;
    /// Removes a value, if it is there, where it does not matter if a crash of the machine brings it back. Other calls
    /// do not see it any more.
    fn discard(&self, key: &str) -> Result<()> {
        self.delete(key)
    }
    /// Removes every value under a prefix.
    fn delete_prefix(&self, prefix: &str) -> Result<()>;
    /// Removes every value under a prefix, where it does not matter if a crash of the machine brings some of them back.
    /// Other calls do not see them any more.
    fn discard_prefix(&self, prefix: &str) -> Result<()> {
        self.delete_prefix(prefix)
    }
    /// Lists at most `limit` of the prefixes directly under a prefix, in byte order, after `after`.
    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>>;
    /// Lists at most `limit` of the names of values directly under a prefix, in byte order, after `after`.
    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>>;
    /// Lists at most `limit` of the prefixes directly under a prefix that have a value at `leaf` below them, with its size,
    /// in byte order, after `after`. By default each of them is read.
    fn list_having(&self, prefix: &str, leaf: &str, after: Option<&str>, limit: u32) -> Result<Vec<Having>> {
        check_key(prefix).and_then(|()| check_key(leaf))?;
        having(after, limit, &|after, limit| self.list(prefix, after, limit), &|name| {
            let value = self.get(&[prefix, name, leaf].join("/"))?;
            Ok(value.map(|value| value.len() as u64))
        })
    }

    /// Returns what is known of a blob, or none if there is no such blob.
    fn stat(&self, key: &str) -> Result<Option<BlobInfo>>;
    /// Returns what is known of several blobs, as [`stat`](Self::stat) does of each. A driver whose store is far away asks for
    /// all at once.
    fn stat_all(&self, keys: &[String]) -> Result<Vec<Option<BlobInfo>>> {
        keys.iter().map(|key| self.stat(key)).collect()
    }
    /// Returns a value, and with it what is known of a blob. None if there is no such value, whatever the blob is. A driver
    /// whose store is far away asks for both at once.
    fn get_and_stat(&self, key: &str, blob: &str) -> Result<Option<ValueWith<BlobInfo>>> {
        let Some(value) = self.get(key)? else { return Ok(None) };
        Ok(Some((value, self.stat(blob)?)))
    }
    /// Returns a value, and with it a whole blob, as [`get_and_stat`](Self::get_and_stat) and [`load`](Self::load) do.
    fn get_and_load(&self, key: &str, blob: &str) -> Result<Option<ValueWith<Vec<u8>>>> {
        let Some(value) = self.get(key)? else { return Ok(None) };
        Ok(Some((value, self.load(blob)?)))
    }
    /// Finds at most `limit` of the blobs under a prefix, at any depth, in byte order, after `after`.
    fn enumerate(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<BlobPage>;
    /// Returns a URL that any client can GET the blob from for a while, if the store has such URLs.
    fn location(&self, key: &str) -> Result<Option<String>> {
        check_key(key).map(|()| None)
    }
    /// Opens a blob from `offset` on, of which no more than `length` bytes will be taken.
    fn read(&self, key: &str, offset: u64, length: u64) -> Result<Content>;
    /// Reads a whole blob of a few MiB at most, or none if there is no such blob.
    fn load(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let Some(BlobInfo { size, .. }) = self.stat(key)? else { return Ok(None) };
        let mut loaded = Vec::new();
        let read = read_exactly(&mut self.read(key, 0, size)?, size, "stored content ends early", |bytes| {
            loaded.extend_from_slice(bytes);
            Ok(())
        });
        read.map(|()| Some(loaded)).map_err(Error::Other)
    }
    /// Publishes small content.
    fn put(&self, key: &str, content: &[u8]) -> Result<()>;
    /// Publishes the first `length` bytes of a stream, if they have this SHA-256, given as 64 hexadecimal digits, and the
    /// store itself can tell. Only a linked driver may have this: one that is composed gets no stream.
    fn put_stream(&self, key: &str, sha256: &str, body: &mut dyn Stream, length: u64) -> Result<Put> {
        let _ = (sha256, body, length);
        check_key(key).map(|()| Put::Declined)
    }
    /// Removes a blob, if it is there.
    fn delete_blob(&self, key: &str) -> Result<()>;
    /// Removes a blob as [`discard`](Self::discard) does a value.
    fn discard_blob(&self, key: &str) -> Result<()> {
        self.delete_blob(key)
    }

    /// Returns how many bytes of an upload are stored, or none.
    fn received(&self, id: &str) -> Result<Option<u64>>;
    /// Whether an upload itself proves how many bytes it has: it keeps that number in one place with the notes about these
    /// bytes. Then what `received` returns, and the offset of a writer that was just opened, are of durable bytes, a note is
    /// read by [`Upload::note`] and is no value, and notes end with the upload.
    fn proves_uploads(&self) -> bool {
        false
    }
    /// Begins an upload under an id that nobody else knows.
    fn create_upload(&self, id: &str) -> Result<Self::Upload>;
    /// Holds an existing upload.
    fn open_upload(&self, id: &str) -> Result<Self::Upload>;

    /// Takes a step of removing what crashes and removals have left, after `after`: of at most `limit` names that are
    /// looked at, what is at least `age` seconds old. A dry run only counts. A store that leaves nothing has nothing
    /// to do.
    fn tidy(&self, _after: Option<&str>, _limit: u32, _age: u64, _dry_run: bool) -> Result<Tidied> {
        Ok(Tidied::default())
    }
}

/// A store that settings lead to.
pub trait Open: Storage + Sized {
    /// The names of the variables that it reads.
    const VARIABLES: &'static [&'static str];

    /// Opens it, once in the life of an instance. Errs, for the log, with the variable that is wrong. A store that
    /// cannot be reached is no such error: its operations report it.
    fn open(settings: &Settings) -> core::result::Result<Self, String>;
}

/// A key and the value that is stored under it.
pub type Note = (String, Vec<u8>);

/// The one writer of an upload. Dropping it keeps what was appended, but not durably.
pub trait Upload {
    /// Returns how many bytes the upload has.
    fn offset(&self) -> u64;
    /// Returns a note about exactly the bytes that the upload has, where the storage
    /// [proves its uploads](Storage::proves_uploads). None elsewhere.
    fn note(&self, key: &str) -> Result<Option<Vec<u8>>> {
        check_key(key).map(|()| None)
    }
    /// Says under which key the upload will probably be committed. A driver may ignore the hint.
    fn aim(&mut self, key: &str) -> Result<()> {
        check_key(key)
    }
    /// Appends bytes.
    fn append(&mut self, bytes: &[u8]) -> Result<()>;
    /// Drops the bytes after the first `offset` ones.
    fn cut(&mut self, offset: u64) -> Result<()>;
    /// Opens the bytes from the first one on.
    fn read(&mut self) -> Result<Content>;
    /// Makes the upload's bytes durable, then stores the notes, and lets go of it.
    fn suspend(self, notes: &[Note]) -> Result<()>;
    /// Publishes the upload as a blob.
    fn commit(self, key: &str) -> Result<()>;
    /// Ends the upload and removes its bytes.
    fn abort(self) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::check_key;

    #[test]
    fn keys_are_checked() {
        for key in [
            "a",
            "docker/registry/v2/blobs/sha256/ab/data",
            "_uploads/0-1/data",
            "a.tmp",
            "...",
            "a/.b/..c/d.",
        ] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        for key in [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/.", "../b", "a/../b", "a/./b", "a\\b", "a b", "a:b",
            "a#1", "a~b", "ä", "a\0",
        ] {
            assert!(check_key(key).is_err(), "{key}");
        }
    }
}
