//! All kinds of stores, as other registries and crashes leave them.

use super::name;
use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::clock;
use crate::garbage::outside::Outside;
use crate::garbage::{Collection, Options, Phase, Report};
use crate::layout;
use crate::repository::Repository;
use lighter_hash::{Algorithm, Digest};
use lighter_storage::{Memory, Storage, Upload as _};

/// Some time in 2025.
pub(super) const NOW: u64 = 1_762_829_850;

/// A clock that stands still.
#[derive(Clone, Default)]
pub(crate) struct Still(std::rc::Rc<Cell<u32>>);

impl Outside for Still {
    fn now(&self) -> u64 {
        NOW
    }

    fn pause(&self, _time: Duration) {}

    fn fresh_name(&self) -> String {
        self.0.set(self.0.get() + 1);
        format!("x{}", self.0.get())
    }
}

/// Everything is old.
pub(super) fn options() -> Options {
    Options { grace: Duration::ZERO, ..Options::default() }
}

pub(super) fn put(storage: &Memory, content: &str) -> Digest {
    let digest = Digest::of(Algorithm::Sha256, content.as_bytes());
    storage.put(&layout::blob(&digest), content.as_bytes()).unwrap();
    digest
}

/// Stores a blob in a repository.
pub(super) fn blob(storage: &Memory, repository: &str, content: &str) -> Digest {
    let digest = put(storage, content);
    Repository::new(storage, &name(repository)).link_blob(&digest, &digest).unwrap();
    digest
}

/// The same, by its SHA-512, which is returned.
fn blob512(storage: &Memory, repository: &str, content: &str) -> Digest {
    let (canonical, digest) = (put(storage, content), Digest::of(Algorithm::Sha512, content.as_bytes()));
    Repository::new(storage, &name(repository)).link_blob(&digest, &canonical).unwrap();
    digest
}

/// Stores a manifest in a repository.
pub(super) fn manifest(storage: &Memory, repository: &str, content: &str) -> Digest {
    let digest = put(storage, content);
    storage.set(&layout::revision_link(&name(repository), &digest), digest.as_str().as_bytes()).unwrap();
    digest
}

/// Collects to the end, in one step.
pub(super) fn collect(storage: &Memory, options: Options, limit: usize) -> Report {
    let mut collection = Collection::with(storage, options, NOW, Still::default(), limit).unwrap();
    assert!(collection.step(Instant::now() + Duration::from_secs(600)).unwrap());
    collection.report().clone()
}

