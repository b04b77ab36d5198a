//! `gc`.

use super::*;
use crate::immutable_tags::ImmutableTags;
use crate::registry::tests::recorded::Recorded;
use crate::repository::Reference;
use crate::retention::Rules;
use crate::upstream::Upstreams;

/// Runs `gc` in the smallest pieces, or in one, and returns what it has printed and its end.
fn gc(storage: &Memory, keeping: &Keeping, words: &[&str], whole: bool) -> (Vec<String>, Piece) {
    let (command, options) = command(&[&["gc"], words].concat());
    let (printed, end, _) = to_the_end(|from| {
        let (mut out, until) = (Printed(Vec::new(), !whole), (!whole).then(Instant::now));
        let piece = command.run(&mut Step { until, ..step(storage, keeping, &options, from, &mut out) });
        let piece = piece.unwrap();
        (out.0, piece)
    });
    (printed, end)
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

/// What came from upstreams is added up once, in the first piece.
#[test]
fn the_size_of_a_cache_is_measured_once() {
    let storage = Recorded::default();
    for repository in ["up/a", "up/b", "up/c"] {
        push_image(storage.inner(), repository, "v1", &[b"{}", repository.as_bytes()]);
    }
    let document = r#"{"up": {"url": "https://a.example", "size": 1}, "no": {"url": "https://b.example"}}"#;
    let keeping = Keeping { upstreams: Some(Upstreams::parse(document).unwrap()), ..Keeping::default() };
    let (command, options) = command(&["gc", "--grace=0s"]);
    let mut measured = Vec::new();
    let (_, end, pieces) = to_the_end(|from| {
        let (mut out, until) = (Printed(Vec::new(), true), Some(Instant::now()));
        storage.take_calls();
        let piece = command.run(&mut Step { until, ..step(&storage, &keeping, &options, from, &mut out) });
        let is_of_rules = from.is_empty() || from.contains(",r,");
        measured.extend(is_of_rules.then(|| storage.take_calls().contains(&"enumerate")));
        (out.0, piece.unwrap())
    });
    assert!(pieces > 3 && measured.len() > 2, "{pieces} pieces");
    assert_eq!(measured.iter().position(|measured| *measured), Some(0));
    assert_eq!(measured.iter().filter(|measured| **measured).count(), 1, "{measured:?}");
    assert_eq!(sum(&end, "tags"), 0, "nobody has mirrored these");
}

#[test]
fn a_dry_run_is_not_divided() {
    let storage = store();
    let (command, options) = command(&["gc", "--dry-run"]);
    let (keeping, mut out, until) = (Keeping::default(), Printed::default(), Some(Instant::now()));
    let step = &mut Step { until, ..step(&storage, &keeping, &options, "", &mut out) };
    assert!(matches!(command.run(step), Err(Failure::Time(_))));
}

#[test]
fn a_place_of_something_else_is_refused() {
    let storage = Memory::default();
    let command = Command::<Memory>::find("gc").unwrap();
    let (keeping, options, mut out) = (Keeping::default(), Options::default(), Printed::default());
    for from in ["x", "0.0.0.0,x", "0.0.0.0,r,A", "0.0.0.0,c,d"] {
        let end = command.run(&mut step(&storage, &keeping, &options, from, &mut out));
        assert!(matches!(end, Err(Failure::Place)), "{from}");
    }
}
