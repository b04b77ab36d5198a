//! What crashes leave goes, and nothing else does, whatever others do meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};

use lighter_explore::{Failure, Handle, Outcome, Report, Scenario};
use lighter_storage::{self as contract, Error, Storage, Tidied, Upload};

use super::choices::{Choices, each};
use super::client::{Client, Then, storage};
use super::cuts::{calls, check_outcomes, disk, sessions};
use super::explored::{Explored, Mistake, Names};
use super::model::{self, Event, Model};
use crate::disk::{Code, Disk, Links, Open};

const AGE: u64 = 100;

/// Takes all steps, and returns what they did together.
fn tidy(storage: &impl Storage, limit: u32, age: u64, dry_run: bool) -> contract::Result<Tidied> {
    let mut all = Tidied::default();
    for _ in 0..10_000 {
        let step = storage.tidy(all.next.as_deref(), limit, age, dry_run)?;
        assert!(step.next.is_none() || step.next > all.next, "{step:?} is no step on from {:?}", all.next);
        all = Tidied { removed: all.removed + step.removed, bytes: all.bytes + step.bytes, next: step.next };
        if all.next.is_none() {
            return Ok(all);
        }
    }
    panic!("it does not end");
}

/// Takes all steps until nothing more goes.
fn tidy_all(disk: &Model, limit: u32) {
    for _ in 0..20 {
        disk.pass(AGE);
        if tidy(&storage(disk), limit, AGE, false).unwrap().removed == 0 {
            return;
        }
    }
    panic!("there is always more to remove");
}

fn check_that_nothing_is_left(disk: &Model, why: &str) {
    let files = disk.files();
    for file in &files {
        let is_lease_of_none =
            file.rsplit_once(".claim.").is_some_and(|(upload, _)| !files.contains(&upload.into()));
        let is_left = file.ends_with(".tmp") || file.ends_with('/') && file != "root/" || is_lease_of_none;
        assert!(!is_left, "{why}: {file} is left of {files:?}");
    }
}

#[test]
fn what_a_crash_leaves_goes_and_nothing_else() {
    let mut left = 0;
    for (name, steps) in sessions() {
        for cut in calls(&steps, model::Names::Independent) {
            let disk = disk(model::Names::Independent);
            disk.at(cut, Event::Cut);
            let mut client = Client::new(&disk);
            client.run(&steps, Then::Repeat);
            let why = format!("{name}, cut at {cut}, then tidied");
            each(3, cut as u64, |choices: &mut Choices| {
                let disk = disk.after_cut(choices);
                let before = disk.files();
                // What is younger stays.
                assert_eq!(tidy(&storage(&disk), 5, AGE, false), Ok(Tidied::default()), "{why}");
                tidy_all(&disk, 1 + cut as u32 % 4);
                left += usize::from(before != disk.files());
                check_that_nothing_is_left(&disk, &why);
                client.check(&disk, &why);
            });
        }
    }
    assert!(left > 500, "only {left} crashes left anything");
}

#[test]
fn what_a_call_that_fails_leaves_goes_and_nothing_else() {
    for (name, steps) in sessions() {
        for call in calls(&steps, model::Names::InOrder) {
            let disk = disk(model::Names::InOrder);
            disk.at(call, Event::Fail(Code::Io));
            let mut client = Client::new(&disk);
            client.run(&steps, Then::Repeat);
            let why = format!("{name}: call {call} fails, then tidied");
            tidy_all(&disk, 3);
            check_that_nothing_is_left(&disk, &why);
            client.check(&disk.after_cut(&mut Choices::default()), &why);
        }
    }
}

/// The power may go while it is at work, too, or one of its calls fail.
#[test]
fn one_who_tidies_may_crash() {
    for (name, steps) in sessions() {
        for crash in calls(&steps, model::Names::Independent).step_by(5) {
            for later in [0, 3, 7, 20] {
                for event in [Event::Cut, Event::Fail(Code::Io)] {
                    let disk = disk(model::Names::Independent);
                    disk.at(crash, Event::Cut);
                    let mut client = Client::new(&disk);
                    client.run(&steps, Then::Repeat);
                    let disk = disk.after_cut(&mut Choices::default());
                    disk.pass(AGE);
                    disk.at(later, event);
                    let _ = tidy(&storage(&disk), 4, AGE, false);
                    let disk = disk.after_cut(&mut Choices::default());
                    tidy_all(&disk, 100);
                    let why = format!("{name}, cut at {crash}, and again at {later}");
                    check_that_nothing_is_left(&disk, &why);
                    client.check(&disk, &why);
                }
            }
        }
    }
}

