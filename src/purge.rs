//! The removal of abandoned uploads.
//!
//! distribution's server does this in a background task. A component has no such task: it runs only while it answers a
//! request. So a round through all repositories is divided into steps of bounded work, each after the answer to a POST
//! that started an upload. Other requests do not pay for it. The progress is kept in storage, under `lighter/purge`, for
//! all instances: there are at least `PAUSE` seconds between two steps, and at least the configured interval between
//! the beginnings of two rounds.
//!
//! An upload is removed if it is older than the configured age, by the date that distribution writes too, has not grown
//! since the previous round, and is not held by a writer. An upload without a date stays, as in distribution, but is dated
//! now: a crash of the machine may have taken its date.

use core::time::Duration;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::clock;
use crate::layout;
use crate::name::Name;
use crate::repositories;
use lighter_storage::{Error, Result, Storage, Upload as _, check_key};

/// Which uploads are removed, and how often they are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purging {
    /// The age from which an upload is removed.
    pub age: Duration,
    /// The least time between the beginnings of two rounds.
    pub interval: Duration,
    /// Whether the log only says what would be removed.
    pub dry_run: bool,
}

impl Default for Purging {
    /// distribution's defaults: uploads older than a week, once a day.
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self { age: hours(168), interval: hours(24), dry_run: false }
    }
}

/// Seconds between two steps of a round, across all instances.
const PAUSE: u64 = 10;

/// The approximate number of storage calls of a step. A removal counts as [`REMOVAL`].
const STEP: u32 = 64;

/// The storage calls that a removal counts as.
const REMOVAL: u32 = 16;

/// The number of uploads that are listed at a time.
const LISTED: u32 = 16;

/// One instance's part in the rounds.
#[derive(Default)]
pub struct Purge {
    /// The time of the next step, in seconds since 1970.
    next: AtomicU64,
}

/// The progress of the rounds. It is stored as a line of words: both times, and then the place.
#[derive(Debug, PartialEq, Eq)]
struct Progress {
    /// When the last round began, in seconds since 1970.
    began: u64,
    /// When the last step was taken, in seconds since 1970.
    stepped: u64,
    /// Where the round continues, or `None` if it is over.
    at: Option<Place>,
}

/// A place in the order of a round: a repository, and the upload in it that was checked last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Place {
    repository: String,
    upload: Option<String>,
}

impl Progress {
    fn read(kept: &[u8]) -> Option<Self> {
        let mut words = str::from_utf8(kept).ok()?.split(' ');
        let began = words.next()?.parse().ok()?;
        let stepped = words.next()?.parse().ok()?;
        let mut word = || words.next().map(str::to_owned);
        let at = word().map(|repository| Place { repository, upload: word() });
        Some(Self { began, stepped, at })
    }

    fn write(&self) -> String {
        let Self { began, stepped, at } = self;
        let mut line = format!("{began} {stepped}");
        if let Some(Place { repository, upload }) = at {
            [Some(repository), upload.as_ref()]
                .into_iter()
                .flatten()
                .for_each(|word| line.extend([" ", word]));
        }
        line
    }
}

impl Purge {
    /// Takes a step, if it is time for one. Returns lines for the log: removals and errors.
    pub fn step<S: Storage>(&self, storage: &S, purging: &Purging, now: u64) -> Vec<String> {
        if now < self.next.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.next.store(now + PAUSE, Ordering::Relaxed);
        let mut step = Step { storage, purging, now, left: Cell::new(STEP), log: Vec::new() };
        if let Err(error) = step.run(&self.next) {
            step.log.push(format!("abandoned uploads cannot be purged: {error}"));
        }
        step.log
    }
}

/// One step.
struct Step<'a, S> {
    storage: &'a S,
    purging: &'a Purging,
    now: u64,
    /// The storage calls that the step may still make.
    left: Cell<u32>,
    log: Vec<String>,
}

