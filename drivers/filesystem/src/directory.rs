//! The root directory: paths in it, its files, and the directories that lead to them.

use std::borrow::Cow;
use std::sync::Mutex;

use uuid::Uuid;

use crate::disk::{Code, Disk, File, Kind, Links, Open, Result, Stat};
use crate::error::failed;
use crate::listing::Listing;
use lighter_storage::{self as storage, BlobInfo, check_key};

/// How often an operation is tried again after another request has removed the directory that it
/// was about to use. Each time another request's operation went through.
pub(crate) const TRIES: u32 = 100;

/// What has to outlive a power cut, of what is put at a path and the directories that are made for it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Last {
    /// All of it.
    All,
    /// The directories whose paths are shorter than this. What is put later, durably, into a directory takes it that
    /// this one lasts.
    Above(usize),
}

impl Last {
    fn includes(self, directory: &str) -> bool {
        match self {
            Self::All => true,
            Self::Above(length) => directory.len() < length,
        }
    }
}

/// The first read of a file, which is mostly a link or a manifest. The host clears as much memory.
const FIRST: u64 = 4096;

/// A further read.
const FURTHER: u64 = 64 * 1024;

/// The root directory, on some file system.
pub(crate) struct Directory<D> {
    pub(crate) disk: D,
    /// Where it is in what the host gives.
    inside: String,
    /// The names of the directory of which a page was listed last.
    pub(crate) listing: Mutex<Option<Listing>>,
}

impl<D: Disk> Directory<D> {
    pub(crate) fn new(disk: D, inside: String) -> Self {
        Self { disk, inside, listing: Mutex::default() }
    }

