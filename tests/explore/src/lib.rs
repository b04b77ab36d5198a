//! Explores what several actors do to one store at once, in every order.
//!
//! An actor is straight-line code that asks for nothing but calls of a store, through a [`Handle`]. So what it
//! does next follows from the replies that it has had, and it can be run again from the start up to any point.
//! The explorer does that: it keeps a tree of what each actor does after which replies, lets one call through
//! at a time, and follows every order from there. Where two orders lead to the same store and the same replies,
//! what comes after is explored once: that leaves some ten thousand states of billions of schedules, and is why
//! `loom` or `shuttle`, which run each schedule and know no store, are not used.
//!
//! An actor may crash at any point, if the scenario says so, and time may jump at any point: time is that of the
//! [`Handle`], and stands still otherwise. One that waits for another ([`Handle::pause`]) goes on once something
//! that it has looked at was changed, or time has jumped.

#![allow(clippy::indexing_slicing, reason = "a tool of tests: what is wrong in it is to stop them")]

mod actor;
mod schedule;

use std::any::Any;
use std::collections::HashMap;
use std::fmt::{Debug, Display};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

use actor::{Actor, Event, Next, Reply};
pub use actor::{Handle, Stopped};
pub use schedule::{Failure, Report, Step};

/// A store, and what can be asked of it.
pub trait World: Clone + Eq + Hash {
    /// A call, which is printed as it stands in a schedule.
    type Call: Clone + Eq + Display;
    /// What a call returns.
    type Reply: Clone + Eq + Hash + Debug;

    /// Does a call, whole.
    fn perform(&mut self, call: &Self::Call) -> Self::Reply;

    /// The names of what a call reads or writes. An actor that has paused goes on when one of those that it
    /// has looked at since its last pause was changed.
    fn touches(call: &Self::Call) -> Vec<String>;
}

/// What is left when every actor has ended or crashed.
pub struct Outcome<'a, W, T> {
    /// The store.
    pub world: &'a W,
    /// The time, in seconds.
    pub time: u64,
    /// What each actor has returned, or none if it crashed.
    pub results: Vec<Option<T>>,
    before: Vec<u32>,
}

impl<W, T> Outcome<'_, W, T> {
    /// Whether an actor had ended before another made its first call.
    pub fn ended_before(&self, first: usize, second: usize) -> bool {
        self.before.get(second).is_some_and(|ended| ended & (1 << first) != 0)
    }
}

/// Whether time may jump, with these calls about to be made.
type MayJump<W> = dyn Fn(&[&<W as World>::Call]) -> bool;

/// A schedule that has more steps than these is taken to have no end.
const LONGEST: usize = 2000;

/// Several actors, and a store as they find it.
pub struct Scenario<'a, W: World, T> {
    world: W,
    actors: Vec<Actor<'a, W, T>>,
    crashes: u32,
    may_crash: u32,
    jumps: Vec<u64>,
    jump_count: u32,
    may_jump: Box<MayJump<W>>,
    switches: Option<u32>,
    looks_are_free: bool,
    waits: u32,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State<W> {
    world: W,
    time: u64,
    actors: Vec<Place>,
    crashes: u32,
    jumps: u32,
    waits: u32,
    /// Who has made the last call, and how often it was another although the one before could go on: only if
    /// that is bounded.
    last: Option<(usize, u32)>,
}

/// Where an actor is.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    node: usize,
    is_crashed: bool,
    /// Whether what it has looked at was changed since.
    is_woken: bool,
    has_begun: bool,
    /// Who had ended when it began.
    before: u32,
}

impl<'a, W: World, T: Clone + Debug> Scenario<'a, W, T> {
    /// Begins with a store.
    pub fn new(world: W) -> Self {
        Self {
            world,
            actors: Vec::new(),
            crashes: 0,
            may_crash: 0,
            jumps: vec![60],
            jump_count: 0,
            may_jump: Box::new(|_| true),
            switches: None,
            looks_are_free: false,
            waits: u32::MAX,
        }
    }

