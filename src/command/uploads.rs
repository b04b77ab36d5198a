//! `uploads`: what is under way.

use super::cursor;
use super::output::{Field, bytes};
use super::{Command, Failure, Piece, Step};
use crate::clock;
use crate::layout;
use crate::name::Name;
use crate::repositories;
use lighter_storage::{Storage, check_key};

/// The number of names that are listed at a time.
const LISTED: u32 = 1000;

impl<S: Storage> Command<S> {
    /// `uploads`.
    pub const UPLOADS: Self = Self {
        name: "uploads",
        about: "list the uploads that are under way, with their age and size",
        details: "Lists each upload that was begun and is not complete: the time since then, the bytes\n\
                  that are stored, the repository, and its id. What no client completes is purged.",
        choices: &[],
        step,
    };
}

fn step<S: Storage>(step: &mut Step<S>) -> Result<Piece, Failure> {
    let (sums, parts) = cursor::read(step.from).ok_or(Failure::Place)?;
    let (mut at, mut last) = match parts.as_slice() {
        [] => (String::new(), String::new()),
        [at, last] if Name::parse(at).is_ok() && (last.is_empty() || check_key(last).is_ok()) => {
            ((*at).to_owned(), (*last).to_owned())
        }
        _ => return Err(Failure::Place),
    };
    let [mut uploads, mut size, _, _] = sums;
    let next = 'walk: loop {
        if let Ok(name) = Name::parse(&at) {
            loop {
                let after = Some(last.as_str()).filter(|last| !last.is_empty());
                let ids = step.storage.list(&layout::uploads(&name), after, LISTED)?;
                for id in &ids {
                    step.out.progress(uploads, "uploads", &at);
                    if check_key(id).is_ok() {
                        size += upload(step, &name, id)?;
                        uploads += 1;
                    }
                    last.clone_from(id);
                    if step.is_late() {
                        break 'walk Some(cursor::write(&[uploads, size, 0, 0], &[&at, &last]));
                    }
                }
                if ids.len() < LISTED as usize {
                    break;
                }
            }
        }
        match repositories::after(step.storage, &at, &mut || {})? {
            None => break None,
            Some(name) => at = name.to_string(),
        }
        last.clear();
        if step.is_late() {
            break Some(cursor::write(&[uploads, size, 0, 0], &[&at, ""]));
        }
    };
    Ok(Piece {
        text: format!("{uploads} uploads with {}", bytes(size)),
        sums: vec![("uploads", uploads), ("bytes", size)],
        has_findings: false,
        next,
    })
}

/// Prints an upload, and returns its size.
fn upload<S: Storage>(step: &mut Step<S>, name: &Name, id: &str) -> Result<u64, Failure> {
    let size = step.storage.received(&layout::upload_data(name, id))?.unwrap_or(0);
    let started = step.storage.get(&layout::upload_started_at(name, id))?.unwrap_or_default();
    // A crash may have left an upload without a time.
    let started = String::from_utf8(started).unwrap_or_default();
    let age = clock::parse(&started).map(|started| step.now.saturating_sub(started));
    let mut fields = vec![
        ("upload", Field::Text(id)),
        ("repository", Field::Text(name.as_str())),
        ("bytes", Field::Number(size)),
    ];
    let text = match age {
        Some(age) => {
            fields.extend([("started", Field::Text(&started)), ("age", Field::Number(age))]);
            format!("{:>4}h{:02}m", age / 3_600, age / 60 % 60)
        }
        None => format!("{:>8}", "?"),
    };
    step.out.item(&format!("{text}  {:>10}  {name}  {id}", bytes(size)), &fields);
    Ok(size)
}
