//! The page about a repository: its tags.

use core::cmp::Ordering;
use std::collections::BTreeSet;

use super::frame::{Site, end};
use super::html::{Html, has};
use super::kind;
use super::links::Link;
use super::repositories::way;
use super::summary::{Reader, Summary};
use super::units;
use crate::auth::Action;
use crate::endpoint::Call;
use crate::error::{Code, Error, Result};
use crate::http::Response;
use crate::layout;
use crate::name::{Name, TAG_MAX, is_tag};
use crate::repository::{Reference, Repository};
use lighter_hash::Digest;
use lighter_storage::Storage;

/// The most tags on a page.
const PAGE: usize = 50;

/// The most names of tags that are read for a page. They are put in order and searched together.
const NAMES: u32 = 10_000;

/// The most uploads that are counted.
const UPLOADS_MAX: u32 = 100;

/// `GET /ui/<name>`: the tags of a repository that contain `q`, a page of them, of those after `from`.
pub fn show<S: Storage>(repository: &Repository<S>, call: &Call<S>) -> Result<Response> {
    let (site, name, query) = (Site::of(call), repository.name(), &call.request.query);
    let wanted = query.get("q").unwrap_or_default().trim();
    let from = query.get("from").filter(|from| is_tag(from));
    let page =
        query.get("page").and_then(|page| page.parse::<u64>().ok()).unwrap_or(1).clamp(1, 1000) as usize;

    let names = repository.storage().list(&layout::tags(name), from, NAMES)?;
    if names.is_empty() && !repository.exists()? {
        return Err(Error::new(Code::NameUnknown, "there is no such repository"));
    }
    let beyond = names.last().filter(|_| names.len() == NAMES as usize).cloned();
    let wanted_lower = wanted.to_ascii_lowercase();
    let fits = |tag: &String| is_tag(tag) && has(&tag.to_ascii_lowercase(), &wanted_lower);
    let mut tags: Vec<String> = names.into_iter().filter(fits).collect();
    newest_first(&mut tags);

    let mut html = site.begin(name.as_str());
    way(&mut html, &site, name);
    html.raw("<h1>").text(name.as_str()).raw("</h1>");
    if query.get("deleted").is_some() {
        html.raw("<p class=\"notice\" role=\"status\">Deleted.</p>");
    }
    search(&mut html, &site, name, wanted);
    html.raw("<p class=\"count\">").number(tags.len() as u64);
    html.raw(if tags.len() == 1 { " tag" } else { " tags" });
    html.raw(if beyond.is_some() { " among 10,000 names; there are more" } else { "" });
    html.raw("</p><ol class=\"tags\">");
    let (mut reader, mut shown) = (Reader::new(repository), Shown::default());
    for tag in tags.iter().skip((page - 1) * PAGE).take(PAGE) {
        row(&mut html, &site, &mut reader, tag, &mut shown)?;
    }
    html.raw("</ol>");
    shown.write(&mut html);
    if call.caller.may(Action::Push, name.as_str()) {
        let uploads = repository.storage().list(&layout::uploads(name), None, UPLOADS_MAX)?.len();
        if uploads > 0 {
            html.raw("<p class=\"count\">Uploads under way or given up: ").number(uploads as u64);
            html.raw(if uploads == UPLOADS_MAX as usize { " or more</p>" } else { "</p>" });
        }
    }
    html.raw("<p class=\"actions\">");
    let link = || site.links.repository(name).with("q", wanted);
    if page > 1 || from.is_some() {
        html.link(&link()).raw("First page</a> ");
    }
    if page > 1 {
        html.link(&turned(link(), from, page - 1)).raw("Page before</a> ");
    }
    if tags.len() > page * PAGE {
        html.link(&turned(link(), from, page + 1)).raw("Next page</a> ");
    } else if let Some(beyond) = beyond {
        html.link(&turned(link(), Some(&beyond), 1)).raw("More tags</a> ");
    }
    html.raw("</p>");
    Ok(end(html, 200))
}

fn turned(link: Link, from: Option<&str>, page: usize) -> Link {
    let page = if page > 1 { page.to_string() } else { String::new() };
    link.with("from", from.unwrap_or_default()).with("page", &page)
}

fn search(html: &mut Html, site: &Site, name: &Name, wanted: &str) {
    html.raw("<form role=\"search\" class=\"search\" action=\"").text(site.links.repository(name).as_str());
    html.raw("\"><label class=\"hidden\" for=\"q\">Part of a tag</label>");
    html.raw(
        "<input id=\"q\" type=\"search\" name=\"q\" maxlength=\"128\" placeholder=\"Part of a tag\" value=\"",
    );
    html.cut(wanted, TAG_MAX).raw("\"><button>Search</button></form>");
}

/// What the tags of a page name together.
#[derive(Default)]
struct Shown {
    manifests: BTreeSet<String>,
    blobs: BTreeSet<String>,
    named: u64,
    stored: u64,
}

