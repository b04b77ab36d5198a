//! The collector: what it does in which order, in steps that can be interrupted.

use std::time::Instant;

use super::Options;
use super::batch::Removal;
use super::look::{Look, leave_trace};
use super::mark::Seen;
use super::outside::{Outside, System};
use super::place::Place;
use super::progress::Progress;
use super::referenced::{self, Referenced};
use super::report::{Phase, Report};
use super::search::LISTED;
use crate::layout;
use lighter_storage::{Error, Result, Storage};

/// From which time without progress a collection is taken to be abandoned, in seconds.
const ABANDONED: u64 = 86_400;

/// How often progress is stored within a step, in seconds.
const STORED: u64 = 10;

/// How many parts of runs are kept until all are written anew.
const PARTS: usize = 64;

/// A collection of garbage.
pub struct Collection<'a, S, O = System> {
    pub(super) storage: &'a S,
    pub(super) outside: O,
    pub(super) options: Options,
    /// Its name, unless it is a dry run, which is not announced.
    pub(super) id: Option<String>,
    pub(super) progress: Progress,
    pub(super) referenced: Referenced,
    limit: usize,
    /// What was read in the journal: the first half of each name, sorted.
    pub(super) journal: Vec<u128>,
    /// What was found and is to be removed.
    pub(super) pending: Vec<Removal>,
    /// How often in succession a batch was too late to remove anything.
    pub(super) late: u32,
    /// Where everything before was removed.
    settled: Place,
    has_failed: bool,
}

/// What has become of what was pending.
enum Flushed {
    All,
    /// There was no time for the rest, which is to be found again.
    Some,
    /// The collection has ended, by another process.
    Ended,
}

impl<'a, S: Storage> Collection<'a, S> {
    /// Goes on with the collection that is announced, if there is one, or else announces a new one. A dry run is always a new
    /// one, and writes nothing. `now` is in seconds since 1970.
    pub fn begin_or_resume(storage: &'a S, options: Options, now: u64) -> Result<Self> {
        Self::with(storage, options, now, System, referenced::LIMIT)
    }
}

impl<'a, S: Storage, O: Outside> Collection<'a, S, O> {
    /// As [`begin_or_resume`](Collection::begin_or_resume), with another clock, and with sets of at most `limit` digests.
    pub(super) fn with(storage: &'a S, options: Options, now: u64, outside: O, limit: usize) -> Result<Self> {
        let is_dry = options.dry_run;
        let mut collection = Self {
            storage,
            outside,
            options,
            id: None,
            progress: Progress::new(),
            referenced: Referenced::new((0, u64::MAX), limit),
            limit,
            journal: Vec::new(),
            pending: Vec::new(),
            late: 0,
            settled: Place::default(),
            has_failed: false,
        };
        if !is_dry {
            collection.tidy(now)?;
            if collection.id.is_none() {
                collection.announce(now)?;
            }
        }
        Ok(collection)
    }

    /// What was done so far.
    pub fn report(&self) -> &Report {
        &self.progress.report
    }

    /// Works until a deadline, or a little longer: a step always gets further. Returns whether the collection is over.
    /// Otherwise, this or another process goes on from here, unless this is a dry run.
    ///
    /// After an error this collection is of no more use; a new one goes on from what was stored last.
    pub fn step(&mut self, until: Instant) -> Result<bool> {
        if self.has_failed {
            return Err(Error::Other("this collection has failed before; begin it again".to_owned()));
        }
        let stepped = self.work(until);
        self.has_failed = stepped.is_err();
        self.progress.report.place = match &self.progress.place {
            Place { after: Some(key), repository, .. } if repository.is_empty() => key.clone(),
            place => place.repository.clone(),
        };
        stepped
    }

    fn work(&mut self, until: Instant) -> Result<bool> {
        while self.progress.report.phase != Phase::Over {
            let is_done = self.piece()?;
            let is_time = Instant::now() >= until;
            let flushed = if is_done || is_time || self.pending.len() >= LISTED as usize {
                self.flush(until)?
            } else {
                Flushed::All
            };
            match flushed {
                Flushed::All if is_done => self.next_phase()?,
                Flushed::All | Flushed::Some => {}
                Flushed::Ended => self.progress.report.phase = Phase::Over,
            }
            let is_over = self.progress.report.phase == Phase::Over;
            let is_late = self.outside.now().saturating_sub(self.progress.stored) >= STORED;
            if !is_over && (is_time || is_late && self.pending.is_empty()) && !self.store()? {
                self.progress.report.phase = Phase::Over;
            } else if is_time {
                return Ok(is_over);
            }
        }
        Ok(true)
    }

