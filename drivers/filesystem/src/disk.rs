//! What the driver asks of a file system: the calls of `wasi:filesystem` that it makes, one for one. The host's
//! file system is one implementation (`host`); the tests have another, which loses power.

use lighter_storage::Content;

/// What a call returns.
pub(crate) type Result<T> = core::result::Result<T, Code>;

/// The file system below the directory that the host gives. Paths are relative to that directory.
pub trait Disk {
    /// An open file or directory.
    type File: File;

    /// Opens what has a path.
    fn open(&self, path: &str, links: Links, how: Open) -> Result<Self::File>;
    /// Returns what has a path.
    fn stat(&self, path: &str, links: Links) -> Result<Stat>;
    /// Sets a file's modification time to now.
    fn touch(&self, path: &str) -> Result<()>;
    /// Moves a file, in place of what was there.
    fn rename(&self, from: &str, to: &str) -> Result<()>;
    /// Gives a file a second name. Fails with [`Code::Exist`] if the name is taken.
    fn link(&self, from: &str, to: &str) -> Result<()>;
    /// Removes a file's name.
    fn unlink(&self, path: &str) -> Result<()>;
    /// Creates a directory in one that is there.
    fn create_directory(&self, path: &str) -> Result<()>;
    /// Removes an empty directory.
    fn remove_directory(&self, path: &str) -> Result<()>;
    /// Returns the time, in seconds since 1970, by the clock that files get their times from.
    fn now(&self) -> u64;
}

/// An open file or directory.
pub trait File {
    /// The names in a directory, and what they are. One that cannot be read is an error of its own.
    type Entries: Iterator<Item = Result<(String, Kind)>>;

    /// Returns what it is.
    fn stat(&self) -> Result<Stat>;
    /// Reads at most `length` bytes from `offset` on, and says whether the file ends there.
    fn read(&self, length: u64, offset: u64) -> Result<(Vec<u8>, bool)>;
    /// Writes bytes at `offset`, and returns how many.
    fn write(&self, bytes: &[u8], offset: u64) -> Result<u64>;
    /// Cuts the file, or extends it with zeros, to a number of bytes.
    fn set_size(&self, size: u64) -> Result<()>;
    /// Makes a file's bytes durable. **Where this fails, they are lost, and a later call that succeeds does
    /// not change that**: Linux takes pages that could not be written for clean.
    fn sync_data(&self) -> Result<()>;
    /// Makes the names in a directory durable. The same holds where this fails.
    fn sync(&self) -> Result<()>;
    /// Sets the modification time to now.
    fn touch(&self) -> Result<()>;
    /// Has the disk begin to write these bytes, or does nothing.
    fn write_out(&self, offset: u64, length: u64) -> Result<()>;
    /// Opens the bytes from `offset` on.
    fn stream(&self, offset: u64) -> Result<Content>;
    /// Lists a directory.
    fn entries(&self) -> Result<Self::Entries>;
}

/// What is done with a link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Links {
    /// It stands for what it leads to. The host keeps it from leading out of the directory.
    Follow,
    /// It is what is meant.
    Keep,
}

/// What is opened, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// What is there, to read.
    Read,
    /// A file that is there, to read and write.
    Write,
    /// A file that is not there and is created, to read and write. Of several such calls at once one succeeds,
    /// and the others fail with [`Code::Exist`].
    Create,
    /// A directory, to list or sync.
    Directory,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// In bytes.
    pub size: u64,
    /// How many names it has. None are left once it was removed.
    pub links: u64,
    /// When it was last written to, in seconds since 1970; 0 where the host does not say.
    pub modified: u64,
    /// How many nanoseconds later than that.
    pub nanoseconds: u32,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A device, a pipe or a socket.
    Other,
}

/// Why a call failed: the codes of `wasi:filesystem` that the driver tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are those of WASI")]
pub enum Code {
    Access,
    BadDescriptor,
    Exist,
    IllegalByteSequence,
    InsufficientSpace,
    Io,
    IsDirectory,
    Loop,
    NoDevice,
    NoEntry,
    NotDirectory,
    NotEmpty,
    NotPermitted,
    Quota,
    ReadOnly,
    /// Any other, by its name.
    Other(&'static str),
}

/// Writes all bytes at a position.
pub(crate) fn write_all(file: &impl File, mut bytes: &[u8], mut offset: u64) -> Result<()> {
    while !bytes.is_empty() {
        let written = file.write(bytes, offset)?;
        offset += written;
        bytes = usize::try_from(written).ok().and_then(|n| bytes.get(n..)).ok_or(Code::Io)?;
    }
    Ok(())
}
