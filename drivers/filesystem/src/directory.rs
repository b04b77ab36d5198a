//! The root directory, and what is done to files in it.

use std::collections::BinaryHeap;

use uuid::Uuid;
use wasi::filesystem::preopens::get_directories;
use wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, NewTimestamp, OpenFlags,
    PathFlags,
};

use crate::error::failed;
use crate::path::{is_temporary, nearest};
use lighter::storage::{Error, check_key};

/// How often an operation is tried again after another request has removed the directory that it
/// was about to use. Each time somebody else's operation went through.
const TRIES: u32 = 100;

/// So many entries may be passed over while a directory is listed. It only ends what a host might repeat
/// for ever.
const PASSED_OVER_MAX: u32 = 1 << 20;

/// Reads of values that are mostly links.
const READ_SIZE: u64 = 4096;

type Result<T> = core::result::Result<T, Error>;

/// Whether what is put somewhere is to be durable.
#[derive(Clone, Copy, PartialEq)]
enum Sync {
    Yes,
    No,
}

/// The root directory.
pub(crate) struct Directory {
    given: Descriptor,
    inside: String,
}

impl Directory {
    /// Finds the directory of a path in those that the host gives. Errs, for the log, if none contains it.
    pub(crate) fn find(root: &str) -> core::result::Result<Self, String> {
        let mut given = get_directories();
        let (index, inside) = nearest(given.iter().map(|(_, path)| path.as_str()), root)
            .ok_or_else(|| format!("the host gives no directory that contains {root}"))?;
        let (given, _) = given.swap_remove(index);
        Ok(Self { given, inside })
    }

    /// The path of a key.
    pub(crate) fn path(&self, key: &str) -> Result<String> {
        check_key(key)?;
        Ok(if self.inside.is_empty() { key.to_owned() } else { format!("{}/{key}", self.inside) })
    }

    /// Opens a file, or what a link leads to. The host keeps links from leading out of the directory
    /// that it gives.
    pub(crate) fn open(
        &self,
        path: &str,
        create: OpenFlags,
        access: DescriptorFlags,
    ) -> core::result::Result<Descriptor, ErrorCode> {
        self.given.open_at(PathFlags::SYMLINK_FOLLOW, path, create, access)
    }

    /// Creates a file that is not there, and the directories that lead to it.
    pub(crate) fn create(&self, path: &str) -> Result<Descriptor> {
        let create = OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
        let access = DescriptorFlags::READ | DescriptorFlags::WRITE;
        self.with_parents(path, || self.open(path, create, access)).map_err(failed("create", path))
    }

    /// Returns what there is under a path, or none.
    pub(crate) fn stat(&self, path: &str) -> core::result::Result<Option<DescriptorStat>, ErrorCode> {
        match self.given.stat_at(PathFlags::SYMLINK_FOLLOW, path) {
            Ok(stat) => Ok(Some(stat)),
            Err(code) if is_absence(code) => Ok(None),
            Err(code) => Err(code),
        }
    }

    /// Sets a file's modification time to now, if the file is there.
    pub(crate) fn touch(&self, path: &str) -> core::result::Result<(), ErrorCode> {
        let (access, modification) = (NewTimestamp::NoChange, NewTimestamp::Now);
        match self.given.set_times_at(PathFlags::empty(), path, access, modification) {
            Err(ErrorCode::NoEntry) => Ok(()),
            done => done,
        }
    }

    /// Returns a file's size, or none.
    pub(crate) fn size(&self, path: &str) -> Result<Option<u64>> {
        let stat = self.stat(path).map_err(failed("stat", path))?;
        Ok(stat.filter(|stat| stat.type_ == DescriptorType::RegularFile).map(|stat| stat.size))
    }

