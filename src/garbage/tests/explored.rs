//! Every order of the storage calls of whoever makes a reference, deletes one, and collects garbage: the real code of all of
//! them, over one store.
//!
//! What must hold at every end is in [`check`]. What the protocol takes for granted of time is exempt: time does not jump
//! between a collector's look at its clock and the removal that follows, nor within one call that tells or sets an age.

use std::fmt;
use std::time::{Duration, Instant};

use super::name;
use super::world::{Mistake, Seen, Store};
use crate::config::Validation;
use crate::garbage::outside::Outside as _;
use crate::garbage::{Collection, Options, Phase};
use crate::layout;
use crate::manifest::Manifest;
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

/// The same as [`store`], and a collection that has read all manifests: what it does next is to remove the link.
fn store_in_collection() -> Store {
    let seen = Seen::alone(store(), NOW);
    let mut collection = Collection::with(&seen, options(), NOW, seen.clone(), 100).unwrap();
    while collection.report().phase != Phase::Links {
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
    Repository::new(seen, &name("a")).delete_manifest(&digest, |_| false).unwrap();
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

pub(super) type Found = core::result::Result<Report, Box<Failure>>;

/// An actor: its name, what it does, with which mistake, and whether it may crash.
pub(super) type Actor<T> = (&'static str, fn(&Seen) -> T, Mistake, bool);

const PUSHER: Actor<End> = ("p", |seen| push(seen, "a"), Mistake::None, false);
const RETRYING: Actor<End> = ("r", upload_and_push, Mistake::None, false);
const UPLOADER: Actor<End> = ("u", upload, Mistake::None, false);
const MOUNTER: Actor<End> = ("m", mount_and_push, Mistake::None, false);
const DELETER: Actor<End> = ("d", delete, Mistake::None, false);
const COLLECTOR: Actor<End> = ("c", collect, Mistake::None, false);
const OTHER: Actor<End> = ("o", collect, Mistake::None, false);

pub(super) fn crashing<T>(actor: Actor<T>) -> Actor<T> {
    (actor.0, actor.1, actor.2, true)
}

pub(super) fn with<T>(mistake: Mistake, actor: Actor<T>) -> Actor<T> {
    (actor.0, actor.1, mistake, actor.3)
}

pub(super) fn scenario<T: Clone + fmt::Debug + 'static>(
    store: Store,
    actors: &[Actor<T>],
) -> Scenario<'static, Store, T> {
    let mut scenario = Scenario::new(store).waits(6).free_looks();
    for (name, act, mistake, may_crash) in actors.iter().copied() {
        let run = move |handle: &Handle<Store>| act(&Seen::new(handle, name, mistake));
        scenario = if may_crash { scenario.crashing(name, run) } else { scenario.actor(name, run) };
    }
    scenario
}

/// Time may jump, from a minute to more than a day, but not within what is taken for granted to be prompt.
pub(super) fn with_time<T: Clone + fmt::Debug>(
    scenario: Scenario<'static, Store, T>,
    jumps: u32,
) -> Scenario<'static, Store, T> {
    let may_jump = |calls: &[&super::world::Call]| !calls.iter().any(|call| call.is_prompt());
    scenario.jumps(jumps, &[90_000, 700]).jumps_only_if(may_jump)
}

/// How often an actor is interrupted that could go on, where there are too many orders to follow all.
pub(super) fn switches(usual: u32) -> u32 {
    if std::env::var_os("LIGHTER_LONG").is_some() { usual + 1 } else { usual }
}

pub(super) fn tell(what: &str, found: Found) {
    let report = found.unwrap();
    println!("{what}: {report}");
    assert!(report.states > 2_000, "{what}: {report}");
}

/// The exploration must find a mistake.
pub(super) fn tell_mistake(found: Found, message: &str) {
    let failure = found.unwrap_err();
    println!("{failure}");
    assert!(failure.message.contains(message), "{failure}");
}

const LOST: &str = "a manifest was acknowledged";

#[test]
fn a_pusher_beside_a_collector() {
    let both = scenario(store(), &[crashing(PUSHER), crashing(COLLECTOR)]);
    tell("pusher, collector", both.explore(check));
}

#[test]
fn an_uploader_beside_a_collector() {
    let both = scenario(store(), &[crashing(UPLOADER), crashing(COLLECTOR)]);
    tell("uploader, collector", both.explore(check));
}

