//! Every order of the storage calls of whoever makes a reference, deletes one, and collects garbage: the real code of all of
//! them, over one store.
//!
//! What must hold at every end is in [`check`]. What the protocol takes for granted of time is exempt: time does not jump
//! between a collector's look at its clock and the removal that follows, nor within one call that tells or sets an age.

use std::time::{Duration, Instant};

use super::world::{Mistake, Seen, Store};
use crate::config::Validation;
use crate::garbage::outside::Outside as _;
use crate::garbage::{Collection, Options};
use crate::layout;
use crate::manifest::Manifest;
use crate::name::Name;
use crate::push::{self, Pushed};
use crate::repository::Repository;
use lighter_explore::{Failure, Handle, Outcome, Report, Scenario};
use lighter_hash::{Algorithm, Digest};
use lighter_storage::Storage as _;

/// When everything begins.
const NOW: u64 = 1_000_000;

/// The grace period, in seconds.
const GRACE: u64 = 10_000;

/// The one blob that all of this is about.
const BLOB: &[u8] = b"a blob";

/// What an actor has achieved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// The manifest was acknowledged, in a repository.
    Pushed(&'static str),
    /// The manifest was refused, since its blob is gone.
    Refused(&'static str),
    /// The blob was acknowledged, at a time.
    Uploaded(u64),
    /// The upload was refused.
    Collected,
    /// The blob was not found to be mounted.
    NotMounted,
    Deleted,
    /// A collection is over.
    Over,
    /// A collection has failed: its clock has told it that it is late.
    Failed,
}

fn name(name: &str) -> Name {
    Name::parse(name).unwrap()
}

fn blob() -> Digest {
    Digest::of(Algorithm::Sha256, BLOB)
}

fn manifest() -> String {
    format!(r#"{{"schemaVersion":2,"config":{{"digest":"{}"}}}}"#, blob())
}

fn options() -> Options {
    Options { grace: Duration::from_secs(GRACE), uploads: Duration::from_secs(GRACE), dry_run: false }
}

/// A repository `a` that has the blob since long, and no manifest of it.
fn store() -> Store {
    let seen = Seen::alone(Store::default(), 1);
    seen.put(&layout::blob(&blob()), BLOB).unwrap();
    Repository::new(&seen, &name("a")).link_blob(&blob(), &blob()).unwrap();
    seen.store()
}

/// The same, and a manifest in `a` that keeps the blob.
fn store_with_image() -> Store {
    let seen = Seen::alone(store(), 1);
    push_with(&seen, "a", b" ");
    seen.store()
}

/// The same as [`store`], and a collection that has read all manifests: what it does next is to remove the content.
fn store_in_collection() -> Store {
    let seen = Seen::alone(store(), NOW);
    seen.delete(&layout::layer_link(&name("a"), &blob())).unwrap();
    Repository::new(&seen, &name("b")).keep_layers().unwrap();
    let mut collection = Collection::with(&seen, options(), NOW, seen.clone(), 100).unwrap();
    while collection.report().phase != crate::garbage::Phase::Content {
        assert!(!collection.step(Instant::now()).unwrap());
    }
    seen.store()
}

fn push_with(seen: &Seen, repository: &'static str, space: &[u8]) -> End {
    let content = [manifest().as_bytes(), space].concat();
    let digest = Digest::of(Algorithm::Sha256, &content);
    let manifest = &Manifest::parse(&content, None).unwrap();
    let repository_name = name(repository);
    let pushed = Pushed {
        content: &content,
        digest: &digest,
        canonical: &digest,
        manifest,
        validation: Validation::default(),
    };
    match push::manifest(&Repository::new(seen, &repository_name), seen, &pushed).unwrap().as_slice() {
        [] => End::Pushed(repository),
        _ => End::Refused(repository),
    }
}

fn push(seen: &Seen, repository: &'static str) -> End {
    push_with(seen, repository, b"")
}

fn upload(seen: &Seen) -> End {
    let since = seen.now();
    seen.put(&layout::blob(&blob()), BLOB).unwrap();
    match push::blob(&Repository::new(seen, &name("a")), seen, since, &blob(), &blob()).unwrap() {
        true => End::Uploaded(since),
        false => End::Collected,
    }
}

/// A client that uploads and pushes until that has succeeded.
fn upload_and_push(seen: &Seen) -> End {
    loop {
        if let (End::Uploaded(_), End::Pushed(repository)) = (upload(seen), push(seen, "a")) {
            return End::Pushed(repository);
        }
    }
}

/// A client that mounts the blob from `a`, and pushes if it could.
fn mount_and_push(seen: &Seen) -> End {
    let since = seen.now();
    let (a, b) = (name("a"), name("b"));
    let b = Repository::new(seen, &b);
    let Some(found) = b.other(&a).blob(&blob()).unwrap() else { return End::NotMounted };
    match push::blob(&b, seen, since, &blob(), &found.canonical).unwrap() {
        true => push(seen, "b"),
        false => End::NotMounted,
    }
}

/// A client that deletes the manifest of [`store_with_image`].
fn delete(seen: &Seen) -> End {
    let digest = Digest::of(Algorithm::Sha256, [manifest().as_bytes(), b" "].concat().as_slice());
    Repository::new(seen, &name("a")).delete_manifest(&digest).unwrap();
    End::Deleted
}

fn collect(seen: &Seen) -> End {
    // No deadline comes: the same replies lead to the same calls.
    let until = Instant::now() + Duration::from_secs(86_400);
    let begun = Collection::with(seen, options(), seen.now(), seen.clone(), 100);
    match begun.and_then(|mut collection| collection.step(until)) {
        Ok(is_over) => {
            assert!(is_over);
            End::Over
        }
        Err(_) => End::Failed,
    }
}

/// What must hold at every end.
fn check(outcome: &Outcome<'_, Store, End>) {
    check_with(outcome, true);
}

fn check_with(outcome: &Outcome<'_, Store, End>, is_told_alone: bool) {
    let world = outcome.world;
    let digest = Digest::of(Algorithm::Sha256, manifest().as_bytes());
    let has_blob = |world: &Store| world.has(&layout::blob(&blob()));
    let check_image = |world: &Store, repository: &str, when: &str| {
        let repository = name(repository);
        for key in [
            layout::revision_link(&repository, &digest),
            layout::blob(&digest),
            layout::layer_link(&repository, &blob()),
            layout::blob(&blob()),
        ] {
            assert!(world.has(&key), "{when}: a manifest was acknowledged, and there is no {key}");
        }
    };
    let ends = || outcome.results.iter().flatten();
    for end in ends() {
        match *end {
            End::Pushed(repository) => check_image(world, repository, "at the end"),
            End::Uploaded(time) if outcome.time < time + GRACE => {
                assert!(has_blob(world), "a blob was acknowledged a moment ago, and is gone");
                assert!(world.has(&layout::layer_link(&name("a"), &blob())), "its link is gone");
            }
            // Whoever crashed may have pushed it too.
            End::Refused(repository)
                if is_told_alone && !ends().any(|end| *end == End::Pushed(repository)) =>
            {
                let link = layout::revision_link(&name(repository), &digest);
                assert!(!world.has(&link) || outcome.results.contains(&None), "a manifest is half stored");
            }
            _ => {}
        }
    }
    // One more collection, long after that and alone.
    let seen = Seen::alone(world.clone(), outcome.time + 2 * 86_400);
    assert_eq!(collect(&seen), End::Over);
    // What the first has gone on with may have been collected before the last push.
    assert_eq!(collect(&seen), End::Over);
    let after = seen.store();
    for end in ends() {
        if let End::Pushed(repository) = *end {
            check_image(&after, repository, "after one more collection");
        }
    }
    let keys = after.keys();
    let count = |what: &str| keys.iter().filter(|key| key.contains(what)).count();
    assert_eq!((count("lighter/collector/"), count("lighter/collection/")), (0, 1), "{keys:?}");
    // Everything that is left is referred to.
    let images = count("/_manifests/revisions/");
    if images == 0 {
        assert_eq!((count("/blobs/sha256/"), count("/_layers/sha256/")), (0, 0), "{keys:?}");
    }
}

type Found = core::result::Result<Report, Box<Failure>>;

/// Explores some actors, each with its mistake.
fn scenario(store: Store) -> Scenario<'static, Store, End> {
    Scenario::new(store).waits(6)
}

fn as_actor(
    name: &'static str,
    mistake: Mistake,
    act: impl Fn(&Seen) -> End + 'static,
) -> impl Fn(&Handle<Store>) -> End + 'static {
    move |handle| act(&Seen::new(handle, name, mistake))
}

fn tell(what: &str, report: &Report) {
    println!("{what}: {report}");
    assert!(report.states > 1000, "{what}: {report}");
}

fn pusher_and_collector(pusher: Mistake, collector: Mistake) -> Found {
    scenario(store())
        .crashing("pusher", as_actor("p", pusher, |seen| push(seen, "a")))
        .crashing("collector", as_actor("c", collector, collect))
        .explore_simplest_first(check)
}

#[test]
fn a_pusher_beside_a_collector() {
    tell("pusher, collector", &pusher_and_collector(Mistake::None, Mistake::None).unwrap());
}

#[test]
fn an_uploader_beside_a_collector() {
    let both = scenario(store())
        .crashing("uploader", as_actor("u", Mistake::None, upload))
        .crashing("collector", as_actor("c", Mistake::None, collect));
    tell("uploader, collector", &both.explore_simplest_first(check).unwrap());
}

#[test]
fn a_mounter_beside_a_collector() {
    let both = scenario(store())
        .crashing("mounter", as_actor("m", Mistake::None, mount_and_push))
        .crashing("collector", as_actor("c", Mistake::None, collect));
    tell("mounter, collector", &both.explore_simplest_first(check).unwrap());
}
