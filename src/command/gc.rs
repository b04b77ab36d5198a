//! `gc`: gives space back.
//!
//! First the rules of retention, and of what came from upstreams, remove tags and manifests, then the driver removes what crashes have left inside it, and
//! then a collection removes what no manifest refers to any more. The collection comes last, so that it frees what the
//! rules have removed, and because it keeps its own progress: a later piece, even of another process, goes on with it.

use core::time::Duration;
use std::time::Instant;

use super::cursor::{self, Sums};
use super::options::{Choice, Kind};
use super::output::{Field, bytes};
use super::{Command, Failure, Piece, Step};
use crate::garbage::look::Trace;
use crate::garbage::outside::System;
use crate::garbage::{Collection, Options, Report};
use crate::name::Name;
use crate::repositories;
use crate::repository::Repository;
use crate::retention::{self, Caches, Finding, Outcome, Rule, Subject};
use lighter_storage::Storage;

const DRY_RUN: Choice = Choice {
    name: "dry-run",
    kind: Kind::Switch,
    about: "only print what would be removed; nothing is written",
};

const GRACE: Choice = Choice {
    name: "grace",
    kind: Kind::Duration,
    about: "keep content that was pushed so recently, such as 24h, the default",
};

const UPLOADS: Choice = Choice {
    name: "uploads",
    kind: Kind::Duration,
    about: "keep uploads that were begun so recently, such as 168h, the default",
};

/// The age from which the driver's leftovers are removed, unless the grace period is shorter. Nothing is written for so long.
const LEFTOVERS: Duration = Duration::from_secs(86_400);

/// How many names the driver looks at between two looks at the clock.
const LISTED: u32 = 1000;

/// How long the collection works until it is asked how far it is.
const TOLD: Duration = Duration::from_secs(2);

impl<S: Storage> Command<S> {
    /// `gc`.
    pub const GC: Self = Self {
        name: "gc",
        about: "remove what no manifest refers to, and what the rules of retention do not keep",
        details: "Clients may push and pull meanwhile, and several of these may run. A command that was\n\
                  interrupted goes on where it was. With rules of retention, their removals come first.",
        choices: &[DRY_RUN, GRACE, UPLOADS],
        step,
    };
}

/// The part of the command that a place is in.
enum Part<'a> {
    /// The rules, after this repository, with what was measured before.
    Retention(&'a str, Option<&'a str>),
    /// The driver's leftovers, after this name.
    Leftovers(Option<&'a str>),
    /// The collection, which knows itself how far it is.
    Collection,
}

fn part<'a>(parts: &[&'a str]) -> Option<Part<'a>> {
    match parts {
        [] => Some(Part::Retention("", None)),
        ["r", at] if Name::parse(at).is_ok() => Some(Part::Retention(at, None)),
        ["r", at, measured] if Name::parse(at).is_ok() => Some(Part::Retention(at, Some(measured))),
        ["l", ""] => Some(Part::Leftovers(None)),
        ["l", after] => Some(Part::Leftovers(Some(after))),
        ["c"] => Some(Part::Collection),
        _ => None,
    }
}

fn step<S: Storage>(step: &mut Step<S>) -> Result<Piece, Failure> {
    let is_dry = step.options.has(DRY_RUN.name);
    let defaults = Options::default();
    let options = Options {
        grace: step.options.duration(GRACE.name).unwrap_or(defaults.grace),
        uploads: step.options.duration(UPLOADS.name).unwrap_or(defaults.uploads),
        dry_run: is_dry,
    };
    let (mut sums, parts) = cursor::read(step.from).ok_or(Failure::Place)?;
    let mut part = part(&parts).ok_or(Failure::Place)?;
    if let Part::Retention(at, measured) = part {
        if let Some((next, measured)) = keep(step, at, measured, &options, &mut sums)? {
            let place: Vec<&str> = ["r", &*next].into_iter().chain(measured.as_deref()).collect();
            return Ok(piece(is_dry, &sums, &Report::default(), Some(&place)));
        }
        part = Part::Leftovers(None);
    }
    if let Part::Leftovers(after) = part
        && let Some(next) = tidy(step, after, &options, &mut sums)?
    {
        return Ok(piece(is_dry, &sums, &Report::default(), Some(&["l", &next])));
    }
    let (report, is_over) = collect(step, options)?;
    if is_dry && !is_over {
        return Err(Failure::Time("a dry run cannot be divided: give it more time, or use the command line"));
    }
    Ok(piece(is_dry, &sums, &report, (!is_over).then_some(&["c"])))
}

