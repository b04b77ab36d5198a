//! Two or three writers want one upload, and every order of their calls is followed, while time goes by.
//!
//! What the protocol takes for granted is exempt: a writer that stands still for longer than a lease lasts *between*
//! making sure of it and the next change (`docs/reliability.md`). Whether a writer did is seen by its lease's file.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use lighter_explore::{Handle, Outcome, Scenario, World};
use lighter_storage::{Content, Error};

use crate::directory::Directory;
use crate::disk::{Code, Disk, File, Kind, Links, Open, Result, Stat};
use crate::lease::{EXPIRY, Lease};

/// The directory of an upload: names, and when the file under each was last touched. What has no name any more is
/// still open somewhere.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Shelf {
    time: u64,
    names: BTreeMap<String, usize>,
    touched: Vec<u64>,
    /// The files by which writers have had the upload, in that order.
    holders: Vec<usize>,
    /// A writer has changed something although it had lost the upload, and in time.
    is_broken: bool,
    /// A writer stood still for too long before it changed something.
    is_exempt: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Call {
    Now,
    Pass(u64),
    Create(String),
    Stat(String),
    StatOpen(usize),
    TouchOpen(usize),
    Touch(String),
    /// Removes a name, for a writer with this file.
    Unlink(String, Option<usize>),
    Acquired(usize),
    Change(usize),
}

impl fmt::Display for Call {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => write!(to, "looks at the clock"),
            Self::Pass(seconds) => write!(to, "{seconds} s go by"),
            Self::Create(name) => write!(to, "creates {name}"),
            Self::Stat(name) => write!(to, "looks at {name}"),
            Self::StatOpen(file) => write!(to, "looks at its file {file}"),
            Self::TouchOpen(file) => write!(to, "touches its file {file}"),
            Self::Touch(name) => write!(to, "touches {name}"),
            Self::Unlink(name, _) => write!(to, "removes {name}"),
            Self::Acquired(file) => write!(to, "has the upload by file {file}"),
            Self::Change(file) => write!(to, "writes, by file {file}"),
        }
    }
}

impl Shelf {
    fn is_late(&self, file: usize) -> bool {
        self.time - self.touched[file] > EXPIRY
    }

    /// A file's number among those there were, its time, and how many names it has.
    fn stat(&self, file: usize) -> Result<(usize, u64, u64)> {
        let links = self.names.values().filter(|named| **named == file).count();
        Ok((file, self.touched[file], links as u64))
    }
}

impl World for Shelf {
    type Call = Call;
    type Reply = Result<(usize, u64, u64)>;

    fn perform(&mut self, call: &Call) -> Self::Reply {
        match call {
            Call::Now => {}
            Call::Pass(seconds) => self.time += seconds,
            Call::Create(name) => {
                if self.names.contains_key(name) {
                    return Err(Code::Exist);
                }
                self.names.insert(name.clone(), self.touched.len());
                self.touched.push(self.time);
                return self.stat(self.touched.len() - 1);
            }
            Call::Stat(name) => return self.stat(*self.names.get(name).ok_or(Code::NoEntry)?),
            Call::StatOpen(file) => return self.stat(*file),
            Call::TouchOpen(file) => self.touched[*file] = self.time,
            Call::Touch(name) => {
                let file = *self.names.get(name).ok_or(Code::NoEntry)?;
                self.touched[file] = self.time;
            }
            Call::Unlink(name, by) => {
                self.is_exempt |= by.is_some_and(|file| self.is_late(file));
                self.names.remove(name).ok_or(Code::NoEntry)?;
            }
            // One that is late may have been superseded.
            Call::Acquired(file) | Call::Change(file) if self.is_late(*file) => {}
            Call::Acquired(file) | Call::Change(file) => {
                if !self.holders.contains(file) {
                    self.holders.push(*file);
                }
                self.is_broken |= self.holders.last() != Some(file);
            }
        }
        Ok((0, self.time, 0))
    }

    /// No writer waits for another one.
    fn touches(_call: &Call) -> Vec<String> {
        Vec::new()
    }
}

/// The disk of one writer, whose calls are let through one at a time.
struct Seen {
    calls: Handle<Shelf>,
    /// The file of its lease.
    lease: std::cell::Cell<Option<usize>>,
}

impl Seen {
    fn call(&self, call: Call) -> Result<(usize, u64, u64)> {
        self.calls.call(call).unwrap_or(Err(Code::Io))
    }
}

fn stat((_, modified, links): (usize, u64, u64)) -> Stat {
    Stat { kind: Kind::File, size: 0, links, modified, nanoseconds: 0 }
}

impl Disk for Seen {
    type File = Opened;

    fn open(&self, path: &str, _links: Links, _how: Open) -> Result<Opened> {
        let (file, ..) = self.call(Call::Create(path.to_owned()))?;
        self.lease.set(Some(file));
        Ok(Opened { calls: self.calls.clone(), file })
    }

    fn stat(&self, path: &str, _links: Links) -> Result<Stat> {
        self.call(Call::Stat(path.to_owned())).map(stat)
    }

    fn touch(&self, path: &str) -> Result<()> {
        self.call(Call::Touch(path.to_owned())).map(drop)
    }

    fn unlink(&self, path: &str) -> Result<()> {
        self.call(Call::Unlink(path.to_owned(), self.lease.get())).map(drop)
    }

    fn now(&self) -> u64 {
        self.call(Call::Now).map_or(0, |(_, time, _)| time)
    }

    fn rename(&self, _from: &str, _to: &str) -> Result<()> {
        unreachable!("a lease renames nothing")
    }

    fn link(&self, _from: &str, _to: &str) -> Result<()> {
        unreachable!("a lease links nothing")
    }

