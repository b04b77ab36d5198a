//! A file system that lets one call through at a time, of several who use it: see `lighter_explore`.
//!
//! What it is about are names, and the times of directories. A sync is no call here. Time stands still, unless an actor
//! lets it pass.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use lighter_explore::{Handle, World};
use lighter_storage::Content;

use crate::disk::{Code, Disk, File, Kind, Links, Open, Result, Stat};
use crate::path::is_temporary;
use crate::storage::Filesystem;

/// The time at the start.
const START: u64 = 1_000_000;

/// What there is: paths, and what each leads to. What has no path any more may still be open.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Names {
    paths: BTreeMap<String, usize>,
    nodes: Vec<Node>,
    /// How many seconds have passed.
    passed: u64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Node {
    /// The bytes of a file. A directory has none.
    bytes: Option<Vec<u8>>,
    /// How many seconds had passed when a directory got or lost its last name.
    modified: u64,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Open(String, Open),
    Stat(String),
    Rename(String, String),
    Link(String, String),
    Unlink(String),
    MakeDirectory(String),
    RemoveDirectory(String),
    List(String),
    Read(usize),
    Write(usize, Vec<u8>),
    /// How many names a node has.
    Links(usize),
    Now,
    Pass(u64),
}

impl fmt::Display for Call {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(path, how) => write!(to, "open {how:?} {path}"),
            Self::Stat(path) => write!(to, "stat {path}"),
            Self::Rename(from, into) => write!(to, "rename {from} {into}"),
            Self::Link(from, into) => write!(to, "link {from} {into}"),
            Self::Unlink(path) => write!(to, "unlink {path}"),
            Self::MakeDirectory(path) => write!(to, "mkdir {path}"),
            Self::RemoveDirectory(path) => write!(to, "rmdir {path}"),
            Self::List(path) => write!(to, "list {path}"),
            Self::Read(node) => write!(to, "read {node}"),
            Self::Write(node, bytes) => write!(to, "write {node}: {:?}", String::from_utf8_lossy(bytes)),
            Self::Links(node) => write!(to, "stat open {node}"),
            Self::Now => write!(to, "look at the clock"),
            Self::Pass(seconds) => write!(to, "{seconds} s go by"),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Reply {
    Node(usize),
    /// Whether it is a directory, its size, how many names it has, and when it was modified.
    Is(bool, u64, u64, u64),
    Time(u64),
    Bytes(Vec<u8>),
    /// Names in a directory, and whether each is one.
    List(Vec<(String, bool)>),
    Done,
}

impl Names {
    /// With an empty root directory.
    pub(crate) fn new() -> Self {
        let mut names = Self::default();
        names.add("root", None).unwrap();
        names
    }

    /// All paths, those of directories with a `/`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let path = |(path, node): (&String, &usize)| match self.nodes[*node].bytes {
            None => format!("{path}/"),
            Some(_) => path.clone(),
        };
        self.paths.iter().map(path).collect()
    }

    fn find(&self, path: &str) -> Result<usize> {
        self.paths.get(path).copied().ok_or(Code::NoEntry)
    }

    /// Fails unless something can be put at a path.
    fn directory_of(&self, path: &str) -> Result<()> {
        let Some((parent, _)) = path.rsplit_once('/') else { return Ok(()) };
        if self.nodes[self.find(parent)?].bytes.is_some() { Err(Code::NotDirectory) } else { Ok(()) }
    }

    /// A name comes or goes in the directory of a path.
    fn modify_directory_of(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/')
            && let Ok(parent) = self.find(parent)
        {
            self.nodes[parent].modified = self.passed;
        }
    }

    fn insert(&mut self, path: &str, node: usize) {
        self.modify_directory_of(path);
        self.paths.insert(path.to_owned(), node);
    }

    fn remove(&mut self, path: &str) {
        self.modify_directory_of(path);
        self.paths.remove(path);
    }

    fn add(&mut self, path: &str, bytes: Option<Vec<u8>>) -> Result<usize> {
        self.directory_of(path)?;
        if self.paths.contains_key(path) {
            return Err(Code::Exist);
        }
        self.nodes.push(Node { bytes, modified: self.passed });
        self.insert(path, self.nodes.len() - 1);
        Ok(self.nodes.len() - 1)
    }

    fn is(&self, node: usize) -> Reply {
        let links = self.paths.values().filter(|named| **named == node).count();
        let Node { bytes, modified } = &self.nodes[node];
        let size = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Reply::Is(bytes.is_none(), size, links as u64, START + modified)
    }

    fn below<'a>(&'a self, path: &str) -> impl Iterator<Item = (String, bool)> + 'a {
        let prefix = format!("{path}/");
        self.paths.iter().filter_map(move |(path, node)| {
            let name = path.strip_prefix(&prefix).filter(|name| !name.contains('/'))?;
            Some((name.to_owned(), self.nodes[*node].bytes.is_none()))
        })
    }
}