    /// Adds an actor. Its code must do the same whenever it gets the same replies.
    #[must_use]
    pub fn actor(mut self, name: &'static str, run: impl Fn(&Handle<W>) -> T + 'a) -> Self {
        self.actors.push(Actor::new(name, Box::new(run)));
        self
    }

    /// Adds an actor that may be stopped for ever at any point.
    #[must_use]
    pub fn crashing(mut self, name: &'static str, run: impl Fn(&Handle<W>) -> T + 'a) -> Self {
        self.may_crash |= 1 << self.actors.len();
        self.crashes = 1;
        self.actor(name, run)
    }

    /// How many actors at most crash, of those that may.
    #[must_use]
    pub fn crashes(mut self, at_most: u32) -> Self {
        self.crashes = at_most;
        self
    }

    /// Lets time jump at any point, but for a number of times at most, by one of several numbers of seconds. The
    /// last one is also how long all wait who can do nothing else.
    #[must_use]
    pub fn jumps(mut self, at_most: u32, seconds: &[u64]) -> Self {
        (self.jump_count, self.jumps) = (at_most, seconds.to_vec());
        self
    }

    /// Where time may not jump: what the protocol takes for granted of how long one call takes.
    #[must_use]
    pub fn jumps_only_if(mut self, may_jump: impl Fn(&[&W::Call]) -> bool + 'static) -> Self {
        self.may_jump = Box::new(may_jump);
        self
    }

    /// Bounds how often an actor is interrupted that could go on. Most faults need one or two such switches.
    #[must_use]
    pub fn switches(mut self, at_most: u32) -> Self {
        self.switches = Some(at_most);
        self
    }

    /// Takes a look at a clock that stands still for no interruption of the others: for actors that look often.
    #[must_use]
    pub fn free_looks(mut self) -> Self {
        self.looks_are_free = true;
        self
    }

    /// Leaves out what comes after an actor has waited for more than a number of times: two who undo what the
    /// other does, in step, would go on for ever.
    #[must_use]
    pub fn waits(mut self, at_most: u32) -> Self {
        self.waits = at_most;
        self
    }

