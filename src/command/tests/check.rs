//! `check`.

use core::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::upstream::Upstreams;
use lighter_storage::{BlobInfo, BlobPage, Content, Result as StorageResult, Stream};

#[test]
fn check_finds_nothing_where_nothing_is_wrong() {
    let storage = images();
    let (lines, end) = printed(&storage, "check");
    assert!(lines.is_empty() && !end.has_findings, "{lines:?}");
    assert_eq!(end.sums[0], ("blobs", 6));
    assert_eq!(end.sums[2..], [("repositories", 2), ("findings", 0)]);
    assert_eq!(printed(&storage, "check --quick").1.sums, end.sums);
}

/// What a mirror lacks comes when somebody asks for it. What is broken is broken there, too.
#[test]
fn a_mirror_need_not_be_complete() {
    let storage = Memory::default();
    push_image(&storage, "hub/a", "v1", &[b"{}", b"layer"]);
    storage.delete(&layout::layer_link(&name("hub/a"), &sha256(b"layer"))).unwrap();
    let (command, options) = command(&["check"]);
    let findings = |upstreams: &str| {
        let upstreams = Some(Upstreams::parse(upstreams).unwrap());
        let (keeping, mut out) = (Keeping { upstreams, ..Keeping::default() }, Printed::default());
        command.run(&mut step(&storage, &keeping, &options, "", &mut out)).unwrap().sums[3].1
    };
    assert_eq!(findings(r#"{"hub": {"url": "https://a"}}"#), 0);
    assert_eq!(findings(r#"{"other": {"url": "https://a"}}"#), 1);
    storage.put(&layout::blob(&sha256(b"{}")), b"[]").unwrap();
    assert_eq!(findings(r#"{"hub": {"url": "https://a"}}"#), 1);
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
            assert_eq!((about("\"kind\":\"blob\"", name), about("incomplete", name)), (1, 1), "{lines:?}");
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
        format!(r#"{{"finding":"missing","repository":"a/b","digest":"{of_a}","kind":"manifest"}}"#),
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
pub(super) struct Chunked {
    memory: Memory,
    chunks: Rc<Cell<u32>>,
    meanwhile: fn(&Memory),
    is_down: bool,
}

impl Chunked {
    /// A store that fails.
    pub(super) fn down() -> Self {
        Self { memory: Memory::default(), chunks: Rc::default(), meanwhile: |_| {}, is_down: true }
    }
}

struct Chunks {
    rest: Vec<u8>,
    chunks: Rc<Cell<u32>>,
    memory: Memory,
    meanwhile: fn(&Memory),
}

impl Stream for Chunks {
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
        while let Some(bytes) = Stream::next(&mut content).map_err(Error::Other)? {
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
    let (command, options) = command(&[&["check"], line].concat());
    let (printed, _, pieces) = to_the_end(|from| {
        let (keeping, mut out, until) = (Keeping::default(), Printed::default(), Some(Instant::now()));
        let piece = command.run(&mut Step { until, ..step(&storage, &keeping, &options, from, &mut out) });
        let piece = piece.unwrap();
        (out.0, piece)
    });
    (printed, chunks.get(), pieces)
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
