//! Storage whose calls are let through one at a time, of several requests and collectors: see `lighter_explore`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use crate::garbage::outside::Outside;
use crate::layout;
use lighter_explore::{Handle, World};
use lighter_storage::{BlobEntry, BlobInfo, BlobPage, Content, Error, Memory, Result, Storage, Upload as _};

/// What is stored: values, and blobs with the time at which they were published. A copy costs little, and two are
/// compared by a hash.
#[derive(Clone, Default)]
pub(super) struct Store {
    entries: Rc<BTreeMap<String, Entry>>,
    hash: u128,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Entry {
    Value(Rc<[u8]>),
    Blob(Rc<[u8]>, u64),
}

impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Store {}

impl Hash for Store {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

fn hash(key: &str, entry: &Entry) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, key, entry).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    (half(0) << 64) | half(1)
}

impl Store {
    fn put(&mut self, key: &str, entry: Option<Entry>) {
        let old = self.entries.get(key);
        if old == entry.as_ref() {
            return;
        }
        self.hash ^= old.map_or(0, |old| hash(key, old));
        self.hash ^= entry.as_ref().map_or(0, |new| hash(key, new));
        let entries = Rc::make_mut(&mut self.entries);
        match entry {
            Some(entry) => entries.insert(key.to_owned(), entry),
            None => entries.remove(key),
        };
    }

    /// All keys.
    pub(super) fn keys(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// Whether something is stored under a key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Call {
    Get(String),
    Set(String, Vec<u8>),
    Delete(String),
    DeletePrefix(String),
    List(String, Option<String>, u32),
    Values(String, Option<String>, u32),
    Stat(String),
    Enumerate(String, Option<String>),
    Read(String),
    /// Publishes a blob, at a time.
    Put(String, Vec<u8>, u64),
    DeleteBlob(String),
}

impl Call {
    fn key(&self) -> &str {
        match self {
            Self::Get(key) | Self::Set(key, _) | Self::Delete(key) | Self::DeletePrefix(key) => key,
            Self::List(key, ..)
            | Self::Values(key, ..)
            | Self::Stat(key)
            | Self::Enumerate(key, _)
            | Self::Read(key) => key,
            Self::Put(key, ..) | Self::DeleteBlob(key) => key,
        }
    }

    /// What takes effect at the time at which its caller has last looked at the clock, or nearly.
    pub(super) fn is_prompt(&self) -> bool {
        matches!(
            self,
            Self::Put(..) | Self::Stat(_) | Self::Enumerate(..) | Self::DeleteBlob(_) | Self::Delete(_)
        )
    }
}

impl fmt::Display for Call {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Get(_) => "get",
            Self::Set(..) => "set",
            Self::Delete(_) => "delete",
            Self::DeletePrefix(_) => "delete-prefix",
            Self::List(..) => "list",
            Self::Values(..) => "values",
            Self::Stat(_) => "stat",
            Self::Enumerate(..) => "enumerate",
            Self::Read(_) => "read",
            Self::Put(..) => "put",
            Self::DeleteBlob(_) => "delete-blob",
        };
        write!(to, "{name} {}", self.key())
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Reply {
    Done,
    Bytes(Option<Rc<[u8]>>),
    Names(Vec<String>),
    /// The size, and when it was published.
    Info(Option<(u64, u64)>),
    Blobs(Vec<(String, u64, u64)>),
}

impl fmt::Debug for Reply {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => to.write_str("done"),
            Self::Bytes(None) => to.write_str("none"),
            Self::Bytes(Some(bytes)) => write!(to, "{} bytes", bytes.len()),
            Self::Names(names) => write!(to, "{names:?}"),
            Self::Info(info) => write!(to, "{info:?}"),
            Self::Blobs(blobs) => write!(to, "{blobs:?}"),
        }
    }
}

impl World for Store {
    type Call = Call;
    type Reply = Reply;

