//! The host's file system, `wasi:filesystem`, and where in it the root directory is.

use wasi::clocks::wall_clock;
use wasi::filesystem::preopens::get_directories;
use wasi::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntryStream, ErrorCode,
    NewTimestamp, OpenFlags, PathFlags,
};

use lighter_storage::{self as storage, Content, Settings};

use crate::disk::{Code, Disk, File, Kind, Links, Open, Result, Stat};
use crate::path::nearest;
use crate::storage::Filesystem;

/// Where the directory is, as the component sees it.
const ROOT_DIRECTORY: &str = "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY";

/// Where it is unless that is set: distribution's default.
const DEFAULT_ROOT: &str = "/var/lib/registry";

impl storage::Open for Filesystem<Host> {
    const VARIABLES: &'static [&'static str] = &[ROOT_DIRECTORY];

    fn open(settings: &Settings) -> core::result::Result<Self, String> {
        Ok(Self::new(Host::find(settings.get(ROOT_DIRECTORY).unwrap_or(DEFAULT_ROOT))))
    }
}

/// A directory that the host gives.
pub struct Host(Descriptor);

impl Host {
    /// Finds the directory that contains the root directory, and where in it that is. Errs with a text for
    /// the log.
    fn find(root: &str) -> core::result::Result<(Self, String), String> {
        let mut given = get_directories();
        let (index, inside) = nearest(given.iter().map(|(_, path)| path.as_str()), root)
            .ok_or_else(|| format!("the host gives no directory that contains {root}"))?;
        let (given, _) = given.swap_remove(index);
        Ok((Self(given), inside))
    }
}

impl Disk for Host {
    type File = Descriptor;

    fn open(&self, path: &str, links: Links, how: Open) -> Result<Descriptor> {
        let (create, access) = match how {
            Open::Read => (OpenFlags::empty(), DescriptorFlags::READ),
            Open::Write => (OpenFlags::empty(), DescriptorFlags::READ | DescriptorFlags::WRITE),
            Open::Create => {
                let access = DescriptorFlags::READ | DescriptorFlags::WRITE;
                (OpenFlags::CREATE | OpenFlags::EXCLUSIVE, access)
            }
            Open::Directory => (OpenFlags::DIRECTORY, DescriptorFlags::READ),
        };
        self.0.open_at(links.into(), path, create, access).map_err(Code::from)
    }

    fn stat(&self, path: &str, links: Links) -> Result<Stat> {
        self.0.stat_at(links.into(), path).map(Stat::from).map_err(Code::from)
    }

    fn touch(&self, path: &str) -> Result<()> {
        let (access, modification) = (NewTimestamp::NoChange, NewTimestamp::Now);
        self.0.set_times_at(PathFlags::empty(), path, access, modification).map_err(Code::from)
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.0.rename_at(from, &self.0, to).map_err(Code::from)
    }

    fn link(&self, from: &str, to: &str) -> Result<()> {
        self.0.link_at(PathFlags::empty(), from, &self.0, to).map_err(Code::from)
    }

    fn unlink(&self, path: &str) -> Result<()> {
        self.0.unlink_file_at(path).map_err(Code::from)
    }

    fn create_directory(&self, path: &str) -> Result<()> {
        self.0.create_directory_at(path).map_err(Code::from)
    }

    fn remove_directory(&self, path: &str) -> Result<()> {
        self.0.remove_directory_at(path).map_err(Code::from)
    }

    fn now(&self) -> u64 {
        wall_clock::now().seconds
    }
}

impl File for Descriptor {
    type Entries = Entries;

    fn stat(&self) -> Result<Stat> {
        Self::stat(self).map(Stat::from).map_err(Code::from)
    }

    fn read(&self, length: u64, offset: u64) -> Result<(Vec<u8>, bool)> {
        Self::read(self, length, offset).map_err(Code::from)
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<u64> {
        Self::write(self, bytes, offset).map_err(Code::from)
    }

    fn set_size(&self, size: u64) -> Result<()> {
        Self::set_size(self, size).map_err(Code::from)
    }

    fn sync_data(&self) -> Result<()> {
        Self::sync_data(self).map_err(Code::from)
    }

    fn sync(&self) -> Result<()> {
        Self::sync(self).map_err(Code::from)
    }

    /// Both times, since that is what Linux lets one do who may write to the file but does not own it.
    fn touch(&self) -> Result<()> {
        self.set_times(NewTimestamp::Now, NewTimestamp::Now).map_err(Code::from)
    }

    /// On Linux this is what the advice comes to; pages stay in memory until they are written.
    fn write_out(&self, offset: u64, length: u64) -> Result<()> {
        self.advise(offset, length, Advice::DontNeed).map_err(Code::from)
    }

    fn stream(&self, offset: u64) -> Result<Content> {
        self.read_via_stream(offset).map(Content::Host).map_err(Code::from)
    }

    fn entries(&self) -> Result<Entries> {
        self.read_directory().map(Entries).map_err(Code::from)
    }
}

/// The entries of a directory.
pub struct Entries(DirectoryEntryStream);

impl Iterator for Entries {
    type Item = Result<(String, Kind)>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0.read_directory_entry() {
            Ok(entry) => entry.map(|entry| Ok((entry.name, entry.type_.into()))),
            Err(code) => Some(Err(code.into())),
        }
    }
}

impl From<Links> for PathFlags {
    fn from(links: Links) -> Self {
        match links {
            Links::Follow => Self::SYMLINK_FOLLOW,
            Links::Keep => Self::empty(),
        }
    }
}

impl From<DescriptorStat> for Stat {
    fn from(stat: DescriptorStat) -> Self {
        let modified = stat.data_modification_timestamp;
        Self {
            kind: stat.type_.into(),
            size: stat.size,
            links: stat.link_count,
            modified: modified.map_or(0, |time| time.seconds),
            nanoseconds: modified.map_or(0, |time| time.nanoseconds),
        }
    }
}

impl From<DescriptorType> for Kind {
    fn from(kind: DescriptorType) -> Self {
        match kind {
            DescriptorType::RegularFile => Self::File,
            DescriptorType::Directory => Self::Directory,
            DescriptorType::SymbolicLink => Self::Link,
            _ => Self::Other,
        }
    }
}

impl From<ErrorCode> for Code {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::Access => Self::Access,
            ErrorCode::BadDescriptor => Self::BadDescriptor,
            ErrorCode::Exist => Self::Exist,
            ErrorCode::IllegalByteSequence => Self::IllegalByteSequence,
            ErrorCode::InsufficientSpace => Self::InsufficientSpace,
            ErrorCode::Io => Self::Io,
            ErrorCode::IsDirectory => Self::IsDirectory,
            ErrorCode::Loop => Self::Loop,
            ErrorCode::NoDevice => Self::NoDevice,
            ErrorCode::NoEntry => Self::NoEntry,
            ErrorCode::NotDirectory => Self::NotDirectory,
            ErrorCode::NotEmpty => Self::NotEmpty,
            ErrorCode::NotPermitted => Self::NotPermitted,
            ErrorCode::Quota => Self::Quota,
            ErrorCode::ReadOnly => Self::ReadOnly,
            other => Self::Other(other.name()),
        }
    }
}
