//! Lists.
//!
//! A store orders prefixes *with their slash*: `1-alpine/`, `1.2/`, `1/`. The contract wants them without: `1`,
//! `1-alpine`, `1.2`. Of a list that was cut off after some segment, only segments can be missing that sort before it
//! without the slash and after it with the slash. These are beginnings of it, cut off before a `-` or a `.`, the only
//! characters of a key that come before the slash. There are few of them, and each is looked for.

use lighter_storage::{BlobEntry, BlobInfo, BlobPage, check_key};

use crate::batch::all_or_none;
use crate::client::{Call, Client, Result};
use crate::date::{read_http_date, read_iso_date};
use crate::host::Host;
use crate::xml;

/// The most entries of a list.
const LISTED_MAX: u32 = 1000;

/// The least number of entries to ask for: of those under a prefix only some may be of the kind that is looked for.
const LISTED_MIN: u32 = 100;

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
    let mut call = Call::new("GET", "")
        .query("list-type", "2")
        .query("prefix", client.object(page.prefix))
        .query("max-keys", page.most.to_string());
    if page.is_cut {
        call = call.query("delimiter", "/");
    }
    match (&page.token, &page.after) {
        (Some(token), _) => call = call.query("continuation-token", token.as_str()),
        (None, Some(after)) => call = call.query("start-after", client.object(after)),
        (None, None) => {}
    }
    let answer = client.call(&call)?;
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
    Ok(Listed {
        objects: xml::elements(&text, "Contents").filter_map(object).collect(),
        prefixes: xml::elements(&text, "CommonPrefixes").filter_map(prefix).collect(),
        token: xml::text(&text, "NextContinuationToken").filter(|_| is_cut_off),
    })
}

/// What is looked for directly under a prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Segments that are prefixes of keys.
    Prefixes,
    /// The last segments of keys.
    Keys,
}

/// Lists at most `limit` names directly under a prefix, in byte order, after one.
pub(crate) fn names<H: Host>(
    client: &Client<H>,
    kind: Kind,
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let below = format!("{prefix}/");
    let limit_of_names = limit as usize;
    // It may be any text. What comes between this and that is passed over.
    let marker = after.map(|after| after.trim_end_matches('/')).filter(|after| !after.is_empty());
    let mut page = Page {
        prefix: &below,
        is_cut: true,
        after: marker.map(|marker| format!("{below}{marker}")),
        most: limit.saturating_add(1).clamp(LISTED_MIN, LISTED_MAX),
        token: None,
    };
    let mut found: Vec<String> = Vec::new();
    let is_wanted = |name: &str| check_key(name).is_ok() && after.is_none_or(|after| name > after);
    let is_whole = loop {
        let listed = fetch(client, &page)?;
        let keys = match kind {
            Kind::Prefixes => listed.prefixes,
            Kind::Keys => listed.objects.into_iter().map(|object| object.key).collect(),
        };
        let names = keys.iter().filter_map(|key| key.strip_prefix(&below)).filter(|name| is_wanted(name));
        found.extend(names.map(str::to_owned));
        match listed.token {
            None => break true,
            Some(_) if found.len() >= limit_of_names => break false,
            Some(token) => page.token = Some(token),
        }
    };
    if !is_whole && kind == Kind::Prefixes {
        found.extend(missing(client, &below, &found, &is_wanted)?);
    }
    found.sort_unstable();
    found.truncate(limit_of_names);
    Ok(found)
}

/// The names that a list which was cut off lacks.
fn missing<H: Host>(
    client: &Client<H>,
    below: &str,
    found: &[String],
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let last = found.last().map_or("", String::as_str);
    let cuts = last.char_indices().filter(|(_, letter)| matches!(letter, '-' | '.'));
    let beginnings = cuts.filter_map(|(at, _)| last.get(..at));
    let mut names: Vec<&str> = beginnings.filter(|name| is_wanted(name)).collect();
    names.retain(|name| !found.iter().any(|found| found == name));
    let probe = |name: &&str| {
        let prefix = client.object(&format!("{below}{name}/"));
        Call::new("GET", "").query("list-type", "2").query("prefix", prefix).query("max-keys", "1")
    };
    let answers = all_or_none(client, names.iter().map(probe), PROBED_AT_ONCE)?;
    let is_there = answers.iter().map(|answer| xml::element(&answer.text(), "Contents").is_some());
    let there = names.iter().zip(is_there).filter(|(_, is_there)| *is_there);
    Ok(there.map(|(name, _)| (*name).to_owned()).collect())
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
