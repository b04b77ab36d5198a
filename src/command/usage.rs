//! `usage`: how much each repository stores, alone and together with others.
//!
//! Whether a blob is shared is a question about all repositories. So the links of all of them, within a range of
//! digests, are held in memory at once, 16 bytes each; then the content in that range is enumerated beside them, in the
//! same order. The range is all there is at first. Where it has too many links, it is halved, and the rest is a further
//! pass over the repositories. A million links are 16 MB and one pass; ten million are five passes, and never more than
//! 32 MB. Besides, there is a row for each repository, of its name and 24 bytes.
//!
//! The calls are those that list the names of all links once for each pass, and those that enumerate the content once.
//! No content is read.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

use super::cursor;
use super::output::{Field, bytes};
use super::{Command, Failure, Piece, Step};
use crate::layout;
use crate::name::Name;
use crate::repositories;
use lighter_hash::{Algorithm, Digest};
use lighter_storage::Storage;

/// The number of names or blobs that are listed at a time.
const LISTED: u32 = 1000;

/// The most links that are held in memory.
const LINKS: usize = 2_000_000;

impl<S: Storage> Command<S> {
    /// `usage`.
    pub const USAGE: Self = Self {
        name: "usage",
        about: "show how much each repository stores, alone and shared with others",
        details: "Lists the repositories by size, the largest first. `alone` is what only this repository\n\
                  has, and what would become free without it; `shared` is what others have, too. The sum\n\
                  counts each blob once. With --seconds, a piece is of a part of all content: add the rows\n\
                  of a repository up.",
        choices: &[],
        step: |step| run(step, LINKS),
    };
}

/// What a repository stores.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    /// All of it, once it is known: the largest row is the first.
    all: Reverse<u64>,
    name: String,
    blobs: u64,
    alone: u64,
    shared: u64,
}

/// A link: the beginning of its digest, and the row of its repository. Two digests that begin in the same way would
/// count as one; there is no such pair among a billion.
type Link = (u64, u32);

/// The end of all ranges: no digest begins with more.
const END: u64 = u64::MAX;

/// What to do if a piece is too short for the smallest step.
const LATE: &str = "the links of all repositories cannot be listed in this time: allow more seconds, or use the command line";

/// Takes a piece of the walk, with at most so many links in memory.
pub(super) fn run<S: Storage>(step: &mut Step<S>, links_max: usize) -> Result<Piece, Failure> {
    let ([mut blobs, mut size, mut unlinked, _], parts) = cursor::read(step.from).ok_or(Failure::Place)?;
    let mut from = match parts.as_slice() {
        [] => 0,
        [from] => u64::from_str_radix(from, 16).map_err(|_| Failure::Place)?,
        _ => return Err(Failure::Place),
    };
    let mut rows = Vec::new();
    let mut is_first = true;
    let next = loop {
        let Some(range) = gather(step, from, links_max, &mut rows)? else {
            if is_first {
                return Err(Failure::Time(LATE));
            }
            break Some(from);
        };
        is_first = false;
        let (mut links, mut before) = (range.links.as_slice(), None);
        from = 'content: {
            let last = start(from).and_then(|hex| layout::listed_digest(Algorithm::Sha256, &hex));
            let mut after = last.map(|last| layout::blob(&last));
            loop {
                let page = step.storage.enumerate(&layout::blobs(), after.as_deref(), LISTED)?;
                for entry in &page.entries {
                    let Some(digest) = layout::blob_digest(&entry.key) else { continue };
                    let at = beginning(&digest);
                    if !range.has(at) {
                        break 'content range.to;
                    }
                    // A piece has all blobs whose digests begin alike.
                    if before.is_some_and(|before| before < at) && step.is_late() {
                        break 'content at;
                    }
                    before = Some(at);
                    let owners = owners(&mut links, at);
                    blobs += 1;
                    size += entry.info.size;
                    unlinked += if owners.is_empty() { entry.info.size } else { 0 };
                    for (_, owner) in owners {
                        let Some(row) = rows.get_mut(*owner as usize) else { continue };
                        row.blobs += 1;
                        *if owners.len() == 1 { &mut row.alone } else { &mut row.shared } += entry.info.size;
                    }
                    step.out.progress(blobs, "blobs", digest.as_str());
                }
                match page.next {
                    Some(next) => after = Some(next),
                    None => break 'content END,
                }
            }
        };
        if from == END {
            break None;
        }
        if step.is_late() {
            break Some(from);
        }
    };
    print(step, rows);
    Ok(Piece {
        text: format!("{} in {blobs} blobs, {} of them in no repository", bytes(size), bytes(unlinked)),
        sums: vec![("blobs", blobs), ("bytes", size), ("unlinked", unlinked)],
        has_findings: false,
        next: next.map(|from| cursor::write(&[blobs, size, unlinked, 0], &[&format!("{from:x}")])),
    })
}

