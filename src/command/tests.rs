//! The commands over storage in memory, as whole walks and in the smallest pieces.

mod check;
mod gc;
mod line;
mod usage;

use super::output::{Field, json_line};
use super::*;
use crate::clock;
use crate::layout;
use crate::name::Name;
use crate::repository::Repository;
use lighter_hash::{Algorithm, Digest};
use lighter_storage::{Memory, Upload as _};

/// Some time in 2025.
const NOW: u64 = 1_762_829_850;

#[derive(Default)]
struct Printed(Vec<String>, bool);

impl Output for Printed {
    fn item(&mut self, _text: &str, fields: &[(&'static str, Field)]) {
        self.0.push(json_line(fields).trim_end().to_owned());
    }

    fn progress(&mut self, _count: u64, _what: &'static str, _at: &str) {}

    fn trouble(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }

    fn is_full(&self) -> bool {
        self.1
    }
}

/// The options of a command, and the command.
fn command<S: Storage>(line: &[&str]) -> (&'static Command<S>, Options) {
    let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
    let command = Command::find(&words[0]).unwrap();
    let options = Options::of_words(&words[0], command.choices, &words[1..]).unwrap();
    (command, options)
}

/// What a step needs where no time runs out and nothing is kept.
fn step<'a, S>(
    storage: &'a S,
    keeping: &'a Keeping,
    options: &'a Options,
    from: &'a str,
    out: &'a mut Printed,
) -> Step<'a, S> {
    Step { storage, keeping, options, from, until: None, now: NOW, out }
}

/// Takes pieces until a command is over. Returns what they have printed, without their ends, the last one, and how many
/// there were.
fn to_the_end(mut piece: impl FnMut(&str) -> (Vec<String>, Piece)) -> (Vec<String>, Piece, u32) {
    let (mut printed, mut from) = (Vec::new(), String::new());
    for count in 1..1000 {
        let (mut lines, piece) = piece(&from);
        let end = lines.pop().unwrap();
        assert!(end.contains(&format!("\"over\":{}", piece.next.is_none())), "{end}");
        printed.extend(lines);
        match &piece.next {
            None => return (printed, piece, count),
            Some(next) => from.clone_from(next),
        }
    }
    panic!("a command has no end");
}

/// Runs a command to its end, in one piece or in as many as there can be. Returns what it has printed, without the
/// ends of pieces, and its end.
fn walk(storage: &Memory, line: &str, whole: bool) -> (Vec<String>, Piece) {
    let (command, options) = command(&line.split(' ').collect::<Vec<_>>());
    let (printed, end, _) = to_the_end(|from| {
        let mut out = Printed(Vec::new(), !whole);
        let piece = command.run(&mut step(storage, &Keeping::default(), &options, from, &mut out)).unwrap();
        let stands_still = piece.next.as_deref() == Some(from);
        assert!(piece.next.is_none() || !whole && !stands_still, "it stands still at {from:?}");
        (out.0, piece)
    });
    (printed, end)
}

/// What a command prints, which must be the same in pieces.
fn printed(storage: &Memory, line: &str) -> (Vec<String>, Piece) {
    let whole = walk(storage, line, true);
    let pieces = walk(storage, line, false);
    assert_eq!((&pieces.0, &pieces.1.sums), (&whole.0, &whole.1.sums), "{line}");
    whole
}

fn name(name: &str) -> Name {
    Name::parse(name).unwrap()
}

fn sha256(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

/// Stores a blob in a repository, and returns its digest.
fn push_blob(storage: &Memory, repository: &str, bytes: &[u8]) -> Digest {
    let digest = sha256(bytes);
    storage.put(&layout::blob(&digest), bytes).unwrap();
    Repository::new(storage, &name(repository)).link_blob(&digest, &digest).unwrap();
    digest
}

/// Stores an image of these blobs in a repository, and returns its digest.
fn push_image(storage: &Memory, repository: &str, tag: &str, blobs: &[&[u8]]) -> Digest {
    let descriptors: Vec<String> = blobs
        .iter()
        .map(|bytes| {
            let digest = push_blob(storage, repository, bytes);
            format!(
                r#"{{"mediaType":"application/octet-stream","digest":"{digest}","size":{}}}"#,
                bytes.len()
            )
        })
        .collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}}"#,
        descriptors[0],
        descriptors[1..].join(",")
    );
    push_manifest(storage, repository, tag, &manifest)
}

