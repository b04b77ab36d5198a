//! What a row of a table says about a manifest. Each manifest is read once, and only so many of those that it names.

use super::html::Html;
use super::kind::{Kind, Tools};
use super::parts::{Part, Parts, ROW_MAX, platform};
use super::units;
use crate::repository::{Blob, Reference, Repository};
use lighter_hash::Digest;
use lighter_storage::{Result, Storage};

/// The most configs and entries of indexes that are read for one page. Each takes three storage calls.
const MORE_MAX: usize = 40;

/// The most platforms that a row names.
const PLATFORMS_MAX: usize = 8;

/// What a row says about a manifest.
pub struct Summary {
    /// What it is.
    pub kind: Kind,
    /// The bytes that a client pulls: the least and the most, if there are several platforms.
    sizes: Option<(u64, u64)>,
    platforms: Vec<String>,
    /// The digests and sizes of the blobs that are counted.
    pub blobs: Vec<(String, u64)>,
}

impl Summary {
    /// Of a manifest that is not read.
    const UNREAD: Self = Self {
        kind: Kind { name: "Unread: the manifest is large or damaged", tools: Tools::Artifact },
        sizes: None,
        platforms: Vec::new(),
        blobs: Vec::new(),
    };

    /// Writes the size.
    pub fn write_size(&self, html: &mut Html) {
        if let Some((least, most)) = self.sizes {
            html.raw("<span>");
            units::size(html, least);
            if units::short(least) != units::short(most) {
                html.raw(" to ");
                units::size(html, most);
            }
            html.raw("</span> ");
        }
    }

    /// Writes the platforms.
    pub fn write_platforms(&self, html: &mut Html) {
        if self.platforms.is_empty() {
            return;
        }
        html.raw("<p class=\"platforms\">");
        for platform in self.platforms.iter().take(PLATFORMS_MAX) {
            html.raw("<bdi>").cut(platform, 40).raw("</bdi> ");
        }
        if self.platforms.len() > PLATFORMS_MAX {
            html.raw("and ").number((self.platforms.len() - PLATFORMS_MAX) as u64).raw(" more");
        }
        html.raw("</p>");
    }

    fn add(&mut self, parts: &Parts) {
        let size = parts.size();
        let (least, most) = self.sizes.unwrap_or((size, size));
        self.sizes = Some((least.min(size), most.max(size)));
        let named = |blob: &Part| Some((blob.digest.as_ref()?.to_string(), blob.size.unwrap_or_default()));
        self.blobs.extend(parts.blobs().iter().filter_map(named));
    }
}

/// Reads the manifests of a page.
pub struct Reader<'a, S> {
    /// Where they are.
    pub repository: &'a Repository<'a, S>,
    known: Vec<(Digest, Summary)>,
    more: usize,
}

impl<'a, S: Storage> Reader<'a, S> {
    /// Makes a reader for one page.
    pub fn new(repository: &'a Repository<'a, S>) -> Self {
        Self { repository, known: Vec::new(), more: MORE_MAX }
    }

    /// Reads a manifest that was found, unless it was read before.
    pub fn summary(&mut self, digest: &Digest, manifest: &Blob) -> Result<&Summary> {
        let known = self.known.iter().position(|(known, _)| known == digest);
        let at = match known {
            Some(at) => at,
            None => {
                let summary = self.read(manifest)?;
                self.known.push((digest.clone(), summary));
                self.known.len() - 1
            }
        };
        const UNREAD: &Summary = &Summary::UNREAD;
        Ok(self.known.get(at).map_or(UNREAD, |(_, summary)| summary))
    }

    fn read(&mut self, manifest: &Blob) -> Result<Summary> {
        let Some(content) = short(self.repository, manifest, ROW_MAX)? else { return Ok(Summary::UNREAD) };
        let parts = Parts::read(&content);
        let mut summary = Summary { kind: parts.kind, ..Summary::UNREAD };
        if parts.entries.is_empty() {
            summary.add(&parts);
            let config = parts.config.as_ref().filter(|_| parts.kind.tools == Tools::Image);
            if let Some(digest) = config.and_then(|config| config.digest.as_ref())
                && self.may_read(1)
                && let Some(blob) = self.repository.blob(digest)?
                && let Some(config) = short(self.repository, &blob, ROW_MAX)?
            {
                summary.platforms.extend(Some(platform(&config)).filter(|platform| !platform.is_empty()));
            }
            return Ok(summary);
        }
        let entries = parts.entries.iter().map(|json| Part::read(json));
        let entries: Vec<Part> = entries.filter(|entry| !entry.platform().is_empty()).collect();
        summary.platforms = entries.iter().map(Part::platform).collect();
        if entries.len() > PLATFORMS_MAX || !self.may_read(entries.len()) {
            return Ok(summary);
        }
        for entry in entries {
            let Some(digest) = entry.digest else { continue };
            if let Some((_, manifest)) = self.repository.manifest(&Reference::Digest(digest))?
                && let Some(content) = short(self.repository, &manifest, ROW_MAX)?
            {
                summary.add(&Parts::read(&content));
            }
        }
        Ok(summary)
    }

    fn may_read(&mut self, more: usize) -> bool {
        let left = self.more.checked_sub(more);
        self.more = left.unwrap_or(self.more);
        left.is_some()
    }
}

/// Reads content that has at most `max` bytes, as text. Returns `None` if it has more or is damaged.
pub fn short<S: Storage>(repository: &Repository<S>, blob: &Blob, max: u64) -> Result<Option<String>> {
    if blob.size > max {
        return Ok(None);
    }
    let content = repository.read_manifest(blob)?;
    let lossy = |content: Vec<u8>| String::from_utf8_lossy(&content).into_owned();
    Ok(content.map(|content| String::from_utf8(content).unwrap_or_else(|wrong| lossy(wrong.into_bytes()))))
}
