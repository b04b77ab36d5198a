//! A page that is taken from what was read before is as true as one that is read.

use lighter_explore::{Failure, Handle, Outcome, Report, Scenario, World};
use lighter_storage::Storage;

use super::client::storage;
use super::explored::{Call, Explored, Mistake, Names};
use super::model::{self, Model};
use crate::disk::Open;

const LEAF: &str = "current/link";

fn link(tag: &str) -> String {
    format!("tags/{tag}/{LEAF}")
}

/// A disk with these tags, which has not changed for a while.
fn disk(tags: &[&str]) -> Model {
    let disk = Model::new(model::Names::InOrder);
    crate::disk::Disk::create_directory(&disk, "root").unwrap();
    for tag in tags {
        storage(&disk).set(&link(tag), b"digest").unwrap();
    }
    disk.pass(10);
    disk
}

/// The names of a page, and which calls it took.
fn page(disk: &Model, storage: &impl Storage, after: Option<&str>, limit: u32) -> (Vec<String>, Vec<String>) {
    let before = disk.calls().len();
    let page = storage.list_having("tags", LEAF, after, limit).unwrap();
    assert!(page.iter().all(|(_, size)| *size == 6), "{page:?}");
    (page.into_iter().map(|(name, _)| name).collect(), disk.calls().split_off(before))
}

#[test]
fn a_directory_that_has_not_changed_is_read_once() {
    let disk = disk(&["a", "b", "c", "d"]);
    let storage = storage(&disk);
    let (names, calls) = page(&disk, &storage, None, 3);
    assert_eq!(names, ["a", "b", "c"]);
    let looks = ["a", "b", "c"].map(|tag| format!("stat root/{}", link(tag)));
    let read = ["stat root/tags", "open Directory root/tags", "list root/tags"].map(str::to_owned);
    assert_eq!(calls, [&read[..], &looks[..]].concat());
    // The same, and a page further on, of which one name was not looked at yet.
    assert_eq!(page(&disk, &storage, None, 3), (names, vec![read[0].clone()]));
    let last = vec![read[0].clone(), format!("stat root/{}", link("d"))];
    assert_eq!(page(&disk, &storage, Some("b"), 3), (vec!["c".to_owned(), "d".to_owned()], last));
    // After a while it is read again, in case the file system gives directories no times.
    disk.pass(10);
    assert_eq!(page(&disk, &storage, None, 1).1, [&read[..], &looks[..1]].concat());
}

#[test]
fn a_directory_that_has_just_changed_is_read_again() {
    let disk = disk(&["a"]);
    let storage = storage(&disk);
    storage.set(&link("b"), b"digest").unwrap();
    for _ in 0..3 {
        let (names, calls) = page(&disk, &storage, None, 10);
        assert_eq!((names.join(" "), calls.len()), ("a b".to_owned(), 5));
        disk.pass(1);
    }
    assert_eq!(page(&disk, &storage, None, 10).1.len(), 5);
    assert_eq!(page(&disk, &storage, None, 10).1.len(), 1);
    // Only one directory is kept.
    assert_eq!(storage.list_having("tags", "current", None, 10), Ok(Vec::new()));
    assert_eq!(page(&disk, &storage, None, 10).1.len(), 5);
}

#[test]
fn a_name_without_a_value_is_looked_at_each_time() {
    let disk = disk(&["a", "c"]);
    let storage = storage(&disk);
    // The remains of a push that a crash has broken off.
    storage.set("tags/b/other", b"").unwrap();
    disk.pass(10);
    assert_eq!(page(&disk, &storage, None, 10).0, ["a", "c"]);
    assert_eq!(
        page(&disk, &storage, None, 10),
        (
            vec!["a".to_owned(), "c".to_owned()],
            vec!["stat root/tags".to_owned(), format!("stat root/{}", link("b"))],
        )
    );
    super::client::storage(&disk).set(&link("b"), b"digest").unwrap();
    assert_eq!(page(&disk, &storage, None, 10).0, ["a", "b", "c"]);
}

