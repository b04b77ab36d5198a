//! `gc`.

use super::*;
use crate::immutable_tags::ImmutableTags;
use crate::repository::Reference;
use crate::retention::Rules;

/// Runs `gc` in the smallest pieces, or in one, and returns what it has printed and its end.
fn gc(storage: &Memory, keeping: &Keeping, words: &[&str], whole: bool) -> (Vec<String>, Piece) {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let command = Command::<Memory>::find("gc").unwrap();
    let options = Options::of_words("gc", command.choices, &words).unwrap();
    let (mut printed, mut from) = (Vec::new(), String::new());
    for _ in 0..1000 {
        let until = (!whole).then(Instant::now);
        let mut out = Printed(Vec::new(), !whole);
        let step =
            &mut Step { storage, keeping, options: &options, from: &from, until, now: NOW, out: &mut out };
        let piece = command.run(step).unwrap();
        out.0.pop();
        printed.extend(out.0);
        match &piece.next {
            None => return (printed, piece),
            Some(next) => from.clone_from(next),
        }
    }
    panic!("gc has no end");
}

fn sum(piece: &Piece, name: &str) -> u64 {
    piece.sums.iter().find(|(other, _)| *other == name).unwrap().1
}

/// A store with two images of one repository, another image, and a blob that nothing refers to.
fn store() -> Memory {
    let storage = Memory::default();
    push_image(&storage, "a", "v1", &[b"{}", b"old"]);
    push_image(&storage, "a", "v2", &[b"{}", b"new"]);
    push_image(&storage, "b/c", "latest", &[b"{}", b"base"]);
    push_blob(&storage, "b/c", b"left");
    storage
}

fn rules(json: &str) -> Keeping {
    Keeping { retention: Some(Rules::parse(json).unwrap()), ..Keeping::default() }
}

#[test]
fn what_nothing_refers_to_goes_after_the_grace_period() {
    let storage = store();
    let keeping = Keeping::default();
    let (_, young) = gc(&storage, &keeping, &[], true);
    assert_eq!((sum(&young, "blobs"), sum(&young, "links")), (0, 0));
    let (_, would) = gc(&storage, &keeping, &["--grace=0s", "--dry-run"], true);
    assert!(would.text.starts_with("would remove 1 blobs with 4 B, 1 links to blobs"), "{}", would.text);
    let (_, done) = gc(&storage, &keeping, &["--grace=0s"], true);
    assert_eq!(done.sums, would.sums);
    let (_, again) = gc(&storage, &keeping, &["--grace=0s"], false);
    assert_eq!((sum(&again, "blobs"), sum(&again, "links")), (0, 0));
    assert_eq!(storage.stat(&layout::blob(&sha256(b"left"))).unwrap(), None);
    assert!(storage.stat(&layout::blob(&sha256(b"base"))).unwrap().is_some());
}

#[test]
fn the_rules_come_first_and_what_they_remove_is_collected() {
    for whole in [true, false] {
        let storage = store();
        let keeping = rules(r#"{"repositories":{"a":{"keep_tags":["v2"],"keep_untagged_days":1}}}"#);
        let (would, _) = gc(&storage, &keeping, &["--dry-run"], true);
        let why = r#""why":"#;
        let begin = r#"{"retention":"would be removed","repository":"a","tag":"v1","why":"#;
        assert!(would.len() == 1 && would[0].starts_with(begin), "{would:?} {why}");
        let (printed, end) = gc(&storage, &keeping, &["--grace=0s"], whole);
        assert!(
            printed[0].starts_with(r#"{"retention":"removed","repository":"a","tag":"v1","#),
            "{printed:?}"
        );
        assert_eq!((sum(&end, "tags"), sum(&end, "manifests"), sum(&end, "blobs")), (1, 0, 1));
        let a = name("a");
        let a = Repository::new(&storage, &a);
        assert!(a.manifest(&Reference::Tag("v1".to_owned())).unwrap().is_none());
        assert!(a.manifest(&Reference::Tag("v2".to_owned())).unwrap().is_some());
        // Its manifest is young, and keeps what it names.
        assert!(storage.stat(&layout::blob(&sha256(b"old"))).unwrap().is_some());
    }
}

#[test]
fn immutable_tags_stay_whatever_the_rules_are() {
    let storage = store();
    let keeping = Keeping {
        immutable_tags: ImmutableTags::parse("*:*").unwrap(),
        ..rules(r#"{"repositories":{"*":{"keep_tags":["none"]}}}"#)
    };
    let (printed, end) = gc(&storage, &keeping, &["--grace=0s"], true);
    assert_eq!((printed.len(), sum(&end, "tags")), (0, 0));
}

#[test]
fn a_dry_run_is_not_divided() {
    let storage = store();
    let words = ["--dry-run".to_owned()];
    let command = Command::<Memory>::find("gc").unwrap();
    let options = &Options::of_words("gc", command.choices, &words).unwrap();
    let (keeping, mut out) = (Keeping::default(), Printed::default());
    let until = Some(Instant::now());
    let step =
        &mut Step { storage: &storage, keeping: &keeping, options, from: "", until, now: NOW, out: &mut out };
    assert!(matches!(command.run(step), Err(Failure::Time(_))));
}

#[test]
fn a_place_of_something_else_is_refused() {
    let storage = Memory::default();
    let command = Command::<Memory>::find("gc").unwrap();
    let (keeping, options, mut out) = (Keeping::default(), Options::default(), Printed::default());
    for from in ["x", "0.0.0.0,x", "0.0.0.0,r,A", "0.0.0.0,c,d"] {
        let step = &mut Step {
            storage: &storage,
            keeping: &keeping,
            options: &options,
            from,
            until: None,
            now: NOW,
            out: &mut out,
        };
        assert!(matches!(command.run(step), Err(Failure::Place)), "{from}");
    }
}
