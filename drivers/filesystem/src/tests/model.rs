//! A disk in memory that loses what it may lose.
//!
//! What is written is in the cache first, and on the disk once it was synced. A power cut leaves the disk with
//! any of the states that POSIX and ext4 allow:
//!
//! - Bytes that were not synced are there, or there in part, or the file has its new size with zeros in their place.
//! - A name that came or went without a sync of its directory did so or did not, each by itself
//!   ([`Names::Independent`]), or as far as the journal was written ([`Names::InOrder`], which is what ext4, XFS
//!   and btrfs do). A rename is one change, even between two directories.
//! - **A sync that fails loses what it covered, and the next one succeeds**: the pages count as clean. So do the
//!   names of a directory, until the directory changes again.
//!
//! Any call can be made to fail, to cut the power, or to take long. Writes are short, so that bytes take several.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use lighter_storage::Content;

use super::choices::Choices;
use crate::disk::{Code, Disk, File, Kind, Links, Open, Result, Stat};

/// The most bytes that one call writes.
const SHORT: usize = 6;

const ROOT: usize = 0;

/// What happens at a call, of that number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Fail(Code),
    Cut,
    /// It takes this many seconds.
    Stall(u64),
}

/// In which order changes of names reach the disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Names {
    Independent,
    InOrder,
}

/// The disk. Clones are of the same one.
#[derive(Clone)]
pub(crate) struct Model {
    world: Arc<Mutex<World>>,
    /// Called before each call, with its name.
    gate: Option<Gate>,
}

type Gate = Arc<dyn Fn(&str) + Send + Sync>;

#[derive(Clone)]
struct World {
    nodes: Vec<Node>,
    /// Changes of names that are not on the disk.
    changes: Vec<Change>,
    names: Names,
    time: u64,
    calls: Vec<String>,
    events: BTreeMap<usize, Event>,
    off: bool,
}

#[derive(Clone)]
struct Node {
    modified: u64,
    is: Is,
}

#[derive(Clone)]
enum Is {
    File { cache: Vec<u8>, disk: Vec<u8>, unsynced: Vec<Write> },
    Directory { cache: BTreeMap<String, usize>, disk: BTreeMap<String, usize> },
}

/// A change of a file that is not on the disk.
#[derive(Clone)]
enum Write {
    Bytes(usize, Vec<u8>),
    Size(usize),
}

/// How much of what was written is on the disk.
#[derive(Clone, Copy, PartialEq)]
enum Written {
    None,
    Half,
    All,
}

/// A change of one name or, by a rename, of two.
#[derive(Clone)]
struct Change {
    parts: Vec<Part>,
    /// The directories that could not be synced since, and have not changed since.
    clean: BTreeSet<usize>,
}

#[derive(Clone)]
struct Part {
    directory: usize,
    name: String,
    node: usize,
    comes: bool,
}

impl Model {
    pub(crate) fn new(names: Names) -> Self {
        let root = Node { modified: 0, is: Is::Directory { cache: BTreeMap::new(), disk: BTreeMap::new() } };
        Self::of(World {
            nodes: vec![root],
            changes: Vec::new(),
            names,
            time: 1_000_000,
            calls: Vec::new(),
            events: BTreeMap::new(),
            off: false,
        })
    }

    fn of(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)), gate: None }
    }

    /// The same disk, where something is done before each call.
    pub(crate) fn gated(&self, gate: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { world: self.world.clone(), gate: Some(Arc::new(gate)) }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Has something happen at a call that is still to come, counted from the first one of all.
    pub(crate) fn at(&self, call: usize, event: Event) {
        self.world().events.insert(call, event);
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.world().calls.clone()
    }

    /// Whether the power is off.
    pub(crate) fn is_off(&self) -> bool {
        self.world().off
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.world().time += seconds;
    }

    pub(crate) fn set_back(&self, seconds: u64) {
        self.world().time -= seconds;
    }

    /// The paths of all files, and of the directories that are empty, which end in `/`.
    pub(crate) fn files(&self) -> Vec<String> {
        let world = self.world();
        let (mut files, mut directories) = (Vec::new(), vec![(String::new(), ROOT)]);
        while let Some((path, node)) = directories.pop() {
            let entries = world.entries(node).unwrap();
            if entries.is_empty() {
                files.push(path.clone());
            }
            for (name, node) in entries {
                let path = format!("{path}{name}");
                match &world.nodes[*node].is {
                    Is::File { .. } => files.push(path),
                    Is::Directory { .. } => directories.push((path + "/", *node)),
                }
            }
        }
        files.sort();
        files
    }

    /// The disk when the power is back, in the state that the choices lead to.
    pub(crate) fn after_cut(&self, choices: &mut Choices) -> Self {
        let mut world = self.world().clone();
        world.cut(choices);
        Self::of(world)
    }

    /// Makes a call of the driver. One that is to fail does what `failing` does.
    fn call<T>(
        &self,
        name: String,
        failing: impl FnOnce(&mut World),
        done: impl FnOnce(&mut World) -> Result<T>,
    ) -> Result<T> {
        if let Some(gate) = &self.gate {
            gate(&name);
        }
        let mut world = self.world();
        if world.off {
            return Err(Code::NoDevice);
        }
        let number = world.calls.len();
        world.calls.push(name);
        match world.events.get(&number).copied() {
            None => {}
            Some(Event::Stall(seconds)) => world.time += seconds,
            Some(Event::Cut) => {
                world.off = true;
                return Err(Code::NoDevice);
            }
            Some(Event::Fail(code)) => {
                failing(&mut world);
                return Err(code);
            }
        }
        done(&mut world)
    }

    fn simply<T>(&self, name: String, done: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
        self.call(name, |_| {}, done)
    }
}