    fn perform(&mut self, call: &Call) -> Reply {
        let bytes_of = |entry: &Entry| match entry {
            Entry::Value(bytes) | Entry::Blob(bytes, _) => Rc::clone(bytes),
        };
        match call {
            Call::Get(key) | Call::Read(key) => return Reply::Bytes(self.entries.get(key).map(bytes_of)),
            Call::Set(key, value) => self.put(key, Some(Entry::Value(value.as_slice().into()))),
            Call::Put(key, value, time) => self.put(key, Some(Entry::Blob(value.as_slice().into(), *time))),
            Call::Delete(key) | Call::DeleteBlob(key) => self.put(key, None),
            Call::DeletePrefix(prefix) => {
                let below = format!("{prefix}/");
                for key in self.keys().iter().filter(|key| key.starts_with(&below)) {
                    self.put(key, None);
                }
            }
            Call::List(prefix, after, limit) => {
                let below = format!("{prefix}/");
                let mut names: Vec<String> = Vec::new();
                for key in self.entries.keys() {
                    let Some((name, _)) = key.strip_prefix(&below).and_then(|rest| rest.split_once('/'))
                    else {
                        continue;
                    };
                    let is_after = after.as_deref().is_none_or(|after| name > after);
                    if is_after && !names.iter().any(|known| known == name) && names.len() < *limit as usize {
                        names.push(name.to_owned());
                    }
                }
                // `a-b/` comes before `a/`.
                names.sort();
                return Reply::Names(names);
            }
            Call::Values(prefix, after, limit) => {
                let below = format!("{prefix}/");
                let names = self.entries.keys().filter_map(|key| key.strip_prefix(&below));
                let names = names
                    .filter(|name| !name.contains('/') && after.as_deref().is_none_or(|after| *name > after));
                return Reply::Names(names.take(*limit as usize).map(str::to_owned).collect());
            }
            Call::Stat(key) => {
                return Reply::Info(match self.entries.get(key) {
                    Some(Entry::Blob(bytes, time)) => Some((bytes.len() as u64, *time)),
                    _ => None,
                });
            }
            Call::Enumerate(prefix, after) => {
                let below = format!("{prefix}/");
                let is_after = |key: &str| after.as_deref().is_none_or(|after| key > after);
                let blobs = self.entries.iter().filter_map(|(key, entry)| match entry {
                    Entry::Blob(bytes, time) if key.starts_with(&below) && is_after(key) => {
                        Some((key.clone(), bytes.len() as u64, *time))
                    }
                    _ => None,
                });
                return Reply::Blobs(blobs.collect());
            }
        }
        Reply::Done
    }

    /// Who waits for the end of a batch has read its mark, which goes with its prefix.
    fn touches(call: &Call) -> Vec<String> {
        let key = call.key();
        let parent = key.rsplit_once('/').map(|(parent, _)| parent.to_owned());
        [Some(key.to_owned()), parent].into_iter().flatten().collect()
    }
}

/// A mistake in the protocol, which the exploration must find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mistake {
    None,
    /// A request looks before it writes its reference.
    LooksFirst,
    /// A collection leaves no trace.
    LeavesNoTrace,
    /// A batch does not check that its collection is still announced.
    GoesOnUnannounced,
    /// A batch checks that before it reads the journal.
    ChecksTooEarly,
    /// A batch does not read the journal.
    ReadsNoJournal,
    /// A batch does not ask for the age again.
    TrustsTheFirstAge,
    /// A request that takes back its manifest sets no mark.
    TakesBackUnmarked,
    /// A batch sets no mark.
    SetsNoMark,
    /// A collector does not look at its clock before it removes something.
    IgnoresTheClock,
}

/// Where calls go.
#[derive(Clone)]
enum Via {
    /// To the explorer.
    Explored(Handle<Store>),
    /// To a store of one's own, at a time.
    Alone(Rc<RefCell<Store>>, u64),
}

/// The storage, and what else is outside, as one actor sees it.
#[derive(Clone)]
pub(super) struct Seen {
    via: Via,
    name: &'static str,
    names: Rc<Cell<u32>>,
    mistake: Mistake,
    /// What was seen too early, by mistake.
    early: Rc<RefCell<Option<Reply>>>,
    /// When the clock was first looked at.
    stopped: Rc<Cell<Option<u64>>>,
}

impl Seen {
    pub(super) fn new(handle: &Handle<Store>, name: &'static str, mistake: Mistake) -> Self {
        let seen = Self::of(Via::Explored(handle.clone()), name, mistake);
        if mistake == Mistake::LooksFirst {
            let look = seen.call(Call::List(layout::COLLECTION.to_owned(), None, u32::MAX));
            seen.early.replace(Some(look));
        }
        seen
    }

    /// A store that nobody else uses.
    pub(super) fn alone(store: Store, time: u64) -> Self {
        Self::of(Via::Alone(Rc::new(RefCell::new(store)), time), "alone", Mistake::None)
    }

    fn of(via: Via, name: &'static str, mistake: Mistake) -> Self {
        let (names, early, stopped) = (Rc::default(), Rc::default(), Rc::default());
        Self { via, name, names, mistake, early, stopped }
    }

    /// What is stored.
    pub(super) fn store(&self) -> Store {
        match &self.via {
            Via::Alone(store, _) => store.borrow().clone(),
            Via::Explored(_) => unreachable!("only the outcome shows it"),
        }
    }

    fn call(&self, call: Call) -> Reply {
        match &self.via {
            // What is dropped on the way out makes no calls.
            Via::Explored(handle) => handle.call(call).unwrap(),
            Via::Alone(store, _) => store.borrow_mut().perform(&call),
        }
    }

    fn is_in(key: &str, below: &str) -> bool {
        key.strip_prefix(layout::COLLECTION).is_some_and(|rest| rest.starts_with(below))
    }
}

impl Outside for Seen {
    fn now(&self) -> u64 {
        let now = match &self.via {
            Via::Explored(handle) => handle.now(),
            Via::Alone(_, time) => *time,
        };
        if self.mistake == Mistake::IgnoresTheClock {
            let first = self.stopped.get().unwrap_or(now);
            self.stopped.set(Some(first));
            return first;
        }
        now
    }

