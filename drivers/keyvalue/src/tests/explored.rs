//! A store that lets one call through at a time, of several writers: see `lighter_explore`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use lighter_explore::{Handle, Outcome, Report, Scenario, World};
use lighter_storage::{Error, Result};

use crate::bucket::Bucket;
use crate::memory::Memory;
use crate::time::EXPIRY;

/// What is stored. A copy costs little, and two are compared by a hash.
#[derive(Clone, Default)]
pub(crate) struct Store {
    values: Rc<BTreeMap<String, Rc<[u8]>>>,
    hash: u128,
}

impl Store {
    /// As it is after something was done.
    pub(crate) fn after(prepare: impl FnOnce(&Memory)) -> Self {
        let memory = Memory::with([], 1_000_000);
        prepare(&memory);
        let mut store = Self::default();
        for (key, value) in memory.values() {
            store.put(&key, Some(value.as_slice().into()));
        }
        store
    }

    fn put(&mut self, key: &str, value: Option<Rc<[u8]>>) {
        self.hash ^= self.values.get(key).map_or(0, |old| hash(key, old));
        self.hash ^= value.as_ref().map_or(0, |new| hash(key, new));
        let values = Rc::make_mut(&mut self.values);
        match value {
            Some(value) => values.insert(key.to_owned(), value),
            None => values.remove(key),
        };
    }
}

/// Several actors on one store, each with its name. Those of some numbers may crash.
pub(crate) fn scenario<T: Clone + fmt::Debug, A: Fn(&Handle<Store>) -> T + 'static>(
    store: Store,
    actors: impl Iterator<Item = (&'static str, A)>,
    crashing: &[usize],
) -> Scenario<'static, Store, T> {
    let mut scenario = Scenario::new(store).waits(6);
    for (number, (name, act)) in actors.enumerate() {
        scenario = match crashing.contains(&number) {
            true => scenario.crashing(name, act),
            false => scenario.actor(name, act),
        };
    }
    scenario
}

fn hash(key: &str, value: &[u8]) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, key, value).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    (half(0) << 64) | half(1)
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

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Call {
    Get(String),
    Exists(String),
    Set(String, Vec<u8>),
    Delete(String),
    Increment(String),
    /// The second half of a swap: stores the last value if the one before is still there.
    Swap(String, Vec<u8>, Vec<u8>),
}

impl Call {
    pub(crate) fn key(&self) -> &str {
        let (Self::Get(key) | Self::Exists(key) | Self::Set(key, _) | Self::Delete(key)) = self else {
            let (Self::Increment(key) | Self::Swap(key, ..)) = self else { unreachable!() };
            return key;
        };
        key
    }
}

impl fmt::Display for Call {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| format!("{:?}", String::from_utf8_lossy(bytes));
        match self {
            Self::Get(key) => write!(to, "get {key}"),
            Self::Exists(key) => write!(to, "exists {key}"),
            Self::Set(key, value) => write!(to, "set {key} to {}", text(value)),
            Self::Delete(key) => write!(to, "delete {key}"),
            Self::Increment(key) => write!(to, "increment {key}"),
            Self::Swap(key, old, new) => write!(to, "swap {key}: {} becomes {}", text(old), text(new)),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    Value(Option<Rc<[u8]>>),
    Is(bool),
    Number(i64),
    Done,
}

impl fmt::Debug for Reply {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(None) => write!(to, "none"),
            Self::Value(Some(value)) => write!(to, "{:?}", String::from_utf8_lossy(value)),
            Self::Is(is) => write!(to, "{is}"),
            Self::Number(number) => write!(to, "{number}"),
            Self::Done => write!(to, "done"),
        }
    }
}

impl World for Store {
    type Call = Call;
    type Reply = Reply;