impl Shown {
    fn add(&mut self, digest: &Digest, summary: &Summary) {
        if !self.manifests.insert(digest.to_string()) {
            return;
        }
        for (digest, size) in &summary.blobs {
            self.named = self.named.saturating_add(*size);
            if self.blobs.insert(digest.clone()) {
                self.stored = self.stored.saturating_add(*size);
            }
        }
    }

    fn write(&self, html: &mut Html) {
        if self.named > self.stored {
            html.raw("<p class=\"count\">The different images that are counted here have ");
            units::size(html, self.named);
            html.raw(" in all. They share layers, so ");
            units::size(html, self.stored);
            html.raw(" are stored.</p>");
        }
    }
}

/// Writes a tag: its name, what it names, and a line to copy.
fn row<S: Storage>(
    html: &mut Html,
    site: &Site,
    reader: &mut Reader<S>,
    tag: &str,
    shown: &mut Shown,
) -> Result<()> {
    let name = reader.repository.name();
    html.raw("<li>").link(&site.links.content(name, tag)).text(tag).raw("</a>");
    let Some((digest, manifest)) = reader.repository.manifest(&Reference::Tag(tag.to_owned()))? else {
        html.raw("<p class=\"about\">What this tag names is not there.</p></li>");
        return Ok(());
    };
    let summary = reader.summary(&digest, &manifest)?;
    shown.add(&digest, summary);
    html.raw("<p class=\"about\"><span class=\"kind\">").text(summary.kind.name).raw("</span> ");
    summary.write_size(html);
    if let Some(age) = manifest.age {
        html.raw("<span>pushed ");
        units::ago(html, age);
        html.raw("</span> ");
    }
    short_digest(html, &digest);
    html.raw("</p>");
    summary.write_platforms(html);
    if let Some((program, line)) =
        kind::commands(summary.kind.tools, &site.host, name.as_str(), tag).into_iter().next()
    {
        html.copyable(program, &line);
    }
    html.raw("</li>");
    Ok(())
}

/// Writes the beginning of a digest, which is enough to tell it from others at a glance.
pub fn short_digest(html: &mut Html, digest: &Digest) {
    html.raw("<code class=\"digest\" title=\"").text(digest.as_str()).raw("\">");
    html.text(digest.hex().get(..12).unwrap_or_default()).raw("</code>");
}

/// Puts tags into the order of a page. This is Shell's sort: for 10,000 tags it is quick enough, and the one of the
/// standard library is 4 KB larger.
pub fn newest_first(tags: &mut [String]) {
    let mut gap = tags.len() / 2;
    while gap > 0 {
        for end in gap..tags.len() {
            let mut at = end;
            while at >= gap
                && let (Some(before), Some(tag)) = (tags.get(at - gap), tags.get(at))
                && order(before, tag) == Ordering::Greater
            {
                tags.swap(at - gap, at);
                at -= gap;
            }
        }
        gap = if gap == 2 { 1 } else { gap * 5 / 11 };
    }
}

/// The order of tags on a page: `latest`, then versions from the highest one down, and last the tags by which tools
/// find what refers to a digest.
fn order(one: &str, other: &str) -> Ordering {
    let class = |tag: &str| match tag {
        "latest" => 0,
        tag if tag.starts_with("sha256-") => 2,
        _ => 1,
    };
    class(one).cmp(&class(other)).then_with(|| natural(other, one)).then_with(|| other.cmp(one))
}

/// Compares texts, and the numbers in them by their values.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        let (Some(a), Some(b)) = (one.first(), other.first()) else { return one.len().cmp(&other.len()) };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let (number_a, rest_a) = number(one);
            let (number_b, rest_b) = number(other);
            match number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b)) {
                Ordering::Equal => (one, other) = (rest_a, rest_b),
                unequal => return unequal,
            }
        } else if a == b {
            (one, other) = (one.get(1..).unwrap_or_default(), other.get(1..).unwrap_or_default());
        } else {
            return a.cmp(b);
        }
    }
}

/// Splits the digits off the beginning, without leading zeros.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|b| **b == b'0').count();
    (digits.get(zeros..).unwrap_or_default(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_their_order() {
        let mut tags =
            ["1.9", "1.10", "sha256-ab.sig", "1.10.1", "edge", "latest", "2", "1.9-rc1", "007", "7"];
        tags.sort_unstable_by(|one, other| order(one, other));
        assert_eq!(
            tags,
            ["latest", "edge", "7", "007", "2", "1.10.1", "1.10", "1.9-rc1", "1.9", "sha256-ab.sig"]
        );
    }

    #[test]
    fn any_number_of_tags_is_sorted() {
        for count in [0, 1, 2, 3, 10, 101, 10_000] {
            // In an order that has nothing to do with theirs.
            let mut tags: Vec<String> = (0..count).map(|n| format!("v{}", n * 7919 % 10_007)).collect();
            newest_first(&mut tags);
            assert!(tags.is_sorted_by(|one, other| order(one, other) == Ordering::Less), "{count}");
        }
    }
}
