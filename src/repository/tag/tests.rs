//! Those who push an immutable tag at once, in every order of their storage calls, with crashes of each at any point.

use std::collections::BTreeMap;
use std::fmt;

use lighter_explore::{Handle, Outcome, Scenario, World};
use lighter_hash::Algorithm;
use lighter_storage::{BlobInfo, BlobPage, Content, Memory};

use super::*;
use crate::name::Name;

const TAG: &str = "v1";

/// Values, in an order, and the content of blobs beside them.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Store(BTreeMap<String, Vec<u8>>);

#[derive(Clone, PartialEq, Eq)]
enum Call {
    Get(String),
    Set(String, Vec<u8>),
    Create(String, Vec<u8>),
}

impl Call {
    fn key(&self) -> &str {
        let (Self::Get(key) | Self::Set(key, _) | Self::Create(key, _)) = self;
        key
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        match self {
            Self::Get(key) => write!(f, "get {key}"),
            Self::Set(key, value) => write!(f, "set {key} to {}", text(value)),
            Self::Create(key, value) => write!(f, "create {key} with {}", text(value)),
        }
    }
}

impl World for Store {
    type Call = Call;
    /// A value, or `Some` if something was created.
    type Reply = Option<Vec<u8>>;

    fn perform(&mut self, call: &Call) -> Self::Reply {
        let old = self.0.get(call.key()).cloned();
        match call {
            Call::Get(_) => old,
            Call::Create(..) if old.is_some() => None,
            Call::Set(key, value) | Call::Create(key, value) => {
                self.0.insert(key.clone(), value.clone());
                Some(Vec::new())
            }
        }
    }

    fn touches(call: &Call) -> Vec<String> {
        vec![call.key().to_owned()]
    }
}

/// The store as one of several sees it: blobs are values too.
struct Explored(Handle<Store>);

impl Explored {
    fn call(&self, call: Call) -> Result<Option<Vec<u8>>> {
        self.0.call(call).map_err(|_| Error::Other("stopped".into()))
    }
}

impl Storage for Explored {
    type Upload = <Memory as Storage>::Upload;

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.call(Call::Get(key.to_owned()))
    }

    fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        self.call(Call::Set(key.to_owned(), value.to_owned())).map(drop)
    }

    fn create(&self, key: &str, value: &[u8]) -> Result<bool> {
        Ok(self.call(Call::Create(key.to_owned(), value.to_owned()))?.is_some())
    }

    fn stat(&self, key: &str) -> Result<Option<BlobInfo>> {
        Ok(self.get(key)?.map(|content| BlobInfo { size: content.len() as u64, age: None }))
    }

    fn put(&self, key: &str, content: &[u8]) -> Result<()> {
        self.set(key, content)
    }

    fn delete(&self, _: &str) -> Result<()> {
        unreachable!("a push deletes nothing")
    }

    fn delete_prefix(&self, _: &str) -> Result<()> {
        unreachable!("a push deletes nothing")
    }

    fn list(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>> {
        unreachable!("a push lists nothing")
    }

    fn values(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>> {
        unreachable!("a push lists nothing")
    }

    fn enumerate(&self, _: &str, _: Option<&str>, _: u32) -> Result<BlobPage> {
        unreachable!("a push lists nothing")
    }

    fn read(&self, _: &str, _: u64, _: u64) -> Result<Content> {
        unreachable!("a push reads no content")
    }

    fn delete_blob(&self, _: &str) -> Result<()> {
        unreachable!("a push deletes nothing")
    }

    fn received(&self, _: &str) -> Result<Option<u64>> {
        unreachable!("a push of a manifest has no upload")
    }

    fn create_upload(&self, _: &str) -> Result<Self::Upload> {
        unreachable!("a push of a manifest has no upload")
    }

    fn open_upload(&self, _: &str) -> Result<Self::Upload> {
        unreachable!("a push of a manifest has no upload")
    }
}

fn name() -> Name {
    Name::parse("a").unwrap()
}

fn digest(content: &str) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_bytes())
}

/// Pushes a manifest as a request does, and returns whether the tag is its own.
fn push(storage: &impl Storage, content: &str) -> bool {
    let (name, digest) = (name(), digest(content));
    let repository = Repository::new(storage, &name);
    if repository.held_by_tag(TAG).unwrap().is_some_and(|held| held != digest) {
        return false;
    }
    repository.put_manifest(content.as_bytes(), &digest, &digest, None).unwrap();
    repository.claim_tag(TAG, &digest, &digest).unwrap()
}

/// Pushes a manifest as it would be without repairs: what is damaged is written over.
fn push_without_repairs(storage: &impl Storage, content: &str) -> bool {
    let (name, digest) = (name(), digest(content));
    let repository = Repository::new(storage, &name);
    repository.put_manifest(content.as_bytes(), &digest, &digest, None).unwrap();
    if storage.create(&layout::tag_link(&name, TAG), digest.as_str().as_bytes()).unwrap() {
        return true;
    }
    match repository.held_by_tag(TAG).unwrap() {
        Some(held) => held == digest,
        None => repository.move_tag(TAG, &digest).is_ok(),
    }
}

