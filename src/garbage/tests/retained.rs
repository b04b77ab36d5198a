//! Every order of the storage calls of a client that pushes and of retention, which removes manifests as a collector removes
//! garbage.

use super::explored::{Actor, Found, crashing, scenario, switches, tell, tell_mistake, with, with_time};
use super::name;
use super::world::{Mistake, Seen, Store};
use crate::config::Validation;
use crate::garbage::look::Trace;
use crate::immutable_tags::ImmutableTags;
use crate::layout;
use crate::manifest::Manifest;
use crate::push::{self, Pushed};
use crate::repository::Repository;
use crate::retention::{self, Rule};
use lighter_explore::{Outcome, Scenario};
use lighter_hash::{Algorithm, Digest};

/// An old manifest without a tag, which names nothing.
const OLD: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

const LOST: &str = "was acknowledged";

fn old() -> Digest {
    Digest::of(Algorithm::Sha256, OLD)
}

/// An index that names the old manifest.
fn index() -> Vec<u8> {
    let kind = "application/vnd.oci.image.index.v1+json";
    let named = format!(r#"{{"mediaType":"{kind}","digest":"{}","size":{}}}"#, old(), OLD.len());
    format!(r#"{{"schemaVersion":2,"mediaType":"{kind}","manifests":[{named}]}}"#).into_bytes()
}

fn store() -> Store {
    let seen = Seen::alone(Store::default(), 1);
    assert!(push(&seen, OLD));
    seen.store()
}

fn push(seen: &Seen, content: &[u8]) -> bool {
    let digest = Digest::of(Algorithm::Sha256, content);
    let manifest = &Manifest::parse(content, None).unwrap();
    let (name, validation) = (name("a"), Validation::default());
    let pushed = Pushed { content, digest: &digest, canonical: &digest, manifest, validation };
    push::manifest(&Repository::new(seen, &name), seen, &pushed).unwrap().is_empty()
}

/// What an actor has achieved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Pushed,
    /// The index was refused, since the old manifest is gone.
    Refused,
    /// The old manifest has a tag now.
    Tagged,
    Retained,
}

const PUSHER: Actor<End> =
    ("p", |seen| if push(seen, &index()) { End::Pushed } else { End::Refused }, Mistake::None, false);
const TAGGER: Actor<End> = ("t", tag, Mistake::None, false);
const RETAINER: Actor<End> = ("r", retain, Mistake::None, false);
const OTHER: Actor<End> = ("o", retain, Mistake::None, false);

fn tag(seen: &Seen) -> End {
    assert!(push(seen, OLD));
    Repository::new(seen, &name("a")).move_tag("v1", &old()).unwrap();
    End::Tagged
}

fn retain(seen: &Seen) -> End {
    let rule = Rule { untagged_days: Some(10), ..Rule::default() };
    let (name, none) = (name("a"), ImmutableTags::default());
    let repository = Repository::new(seen, &name);
    retention::apply(&repository, &rule, &none, false, &mut Trace::new(seen), &mut |_| {}).unwrap();
    End::Retained
}

fn explore(scenario: Scenario<'static, Store, End>) -> Found {
    explore_with(scenario, true)
}

/// The same, where one who has stood still may leave the index that was refused.
fn explore_with(scenario: Scenario<'static, Store, End>, is_told_alone: bool) -> Found {
    scenario.explore(|outcome: &Outcome<'_, Store, End>| {
        let has = |key: &str| outcome.world.has(key);
        for end in outcome.results.iter().flatten() {
            let is_needed = matches!(end, End::Pushed | End::Tagged);
            assert!(
                !is_needed || has(&layout::revision_link(&name("a"), &old())),
                "what names a manifest was acknowledged, and that is gone: {end:?}"
            );
        }
        let is_pushed = outcome.results.contains(&Some(End::Pushed));
        let digest = Digest::of(Algorithm::Sha256, &index());
        let has_index = has(&layout::revision_link(&name("a"), &digest));
        assert!(!is_pushed || has_index, "an index was acknowledged, and is gone");
        let is_refused = outcome.results.contains(&Some(End::Refused));
        assert!(!is_told_alone || !is_refused || !has_index, "an index was refused, and is there");
    })
}

#[test]
fn an_index_of_what_retention_removes() {
    tell("index, retention", explore(scenario(store(), &[crashing(PUSHER), crashing(RETAINER)])));
}

#[test]
fn a_tag_for_what_retention_removes() {
    tell("tag, retention", explore(scenario(store(), &[crashing(TAGGER), crashing(RETAINER)])));
}

#[test]
fn an_index_beside_two_of_retention() {
    let three = scenario(store(), &[PUSHER, RETAINER, crashing(OTHER)]).switches(switches(2));
    tell("index, two of retention", explore(three));
}

#[test]
fn a_client_that_stands_still_beside_retention() {
    for client in [PUSHER, TAGGER] {
        let both = scenario(store(), &[client, RETAINER]).switches(switches(3));
        tell("client, retention, time", explore_with(with_time(both, 1), false));
    }
}

#[test]
fn a_batch_without_a_mark_is_found() {
    let both = scenario(store(), &[PUSHER, with(Mistake::SetsNoMark, RETAINER)]);
    tell_mistake(explore(both), LOST);
}

#[test]
fn a_batch_without_a_trace_is_found() {
    let both = scenario(store(), &[PUSHER, with(Mistake::LeavesNoTrace, RETAINER)]);
    tell_mistake(explore(both), LOST);
}

#[test]
fn a_retention_that_does_not_look_at_its_clock_is_found() {
    let both = scenario(store(), &[PUSHER, with(Mistake::IgnoresTheClock, RETAINER)]);
    tell_mistake(explore_with(with_time(both, 1), false), LOST);
}

#[test]
fn a_look_before_the_write_is_found() {
    let both = scenario(store(), &[with(Mistake::LooksFirst, PUSHER), RETAINER]);
    tell_mistake(explore(both), LOST);
}