impl World for Names {
    type Call = Call;
    type Reply = Result<Reply>;

    fn perform(&mut self, call: &Call) -> Result<Reply> {
        Ok(match call {
            Call::Open(path, Open::Create) => Reply::Node(self.add(path, Some(Vec::new()))?),
            Call::Open(path, how) => {
                let node = self.find(path)?;
                match (how, self.nodes[node].bytes.is_none()) {
                    (Open::Directory, false) => return Err(Code::NotDirectory),
                    (Open::Write, true) => return Err(Code::IsDirectory),
                    _ => Reply::Node(node),
                }
            }
            Call::Stat(path) => self.is(self.find(path)?),
            Call::Links(node) => self.is(*node),
            Call::Rename(from, into) => {
                let node = self.find(from)?;
                self.directory_of(into)?;
                if self.find(into).is_ok_and(|there| self.nodes[there].bytes.is_none()) {
                    return Err(Code::IsDirectory);
                }
                self.remove(from);
                self.insert(into, node);
                Reply::Done
            }
            Call::Link(from, into) => {
                let node = self.find(from)?;
                self.directory_of(into)?;
                if self.paths.contains_key(into) {
                    return Err(Code::Exist);
                }
                self.insert(into, node);
                Reply::Done
            }
            Call::Unlink(path) => {
                let node = self.find(path)?;
                if self.nodes[node].bytes.is_none() {
                    return Err(Code::IsDirectory);
                }
                self.remove(path);
                Reply::Done
            }
            Call::MakeDirectory(path) => self.add(path, None).map(|_| Reply::Done)?,
            Call::RemoveDirectory(path) => {
                let node = self.find(path)?;
                if self.nodes[node].bytes.is_some() {
                    return Err(Code::NotDirectory);
                }
                if self.below(path).next().is_some() {
                    return Err(Code::NotEmpty);
                }
                self.remove(path);
                Reply::Done
            }
            Call::List(path) => {
                let node = self.find(path)?;
                if self.nodes[node].bytes.is_some() {
                    return Err(Code::NotDirectory);
                }
                Reply::List(self.below(path).collect())
            }
            Call::Read(node) => Reply::Bytes(self.nodes[*node].bytes.clone().ok_or(Code::IsDirectory)?),
            Call::Write(node, bytes) => {
                self.nodes[*node].bytes.as_mut().ok_or(Code::IsDirectory)?.extend_from_slice(bytes);
                Reply::Done
            }
            Call::Now => Reply::Time(START + self.passed),
            Call::Pass(seconds) => {
                self.passed += seconds;
                Reply::Done
            }
        })
    }

    /// Nobody waits for another.
    fn touches(_call: &Call) -> Vec<String> {
        Vec::new()
    }
}

/// The file system as one actor sees it.
pub(crate) struct Explored {
    handle: Handle<Names>,
    number: usize,
    /// The random parts of the names of its temporary files, which are to be the same each time it runs.
    random: Rc<RefCell<Vec<String>>>,
    mistake: Option<Mistake>,
    made: Cell<bool>,
}

/// What an actor does wrong.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mistake {
    /// It does not try again: that a directory is gone which it has just made is an error.
    Careless,
    /// It takes it that a time is settled at once.
    Hasty,
}

impl Explored {
    pub(crate) fn storage(
        handle: &Handle<Names>,
        number: usize,
        mistake: Option<Mistake>,
    ) -> Filesystem<Self> {
        let handle = handle.clone();
        let disk = Self { handle, number, random: Rc::default(), mistake, made: Cell::new(false) };
        Filesystem::new(Ok((disk, "root".to_owned())))
    }

    fn call(&self, call: Call) -> Result<Reply> {
        let done = self.handle.call(call).unwrap_or(Err(Code::Io));
        if self.mistake == Some(Mistake::Careless) && self.made.get() && done == Err(Code::NoEntry) {
            return Err(Code::Io);
        }
        done
    }

