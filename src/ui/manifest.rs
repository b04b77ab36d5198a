//! The page about a tag or a manifest.

use super::frame::{Site, end};
use super::html::Html;
use super::parts::{PAIRS_MAX, Pairs, Parts, text_of};
use super::repositories::way;
use super::tags::newest_first;
use super::{blob, delete, image, kind, platforms, related, units};
use crate::endpoint::Call;
use crate::error::{Code, Error, Result};
use crate::http::Response;
use crate::layout;
use crate::manifest::MANIFEST_MAX;
use crate::name::{Name, is_tag};
use crate::repository::{Reference, Repository};
use lighter_hash::Digest;
use lighter_storage::{self as storage, Storage};

/// The most tags that are looked at to find those of one manifest.
const TAGS_MAX: u32 = 100;

/// The most characters of a value that are shown.
pub const VALUE_MAX: usize = 1000;

/// The most characters of a name that are shown.
pub const NAME_SHOWN_MAX: usize = 200;

/// `GET /ui/<name>:<tag>` and `GET /ui/<name>@<digest>`: a manifest, or else a blob that the repository has.
pub fn show<S: Storage>(
    repository: &Repository<S>,
    call: &Call<S>,
    reference: &Reference,
) -> Result<Response> {
    let site = Site::of(call);
    let name = repository.name();
    let Some((digest, manifest)) = repository.manifest(reference)? else {
        if let Reference::Digest(digest) = reference
            && let Some(found) = repository.blob(digest)?
        {
            return blob::show(repository, &site, digest, &found);
        }
        return Err(Error::new(Code::ManifestUnknown, "the repository does not have this"));
    };
    let lost = "the content of this manifest is damaged or too large to be shown";
    let content = Some(&manifest).filter(|manifest| manifest.size <= MANIFEST_MAX);
    let content = content.map(|manifest| repository.read_manifest(manifest)).transpose()?.flatten();
    let content = content.ok_or_else(|| Error::new(Code::ManifestUnknown, lost))?;
    let text = String::from_utf8_lossy(&content);
    let parts = Parts::read(&text);

    let sign = if call.last.contains(':') { "@" } else { ":" };
    let mut html = site.begin(&[name.as_str(), sign, call.last].concat());
    way(&mut html, &site, name);
    html.raw("<h1>").text(name.as_str()).text(sign);
    html.raw("<wbr><span class=\"reference\">").text(call.last).raw("</span></h1><p class=\"about\">");
    html.raw("<span class=\"kind\">").text(parts.kind.name).raw("</span> ");
    if parts.entries.is_empty() {
        html.raw("<span>");
        units::size(&mut html, parts.size());
        html.raw(" to pull</span> ");
    }
    if let Some(age) = manifest.age {
        html.raw("<span>pushed ");
        units::ago(&mut html, age);
        html.raw("</span>");
    }
    html.raw("</p>");
    if let Some(subject) = &parts.subject {
        html.raw("<p>It refers to ");
        content_link(&mut html, &site, name, subject);
        html.raw(".</p>");
    }
    pull(&mut html, &site, name, call.last, &digest, &parts);
    if !parts.entries.is_empty() {
        let page = call.request.query.get("page").and_then(|page| page.parse::<u64>().ok()).unwrap_or(1);
        platforms::write(&mut html, &site, repository, &parts, call.last, page)?;
    }
    image::write(&mut html, &site, repository, &parts)?;
    pairs(&mut html, "Annotations", &parts.annotations);
    related::write(&mut html, &site, repository, &digest)?;
    other_tags(&mut html, &site, repository, call.last, &digest)?;
    html.raw("<section><details><summary>The manifest as it is stored, ");
    units::size(&mut html, manifest.size);
    html.raw("</summary>").json(&text).raw("</details></section>");
    if delete::is_possible(call, name) {
        html.raw("<p class=\"actions\">").link(&site.links.delete(name, call.last));
        html.raw(if sign == ":" { "Delete this tag…</a>" } else { "Delete this manifest…</a>" });
        html.raw("</p>");
    }
    Ok(end(html, 200))
}

/// Writes the commands that pull a manifest, and its digest.
fn pull(html: &mut Html, site: &Site, name: &Name, reference: &str, digest: &Digest, parts: &Parts) {
    html.raw("<section class=\"pull\"><h2>Pull</h2>");
    for (program, line) in kind::commands(parts.kind.tools, &site.host, name.as_str(), reference) {
        html.copyable(program, &line);
    }
    html.copyable("digest", digest.as_str());
    if !reference.contains(':') {
        html.raw("<p class=\"more\">").link(&site.links.content(name, digest.as_str()));
        html.raw("The same by its digest</a>, which always means the same content</p>");
    }
    html.raw("</section>");
}

/// Writes a link to content, by the beginning of its digest.
pub fn content_link(html: &mut Html, site: &Site, name: &Name, digest: &Digest) {
    html.link(&site.links.content(name, digest.as_str()));
    super::tags::short_digest(html, digest);
    html.raw("</a>");
}

/// Writes names and values.
pub fn pairs(html: &mut Html, title: &'static str, pairs: &Pairs) {
    if pairs.is_empty() {
        return;
    }
    html.raw("<section><h2>").raw(title).raw("</h2><dl class=\"pairs\">");
    for (name, value) in pairs.iter().take(PAIRS_MAX) {
        html.raw("<dt><bdi>").cut(name, NAME_SHOWN_MAX).raw("</bdi></dt><dd><bdi>");
        html.cut(&text_of(value), VALUE_MAX).raw("</bdi></dd>");
    }
    html.raw("</dl>");
    if pairs.len() > PAIRS_MAX {
        html.raw("<p class=\"count\">and ").number((pairs.len() - PAIRS_MAX) as u64).raw(" more</p>");
    }
    html.raw("</section>");
}

/// Finds the tags that name a digest, among the first `max`. Also returns whether there are more tags.
pub fn tags_of<S: Storage>(
    repository: &Repository<S>,
    digest: &Digest,
    max: u32,
) -> storage::Result<(Vec<String>, bool)> {
    let names = repository.storage().list(&layout::tags(repository.name()), None, max + 1)?;
    let are_more = names.len() > max as usize;
    let mut tags = Vec::new();
    for tag in names.into_iter().take(max as usize).filter(|name| is_tag(name)) {
        if repository.named_by(&tag)?.as_ref() == Some(digest) {
            tags.push(tag);
        }
    }
    newest_first(&mut tags);
    Ok((tags, are_more))
}

/// Writes the other tags of the same manifest.
fn other_tags<S: Storage>(
    html: &mut Html,
    site: &Site,
    repository: &Repository<S>,
    shown: &str,
    digest: &Digest,
) -> storage::Result<()> {
    let (tags, are_more) = tags_of(repository, digest, TAGS_MAX)?;
    let others: Vec<String> = tags.into_iter().filter(|tag| tag != shown).collect();
    if others.is_empty() && !are_more {
        return Ok(());
    }
    html.raw("<section><h2>Tags of the same manifest</h2><p class=\"list\">");
    for tag in &others {
        html.link(&site.links.content(repository.name(), tag)).text(tag).raw("</a> ");
    }
    html.raw(if others.is_empty() { "None" } else { "" });
    html.raw(if are_more { " among the first 100 tags of the repository</p>" } else { "</p>" });
    html.raw("</section>");
    Ok(())
}