/// A store with everything that is kept, and its keys.
pub(super) fn kept() -> (Memory, Vec<String>) {
    let storage = Memory::default();
    let s = &storage;
    // Images, also with blobs of another repository, and a nested repository.
    for repository in ["a", "a/b", "z"] {
        let layers = [blob(s, repository, "shared"), blob(s, repository, &format!("of {repository}"))];
        let config = blob(s, repository, "{}");
        manifest(
            s,
            repository,
            &format!(r#"{{"config":{{"digest":"{config}"}},"layers":["{}","{}"]}}"#, layers[0], layers[1]),
        );
    }
    // Schema 1, an unknown type, an index of blobs, and a digest that is written in another way.
    let layer = blob(s, "old", "layer of schema 1");
    let id = blob(s, "old", "in a history");
    manifest(
        s,
        "old",
        &format!(
            r#"{{"schemaVersion":1,"fsLayers":[{{"blobSum":"{layer}"}}],"history":[{{"v1Compatibility":"{{\"x\":\"{id}\"}}"}}]}}"#
        ),
    );
    let thing = blob(s, "old", "a thing");
    manifest(s, "old", &format!(r#"{{"mediaType":"a/b","parts":{{"x":["{thing}"]}}}}"#));
    let cache = blob(s, "old", "cache");
    manifest(s, "old", &format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{cache}"}}]}}"#));
    let odd = blob(s, "old", "oddly written").to_string().replace(':', "\\u003a");
    manifest(s, "old", &format!(r#"{{"odd":"{odd}"}}"#));
    let plain = blob(s, "old", "no JSON");
    manifest(s, "old", &format!("not JSON at all: {plain}!"));
    // By SHA-512: with an alias, and as distribution has it, by a link alone. The manifest too.
    let by512 = [blob512(s, "sha", "with an alias"), blob512(s, "sha", "without one")];
    s.delete(&layout::alias(&by512[1])).unwrap();
    let content = format!(r#"{{"layers":["{}","{}"]}}"#, by512[0], by512[1]);
    let (canonical, digest) = (put(s, &content), Digest::of(Algorithm::Sha512, content.as_bytes()));
    s.set(&layout::revision_link(&name("sha"), &digest), canonical.as_str().as_bytes()).unwrap();
    // A manifest whose blob is lost, one that is lost itself, and one whose link a crash has emptied.
    let lost = blob(s, "lost", "to be lost");
    manifest(s, "lost", &format!(r#"{{"layers":["{lost}"]}}"#));
    s.delete_blob(&layout::blob(&lost)).unwrap();
    let lost = manifest(s, "lost", "a manifest to be lost");
    s.delete_blob(&layout::blob(&lost)).unwrap();
    let of_empty = blob(s, "lost", "of a manifest with an empty link");
    let empty = manifest(s, "lost", &format!(r#"{{"layers":["{of_empty}"]}}"#));
    s.set(&layout::revision_link(&name("lost"), &empty), b"").unwrap();
    // A repository that only distribution serves.
    let layer = put(s, "of a repository that is not served");
    let link = |kind: &str, digest: &Digest| {
        let key = format!("docker/registry/v2/repositories/Team/app/{kind}/sha256/{}/link", digest.hex());
        s.set(&key, digest.as_str().as_bytes()).unwrap();
    };
    link("_layers", &layer);
    link("_manifests/revisions", &put(s, &format!(r#"{{"layers":["{layer}"]}}"#)));
    // Tags, also one that leads nowhere; and what is not of a registry.
    s.set(&layout::tag_link(&name("a"), "v1"), b"sha256:0").unwrap();
    for key in ["blobs/sha256/no/digest/data", "blobs/sha512/ab/cd/data"] {
        s.put(&format!("docker/registry/v2/{key}"), b"foreign").unwrap();
    }
    for key in ["Odd/_layers/sha256/x/link", "a/_layers/sha256/x/link", "a/_manifests/revisions/md5/x/link"] {
        s.set(&format!("docker/registry/v2/repositories/{key}"), b"foreign").unwrap();
    }
    let keys = storage.keys();
    (storage, keys)
}

/// Adds everything that is garbage, and returns what a collection must have removed.
pub(super) fn litter(storage: &Memory) -> Report {
    let s = storage;
    let mut report = Report { phase: Phase::Over, ..Report::default() };
    let mut content = |text: &str| {
        report.blobs += 1;
        report.bytes += text.len() as u64;
    };
    // Blobs with one link, with links of several repositories, by SHA-512, and without a link.
    for (text, repositories) in [("one", &["a"][..]), ("many", &["a", "a/b", "new/one"]), ("none", &[])] {
        put(s, text);
        repositories.iter().for_each(|repository| _ = blob(s, repository, text));
        content(text);
        report.links += repositories.len() as u64;
    }
    blob512(s, "sha", "garbage by SHA-512");
    content("garbage by SHA-512");
    (report.links, report.aliases) = (report.links + 2, report.aliases + 1);
    // A manifest that was deleted, and its blob.
    let layer = blob(s, "a", "of a deleted manifest");
    let text = format!(r#"{{"layers":["{layer}"]}}"#);
    let deleted = manifest(s, "a", &text);
    s.delete(&layout::revision_link(&name("a"), &deleted)).unwrap();
    content(&text);
    content("of a deleted manifest");
    report.links += 1;
    // A link that a crash has emptied.
    let emptied = blob(s, "z", "of an emptied link");
    s.set(&layout::layer_link(&name("z"), &emptied), b"").unwrap();
    content("of an emptied link");
    report.links += 1;
    // Links and an alias that lead nowhere.
    for (repository, text) in [("a", "gone"), ("z", "gone too")] {
        let gone = blob(s, repository, text);
        s.delete_blob(&layout::blob(&gone)).unwrap();
        report.links += 1;
    }
    blob512(s, "z", "gone by SHA-512");
    s.delete_blob(&layout::blob(&Digest::of(Algorithm::Sha256, b"gone by SHA-512"))).unwrap();
    (report.links, report.aliases) = (report.links + 2, report.aliases + 1);
    // More than a batch has.
    for n in 0..600 {
        let text = format!("blob {n}");
        put(s, &text);
        content(&text);
    }
    // Uploads that were started long ago.
    for id in ["old", "older"] {
        upload(s, "a", id, 8);
        (report.uploads, report.upload_bytes) = (report.uploads + 1, report.upload_bytes + 5);
    }
    report
}

pub(super) fn upload(storage: &Memory, repository: &str, id: &str, days_ago: u64) {
    let started = clock::rfc3339(NOW - days_ago * 86_400);
    storage.set(&layout::upload_started_at(&name(repository), id), started.as_bytes()).unwrap();
    storage.create_upload(&layout::upload_data(&name(repository), id)).unwrap().append(b"bytes").unwrap();
}

/// What is left of a store, but for the trace.
pub(super) fn left(storage: &Memory) -> Vec<String> {
    let is_trace = |key: &String| key.starts_with("lighter/collection/ended.");
    storage.keys().into_iter().filter(|key| !is_trace(key)).collect()
}

/// The counts of what was removed alone.
pub(super) fn removed(report: &Report) -> Report {
    Report { place: String::new(), repositories: 0, manifests: 0, ..report.clone() }
}

#[test]
fn what_nothing_refers_to_is_removed_and_nothing_else() {
    let (storage, keys) = kept();
    let expected = litter(&storage);
    let before = storage.keys();
    let dry = collect(&storage, Options { dry_run: true, ..options() }, 1000);
    assert_eq!(storage.keys(), before, "a dry run writes nothing");
    let report = collect(&storage, options(), 1000);
    assert_eq!(left(&storage), keys);
    assert_eq!((removed(&report), dry), (expected, report.clone()));
    // Each repository that there is, also `new/one`, which only has garbage.
    assert_eq!((report.repositories, report.manifests), (11, 13));
    let again = collect(&storage, options(), 1000);
    assert_eq!((removed(&again), left(&storage)), (Report { phase: Phase::Over, ..Report::default() }, keys));
}

#[test]
fn what_is_young_stays() {
    let (storage, _) = kept();
    let expected = litter(&storage);
    let young = Options { grace: Duration::from_secs(3600), ..options() };
    let report = collect(&storage, young, 1000);
    // Only what leads nowhere goes: three links by SHA-256, one by SHA-512, and its alias.
    let gone = Report { links: 4, aliases: 1, blobs: 0, bytes: 0, ..expected };
    assert_eq!(removed(&report), gone);
}

#[test]
fn few_digests_at_a_time_make_no_difference() {
    for limit in [1, 2, 5, 12] {
        let (storage, keys) = kept();
        let expected = litter(&storage);
        let dry = collect(&storage, Options { dry_run: true, ..options() }, limit);
        let report = collect(&storage, options(), limit);
        assert_eq!((left(&storage), removed(&report), dry), (keys, expected, report.clone()), "{limit}");
        assert_eq!((report.repositories, report.manifests), (11, 13));
    }
}

#[test]
fn an_upload_that_may_be_in_use_stays() {
    let storage = Memory::default();
    for (id, days_ago) in [("old", 8), ("young", 6), ("grown", 9), ("seen", 9), ("held", 9), ("undated", 9)] {
        upload(&storage, "a/b", id, days_ago);
    }
    let repository = name("a/b");
    storage.set(&layout::upload_purge_mark(&repository, "grown"), b"4").unwrap();
    storage.set(&layout::upload_purge_mark(&repository, "seen"), b"5").unwrap();
    storage.delete(&layout::upload_started_at(&repository, "undated")).unwrap();
    let held = storage.open_upload(&layout::upload_data(&repository, "held")).unwrap();
    // Without bytes, as a crash leaves it.
    storage.set(&layout::upload_started_at(&repository, "empty"), b"2020-01-01T00:00:00Z").unwrap();
    let report = collect(&storage, options(), 10);
    assert_eq!((report.uploads, report.upload_bytes), (3, 10));
    let left = storage.keys().join(" ");
    for (id, stays) in
        [("old", false), ("young", true), ("grown", true), ("seen", false), ("held", true), ("empty", false)]
    {
        assert_eq!(left.contains(&format!("/{id}/")), stays, "{id}: {left}");
    }
    assert!(left.contains("/undated/data"));
    drop(held);
    assert_eq!(collect(&storage, options(), 10).uploads, 1);
}

#[test]
fn a_manifest_that_cannot_be_read_stops_the_collection() {
    /// A store in which content cannot be read.
    struct Broken(Memory);

    macro_rules! to_memory {
        ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
            $(fn $name(&self, $($argument: $type),*) -> lighter_storage::Result<$result> {
                self.0.$name($($argument),*)
            })*
        };
    }

    impl Storage for Broken {
        type Upload = <Memory as Storage>::Upload;
        to_memory! {
            get(key: &str) -> Option<Vec<u8>>;
            set(key: &str, value: &[u8]) -> ();
            create(key: &str, value: &[u8]) -> bool;
            delete(key: &str) -> ();
            delete_prefix(prefix: &str) -> ();
            list(prefix: &str, after: Option<&str>, limit: u32) -> Vec<String>;
            values(prefix: &str, after: Option<&str>, limit: u32) -> Vec<String>;
            stat(key: &str) -> Option<lighter_storage::BlobInfo>;
            enumerate(prefix: &str, after: Option<&str>, limit: u32) -> lighter_storage::BlobPage;
            put(key: &str, content: &[u8]) -> ();
            delete_blob(key: &str) -> ();
            received(id: &str) -> Option<u64>;
            create_upload(id: &str) -> Self::Upload;
            open_upload(id: &str) -> Self::Upload;
        }
        fn read(&self, _: &str, _: u64, _: u64) -> lighter_storage::Result<lighter_storage::Content> {
            Err(lighter_storage::Error::Other("the disk is broken".to_owned()))
        }
    }

    let (storage, _) = kept();
    litter(&storage);
    let before = left(&storage);
    let broken = Broken(storage);
    let until = Instant::now() + Duration::from_secs(600);
    let mut collection = Collection::with(&broken, options(), NOW, Still::default(), 10).unwrap();
    assert!(collection.step(until).unwrap_err().to_string().contains("the disk is broken"));
    // Not even if it is asked to go on.
    assert!(collection.step(until).unwrap_err().to_string().contains("begin it again"));
    let is_own = |key: &String| key.starts_with("lighter/collect");
    assert_eq!(left(&broken.0).into_iter().filter(|key| !is_own(key)).collect::<Vec<_>>(), before);
}