impl World {
    fn entries(&self, node: usize) -> Result<&BTreeMap<String, usize>> {
        match &self.nodes[node].is {
            Is::Directory { cache, .. } => Ok(cache),
            Is::File { .. } => Err(Code::NotDirectory),
        }
    }

    fn find(&self, path: &str) -> Result<usize> {
        if path == "." {
            return Ok(ROOT);
        }
        path.split('/')
            .try_fold(ROOT, |node, name| self.entries(node)?.get(name).copied().ok_or(Code::NoEntry))
    }

    /// The directory of a path, and the last name in it.
    fn place<'p>(&self, path: &'p str) -> Result<(usize, &'p str)> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
        let parent = self.find(parent)?;
        self.entries(parent)?;
        Ok((parent, name))
    }

    fn is_directory(&self, node: usize) -> bool {
        matches!(self.nodes[node].is, Is::Directory { .. })
    }

    fn add(&mut self, is: Is) -> usize {
        self.nodes.push(Node { modified: self.time, is });
        self.nodes.len() - 1
    }

    fn create(&mut self, path: &str, is: Is) -> Result<usize> {
        let (directory, name) = self.place(path)?;
        if self.entries(directory)?.contains_key(name) {
            return Err(Code::Exist);
        }
        let node = self.add(is);
        self.change(vec![Part { directory, name: name.to_owned(), node, comes: true }]);
        Ok(node)
    }

    fn remove(&mut self, path: &str) -> Result<()> {
        let (directory, name) = self.place(path)?;
        let node = *self.entries(directory)?.get(name).ok_or(Code::NoEntry)?;
        self.change(vec![Part { directory, name: name.to_owned(), node, comes: false }]);
        Ok(())
    }

    /// Changes names in the cache. A directory that changes is dirty again as a whole.
    fn change(&mut self, parts: Vec<Part>) {
        for part in &parts {
            self.nodes[part.directory].modified = self.time;
            if let Is::Directory { cache, .. } = &mut self.nodes[part.directory].is {
                part.apply(cache);
            }
            for earlier in &mut self.changes {
                earlier.clean.remove(&part.directory);
            }
        }
        self.changes.push(Change { parts, clean: BTreeSet::new() });
    }

    fn links(&self, node: usize) -> u64 {
        let directories = self.nodes.iter().filter_map(|node| match &node.is {
            Is::Directory { cache, .. } => Some(cache),
            Is::File { .. } => None,
        });
        directories.flat_map(BTreeMap::values).filter(|named| **named == node).count() as u64
    }

    fn stat(&self, node: usize) -> Stat {
        let (kind, size) = match &self.nodes[node].is {
            Is::File { cache, .. } => (Kind::File, cache.len() as u64),
            Is::Directory { .. } => (Kind::Directory, 0),
        };
        Stat { kind, size, links: self.links(node), modified: self.nodes[node].modified, nanoseconds: 0 }
    }

    /// Applies a change to the cache of a file.
    fn write(&mut self, node: usize, write: Write) -> Result<()> {
        let time = self.time;
        let node = &mut self.nodes[node];
        let Is::File { cache, unsynced, .. } = &mut node.is else { return Err(Code::IsDirectory) };
        write.apply(cache, Written::All);
        unsynced.push(write);
        node.modified = time;
        Ok(())
    }

    /// Brings the bytes of a file to the disk, or only its size.
    fn sync_file(&mut self, node: usize, written: Written) {
        if let Is::File { disk, unsynced, .. } = &mut self.nodes[node].is {
            unsynced.drain(..).for_each(|write| write.apply(disk, written));
        }
        if written == Written::All && self.names == Names::InOrder {
            let changes = std::mem::take(&mut self.changes);
            changes.iter().for_each(|change| self.reach(change));
        }
    }

    /// Brings the names of a directory to the disk, and what happened before to the same names elsewhere.
    fn sync_directory(&mut self, node: usize) {
        let mut reached = BTreeSet::new();
        for (index, change) in self.changes.iter().enumerate() {
            if self.names == Names::InOrder || change.touches(node) && !change.clean.contains(&node) {
                let same = |earlier: &Change| change.parts.iter().any(|part| earlier.names(part));
                reached.extend((0..index).filter(|earlier| same(&self.changes[*earlier])));
                reached.insert(index);
            }
        }
        let changes = std::mem::take(&mut self.changes);
        for (index, change) in changes.into_iter().enumerate() {
            if reached.contains(&index) {
                self.reach(&change);
            } else {
                self.changes.push(change);
            }
        }
    }

    fn reach(&mut self, change: &Change) {
        for part in &change.parts {
            if let Is::Directory { disk, .. } = &mut self.nodes[part.directory].is {
                part.apply(disk);
            }
        }
    }

    /// What a cut leaves. The first choice is always that least is there, and the last one that all is.
    fn cut(&mut self, choices: &mut Choices) {
        let changes = std::mem::take(&mut self.changes);
        let in_order = (self.names == Names::InOrder).then(|| choices.of(changes.len() + 1));
        for (index, change) in changes.iter().enumerate() {
            let happened = in_order.map_or_else(|| choices.of(2) == 1, |length| index < length);
            if happened {
                self.reach(change);
            }
        }
        for node in &mut self.nodes {
            if let Is::Directory { cache, disk } = &mut node.is {
                cache.clone_from(disk);
            }
        }
        for node in 0..self.nodes.len() {
            // What has no name is gone, and there is nothing to choose.
            let named = self.links(node) > 0;
            if let Is::File { cache, disk, unsynced } = &mut self.nodes[node].is {
                let reached = if named { choices.of(unsynced.len() + 1) } else { 0 };
                for write in unsynced.drain(..).take(reached) {
                    let written = [Written::None, Written::Half, Written::All];
                    let bytes = matches!(write, Write::Bytes(..));
                    write.apply(disk, if bytes { written[choices.of(3)] } else { Written::All });
                }
                cache.clone_from(disk);
            }
        }
        (self.off, self.events, self.calls) = (false, BTreeMap::new(), Vec::new());
    }
}

