//! The part of a page that shows what refers to a manifest: signatures, attestations, bills of materials.

use super::blob::small_json;
use super::frame::Site;
use super::html::Html;
use super::manifest::content_link;
use super::parts::{Part, Parts, ROW_MAX, text_of};
use super::summary::short;
use super::units;
use crate::layout;
use crate::referrers;
use crate::repository::{Reference, Repository};
use lighter_hash::{Algorithm, Digest};
use lighter_storage::{Result, Storage};

/// The most referrers on a page. Each takes three storage calls.
const SHOWN_MAX: u32 = 50;

/// The most referrers whose JSON is shown. Each takes three more storage calls.
const JSON_MAX: usize = 5;

/// The annotation that says when a referrer was made.
const CREATED: &str = "org.opencontainers.image.created";

/// What cosign stores under tags that it makes from a digest, and the ends of these tags.
const OF_COSIGN: [(&str, &str); 3] = [
    (".sig", "Signature (cosign)"),
    (".att", "Attestation (cosign)"),
    (".sbom", "Bill of materials (cosign)"),
];

/// Writes what refers to a manifest. It does not search manifests that were stored by another registry, as the API does
/// when a client first asks for referrers.
pub fn write<S: Storage>(
    html: &mut Html,
    site: &Site,
    repository: &Repository<S>,
    subject: &Digest,
) -> Result<()> {
    let mut section = Html::default();
    let is_empty = !list(&mut section, site, repository, subject)?;
    if !is_empty {
        html.raw("<section><h2>What refers to it</h2><ul class=\"related\">")
            .append(section)
            .raw("</ul></section>");
    }
    Ok(())
}

/// Writes the items, and returns whether there are any.
fn list<S: Storage>(
    html: &mut Html,
    site: &Site,
    repository: &Repository<S>,
    subject: &Digest,
) -> Result<bool> {
    let (name, storage) = (repository.name(), repository.storage());
    let mut found = Vec::new();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let hexes = storage.list(&layout::referrers(name, subject, algorithm), None, SHOWN_MAX + 1)?;
        found.extend(hexes.iter().filter_map(|hex| layout::listed_digest(algorithm, hex)));
    }
    for digest in referrers::fallback(repository, subject)?.into_iter().take(SHOWN_MAX as usize) {
        if !found.contains(&digest) {
            found.push(digest);
        }
    }
    let (mut shown, mut with_json) = (0, 0);
    for digest in found.iter().take(SHOWN_MAX as usize) {
        let found = repository.manifest(&Reference::Digest(digest.clone()))?;
        let Some((_, manifest)) = found else { continue };
        let Some(content) = short(repository, &manifest, ROW_MAX)? else { continue };
        let parts = Parts::read(&content);
        if parts.subject.as_ref() != Some(subject) {
            continue;
        }
        shown += 1;
        html.raw("<li><div class=\"about\"><span class=\"kind\">").text(parts.kind.name).raw("</span> ");
        content_link(html, site, name, digest);
        html.raw(" ");
        units::size(html, parts.size());
        if let Some(created) = parts.annotations.get(CREATED) {
            html.raw(" <bdi>").cut(&text_of(created), 40).raw("</bdi>");
        }
        if !parts.artifact_type.is_empty() {
            html.raw(" <bdi>").cut(&parts.artifact_type, 100).raw("</bdi>");
        }
        html.raw("</div>");
        let first = parts.layers.first().map(|layer| Part::read(layer)).filter(|_| with_json < JSON_MAX);
        if let Some(first) = first
            && let Some(json) = small_json(repository, &first)?
        {
            with_json += 1;
            html.raw("<details><summary>Its content</summary>").json(&json).raw("</details>");
        }
        html.raw("</li>");
    }
    if found.len() > SHOWN_MAX as usize {
        html.raw("<li>and more</li>");
    }
    for (end, what) in OF_COSIGN {
        let tag = [subject.algorithm().as_str(), "-", subject.hex(), end].concat();
        if repository.named_by(&tag)?.is_some() {
            shown += 1;
            html.raw("<li><div class=\"about\"><span class=\"kind\">").raw(what).raw("</span> ");
            html.link(&site.links.content(name, &tag)).raw("by its tag</a></div></li>");
        }
    }
    Ok(shown > 0)
}