    /// Removes what earlier collections have left, and finds the one to go on with.
    fn tidy(&mut self, now: u64) -> Result<()> {
        // Before the look: what is not announced then has ended.
        let kept = self.storage.list(layout::COLLECTOR, None, u32::MAX)?;
        let look = Look::take(self.storage)?;
        for id in kept.iter().filter(|id| !look.announced.contains(id)) {
            self.storage.delete_prefix(&layout::collector(id))?;
        }
        for name in &look.batches {
            if Seen::read(self.storage, name)?.is_none_or(|mark| mark.is_dead(now)) {
                self.storage.delete_prefix(&layout::collection(name))?;
            }
        }
        for id in look.announced {
            let stored = self.storage.get(&layout::collector_progress(&id))?;
            let progress = stored.and_then(|stored| Progress::read(&stored));
            let worked = match &progress {
                Some(progress) => progress.stored,
                None => {
                    let began = self.storage.get(&layout::collection_began(&id))?.unwrap_or_default();
                    began.first_chunk().map_or(0, |time| u64::from_be_bytes(*time))
                }
            };
            if now.saturating_sub(worked) > ABANDONED {
                self.end(&id)?;
            } else if self.id.is_none() {
                self.resume(id, progress)?;
            }
        }
        Ok(())
    }

    fn announce(&mut self, now: u64) -> Result<()> {
        let id = self.outside.fresh_name();
        self.storage.set(&layout::collection_began(&id), &now.to_be_bytes())?;
        self.progress.stored = now;
        self.id = Some(id);
        Ok(())
    }

    /// Goes on with a collection: from the beginning, if not all of what it has found is there.
    fn resume(&mut self, id: String, progress: Option<Progress>) -> Result<()> {
        if let Some(progress) = progress {
            let mut referenced = Referenced::new(progress.range, self.limit);
            let mut is_whole = true;
            for run in &progress.runs {
                match self.storage.get(&layout::collector_run(&id, run))? {
                    Some(run) => referenced.add_run(&run),
                    None => is_whole = false,
                }
            }
            if is_whole {
                (self.settled, self.referenced, self.progress) =
                    (progress.place.clone(), referenced, progress);
            }
        }
        self.id = Some(id);
        Ok(())
    }

    /// Ends a collection. Its journal goes after its announcement: whoever sees that has seen all of the journal.
    fn end(&self, id: &str) -> Result<()> {
        leave_trace(self.storage, &self.outside)?;
        self.storage.delete_prefix(&layout::collection(id))?;
        self.storage.delete_prefix(&layout::collector(id))
    }

    /// Stores how far it is. Returns whether the collection is still announced.
    fn store(&mut self) -> Result<bool> {
        self.progress.stored = self.outside.now();
        let Some(id) = self.id.clone() else { return Ok(true) };
        if self.storage.get(&layout::collection_began(&id))?.is_none() {
            return Ok(false);
        }
        self.keep_run()?;
        if self.progress.runs.len() > PARTS + 2 * (self.referenced.len() / referenced::RUN) {
            let runs: Vec<Vec<u8>> = self.referenced.runs().collect();
            self.progress.runs.clear();
            for run in runs {
                self.set_run(&id, &run)?;
            }
        }
        self.progress.range = self.referenced.range;
        self.storage.set(&layout::collector_progress(&id), self.progress.write().as_bytes())?;
        Ok(true)
    }

    /// Stores what was found to be referenced since the last time.
    pub(super) fn keep_run(&mut self) -> Result<()> {
        let run = self.referenced.merge();
        match self.id.clone() {
            Some(id) if !run.is_empty() => self.set_run(&id, &run),
            _ => Ok(()),
        }
    }

    fn set_run(&mut self, id: &str, run: &[u8]) -> Result<()> {
        let name = self.outside.fresh_name();
        self.storage.set(&layout::collector_run(id, &name), run)?;
        self.progress.runs.push(name);
        Ok(())
    }

    fn next_phase(&mut self) -> Result<()> {
        let place = Place::default();
        let (_, last) = self.referenced.range;
        let next = match self.progress.report.phase {
            Phase::References => {
                self.keep_run()?;
                Phase::Links
            }
            Phase::Links => Phase::Aliases,
            Phase::Aliases => Phase::Content,
            Phase::Content if last < u64::MAX => {
                // The rest of the digests, with a scan of its own.
                self.referenced = Referenced::new((last + 1, u64::MAX), self.limit);
                self.progress.runs.clear();
                self.journal.clear();
                Phase::References
            }
            Phase::Content => Phase::Uploads,
            Phase::Uploads | Phase::Over => {
                if let Some(id) = &self.id {
                    self.end(id)?;
                }
                Phase::Over
            }
        };
        self.progress.report.phase = next;
        (self.progress.place, self.settled) = (place.clone(), place);
        Ok(())
    }

    /// Removes what is pending.
    fn flush(&mut self, until: Instant) -> Result<Flushed> {
        while !self.pending.is_empty() {
            if !self.batch()? {
                return Ok(Flushed::Ended);
            }
            if !self.pending.is_empty() && Instant::now() >= until {
                self.pending.clear();
                self.progress.place = self.settled.clone();
                return Ok(Flushed::Some);
            }
        }
        self.settled = self.progress.place.clone();
        Ok(Flushed::All)
    }
}
