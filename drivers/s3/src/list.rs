//! Lists.
//!
//! A store orders prefixes *with their slash*: `1-alpine/`, `1.2/`, `1/`. The contract wants them without: `1`,
//! `1-alpine`, `1.2`. Of a list that was cut off after some segment, only segments can be missing that sort before it
//! without the slash and after it with the slash. These are beginnings of it, cut off before a `-` or a `.`, the only
//! characters of a key that come before the slash. There are few of them, and each is looked for.
//!
//! Segments that have a value below them are found in a list of all keys, of which each request gives a thousand, with
//! their sizes. What else a segment has, as the history of a tag, is passed over: the next request begins behind it.

use lighter_storage::{BlobEntry, BlobInfo, BlobPage, Having, check_key};

use crate::batch::all_or_none;
use crate::client::{Answer, Call, Client, Result};
use crate::date::{read_http_date, read_iso_date};
use crate::host::Host;
use crate::xml;

/// The most entries of a list.
const LISTED_MAX: u32 = 1000;

/// The least number of entries to ask for: of those under a prefix only some may be of the kind that is looked for.
const LISTED_MIN: u32 = 100;

/// How many keys to ask for where all keys of a tag are listed: that of its link, one of its history, and one more.
const KEYS_OF_SEGMENT: u32 = 3;

/// How many prefixes are looked for at once.
const PROBED_AT_ONCE: usize = 8;

/// A part of a list.
pub(crate) struct Page<'a> {
    /// What the keys begin with.
    prefix: &'a str,
    /// Whether keys with a further slash are given only as the prefix that ends in it.
    is_cut: bool,
    /// Only keys after this one are given. Stores differ in what one that ends in a slash leaves out, so none does.
    after: Option<String>,
    most: u32,
    /// What the part before says of where this one begins.
    pub(crate) token: Option<String>,
}

impl<'a> Page<'a> {
    /// The first part of all keys.
    pub(crate) fn first(prefix: &'a str) -> Self {
        Self { prefix, is_cut: false, after: None, most: LISTED_MAX, token: None }
    }
}

/// An object that is listed.
pub(crate) struct Object {
    /// Its key, as the registry has it.
    pub(crate) key: String,
    info: BlobInfo,
}

/// What a part of a list has.
pub(crate) struct Listed {
    pub(crate) objects: Vec<Object>,
    /// The prefixes, without their last slash.
    prefixes: Vec<String>,
    /// Where the next part begins, unless this is the last one.
    pub(crate) token: Option<String>,
}

/// Fetches a part of a list.
pub(crate) fn fetch<H: Host>(client: &Client<H>, page: &Page) -> Result<Listed> {
    Ok(listed(client, &client.call(&call(client, page))?))
}

fn call<H: Host>(client: &Client<H>, page: &Page) -> Call {
    let mut call = Call::new("GET", "")
        .query("list-type", "2")
        .query("prefix", client.object(page.prefix))
        .query("max-keys", page.most.to_string());
    if page.is_cut {
        call = call.query("delimiter", "/");
    }
    match (&page.token, &page.after) {
        (Some(token), _) => call.query("continuation-token", token.as_str()),
        (None, Some(after)) => call.query("start-after", client.object(after)),
        (None, None) => call,
    }
}

fn listed<H: Host>(client: &Client<H>, answer: &Answer) -> Listed {
    let (text, now) = (answer.text(), answer.response.header("date").and_then(read_http_date));
    let own = |key: String| key.strip_prefix(&client.config.root).map(str::to_owned);
    let object = |xml: &str| {
        let key = own(xml::text(xml, "Key")?)?;
        let size = xml::text(xml, "Size")?.parse().ok()?;
        let stored = xml::text(xml, "LastModified").and_then(|date| read_iso_date(&date));
        let age = now.zip(stored).map(|(now, stored)| now.saturating_sub(stored));
        Some(Object { key, info: BlobInfo { size, age } })
    };
    let prefix = |xml: &str| own(xml::text(xml, "Prefix")?)?.strip_suffix('/').map(str::to_owned);
    let is_cut_off = xml::element(&text, "IsTruncated") == Some("true");
    Listed {
        objects: xml::elements(&text, "Contents").filter_map(object).collect(),
        prefixes: xml::elements(&text, "CommonPrefixes").filter_map(prefix).collect(),
        token: xml::text(&text, "NextContinuationToken").filter(|_| is_cut_off),
    }
}

/// What is looked for directly under a prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// Segments that are prefixes of keys.
    Prefixes,
    /// The last segments of keys.
    Keys,
    /// Segments that have this key below them.
    Having(&'a str),
}

