//! The power goes at each call of recorded sessions.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use lighter_storage::Storage;

use super::choices::{Choices, each};
use super::client::{Client, Step, Then, storage};
use super::model::{Event, Model, Names};
use crate::disk::{Code, Disk, File, Links, Open};

/// The sessions that every fault is tried on.
pub(crate) fn sessions() -> Vec<(&'static str, Vec<Step>)> {
    use Step::{
        Abort, Append, Commit, Create, Delete, DeleteBlob, DeletePrefix, DiscardPrefix, Drop, Kill, Put, Set,
        Start, Suspend, Volatile,
    };
    vec![
        (
            "values",
            vec![
                Set("tags/v1/current/link", "one"),
                Volatile("tags/v1/index", "tags/v1/index/one/link", "one"),
                Set("tags/v1/current/link", "two, longer"),
                Volatile("tags/v1/index", "tags/v1/index/two/link", "two"),
                Create("secret", "first"),
                Create("secret", "second"),
                Delete("secret"),
                Create("secret", "third"),
                Set("tags/v2/current/link", "three"),
                Delete("tags/v1/current/link"),
                DeletePrefix("tags/v1"),
                Set("tags/v1/current/link", "four"),
            ],
        ),
        (
            "blobs",
            vec![
                Put("blobs/ab/data", "a manifest"),
                Put("blobs/ab/data", "a manifest"),
                DeleteBlob("blobs/ab/data"),
                Put("blobs/ab/data", "a manifest"),
                Put("blobs/cd/data", "another"),
            ],
        ),
        (
            "an upload",
            vec![
                Volatile("up/1", "up/1/startedat", "now"),
                Start("up/1/data"),
                Append("up/1/data", "hello, "),
                Suspend("up/1/data"),
                Append("up/1/data", "wide and "),
                Append("up/1/data", "open "),
                Suspend("up/1/data"),
                Commit("up/1/data", "world", "blobs/he/data"),
                Set("layers/he/link", "he"),
                DiscardPrefix("up/1"),
            ],
        ),
        (
            "an upload that ends without a body",
            vec![
                Volatile("up/1", "up/1/startedat", "now"),
                Start("up/1/data"),
                Append("up/1/data", "all of it"),
                Suspend("up/1/data"),
                Commit("up/1/data", "", "blobs/al/data"),
                Set("layers/al/link", "al"),
                DiscardPrefix("up/1"),
            ],
        ),
        (
            "an upload of two requests that ends without a body",
            vec![
                Volatile("up/1", "up/1/startedat", "now"),
                Start("up/1/data"),
                Append("up/1/data", "some of it, "),
                Suspend("up/1/data"),
                Append("up/1/data", "the rest"),
                Suspend("up/1/data"),
                Commit("up/1/data", "", "blobs/so/data"),
                DiscardPrefix("up/1"),
            ],
        ),
        (
            "an upload that ends without a body, one of whose writers was killed, and the next after it had cut",
            vec![
                Volatile("up/1", "up/1/startedat", "now"),
                Start("up/1/data"),
                Append("up/1/data", "some of it, "),
                Suspend("up/1/data"),
                Append("up/1/data", "the rest"),
                Kill("up/1/data"),
                Append("up/1/data", ""),
                Kill("up/1/data"),
                Commit("up/1/data", "", "blobs/so/data"),
                DiscardPrefix("up/1"),
            ],
        ),
        (
            "an upload that ends without a body, whose writer gave up",
            vec![
                Start("up/1/data"),
                Append("up/1/data", "some of it, "),
                Drop("up/1/data"),
                Append("up/1/data", "the rest"),
                Drop("up/1/data"),
                Commit("up/1/data", "", "blobs/so/data"),
            ],
        ),
        (
            "a blob at once",
            vec![
                Volatile("up/1", "up/1/startedat", "now"),
                Commit("up/1/data", "in one request", "blobs/in/data"),
                Set("layers/in/link", "in"),
                DiscardPrefix("up/1"),
                Volatile("up/2", "up/2/startedat", "now"),
                Commit("up/2/data", "in one request", "blobs/in/data"),
                Set("layers/in/link", "in"),
                DiscardPrefix("up/2"),
            ],
        ),
        (
            "a writer that vanishes, and one that gives up",
            vec![
                Volatile("up/1", "up/1/startedat", "now"),
                Append("up/1/data", "kept "),
                Suspend("up/1/data"),
                Append("up/1/data", "not kept"),
                Drop("up/1/data"),
                Volatile("up/2", "up/2/startedat", "now"),
                Append("up/2/data", "given up"),
                Suspend("up/2/data"),
                Abort("up/2/data"),
                DiscardPrefix("up/2"),
            ],
        ),
        (
            "two uploads at once",
            vec![
                Volatile("up/1", "up/1/startedat", "now"),
                Volatile("up/2", "up/2/startedat", "now"),
                Append("up/1/data", "of one, "),
                Append("up/2/data", "of two, "),
                Suspend("up/2/data"),
                Suspend("up/1/data"),
                Append("up/1/data", "more "),
                Commit("up/2/data", "the end", "blobs/of/data"),
                Suspend("up/1/data"),
                Set("layers/of/link", "of"),
                DiscardPrefix("up/2"),
                Commit("up/1/data", "the other end", "blobs/mo/data"),
            ],
        ),
    ]
}

