//! `ListObjectsV2`.

use core::ops::Bound;

use crate::bucket::Bucket;
use crate::request::{Request, Response, Result, refuse};
use crate::time::iso_date;
use crate::xml::escape;

/// The most entries of a list.
pub(crate) const KEYS_MAX: usize = 1000;

/// The parameters that a list may have.
const KNOWN: [&str; 6] =
    ["list-type", "prefix", "delimiter", "start-after", "continuation-token", "max-keys"];

/// How a token begins, so that it cannot be taken for a key.
pub(crate) const TOKEN: &str = "token+/=";

impl Bucket {
    pub(crate) fn list(&self, request: &Request) -> Result<Response> {
        let query = request.query();
        if let Some((name, _)) = query.iter().find(|(name, _)| !KNOWN.contains(&&**name)) {
            return refuse(501, "NotImplemented", format!("the parameter {name}"));
        }
        let parameter = |name: &str| {
            query.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value.as_str())
        };
        let (prefix, delimiter) = (parameter("prefix"), parameter("delimiter"));
        if parameter("list-type") != "2" || !matches!(delimiter, "" | "/") {
            return refuse(501, "NotImplemented", "another list");
        }
        // What such a marker leaves out is not the same everywhere.
        if parameter("start-after").ends_with('/') {
            return refuse(400, "InvalidArgument", "start-after ends in a slash");
        }
        let most = parameter("max-keys").parse().map_or(KEYS_MAX, |most: usize| most.min(KEYS_MAX));
        let after = match parameter("continuation-token") {
            "" => parameter("start-after").to_owned(),
            token => match token.strip_prefix(TOKEN) {
                Some(after) => after.to_owned(),
                None => return refuse(400, "InvalidArgument", "The continuation token is not valid"),
            },
        };
        let (entries, is_whole) = self.entries(prefix, delimiter, &after, most);
        Ok(Response::xml(200, &self.answer(&entries, is_whole)))
    }

    /// The keys and common prefixes that come after one, in their order, and whether that is all.
    pub(crate) fn entries(
        &self,
        prefix: &str,
        delimiter: &str,
        after: &str,
        most: usize,
    ) -> (Vec<String>, bool) {
        let mut entries: Vec<String> = Vec::new();
        let first = (Bound::Included(prefix.to_owned()), Bound::Unbounded);
        for key in self.objects.range(first).map(|(key, _)| key) {
            let Some(rest) = key.strip_prefix(prefix) else { break };
            let cut = (!delimiter.is_empty()).then(|| rest.find(delimiter)).flatten();
            let entry = match cut {
                Some(at) => key.get(..prefix.len() + at + 1).unwrap_or_default(),
                None => key,
            };
            // A prefix comes after a marker, too, if a key below it does; but once it was given, it is over.
            let is_after = key.as_str() > after && entry != after;
            if !is_after || entries.last().is_some_and(|last| last == entry) {
                continue;
            }
            if entries.len() == most {
                return (entries, false);
            }
            entries.push(entry.to_owned());
        }
        (entries, true)
    }

    pub(crate) fn answer(&self, entries: &[String], is_whole: bool) -> String {
        let mut xml = format!(
            "<ListBucketResult><KeyCount>{}</KeyCount><IsTruncated>{}</IsTruncated>",
            entries.len(),
            !is_whole
        );
        if let Some(last) = entries.last().filter(|_| !is_whole) {
            xml += &format!("<NextContinuationToken>{TOKEN}{}</NextContinuationToken>", escape(last));
        }
        for entry in entries {
            match self.objects.get(entry).filter(|_| !entry.ends_with('/')) {
                None => {
                    xml += &format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", escape(entry));
                }
                Some(object) => {
                    xml += &format!(
                        "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size>\
                         <StorageClass>STANDARD</StorageClass></Contents>",
                        escape(entry),
                        iso_date(object.modified),
                        escape(&object.etag),
                        object.bytes.len()
                    );
                }
            }
        }
        xml + "</ListBucketResult>"
    }
}
