//! Those who create and delete one value, in every order.

use lighter_explore::{Failure, Handle, Outcome, Report, Scenario};

use super::explored::{self, Call, Explored, Store, left, tell};
use crate::key::Kind;
use crate::value;

const KEY: &str = "x/lock";

#[derive(Clone, Copy, PartialEq)]
enum Does {
    Create,
    Delete,
}

use Does::{Create, Delete};

fn act(does: Does, name: &'static str) -> impl Fn(&Handle<Store>) -> bool {
    move |handle| {
        let store = Explored::new(handle, name);
        match does {
            Create => crate::cell::create(&store, Kind::Value, KEY, name.as_bytes()).unwrap(),
            Delete => {
                value::delete(&store, KEY).unwrap();
                true
            }
        }
    }
}

const NAMES: [&str; 4] = ["one", "two", "three", "four"];

fn scenario(is_stored: bool, all: &[Does], crashing: &[usize]) -> Scenario<'static, Store, bool> {
    let store = Store::after(|store| {
        if is_stored {
            assert!(crate::cell::create(store, Kind::Value, KEY, b"zero").unwrap());
        }
    });
    let actors = all.iter().enumerate().map(|(number, does)| (NAMES[number], act(*does, NAMES[number])));
    explored::scenario(store, actors, crashing)
}

/// Whether there is an order in which they could have done it one after the other, with the same results. One
/// that crashed may have done it or not.
fn is_explained(
    all: &[Does],
    outcome: &Outcome<'_, Store, bool>,
    done: u32,
    now: Option<&'static str>,
    end: Option<&[u8]>,
) -> bool {
    let is_done = |number: usize| done & (1 << number) != 0;
    let has_ended = |number: usize| outcome.results[number].is_some();
    if (0..all.len()).all(|number| is_done(number) || !has_ended(number)) && now.map(str::as_bytes) == end {
        return true;
    }
    (0..all.len()).filter(|next| !is_done(*next)).any(|next| {
        let is_too_early = (0..all.len()).any(|other| !is_done(other) && outcome.ended_before(other, next));
        let (then, result) = match (all[next], now) {
            (Create, None) => (Some(NAMES[next]), true),
            (Create, Some(_)) => (now, false),
            (Delete, _) => (None, true),
        };
        let is_so = outcome.results[next].is_none_or(|is| is == result);
        !is_too_early && is_so && is_explained(all, outcome, done | (1 << next), then, end)
    })
}

fn check(is_stored: bool, all: &[Does], outcome: &Outcome<'_, Store, bool>) {
    let store = left(outcome);
    let end = value::get(&store, KEY).unwrap();
    assert!(
        is_explained(all, outcome, 0, is_stored.then_some("zero"), end.as_deref()),
        "no order explains {:?}:\n{}",
        outcome.results,
        store.text()
    );
    // What is then done by one alone is right.
    assert_eq!(crate::cell::create(&store, Kind::Value, KEY, b"last").unwrap(), end.is_none());
    value::delete(&store, KEY).unwrap();
    assert!(crate::cell::create(&store, Kind::Value, KEY, b"last").unwrap());
}

fn explore(what: &str, is_stored: bool, all: &[Does], crashing: &[usize]) -> Result<Report, Box<Failure>> {
    let scenario = scenario(is_stored, all, crashing);
    let report = scenario.explore_simplest_first(|outcome| check(is_stored, all, outcome))?;
    tell(what, &report);
    Ok(report)
}

#[test]
fn one_of_several_creates() {
    for all in [&[Create, Create][..], &[Create, Create, Create]] {
        for crashing in [&[][..], &[0], &[0, 1]] {
            explore("creators", false, all, crashing).unwrap();
        }
    }
}

#[test]
fn one_creates_what_is_being_deleted() {
    for is_stored in [false, true] {
        for all in [&[Create, Delete][..], &[Create, Create, Delete], &[Create, Delete, Delete]] {
            for crashing in [&[][..], &[0], &[all.len() - 1]] {
                explore("creators and deletions", is_stored, all, crashing).unwrap();
            }
        }
    }
}

#[test]
fn a_creator_that_stood_still_does_not_create_what_another_has_created() {
    let all = [Create, Create];
    // All but the one call between the clock and the end may take as long as it will.
    let scenario = scenario(false, &all, &[]).jumps(2, &[3, 11]);
    let scenario = scenario.jumps_only_if(|calls| !calls.iter().any(|call| matches!(call, Call::Set(..))));
    tell("creators that stand still", &scenario.explore_simplest_first(|o| check(false, &all, o)).unwrap());
}