fn push_manifest(storage: &Memory, repository: &str, tag: &str, manifest: &str) -> Digest {
    let digest = sha256(manifest.as_bytes());
    let name = name(repository);
    let repository = Repository::new(storage, &name);
    repository.put_manifest(manifest.as_bytes(), &digest, &digest, None).unwrap();
    repository.move_tag(tag, &digest).unwrap();
    digest
}

#[test]
fn an_empty_store_has_nothing() {
    let storage = Memory::default();
    for line in ["check", "usage", "uploads"] {
        let (lines, end) = printed(&storage, line);
        assert!(lines.is_empty() && !end.has_findings, "{line}: {lines:?}");
        assert!(end.sums.iter().all(|(_, sum)| *sum == 0), "{line}: {end:?}");
    }
}

/// Two repositories with an image each, which share a config and a layer.
fn images() -> Memory {
    let storage = Memory::default();
    push_image(&storage, "a/b", "v1", &[b"{}", b"shared", b"of a/b"]);
    push_image(&storage, "c", "v1", &[b"{}", b"shared", b"of c"]);
    storage
}

#[test]
fn uploads_have_an_age_and_a_size() {
    let storage = Memory::default();
    for (repository, id, seconds_ago, bytes) in
        [("a", "one", 90, "123"), ("a", "two", 86_400 * 7, ""), ("b/c", "three", 0, "12345")]
    {
        let name = name(repository);
        let mut writer = storage.create_upload(&layout::upload_data(&name, id)).unwrap();
        writer.append(bytes.as_bytes()).unwrap();
        let started = clock::rfc3339(NOW - seconds_ago);
        storage.set(&layout::upload_started_at(&name, id), started.as_bytes()).unwrap();
    }
    let undated = layout::upload_hash_state(&name("b"), "undated", Algorithm::Sha256, 0);
    storage.set(&undated, b"").unwrap();
    let (lines, end) = printed(&storage, "uploads");
    assert_eq!(
        lines,
        [
            r#"{"upload":"one","repository":"a","bytes":3,"started":"2025-11-11T02:56:00Z","age":90}"#,
            r#"{"upload":"two","repository":"a","bytes":0,"started":"2025-11-04T02:57:30Z","age":604800}"#,
            r#"{"upload":"undated","repository":"b","bytes":0}"#,
            r#"{"upload":"three","repository":"b/c","bytes":5,"started":"2025-11-11T02:57:30Z","age":0}"#,
        ]
    );
    assert_eq!(end.sums, [("uploads", 4), ("bytes", 8)]);
}

#[test]
fn a_place_of_someone_else_is_refused() {
    let storage = images();
    let hex = sha256(b"shared").hex().to_owned();
    for name in ["check", "usage", "uploads"] {
        let command = Command::<Memory>::find(name).unwrap();
        for from in [
            "x".to_owned(),
            "0.0.0.0,x".to_owned(),
            "0.0.0.0,r,A,t,".to_owned(),
            "0.0.0.0,r,a,t,../x".to_owned(),
            "0.0.0.0,r,a,x,".to_owned(),
            "0.0.0.0,c,a b".to_owned(),
            "0.0.0.0,c,a,b,c".to_owned(),
            "0.0.0.0,o,ab,".to_owned(),
            format!("0.0.0.0,o,{hex},A"),
            format!("0.0.0.0,b,{hex},6,,0,AAAA"),
            format!("0.0.0.0,b,{hex},6,x,0,"),
            "0.0.0.0,a/b,..".to_owned(),
            "0.0.0.0,A,".to_owned(),
        ] {
            let (options, mut out) = (Options::default(), Printed::default());
            let end = command.run(&mut step(&storage, &Keeping::default(), &options, &from, &mut out));
            assert!(matches!(end, Err(Failure::Place)), "{name} from {from}: {end:?}");
        }
    }
}