    fn perform(&mut self, call: &Call) -> Reply {
        let current = self.values.get(call.key());
        match call {
            Call::Get(_) => return Reply::Value(current.cloned()),
            Call::Exists(_) => return Reply::Is(current.is_some()),
            Call::Set(key, value) => self.put(key, Some(value.as_slice().into())),
            Call::Delete(key) => self.put(key, None),
            Call::Increment(key) => {
                let number = 1 + current.map_or(0, |bytes| i64::from_le_bytes((**bytes).try_into().unwrap()));
                self.put(key, Some(number.to_le_bytes().as_slice().into()));
                return Reply::Number(number);
            }
            Call::Swap(key, old, new) => {
                if current.is_some_and(|current| **current == **old) {
                    self.put(key, Some(new.as_slice().into()));
                }
            }
        }
        Reply::Done
    }

    fn touches(call: &Call) -> Vec<String> {
        vec![call.key().to_owned()]
    }
}

/// The store as one actor sees it.
#[derive(Clone)]
pub(crate) struct Explored {
    handle: Handle<Store>,
    name: &'static str,
    names: Rc<Cell<u32>>,
}

impl Explored {
    pub(crate) fn new(handle: &Handle<Store>, name: &'static str) -> Self {
        Self { handle: handle.clone(), name, names: Rc::default() }
    }

    fn call(&self, call: Call) -> Result<Reply> {
        self.handle.call(call).map_err(|_| Error::Other("stopped".into()))
    }

    /// Does several things in one order and in the other: after a crash there may be some of them.
    fn in_any_order<T>(&self, all: &[T], each: impl Fn(&T) -> Result<()>) -> Result<()> {
        match all.len() > 1 && self.handle.choose(2) == 1 {
            true => all.iter().rev().try_for_each(each),
            false => all.iter().try_for_each(each),
        }
    }
}

impl Bucket for Explored {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        match self.call(Call::Get(key.to_owned()))? {
            Reply::Value(value) => Ok(value.map(|value| value.to_vec())),
            _ => unreachable!(),
        }
    }

    fn exists(&self, key: &str) -> Result<bool> {
        Ok(self.call(Call::Exists(key.to_owned()))? == Reply::Is(true))
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.call(Call::Set(key.to_owned(), value.to_owned())).map(drop)
    }

    fn set_many(&self, values: &[(String, Vec<u8>)]) -> Result<()> {
        self.in_any_order(values, |(key, value)| self.set(key, value))
    }

    fn delete(&self, key: &str) -> Result<()> {
        self.call(Call::Delete(key.to_owned())).map(drop)
    }

    fn delete_many(&self, keys: &[String]) -> Result<()> {
        self.in_any_order(keys, |key| self.delete(key))
    }

    fn increment(&self, key: &str) -> Result<i64> {
        match self.call(Call::Increment(key.to_owned()))? {
            Reply::Number(number) => Ok(number),
            _ => unreachable!(),
        }
    }

    fn swap(&self, key: &str, change: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Result<()> {
        let Some(old) = self.get(key)? else { return Ok(()) };
        let Some(new) = change(&old) else { return Ok(()) };
        self.call(Call::Swap(key.to_owned(), old, new)).map(drop)
    }

    fn now(&self) -> u64 {
        self.handle.now()
    }

    fn pause(&self, round: u32) {
        if round > 0 {
            self.handle.pause();
        }
    }

    fn fresh_name(&self) -> String {
        self.names.set(self.names.get() + 1);
        format!("{}{}", self.name, self.names.get())
    }
}

/// The store in the end, once those have expired who crashed.
pub(crate) fn left<T>(outcome: &Outcome<'_, Store, T>) -> Memory {
    let values = outcome.world.values.iter().map(|(key, value)| (key.clone(), value.to_vec()));
    Memory::with(values, outcome.time + EXPIRY + 1).alone()
}

/// How often an actor is interrupted that could go on, where there are too many schedules to follow all.
pub(crate) fn switches() -> u32 {
    if std::env::var_os("LIGHTER_LONG").is_some() { 5 } else { 3 }
}

/// Says how much was explored.
pub(crate) fn tell(what: &str, report: &Report) {
    println!("{what}: {report}");
}
