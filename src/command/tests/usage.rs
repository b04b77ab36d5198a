//! `usage`.

use super::*;
use crate::command::usage;
use crate::repository::Reference;

#[test]
fn usage_tells_what_is_shared_from_what_is_not() {
    let storage = Memory::default();
    for (repository, blobs) in [
        ("a", &["{}", "one", "base"][..]),
        ("a/b", &["{}", "of this one alone", "base"]),
        ("z", &["{}", "of z alone, which is long"]),
    ] {
        let blobs: Vec<&[u8]> = blobs.iter().map(|blob| blob.as_bytes()).collect();
        push_image(&storage, repository, "v1", &blobs);
    }
    storage.put(&layout::blob(&sha256(b"nobody's")), b"nobody's").unwrap();
    // A link to a blob that is lost, and what is not of this registry.
    Repository::new(&storage, &name("a")).link_blob(&sha256(b"lost"), &sha256(b"lost")).unwrap();
    storage.set("docker/registry/v2/repositories/a/_layers/sha256/odd/link", b"").unwrap();

    let manifest = |repository: &str| {
        let name = name(repository);
        let repository = Repository::new(&storage, &name);
        let (_, blob) = repository.manifest(&Reference::Tag("v1".to_owned())).unwrap().unwrap();
        blob.size
    };
    let row = |repository: &str, blobs: u64, alone: usize, shared: u64| {
        let alone = alone as u64 + manifest(repository);
        format!(r#"{{"repository":"{repository}","blobs":{blobs},"alone":{alone},"shared":{shared}}}"#)
    };
    let (lines, end) = walk(&storage, "usage", true);
    let mut expected = vec![row("a", 4, 3, 6), row("a/b", 4, 17, 6), row("z", 3, 25, 2)];
    expected.sort_by_key(|row| {
        let number = |name: &str| {
            row.split_once(name).unwrap().1.split([',', '}']).next().unwrap().parse::<u64>().unwrap()
        };
        core::cmp::Reverse(number("\"alone\":") + number("\"shared\":"))
    });
    assert_eq!(lines, expected);
    let sum = 2 + 3 + 4 + 17 + 25 + 8 + manifest("a") + manifest("a/b") + manifest("z");
    assert_eq!(end.sums, [("blobs", 9), ("bytes", sum), ("unlinked", 8)]);
    assert!(!end.has_findings);
}

/// Adds up the rows of each repository: its blobs, and what it has alone and shared.
fn added(lines: &[String]) -> Vec<(String, [u64; 3])> {
    let mut rows: std::collections::BTreeMap<String, [u64; 3]> = std::collections::BTreeMap::new();
    for line in lines {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let sums = rows.entry(row["repository"].as_str().unwrap().to_owned()).or_default();
        for (sum, name) in sums.iter_mut().zip(["blobs", "alone", "shared"]) {
            *sum += row[name].as_u64().unwrap();
        }
    }
    rows.into_iter().collect()
}

#[test]
fn usage_is_the_same_in_pieces_and_in_little_memory() {
    let storage = Memory::default();
    for repository in 0..7_usize {
        for blob in (0..60_usize).filter(|blob| blob % (repository + 1) == 0) {
            push_blob(&storage, &format!("r{repository}/x"), format!("blob {blob}").as_bytes());
        }
    }
    let (whole, end) = walk(&storage, "usage", true);
    let rows = added(&whole);
    assert_eq!((rows.len(), rows[0].1[0], rows[1].1[0]), (7, 60, 30));
    assert_eq!(
        rows[0].1[1],
        (0..60)
            .filter(|blob| [2, 3, 5, 7].iter().all(|n| blob % n != 0))
            .map(|blob| format!("blob {blob}").len() as u64)
            .sum::<u64>()
    );
    let (pieces, end_of_pieces) = walk(&storage, "usage", false);
    assert!(pieces.len() > 50, "a piece is as small as can be");
    assert_eq!((added(&pieces), end_of_pieces.sums), (rows.clone(), end.sums.clone()));

    // With room for few links, and even for none, there are more passes.
    for links_max in [100, 10, 0] {
        let (options, mut out) = (Options::default(), Printed::default());
        let keeping = Keeping::default();
        let piece = usage::run(&mut step(&storage, &keeping, &options, "", &mut out), links_max).unwrap();
        assert_eq!((added(&out.0), piece.sums), (rows.clone(), end.sums.clone()), "{links_max}");
    }
}

#[test]
fn too_little_time_for_usage_is_told() {
    let storage = images();
    let (command, options) = command(&["usage"]);
    let (keeping, mut out, until) = (Keeping::default(), Printed::default(), Some(Instant::now()));
    // The first repository takes all of it.
    let end = command.run(&mut Step { until, ..step(&storage, &keeping, &options, "", &mut out) });
    assert!(matches!(end, Err(Failure::Time(_))), "{end:?}");
}