    /// Follows every schedule, and looks at each outcome, which panics if it is wrong.
    ///
    /// # Errors
    /// The schedule after which an actor or the check panicked.
    pub fn explore(&self, check: impl Fn(&Outcome<'_, W, T>)) -> Result<Report, Box<Failure>> {
        let mut search =
            Search { check: &check, seen: HashMap::new(), path: Vec::new(), outcomes: 0, cut: 0 };
        let schedules = self.follow(&mut search)?;
        Ok(Report { states: search.seen.len(), schedules, outcomes: search.outcomes, cut: search.cut })
    }

    /// Like [`Scenario::explore`], and if there is a fault, finds one of its schedules that has the fewest
    /// switches.
    ///
    /// # Errors
    /// That schedule.
    pub fn explore_simplest_first(
        mut self,
        check: impl Fn(&Outcome<'_, W, T>),
    ) -> Result<Report, Box<Failure>> {
        let found = self.explore(&check);
        if found.is_err() {
            for switches in 0..6 {
                self.switches = Some(switches);
                self.explore(&check)?;
            }
        }
        found
    }

    /// Follows a number of schedules at random, the same ones for the same seed.
    ///
    /// # Errors
    /// The schedule after which an actor or the check panicked.
    pub fn walk(
        &self,
        seed: u64,
        walks: usize,
        check: impl Fn(&Outcome<'_, W, T>),
    ) -> Result<Report, Box<Failure>> {
        let mut random = seed;
        let (mut outcomes, mut cut) = (0, 0);
        for _ in 0..walks {
            let (mut state, mut path) = (self.start(), Vec::new());
            loop {
                let steps = self.steps(&state);
                if steps.is_empty() || self.is_cut(&state) {
                    break;
                }
                random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = random;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                let step = steps[((mixed ^ (mixed >> 31)) % steps.len() as u64) as usize];
                path.push(step);
                state = self.step(&state, step).map_err(|text| self.failure(&path, text))?;
            }
            if self.is_cut(&state) {
                cut += 1;
                continue;
            }
            self.check(&state, &check).map_err(|text| self.failure(&path, text))?;
            outcomes += 1;
        }
        Ok(Report { states: walks, schedules: outcomes as f64, outcomes, cut })
    }

    /// Follows one schedule, as [`Failure`] gives it, and then looks at the outcome if all have ended.
    ///
    /// # Errors
    /// The schedule, if an actor or the check panicked.
    pub fn replay(&self, schedule: &[Step], check: impl Fn(&Outcome<'_, W, T>)) -> Result<(), Box<Failure>> {
        let mut state = self.start();
        for (at, step) in schedule.iter().enumerate() {
            let path = &schedule[..=at];
            if !self.steps(&state).contains(step) {
                return Err(self.failure(path, format!("step {at} cannot be taken")));
            }
            state = self.step(&state, *step).map_err(|text| self.failure(path, text))?;
        }
        if self.steps(&state).is_empty() {
            self.check(&state, &check).map_err(|text| self.failure(schedule, text))?;
        }
        Ok(())
    }

    fn start(&self) -> State<W> {
        let place = Place { node: 0, is_crashed: false, is_woken: true, has_begun: false, before: 0 };
        State {
            world: self.world.clone(),
            time: 1_000_000,
            actors: vec![place; self.actors.len()],
            crashes: self.crashes,
            jumps: self.jump_count,
            waits: 0,
            last: self.switches.map(|_| (usize::MAX, 0)),
        }
    }

    /// Depth first. Returns how many schedules there are.
    fn follow(&self, search: &mut Search<'_, W, T>) -> Result<f64, Box<Failure>> {
        let mut branches = vec![self.branch(self.start(), search)?];
        loop {
            let Some(branch) = branches.last_mut() else { return Ok(0.0) };
            if let Some(step) = branch.steps.pop() {
                search.path.push(step);
                if search.path.len() > LONGEST {
                    return Err(self.failure(&search.path, "this goes on for ever".into()));
                }
                let next = self.step(&branch.state, step).map_err(|text| self.failure(&search.path, text))?;
                match search.seen.get(&hash(&next)) {
                    Some(schedules) => {
                        branch.schedules += schedules;
                        search.path.pop();
                    }
                    None => branches.push(self.branch(next, search)?),
                }
                continue;
            }
            let schedules = branch.schedules;
            search.seen.insert(branch.hash, schedules);
            branches.pop();
            search.path.pop();
            match branches.last_mut() {
                Some(branch) => branch.schedules += schedules,
                None => return Ok(schedules),
            }
        }
    }

    /// Begins with a state that was not seen yet.
    fn branch(&self, state: State<W>, search: &mut Search<'_, W, T>) -> Result<Branch<W>, Box<Failure>> {
        let mut steps = self.steps(&state);
        steps.reverse();
        let mut schedules = 0.0;
        if self.is_cut(&state) {
            steps.clear();
            search.cut += 1;
        } else if steps.is_empty() {
            self.check(&state, search.check).map_err(|text| self.failure(&search.path, text))?;
            search.outcomes += 1;
            schedules = 1.0;
        }
        Ok(Branch { hash: hash(&state), state, steps, schedules })
    }

    fn is_cut(&self, state: &State<W>) -> bool {
        state.actors.iter().zip(&self.actors).any(|(at, actor)| actor.node(at.node).waits > self.waits)
    }

    /// What can be done next.
    fn steps(&self, state: &State<W>) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut calls = Vec::new();
        let mut unfinished = false;
        let nodes: Vec<_> =
            state.actors.iter().zip(&self.actors).map(|(at, actor)| actor.node(at.node)).collect();
        for (number, (at, node)) in state.actors.iter().zip(&nodes).enumerate() {
            if at.is_crashed {
                continue;
            }
            match &node.next {
                // These two commute with whatever others do: no other order is needed.
                Next::Event(Event::Choose(choices)) => {
                    return (0..*choices).map(|choice| Step::Choose(number, choice)).collect();
                }
                Next::Event(Event::Now) if state.jumps == 0 => return vec![Step::Run(number)],
                Next::Event(event) => {
                    unfinished = true;
                    if let Event::Call(call) = event {
                        calls.push(call);
                    }
                    if at.is_woken || *event != Event::Pause {
                        steps.push(Step::Run(number));
                    }
                    if state.crashes > 0 && self.may_crash & (1 << number) != 0 {
                        steps.push(Step::Crash(number));
                    }
                }
                Next::Returned(_) | Next::Panicked(_) => {}
            }
        }
        if let (Some((last, switches)), Some(bound)) = (state.last, self.switches)
            && switches >= bound
            && steps.contains(&Step::Run(last))
        {
            steps.retain(|step| !matches!(step, Step::Run(other) if *other != last));
        }
        let is_stuck = !steps.iter().any(|step| matches!(step, Step::Run(_)));
        if unfinished && is_stuck {
            steps.extend(self.jumps.last().map(|seconds| Step::Jump(*seconds)));
        } else if unfinished && state.jumps > 0 && (self.may_jump)(&calls) {
            steps.extend(self.jumps.iter().map(|seconds| Step::Jump(*seconds)));
        }
        steps
    }

    /// What an actor does next, or none if it has ended.
    fn event(&self, state: &State<W>, number: usize) -> Option<Event<W::Call>> {
        match &self.actors[number].node(state.actors[number].node).next {
            Next::Event(event) if !state.actors[number].is_crashed => Some(event.clone()),
            _ => None,
        }
    }

    /// Whether an actor can do something now.
    fn can_go_on(&self, state: &State<W>, number: usize) -> bool {
        let is_woken = state.actors[number].is_woken;
        self.event(state, number).is_some_and(|event| is_woken || event != Event::Pause)
    }

    fn step(&self, from: &State<W>, step: Step) -> Result<State<W>, String> {
        let mut state = from.clone();
        match step {
            Step::Jump(seconds) => {
                if (0..self.actors.len()).any(|number| self.can_go_on(from, number)) {
                    state.jumps = state.jumps.saturating_sub(1);
                } else {
                    state.waits += 1;
                    if state.waits > 30 {
                        return Err("all wait for ever".into());
                    }
                }
                state.time += seconds;
                state.actors.iter_mut().for_each(|at| at.is_woken = true);
            }
            Step::Crash(number) => {
                state.crashes -= 1;
                // Where it was counts no more.
                state.actors[number] =
                    Place { node: 0, is_crashed: true, is_woken: false, has_begun: true, before: 0 };
            }
            Step::Choose(number, choice) => self.reply(&mut state, number, Reply::Chosen(choice))?,
            Step::Run(number) => {
                let node = self.actors[number].node(from.actors[number].node);
                let reply = match &node.next {
                    Next::Event(Event::Call(call)) => {
                        self.begin(&mut state, number);
                        let reply = state.world.perform(call);
                        if from.world != state.world {
                            self.wake(&mut state, &W::touches(call), number);
                        }
                        Reply::Call(reply)
                    }
                    Next::Event(Event::Now) => Reply::Now(state.time),
                    _ => Reply::Paused,
                };
                let is_look = matches!(node.next, Next::Event(Event::Now)) && from.jumps == 0;
                let is_seen = !(is_look && self.looks_are_free);
                if let (Some((last, switches)), true) = (&mut state.last, is_seen) {
                    let is_other = *last != number && *last != usize::MAX;
                    *switches += u32::from(is_other && self.can_go_on(from, *last));
                    *last = number;
                }
                self.reply(&mut state, number, reply)?;
            }
        }
        Ok(state)
    }

    fn begin(&self, state: &mut State<W>, number: usize) {
        if !state.actors[number].has_begun {
            let has_ended = |(at, actor): (&Place, &Actor<'_, W, T>)| {
                !at.is_crashed && matches!(actor.node(at.node).next, Next::Returned(_))
            };
            let ended = state.actors.iter().zip(&self.actors).map(has_ended).enumerate();
            let before = ended.fold(0, |all, (number, has_ended)| all | (u32::from(has_ended) << number));
            let at = &mut state.actors[number];
            (at.has_begun, at.before) = (true, before);
        }
    }

    /// Lets those go on who wait for a change of what was changed.
    fn wake(&self, state: &mut State<W>, changed: &[String], by: usize) {
        for (number, (at, actor)) in state.actors.iter_mut().zip(&self.actors).enumerate() {
            let node = actor.node(at.node);
            let has_looked = number == by || changed.iter().any(|name| node.watched.contains(name));
            at.is_woken |= !at.is_crashed && matches!(node.next, Next::Event(_)) && has_looked;
        }
    }

    fn reply(&self, state: &mut State<W>, number: usize, reply: Reply<W>) -> Result<(), String> {
        let at = &mut state.actors[number];
        if reply == Reply::Paused {
            at.is_woken = false;
        }
        at.node = self.actors[number].after(at.node, reply);
        match &self.actors[number].node(at.node).next {
            Next::Panicked(text) => Err(format!("{} panicked: {text}", self.actors[number].name)),
            Next::Returned(_) => {
                // That it was woken is of no more interest.
                at.is_woken = false;
                Ok(())
            }
            Next::Event(_) => Ok(()),
        }
    }

    fn check(&self, state: &State<W>, check: &dyn Fn(&Outcome<'_, W, T>)) -> Result<(), String> {
        let result_of = |(at, actor): (&Place, &Actor<'_, W, T>)| match &actor.node(at.node).next {
            Next::Returned(result) if !at.is_crashed => Some(result.clone()),
            _ => None,
        };
        let results = state.actors.iter().zip(&self.actors).map(result_of);
        let outcome = Outcome {
            world: &state.world,
            time: state.time,
            results: results.collect(),
            before: state.actors.iter().map(|at| at.before).collect(),
        };
        catch_unwind(AssertUnwindSafe(|| check(&outcome))).map_err(|panic| text_of(&*panic))
    }

    /// Says what happened, call by call.
    fn failure(&self, path: &[Step], message: String) -> Box<Failure> {
        let mut state = self.start();
        let mut lines = Vec::new();
        for step in path {
            let name = |number: usize| self.actors[number].name;
            lines.push(match *step {
                Step::Jump(seconds) => format!("{seconds} s go by"),
                Step::Crash(number) => format!("{} crashes", name(number)),
                Step::Choose(number, choice) => format!("{} takes way {choice}", name(number)),
                Step::Run(number) => match self.event(&state, number) {
                    Some(Event::Call(call)) => {
                        let reply = state.world.clone().perform(&call);
                        format!("{}: {call} -> {reply:?}", name(number))
                    }
                    Some(Event::Now) => {
                        format!("{}: looks at the clock: {}", name(number), state.time)
                    }
                    _ => format!("{}: waits", name(number)),
                },
            });
            let Ok(next) = self.step(&state, *step) else { break };
            state = next;
        }
        Box::new(Failure { message, schedule: path.to_vec(), lines })
    }
}

/// A state whose steps are being followed.
struct Branch<W> {
    state: State<W>,
    hash: u128,
    /// Those that are left, the next one last.
    steps: Vec<Step>,
    schedules: f64,
}

/// What a search has seen.
struct Search<'a, W, T> {
    check: &'a dyn Fn(&Outcome<'_, W, T>),
    seen: HashMap<u128, f64>,
    path: Vec<Step>,
    outcomes: usize,
    cut: usize,
}

fn hash(state: &impl Hash) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, state).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    (half(0) << 64) | half(1)
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests;
