//! The removal of what a rule does not keep, beside pushes.
//!
//! Before each batch, what the repository has is read again, and decided again. What was pushed meanwhile is therefore kept,
//! and so is what it names. Manifests are removed as a collector removes garbage (`docs/collection.md`): under a mark, which is
//! set before the repository is looked at for the last time. Who has pushed before that is seen; who pushes later looks at the
//! mark after that, waits for the end of the batch, and is told if a manifest is missing that was named. On a store that
//! does not know ages, a manifest that is pushed again counts as new only if it was not there.
//!
//! A tag that is pushed between the last look at its link and its removal, which is the next call but one, is removed. Its
//! manifest stays, and another push of the tag repairs it.

use core::fmt;

use super::Rule;
use super::contents::{Contents, Stop, age};
use super::decide::{Removals, Why, decide};
use crate::clock;
use crate::garbage::look::Trace;
use crate::garbage::mark::{Id, Mark, id};
use crate::immutable_tags::ImmutableTags;
use crate::layout;
use crate::name::Name;
use crate::repository::Repository;
use lighter_hash::Digest;
use lighter_storage::{Result, Storage};

/// The most manifests that are removed at a time.
const BATCH: usize = 512;

/// The most times that a repository is read. Each time a batch is removed, or something has been pushed.
const ROUNDS: usize = 1000;

/// Something that retention has found in a repository. It is written as a line for the operator.
#[derive(Debug)]
pub struct Finding<'a> {
    /// The repository.
    pub repository: &'a Name,
    /// What it is about.
    pub subject: Subject<'a>,
    /// What happens to that.
    pub outcome: Outcome,
    /// The reason, in words.
    pub why: String,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The whole repository.
    Repository,
    /// A tag.
    Tag(&'a str),
    /// A manifest.
    Manifest(&'a Digest),
}

/// What happens to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It would be removed if this were not a dry run.
    WouldBeRemoved,
    /// It was removed.
    Removed,
    /// It stays although the rule does not keep it.
    Stays,
}

impl Outcome {
    /// The outcome in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WouldBeRemoved => "would be removed",
            Self::Removed => "removed",
            Self::Stays => "stays",
        }
    }
}

impl fmt::Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subject {
            Subject::Repository => write!(f, "{}", self.repository)?,
            Subject::Tag(tag) => write!(f, "{}:{tag}", self.repository)?,
            Subject::Manifest(digest) => write!(f, "{}@{digest}", self.repository)?,
        }
        write!(f, " {}: {}", self.outcome.as_str(), self.why)
    }
}

/// The age from which the record of a manifest that is not there is removed, in seconds. Whoever has written it has long
/// stored the manifest, or crashed.
const ABANDONED: u64 = 86_400;

/// Removes from a repository what a rule does not keep, and reports each removal with its reason; in a dry run it only
/// reports. Immutable tags stay. Errs if the storage does; what was removed until then is reported, and another call goes on.
pub fn apply<S: Storage>(
    repository: &Repository<S>,
    rule: &Rule,
    immutable: &ImmutableTags,
    dry_run: bool,
    trace: &mut Trace<'_>,
    report: &mut dyn FnMut(&Finding<'_>),
) -> Result<()> {
    if *rule == Rule::default() {
        return Ok(());
    }
    let contents = if rule.cached.is_some() { Contents::of_upstream() } else { Contents::default() };
    let mut round = Round { repository, rule, trace, report, contents };
    for number in 0..ROUNDS {
        let read = round.contents.read(repository, |tag| immutable.include(repository.name(), tag));
        match read {
            Ok(()) => {}
            Err(Stop::Storage(error)) => return Err(error),
            Err(Stop::TooMany(of, most)) => {
                round.report(Subject::Repository, Outcome::Stays, format!("it has more than {most} {of}"));
                return Ok(());
            }
        }
        let removals = decide(rule, &round.contents);
        if number == 0 {
            round.warn();
        }
        if dry_run {
            round.tell(&removals);
            return Ok(());
        }
        if removals == Removals::default() {
            return round.remove_records();
        }
        // Removing many tags takes its time, after which a manifest is decided again.
        if removals.tags.is_empty() {
            round.remove_batch(&removals)?;
        } else {
            round.remove_tags(&removals)?;
        }
    }
    round.report(Subject::Repository, Outcome::Stays, "it is pushed to all the time; try again".to_owned());
    Ok(())
}

/// What is done with a repository once its contents were read.
struct Round<'a, 'b, 'c, S> {
    repository: &'a Repository<'b, S>,
    rule: &'a Rule,
    trace: &'a mut Trace<'c>,
    report: &'a mut dyn FnMut(&Finding<'_>),
    contents: Contents,
}

