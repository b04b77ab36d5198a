//! The repositories: what their tags and links lead to, and what their manifests name.

use super::{Check, Place};
use crate::command::Failure;
use crate::command::output::Field;
use crate::layout;
use crate::manifest::Manifest;
use crate::name::{Name, is_tag};
use crate::repositories;
use crate::repository::{Reference, Repository};
use lighter_hash::{Algorithm, Digest};
use lighter_storage::Storage;

/// The number of names that are listed at a time.
const LISTED: u32 = 1000;

/// A place in a repository: the part that is walked through, and the last name that was looked at.
pub(super) struct Part {
    kind: Kind,
    last: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tags,
    Manifests,
    Blobs,
    /// All of it was walked through.
    End,
}

/// The parts in their order, with the letters that they have in a place.
const KINDS: [(&str, Kind); 4] =
    [("t", Kind::Tags), ("m", Kind::Manifests), ("l", Kind::Blobs), ("e", Kind::End)];

impl Part {
    /// The end of a repository.
    pub(super) const END: Self = Self { kind: Kind::End, last: String::new() };

    /// Reads a place.
    pub(super) fn read(letter: &str, last: &str) -> Option<Self> {
        let (_, kind) = KINDS.into_iter().find(|(known, _)| *known == letter)?;
        (last.is_empty() || is_tag(last)).then(|| Self { kind, last: last.to_owned() })
    }

    /// Writes a place.
    pub(super) fn parts(&self) -> [&str; 2] {
        let letter = KINDS.into_iter().find(|(_, kind)| *kind == self.kind).map_or("e", |(letter, _)| letter);
        [letter, &self.last]
    }
}

impl<S: Storage> Check<'_, '_, S> {
    /// Checks the rest of a repository, and those after it, until the time is up. Returns `None` after the last one.
    pub(super) fn repositories(&mut self, name: String, part: Part) -> Result<Option<Place>, Failure> {
        let (mut at, mut part) = (name, part);
        loop {
            if let Ok(name) = Name::parse(&at) {
                let repository = Repository::new(self.step.storage, &name);
                while part.kind != Kind::End {
                    self.part(&repository, &mut part)?;
                    if self.step.is_late() {
                        return Ok(Some(Place::Repository(at, part)));
                    }
                }
            }
            match repositories::after(self.step.storage, &at, &mut || {})? {
                None => return Ok(None),
                Some(next) => {
                    at = next.to_string();
                    // A folder may only have other repositories in it.
                    let exists = Repository::new(self.step.storage, &next).exists()?;
                    part = if exists { Part { kind: Kind::Tags, last: String::new() } } else { Part::END };
                    self.sums.repositories += u64::from(exists);
                }
            }
            if self.step.is_late() {
                return Ok(Some(Place::Repository(at, part)));
            }
        }
    }

    /// Checks the rest of a part, until the time is up.
    fn part(&mut self, repository: &Repository<S>, part: &mut Part) -> Result<(), Failure> {
        let name = repository.name();
        let (prefix, after) = match part.kind {
            Kind::Tags => (layout::tags(name), Kind::Manifests),
            Kind::Manifests => (layout::revisions(name, Algorithm::Sha256), Kind::Blobs),
            Kind::Blobs => (layout::layers(name, Algorithm::Sha256), Kind::End),
            Kind::End => return Ok(()),
        };
        loop {
            let last = Some(part.last.as_str()).filter(|last| !last.is_empty());
            let names = self.step.storage.list(&prefix, last, LISTED)?;
            for found in &names {
                self.step.out.progress(self.sums.repositories, "repositories", name.as_str());
                // Foreign names are skipped.
                match (part.kind, layout::listed_digest(Algorithm::Sha256, found)) {
                    (Kind::Tags, _) if is_tag(found) => self.tag(repository, found)?,
                    (Kind::Manifests, Some(digest)) => self.manifest(repository, digest)?,
                    (Kind::Blobs, Some(digest)) => {
                        if repository.blob(&digest)?.is_none() {
                            self.missing(name, "blob", &digest, &layout::layer_link(name, &digest))?;
                        }
                    }
                    _ => continue,
                }
                part.last.clone_from(found);
                if self.step.is_late() {
                    return Ok(());
                }
            }
            match names.last() {
                Some(last) if names.len() == LISTED as usize => part.last.clone_from(last),
                _ => break,
            }
        }
        *part = Part { kind: after, last: String::new() };
        Ok(())
    }