/// All is tidied between two calls of a session, however young it is, and the power goes some calls later.
#[test]
fn whenever_the_store_is_tidied_nothing_acknowledged_is_lost() {
    for (name, steps) in sessions() {
        let calls = calls(&steps, model::Names::Independent);
        for at in 0..calls.len() {
            for later in [None, Some(1), Some(3), Some(10)] {
                let disk = disk(model::Names::Independent);
                let (other, count) = (disk.clone(), AtomicUsize::new(0));
                let raced = disk.gated(move |_| {
                    let now = count.fetch_add(1, Ordering::Relaxed);
                    if now == at {
                        tidy(&storage(&other), 10, 0, false).unwrap();
                    }
                    if later.is_some_and(|later| now == at + later) {
                        other.at(other.calls().len(), Event::Cut);
                    }
                });
                let mut client = Client::new(&raced);
                client.run(&steps, Then::Repeat);
                let why = format!("{name}: tidied before call {at}, cut after {later:?}");
                check_outcomes(&client, &disk, 8, at, &why);
            }
        }
    }
}

const TEMPORARY: &str = "link.5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11.tmp";

fn write(disk: &Model, path: &str, bytes: &[u8]) {
    let file = disk.open(path, Links::Follow, Open::Create).unwrap();
    crate::disk::write_all(&file, bytes, 0).unwrap();
}

#[test]
fn a_dry_run_counts_and_removes_nothing() {
    let disk = disk(model::Names::InOrder);
    storage(&disk).set("a/b/link", b"value").unwrap();
    for directory in ["root/a/c", "root/a/c/d", "root/e", "root/up", "root/a/lost+found"] {
        disk.create_directory(directory).unwrap();
    }
    write(&disk, &format!("root/a/b/{TEMPORARY}"), b"0123456789");
    write(&disk, &format!("root/e/{TEMPORARY}"), b"012");
    write(&disk, "root/up/data.claim.1", b"");
    write(&disk, "root/a/data.claim.2x", b"");
    write(&disk, "root/a/other.claim.1", b"a value");
    disk.pass(AGE);
    let before = disk.files();
    // Two files and a lease, and the directories c/d, c, e and up.
    let all = Tidied { removed: 7, bytes: 13, next: None };
    assert_eq!(tidy(&storage(&disk), 100, AGE, true), Ok(all.clone()));
    assert_eq!(disk.files(), before);
    assert_eq!(tidy(&storage(&disk), 100, AGE, false), Ok(all));
    let left = ["root/a/b/link", "root/a/data.claim.2x", "root/a/lost+found/", "root/a/other.claim.1"];
    assert_eq!(disk.files(), left);
}

#[test]
fn a_lease_beside_an_upload_stays() {
    let disk = disk(model::Names::InOrder);
    storage(&disk).create_upload("up/data").unwrap().suspend(&[]).unwrap();
    write(&disk, "root/up/data.claim.1", b"");
    disk.pass(1_000_000);
    assert_eq!(tidy(&storage(&disk), 100, AGE, false), Ok(Tidied::default()));
    drop(storage(&disk).open_upload("up/data").unwrap());
    assert_eq!(disk.files(), ["root/up/data"]);
}

#[test]
fn a_step_looks_at_few_directories() {
    let disk = disk(model::Names::InOrder);
    for number in 0..100 {
        storage(&disk).set(&format!("a/{}/{number}/link", number % 10), b"value").unwrap();
    }
    let mut after = None;
    for _ in 0..210 {
        let before = disk.calls().len();
        after = storage(&disk).tidy(after.as_deref(), 5, AGE, false).unwrap().next;
        let calls = disk.calls().len() - before;
        assert!(calls < 40, "{calls} calls: {:#?}", &disk.calls()[before..]);
        if after.is_none() {
            return;
        }
    }
    panic!("it does not end: {after:?}");
}