    /// The path of a key.
    pub(crate) fn path<'k>(&self, key: &'k str) -> storage::Result<Cow<'k, str>> {
        check_key(key)?;
        Ok(if self.inside.is_empty() { key.into() } else { [&self.inside, key].join("/").into() })
    }

    /// The path of what has a name below the root directory, or of that itself.
    pub(crate) fn below(&self, name: &str) -> String {
        match (self.inside.as_str(), name) {
            ("", "") => ".".to_owned(),
            ("", below) | (below, "") => below.to_owned(),
            (inside, below) => format!("{inside}/{below}"),
        }
    }

    /// The directory that a path is in, if it is not the root directory.
    pub(crate) fn parent<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| *parent != self.inside)
    }

    /// Opens a file, or what a link leads to.
    pub(crate) fn open(&self, path: &str, how: Open) -> Result<D::File> {
        self.disk.open(path, Links::Follow, how)
    }

    /// Creates a file that is not there, and the directories that lead to it, durably those that `last`.
    pub(crate) fn create(&self, path: &str, last: Last) -> storage::Result<D::File> {
        self.with_parents(path, last, || self.open(path, Open::Create)).map_err(failed("create", path))
    }

    /// Returns what there is under a path, or none.
    pub(crate) fn stat(&self, path: &str) -> Result<Option<Stat>> {
        match self.disk.stat(path, Links::Follow) {
            Ok(stat) => Ok(Some(stat)),
            Err(code) if code.is_absence() => Ok(None),
            Err(code) => Err(code),
        }
    }

    /// Sets a file's modification time to now, if the file is there.
    pub(crate) fn touch(&self, path: &str) -> Result<()> {
        match self.disk.touch(path) {
            Err(Code::NoEntry) => Ok(()),
            done => done,
        }
    }

    /// Returns what there is to know of a file, or none.
    pub(crate) fn file(&self, path: &str) -> storage::Result<Option<Stat>> {
        let stat = self.stat(path).map_err(failed("stat", path))?;
        Ok(stat.filter(|stat| stat.kind == Kind::File))
    }

    /// Returns a blob's size and age, or none.
    pub(crate) fn blob(&self, path: &str) -> storage::Result<Option<BlobInfo>> {
        let Some(Stat { size, modified, .. }) = self.file(path)? else { return Ok(None) };
        let age = (modified > 0).then(|| self.disk.now().saturating_sub(modified));
        Ok(Some(BlobInfo { size, age }))
    }

    /// Reads a small file, or none.
    pub(crate) fn read(&self, path: &str) -> storage::Result<Option<Vec<u8>>> {
        let file = match self.open(path, Open::Read) {
            Ok(file) => file,
            Err(code) if code.is_absence() => return Ok(None),
            Err(code) => return Err(failed("open", path)(code)),
        };
        let mut content = Vec::new();
        loop {
            let size = if content.is_empty() { FIRST } else { FURTHER };
            let (bytes, end) = match file.read(size, content.len() as u64) {
                Ok(read) => read,
                Err(code) if code.is_of_directory() => return Ok(None),
                Err(code) => return Err(failed("read", path)(code)),
            };
            // A file gives fewer bytes than so few only where it ends. Of more, hosts may give fewer.
            let end = end || bytes.is_empty() || (bytes.len() as u64) < size.min(FIRST);
            if content.is_empty() {
                content = bytes;
            } else {
                content.extend_from_slice(&bytes);
            }
            if end {
                return Ok(Some(content));
            }
        }
    }

    /// Runs an operation that may find the parent directories missing, and makes them, durably those that `last`.
    pub(crate) fn with_parents<T>(
        &self,
        path: &str,
        last: Last,
        operation: impl Fn() -> Result<T>,
    ) -> Result<T> {
        for _ in 0..TRIES {
            match operation() {
                Err(Code::NoEntry) => self.make_parents(path, last)?,
                done => return done,
            }
        }
        // If that is no other request's doing, it is the root directory that is not there.
        operation().map_err(|code| if code == Code::NoEntry { Code::NoDevice } else { code })
    }

    /// Makes the directories that lead to a path, durably those that `last`.
    fn make_parents(&self, path: &str, last: Last) -> Result<()> {
        let Some((parent, _)) = path.rsplit_once('/') else { return Ok(()) };
        let mut made = self.disk.create_directory(parent);
        if made == Err(Code::NoEntry) {
            self.make_parents(parent, last)?;
            made = self.disk.create_directory(parent);
        }
        match made {
            Ok(()) | Err(Code::Exist) if !last.includes(parent) => Ok(()),
            // Where another request has made it meanwhile, that one has perhaps not synced it yet. (One that is
            // there from the start may be as young. What is synced in it is safe all the same on file systems
            // whose journal is in order: ext4, XFS, btrfs.)
            Ok(()) | Err(Code::Exist) => self.sync_directory_of(parent).inspect_err(|_| {
                // It may vanish at a power cut, and whoever finds it would take it that it does not.
                let _ = self.disk.remove_directory(parent);
            }),
            // Removed again: the operation finds out.
            Err(Code::NoEntry) => Ok(()),
            Err(code) => Err(code),
        }
    }

    /// Makes what happened to a name in its directory durable.
    ///
    /// Where that fails, what happened counts as written and is not: syncing once more would succeed, and change
    /// nothing. So the directory changes again, by a name that comes and goes, and is written anew. If that
    /// fails, too, the name may be the old one after a power cut; file systems with a journal are read-only by then.
    pub(crate) fn sync_parent(&self, path: &str) -> storage::Result<()> {
        let synced = self.sync_directory_of(path).or_else(|code| {
            let passing = temporary(path);
            self.disk.create_directory(&passing).map_err(|_| code)?;
            match self.disk.remove_directory(&passing) {
                // Another has removed it as one that a crash has left.
                Ok(()) | Err(Code::NoEntry) => self.sync_directory_of(path),
                Err(_) => Err(code),
            }
        });
        synced.map_err(failed("sync the directory of", path))
    }

    fn sync_directory_of(&self, path: &str) -> Result<()> {
        let parent = path.rsplit_once('/').map_or(".", |(parent, _)| parent);
        match self.open(parent, Open::Directory) {
            Ok(directory) => directory.sync(),
            // Another request has removed the directory with all that was in it, and may not have synced that yet.
            Err(Code::NoEntry | Code::NotDirectory) if parent != "." => self.sync_directory_of(parent),
            Err(code) => Err(code),
        }
    }
}

/// A name beside a path that no other request takes: distribution's name of a temporary file.
pub(crate) fn temporary(path: &str) -> String {
    let mut buffer = Uuid::encode_buffer();
    [path, ".", Uuid::new_v4().hyphenated().encode_lower(&mut buffer), ".tmp"].concat()
}