    fn tag(&mut self, repository: &Repository<S>, tag: &str) -> Result<(), Failure> {
        let name = repository.name();
        let is_there = |found: Option<Vec<u8>>| found.is_some();
        // Without the link, a crash has left a tag that was never acknowledged, and no list shows it.
        if repository.manifest(&Reference::Tag(tag.to_owned()))?.is_none()
            && is_there(self.step.storage.get(&layout::tag_link(name, tag))?)
        {
            let fields = [("tag", Field::Text(tag))];
            self.found_in(name, "dangling", &format!("the tag {tag} points to nothing"), &fields);
        }
        Ok(())
    }

    fn manifest(&mut self, repository: &Repository<S>, digest: Digest) -> Result<(), Failure> {
        let name = repository.name();
        let Some((digest, blob)) = repository.manifest(&Reference::Digest(digest.clone()))? else {
            return self.missing(name, "manifest", &digest, &layout::revision_link(name, &digest));
        };
        let Some(content) = repository.read_manifest(&blob)? else {
            // It was found before, unless content was not read.
            if self.is_quick {
                let removed = self.removes && repository.remove_if_broken(&blob)?;
                let text = if removed { ", and was removed" } else { "" };
                self.found_in(
                    name,
                    "broken",
                    &format!("the manifest {digest} does not match its digest{text}"),
                    &[
                        ("digest", Field::Text(digest.as_str())),
                        ("bytes", Field::Number(blob.size)),
                        ("removed", Field::Flag(removed)),
                    ],
                );
            }
            return Ok(());
        };
        // What a mirror does not have comes when somebody asks for it.
        let upstreams = self.step.keeping.upstreams.as_ref();
        let is_mirrored = upstreams.is_some_and(|upstreams| upstreams.find(name.as_str(), None).is_some());
        // A manifest of a type that is not known may name anything.
        let Ok(Manifest { blobs, entries, .. }) = Manifest::parse(&content, None) else { return Ok(()) };
        for (named, is_entry) in
            blobs.iter().map(|blob| (blob, false)).chain(entries.iter().map(|entry| (entry, true)))
        {
            // An entry of an index may be either.
            let is_there = is_mirrored
                || repository.blob(&named.digest)?.is_some()
                || is_entry && repository.has_manifest(&named.digest)?;
            if !is_there {
                let kind = if is_entry { "manifest" } else { "blob" };
                let missing = &named.digest;
                self.found_in(
                    name,
                    "incomplete",
                    &format!("the manifest {digest} names the {kind} {missing}, which is missing"),
                    &[("digest", Field::Text(digest.as_str())), ("missing", Field::Text(missing.as_str()))],
                );
            }
        }
        Ok(())
    }

    /// Reports a link without content. What was removed may still be listed: then there is no link either.
    fn missing(
        &mut self,
        name: &Name,
        kind: &'static str,
        digest: &Digest,
        link: &str,
    ) -> Result<(), Failure> {
        if self.step.storage.get(link)?.is_some() {
            let fields = [("digest", Field::Text(digest.as_str())), ("kind", Field::Text(kind))];
            self.found_in(name, "missing", &format!("the {kind} {digest} has no content"), &fields);
        }
        Ok(())
    }

    /// Counts something that was found in a repository, and prints it.
    fn found_in(&mut self, name: &Name, finding: &'static str, text: &str, more: &[(&'static str, Field)]) {
        let mut fields = vec![("finding", Field::Text(finding)), ("repository", Field::Text(name.as_str()))];
        fields.extend_from_slice(more);
        self.found(&[name.as_str(), ": ", text].concat(), &fields);
    }
}
