//! Lists.
//!
//! A store orders prefixes *with their slash*: `1-alpine/`, `1.2/`, `1/`. The contract wants them without: `1`,
//! `1-alpine`, `1.2`. Of a list that was cut off after some segment, only segments can be missing that sort before it
//! without the slash and after it with the slash. These are beginnings of it, cut off before a `-` or a `.`, the only
//! characters of a key that come before the slash. There are few of them, and each is looked for.
//!
//! Segments that have a value below them are found in a list of all keys, of which each request gives a thousand, with
//! their sizes. What else a segment has, as the history of a tag, is passed over: the next request begins behind it.

use core::mem::take;
use std::borrow::Cow;

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

/// An object that is listed, or a prefix, which has neither a size nor a time.
#[derive(Default)]
pub(crate) struct Object<'a> {
    /// Its key, as the registry has it.
    pub(crate) key: Cow<'a, str>,
    size: u64,
    /// When it was stored, as the store writes it.
    stored: &'a str,
}

/// What a part of a list has.
#[derive(Default)]
pub(crate) struct Listed<'a> {
    pub(crate) objects: Vec<Object<'a>>,
    /// The prefixes, without their last slash.
    prefixes: Vec<Object<'a>>,
    /// Where the next part begins, unless this is the last one.
    pub(crate) token: Option<String>,
}

/// Fetches a part of a list, which [`Listed::read`] then takes apart.
pub(crate) fn fetch<H: Host>(client: &Client<H>, page: &Page) -> Result<Answer> {
    client.call(&call(client, page))
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

impl<'a> Listed<'a> {
    /// Reads the text of an answer.
    pub(crate) fn read<H: Host>(client: &Client<H>, xml: &'a str) -> Self {
        let own = |text: &'a str| match xml::unescape(text) {
            Cow::Borrowed(key) => key.strip_prefix(&client.config.root).map(Cow::Borrowed),
            Cow::Owned(key) => key.strip_prefix(&client.config.root).map(|key| Cow::Owned(key.to_owned())),
        };
        let mut listed = Self::default();
        let (mut key, mut size, mut stored) = (None, None, "");
        let (mut is_common, mut is_cut_off) = (false, false);
        for (tag, text) in xml::tags(xml) {
            // By bytes, since texts are compared one after the other.
            match tag.as_bytes() {
                b"Key" => key = own(text),
                b"Size" => size = text.parse().ok(),
                b"LastModified" => stored = text,
                b"/Contents" => {
                    let (found, stored) = (key.take().zip(size.take()), take(&mut stored));
                    listed.objects.extend(found.map(|(key, size)| Object { key, size, stored }));
                }
                b"CommonPrefixes" => is_common = true,
                // The list itself has the prefix that was asked for.
                b"Prefix" if take(&mut is_common) => {
                    let key = own(text.strip_suffix('/').unwrap_or(text));
                    listed.prefixes.extend(key.map(|key| Object { key, ..Object::default() }));
                }
                b"IsTruncated" => is_cut_off = text == "true",
                b"NextContinuationToken" => listed.token = Some(xml::unescape(text).into_owned()),
                _ => {}
            }
        }
        listed.token = listed.token.filter(|_| is_cut_off);
        listed
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
        let answer = fetch(client, &page)?;
        let text = answer.text();
        let Listed { objects, prefixes, token } = Listed::read(client, &text);
        for Object { key, size, .. } in if kind == Kind::Prefixes { &prefixes } else { &objects } {
            let name = key.strip_prefix(&below).and_then(|name| kind.name(name));
            if let Some(name) = name.filter(|name| is_wanted(name)) {
                last = insert(&mut found, name, *size);
            }
        }
        let behind = behind(&below, kind, &objects);
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
        let text = answer.text();
        let first = Listed::read(client, &text).objects.into_iter().next();
        let first = first.filter(|first| leaf.is_empty() || first.key == *key);
        there.extend(first.map(|first| ((*name).to_owned(), first.size)));
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
    let answer = fetch(client, &page)?;
    let (text, now) = (answer.text(), answer.response.header("date").and_then(read_http_date));
    let listed = Listed::read(client, &text);
    let last = listed.objects.last().map(|object| object.key.to_string());
    let next = listed.token.and(last);
    let blobs =
        listed.objects.into_iter().filter(|object| *object.key > *after && check_key(&object.key).is_ok());
    let entry = |Object { key, size, stored }: Object| {
        let age = now.zip(read_iso_date(stored)).map(|(now, stored)| now.saturating_sub(stored));
        BlobEntry { key: key.into_owned(), info: BlobInfo { size, age } }
    };
    Ok(BlobPage { entries: blobs.map(entry).collect(), next })
}