    fn create_directory(&self, _path: &str) -> Result<()> {
        unreachable!("a lease makes no directory")
    }

    fn remove_directory(&self, _path: &str) -> Result<()> {
        unreachable!("a lease removes no directory")
    }
}

struct Opened {
    calls: Handle<Shelf>,
    file: usize,
}

impl File for Opened {
    type Entries = std::vec::IntoIter<Result<(String, Kind)>>;

    fn stat(&self) -> Result<Stat> {
        self.calls.call(Call::StatOpen(self.file)).unwrap_or(Err(Code::Io)).map(stat)
    }

    fn touch(&self) -> Result<()> {
        self.calls.call(Call::TouchOpen(self.file)).unwrap_or(Err(Code::Io)).map(drop)
    }

    fn read(&self, _length: u64, _offset: u64) -> Result<(Vec<u8>, bool)> {
        unreachable!("a lease has no bytes")
    }

    fn write(&self, _bytes: &[u8], _offset: u64) -> Result<u64> {
        unreachable!("a lease has no bytes")
    }

    fn set_size(&self, _size: u64) -> Result<()> {
        unreachable!("a lease has no bytes")
    }

    fn sync_data(&self) -> Result<()> {
        unreachable!("a lease is not synced")
    }

    fn sync(&self) -> Result<()> {
        unreachable!("a lease is not synced")
    }

    fn write_out(&self, _offset: u64, _length: u64) -> Result<()> {
        unreachable!("a lease has no bytes")
    }

    fn stream(&self, _offset: u64) -> Result<Content> {
        unreachable!("a lease has no bytes")
    }

    fn entries(&self) -> Result<Self::Entries> {
        unreachable!("a lease lists nothing")
    }
}

/// A writer that acquires the upload, changes it a number of times after some seconds each, and releases it. Returns
/// how often it did.
fn write(calls: &Handle<Shelf>, times: usize, seconds: u64) -> usize {
    #[expect(clippy::arc_with_non_send_sync, reason = "the host's file system is both")]
    let directory =
        Arc::new(Directory::new(Seen { calls: calls.clone(), lease: Default::default() }, String::new()));
    let lease = match Lease::acquire(directory.clone(), "data") {
        Ok(lease) => lease,
        Err(Error::Busy) => return 0,
        Err(error) => panic!("{error}"),
    };
    let file = directory.disk.lease.get().unwrap();
    directory.disk.call(Call::Acquired(file)).unwrap();
    for done in 0..times {
        if seconds > 0 {
            directory.disk.call(Call::Pass(seconds)).unwrap();
        }
        match lease.renew() {
            Ok(()) => drop(directory.disk.call(Call::Change(file))),
            Err(Error::Busy) => return done,
            Err(error) => panic!("{error}"),
        }
    }
    times
}

/// Time goes by, so many times: a little, or longer than a lease lasts.
fn clock(calls: &Handle<Shelf>, times: usize) -> usize {
    for _ in 0..times {
        let seconds = [3, EXPIRY + 1][calls.choose(2)];
        calls.call(Call::Pass(seconds)).unwrap().unwrap();
    }
    0
}

/// What must hold at every end: no change of a writer that had lost the upload, and the next one acquires it, after
/// a while, and leaves nothing behind.
fn check(outcome: &Outcome<'_, Shelf, usize>) {
    let mut shelf = outcome.world.clone();
    if shelf.is_exempt {
        return;
    }
    assert!(!shelf.is_broken, "a writer has changed what was another's");
    // What a writer has left that died while it released the upload may cost the next one its lease.
    let has_crashed = outcome.results.contains(&None);
    for expected in if has_crashed { [0, 2] } else { [2, 2] } {
        shelf.time += EXPIRY + 1;
        let after = std::cell::RefCell::new(shelf.clone());
        let next = Scenario::new(shelf).actor("next", |calls| write(calls, 2, 3));
        next.explore(|outcome| {
            assert!(outcome.results[0] >= Some(expected), "the upload is blocked");
            after.replace(outcome.world.clone());
        })
        .unwrap();
        shelf = after.into_inner();
    }
    // A later one that is left blocks none: it counts for the holder before it alone.
    assert!(has_crashed || shelf.names.is_empty(), "files are left: {:?}", shelf.names);
}

fn start() -> Scenario<'static, Shelf, usize> {
    Scenario::new(Shelf { time: 1_000_000, ..Shelf::default() })
}

#[test]
fn of_two_writers_none_changes_what_it_has_lost() {
    let two = start().actor("a", |calls| write(calls, 2, 0)).actor("b", |calls| write(calls, 2, 0));
    let report =
        two.actor("time", |calls| clock(calls, 2)).switches(5).explore_simplest_first(check).unwrap();
    assert!(report.states > 10_000, "{report}");
}

#[test]
fn of_two_writers_one_of_which_dies_the_other_has_the_upload() {
    let two = start().crashing("a", |calls| write(calls, 1, 0)).actor("b", |calls| write(calls, 2, 0));
    let report =
        two.actor("time", |calls| clock(calls, 2)).switches(5).explore_simplest_first(check).unwrap();
    assert!(report.states > 10_000, "{report}");
}

#[test]
fn of_three_writers_none_changes_what_it_has_lost() {
    let three = start().actor("a", |calls| write(calls, 1, 0)).actor("b", |calls| write(calls, 1, 0));
    let three = three.crashing("c", |calls| write(calls, 1, 0)).actor("time", |calls| clock(calls, 2));
    let report = three.switches(2).explore_simplest_first(check).unwrap();
    assert!(report.states > 10_000, "{report}");
}
