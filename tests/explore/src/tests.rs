//! Scenarios whose outcomes are known.

use std::cell::Cell;
use std::collections::BTreeSet;

use crate::{Handle, Scenario, World};

/// Two counters, and two locks.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Cells([u64; 4]);

#[derive(Clone, PartialEq, Eq)]
enum Call {
    Get(usize),
    Set(usize, u64),
    /// Sets it if it has another value, and returns the one before.
    Swap(usize, u64),
}

impl std::fmt::Display for Call {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Get(cell) => write!(to, "get {cell}"),
            Self::Set(cell, value) => write!(to, "set {cell} to {value}"),
            Self::Swap(cell, value) => write!(to, "swap {cell} for {value}"),
        }
    }
}

impl World for Cells {
    type Call = Call;
    type Reply = u64;

    fn perform(&mut self, call: &Call) -> u64 {
        match *call {
            Call::Get(cell) => self.0[cell],
            Call::Set(cell, value) | Call::Swap(cell, value) => std::mem::replace(&mut self.0[cell], value),
        }
    }

    fn touches(call: &Call) -> Vec<String> {
        let (Call::Get(cell) | Call::Set(cell, _) | Call::Swap(cell, _)) = call;
        vec![cell.to_string()]
    }
}

fn add_one(store: &Handle<Cells>, cell: usize) {
    let value = store.call(Call::Get(cell)).unwrap();
    store.call(Call::Set(cell, value + 1)).unwrap();
}

fn lock(store: &Handle<Cells>, cell: usize) {
    while store.call(Call::Swap(cell, 1)).unwrap() == 1 {
        store.pause();
    }
}

#[test]
fn every_schedule_is_counted_once() {
    // Two calls each: of four places in the order, the first has two.
    let both = Scenario::new(Cells::default()).actor("a", |store| add_one(store, 0)).actor("b", |store| {
        add_one(store, 1);
    });
    let report = both.explore(|outcome| assert_eq!(outcome.world.0, [1, 1, 0, 0])).unwrap();
    // That one had ended before the other began is a part of the state.
    assert_eq!((report.schedules, report.states, report.outcomes), (6.0, 13, 3));
}

#[test]
fn an_update_that_is_lost_is_found_and_replayed() {
    let both = || {
        Scenario::new(Cells::default()).actor("a", |store| add_one(store, 0)).actor("b", |store| {
            add_one(store, 0);
        })
    };
    let check = |outcome: &crate::Outcome<'_, Cells, ()>| assert_eq!(outcome.world.0[0], 2, "one is lost");
    let failure = both().explore_simplest_first(check).unwrap_err();
    assert!(failure.message.contains("one is lost"), "{failure}");
    assert_eq!(failure.lines.len(), 4);
    assert_eq!(failure.lines[0], "a: get 0 -> 0");
    assert_eq!(both().replay(&failure.schedule, check).unwrap_err().lines, failure.lines);
    // Without a switch there is none.
    both().switches(0).explore(check).unwrap();
    let walked = both().walk(1, 100, check).unwrap_err();
    assert_eq!(both().walk(1, 100, check).unwrap_err().lines, walked.lines);
}

#[test]
fn all_outcomes_of_a_crash_are_seen() {
    let seen = Cell::new(BTreeSet::new());
    let two = Scenario::new(Cells::default()).crashing("a", |store| {
        add_one(store, 0);
        add_one(store, 1);
    });
    two.explore(|outcome| {
        let mut all = seen.take();
        all.insert((outcome.world.0[0], outcome.world.0[1], outcome.results[0].is_some()));
        seen.set(all);
    })
    .unwrap();
    let expected = [(0, 0, false), (1, 0, false), (1, 1, true)];
    assert!(seen.take().into_iter().eq(expected));
}

#[test]
fn one_who_waits_goes_on_when_the_lock_is_free() {
    let locked = |store: &Handle<Cells>| {
        lock(store, 2);
        add_one(store, 0);
        store.call(Call::Set(2, 0)).unwrap();
    };
    let three = Scenario::new(Cells::default()).actor("a", locked).actor("b", locked).actor("c", locked);
    three.explore(|outcome| assert_eq!(outcome.world.0[0], 3)).unwrap();
}

#[test]
fn a_deadlock_is_found() {
    let both = |first: usize, second: usize| {
        move |store: &Handle<Cells>| {
            lock(store, first);
            lock(store, second);
            store.call(Call::Set(second, 0)).unwrap();
            store.call(Call::Set(first, 0)).unwrap();
        }
    };
    let ordered = Scenario::new(Cells::default()).actor("a", both(2, 3)).actor("b", both(2, 3));
    ordered.explore(|_| {}).unwrap();
    let crossed = Scenario::new(Cells::default()).actor("a", both(2, 3)).actor("b", both(3, 2));
    let failure = crossed.explore(|_| {}).unwrap_err();
    assert!(failure.message.contains("wait for ever"), "{failure}");
}

#[test]
fn time_jumps_where_it_may() {
    let is_slow = |store: &Handle<Cells>| {
        let began = store.now();
        add_one(store, 0);
        store.now() - began
    };
    let times = Cell::new(BTreeSet::new());
    let see = |outcome: &crate::Outcome<'_, Cells, u64>| {
        let mut all = times.take();
        all.insert(outcome.results[0].unwrap());
        times.set(all);
    };
    Scenario::new(Cells::default()).actor("a", is_slow).jumps(2, &[3, 11]).explore(see).unwrap();
    assert!(times.take().into_iter().eq([0, 3, 6, 11, 14, 22]));
    let prompt = Scenario::new(Cells::default()).actor("a", is_slow).jumps(2, &[3, 11]);
    prompt.jumps_only_if(|_| false).explore(see).unwrap();
    assert!(times.take().into_iter().eq([0]));
}

#[test]
fn an_outcome_knows_who_had_ended_before_another_began() {
    let orders = Cell::new(BTreeSet::new());
    let both = Scenario::new(Cells::default()).actor("a", |store| add_one(store, 0)).actor("b", |store| {
        add_one(store, 1);
    });
    both.explore(|outcome| {
        let mut all = orders.take();
        all.insert((outcome.ended_before(0, 1), outcome.ended_before(1, 0)));
        orders.set(all);
    })
    .unwrap();
    assert!(orders.take().into_iter().eq([(false, false), (false, true), (true, false)]));
}

#[test]
fn what_is_not_deterministic_is_refused() {
    let runs = Cell::new(0);
    let odd = Scenario::new(Cells::default()).actor("a", |store| {
        runs.set(runs.get() + 1);
        if runs.get() < 3 {
            add_one(store, 0);
        }
    });
    let failure = odd.explore(|_| {}).unwrap_err();
    assert!(failure.message.contains("something else than before"), "{failure}");
}