    /// Reads a small file, or none.
    pub(crate) fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        let file = match self.open(path, OpenFlags::empty(), DescriptorFlags::READ) {
            Ok(file) => file,
            Err(code) if is_absence(code) => return Ok(None),
            Err(code) => return Err(failed("open", path)(code)),
        };
        let mut content = Vec::new();
        loop {
            let (bytes, end) = match file.read(READ_SIZE, content.len() as u64) {
                Ok(read) => read,
                Err(code) if is_of_directory(code) => return Ok(None),
                Err(code) => return Err(failed("read", path)(code)),
            };
            // A file gives fewer bytes than it was asked for only where it ends.
            let end = end || (bytes.len() as u64) < READ_SIZE;
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

    /// Puts a file with some content at a path, durably, in place of what was there.
    pub(crate) fn replace(&self, path: &str, content: &[u8]) -> Result<()> {
        self.put(path, content, Sync::Yes, |temporary| self.given.rename_at(temporary, &self.given, path))
    }

    /// The same, but not durably. The directories that it makes are synced all the same: what is put below
    /// them later, durably, takes it that they are.
    pub(crate) fn note(&self, path: &str, content: &[u8]) -> Result<()> {
        self.put(path, content, Sync::No, |temporary| self.given.rename_at(temporary, &self.given, path))
    }

    /// Puts a file with some content at a path, durably, if there is none. Returns whether it did.
    pub(crate) fn put_new(&self, path: &str, content: &[u8]) -> Result<bool> {
        self.put(path, content, Sync::Yes, |temporary| {
            let created = match self.given.link_at(PathFlags::empty(), temporary, &self.given, path) {
                Ok(()) => true,
                Err(ErrorCode::Exist) => false,
                Err(code) => return Err(code),
            };
            self.unlink(temporary)?;
            Ok(created)
        })
    }

    /// Writes a temporary file beside a path and has it moved there.
    fn put<T>(
        &self,
        path: &str,
        content: &[u8],
        sync: Sync,
        publish: impl Fn(&str) -> core::result::Result<T, ErrorCode>,
    ) -> Result<T> {
        for _ in 0..TRIES {
            let temporary = self.write_temporary(path, content, sync)?;
            match publish(&temporary) {
                Ok(done) if sync == Sync::No => return Ok(done),
                Ok(done) => return self.sync_parent(path).map(|()| done),
                // Another request has removed the directory with the temporary file in it.
                Err(ErrorCode::NoEntry) => {}
                Err(code) => {
                    // The error that is told is the first one.
                    let _ = self.unlink(&temporary);
                    return Err(failed("put", path)(code));
                }
            }
        }
        Err(Error::Other(format!("put {path}: others keep removing its directory")))
    }

    /// Writes a temporary file for a path, and returns its own path.
    fn write_temporary(&self, path: &str, content: &[u8], sync: Sync) -> Result<String> {
        let temporary = format!("{path}.{}.tmp", Uuid::new_v4());
        let file = self.create(&temporary)?;
        let written = write_all(&file, content, 0);
        let written = written.and_then(|()| if sync == Sync::Yes { file.sync_data() } else { Ok(()) });
        if let Err(code) = written {
            // The error that is told is the first one.
            let _ = self.unlink(&temporary);
            return Err(failed("write", &temporary)(code));
        }
        Ok(temporary)
    }

    /// Moves a file that is synced to where it is seen, durably, in place of what was there. Errs with
    /// `not-found` if there is no such file.
    pub(crate) fn publish(&self, from: &str, to: &str) -> Result<()> {
        let moved = self.with_parents(to, || self.given.rename_at(from, &self.given, to));
        if moved.is_err() && self.size(from)?.is_none() {
            return Err(Error::NotFound);
        }
        moved.map_err(failed("rename to", to))?;
        self.sync_parent(to)
    }

    /// Removes a file, if it is there.
    pub(crate) fn unlink(&self, path: &str) -> core::result::Result<(), ErrorCode> {
        match self.given.unlink_file_at(path) {
            Err(code) if is_absence(code) || is_of_directory(code) => Ok(()),
            done => done,
        }
    }

    /// Removes a file, durably, if it is there.
    pub(crate) fn remove(&self, path: &str) -> Result<()> {
        self.unlink(path).map_err(failed("remove", path))?;
        self.sync_parent(path)
    }

    /// Removes a directory with all that is in it, durably, if it is there.
    pub(crate) fn remove_tree(&self, path: &str) -> Result<()> {
        if self.remove_children(path)? {
            self.sync_parent(path)?;
        }
        Ok(())
    }

    /// Does what [`Self::remove_tree`] does, short of syncing, and returns whether the directory was
    /// there. What others put into it meanwhile goes too.
    fn remove_children(&self, path: &str) -> Result<bool> {
        for _ in 0..TRIES {
            for (name, kind) in self.entries(path, PathFlags::empty())? {
                let child = format!("{path}/{name}");
                if kind == DescriptorType::Directory {
                    self.remove_children(&child)?;
                } else {
                    self.unlink(&child).map_err(failed("remove", &child))?;
                }
            }
            match self.given.remove_directory_at(path) {
                Ok(()) => return Ok(true),
                Err(ErrorCode::NotEmpty | ErrorCode::Exist) => {}
                Err(ErrorCode::NotDirectory) => return self.remove_link(path),
                Err(ErrorCode::NoEntry) => return Ok(false),
                Err(code) => return Err(failed("remove", path)(code)),
            }
        }
        Err(Error::Other(format!("remove {path}: others keep writing to it")))
    }

    /// Removes a link to a directory, and not what it leads to. Returns whether there was one.
    fn remove_link(&self, path: &str) -> Result<bool> {
        let link = self.given.stat_at(PathFlags::empty(), path);
        let is_link = link.is_ok_and(|stat| stat.type_ == DescriptorType::SymbolicLink);
        if is_link {
            self.unlink(path).map_err(failed("remove", path))?;
        }
        Ok(is_link)
    }

    /// Lists at most `limit` directories in a directory, in byte order, after a name.
    pub(crate) fn directories(&self, path: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let mut least = BinaryHeap::new();
        for (name, kind) in self.entries(path, PathFlags::SYMLINK_FOLLOW)? {
            if after.is_none_or(|after| name.as_str() > after) && self.is_directory(path, &name, kind)? {
                least.push(name);
                if least.len() > limit {
                    least.pop();
                }
            }
        }
        Ok(least.into_sorted_vec())
    }

    /// Lists at most `limit` files in a directory, in byte order, after a name, but for temporary ones.
    pub(crate) fn values(&self, path: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let mut names: Vec<String> = Vec::new();
        for (name, kind) in self.entries(path, PathFlags::SYMLINK_FOLLOW)? {
            let is_wanted = after.is_none_or(|after| name.as_str() > after) && !is_temporary(&name);
            if is_wanted && !self.is_directory(path, &name, kind)? {
                names.push(name);
            }
        }
        names.sort_unstable();
        names.truncate(limit);
        Ok(names)
    }

    /// Whether an entry of a directory is one itself, or a link that leads to one.
    fn is_directory(&self, path: &str, name: &str, kind: DescriptorType) -> Result<bool> {
        if kind != DescriptorType::SymbolicLink {
            return Ok(kind == DescriptorType::Directory);
        }
        let path = format!("{path}/{name}");
        match self.stat(&path) {
            Ok(stat) => Ok(stat.is_some_and(|stat| stat.type_ == DescriptorType::Directory)),
            // It leads out of what the host gives.
            Err(ErrorCode::NotPermitted) => Ok(false),
            Err(code) => Err(failed("stat", &path)(code)),
        }
    }

    /// The names in a directory, and what they are. None if it is not there.
    fn entries(&self, path: &str, links: PathFlags) -> Result<Vec<(String, DescriptorType)>> {
        let stream = self
            .given
            .open_at(links, path, OpenFlags::DIRECTORY, DescriptorFlags::READ)
            .and_then(|directory| directory.read_directory());
        let stream = match stream {
            Ok(stream) => stream,
            Err(code) if is_absence(code) => return Ok(Vec::new()),
            Err(code) => return Err(failed("list", path)(code)),
        };
        let (mut entries, mut passed_over) = (Vec::new(), 0);
        loop {
            match stream.read_directory_entry() {
                Ok(Some(entry)) => entries.push((entry.name, entry.type_)),
                Ok(None) => return Ok(entries),
                // The host looks at each, and this one went before it could, since others write and
                // remove; or it has a name that is no text, and so is not ours.
                Err(ErrorCode::NoEntry | ErrorCode::IllegalByteSequence) if passed_over < PASSED_OVER_MAX => {
                    passed_over += 1;
                }
                Err(code) => return Err(failed("list", path)(code)),
            }
        }
    }

    /// Runs an operation that may find the parent directories missing, and makes them.
    fn with_parents<T>(
        &self,
        path: &str,
        operation: impl Fn() -> core::result::Result<T, ErrorCode>,
    ) -> core::result::Result<T, ErrorCode> {
        for _ in 0..TRIES {
            match operation() {
                Err(ErrorCode::NoEntry) => self.make_parents(path)?,
                done => return done,
            }
        }
        // If that is no other request's doing, it is the root directory that is not there.
        operation()
            .map_err(|code| if matches!(code, ErrorCode::NoEntry) { ErrorCode::NoDevice } else { code })
    }

    /// Makes the directories that lead to a path, each durably.
    fn make_parents(&self, path: &str) -> core::result::Result<(), ErrorCode> {
        let Some((parent, _)) = path.rsplit_once('/') else { return Ok(()) };
        match self.given.create_directory_at(parent) {
            Ok(()) => self.sync_directory_of(parent),
            Err(ErrorCode::Exist) => Ok(()),
            Err(ErrorCode::NoEntry) => {
                self.make_parents(parent)?;
                match self.given.create_directory_at(parent) {
                    Ok(()) => self.sync_directory_of(parent),
                    // Removed again, or made by another: the operation finds out.
                    Err(ErrorCode::Exist | ErrorCode::NoEntry) => Ok(()),
                    Err(code) => Err(code),
                }
            }
            Err(code) => Err(code),
        }
    }

    fn sync_parent(&self, path: &str) -> Result<()> {
        self.sync_directory_of(path).map_err(failed("sync the directory of", path))
    }

    /// Makes what happened to a name in its directory durable.
    fn sync_directory_of(&self, path: &str) -> core::result::Result<(), ErrorCode> {
        let Some((parent, _)) = path.rsplit_once('/') else { return self.given.sync() };
        match self.open(parent, OpenFlags::DIRECTORY, DescriptorFlags::READ) {
            Ok(directory) => directory.sync(),
            // Another request has removed the directory with all that was in it.
            Err(ErrorCode::NoEntry | ErrorCode::NotDirectory) => Ok(()),
            Err(code) => Err(code),
        }
    }
}

/// Whether a code says that there is nothing under a path: also where a link leads in a circle.
fn is_absence(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NoEntry | ErrorCode::NotDirectory | ErrorCode::Loop)
}

/// Whether a code says that there is a directory, where a file was wanted.
pub(crate) fn is_of_directory(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::IsDirectory | ErrorCode::BadDescriptor)
}

/// Writes all bytes at a position.
pub(crate) fn write_all(
    file: &Descriptor,
    mut bytes: &[u8],
    mut offset: u64,
) -> core::result::Result<(), ErrorCode> {
    while !bytes.is_empty() {
        let written = file.write(bytes, offset)?;
        offset += written;
        bytes = usize::try_from(written).ok().and_then(|n| bytes.get(n..)).ok_or(ErrorCode::Io)?;
    }
    Ok(())
}