impl Write {
    fn apply(&self, content: &mut Vec<u8>, written: Written) {
        match self {
            Self::Size(size) => content.resize(*size, 0),
            Self::Bytes(offset, bytes) => {
                content.resize(content.len().max(offset + bytes.len()), 0);
                let length = match written {
                    Written::None => 0,
                    Written::Half => bytes.len() / 2,
                    Written::All => bytes.len(),
                };
                content[*offset..offset + length].copy_from_slice(&bytes[..length]);
            }
        }
    }
}

impl Change {
    fn touches(&self, directory: usize) -> bool {
        self.parts.iter().any(|part| part.directory == directory)
    }

    fn names(&self, other: &Part) -> bool {
        self.parts.iter().any(|part| (part.directory, &part.name) == (other.directory, &other.name))
    }
}

impl Part {
    fn apply(&self, entries: &mut BTreeMap<String, usize>) {
        if self.comes {
            entries.insert(self.name.clone(), self.node);
        } else if entries.get(&self.name) == Some(&self.node) {
            entries.remove(&self.name);
        }
    }
}

fn file() -> Is {
    Is::File { cache: Vec::new(), disk: Vec::new(), unsynced: Vec::new() }
}

impl Disk for Model {
    type File = Handle;

    fn open(&self, path: &str, _links: Links, how: Open) -> Result<Handle> {
        self.simply(format!("open {how:?} {path}"), |world| {
            let node = if how == Open::Create { world.create(path, file())? } else { world.find(path)? };
            match (how, world.is_directory(node)) {
                (Open::Directory, false) => Err(Code::NotDirectory),
                (Open::Write, true) => Err(Code::IsDirectory),
                _ => Ok(Handle { disk: self.clone(), node, path: path.to_owned() }),
            }
        })
    }

    fn stat(&self, path: &str, _links: Links) -> Result<Stat> {
        self.simply(format!("stat {path}"), |world| Ok(world.stat(world.find(path)?)))
    }

