//! The commands over storage in memory, as whole walks and in the smallest pieces.

use core::cell::Cell;
use std::rc::Rc;

use super::console::Console;
use super::output::{Field, json_line};
use super::*;
use crate::clock;
use crate::layout;
use crate::name::Name;
use crate::repository::Repository;
use lighter_hash::{Algorithm, Digest};
use lighter_storage::{BlobInfo, BlobPage, Content, Memory, Result as StorageResult, Upload as _};

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

/// Runs a command to its end, in one piece or in as many as there can be. Returns what it has printed, without the
/// ends of pieces, and its end.
fn walk(storage: &Memory, line: &str, whole: bool) -> (Vec<String>, Piece) {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let command = Command::<Memory>::find(&words[0]).unwrap();
    let options = Options::of_words(&words[0], command.choices, &words[1..]).unwrap();
    let (mut printed, mut from) = (Vec::new(), String::new());
    for _ in 0..10_000 {
        let mut out = Printed(Vec::new(), !whole);
        let step =
            &mut Step { storage, options: &options, from: &from, until: None, now: NOW, out: &mut out };
        let piece = command.run(step).unwrap();
        let end = out.0.pop().unwrap();
        assert!(end.contains(&format!("\"over\":{}", piece.next.is_none())), "{end}");
        printed.extend(out.0);
        match &piece.next {
            None => return (printed, piece),
            Some(next) => {
                assert!(!whole && *next != from, "it stands still at {next:?}");
                from.clone_from(next);
            }
        }
    }
    panic!("{line} has no end");
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
    repository.put_manifest(manifest.as_bytes(), &digest, &digest, None, &[tag.to_owned()]).unwrap();
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
        let (_, blob) =
            repository.manifest(&crate::repository::Reference::Tag("v1".to_owned())).unwrap().unwrap();
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
        let step = &mut Step {
            storage: &storage,
            options: &options,
            from: "",
            until: None,
            now: NOW,
            out: &mut out,
        };
        let piece = usage::run(step, links_max).unwrap();
        assert_eq!((added(&out.0), piece.sums), (rows.clone(), end.sums.clone()), "{links_max}");
    }
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

/// Two repositories with an image each, which share a config and a layer.
fn images() -> Memory {
    let storage = Memory::default();
    push_image(&storage, "a/b", "v1", &[b"{}", b"shared", b"of a/b"]);
    push_image(&storage, "c", "v1", &[b"{}", b"shared", b"of c"]);
    storage
}

#[test]
fn check_finds_nothing_where_nothing_is_wrong() {
    let storage = images();
    let (lines, end) = printed(&storage, "check");
    assert!(lines.is_empty() && !end.has_findings, "{lines:?}");
    assert_eq!(end.sums[0], ("blobs", 6));
    assert_eq!(end.sums[2..], [("repositories", 2), ("findings", 0)]);
    assert_eq!(printed(&storage, "check --quick").1.sums, end.sums);
}