#[test]
fn pages_of_more_names_than_are_kept_have_all_of_them() {
    let tags: Vec<String> = (0..40).map(|number| format!("v{number:02}")).collect();
    let disk = disk(&tags.iter().map(String::as_str).collect::<Vec<_>>());
    let storage = storage(&disk);
    let (mut found, mut reads): (Vec<String>, usize) = Default::default();
    loop {
        let (names, calls) = page(&disk, &storage, found.last().map(String::as_str), 5);
        reads += calls.iter().filter(|call| call.starts_with("list")).count();
        if names.is_empty() {
            break;
        }
        found.extend(names);
    }
    assert_eq!((found, reads), (tags, 3));
    assert_eq!(page(&disk, &storage, None, u32::MAX).0.len(), 40);
    assert_eq!(page(&disk, &storage, None, 0).0.len(), 0);
}

/// One who pushes the tag `b`, which is acknowledged then.
fn push(handle: &Handle<Names>) {
    let storage = Explored::storage(handle, 1, None);
    storage.set(&link("b"), b"digest").unwrap();
    acknowledge(handle, "pushed");
}

/// One who deletes the tag `a`, which is acknowledged then.
fn delete(handle: &Handle<Names>) {
    let storage = Explored::storage(handle, 2, None);
    storage.delete_prefix("tags/a").unwrap();
    acknowledge(handle, "deleted");
}

fn acknowledge(handle: &Handle<Names>, what: &str) {
    handle.call(Call::MakeDirectory(what.to_owned())).unwrap().unwrap();
}

fn is_acknowledged(handle: &Handle<Names>, what: &str) -> bool {
    handle.call(Call::Stat(what.to_owned())).is_ok_and(|found| found.is_ok())
}

/// One who lists pages in one instance, and whose pages must have what was acknowledged before.
fn list(handle: &Handle<Names>, mistake: Option<Mistake>) {
    let storage = Explored::storage(handle, 3, mistake);
    for _ in 0..3 {
        let (pushed, deleted) = (is_acknowledged(handle, "pushed"), is_acknowledged(handle, "deleted"));
        let Ok(page) = storage.list_having("tags", LEAF, None, 10) else { return };
        let has = |tag: &str| page.iter().any(|(name, _)| name == tag);
        assert!(has("c"), "a tag is missing that was always there: {page:?}");
        assert!(has("b") || !pushed, "a tag is missing whose push was acknowledged: {page:?}");
        assert!(!has("a") || !deleted, "a tag is there whose deletion was acknowledged: {page:?}");
    }
}

/// Time goes by: little, or so much that a time is settled.
fn clock(handle: &Handle<Names>) {
    for _ in 0..2 {
        let seconds = [1, 3][handle.choose(2)];
        handle.call(Call::Pass(seconds)).unwrap().unwrap();
    }
}

fn explore(
    write: fn(&Handle<Names>),
    crashing: bool,
    mistake: Option<Mistake>,
) -> Result<Report, Box<Failure>> {
    let mut names = Names::new();
    let calls = ["a", "c"].into_iter().flat_map(|tag| {
        let tag = format!("root/tags/{tag}");
        let directories = [tag.clone(), format!("{tag}/current")].map(Call::MakeDirectory);
        [&directories[..], &[Call::Open(format!("{tag}/{LEAF}"), Open::Create)]].concat()
    });
    for call in [Call::MakeDirectory("root/tags".to_owned())].into_iter().chain(calls) {
        names.perform(&call).unwrap();
    }
    let scenario = Scenario::new(names).actor("reader", move |handle| list(handle, mistake));
    let scenario =
        if crashing { scenario.crashing("writer", write) } else { scenario.actor("writer", write) };
    let switches = if std::env::var_os("LIGHTER_LONG").is_some() { 6 } else { 4 };
    scenario.actor("time", clock).switches(switches).explore_simplest_first(|_: &Outcome<'_, _, _>| {})
}

#[test]
fn a_page_has_what_was_acknowledged_before() {
    for (write, crashing) in [(push as fn(&_), false), (delete, false), (push, true), (delete, true)] {
        let report = explore(write, crashing, None).unwrap();
        println!("crashing: {crashing}: {report}");
        assert!(report.states > 10_000, "{report}");
    }
}

/// The check above is no use unless it finds a reader that relies on a time that is not settled.
#[test]
fn a_reader_that_relies_on_a_young_time_is_found() {
    for (write, what) in [(push as fn(&_), "a tag is missing"), (delete, "a tag is there")] {
        let failure = explore(write, false, Some(Mistake::Hasty)).unwrap_err();
        assert!(failure.to_string().contains(what), "{failure}");
    }
}
