//! Writers of one upload, in every order.

use std::rc::Rc;

use lighter_explore::{Handle, Outcome, Scenario};
use lighter_storage::{Error, Result, Stream as _, Upload as _};

use super::explored::{self, Call, Explored, Store, left, switches, tell};
use super::read;
use crate::bucket::Bucket;
use crate::memory::Memory;
use crate::time::{EXPIRY, RENEWAL};
use crate::upload::{Writer, received};
use crate::{blob, index, value};

const ID: &str = "up/data";
const BLOB: &str = "blobs/x/data";

/// Four bytes are a chunk.
const CHUNK: usize = 4;

/// What a writer does with an upload that it has opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Does {
    /// Appends a number of bytes, one by one, and lets go.
    Append(usize),
    /// The same, with a note of what the upload has then.
    Note(usize),
    /// As the registry takes an upload up: cuts it to what is proven, and does the same.
    Resume(usize),
    /// Appends four, takes three of them back, and does the same.
    TakeBack(usize),
    /// Appends four, and publishes the upload.
    Commit,
    Abort,
    /// Holds it and does nothing.
    Stand,
}

use Does::{Abort, Append, Commit, Note, Resume, Stand, TakeBack};

/// What a writer knows in the end.
#[derive(Debug)]
struct Known {
    /// What it had found.
    found: Vec<u8>,
    /// How much of that it has kept.
    kept: usize,
    /// What it has made of it.
    written: Vec<u8>,
    /// Whether it was told that all it did is done.
    done: Result<()>,
}

type Answer = Rc<Result<Known>>;

fn act(does: Does, name: &'static str) -> impl Fn(&Handle<Store>) -> Answer {
    move |handle| Rc::new(write(does, name, &Explored::new(handle, name)))
}

fn write(does: Does, name: &'static str, store: &Explored) -> Result<Known> {
    let letter = name.as_bytes()[0];
    let mut writer = Writer::open(store, ID, CHUNK)?;
    let mut reader = writer.read().unwrap();
    let mut found = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(bytes)) => found.extend(bytes),
            Ok(None) => break,
            // Another has ended it since.
            Err(_) => {
                core::mem::forget(writer);
                return Ok(Known {
                    kept: found.len(),
                    written: found.clone(),
                    found,
                    done: Err(Error::Busy),
                });
            }
        }
    }
    let kept = match does {
        Resume(_) => proven(store, found.len())?,
        _ => found.len(),
    };
    let own = match does {
        Append(count) | Note(count) | Resume(count) => count,
        TakeBack(count) => 1 + count,
        Commit => 4,
        Abort | Stand => 0,
    };
    let written = [&found[..kept], &vec![letter; own]].concat();
    let append = |writer: &mut Writer<Explored>, count| (0..count).try_for_each(|_| writer.append(&[letter]));
    let prepared = match does {
        Resume(_) if kept < found.len() => remove_beyond(store, kept).and_then(|()| writer.cut(kept as u64)),
        TakeBack(_) => append(&mut writer, 4).and_then(|()| writer.cut(kept as u64 + 1)),
        _ => Ok(()),
    };
    let prepared = prepared.and_then(|()| {
        let left = written.len() - writer.offset() as usize;
        append(&mut writer, left)
    });
    let notes = [(note(written.len()), written.clone())];
    let done = match (prepared, does) {
        (Ok(()), Append(_)) => writer.suspend(&[]),
        (Ok(()), Note(_) | Resume(_) | TakeBack(_)) => writer.suspend(&notes),
        (Ok(()), Commit) => writer.commit(BLOB),
        (Ok(()), Abort) => writer.abort(),
        (prepared, _) => {
            core::mem::forget(writer);
            prepared
        }
    };
    Ok(Known { found, kept, written, done })
}

const NOTES: &str = "up/notes";

/// The key of what is noted of a number of bytes.
fn note(bytes: usize) -> String {
    format!("{NOTES}/{bytes}")
}

fn noted(store: &impl Bucket) -> Result<Vec<usize>> {
    Ok(index::values(store, NOTES, None, 99)?.iter().map(|name| name.parse().unwrap()).collect())
}

/// How many bytes are proven: five by the client, and more by a note.
fn proven(store: &impl Bucket, size: usize) -> Result<usize> {
    if value::get(store, &note(size))?.is_some() {
        return Ok(size);
    }
    let mut proven = size.min(5);
    for bytes in noted(store)? {
        if (proven..size).contains(&bytes) && value::get(store, &note(bytes))?.is_some() {
            proven = bytes;
        }
    }
    Ok(proven)
}

fn remove_beyond(store: &impl Bucket, kept: usize) -> Result<()> {
    noted(store)?
        .into_iter()
        .filter(|bytes| *bytes > kept)
        .try_for_each(|bytes| value::delete(store, &note(bytes)))
}

const NAMES: [&str; 3] = ["abc", "bcd", "cde"];

/// An upload that nobody holds, with six bytes: a chunk, and two that are none.
fn scenario(all: &[Does], crashing: &[usize]) -> Scenario<'static, Store, Answer> {
    let store = Store::after(|store| {
        let mut writer = Writer::create(store, ID, CHUNK).unwrap();
        writer.append(b"012345").unwrap();
        writer.suspend(&[]).unwrap();
        if all.iter().any(|does| matches!(does, Note(_) | Resume(_) | TakeBack(_))) {
            value::set(store, &note(4), b"0123").unwrap();
        }
    });
    let actors = all.iter().enumerate().map(|(number, does)| (NAMES[number], act(*does, NAMES[number])));
    let scenario = explored::scenario(store, actors, crashing);
    if all.len() > 2 { scenario.switches(switches()) } else { scenario }
}