#[test]
fn check_tells_what_is_broken_and_who_has_it() {
    let storage = images();
    let digest = sha256(b"shared");
    storage.put(&layout::blob(&digest), b"sharec").unwrap();
    let (lines, end) = printed(&storage, "check");
    let affected = |name: &str| format!(r#"{{"affected":"blob","repository":"{name}","digest":"{digest}"}}"#);
    assert_eq!(
        lines,
        [
            format!(r#"{{"finding":"broken","digest":"{digest}","bytes":6,"removed":false}}"#),
            affected("a/b"),
            affected("c"),
        ]
    );
    assert!(end.has_findings && end.sums[3] == ("findings", 1));
    assert_eq!(storage.stat(&layout::blob(&digest)).unwrap().unwrap().size, 6, "it is still there");
    assert!(printed(&storage, "check --quick").0.is_empty(), "that does not read it");
}

#[test]
fn what_check_removes_is_missing_until_it_is_pushed_again() {
    for whole in [true, false] {
        let storage = images();
        let digest = sha256(b"shared");
        storage.put(&layout::blob(&digest), b"share").unwrap();
        let (lines, end) = walk(&storage, "check --remove", whole);
        assert_eq!(
            lines[0],
            format!(r#"{{"finding":"broken","digest":"{digest}","bytes":5,"removed":true}}"#)
        );
        // Each repository misses the blob, and has a manifest that names it.
        let about = |kind: &str, name: &str| {
            let of_name = format!(r#""repository":"{name}""#);
            lines.iter().filter(|line| line.contains(kind) && line.contains(&of_name)).count()
        };
        for name in ["a/b", "c"] {
            assert_eq!(
                (about("missing\",\"kind\":\"blob", name), about("incomplete", name)),
                (1, 1),
                "{lines:?}"
            );
        }
        assert_eq!((lines.len(), end.sums[3]), (5, ("findings", 5)));
        assert_eq!(storage.stat(&layout::blob(&digest)).unwrap(), None);

        push_blob(&storage, "c", b"shared");
        let (lines, end) = printed(&storage, "check");
        assert!(lines.is_empty() && !end.has_findings, "{lines:?}");
    }
}

#[test]
fn check_finds_what_leads_to_nothing() {
    let storage = images();
    let of_a = push_image(&storage, "a/b", "v2", &[b"{}", b"more"]);
    storage.delete_blob(&layout::blob(&of_a)).unwrap();
    let entry = sha256(b"not there");
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{entry}","size":9}}]}}"#
    );
    let index = push_manifest(&storage, "c", "list", &index);
    storage.set(&layout::tag_link(&name("c"), "torn"), b"").unwrap();
    // A crash left these, and no list shows them.
    storage.set(&layout::tag_index_link(&name("c"), "begun", &entry), b"").unwrap();
    push_manifest(
        &storage,
        "c",
        "odd",
        "{\"mediaType\":\"application/x\",\"layers\":[{\"digest\":\"sha256:1\"}]}",
    );

    let expected = vec![
        r#"{"finding":"dangling","repository":"a/b","tag":"v2"}"#.to_owned(),
        format!(r#"{{"finding":"missing","kind":"manifest","repository":"a/b","digest":"{of_a}"}}"#),
        r#"{"finding":"dangling","repository":"c","tag":"torn"}"#.to_owned(),
        format!(r#"{{"finding":"incomplete","repository":"c","digest":"{index}","missing":"{entry}"}}"#),
    ];
    for line in ["check", "check --quick", "check --remove"] {
        let before = storage.keys();
        let (lines, end) = printed(&storage, line);
        assert_eq!((lines, end.has_findings), (expected.clone(), true), "{line}");
        assert_eq!(storage.keys(), before, "only broken content is removed");
    }
    // The manifest is pushed again, and then all of it is there.
    push_image(&storage, "a/b", "v2", &[b"{}", b"more"]);
    assert_eq!(printed(&storage, "check").0, expected[2..]);
}

#[test]
fn content_that_was_lost_in_a_crash_is_found_without_reading() {
    let storage = images();
    let digest = sha256(b"of c");
    storage.put(&layout::blob(&digest), b"").unwrap();
    push_blob(&storage, "c", b"");
    for line in ["check", "check --quick"] {
        let (lines, _) = printed(&storage, line);
        assert!(lines[0].contains("broken") && lines[0].contains(digest.hex()), "{line}: {lines:?}");
        // It counts as missing, besides.
        assert!(
            lines.iter().any(|line| line.contains("missing") && line.contains(digest.hex())),
            "{lines:?}"
        );
    }
}

#[test]
fn a_broken_manifest_is_found_without_reading_blobs() {
    let storage = images();
    let of_c = push_image(&storage, "c", "v3", &[b"{}"]);
    storage.put(&layout::blob(&of_c), b"{}").unwrap();
    let (lines, _) = printed(&storage, "check --quick");
    assert_eq!(
        lines,
        [format!(r#"{{"finding":"broken","repository":"c","digest":"{of_c}","bytes":2,"removed":false}}"#)]
    );
    let (lines, _) = printed(&storage, "check");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains(r#""affected":"manifest","repository":"c""#), "{lines:?}");
    walk(&storage, "check --quick --remove", true);
    assert_eq!(storage.stat(&layout::blob(&of_c)).unwrap(), None);
}

/// A store whose content comes in chunks, which counts them, and does something once when a chunk was taken.
struct Chunked {
    memory: Memory,
    chunks: Rc<Cell<u32>>,
    meanwhile: fn(&Memory),
    is_down: bool,
}

struct Chunks {
    rest: Vec<u8>,
    chunks: Rc<Cell<u32>>,
    memory: Memory,
    meanwhile: fn(&Memory),
}

impl lighter_storage::Stream for Chunks {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.chunks.set(self.chunks.get() + 1);
        if self.chunks.get() == 2 {
            (self.meanwhile)(&self.memory);
        }
        let rest = self.rest.split_off(self.rest.len().min(100));
        Ok(Some(core::mem::replace(&mut self.rest, rest)))
    }
}

/// Passes on what a check asks for, and nothing else.
impl Storage for Chunked {
    type Upload = <Memory as Storage>::Upload;

    fn get(&self, key: &str) -> StorageResult<Option<Vec<u8>>> {
        self.memory.get(key)
    }
    fn set(&self, _: &str, _: &[u8]) -> StorageResult<()> {
        unreachable!("a check writes nothing")
    }
    fn create(&self, _: &str, _: &[u8]) -> StorageResult<bool> {
        unreachable!("a check writes nothing")
    }
    fn delete(&self, _: &str) -> StorageResult<()> {
        unreachable!("a check removes no link")
    }
    fn delete_prefix(&self, _: &str) -> StorageResult<()> {
        unreachable!("a check removes no tag")
    }
    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> StorageResult<Vec<String>> {
        self.memory.list(prefix, after, limit)
    }
    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> StorageResult<Vec<String>> {
        self.memory.values(prefix, after, limit)
    }
    fn stat(&self, key: &str) -> StorageResult<Option<BlobInfo>> {
        self.memory.stat(key)
    }
    fn enumerate(&self, prefix: &str, after: Option<&str>, limit: u32) -> StorageResult<BlobPage> {
        if self.is_down {
            return Err(Error::Other("the store is down".to_owned()));
        }
        self.memory.enumerate(prefix, after, limit)
    }
    fn read(&self, key: &str, offset: u64, length: u64) -> StorageResult<Content> {
        let mut rest = Vec::new();
        let mut content = self.memory.read(key, offset, length)?;
        while let Some(bytes) = lighter_storage::Stream::next(&mut content).map_err(Error::Other)? {
            rest.extend(bytes);
        }
        let (chunks, memory, meanwhile) = (self.chunks.clone(), self.memory.clone(), self.meanwhile);
        Ok(Content::Chunks(Box::new(Chunks { rest, chunks, memory, meanwhile })))
    }
    fn put(&self, _: &str, _: &[u8]) -> StorageResult<()> {
        unreachable!("a check writes nothing")
    }
    fn delete_blob(&self, key: &str) -> StorageResult<()> {
        self.memory.delete_blob(key)
    }
    fn received(&self, id: &str) -> StorageResult<Option<u64>> {
        self.memory.received(id)
    }
    fn create_upload(&self, id: &str) -> StorageResult<Self::Upload> {
        self.memory.create_upload(id)
    }
    fn open_upload(&self, id: &str) -> StorageResult<Self::Upload> {
        self.memory.open_upload(id)
    }
}

/// Checks a store whose content comes in chunks, in the smallest pieces. Returns what was printed, the chunks that were
/// read, and how many pieces there were.
fn check_chunks(memory: &Memory, line: &[&str], meanwhile: fn(&Memory)) -> (Vec<String>, u32, u32) {
    let chunks = Rc::new(Cell::new(0));
    let storage = Chunked { memory: memory.clone(), chunks: chunks.clone(), meanwhile, is_down: false };
    let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
    let command = Command::<Chunked>::find("check").unwrap();
    let options = Options::of_words("check", command.choices, &words).unwrap();
    let (mut printed, mut from) = (Vec::new(), String::new());
    for pieces in 1..1000 {
        let until = Some(Instant::now());
        let mut out = Printed::default();
        let step =
            &mut Step { storage: &storage, options: &options, from: &from, until, now: NOW, out: &mut out };
        let piece = command.run(step).unwrap();
        out.0.pop();
        printed.extend(out.0);
        match piece.next {
            None => return (printed, chunks.get(), pieces),
            Some(next) => from = next,
        }
    }
    panic!("a check has no end");
}

#[test]
fn a_blob_that_takes_longer_than_a_piece_is_read_once() {
    let memory = Memory::default();
    let large: Vec<u8> = (0..2_050_u32).map(|n| n as u8).collect();
    let digest = push_blob(&memory, "a", &large);
    let (lines, chunks, pieces) = check_chunks(&memory, &[], |_| {});
    assert!(lines.is_empty() && chunks == 21 && pieces > 20, "{lines:?}, {chunks} chunks, {pieces} pieces");
    // The last byte is wrong.
    let mut wrong = large;
    *wrong.last_mut().unwrap() ^= 1;
    memory.put(&layout::blob(&digest), &wrong).unwrap();
    let (lines, chunks, _) = check_chunks(&memory, &["--remove"], |_| {});
    assert!(lines[0].contains(r#""finding":"broken""#) && chunks == 21, "{lines:?}, {chunks} chunks");
    assert_eq!(memory.stat(&layout::blob(&digest)).unwrap(), None);
}

#[test]
fn what_is_deleted_while_it_is_read_is_no_finding() {
    let memory = Memory::default();
    let large = vec![7; 1_000];
    push_blob(&memory, "a", &large);
    let (lines, _, _) = check_chunks(&memory, &["--remove"], |memory| {
        let digest = sha256(&[7; 1_000]);
        memory.delete_blob(&layout::blob(&digest)).unwrap();
        memory.delete(&layout::layer_link(&name("a"), &digest)).unwrap();
    });
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn what_is_pushed_while_it_is_read_is_not_removed() {
    let memory = Memory::default();
    let large = vec![7; 1_000];
    let digest = push_blob(&memory, "a", &large);
    // It is shorter than it should be, and a push heals it after the first chunks were read.
    memory.put(&layout::blob(&digest), &large[1..]).unwrap();
    let (lines, _, _) = check_chunks(&memory, &["--remove"], |memory| {
        memory.put(&layout::blob(&sha256(&[7; 1_000])), &[7; 1_000]).unwrap();
    });
    assert!(lines.is_empty(), "{lines:?}");
    assert_eq!(memory.stat(&layout::blob(&digest)).unwrap().unwrap().size, 1_000);
}

#[test]
fn a_place_of_someone_else_is_refused() {
    let storage = images();
    let hex = sha256(b"shared").hex().to_owned();
    for name in ["check", "usage", "uploads"] {
        let command = Command::<Memory>::find(name).unwrap();
        for from in [
            "x".to_owned(),
            "0.0.0.0~x".to_owned(),
            "0.0.0.0~r~A~t~".to_owned(),
            "0.0.0.0~r~a~t~../x".to_owned(),
            "0.0.0.0~r~a~x~".to_owned(),
            "0.0.0.0~c~a b".to_owned(),
            "0.0.0.0~c~a~b~c".to_owned(),
            "0.0.0.0~o~ab~".to_owned(),
            format!("0.0.0.0~o~{hex}~A"),
            format!("0.0.0.0~b~{hex}~6~~0~AAAA"),
            format!("0.0.0.0~b~{hex}~6~x~0~"),
            "0.0.0.0~a/b~..".to_owned(),
            "0.0.0.0~A~".to_owned(),
        ] {
            let (options, mut out) = (Options::default(), Printed::default());
            let step = &mut Step {
                storage: &storage,
                options: &options,
                from: &from,
                until: None,
                now: NOW,
                out: &mut out,
            };
            let end = command.run(step);
            assert!(matches!(end, Err(Failure::Place)), "{name} from {from}: {end:?}");
        }
    }
}

#[test]
fn too_little_time_for_usage_is_told() {
    let storage = images();
    let options = Options::default();
    let mut out = Printed::default();
    let until = Some(Instant::now());
    // The first repository takes all of it.
    let step = &mut Step { storage: &storage, options: &options, from: "", until, now: NOW, out: &mut out };
    let end = Command::<Memory>::find("usage").unwrap().run(step);
    assert!(matches!(end, Err(Failure::Time(_))), "{end:?}");
}

// The command line.

#[derive(Default)]
struct Streams {
    out: String,
    err: String,
}

impl Console for Streams {
    fn print(&mut self, text: &str) -> bool {
        self.out.push_str(text);
        true
    }

    fn error(&mut self, text: &str) {
        self.err.push_str(text);
    }

    fn is_terminal(&self) -> [bool; 2] {
        [false; 2]
    }
}

fn line(line: &str, open: impl FnOnce() -> Result<Memory, String>) -> (Exit, Streams) {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let mut streams = Streams::default();
    let exit = main(&words, open, NOW, &mut streams);
    (exit, streams)
}

#[test]
fn help_needs_no_store() {
    let nothing = || -> Result<Memory, String> { panic!("the store was opened") };
    for words in ["", "help", "--help", "-h"] {
        let (exit, said) = line(words, nothing);
        assert_eq!((exit, said.err.as_str()), (Exit::Fine, ""));
        for command in Command::<Memory>::TABLE {
            assert!(said.out.contains(&format!("  {:16}{}\n", command.name, command.about)), "{}", said.out);
        }
    }
    for words in ["help check", "check --help", "check --remove -h", "--help check"] {
        let (exit, said) = line(words, nothing);
        assert_eq!(exit, Exit::Fine);
        assert!(said.out.starts_with("check: ") && said.out.contains("\n  --remove "), "{}", said.out);
        assert!(
            said.out.contains("\n  --seconds N ") && said.out.contains("\n  --from PLACE "),
            "{}",
            said.out
        );
    }
    assert_eq!(line("version", nothing).1.out, format!("lighter {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(line("--version", nothing).0, Exit::Fine);
}

#[test]
fn the_help_is_not_wider_than_a_terminal() {
    let nothing = || -> Result<Memory, String> { panic!("the store was opened") };
    let commands = Command::<Memory>::TABLE.iter().map(|command| format!("help {}", command.name));
    for words in commands.chain(["help".to_owned()]) {
        for line in line(&words, nothing).1.out.lines() {
            assert!(line.len() <= 100, "{words}: {line}");
        }
    }
}

#[test]
fn wrong_arguments_do_nothing() {
    let nothing = || -> Result<Memory, String> { panic!("the store was opened") };
    for (words, error) in [
        ("chekc", "there is no command \"chekc\"; did you mean check?"),
        ("frobnicate", "there is no command \"frobnicate\"; there are check, uploads, usage"),
        ("help usag", "there is no command \"usag\"; did you mean usage?"),
        ("usag --help", "there is no command \"usag\"; did you mean usage?"),
        ("check --remov", "check has no option --remov; did you mean --remove?"),
        ("usage a/b", "usage takes no \"a/b\"; `help usage` lists its options"),
        ("usage --seconds soon", "--seconds must be a whole number from 1 to 86400, not \"soon\""),
        ("usage --from", "--from needs a value: a text"),
        ("version now", "version takes no more words"),
        ("help check usage", "help takes no more words"),
    ] {
        let (exit, said) = line(words, nothing);
        assert_eq!((exit, said.out.as_str()), (Exit::Wrong, ""), "{words}");
        assert_eq!(said.err, format!("lighter: {error}\n"));
    }
    let (exit, said) = line("usage --from x", || Ok(Memory::default()));
    assert_eq!(
        (exit, said.err.as_str()),
        (Exit::Wrong, "lighter: --from: \"x\" is not a place that usage has printed\n")
    );
    let (exit, said) = line("usage", || Err("REGISTRY_X is wrong".to_owned()));
    assert_eq!((exit, said.err.as_str()), (Exit::Wrong, "lighter: REGISTRY_X is wrong\n"));
}

#[test]
fn a_command_prints_lines_or_json_and_ends_with_what_it_found() {
    let storage = images();
    let (exit, said) = line("usage", || Ok(storage.clone()));
    assert_eq!(exit, Exit::Fine);
    let last = said.out.lines().last().unwrap();
    assert!(last.ends_with("in 6 blobs, 0 B of them in no repository"), "{}", said.out);
    assert_eq!(said.out.lines().count(), 3, "{}", said.out);
    assert!(said.out.lines().next().unwrap().ends_with("  4 blobs  a/b"), "{}", said.out);

    storage.put(&layout::blob(&sha256(b"of c")), b"of d").unwrap();
    let (exit, said) = line("check --json", || Ok(storage.clone()));
    assert_eq!(exit, Exit::Findings);
    for line in said.out.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(object.is_object(), "{line}");
    }
    let last: serde_json::Value = serde_json::from_str(said.out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["command"], &last["over"], &last["findings"]),
        (&"check".into(), &true.into(), &1.into())
    );
    assert_eq!(last["next"], serde_json::Value::Null);
}

#[test]
fn a_store_that_fails_ends_the_command() {
    let chunks = Rc::new(Cell::new(0));
    let open = || Ok(Chunked { memory: Memory::default(), chunks, meanwhile: |_| {}, is_down: true });
    let mut streams = Streams::default();
    let exit = main(&["check".to_owned()], open, NOW, &mut streams);
    assert_eq!((exit, streams.out.as_str()), (Exit::Failed, ""));
    assert_eq!(streams.err, "lighter: storage: the store is down\n");
}
