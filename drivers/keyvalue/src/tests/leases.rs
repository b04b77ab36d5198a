//! Writers of one upload, in every order.

use std::rc::Rc;

use lighter_explore::{Handle, Outcome, Scenario};
use lighter_storage::{Error, Result, Stream as _, Upload as _};

use super::explored::{Explored, Store, left, switches, tell};
use super::read;
use crate::memory::Memory;
use crate::time::EXPIRY;
use crate::upload::{Writer, received};
use crate::{blob, index};

const ID: &str = "up/data";
const BLOB: &str = "blobs/x/data";

/// Four bytes are a chunk.
const CHUNK: usize = 4;

/// What a writer does with an upload that it has opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Does {
    /// Appends a number of bytes, one by one, and lets go.
    Append(usize),
    /// Appends four, and publishes the upload.
    Commit,
    Abort,
    /// Holds it and does nothing.
    Stand,
}

use Does::{Abort, Append, Commit, Stand};

/// What a writer knows in the end: what it had found, and whether it was told that all it did is done.
type Known = (Vec<u8>, Result<()>);

type Answer = Rc<Result<Known>>;

fn act(does: Does, name: &'static str) -> impl Fn(&Handle<Store>) -> Answer {
    move |handle| Rc::new(write(does, name, &Explored::new(handle, name)))
}

fn write(does: Does, name: &'static str, store: &Explored) -> Result<Known> {
    let letter = name.as_bytes()[0];
    {
        let mut writer = Writer::open(store, ID, CHUNK)?;
        let mut reader = writer.read().unwrap();
        let mut found = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(bytes)) => found.extend(bytes),
                Ok(None) => break,
                // Another has ended it since.
                Err(_) => return Ok((found, Err(Error::Busy))),
            }
        }
        let append =
            |writer: &mut Writer<Explored>, count| (0..count).try_for_each(|_| writer.append(&[letter]));
        let done = match does {
            Append(count) => match append(&mut writer, count) {
                Ok(()) => writer.suspend(&[]),
                failed => {
                    core::mem::forget(writer);
                    failed
                }
            },
            Commit => match append(&mut writer, 4) {
                Ok(()) => writer.commit(BLOB),
                failed => {
                    core::mem::forget(writer);
                    failed
                }
            },
            Abort => writer.abort(),
            Stand => {
                core::mem::forget(writer);
                Ok(())
            }
        };
        Ok((found, done))
    }
}

const NAMES: [&str; 3] = ["abc", "bcd", "cde"];

/// An upload that nobody holds, with six bytes: a chunk, and two that are none.
fn scenario(all: &[Does], crashing: &[usize]) -> Scenario<'static, Store, Answer> {
    let store = Store::after(|store| {
        let mut writer = Writer::create(store, ID, CHUNK).unwrap();
        writer.append(b"012345").unwrap();
        writer.suspend(&[]).unwrap();
    });
    let mut scenario = Scenario::new(store).waits(6);
    for (number, does) in all.iter().enumerate() {
        let name = NAMES[number];
        scenario = match crashing.contains(&number) {
            true => scenario.crashing(name, act(*does, name)),
            false => scenario.actor(name, act(*does, name)),
        };
    }
    if all.len() > 2 { scenario.switches(switches()) } else { scenario }
}

/// What the upload has, or the blob that has become of it.
fn content(store: &Memory) -> Option<Vec<u8>> {
    if let Ok(writer) = Writer::open(store, ID, CHUNK) {
        let mut reader = writer.read().unwrap();
        let bytes = core::iter::from_fn(|| reader.next().unwrap()).flatten().collect();
        writer.suspend(&[]).unwrap();
        return Some(bytes);
    }
    // Perhaps only now, in place of one that crashed.
    blob::find(store, BLOB).unwrap().map(|_| read(store, BLOB, 0, u64::MAX))
}