    fn touch(&self, path: &str) -> Result<()> {
        self.simply(format!("touch {path}"), |world| {
            let node = world.find(path)?;
            world.nodes[node].modified = world.time;
            Ok(())
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.simply(format!("rename {from} {to}"), |world| {
            let node = world.find(from)?;
            let ((old, old_name), (new, new_name)) = (world.place(from)?, world.place(to)?);
            if world.find(to).is_ok_and(|there| world.is_directory(there)) {
                return Err(Code::IsDirectory);
            }
            world.change(vec![
                Part { directory: old, name: old_name.to_owned(), node, comes: false },
                Part { directory: new, name: new_name.to_owned(), node, comes: true },
            ]);
            Ok(())
        })
    }

    fn link(&self, from: &str, to: &str) -> Result<()> {
        self.simply(format!("link {from} {to}"), |world| {
            let (node, (directory, name)) = (world.find(from)?, world.place(to)?);
            if world.find(to).is_ok() {
                return Err(Code::Exist);
            }
            world.change(vec![Part { directory, name: name.to_owned(), node, comes: true }]);
            Ok(())
        })
    }

    fn unlink(&self, path: &str) -> Result<()> {
        self.simply(format!("unlink {path}"), |world| {
            if world.is_directory(world.find(path)?) {
                return Err(Code::IsDirectory);
            }
            world.remove(path)
        })
    }

    fn create_directory(&self, path: &str) -> Result<()> {
        self.simply(format!("mkdir {path}"), |world| {
            world.create(path, Is::Directory { cache: BTreeMap::new(), disk: BTreeMap::new() }).map(drop)
        })
    }

    fn remove_directory(&self, path: &str) -> Result<()> {
        self.simply(format!("rmdir {path}"), |world| {
            if !world.entries(world.find(path)?)?.is_empty() {
                return Err(Code::NotEmpty);
            }
            world.remove(path)
        })
    }

    fn now(&self) -> u64 {
        self.world().time
    }
}

/// An open file or directory of the model.
pub(crate) struct Handle {
    disk: Model,
    node: usize,
    path: String,
}

impl File for Handle {
    type Entries = std::vec::IntoIter<Result<(String, Kind)>>;

    fn stat(&self) -> Result<Stat> {
        self.disk.simply(format!("fstat {}", self.path), |world| Ok(world.stat(self.node)))
    }

    fn read(&self, length: u64, offset: u64) -> Result<(Vec<u8>, bool)> {
        let bytes = self.disk.simply(format!("read {}", self.path), |world| world.bytes(self.node))?;
        let bytes: Vec<u8> = bytes.into_iter().skip(offset as usize).take(length as usize).collect();
        Ok((bytes, false))
    }

    fn write(&self, bytes: &[u8], offset: u64) -> Result<u64> {
        let bytes = bytes[..bytes.len().min(SHORT)].to_vec();
        let written = bytes.len() as u64;
        self.disk.simply(format!("write {}", self.path), |world| {
            world.write(self.node, Write::Bytes(offset as usize, bytes)).map(|()| written)
        })
    }

    fn set_size(&self, size: u64) -> Result<()> {
        self.disk.simply(format!("truncate {}", self.path), |world| {
            world.write(self.node, Write::Size(size as usize))
        })
    }

    fn sync_data(&self) -> Result<()> {
        let lose = |world: &mut World| world.sync_file(self.node, Written::None);
        self.disk.call(format!("fdatasync {}", self.path), lose, |world| {
            world.sync_file(self.node, Written::All);
            Ok(())
        })
    }

    fn sync(&self) -> Result<()> {
        let lose = |world: &mut World| {
            for change in world.changes.iter_mut().filter(|change| change.touches(self.node)) {
                change.clean.insert(self.node);
            }
        };
        self.disk.call(format!("fsync {}", self.path), lose, |world| {
            world.sync_directory(self.node);
            Ok(())
        })
    }

    fn touch(&self) -> Result<()> {
        self.disk.simply(format!("futimens {}", self.path), |world| {
            world.nodes[self.node].modified = world.time;
            Ok(())
        })
    }

    fn write_out(&self, _offset: u64, _length: u64) -> Result<()> {
        // The bytes are on the disk or not, as before.
        self.disk.simply(format!("fadvise {}", self.path), |_| Ok(()))
    }

    fn stream(&self, offset: u64) -> Result<Content> {
        let bytes = self.disk.simply(format!("stream {}", self.path), |world| world.bytes(self.node))?;
        Ok(Content::Bytes(bytes.into_iter().skip(offset as usize).collect()))
    }

    fn entries(&self) -> Result<Self::Entries> {
        let entries = self.disk.simply(format!("list {}", self.path), |world| {
            let kind = |node| if world.is_directory(node) { Kind::Directory } else { Kind::File };
            let entries = world.entries(self.node)?.iter();
            Ok(entries.map(|(name, node)| Ok((name.clone(), kind(*node)))).collect::<Vec<_>>())
        })?;
        Ok(entries.into_iter())
    }
}

impl World {
    fn bytes(&self, node: usize) -> Result<Vec<u8>> {
        match &self.nodes[node].is {
            Is::File { cache, .. } => Ok(cache.clone()),
            Is::Directory { .. } => Err(Code::IsDirectory),
        }
    }
}