/// Who removes something may find that another has removed the directory that it was in, which may come back with it.
#[test]
fn what_was_removed_beside_one_who_tidies_does_not_come_back() {
    for key in ["tags/a/link", "tags/a"] {
        for at in ["open Directory root/tags", "open Directory root/tags/a", "rmdir root/tags/a"] {
            let disk = disk(model::Names::Independent);
            storage(&disk).set("tags/a/link", b"value").unwrap();
            let other = disk.clone();
            let raced = disk.gated(move |call| {
                if call == at {
                    let _ = other.remove_directory("root/tags/a").and(other.remove_directory("root/tags"));
                }
            });
            match key {
                "tags/a" => storage(&raced).delete_prefix(key).unwrap(),
                key => storage(&raced).delete(key).unwrap(),
            }
            each(100, 0, |choices| {
                let there = storage(&disk.after_cut(choices)).get("tags/a/link").unwrap();
                assert_eq!(there, None, "{key}, {at}: it is back");
            });
        }
    }
}

#[test]
fn a_removal_takes_the_directory_with_it() {
    let disk = disk(model::Names::InOrder);
    let storage = storage(&disk);
    for key in ["blobs/ab/one/data", "blobs/ab/two/data", "top"] {
        storage.put(key, b"content").unwrap();
    }
    storage.delete_blob("blobs/ab/one/data").unwrap();
    assert_eq!(disk.files(), ["root/blobs/ab/two/data", "root/top"]);
    // It is gone, and whoever stores it again makes the directory again.
    storage.delete_blob("blobs/ab/one/data").unwrap();
    storage.delete_blob("blobs/ab/two/data").unwrap();
    storage.delete_blob("top").unwrap();
    assert_eq!(disk.files(), ["root/blobs/ab/"]);
    storage.put("blobs/ab/one/data", b"content").unwrap();
    assert_eq!(disk.files(), ["root/blobs/ab/one/data"]);
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Does {
    Set,
    Create,
    Commit,
    Note,
    Delete,
    DeletePrefix,
    Tidy,
}

use Does::{Commit, Create, Delete, DeletePrefix, Note, Set};

const KEY: &str = "a/b/link";
const NAMES: [&str; 3] = ["one", "two", "three"];

fn act(handle: &Handle<Names>, number: usize, does: Does, is_careless: bool) -> contract::Result<bool> {
    let storage = Explored::storage(handle, number, is_careless.then_some(Mistake::Careless));
    match does {
        Set => storage.set(KEY, b"v").map(|()| true),
        Create => storage.create(KEY, b"v"),
        Commit => {
            let mut upload = storage.create_upload("up/data")?;
            upload.append(b"v")?;
            upload.commit(KEY).map(|()| true)
        }
        Note => {
            let upload = storage.create_upload("up/data")?;
            upload.suspend(&[(KEY.to_owned(), b"v".to_vec())]).map(|()| true)
        }
        Delete => storage.delete(KEY).map(|()| true),
        DeletePrefix => storage.delete_prefix("a/b").map(|()| true),
        Does::Tidy => tidy(&storage, 2, 0, false).map(|_| true),
    }
}

/// Several at once, after some have done what they do, each alone.
fn scenario(
    before: &[Does],
    all: &[Does],
    crashing: bool,
    is_careless: bool,
) -> Scenario<'static, Names, Result<bool, String>> {
    let world = std::cell::RefCell::new(Names::new());
    for (number, does) in before.iter().enumerate() {
        let alone = Scenario::new(world.take())
            .actor("before", |handle| act(handle, 90 + number, *does, false).unwrap());
        alone.explore(|outcome| drop(world.replace(outcome.world.clone()))).unwrap();
    }
    let mut scenario = Scenario::new(world.take());
    for (number, does) in all.iter().copied().enumerate() {
        let run = move |handle: &Handle<Names>| {
            act(handle, number, does, is_careless && number == 0).map_err(|error| error.to_string())
        };
        scenario = match crashing && number == 0 {
            true => scenario.crashing(NAMES[number], run),
            false => scenario.actor(NAMES[number], run),
        };
    }
    scenario
}