    fn pause(&self, time: Duration) {
        // A trace is seen at once here.
        if let (Via::Explored(handle), true) = (&self.via, time < Duration::from_secs(1)) {
            handle.pause();
        }
    }

    fn fresh_name(&self) -> String {
        self.names.set(self.names.get() + 1);
        format!("{}{}", self.name, self.names.get())
    }
}

impl Storage for Seen {
    type Upload = <Memory as Storage>::Upload;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let is_announcement = Self::is_in(key, "/") && key.ends_with("/began");
        if is_announcement && self.mistake == Mistake::GoesOnUnannounced {
            return Ok(Some(Vec::new()));
        }
        let early = self.early.borrow_mut().take_if(|_| is_announcement);
        match early.unwrap_or_else(|| self.call(Call::Get(key.to_owned()))) {
            Reply::Bytes(bytes) => Ok(bytes.map(|bytes| bytes.to_vec())),
            _ => unreachable!(),
        }
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        let is_mark = Self::is_in(key, "/") && key.ends_with("/digests");
        match self.mistake {
            Mistake::LeavesNoTrace if Self::is_in(key, "/ended.") => return Ok(()),
            Mistake::TakesBackUnmarked if Self::is_in(key, "/pushed.") => return Ok(()),
            Mistake::SetsNoMark if is_mark => return Ok(()),
            _ => {}
        }
        self.call(Call::Set(key.to_owned(), value.to_owned()));
        if self.mistake == Mistake::ChecksTooEarly && is_mark {
            let (id, _) = key.rsplit_once('.').unwrap();
            self.early.replace(Some(self.call(Call::Get(format!("{id}/began")))));
        }
        Ok(())
    }

    fn create(&self, _key: &str, _value: &[u8]) -> Result<bool> {
        unreachable!("nothing here creates a value")
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.call(Call::Delete(key.to_owned()));
        Ok(())
    }

    fn delete_prefix(&self, prefix: &str) -> Result<()> {
        // It is not done at once. The worst is that the journal goes first.
        if prefix.starts_with(layout::COLLECTOR) {
            self.call(Call::DeletePrefix(format!("{prefix}/pushed")));
        }
        self.call(Call::DeletePrefix(prefix.to_owned()));
        Ok(())
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        let looks_first = self.mistake == Mistake::LooksFirst && prefix == layout::COLLECTION;
        let early = self.early.borrow_mut().take_if(|_| looks_first);
        let call = || self.call(Call::List(prefix.to_owned(), after.map(str::to_owned), limit));
        match early.unwrap_or_else(call) {
            Reply::Names(names) => Ok(names),
            _ => unreachable!(),
        }
    }

    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        if self.mistake == Mistake::ReadsNoJournal {
            return Ok(Vec::new());
        }
        match self.call(Call::Values(prefix.to_owned(), after.map(str::to_owned), limit)) {
            Reply::Names(names) => Ok(names),
            _ => unreachable!(),
        }
    }

    fn stat(&self, key: &str) -> Result<Option<BlobInfo>> {
        let now = self.now();
        match self.call(Call::Stat(key.to_owned())) {
            Reply::Info(Some((size, _))) if self.mistake == Mistake::TrustsTheFirstAge => {
                Ok(Some(BlobInfo { size, age: None }))
            }
            Reply::Info(info) => {
                Ok(info.map(|(size, time)| BlobInfo { size, age: Some(now.saturating_sub(time)) }))
            }
            _ => unreachable!(),
        }
    }

    fn enumerate(&self, prefix: &str, after: Option<&str>, _limit: u32) -> Result<BlobPage> {
        let now = self.now();
        let Reply::Blobs(blobs) = self.call(Call::Enumerate(prefix.to_owned(), after.map(str::to_owned)))
        else {
            unreachable!()
        };
        let entry = |(key, size, time): (String, u64, u64)| BlobEntry {
            key,
            info: BlobInfo { size, age: Some(now.saturating_sub(time)) },
        };
        Ok(BlobPage { entries: blobs.into_iter().map(entry).collect(), next: None })
    }

    fn read(&self, key: &str, offset: u64, _length: u64) -> Result<Content> {
        match self.call(Call::Read(key.to_owned())) {
            Reply::Bytes(Some(bytes)) => Ok(Content::Bytes(bytes[offset as usize..].to_vec())),
            _ => Err(Error::NotFound),
        }
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        let now = self.now();
        self.call(Call::Put(key.to_owned(), content.to_owned(), now));
        Ok(())
    }

    fn delete_blob(&self, key: &str) -> Result<()> {
        self.call(Call::DeleteBlob(key.to_owned()));
        Ok(())
    }

    fn received(&self, _id: &str) -> Result<Option<u64>> {
        Ok(None)
    }

    fn create_upload(&self, id: &str) -> Result<Self::Upload> {
        Memory::default().create_upload(id)
    }

    fn open_upload(&self, id: &str) -> Result<Self::Upload> {
        self.create_upload(id)?.abort()?;
        Err(Error::NotFound)
    }
}