/// Lists at most `limit` names directly under a prefix, in byte order, after one, with the size of what has the name or, of
/// `Having`, is below it.
pub(crate) fn names<H: Host>(
    client: &Client<H>,
    kind: Kind,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<Having>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let below = format!("{prefix}/");
    let limit_of_names = limit as usize;
    // It may be any text. What comes between this and that is passed over.
    let marker = after.map(|after| after.trim_end_matches('/')).filter(|after| !after.is_empty());
    let keys = if let Kind::Having(_) = kind { KEYS_OF_SEGMENT } else { 1 };
    let mut page = Page {
        prefix: &below,
        is_cut: keys == 1,
        after: marker.map(|marker| format!("{below}{marker}")),
        most: limit.saturating_mul(keys).saturating_add(1).clamp(LISTED_MIN, LISTED_MAX),
        token: None,
    };
    let mut found: Vec<Having> = Vec::new();
    // Where the last one that the store lists is.
    let mut last = 0;
    let is_wanted = |name: &str| check_key(name).is_ok() && after.is_none_or(|after| name > after);
    let is_whole = loop {
        let Listed { objects, prefixes, token } = fetch(client, &page)?;
        let behind = behind(&below, kind, &objects);
        let keys: Vec<Having> = match kind {
            Kind::Prefixes => prefixes.into_iter().map(|prefix| (prefix, 0)).collect(),
            _ => objects.into_iter().map(|object| (object.key, object.info.size)).collect(),
        };
        for (key, size) in keys {
            let name = key.strip_prefix(&below).and_then(|name| kind.name(name));
            if let Some(name) = name.filter(|name| is_wanted(name)) {
                last = insert(&mut found, name, size);
            }
        }
        match token {
            None => break true,
            Some(_) if found.len() >= limit_of_names => break false,
            Some(token) => {
                page.token = Some(token).filter(|_| behind.is_none());
                page.after = behind;
                page.most = LISTED_MAX;
            }
        }
    };
    if !is_whole && kind != Kind::Keys {
        let last = found.get(last).map_or("", |(name, _)| name.as_str());
        let is_missing = |name: &str| is_wanted(name) && !has(&found, name);
        let missing = missing(client, &below, kind, last, &is_missing)?;
        for (name, size) in missing {
            insert(&mut found, &name, size);
        }
    }
    found.truncate(limit_of_names);
    Ok(found)
}

/// Puts a name in its place, which is at the end but for few, and returns that.
fn insert(found: &mut Vec<Having>, name: &str, size: u64) -> usize {
    let place = found.iter().rposition(|(other, _)| other.as_str() < name).map_or(0, |before| before + 1);
    found.insert(place, (name.to_owned(), size));
    place
}

fn has(found: &[Having], name: &str) -> bool {
    found.iter().any(|(found, _)| found == name)
}

impl Kind<'_> {
    /// The name that a key has, directly under a prefix that was taken from it.
    fn name<'k>(&self, key: &'k str) -> Option<&'k str> {
        match self {
            Self::Prefixes | Self::Keys => Some(key),
            Self::Having(leaf) => {
                key.strip_suffix(leaf)?.strip_suffix('/').filter(|name| !name.contains('/'))
            }
        }
    }
}

/// A key behind all others of the segment that a list was cut off in, if what is looked for in the segment was before that.
fn behind(below: &str, kind: Kind, objects: &[Object]) -> Option<String> {
    let Kind::Having(leaf) = kind else { return None };
    let (segment, rest) = objects.last()?.key.strip_prefix(below)?.split_once('/')?;
    // The character after the slash.
    (rest >= leaf).then(|| format!("{below}{segment}0"))
}

/// The names that a list which was cut off after some last one lacks.
fn missing<H: Host>(
    client: &Client<H>,
    below: &str,
    kind: Kind,
    last: &str,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<Having>> {
    let leaf = if let Kind::Having(leaf) = kind { leaf } else { "" };
    let cuts = last.char_indices().filter(|(_, letter)| matches!(letter, '-' | '.'));
    let mut names: Vec<&str> = cuts.filter_map(|(at, _)| last.get(..at)).collect();
    names.retain(|name| is_wanted(name));
    let keys: Vec<String> = names.iter().map(|name| format!("{below}{name}/{leaf}")).collect();
    let probe = |key: &String| call(client, &Page { most: 1, ..Page::first(key) });
    let answers = all_or_none(client, keys.iter().map(probe), PROBED_AT_ONCE)?;
    let mut there = Vec::new();
    for ((name, key), answer) in names.iter().zip(&keys).zip(&answers) {
        // The key itself comes before all that it begins.
        let first = listed(client, answer).objects.into_iter().next();
        let first = first.filter(|first| leaf.is_empty() || first.key == *key);
        there.extend(first.map(|first| ((*name).to_owned(), first.info.size)));
    }
    Ok(there)
}

/// Finds blobs under a prefix, as `Storage::enumerate` does. A store's order of whole keys is that of the contract.
pub(crate) fn enumerate<H: Host>(
    client: &Client<H>,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<BlobPage> {
    let below = format!("{prefix}/");
    let after = after.unwrap_or_default();
    if !after.starts_with(&below) && *after > *below {
        return Ok(BlobPage::default());
    }
    // What comes between this and `after` is passed over.
    let marker = after.trim_end_matches('/');
    let page = Page {
        after: (marker.len() > below.len()).then(|| marker.to_owned()),
        most: limit.clamp(1, LISTED_MAX),
        ..Page::first(&below)
    };
    let listed = fetch(client, &page)?;
    let last = listed.objects.last().map(|object| object.key.clone());
    let next = listed.token.and(last);
    let blobs =
        listed.objects.into_iter().filter(|object| *object.key > *after && check_key(&object.key).is_ok());
    let entries = blobs.map(|Object { key, info }| BlobEntry { key, info }).collect();
    Ok(BlobPage { entries, next })
}