/// Looks at what there is, and tidies until nothing is left.
fn check(before: &[Does], all: &[Does], outcome: &Outcome<'_, Names, Result<bool, String>>) {
    for (does, result) in all.iter().zip(&outcome.results) {
        let is_done = result
            .as_ref()
            .is_none_or(|result| matches!(result, Ok(true)) || *does == Create && result.is_ok());
        assert!(is_done, "{does:?} gave {result:?}");
    }
    let removes = |does: &Does| matches!(does, Delete | DeletePrefix);
    let stores = |does: &Does| !removes(does) && *does != Does::Tidy;
    let paths = outcome.world.paths();
    let is_there = paths.contains(&format!("root/{KEY}"));
    let is_certain = |is: &dyn Fn(&Does) -> bool, others: &dyn Fn(&Does) -> bool| {
        let mut ended =
            all.iter().enumerate().filter(|(number, does)| is(does) && outcome.results[*number].is_some());
        let is_last = |number| {
            all.iter().enumerate().all(|(other, does)| !others(does) || outcome.ended_before(other, number))
        };
        ended.any(|(number, _)| is_last(number))
    };
    let was_there = before.last().is_some_and(stores);
    let nobody = |is: &dyn Fn(&Does) -> bool| !all.iter().any(is);
    if is_certain(&stores, &removes) || was_there && nobody(&removes) {
        assert!(is_there, "it is lost: {paths:?}");
    }
    if is_certain(&removes, &stores) || !was_there && nobody(&stores) {
        assert!(!is_there, "it is back: {paths:?}");
    }
    let after = Scenario::new(outcome.world.clone()).actor("after", |handle| {
        let storage = Explored::storage(handle, 9, None);
        tidy(&storage, 3, 0, false).unwrap();
        storage.get(KEY).unwrap()
    });
    after
        .explore(|outcome| {
            assert_eq!(outcome.results[0].as_ref().unwrap().as_deref(), is_there.then_some(&b"v"[..]));
            let mut left = outcome.world.paths();
            let expected = ["root/", "root/a/", "root/a/b/", "root/a/b/link", "root/up/", "root/up/data"];
            left.retain(|path| !expected.contains(&path.as_str()));
            assert!(left.is_empty(), "this is left: {left:?}");
            assert!(
                is_there || !outcome.world.paths().contains(&"root/a/".to_owned()),
                "a directory is left"
            );
        })
        .unwrap();
}

fn explore(
    before: &[Does],
    all: &[Does],
    crashing: bool,
    is_careless: bool,
    switches: u32,
) -> Result<Report, Box<Failure>> {
    let scenario = scenario(before, all, crashing, is_careless).switches(switches);
    let report = scenario.explore_simplest_first(|outcome| check(before, all, outcome))?;
    println!("{before:?}, then {all:?}, crashing: {crashing}: {report}");
    Ok(report)
}

/// How often one who could go on is interrupted.
fn switches() -> u32 {
    if std::env::var_os("LIGHTER_LONG").is_some() { 6 } else { 3 }
}

#[test]
fn who_stores_or_removes_something_beside_one_who_tidies_has_it_done() {
    for does in [Set, Create, Commit, Note, Delete, DeletePrefix] {
        for before in [&[][..], &[Set], &[Set, Delete]] {
            for crashing in [false, true] {
                explore(before, &[does, Does::Tidy], crashing, false, switches()).unwrap();
            }
        }
    }
}

#[test]
fn several_tidy_at_once() {
    for does in [Set, Commit, Delete] {
        explore(&[Set, Delete], &[does, Does::Tidy, Does::Tidy], false, false, switches() - 1).unwrap();
    }
    for all in [[Set, Delete, Does::Tidy], [Create, DeletePrefix, Does::Tidy]] {
        explore(&[], &all, false, false, switches() - 1).unwrap();
    }
}

/// A writer that takes it for certain that a directory is there which it has just made would lose its value.
#[test]
fn a_writer_that_does_not_try_again_is_found() {
    for does in [Set, Create] {
        let failure = explore(&[], &[does, Does::Tidy], false, true, switches()).unwrap_err();
        assert!(failure.message.contains("I/O error"), "{failure}");
        assert!(failure.lines.iter().any(|line| line.contains("two: rmdir root/a/b")), "{failure}");
    }
}

#[test]
fn it_is_an_error_if_there_is_no_directory() {
    let none = crate::storage::Filesystem::<Model>::new(Err("no directory".to_owned()));
    assert_eq!(none.tidy(None, 1, 0, false), Err(Error::AccessDenied("no directory".to_owned())));
}