/// A store in which the tag is absent, or its link has this value after some repairs.
fn store(link: Option<&str>, repairs: &[&str]) -> Store {
    let mut store = Store::default();
    let values = link.map(|link| (layout::tag_link(&name(), TAG), link)).into_iter();
    let repairs =
        (1..).zip(repairs).map(|(number, value)| (layout::tag_repair(&name(), TAG, number), *value));
    store.0.extend(values.chain(repairs).map(|(key, value)| (key, value.as_bytes().to_owned())));
    store
}

/// What the tag points to in the end, and what another push of that then tells.
fn check(contents: &[&str], outcome: &Outcome<'_, Store, bool>) {
    let has_won = |at: &usize| outcome.results[*at] == Some(true);
    let winners: Vec<&str> = (0..contents.len()).filter(has_won).map(|at| contents[at]).collect();
    assert!(winners.iter().all(|winner| *winner == winners[0]), "several have won: {winners:?}");
    if let Some(winner) = winners.first() {
        assert_eq!(digest_of(contents, &outcome.world.0[&layout::tag_link(&name(), TAG)]), Some(*winner));
    }
    // One who comes later, alone, finds it so, or decides what nobody has.
    let scenario = Scenario::new(outcome.world.clone())
        .actor("later", |handle| push(&Explored(handle.clone()), "later"));
    let later = scenario.explore(|later| {
        let link = &later.world.0[&layout::tag_link(&name(), TAG)];
        let held = digest_of(contents, link);
        match winners.first() {
            Some(winner) => assert_eq!((held, later.results[0]), (Some(*winner), Some(false))),
            None => assert!(held.is_some() || later.results[0] == Some(true)),
        }
    });
    later.unwrap();
    // And if all have ended, one has won.
    assert!(!winners.is_empty() || outcome.results.iter().any(Option::is_none), "nobody has won");
}

fn digest_of<'a>(contents: &[&'a str], link: &[u8]) -> Option<&'a str> {
    contents.iter().find(|content| digest(content).as_str().as_bytes() == link).copied()
}

fn scenario(
    store: Store,
    contents: &'static [&'static str],
    crashing: bool,
    push: fn(&Explored, &str) -> bool,
) -> Scenario<'static, Store, bool> {
    let mut scenario = Scenario::new(store);
    for content in contents {
        let act = move |handle: &Handle<Store>| push(&Explored(handle.clone()), content);
        scenario = if crashing { scenario.crashing(content, act) } else { scenario.actor(content, act) };
    }
    scenario.crashes(if crashing { contents.len() as u32 - 1 } else { 0 })
}

#[test]
fn of_pushes_at_once_one_wins() {
    let lost = digest("a manifest that is lost");
    for (what, link, repairs) in [
        ("absent", None, &[][..]),
        ("empty", Some(""), &[]),
        ("malformed", Some("sha256:2cf2"), &[]),
        ("of a lost manifest", Some(lost.as_str()), &[]),
        ("repaired, and damaged again", Some(""), &[lost.as_str(), ""]),
    ] {
        for contents in [&["one", "two"][..], &["one", "two", "two"]] {
            for crashing in [false, true] {
                // Of three there are too many schedules to follow all of them each time.
                let switches = if std::env::var_os("LIGHTER_LONG").is_some() { 3 } else { 1 };
                let scenario = scenario(store(link, repairs), contents, crashing, push);
                let scenario = if contents.len() > 2 { scenario.switches(switches) } else { scenario };
                let report = scenario.explore_simplest_first(|outcome| check(contents, outcome)).unwrap();
                println!("a tag that is {what}, {contents:?}, crashing: {crashing}: {report}");
            }
        }
    }
}

/// Without the numbered repairs, the exploration finds two winners.
#[test]
fn without_repairs_several_would_win() {
    let contents = &["one", "two"];
    let fails = |link| {
        let scenario = scenario(store(link, &[]), contents, false, push_without_repairs);
        scenario.explore_simplest_first(|outcome| check(contents, outcome)).err()
    };
    assert!(fails(None).is_none());
    let failure = fails(Some("")).unwrap();
    assert!(failure.message.contains("several have won"), "{failure}");
}

#[test]
fn the_same_manifest_is_pushed_again_by_any_digest() {
    let (storage, name) = (Memory::default(), name());
    let repository = Repository::new(&storage, &name);
    assert!(push(&storage, "one") && push(&storage, "one") && !push(&storage, "two"));
    let other = Digest::of(Algorithm::Sha512, b"one");
    repository.put_manifest(b"one", &other, &digest("one"), None).unwrap();
    assert!(repository.claim_tag(TAG, &other, &digest("one")).unwrap());
    let (served, _) = repository.manifest(&Reference::Tag(TAG.to_owned())).unwrap().unwrap();
    assert_eq!(served, digest("one"));
    // A deletion takes everything with it.
    assert_eq!(repository.delete_tag(TAG).unwrap(), Deletion::Done);
    assert!(!storage.keys().iter().any(|key| key.contains("/tags/")), "{:?}", storage.keys());
    assert!(push(&storage, "two"));
}

#[test]
fn repairs_come_to_an_end() {
    let (storage, name) = (Memory::default(), name());
    storage.set(&layout::tag_link(&name, TAG), b"").unwrap();
    for number in 1..=REPAIRS {
        storage.set(&layout::tag_repair(&name, TAG, number), b"").unwrap();
    }
    let error = Repository::new(&storage, &name).claim_tag(TAG, &digest("one"), &digest("one")).unwrap_err();
    assert!(error.to_string().contains("repaired 1000 times"), "{error}");
}
