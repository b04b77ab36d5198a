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

/// An actor that is only run again to find out where it goes on: every further call fails. Whatever it does on
/// its way out, when its values are dropped, is not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped;

/// What an actor does its calls through. A clone is the same handle.
pub struct Handle<W: World>(Rc<Ran<W>>);

/// How far an actor has run.
struct Ran<W: World> {
    replies: Vec<Reply<W>>,
    taken: Cell<usize>,
    next: RefCell<Option<Event<W::Call>>>,
}

impl<W: World> Clone for Handle<W> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<W: World> Handle<W> {
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
        let ran = &*self.0;
        let taken = ran.taken.get();
        if let Some(reply) = ran.replies.get(taken) {
            ran.taken.set(taken + 1);
            return Some(reply.clone());
        }
        if ran.next.borrow().is_none() {
            *ran.next.borrow_mut() = Some(event);
        }
        if std::thread::panicking() {
            return None;
        }
        resume_unwind(Box::new(Stopped));
    }
}

type Run<'a, W, T> = Box<dyn Fn(&Handle<W>) -> T + 'a>;

/// An actor.
pub(crate) struct Actor<'a, W: World, T> {
    pub(crate) name: &'static str,
    run: Run<'a, W, T>,
    tree: RefCell<Vec<Rc<Node<W, T>>>>,
}

/// The point before another, and the reply that led from there.
type Before<W, T> = Option<(Rc<Node<W, T>>, Reply<W>)>;

/// A point.
pub(crate) struct Node<W: World, T> {
    before: Before<W, T>,
    /// What is done there.
    pub(crate) next: Next<W::Call, T>,
    /// What it has looked at since its last pause.
    pub(crate) watched: Rc<BTreeSet<String>>,
    /// How often it has waited.
    pub(crate) waits: u32,
    after: RefCell<HashMap<Reply<W>, usize>>,
}

impl<'a, W: World, T: Clone> Actor<'a, W, T> {
    pub(crate) fn new(name: &'static str, run: Run<'a, W, T>) -> Self {
        let actor = Self { name, run, tree: RefCell::default() };
        actor.grow(None, Rc::default());
        actor
    }

    /// The point that a reply leads to.
    pub(crate) fn after(&self, node: usize, reply: Reply<W>) -> usize {
        let from = self.node(node);
        if let Some(known) = from.after.borrow().get(&reply) {
            return *known;
        }
        let mut watched = Rc::clone(&from.watched);
        match &from.next {
            Next::Event(Event::Call(call)) => {
                let touched = W::touches(call);
                if touched.iter().any(|name| !watched.contains(name)) {
                    Rc::make_mut(&mut watched).extend(touched);
                }
            }
            Next::Event(Event::Pause) => watched = Rc::default(),
            _ => {}
        }
        let new = self.grow(Some((Rc::clone(&from), reply.clone())), watched);
        from.after.borrow_mut().insert(reply, new);
        new
    }

    /// A point.
    pub(crate) fn node(&self, node: usize) -> Rc<Node<W, T>> {
        Rc::clone(&self.tree.borrow()[node])
    }

    /// Runs the actor again, up to the point after some replies.
    fn grow(&self, before: Before<W, T>, watched: Rc<BTreeSet<String>>) -> usize {
        let mut replies = Vec::new();
        let mut at = &before;
        while let Some((node, reply)) = at {
            replies.push(reply.clone());
            at = &node.before;
        }
        replies.reverse();
        let waits = replies.iter().filter(|reply| matches!(reply, Reply::Paused)).count();
        let given = replies.len();
        let handle = Handle(Rc::new(Ran { replies, taken: Cell::new(0), next: RefCell::new(None) }));
        let ran = catch_unwind(AssertUnwindSafe(|| (self.run)(&handle)));
        let (taken, asked) = (handle.0.taken.get(), handle.0.next.take());
        let next = match (ran, asked) {
            _ if taken < given => {
                Next::Panicked("it did something else than before, with the same replies".into())
            }
            (Ok(result), None) => Next::Returned(result),
            (Err(panic), Some(event)) if panic.is::<Stopped>() => Next::Event(event),
            (Err(panic), _) => Next::Panicked(text_of(&*panic)),
            (Ok(_), Some(_)) => Next::Panicked("it caught what stops it".into()),
        };
        let mut tree = self.tree.borrow_mut();
        let waits = u32::try_from(waits).unwrap_or(u32::MAX);
        tree.push(Rc::new(Node { waits, before, next, watched, after: RefCell::default() }));
        tree.len() - 1
    }
}