fn check(all: &[Does], outcome: &Outcome<'_, Store, Answer>) {
    let store = left(outcome);
    let before = store.text();
    let has_ended = received(&store, ID).unwrap().is_none();
    let content = content(&store);
    let fail = |what: &str| -> ! {
        panic!("{what}: {:?}, {content:?}\n{before}", outcome.results);
    };
    let mut ended_by = 0;
    for (number, does) in all.iter().enumerate() {
        let (name, result) = (NAMES[number], outcome.results[number].as_deref());
        let (letter, is_crashed) = (name.as_bytes()[0], result.is_none());
        let Some(Ok((found, done))) = result else {
            let is_refused = matches!(result, Some(Err(Error::Busy | Error::NotFound)) | None);
            assert!(is_refused, "{result:?}");
            // Who could not open it has changed nothing.
            if !is_crashed && content.as_ref().is_some_and(|content| content.contains(&letter)) {
                fail("it was changed by one who could not open it");
            }
            continue;
        };
        let may_fail = matches!(done, Ok(()) | Err(Error::Busy));
        assert!(may_fail, "{done:?}");
        ended_by += u32::from(matches!(does, Commit | Abort) && done.is_ok());
        let own = match does {
            Append(count) => *count,
            Commit => 4,
            Abort | Stand => 0,
        };
        let written = [found.as_slice(), &vec![letter; own]].concat();
        match (&content, done) {
            // What was acknowledged stays, where it was.
            (Some(content), Ok(())) if *does != Abort && !content.starts_with(&written) => {
                fail("what was acknowledged is not there");
            }
            (Some(_), Ok(())) if *does == Abort => fail("it is there, but was removed"),
            (Some(content), _) if !content.starts_with(found) => fail("what was found is not there"),
            _ => {}
        }
    }
    if ended_by > 1 {
        fail("it was ended twice");
    }
    let some_crashed = outcome.results.iter().any(Option::is_none);
    // One that wanted to remove it and was superseded may see that done by the one after it.
    let is_removed = all
        .iter()
        .zip(&outcome.results)
        .any(|(does, result)| *does == Abort && !matches!(result.as_deref(), Some(Err(_))));
    if content.is_none() && !is_removed {
        fail("it is lost");
    }
    if ended_by == 1 {
        if !has_ended || received(&store, ID).unwrap().is_some() {
            fail("it was ended and is there");
        }
        assert_eq!(Writer::open(&store, ID, CHUNK).err(), Some(Error::NotFound));
        if all.contains(&Commit) && blob::find(&store, BLOB).unwrap().is_some() {
            assert_eq!(index::list(&store, "blobs", None, 9).unwrap(), ["x"]);
        }
    }
    // No writer's bytes stand between another's, and what is left of one that failed is a beginning.
    if let Some(content) = content.as_ref() {
        if !content.starts_with(b"012345") {
            fail("what was there is not");
        }
        let mut runs = content[6..].to_vec();
        runs.dedup();
        let distinct = runs.len();
        runs.sort_unstable();
        runs.dedup();
        if runs.len() != distinct {
            fail("two wrote at once");
        }
    }
    // Nothing is left of one that has ended, if nobody was stopped. Of three, one that came too late may leave a
    // counter.
    let stood_still = outcome.time > 1_000_000;
    let is_left =
        before.lines().any(|line| line.contains(ID) && !(all.len() > 2 && line.starts_with("  h/")));
    if ended_by == 1 && !some_crashed && !stood_still && is_left {
        fail("something is left");
    }
}

/// All that two do to one upload.
const PAIRS: [[Does; 2]; 6] = [
    [Append(1), Append(1)],
    [Append(4), Append(4)],
    [Append(4), Commit],
    [Append(1), Abort],
    [Commit, Abort],
    [Commit, Commit],
];

fn explore(what: &str, all: &[Does], scenario: Scenario<'_, Store, Answer>) {
    let report = scenario.explore_simplest_first(|outcome| check(all, outcome)).unwrap();
    tell(&format!("{what} {all:?}"), &report);
}

#[test]
fn of_several_one_opens() {
    let all = [Stand, Stand, Stand];
    let scenario = scenario(&all, &[]);
    let report = scenario.explore_simplest_first(|outcome| {
        let opened = outcome.results.iter().filter(|result| matches!(result.as_deref(), Some(Ok(_)))).count();
        assert_eq!(opened, 1, "{:?}", outcome.results);
    });
    tell("of several one opens", &report.unwrap());
}

#[test]
fn writers_that_do_not_stand_still() {
    for all in PAIRS {
        for crashing in [&[][..], &[0], &[1]] {
            explore("writers", &all, scenario(&all, crashing));
        }
    }
}

#[test]
fn writers_that_stand_still() {
    for all in PAIRS {
        // Who commits makes many calls.
        let switches = if all.contains(&Commit) { switches() - 1 } else { switches() };
        let scenario = scenario(&all, &[]).jumps(1, &[EXPIRY + 1]).switches(switches);
        explore("writers that stand still", &all, scenario);
    }
}

#[test]
fn a_writer_that_stands_still_while_two_others_write() {
    let all = [Append(4), Append(1), Commit];
    let scenario = scenario(&all, &[]).jumps(1, &[EXPIRY + 1]).switches(switches() - 2);
    explore("writers that stand still", &all, scenario);
}