/// Removes what the rules do not keep, in the repositories after one. Returns the last of them if it is time to stop, and
/// what was measured, so that the next piece need not do it again.
fn keep<S: Storage>(
    step: &mut Step<S>,
    at: &str,
    measured: Option<&str>,
    options: &Options,
    sums: &mut Sums,
) -> Result<Option<(String, Option<String>)>, Failure> {
    let keeping = step.keeping;
    let (rules, out) = (keeping.retention.as_ref(), &mut *step.out);
    let caches = match measured.and_then(|measured| Caches::recall(keeping, measured)) {
        Some(caches) => caches,
        None => Caches::measure(step.storage, keeping, options.grace.as_secs(), &mut |why| out.trouble(why))?,
    };
    if rules.is_none() && caches.is_empty() {
        return Ok(None);
    }
    let is_dry = step.options.has(DRY_RUN.name);
    let mut trace = Trace::new(&System);
    let mut at = at.to_owned();
    while let Some(name) = repositories::after(step.storage, &at, &mut || {})? {
        let Step { storage, out, .. } = &mut *step;
        let [tags, manifests, ..] = sums;
        out.progress(*tags + *manifests, "tags and manifests", name.as_str());
        let report = &mut |finding: &Finding| {
            match finding.subject {
                _ if finding.outcome == Outcome::Stays => {}
                Subject::Tag(_) => *tags += 1,
                Subject::Manifest(_) => *manifests += 1,
                Subject::Repository => {}
            }
            out.item(&finding.to_string(), &fields(finding));
        };
        let repository = Repository::new(*storage, &name);
        let rule = rules.and_then(|rules| rules.of(&name)).cloned().unwrap_or_default();
        let rule = Rule { cached: caches.of(&name), ..rule };
        retention::apply(&repository, &rule, &keeping.immutable_tags, is_dry, &mut trace, report)?;
        at = name.to_string();
        if step.is_late() {
            return Ok(Some((at, caches.remembered())));
        }
    }
    Ok(None)
}

fn fields<'a>(finding: &'a Finding) -> Vec<(&'static str, Field<'a>)> {
    let mut fields = vec![
        ("retention", Field::Text(finding.outcome.as_str())),
        ("repository", Field::Text(finding.repository.as_str())),
    ];
    match finding.subject {
        Subject::Repository => {}
        Subject::Tag(tag) => fields.push(("tag", Field::Text(tag))),
        Subject::Manifest(digest) => fields.push(("digest", Field::Text(digest.as_str()))),
    }
    fields.push(("why", Field::Text(&finding.why)));
    fields
}

/// Has the driver remove what crashes have left. Returns where to go on if it is time to stop.
fn tidy<S: Storage>(
    step: &mut Step<S>,
    after: Option<&str>,
    options: &Options,
    sums: &mut Sums,
) -> Result<Option<String>, Failure> {
    let age = options.grace.min(LEFTOVERS).as_secs();
    let mut after = after.map(str::to_owned);
    loop {
        let tidied = step.storage.tidy(after.as_deref(), LISTED, age, options.dry_run)?;
        let [_, _, things, size] = sums;
        (*things, *size) = (*things + tidied.removed, *size + tidied.bytes);
        step.out.progress(*things, "leftovers", after.as_deref().unwrap_or_default());
        match tidied.next {
            None => return Ok(None),
            // A place has no commas in it: then this is another driver's name, and there is no stopping here.
            Some(next) if step.is_late() && !next.contains(',') => return Ok(Some(next)),
            next => after = next,
        }
    }
}

/// Collects garbage. Returns what was done, and whether it is over.
fn collect<S: Storage>(step: &mut Step<S>, options: Options) -> Result<(Report, bool), Failure> {
    let mut collection = Collection::begin_or_resume(step.storage, options, step.now)?;
    loop {
        let soon = Instant::now() + TOLD;
        let is_over = collection.step(step.until.map_or(soon, |until| until.min(soon)))?;
        let report = collection.report();
        let count = report.manifests + report.links + report.blobs;
        step.out.progress(count, report.phase.as_str(), &report.place);
        if is_over || step.is_over_time() {
            return Ok((report.clone(), is_over));
        }
    }
}

fn piece(is_dry: bool, sums: &Sums, report: &Report, next: Option<&[&str]>) -> Piece {
    let [tags, manifests, leftovers, leftover_bytes] = *sums;
    let Report { blobs, links, aliases, uploads, upload_bytes, .. } = *report;
    let text = format!(
        "{} {blobs} blobs with {}, {} links to blobs, {uploads} uploads with {}, {tags} tags, {manifests} manifests, \
         {leftovers} leftovers with {}",
        if is_dry { "would remove" } else { "removed" },
        bytes(report.bytes),
        links + aliases,
        bytes(upload_bytes),
        bytes(leftover_bytes),
    );
    let sums = vec![
        ("blobs", blobs),
        ("bytes", report.bytes),
        ("links", links + aliases),
        ("uploads", uploads),
        ("upload_bytes", upload_bytes),
        ("tags", tags),
        ("manifests", manifests),
        ("leftovers", leftovers),
        ("leftover_bytes", leftover_bytes),
    ];
    let next = next.map(|parts| cursor::write(&[tags, manifests, leftovers, leftover_bytes], parts));
    Piece { text, sums, has_findings: false, next }
}