    /// A path, with a number of this actor's in place of what is random.
    fn path(&self, path: &str) -> String {
        const LENGTH: usize = ".5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11.tmp".len();
        let Some((rest, end)) = path.split_at_checked(path.len().saturating_sub(LENGTH)) else {
            return path.to_owned();
        };
        if !is_temporary(&format!("x{end}")) || end.starts_with(".00000000-0000-0000-") {
            return path.to_owned();
        }
        let mut random = self.random.borrow_mut();
        let at = random.iter().position(|known| known == end).unwrap_or_else(|| {
            random.push(end.to_owned());
            random.len() - 1
        });
        format!("{rest}.00000000-0000-0000-{:04}-{at:012}.tmp", self.number)
    }
}

fn stat(reply: Reply) -> Stat {
    let Reply::Is(is_directory, size, links, modified) = reply else { unreachable!() };
    let kind = if is_directory { Kind::Directory } else { Kind::File };
    Stat { kind, size, links, modified, nanoseconds: 0 }
}

impl Disk for Explored {
    type File = Opened;

    fn open(&self, path: &str, _links: Links, how: Open) -> Result<Opened> {
        let path = self.path(path);
        let Reply::Node(node) = self.call(Call::Open(path.clone(), how))? else { unreachable!() };
        Ok(Opened { handle: self.handle.clone(), node, path })
    }

    fn stat(&self, path: &str, _links: Links) -> Result<Stat> {
        self.call(Call::Stat(self.path(path))).map(stat)
    }

    fn touch(&self, _path: &str) -> Result<()> {
        unreachable!("a clock that stands still was not set back")
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.call(Call::Rename(self.path(from), self.path(to))).map(drop)
    }

    fn link(&self, from: &str, to: &str) -> Result<()> {
        self.call(Call::Link(self.path(from), self.path(to))).map(drop)
    }

    fn unlink(&self, path: &str) -> Result<()> {
        self.call(Call::Unlink(self.path(path))).map(drop)
    }

    fn create_directory(&self, path: &str) -> Result<()> {
        let made = self.call(Call::MakeDirectory(self.path(path)));
        self.made.set(made.is_ok());
        made.map(drop)
    }

    fn remove_directory(&self, path: &str) -> Result<()> {
        self.call(Call::RemoveDirectory(self.path(path))).map(drop)
    }

    fn now(&self) -> u64 {
        let Ok(Reply::Time(time)) = self.call(Call::Now) else { return START };
        if self.mistake == Some(Mistake::Hasty) { time + 3 } else { time }
    }
}

pub(crate) struct Opened {
    handle: Handle<Names>,
    node: usize,
    path: String,
}

impl Opened {
    fn call(&self, call: Call) -> Result<Reply> {
        self.handle.call(call).unwrap_or(Err(Code::Io))
    }
}

impl File for Opened {
    type Entries = std::vec::IntoIter<Result<(String, Kind)>>;

    fn stat(&self) -> Result<Stat> {
        self.call(Call::Links(self.node)).map(stat)
    }

    fn read(&self, length: u64, offset: u64) -> Result<(Vec<u8>, bool)> {
        let Reply::Bytes(bytes) = self.call(Call::Read(self.node))? else { unreachable!() };
        Ok((bytes.into_iter().skip(offset as usize).take(length as usize).collect(), true))
    }

    fn write(&self, bytes: &[u8], _offset: u64) -> Result<u64> {
        self.call(Call::Write(self.node, bytes.to_vec())).map(|_| bytes.len() as u64)
    }

    fn entries(&self) -> Result<Self::Entries> {
        let Reply::List(names) = self.call(Call::List(self.path.clone()))? else { unreachable!() };
        let kind = |is_directory| if is_directory { Kind::Directory } else { Kind::File };
        let entries: Vec<_> = names.into_iter().map(|(name, is)| Ok((name, kind(is)))).collect();
        Ok(entries.into_iter())
    }

    fn set_size(&self, _size: u64) -> Result<()> {
        // Only by one that crashes, whose calls fail.
        Err(Code::Io)
    }

    fn sync_data(&self) -> Result<()> {
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn touch(&self) -> Result<()> {
        Ok(())
    }

    fn write_out(&self, _offset: u64, _length: u64) -> Result<()> {
        Ok(())
    }

    fn stream(&self, _offset: u64) -> Result<Content> {
        self.read(u64::MAX, 0).map(|(bytes, _)| Content::Bytes(bytes))
    }
}
