//! An actor, and what it does after which replies.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use crate::{World, text_of};

/// What an actor asks for.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Event<C> {
    Call(C),
    Now,
    Pause,
    Choose(usize),
}

/// What it gets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Reply<W: World> {
    Call(W::Reply),
    Now(u64),
    Paused,
    Chosen(usize),
}

/// What an actor does at one point.
#[derive(Clone)]
pub(crate) enum Next<C, T> {
    Event(Event<C>),
    Returned(T),
    Panicked(String),
}

/// Of two points, by what is asked for.
impl<C: PartialEq, T> PartialEq for Next<C, T> {
    fn eq(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Event(one), Self::Event(two)) if one == two)
    }
}

/// An actor that is only run again to find out where it goes on: every further call fails. Whatever it does on
/// its way out, when its values are dropped, is not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped;

/// What an actor does its calls through.
pub struct Handle<'a, W: World> {
    replies: &'a [Reply<W>],
    taken: Cell<usize>,
    next: RefCell<Option<Event<W::Call>>>,
}

impl<W: World> Handle<'_, W> {
    /// Does a call of the store. While a value is dropped it may be that nothing is done.
    ///
    /// # Errors
    /// The actor is on its way out.
    pub fn call(&self, call: W::Call) -> Result<W::Reply, Stopped> {
        match self.ask(Event::Call(call)) {
            Some(Reply::Call(reply)) => Ok(reply),
            _ => Err(Stopped),
        }
    }

    /// The time, in seconds.
    pub fn now(&self) -> u64 {
        match self.ask(Event::Now) {
            Some(Reply::Now(seconds)) => seconds,
            _ => 0,
        }
    }

    /// Waits until something that was looked at since the last pause has been changed, or time goes by.
    pub fn pause(&self) {
        self.ask(Event::Pause);
    }

    /// Chooses one of several ways: each is explored.
    pub fn choose(&self, ways: usize) -> usize {
        match self.ask(Event::Choose(ways)) {
            Some(Reply::Chosen(way)) => way,
            _ => 0,
        }
    }

    fn ask(&self, event: Event<W::Call>) -> Option<Reply<W>> {
        let taken = self.taken.get();
        if let Some(reply) = self.replies.get(taken) {
            self.taken.set(taken + 1);
            return Some(reply.clone());
        }
        if self.next.borrow().is_none() {
            *self.next.borrow_mut() = Some(event);
        }
        if std::thread::panicking() {
            return None;
        }
        resume_unwind(Box::new(Stopped));
    }
}

type Run<'a, W, T> = Box<dyn Fn(&Handle<'_, W>) -> T + 'a>;

/// An actor.
pub(crate) struct Actor<'a, W: World, T> {
    pub(crate) name: &'static str,
    run: Run<'a, W, T>,
    tree: RefCell<Vec<Rc<Node<W, T>>>>,
}

struct Node<W: World, T> {
    /// What it has got so far.
    replies: Vec<Reply<W>>,
    next: Next<W::Call, T>,
    /// What it has looked at since its last pause.
    watched: BTreeSet<String>,
    after: RefCell<HashMap<Reply<W>, usize>>,
}

impl<'a, W: World, T: Clone> Actor<'a, W, T> {
    pub(crate) fn new(name: &'static str, run: Run<'a, W, T>) -> Self {
        let actor = Self { name, run, tree: RefCell::default() };
        actor.grow(Vec::new(), BTreeSet::new());
        actor
    }

    /// What is done at a point.
    pub(crate) fn next(&self, node: usize) -> Next<W::Call, T> {
        self.node(node).next.clone()
    }

    pub(crate) fn watched(&self, node: usize) -> BTreeSet<String> {
        self.node(node).watched.clone()
    }

    /// The point that a reply leads to.
    pub(crate) fn after(&self, node: usize, reply: Reply<W>) -> usize {
        let from = self.node(node);
        if let Some(known) = from.after.borrow().get(&reply) {
            return *known;
        }
        let mut watched = from.watched.clone();
        match &from.next {
            Next::Event(Event::Call(call)) => watched.extend(W::touches(call)),
            Next::Event(Event::Pause) => watched.clear(),
            _ => {}
        }
        let mut replies = from.replies.clone();
        replies.push(reply.clone());
        let new = self.grow(replies, watched);
        from.after.borrow_mut().insert(reply, new);
        new
    }

    fn node(&self, node: usize) -> Rc<Node<W, T>> {
        Rc::clone(&self.tree.borrow()[node])
    }

    /// Runs the actor again, up to the point after some replies.
    fn grow(&self, replies: Vec<Reply<W>>, watched: BTreeSet<String>) -> usize {
        let handle = Handle { replies: &replies, taken: Cell::new(0), next: RefCell::new(None) };
        let ran = catch_unwind(AssertUnwindSafe(|| (self.run)(&handle)));
        let (taken, asked) = (handle.taken.get(), handle.next.take());
        let next = match (ran, asked) {
            _ if taken < replies.len() => {
                Next::Panicked("it did something else than before, with the same replies".into())
            }
            (Ok(result), None) => Next::Returned(result),
            (Err(panic), Some(event)) if panic.is::<Stopped>() => Next::Event(event),
            (Err(panic), _) => Next::Panicked(text_of(&*panic)),
            (Ok(_), Some(_)) => Next::Panicked("it caught what stops it".into()),
        };
        let mut tree = self.tree.borrow_mut();
        tree.push(Rc::new(Node { replies, next, watched, after: RefCell::default() }));
        tree.len() - 1
    }
}