/// The links in a range of digests.
#[derive(Default)]
struct Range {
    from: u64,
    /// The end, which is not part of the range unless it is [`END`].
    to: u64,
    links: Vec<Link>,
}

impl Range {
    fn has(&self, at: u64) -> bool {
        at < self.to || self.to == END
    }

    /// Puts the links in order, each once. A heap takes less code than a sort, which is what counts here.
    fn sort(&mut self) {
        self.links = BinaryHeap::from(core::mem::take(&mut self.links)).into_sorted_vec();
        self.links.dedup();
    }

    /// Makes the range smaller until no more than so many links are in it.
    fn narrow(&mut self, links_max: usize) {
        while self.links.len() > links_max {
            self.sort();
            match self.links.get(self.links.len() / 2) {
                Some((middle, _)) if *middle > self.from => self.to = *middle,
                // They all begin alike.
                _ => return,
            }
            self.links.retain(|(at, _)| *at < self.to);
        }
    }
}

/// Gathers the links of all repositories from a digest on, in order. A row is added for each repository that has none.
/// Returns `None` if the time is up before.
fn gather<S: Storage>(
    step: &mut Step<S>,
    from: u64,
    links_max: usize,
    rows: &mut Vec<Row>,
) -> Result<Option<Range>, Failure> {
    let mut range = Range { from, to: END, links: Vec::new() };
    let is_first = rows.is_empty();
    let (mut at, mut row) = (String::new(), 0);
    while let Some(name) = repositories::after(step.storage, &at, &mut || {})? {
        at = name.to_string();
        // Every pass has the same order, unless a repository has come or gone.
        if !is_first && rows.get(row).is_none_or(|row| row.name != at) {
            row = rows.iter().position(|row| row.name == at).unwrap_or(rows.len());
        }
        let owner = row as u32;
        let mut has_links = false;
        let of = |prefix: fn(&Name, Algorithm) -> String| prefix(&name, Algorithm::Sha256);
        for prefix in [of(layout::layers), of(layout::revisions)] {
            let mut after = start(from);
            loop {
                let names = step.storage.list(&prefix, after.as_deref(), LISTED)?;
                for hex in &names {
                    // Foreign names are skipped.
                    let Some(digest) = layout::listed_digest(Algorithm::Sha256, hex) else { continue };
                    let begins = beginning(&digest);
                    if !range.has(begins) {
                        break;
                    }
                    range.links.push((begins, owner));
                    has_links = true;
                }
                range.narrow(links_max);
                step.out.progress(range.links.len() as u64, "links", &at);
                if step.is_over_time() {
                    return Ok(None);
                }
                match names.last() {
                    Some(last) if names.len() == LISTED as usize && range.has(beginning_of(last)) => {
                        after = Some(last.clone());
                    }
                    _ => break,
                }
            }
        }
        if row < rows.len() {
            row += 1;
        } else if has_links {
            rows.push(Row { all: Reverse(0), name: at.clone(), blobs: 0, alone: 0, shared: 0 });
            row += 1;
        }
    }
    range.sort();
    Ok(Some(range))
}

/// Takes the links of a blob from the front of those that are left, and leaves out those before it.
fn owners<'l>(left: &mut &'l [Link], at: u64) -> &'l [Link] {
    let links = *left;
    let from = links.partition_point(|(begins, _)| *begins < at);
    let to = links.partition_point(|(begins, _)| *begins <= at);
    *left = links.get(from..).unwrap_or_default();
    links.get(from..to).unwrap_or_default()
}

fn beginning(digest: &Digest) -> u64 {
    beginning_of(digest.hex())
}

fn beginning_of(hex: &str) -> u64 {
    hex.get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0)
}

/// The last name before all digests that begin with a number or a larger one; none before the first.
fn start(from: u64) -> Option<String> {
    Some(format!("{:016x}{:f<48}", from.checked_sub(1)?, ""))
}

/// Prints the rows, the largest first.
fn print<S>(step: &mut Step<S>, mut rows: Vec<Row>) {
    rows.retain(|row| row.blobs > 0);
    rows.iter_mut().for_each(|row| row.all = Reverse(row.alone + row.shared));
    for Row { name, blobs, alone, shared, .. } in BinaryHeap::from(rows).into_sorted_vec() {
        step.out.item(
            &format!("{:>11} alone {:>11} shared {blobs:>7} blobs  {name}", bytes(alone), bytes(shared)),
            &[
                ("repository", Field::Text(&name)),
                ("blobs", Field::Number(blobs)),
                ("alone", Field::Number(alone)),
                ("shared", Field::Number(shared)),
            ],
        );
    }
}