impl<S: Storage> Round<'_, '_, '_, S> {
    /// Says that manifests stay because one of them cannot be read.
    fn warn(&mut self) {
        let goes = self.rule.untagged_days.is_some() || self.rule.cached.is_some();
        if let Some(digest) = self.contents.unreadable.as_ref().filter(|_| goes) {
            let why = format!(
                "all its manifests do, because {digest} cannot be read, and may name any; push or delete that one"
            );
            self.report(Subject::Repository, Outcome::Stays, why);
        }
    }

    /// Says what would be removed.
    fn tell(&mut self, removals: &Removals) {
        for (at, why) in &removals.tags {
            self.report_tag(*at, *why, Outcome::WouldBeRemoved);
        }
        for at in &removals.manifests {
            self.report_manifest(*at, Outcome::WouldBeRemoved);
        }
    }

    /// Removes tags, but for those that were pushed meanwhile.
    fn remove_tags(&mut self, removals: &Removals) -> Result<()> {
        for (at, why) in &removals.tags {
            let Some(tag) = self.contents.tags.get(*at) else { continue };
            let (name, place) = (tag.name.clone(), tag.manifest);
            let is_same = self.contents.held_by_tag(self.repository, &name)? == Some(place);
            if self.was_pushed_again(place as usize)? || !is_same {
                self.report(Subject::Tag(&name), Outcome::Stays, "it was pushed meanwhile".to_owned());
                continue;
            }
            self.repository.delete_tag(&name)?;
            self.report_tag(*at, *why, Outcome::Removed);
        }
        Ok(())
    }

    /// Removes the first manifests, unless something was pushed meanwhile: then it is to be decided again.
    fn remove_batch(&mut self, removals: &Removals) -> Result<()> {
        let batch = removals.manifests.get(..BATCH).unwrap_or(&removals.manifests);
        let ids: Vec<Id> = batch.iter().filter_map(|at| id(self.digest(*at)?)).collect();
        let storage = self.repository.storage();
        self.trace.leave(storage)?;
        let mark = Mark::set(storage, self.trace.outside, "retention", &ids)?;
        let batch = if self.is_pushed_to(batch)? { &[] } else { batch };
        for at in batch {
            if !self.remove_manifest(*at, &mark)? {
                break;
            }
        }
        mark.remove(storage)
    }

    /// Whether anything was pushed since the repository was read: these manifests, or what may name them.
    fn is_pushed_to(&mut self, manifests: &[usize]) -> Result<bool> {
        let mut is_pushed = false;
        for at in manifests {
            is_pushed |= self.was_pushed_again(*at)?;
        }
        Ok(is_pushed || self.contents.are_behind(self.repository)?)
    }

    /// Removes a manifest, and returns whether it was not too late for that. Tags that point to it stay: there are none. The
    /// content stays too, for the garbage collection.
    fn remove_manifest(&mut self, at: usize, mark: &Mark) -> Result<bool> {
        let Some(manifest) = self.contents.manifests.get_mut(at) else { return Ok(true) };
        let may = || !mark.is_late(self.trace.outside) && !self.trace.is_late();
        if !self.repository.delete_revision(&manifest.digest, &may)? {
            return Ok(false);
        }
        if manifest.is_mirrored {
            let record = layout::mirrored(self.repository.name(), &manifest.digest);
            self.repository.storage().delete(&record)?;
        }
        manifest.is_removed = true;
        self.report_manifest(at, Outcome::Removed);
        Ok(true)
    }

    /// Removes the records of manifests that are not there: a crash has left them, or a deletion.
    fn remove_records(&self) -> Result<()> {
        let now = clock::seconds();
        for digest in &self.contents.absent {
            let key = layout::mirrored(self.repository.name(), digest);
            let came = self.repository.storage().get(&key)?;
            let came = came.map(|came| str::from_utf8(&came).ok().and_then(|came| came.parse().ok()));
            if came.is_some_and(|came: Option<u64>| now.saturating_sub(came.unwrap_or(0)) > ABANDONED) {
                self.repository.storage().delete(&key)?;
            }
        }
        Ok(())
    }

    /// Whether a manifest was pushed since it was read. Then its age is known anew.
    fn was_pushed_again(&mut self, at: usize) -> Result<bool> {
        let Some(manifest) = self.contents.manifests.get_mut(at) else { return Ok(false) };
        let age = age(self.repository, &manifest.digest)?;
        let is_younger = age.unwrap_or(u64::MAX) < manifest.age.unwrap_or(u64::MAX);
        manifest.age = age;
        Ok(is_younger)
    }

    fn digest(&self, at: usize) -> Option<&Digest> {
        self.contents.manifests.get(at).map(|manifest| &manifest.digest)
    }

    fn report_tag(&mut self, at: usize, why: Why, outcome: Outcome) {
        let Some(tag) = self.contents.tags.get(at) else { return };
        let (name, pushed) = (tag.name.clone(), self.pushed(tag.manifest as usize));
        let why = match why {
            Why::NotKept => format!("{pushed}; kept are {}", self.rule),
            Why::NotPulled => self.not_pulled(tag.manifest as usize),
            Why::OwnerRemoved => format!("{pushed}; the manifest that it belongs to is removed"),
            Why::OwnerAbsent => format!("{pushed}; the manifest that it belongs to is not there"),
        };
        self.report(Subject::Tag(&name), outcome, why);
    }

    fn report_manifest(&mut self, at: usize, outcome: Outcome) {
        let Some(digest) = self.digest(at).cloned() else { return };
        let why = match self.rule.untagged_days {
            Some(days) if !self.contents.is_expired(self.rule, at) => format!(
                "{}; without a tag, and without another manifest that keeps it, it is kept for {days} days",
                self.pushed(at)
            ),
            _ => self.not_pulled(at),
        };
        self.report(Subject::Manifest(&digest), outcome, why);
    }

    /// Says when a manifest was pushed.
    fn pushed(&self, at: usize) -> String {
        match self.contents.manifests.get(at).and_then(|manifest| manifest.age) {
            Some(age) => format!("pushed {} days ago", age / super::DAY),
            None => "pushed before the store kept the time of that".to_owned(),
        }
    }

    /// Says for how long a manifest was not pulled, and why it goes for that.
    fn not_pulled(&self, at: usize) -> String {
        let why = self.rule.cached.as_ref().map_or("", |cached| &cached.why);
        match self.contents.manifests.get(at).and_then(|manifest| manifest.age) {
            Some(age) if age < super::DAY => format!("not pulled for {} minutes; {why}", age / 60),
            Some(age) => format!("not pulled for {} days; {why}", age / super::DAY),
            None => format!("not pulled since the store keeps the time of that; {why}"),
        }
    }

    fn report(&mut self, subject: Subject<'_>, outcome: Outcome, why: String) {
        (self.report)(&Finding { repository: self.repository.name(), subject, outcome, why });
    }
}

#[cfg(test)]
pub(super) mod tests;
