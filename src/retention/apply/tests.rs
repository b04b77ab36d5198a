//! Removal over storage in memory, whose blobs have the age that a test gives them, with pushes at any point.

use std::cell::RefCell;
use std::collections::BTreeMap;

use lighter_hash::Algorithm;
use lighter_storage::{BlobInfo, BlobPage, Content, Memory};

use super::super::Rules;
use super::super::contents::Limits;
use super::*;
use crate::garbage::tests::stores::Still;

const DAY: u64 = 86_400;

/// What is done once, before the first call whose name and key contain some text.
type Meanwhile = (&'static str, Box<dyn FnOnce(&Aged)>);

/// Storage whose blobs are as old as a test says, until they are published again.
#[derive(Default)]
pub(in crate::retention) struct Aged {
    pub(in crate::retention) memory: Memory,
    pub(in crate::retention) ages: RefCell<BTreeMap<String, Option<u64>>>,
    meanwhile: RefCell<Option<Meanwhile>>,
    deletions: RefCell<usize>,
}

impl Aged {
    fn at(&self, call: &str, key: &str) -> &Memory {
        let is_now = |(when, _): &mut Meanwhile| format!("{call} {key}").contains(*when);
        let meanwhile = self.meanwhile.borrow_mut().take_if(is_now);
        if let Some((_, act)) = meanwhile {
            act(self);
        }
        &self.memory
    }

    fn meanwhile(&self, when: &'static str, act: impl FnOnce(&Self) + 'static) {
        *self.meanwhile.borrow_mut() = Some((when, Box::new(act)));
    }

    /// Pushes a manifest, and returns its digest.
    fn push(&self, content: &str, tags: &[&str]) -> Digest {
        let (name, digest) = (name(), Digest::of(Algorithm::Sha256, content.as_bytes()));
        self.push_as(content, &digest);
        tags.iter().for_each(|tag| Repository::new(self, &name).move_tag(tag, &digest).unwrap());
        digest
    }

    fn push_as(&self, content: &str, digest: &Digest) {
        let canonical = Digest::of(Algorithm::Sha256, content.as_bytes());
        let subject = crate::referrer::Referrer::of(content.as_bytes()).and_then(|referrer| referrer.subject);
        let name = name();
        let repository = Repository::new(self, &name);
        repository.put_manifest(content.as_bytes(), digest, &canonical, subject.as_ref()).unwrap();
    }

    /// The same, so many days ago.
    fn pushed(&self, content: &str, tags: &[&str], days: u64) -> Digest {
        let digest = self.push(content, tags);
        self.ages.borrow_mut().insert(layout(&digest), Some(days * DAY));
        digest
    }

    fn apply(&self, rule: &str, immutable: &str, dry_run: bool) -> Vec<String> {
        let rules = Rules::parse(&format!(r#"{{"repositories": {{"a/*": {{{rule}}}}}}}"#)).unwrap();
        let immutable = ImmutableTags::parse(immutable).unwrap();
        let mut lines = Vec::new();
        let name = name();
        let repository = Repository::new(self, &name);
        let rule = rules.of(&name).unwrap();
        let (still, report) = (Still::default(), &mut |finding: &Finding| lines.push(finding.to_string()));
        apply(&repository, rule, &immutable, dry_run, &mut Trace::new(&still), report).unwrap();
        lines
    }

    fn tags(&self) -> Vec<String> {
        Repository::new(self, &name()).tags(None, u32::MAX).unwrap()
    }

    fn has(&self, digest: &Digest) -> bool {
        Repository::new(self, &name()).has_manifest(digest).unwrap()
    }
}

fn layout(digest: &Digest) -> String {
    crate::layout::blob(digest)
}

fn name() -> Name {
    Name::parse("a/b").unwrap()
}

/// A manifest that names others.
pub(in crate::retention) fn index(text: &str, named: &[&Digest]) -> String {
    let named: Vec<_> = named.iter().map(|digest| format!(r#"{{"digest":"{digest}"}}"#)).collect();
    format!(r#"{{"schemaVersion":2,"text":"{text}","manifests":[{}]}}"#, named.join(","))
}

fn referrer(text: &str, subject: &Digest) -> String {
    format!(r#"{{"schemaVersion":2,"text":"{text}","subject":{{"digest":"{subject}"}}}}"#)
}

impl Storage for Aged {
    type Upload = <Memory as Storage>::Upload;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.at("get", key).get(key)
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.at("set", key).set(key, value)
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<bool> {
        self.at("create", key).create(key, value)
    }

    fn delete(&self, key: &str) -> Result<()> {
        *self.deletions.borrow_mut() += 1;
        self.at("delete", key).delete(key)
    }

    fn delete_prefix(&self, prefix: &str) -> Result<()> {
        *self.deletions.borrow_mut() += 1;
        self.at("delete-prefix", prefix).delete_prefix(prefix)
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        self.at("list", prefix).list(prefix, after, limit)
    }

    fn values(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
        self.at("values", prefix).values(prefix, after, limit)
    }

    fn stat(&self, key: &str) -> Result<Option<BlobInfo>> {
        let info = self.at("stat", key).stat(key)?;
        let age = self.ages.borrow().get(key).copied();
        Ok(info.map(|info| BlobInfo { age: age.unwrap_or(info.age), ..info }))
    }

    fn enumerate(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<BlobPage> {
        self.at("enumerate", prefix).enumerate(prefix, after, limit)
    }

    fn read(&self, key: &str, offset: u64, length: u64) -> Result<Content> {
        self.at("read", key).read(key, offset, length)
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        self.ages.borrow_mut().remove(key);
        self.at("put", key).put(key, content)
    }

    fn delete_blob(&self, key: &str) -> Result<()> {
        self.at("delete-blob", key).delete_blob(key)
    }

    fn received(&self, id: &str) -> Result<Option<u64>> {
        self.memory.received(id)
    }

    fn create_upload(&self, id: &str) -> Result<Self::Upload> {
        self.memory.create_upload(id)
    }

    fn open_upload(&self, id: &str) -> Result<Self::Upload> {
        self.memory.open_upload(id)
    }
}

const RULE: &str = r#""keep_newest": 1, "keep_tags": ["latest"], "keep_untagged_days": 7"#;

/// Nothing is immutable.
pub(in crate::retention) const NONE: &str = "!*:*";

#[test]
fn what_a_dry_run_says_is_what_is_removed() {
    let storage = Aged::default();
    let child = storage.pushed("{}", &[], 50);
    let latest = storage.pushed(&index("latest", &[&child]), &["latest"], 40);
    let newest = storage.pushed(&index("newest", &[]), &["v3"], 5);
    let old = storage.pushed(&index("old", &[]), &["v1", "v2"], 45);
    let signature = storage.pushed(&referrer("old", &old), &[], 44);
    let kept = storage.pushed(&referrer("latest", &latest), &[], 44);
    let unknown = storage.push(&index("unknown", &[]), &[]);
    storage.ages.borrow_mut().insert(layout(&unknown), None);
    let mutable = storage.memory.keys();

    let dry = storage.apply(RULE, NONE, true);
    assert_eq!((storage.memory.keys(), *storage.deletions.borrow()), (mutable, 0));
    let why = "without a tag, and without another manifest that keeps it, it is kept for 7 days";
    let mut expected = vec![
        "a/b:v1 would be removed: pushed 45 days ago; kept are the newest 1, `latest`".to_owned(),
        "a/b:v2 would be removed: pushed 45 days ago; kept are the newest 1, `latest`".to_owned(),
        format!("a/b@{old} would be removed: pushed 45 days ago; {why}"),
        format!("a/b@{signature} would be removed: pushed 44 days ago; {why}"),
        format!("a/b@{unknown} would be removed: pushed before the store kept the time of that; {why}"),
    ];
    let sorted = |mut lines: Vec<String>| {
        lines.sort_unstable();
        lines
    };
    expected.sort_unstable();
    assert_eq!(sorted(dry.clone()), expected);

    let done = storage.apply(RULE, NONE, false);
    assert_eq!(done.join("\n"), dry.join("\n").replace("would be removed", "removed"));
    assert_eq!(storage.tags(), ["latest", "v3"]);
    assert!([&child, &latest, &newest, &kept].into_iter().all(|digest| storage.has(digest)));
    assert!(![&old, &signature, &unknown].into_iter().any(|digest| storage.has(digest)));
    let of_old = [&old, &signature].map(|digest| digest.hex().to_owned());
    let left: Vec<String> =
        storage.memory.keys().into_iter().filter(|key| !key.contains("/blobs/")).collect();
    assert!(!left.iter().any(|key| of_old.iter().any(|hex| key.contains(hex))), "{left:#?}");
    assert_eq!(storage.apply(RULE, NONE, false), [""; 0]);
}

#[test]
fn without_a_rule_nothing_is_even_read() {
    let storage = Aged::default();
    storage.pushed("{}", &["v1"], 50);
    storage.meanwhile("", |_| panic!("a call"));
    assert_eq!(storage.apply("", NONE, false), [""; 0]);
}

#[test]
fn immutable_tags_stay_with_what_they_need() {
    let storage = Aged::default();
    let child = storage.pushed("{}", &[], 50);
    storage.pushed(&index("v1", &[&child]), &["v1", "other"], 50);
    storage.pushed(&index("latest", &[]), &["latest"], 50);
    let lines = storage.apply(r#""keep_tags": ["latest"], "keep_untagged_days": 1"#, "*:v*", false);
    assert_eq!(lines, ["a/b:other removed: pushed 50 days ago; kept are `latest`"]);
    assert_eq!(storage.tags(), ["latest", "v1"]);
    assert!(storage.has(&child));
}

#[test]
fn a_manifest_goes_under_all_its_digests() {
    let storage = Aged::default();
    let content = index("sha512", &[]);
    let [other, canonical] =
        [Algorithm::Sha512, Algorithm::Sha256].map(|algorithm| Digest::of(algorithm, content.as_bytes()));
    storage.push_as(&content, &other);
    Repository::new(&storage, &name()).move_tag("v1", &other).unwrap();
    // An index that names it by the other digest.
    let parent = storage.pushed(&index("parent", &[&other]), &["parent"], 1);
    storage.ages.borrow_mut().insert(layout(&canonical), Some(50 * DAY));
    let lines = storage.apply(r#""keep_days": 30, "keep_untagged_days": 7"#, NONE, false);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(storage.has(&other) && storage.has(&canonical) && storage.tags() == ["parent"]);
    storage.ages.borrow_mut().insert(layout(&parent), Some(50 * DAY));
    storage.apply(r#""keep_days": 30, "keep_untagged_days": 7"#, NONE, false);
    assert!(!storage.has(&other) && !storage.has(&canonical) && storage.tags().is_empty());
}

#[test]
fn a_tag_that_is_moved_meanwhile_stays() {
    let storage = Aged::default();
    storage.pushed(&index("latest", &[]), &["latest"], 1);
    let old = storage.pushed(&index("old", &[]), &["v1", "v2"], 50);
    // Between the decision and the look at the tag.
    storage.meanwhile("stat docker/registry/v2/blobs", |_| {});
    let mut reads = 0;
    let content = index("new", &[]);
    storage.meanwhile(
        "delete-prefix docker/registry/v2/repositories/a/b/_manifests/tags/v1",
        move |storage| {
            storage.push(&content, &["v2"]);
            reads += 1;
            assert_eq!(reads, 1);
        },
    );
    let lines = storage.apply(r#""keep_tags": ["latest"], "keep_untagged_days": 7"#, NONE, false);
    assert_eq!(lines[1], "a/b:v2 stays: it was pushed meanwhile", "{lines:#?}");
    assert!(!storage.has(&old));
    // Another round decides about the tag as it is then.
    assert_eq!(lines[2], "a/b:v2 removed: pushed 0 days ago; kept are `latest`");
}

#[test]
fn a_manifest_that_is_pushed_again_meanwhile_stays_with_what_it_names() {
    let storage = Aged::default();
    let child = storage.pushed("{}", &[], 50);
    let content = index("parent", &[&child]);
    let parent = storage.pushed(&content, &["v1"], 50);
    let signature = storage.pushed(&referrer("parent", &parent), &[], 50);
    storage.pushed(&index("latest", &[]), &["latest"], 1);
    storage.meanwhile(
        "delete-prefix docker/registry/v2/repositories/a/b/_manifests/tags/v1",
        move |storage| {
            // The tag is pushed again just too late, and lost.
            storage.push(&content, &["v1"]);
        },
    );
    storage.apply(RULE, NONE, false);
    assert_eq!(storage.tags(), ["latest"]);
    assert!([&child, &parent, &signature].into_iter().all(|digest| storage.has(digest)));
}

#[test]
fn what_an_index_names_that_is_pushed_meanwhile_stays() {
    let storage = Aged::default();
    let child = storage.pushed("{}", &[], 50);
    let gone = storage.pushed(&index("gone", &[]), &[], 50);
    storage.pushed(&index("old", &[]), &["v1"], 50);
    storage.pushed(&index("latest", &[]), &["latest"], 1);
    let parent = index("parent", &[&child]);
    // When the tags are removed, the manifests are not decided yet.
    storage.meanwhile(
        "delete-prefix docker/registry/v2/repositories/a/b/_manifests/tags/v1",
        move |storage| {
            storage.push(&parent, &["v2"]);
        },
    );
    storage.apply(r#""keep_tags": ["latest", "v2"], "keep_untagged_days": 7"#, NONE, false);
    assert!(storage.has(&child) && !storage.has(&gone));
    assert_eq!(storage.tags(), ["latest", "v2"]);
}

#[test]
fn of_many_batches_what_is_pushed_between_them_stays() {
    let storage = Aged::default();
    let count = BATCH * 2 + 10;
    let mut digests: Vec<Digest> =
        (0..count).map(|n| storage.pushed(&index(&n.to_string(), &[]), &[], 50)).collect();
    digests.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    let last = digests[count - 1].clone();
    let parent = index("parent", &[&last]);
    storage.meanwhile("delete ", move |storage| {
        storage.push(&parent, &[]);
    });
    let lines = storage.apply(RULE, NONE, false);
    assert_eq!(lines.len(), count - 1);
    assert!(storage.has(&last) && !storage.has(&digests[0]) && !storage.has(&digests[count - 2]));
}

#[test]
fn as_long_as_a_manifest_cannot_be_read_it_and_all_others_stay() {
    let storage = Aged::default();
    let child = storage.pushed("{}", &[], 50);
    let content = index("parent", &[&child]);
    let parent = storage.pushed(&content, &["v1"], 50);
    storage.pushed(&index("old", &[]), &["v2"], 60);
    let warning = format!(
        "a/b stays: all its manifests do, because {parent} cannot be read, and may name any; push or delete that one"
    );
    let link = crate::layout::revision_link(&name(), &parent);
    let breaks: [&dyn Fn(); 3] = [
        &|| storage.memory.delete_blob(&layout(&parent)).unwrap(),
        &|| storage.memory.put(&layout(&parent), b"broken").unwrap(),
        &|| storage.memory.set(&link, b"").unwrap(),
    ];
    for (number, damage) in breaks.into_iter().enumerate() {
        storage.pushed(&content, &["v1"], 50);
        damage();
        let lines = storage.apply(RULE, NONE, false);
        assert_eq!(lines[0], warning, "{number}: {lines:#?}");
        // What has just been damaged is as old as the damage.
        let tags = [&["v1", "v2"][..], &["v1"], &["v1"]][number];
        assert_eq!(
            (storage.tags(), lines.len()),
            (tags.iter().map(|tag| (*tag).to_owned()).collect(), [1, 2, 1][number])
        );
        assert!(storage.has(&child));
    }
    // Without a limit for manifests there is nothing to say.
    assert_eq!(storage.apply(r#""keep_newest": 9"#, NONE, false), [""; 0]);
    // A push heals it.
    storage.pushed(&content, &["v1"], 50);
    assert_eq!(storage.apply(RULE, NONE, false).len(), 1);
    assert!(storage.has(&child) && storage.has(&parent));
}

#[test]
fn a_repository_beyond_the_limits_is_left_as_it_is() {
    let storage = Aged::default();
    let child = storage.push("{}", &["v1", "v2"]);
    storage.push(&index("parent", &[&child]), &[]);
    let name = name();
    let read = |limits| Contents::within(limits).read(&Repository::new(&storage, &name), |_| false);
    let limits = |tags, manifests, names| Limits { tags, manifests, names };
    read(limits(2, 2, 1)).unwrap();
    for (limits, of) in [
        (limits(1, 2, 1), "tags"),
        (limits(2, 1, 1), "manifests"),
        (limits(2, 2, 0), "references among manifests"),
    ] {
        match read(limits) {
            Err(Stop::TooMany(what, _)) => assert_eq!(what, of),
            other => panic!("{of}: {other:?}"),
        }
    }
}