#[test]
fn a_client_that_tries_again_beside_a_collector() {
    let both = scenario(store(), &[RETRYING, COLLECTOR]).switches(switches(4));
    tell("client, collector", both.explore(check));
}

#[test]
fn a_mounter_beside_a_collector() {
    let both = scenario(store(), &[crashing(MOUNTER), crashing(COLLECTOR)]).switches(switches(3));
    tell("mounter, collector", both.explore(check));
}

#[test]
fn a_pusher_and_a_deleter_beside_a_collector() {
    let three = scenario(store_with_image(), &[PUSHER, DELETER, crashing(COLLECTOR)]).switches(switches(3));
    tell("pusher, deleter, collector", three.explore(check));
}

#[test]
fn a_pusher_beside_two_collectors_of_one_collection() {
    let three = [PUSHER, crashing(COLLECTOR), crashing(OTHER)];
    let three = scenario(store_in_collection(), &three).switches(switches(2));
    tell("pusher, two collectors", three.explore(check));
}

#[test]
fn a_pusher_beside_two_collections() {
    let three = scenario(store(), &[PUSHER, crashing(COLLECTOR), crashing(OTHER)]).switches(switches(2));
    tell("pusher, two collections", three.explore(check));
}

#[test]
fn two_who_push_the_same_beside_a_collector() {
    let three = scenario(store(), &[PUSHER, RETRYING, COLLECTOR]).switches(switches(2));
    tell("pusher, client, collector", three.explore(check));
}

#[test]
fn a_pusher_beside_collectors_that_stand_still() {
    let three = scenario(store_in_collection(), &[PUSHER, COLLECTOR, OTHER]);
    let three = with_time(three.switches(switches(1)), 1);
    tell("pusher, two collectors, time", three.explore(|outcome| check_with(outcome, false)));
}

#[test]
fn a_pusher_that_stands_still_beside_a_collector() {
    let both = with_time(scenario(store_in_collection(), &[PUSHER, COLLECTOR]).switches(switches(2)), 1);
    tell("pusher, collector, time", both.explore(|outcome| check_with(outcome, false)));
}

#[test]
fn a_look_before_the_write_is_found() {
    let both = scenario(store(), &[with(Mistake::LooksFirst, PUSHER), COLLECTOR]);
    tell_mistake(both.explore(check), LOST);
}

#[test]
fn a_collection_without_a_trace_is_found() {
    let both = scenario(store(), &[PUSHER, with(Mistake::LeavesNoTrace, COLLECTOR)]);
    tell_mistake(both.explore(check), LOST);
}

#[test]
fn a_batch_of_an_ended_collection_is_found() {
    let three = [PUSHER, with(Mistake::GoesOnUnannounced, COLLECTOR), OTHER];
    tell_mistake(scenario(store_in_collection(), &three).switches(3).explore(check), LOST);
}

#[test]
fn an_announcement_that_is_checked_before_the_journal_is_found() {
    let three = [PUSHER, with(Mistake::ChecksTooEarly, COLLECTOR), OTHER];
    tell_mistake(scenario(store_in_collection(), &three).switches(3).explore(check), LOST);
}

#[test]
fn a_batch_that_does_not_read_the_journal_is_found() {
    let both = scenario(store(), &[PUSHER, with(Mistake::ReadsNoJournal, COLLECTOR)]);
    tell_mistake(both.explore(check), LOST);
}

#[test]
fn a_batch_without_a_mark_is_found() {
    let both = scenario(store(), &[PUSHER, with(Mistake::SetsNoMark, COLLECTOR)]);
    tell_mistake(both.explore(check), LOST);
}

#[test]
fn a_batch_that_does_not_ask_for_the_age_again_is_found() {
    let both = scenario(store(), &[UPLOADER, with(Mistake::TrustsTheFirstAge, COLLECTOR)]);
    tell_mistake(both.explore(check), "is gone");
}

#[test]
fn a_manifest_that_is_taken_back_without_a_mark_is_found() {
    let three = [with(Mistake::TakesBackUnmarked, PUSHER), RETRYING, COLLECTOR];
    tell_mistake(scenario(store(), &three).switches(4).explore(check), LOST);
}

#[test]
fn a_collector_that_does_not_look_at_its_clock_is_found() {
    let both = [PUSHER, with(Mistake::IgnoresTheClock, COLLECTOR)];
    let both = with_time(scenario(store_in_collection(), &both), 1);
    tell_mistake(both.explore(|outcome| check_with(outcome, false)), LOST);
}
