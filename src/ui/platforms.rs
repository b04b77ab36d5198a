//! The part of a page that shows the entries of an index.

use std::collections::BTreeSet;

use super::frame::Site;
use super::html::Html;
use super::links::Link;
use super::manifest::content_link;
use super::parts::{Part, Parts, ROW_MAX, text_of};
use super::summary::short;
use super::units;
use crate::repository::{Reference, Repository};
use lighter_storage::{Result, Storage};

/// The most entries on a page. Each takes three storage calls.
const PAGE: usize = 50;

/// The annotation with the digest of the manifest that an attestation of BuildKit is about.
const ABOUT: &str = "vnd.docker.reference.digest";

/// Writes a page of the entries of an index, from the first one on.
pub fn write<S: Storage>(
    html: &mut Html,
    site: &Site,
    repository: &Repository<S>,
    parts: &Parts,
    reference: &str,
    page: u64,
) -> Result<()> {
    let (name, page, mut seen) = (repository.name(), page.clamp(1, 10_000) as usize, BTreeSet::new());
    let (mut named, mut stored) = (0_u64, 0_u64);
    html.raw("<section><h2>Platforms and other entries</h2><div class=\"wide\"><table><thead><tr>");
    html.raw("<th scope=\"col\">Entry</th><th scope=\"col\" class=\"number\">To pull</th>");
    html.raw("<th scope=\"col\">Digest</th></tr></thead><tbody>");
    for json in parts.entries.iter().skip((page - 1) * PAGE).take(PAGE) {
        let entry = Part::read(json);
        let found = match &entry.digest {
            Some(digest) => repository.manifest(&Reference::Digest(digest.clone()))?,
            None => None,
        };
        let content = match &found {
            Some((_, manifest)) => short(repository, manifest, ROW_MAX)?,
            None => None,
        };
        let own = content.as_deref().map(Parts::read);
        html.raw("<tr><th scope=\"row\">");
        let platform = entry.platform();
        match (platform.is_empty(), &own, entry.annotations.get(ABOUT).map(|about| text_of(about))) {
            (false, ..) => _ = html.raw("<bdi>").cut(&platform, 60).raw("</bdi>"),
            (true, Some(own), Some(about)) => {
                html.text(own.kind.name).raw(" of <code class=\"digest\">");
                html.cut(about.strip_prefix("sha256:").unwrap_or(&about), 12).raw("</code>");
            }
            (true, Some(own), None) => _ = html.text(own.kind.name),
            (true, None, _) => _ = html.raw("<bdi>").cut(&entry.media_type, 80).raw("</bdi>"),
        }
        html.raw("</th><td class=\"number\">");
        match &own {
            Some(own) => units::size(html, own.size()),
            None => entry.size.into_iter().for_each(|bytes| units::size(html, bytes)),
        }
        html.raw("</td><td>");
        match &entry.digest {
            Some(digest) if found.is_some() => content_link(html, site, name, digest),
            Some(digest) => {
                super::tags::short_digest(html, digest);
                html.raw(" not here");
            }
            None => _ = html.raw("none"),
        }
        html.raw("</td></tr>");
        for blob in own.iter().flat_map(Parts::blobs) {
            let size = blob.size.unwrap_or_default();
            named = named.saturating_add(size);
            if blob.digest.is_some_and(|digest| seen.insert(digest.to_string())) {
                stored = stored.saturating_add(size);
            }
        }
    }
    html.raw("</tbody></table></div>");
    if named > stored {
        html.raw("<p class=\"count\">All of these have ");
        units::size(html, named);
        html.raw(". They share layers, so ");
        units::size(html, stored);
        html.raw(" are stored.</p>");
    }
    turn(html, parts.entries.len(), page, |page| {
        site.links.content(name, reference).with("page", &page.to_string())
    });
    html.raw("</section>");
    Ok(())
}

/// Writes where one is among the pages, and the links to the ones beside it.
fn turn(html: &mut Html, all: usize, page: usize, link: impl Fn(usize) -> Link) {
    if all <= PAGE {
        return;
    }
    html.raw("<p class=\"actions\"><span>Page ").number(page as u64).raw(" of ");
    html.number(all.div_ceil(PAGE) as u64).raw("</span> ");
    if page > 1 {
        html.link(&link(page - 1)).raw("Page before</a> ");
    }
    if page * PAGE < all {
        html.link(&link(page + 1)).raw("Next page</a>");
    }
    html.raw("</p>");
}