/// What the upload has, or the blob that has become of it.
fn content(store: &Memory) -> Option<Vec<u8>> {
    if let Ok(mut writer) = Writer::open(store, ID, CHUNK) {
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
    // How many bytes are certain of what a writer has seen or written, or of what was there before: others that came
    // after it may have cut the rest.
    let certain = |number: usize, seen: &[u8]| {
        let cut = all.iter().zip(&outcome.results).enumerate().map(|(other, (does, result))| {
            let is_earlier = seen.contains(&NAMES[other].as_bytes()[0]);
            match (does, result.as_deref()) {
                (Resume(_), _) if other == number || is_earlier => usize::MAX,
                (Resume(_), Some(Ok(known))) if known.kept < known.found.len() => known.kept,
                (Resume(_), None) => 5,
                _ => usize::MAX,
            }
        });
        cut.min().unwrap_or(usize::MAX)
    };
    let has_kept = |number: usize, seen: &[u8]| match &content {
        Some(content) => content.starts_with(&seen[..seen.len().min(certain(number, seen))]),
        None => true,
    };
    let stood_still = outcome.time > 1_000_000;
    let mut ended_by = 0;
    for (number, does) in all.iter().enumerate() {
        let (name, result) = (NAMES[number], outcome.results[number].as_deref());
        let (letter, is_crashed) = (name.as_bytes()[0], result.is_none());
        let Some(Ok(Known { found, kept, written, done })) = result else {
            let is_refused = matches!(result, Some(Err(Error::Busy | Error::NotFound)) | None);
            assert!(is_refused, "{result:?}");
            // Who could not open it has changed nothing.
            if !is_crashed && content.as_ref().is_some_and(|content| content.contains(&letter)) {
                fail("it was changed by one who could not open it");
            }
            continue;
        };
        // Who has opened it is superseded only after a while without a sign of life.
        let may_fail = done.is_ok() || *done == Err(Error::Busy) && stood_still;
        if !may_fail {
            fail("it was told that it lost an upload that nobody took from it");
        }
        ended_by += u32::from(matches!(does, Commit | Abort) && done.is_ok());
        if *does == Abort && done.is_ok() {
            if content.is_some() {
                fail("it is there, but was removed");
            }
            continue;
        }
        // What was acknowledged stays, where it was.
        if done.is_ok() && !has_kept(number, written) {
            fail("what was acknowledged is not there");
        }
        if !has_kept(number, &found[..*kept]) {
            fail("what was found is not there");
        }
        let is_noted = done.is_ok() && matches!(does, Note(_) | Resume(_) | TakeBack(_));
        let may_be_removed =
            all.iter().enumerate().any(|(by, does)| by != number && matches!(does, Resume(_)));
        if is_noted
            && !may_be_removed
            && value::get(&store, &note(written.len())).unwrap().as_ref() != Some(written)
        {
            fail("a note is not there");
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
    if let Some(content) = content.as_ref() {
        let kept = certain(usize::MAX, b"012345").min(6);
        if !content.starts_with(&b"012345"[..kept]) {
            fail("what was there is not");
        }
        // No writer's bytes stand between another's, and what is left of one that failed is a beginning.
        let mut runs = content[kept..].to_vec();
        runs.dedup();
        let distinct = runs.len();
        runs.sort_unstable();
        runs.dedup();
        if runs.len() != distinct {
            fail("two wrote at once");
        }
        // A note is about bytes that are there.
        for bytes in 0..20 {
            let noted = value::get(&store, &note(bytes)).unwrap();
            if noted.is_some_and(|noted| !content.starts_with(&noted)) {
                fail("a note is about other bytes");
            }
        }
    }
    // Nothing is left of one that has ended, if nobody was stopped. Of three, one that came too late may leave a
    // counter.
    let is_left =
        before.lines().any(|line| line.contains(ID) && !(all.len() > 2 && line.starts_with("  h/")));
    if ended_by == 1 && !some_crashed && !stood_still && is_left {
        fail("something is left");
    }
}

/// All that two do to one upload.
const PAIRS: [[Does; 2]; 9] = [
    [Append(1), Append(1)],
    [Append(4), Append(4)],
    [Append(4), Commit],
    [Append(1), Abort],
    [Commit, Abort],
    [Commit, Commit],
    [Note(2), Resume(3)],
    [TakeBack(2), Resume(1)],
    [Resume(4), Commit],
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

/// What an upload takes for granted: nobody stands still for long in the one call that stores a note.
fn is_brief(call: &Call) -> bool {
    matches!(call, Call::Set(key, _) if key.starts_with("v/up/notes/"))
}

/// Writers that stand still for some seconds.
fn standing_still(all: &[Does], crashing: &[usize], seconds: &[u64], switches: u32) {
    let scenario = scenario(all, crashing).jumps(1, seconds).switches(switches);
    let scenario = scenario.jumps_only_if(|calls| !calls.iter().any(|call| is_brief(call)));
    explore("writers that stand still", all, scenario);
}

#[test]
fn writers_that_stand_still() {
    for all in PAIRS {
        // Who commits makes many calls.
        let switches = if all.contains(&Commit) { switches() - 1 } else { switches() };
        standing_still(&all, &[], &[EXPIRY + 1], switches);
    }
}

#[test]
fn a_writer_that_stands_still_while_two_others_write() {
    standing_still(&[Append(4), Append(1), Commit], &[], &[EXPIRY + 1], switches() - 2);
    standing_still(&[Note(1), Resume(2), Resume(2)], &[], &[EXPIRY + 1], switches() - 2);
}

#[test]
fn a_writer_that_crashes_after_a_sign_of_life() {
    for all in [[Append(2), Append(1)], [TakeBack(2), Resume(1)]] {
        standing_still(&all, &[0], &[RENEWAL, EXPIRY + 1], switches() - 1);
    }
}