impl<S: Storage> Step<'_, S> {
    fn run(&mut self, next: &AtomicU64) -> Result<()> {
        let kept = self.storage.get(layout::PURGE)?.unwrap_or_default();
        let interval = self.purging.interval.as_secs();
        let (began, mut at) = match Progress::read(&kept) {
            // Another instance has just taken a step.
            Some(Progress { at: Some(_), stepped, .. }) if self.now.abs_diff(stepped) < PAUSE => {
                return Ok(());
            }
            Some(Progress { at: Some(at), began, .. }) => (began, at),
            // A clock that was set back does not make the wait longer.
            Some(Progress { began, .. }) if self.now.abs_diff(began) < interval => {
                next.store(began.min(self.now) + interval, Ordering::Relaxed);
                return Ok(());
            }
            _ => (self.now, Place::default()),
        };
        let is_over = self.walk(&mut at)?;
        let progress = Progress { began, stepped: self.now, at: Some(at).filter(|_| !is_over) };
        self.storage.set(layout::PURGE, progress.write().as_bytes())
    }

    /// Continues from a place until the step has made its calls. Returns whether the round is over.
    fn walk(&mut self, at: &mut Place) -> Result<bool> {
        // First the rest of the repository in which the previous step stopped.
        if let Ok(name) = Name::parse(&at.repository)
            && !self.look_into(&name, at)?
        {
            return Ok(false);
        }
        while self.left.get() > 0 {
            let next = repositories::after(self.storage, &at.repository, &mut || self.count(1))?;
            let Some(name) = next else { return Ok(true) };
            *at = Place { repository: name.to_string(), upload: None };
            if !self.look_into(&name, at)? {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// Checks the uploads of a repository, after the one in `at`. Returns whether it has reached the last one.
    fn look_into(&mut self, name: &Name, at: &mut Place) -> Result<bool> {
        loop {
            self.count(1);
            let ids = self.storage.list(&layout::uploads(name), at.upload.as_deref(), LISTED)?;
            for id in &ids {
                if self.left.get() == 0 {
                    return Ok(false);
                }
                // Skip foreign names. An error with one upload must not stop the others.
                if check_key(id).is_ok()
                    && let Err(error) = self.look_at(name, id)
                {
                    self.log.push(format!("the upload {id} of {name} cannot be purged: {error}"));
                }
                at.upload = Some(id.clone());
            }
            if ids.len() < LISTED as usize {
                return Ok(true);
            }
        }
    }

    fn look_at(&mut self, name: &Name, id: &str) -> Result<()> {
        self.count(1);
        let started_at = self.storage.get(&layout::upload_started_at(name, id))?.unwrap_or_default();
        let started_at = String::from_utf8(started_at).unwrap_or_default();
        if !clock::is_rfc3339(&started_at) && Uuid::try_parse(id).is_ok() {
            // A crash of the machine has taken the date, and the upload may be in use: its time begins now.
            self.count(1);
            let now = clock::rfc3339(self.now);
            return self.storage.set(&layout::upload_started_at(name, id), now.as_bytes());
        }
        if !is_older(&started_at, self.now, self.purging.age) {
            return Ok(());
        }
        self.count(2);
        let data = layout::upload_data(name, id);
        let size = self.storage.received(&data)?.unwrap_or(0).to_string();
        let mark = layout::upload_purge_mark(name, id);
        if self.storage.get(&mark)?.as_deref() != Some(size.as_bytes()) {
            // Old, but perhaps in use: the next round decides.
            self.count(1);
            return self.storage.set(&mark, size.as_bytes());
        }
        let what = format!("abandoned upload {id} of {name}, started {started_at}, {size} bytes");
        if self.purging.dry_run {
            self.log.push(format!("would purge the {what}"));
            return Ok(());
        }
        self.count(REMOVAL);
        if !remove(self.storage, name, id, &size)? {
            return Ok(());
        }
        self.log.push(format!("purged the {what}"));
        Ok(())
    }

    fn count(&self, calls: u32) {
        self.left.set(self.left.get().saturating_sub(calls));
    }
}

/// Whether an upload was started so long ago, by its date. One without a valid date was not.
pub fn is_older(started_at: &str, now: u64, age: Duration) -> bool {
    let oldest = clock::rfc3339(now.saturating_sub(age.as_secs()));
    // Dates of this form can be compared as text.
    clock::is_rfc3339(started_at) && *started_at < *oldest
}

/// Removes an upload, unless it is held by a writer or has no longer the size that it was found with. Returns whether it
/// did.
pub fn remove<S: Storage>(storage: &S, name: &Name, id: &str, size: &str) -> Result<bool> {
    match storage.open_upload(&layout::upload_data(name, id)) {
        // It has just grown.
        Ok(writer) if writer.offset().to_string() != size => return Ok(false),
        Ok(writer) => writer.abort()?,
        // There are no bytes: a crash came before they were stored, or after they became a blob.
        Err(Error::NotFound) => {}
        Err(Error::Busy) => return Ok(false),
        Err(error) => return Err(error),
    }
    storage.delete_prefix(&layout::upload(name, id))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lighter_storage::Memory;

    /// Some time in 2025.
    const NOW: u64 = 1_762_829_850;
    const DAY: u64 = 86_400;

    fn upload(storage: &Memory, name: &str, id: &str, days_ago: u64) {
        let name = Name::parse(name).unwrap();
        let started_at = clock::rfc3339(NOW - days_ago * DAY);
        storage.set(&layout::upload_started_at(&name, id), started_at.as_bytes()).unwrap();
        let mut writer = storage.create_upload(&layout::upload_data(&name, id)).unwrap();
        writer.append(b"bytes").unwrap();
    }

    fn progress(storage: &Memory) -> Progress {
        Progress::read(&storage.get(layout::PURGE).unwrap().unwrap()).unwrap()
    }

    /// Takes steps, as often as permitted, until a round is over. Returns the time of the end, and the log.
    fn round(storage: &Memory, purging: &Purging, mut now: u64) -> (u64, Vec<String>) {
        let mut log = Vec::new();
        loop {
            log.extend(Purge::default().step(storage, purging, now));
            if progress(storage).at.is_none() {
                return (now, log);
            }
            now += PAUSE;
        }
    }

    fn ids(storage: &Memory) -> Vec<String> {
        let id = |key: String| Some(key.strip_suffix("/data")?.rsplit_once('/')?.1.to_owned());
        storage.keys().into_iter().filter_map(id).collect()
    }

    #[test]
    fn what_is_old_and_does_not_grow_is_removed_in_the_second_round() {
        let (storage, purging) = (Memory::default(), Purging::default());
        for (id, days_ago) in [("old", 8), ("young", 4), ("growing", 9), ("held", 10)] {
            upload(&storage, "a/b", id, days_ago);
        }
        let key = |id: &str, file: &str| format!("docker/registry/v2/repositories/a/b/_uploads/{id}/{file}");
        // Without bytes, as a crash leaves it; without a date; and with an invalid date.
        storage.set(&key("empty", "startedat"), b"2020-01-01T00:00:00Z").unwrap();
        upload(&storage, "a/b", "undated", 99);
        storage.delete(&key("undated", "startedat")).unwrap();
        storage.set(&key("undated", "hashstates/sha256/5"), b"").unwrap();
        upload(&storage, "a/b", "oddly-dated", 99);
        storage.set(&key("oddly-dated", "startedat"), b"once upon a time").unwrap();
        let all = ids(&storage);

        let (_, log) = round(&storage, &purging, NOW);
        assert_eq!((ids(&storage), log.len()), (all.clone(), 0), "the first round removes nothing");
        let grow = || storage.open_upload(&key("growing", "data")).unwrap().append(b"more").unwrap();
        grow();
        let held = storage.open_upload(&key("held", "data")).unwrap();
        // Not before it is time.
        round(&storage, &purging, NOW + DAY - 1);
        assert_eq!((progress(&storage).began, ids(&storage)), (NOW, all.clone()));

        let dry = Purging { dry_run: true, ..purging.clone() };
        let (_, log) = round(&storage, &dry, NOW + DAY);
        assert_eq!(ids(&storage), all, "a dry run removes nothing");
        let would = "would purge the abandoned upload old of a/b, started 2025-11-03T02:57:30Z, 5 bytes";
        assert!(log.iter().any(|line| line == would), "{log:?}");
        let others = [" growing ", " young ", " undated ", " oddly-dated "];
        assert!(!log.iter().any(|line| others.iter().any(|id| line.contains(id))), "{log:?}");

        grow();
        let (_, mut log) = round(&storage, &purging, NOW + 2 * DAY);
        log.sort_unstable();
        let empty = "purged the abandoned upload empty of a/b, started 2020-01-01T00:00:00Z, 0 bytes";
        assert_eq!(log, [empty, &would.replace("would purge", "purged")]);
        assert!(!storage.keys().iter().any(|key| key.contains("/old/") || key.contains("/empty/")));
        assert_eq!(ids(&storage), ["growing", "held", "oddly-dated", "undated", "young"]);

        drop(held);
        round(&storage, &purging, NOW + 3 * DAY);
        assert_eq!(ids(&storage), ["oddly-dated", "undated", "young"]);
        // The young one becomes old, too.
        round(&storage, &purging, NOW + 4 * DAY);
        assert_eq!(ids(&storage), ["oddly-dated", "undated", "young"]);
        round(&storage, &purging, NOW + 5 * DAY);
        assert_eq!(ids(&storage), ["oddly-dated", "undated"]);
    }

    #[test]
    fn an_upload_that_has_lost_its_date_is_dated_anew() {
        let (storage, purging) = (Memory::default(), Purging::default());
        let lost = ["11501b54-0000-4000-8000-000000000001", "11501b54-0000-4000-8000-000000000002"];
        let key = |id: &str, file: &str| format!("docker/registry/v2/repositories/a/_uploads/{id}/{file}");
        lost.iter().for_each(|id| upload(&storage, "a", id, 99));
        storage.delete(&key(lost[0], "startedat")).unwrap();
        storage.set(&key(lost[0], "hashstates/sha256/5"), b"").unwrap();
        storage.set(&key(lost[1], "startedat"), &[0; 20]).unwrap();
        for days in 0..9 {
            round(&storage, &purging, NOW + days * DAY);
            assert_eq!(ids(&storage), lost, "after {days} days");
        }
        round(&storage, &purging, NOW + 9 * DAY);
        assert_eq!(ids(&storage), [""; 0]);
    }

    #[test]
    fn a_round_comes_through_all_repositories_in_small_steps() {
        let (storage, purging) = (Memory::default(), Purging::default());
        let names = (0..30).flat_map(|n| [format!("r{n}"), format!("r{n}/x/y-{n}"), format!("0/{n}")]);
        let names: Vec<String> = names.collect();
        for name in &names {
            let link = format!("docker/registry/v2/repositories/{name}/_layers/sha256/x/link");
            storage.set(&link, b"").unwrap();
            upload(&storage, name, "one", 8);
        }
        (0..100).for_each(|n| upload(&storage, "r7", &format!("u{n:02}"), if n % 3 == 0 { 8 } else { 1 }));
        // Not the name of a repository.
        let odd = "docker/registry/v2/repositories/Odd/_uploads/x/startedat";
        storage.set(odd, b"2020-01-01T00:00:00Z").unwrap();
        let (end, _) = round(&storage, &purging, NOW);
        assert!(end > NOW + 5 * PAUSE, "it takes more than one step");
        let (_, log) = round(&storage, &purging, NOW + DAY);
        assert_eq!(log.len(), names.len() + 34, "{log:?}");
        assert_eq!(ids(&storage).len(), 66);
        assert!(storage.get(odd).unwrap().is_some());
    }

    #[test]
    fn steps_have_a_pause_between_them() {
        let (storage, purging) = (Memory::default(), Purging::default());
        for n in 0..50 {
            upload(&storage, &format!("r{n:02}"), "one", 8);
        }
        let one = Purge::default();
        one.step(&storage, &purging, NOW);
        let first = progress(&storage);
        assert!(first.at.is_some() && first.began == NOW, "{first:?}");
        // Neither this instance nor another.
        one.step(&storage, &purging, NOW + PAUSE - 1);
        Purge::default().step(&storage, &purging, NOW + PAUSE - 1);
        assert_eq!(progress(&storage), first);
        Purge::default().step(&storage, &purging, NOW + PAUSE);
        let second = progress(&storage);
        assert!(second.at.clone().unwrap().repository > first.at.unwrap().repository, "{second:?}");
        // A damaged progress, or one from a clock that was set back, starts a new round.
        for kept in [&b""[..], b"when?", b"1 x", b"\xff", b"9999999999 9999999999"] {
            storage.set(layout::PURGE, kept).unwrap();
            Purge::default().step(&storage, &purging, NOW + DAY);
            assert_eq!(progress(&storage).began, NOW + DAY);
        }
    }
}
