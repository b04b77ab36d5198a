//! Copies within the store, of which no byte comes here.

use crate::abilities::Condition;
use crate::batch::all_or_none;
use crate::client::{Call, Client, Result};
use crate::error::Failure;
use crate::host::Host;
use crate::multipart;
use crate::xml;

/// The header that has a copy refused if its source has another tag.
pub(crate) const CONDITION: &str = "x-amz-copy-source-if-match";

/// The name that this header has in Ceph, of a copy of a whole object. A copy of a part knows no condition there.
pub(crate) const CONDITION_IN_CEPH: &str = "x-amz-copy-if-match";

/// An object as it was seen.
pub(crate) struct Source<'a> {
    pub(crate) key: &'a str,
    pub(crate) etag: &'a str,
    pub(crate) size: u64,
}

impl Source<'_> {
    /// Makes a call a copy of this object, as long as it is the same.
    fn named<H: Host>(&self, client: &Client<H>, call: Call) -> Call {
        call.copying(&client.copy_source(self.key)).header(CONDITION, self.etag)
    }

    /// Fails as a copy does whose condition does not hold, unless the object is the same still.
    fn confirm<H: Host>(&self, client: &Client<H>) -> Result<()> {
        let answer = client.call(&Call::new("HEAD", self.key))?;
        match answer.etag().trim_matches('"') == self.etag.trim_matches('"') {
            true => Ok(()),
            false => Err(Failure::unmet(&format!("HEAD {}", self.key))),
        }
    }
}

/// Copies an object to a key: in one request, or in parts if it is large, since a store may take minutes for a large one.
///
/// Where no condition counts it is always in parts, so that nothing is seen of a copy of something else.
pub(crate) fn copy<H: Host>(client: &Client<H>, source: &Source, target: &str) -> Result<()> {
    let copies = client.abilities()?.copies;
    if source.size <= client.config.copy_threshold && copies != Condition::Ignored {
        let call = source.named(client, Call::new("PUT", target));
        let call =
            if copies == Condition::AsInCeph { call.header(CONDITION_IN_CEPH, source.etag) } else { call };
        return client.call(&call).map(drop);
    }
    let upload = multipart::begin(client, target)?;
    let copied = parts(client, source, target, &upload, client.config.copy_chunk, source.size)
        .and_then(|tags| multipart::complete(client, target, &upload, &tags, source.size));
    if copied.is_err() {
        // What is left of it is no blob, and a rule of the bucket removes it.
        let _ = multipart::abort(client, target, &upload);
    }
    copied.map(drop)
}

/// Copies the first bytes of an object to parts of a size, the last of which may be smaller. Returns their tags.
pub(crate) fn parts<H: Host>(
    client: &Client<H>,
    source: &Source,
    target: &str,
    upload: &str,
    chunk: u64,
    length: u64,
) -> Result<Vec<String>> {
    let calls = (0..length.div_ceil(chunk)).map(|index| {
        let (first, end) = (index * chunk, length.min((index + 1) * chunk));
        source
            .named(client, multipart::part(target, upload, index as usize))
            .header("x-amz-copy-source-range", format!("bytes={first}-{}", end - 1))
    });
    let answers = all_or_none(client, calls, client.config.copy_concurrency)?;
    let tag = |answer: &crate::client::Answer| {
        let missing = || Failure::refused(&format!("copy {}", source.key), 200, None, b"");
        xml::text(&answer.text(), "ETag").map(multipart::quoted).ok_or_else(missing)
    };
    let tags = answers.iter().map(tag).collect();
    if client.abilities()?.copies != Condition::Counts {
        source.confirm(client)?;
    }
    tags
}