/// A disk on which the root directory is there.
pub(crate) fn disk(names: Names) -> Model {
    let disk = Model::new(names);
    disk.create_directory("root").unwrap();
    disk.open(".", Links::Follow, Open::Directory).unwrap().sync().unwrap();
    disk
}

/// How many calls a session makes, from which one on.
pub(crate) fn calls(steps: &[Step], names: Names) -> std::ops::Range<usize> {
    let disk = disk(names);
    let first = disk.calls().len();
    Client::new(&disk).run(steps, Then::Repeat);
    first..disk.calls().len()
}

/// Every outcome of a cut here and now is checked, or many.
pub(crate) fn check_outcomes(client: &Client, disk: &Model, many: usize, seed: usize, why: &str) {
    each(many, seed as u64, |choices: &mut Choices| client.check(&disk.after_cut(choices), why));
}

#[test]
fn what_was_acknowledged_outlives_a_power_cut_at_any_call() {
    for (name, steps) in sessions() {
        let calls = calls(&steps, Names::Independent);
        assert!(calls.len() > 25, "{name} makes {} calls", calls.len());
        for cut in calls.start..=calls.end {
            let disk = disk(Names::Independent);
            disk.at(cut, Event::Cut);
            let mut client = Client::new(&disk);
            client.run(&steps, Then::Repeat);
            let last = disk.calls().last().cloned().unwrap_or_default();
            check_outcomes(&client, &disk, 60, cut, &format!("{name}, cut at {cut}, {last}"));
        }
    }
}

/// Another request makes the directory between two calls of this one, and has not synced it when the power goes.
#[test]
fn a_directory_that_another_request_has_just_made_is_synced() {
    let disk = disk(Names::Independent);
    let (other, first) = (disk.clone(), AtomicBool::new(true));
    let raced = disk.gated(move |call| {
        if call == "mkdir root/tags" && first.swap(false, Ordering::Relaxed) {
            other.create_directory("root/tags").unwrap();
        }
    });
    storage(&raced).set("tags/link", b"one").unwrap();
    each(100, 0, |choices| {
        let value = storage(&disk.after_cut(choices)).get("tags/link").unwrap();
        assert_eq!(value.as_deref(), Some(&b"one"[..]));
    });
}

/// Where it was there from the start, it is not known that it is as young: that is left to the file system. What is
/// synced in it is safe if its journal is in order, as on ext4, XFS and btrfs, and could be lost if it were not.
#[test]
fn what_is_in_a_directory_that_is_not_yet_synced_is_safe_where_the_journal_is_in_order() {
    let lost = |names| {
        let disk = disk(names);
        disk.create_directory("root/tags").unwrap();
        storage(&disk).set("tags/link", b"one").unwrap();
        let mut lost = 0;
        each(100, 0, |choices| {
            lost += usize::from(storage(&disk.after_cut(choices)).get("tags/link").unwrap().is_none());
        });
        lost
    };
    assert_eq!(lost(Names::InOrder), 0);
    assert!(lost(Names::Independent) > 0);
}

/// A model that loses nothing would find nothing.
#[test]
fn the_disk_loses_what_was_not_synced() {
    let disk = disk(Names::Independent);
    disk.create_directory("root/a").unwrap();
    disk.open("root", Links::Follow, Open::Directory).unwrap().sync().unwrap();
    let file = disk.open("root/a/file", Links::Follow, Open::Create).unwrap();
    assert_eq!(file.write(b"abcd", 0), Ok(4));
    let outcomes = |disk: &Model| {
        let mut seen = BTreeSet::new();
        each(100, 0, |choices| {
            seen.insert(storage(&disk.after_cut(choices)).get("a/file").unwrap());
        });
        seen.into_iter()
            .map(|content| content.map(|bytes| String::from_utf8(bytes).unwrap()))
            .collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(outcomes(&disk), [None, text(""), text("\0\0\0\0"), text("ab\0\0"), text("abcd")]);
    disk.open("root/a", Links::Follow, Open::Directory).unwrap().sync().unwrap();
    assert_eq!(outcomes(&disk), [text(""), text("\0\0\0\0"), text("ab\0\0"), text("abcd")]);
    // A sync that fails loses the bytes, and the next one succeeds.
    disk.at(disk.calls().len(), Event::Fail(Code::Io));
    assert_eq!(file.sync_data(), Err(Code::Io));
    assert_eq!(file.sync_data(), Ok(()));
    assert_eq!(storage(&disk).get("a/file").unwrap().as_deref(), Some(&b"abcd"[..]));
    assert_eq!(outcomes(&disk), [text("\0\0\0\0")]);
    assert_eq!(file.write(b"ef", 4), Ok(2));
    assert_eq!(file.sync_data(), Ok(()));
    assert_eq!(outcomes(&disk), [text("\0\0\0\0ef")]);
}
