//! Values, and what is read and written in one request.

use std::time::Duration;

use lighter_storage::{self as storage, BlobInfo, Error, ValueWith};

use crate::batch::{all, all_or_none};
use crate::client::{Answer, Call, Client, Result, age};
use crate::host::Host;
use crate::list;

/// The metadata that says who made a value.
const MAKER: &str = "x-amz-meta-lighter";

/// How many objects are asked for at once.
const ASKED_AT_ONCE: usize = 16;

/// How many objects are removed at once.
const REMOVED_AT_ONCE: usize = 8;

/// How long to wait, where conditions do not count, for others who create the same value.
const SETTLE: Duration = Duration::from_secs(1);

/// Returns an object's content, or none.
pub(crate) fn get<H: Host>(client: &Client<H>, key: &str) -> Result<Option<Vec<u8>>> {
    Ok(found(client.call(&Call::new("GET", key)))?.map(|answer| answer.body))
}

/// The same of several objects.
pub(crate) fn get_all<H: Host>(client: &Client<H>, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>> {
    let answers = all(client, keys.iter().map(|key| Call::new("GET", key)), ASKED_AT_ONCE);
    answers.into_iter().map(|answer| Ok(found(answer)?.map(|answer| answer.body))).collect()
}

/// Returns the size and the age of an object, or none.
pub(crate) fn stat<H: Host>(client: &Client<H>, key: &str) -> storage::Result<Option<BlobInfo>> {
    found(client.call(&Call::new("HEAD", key)))?.map(|answer| info(key, &answer)).transpose()
}

/// The same of several objects.
pub(crate) fn stat_all<H: Host>(
    client: &Client<H>,
    keys: &[String],
) -> storage::Result<Vec<Option<BlobInfo>>> {
    let answers = all(client, keys.iter().map(|key| Call::new("HEAD", key)), ASKED_AT_ONCE);
    let infos = keys.iter().zip(answers);
    infos.map(|(key, answer)| found(answer)?.map(|answer| info(key, &answer)).transpose()).collect()
}

/// Returns an object's content, and with it the answer to a call about another object, if there is such a one. Both are asked
/// for at once; without the first object, the second answer is neither waited for nor looked at.
fn get_and<H: Host>(client: &Client<H>, key: &str, other: &Call) -> Result<Option<ValueWith<Answer>>> {
    let call = Call::new("GET", key);
    let (begun, other_begun) = (client.begin(&call), client.begin(other));
    let finish = |call, begun| found(client.finish(call, begun).map_err(|failed| failed.failure));
    let Some(answer) = finish(&call, begun)? else { return Ok(None) };
    Ok(Some((answer.body, finish(other, other_begun)?)))
}

/// Returns an object's content, and with it the size and the age of another one.
pub(crate) fn get_and_stat<H: Host>(
    client: &Client<H>,
    key: &str,
    other: &str,
) -> storage::Result<Option<ValueWith<BlobInfo>>> {
    let Some((value, answer)) = get_and(client, key, &Call::new("HEAD", other))? else { return Ok(None) };
    Ok(Some((value, answer.map(|answer| info(other, &answer)).transpose()?)))
}

/// Returns an object's content, and with it that of another one.
pub(crate) fn get_and_get<H: Host>(
    client: &Client<H>,
    key: &str,
    other: &str,
) -> Result<Option<ValueWith<Vec<u8>>>> {
    let both = get_and(client, key, &Call::new("GET", other))?;
    Ok(both.map(|(value, answer)| (value, answer.map(|answer| answer.body))))
}

/// The answer, unless it says that there is no such object.
fn found(answer: Result<Answer>) -> Result<Option<Answer>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.is_absence() => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn info(key: &str, answer: &Answer) -> storage::Result<BlobInfo> {
    let missing = || Error::Other(format!("HEAD {key}: the answer has no length"));
    let size = answer.response.content_length().ok_or_else(missing)?;
    Ok(BlobInfo { size, age: age(&answer.response) })
}

/// Stores an object in place of what was there.
pub(crate) fn set<H: Host>(client: &Client<H>, key: &str, value: &[u8]) -> Result<()> {
    client.call(&Call::put(key, value.to_vec())).map(drop)
}

/// Stores a value if there is none, and returns whether it did.
pub(crate) fn create<H: Host>(client: &Client<H>, key: &str, value: &[u8]) -> Result<bool> {
    let nonce = client.nonce();
    let put = Call::put(key, value.to_vec()).header(MAKER, nonce.as_str());
    let is_ours = || {
        let answer = found(client.call(&Call::new("HEAD", key)))?;
        Ok(answer.is_some_and(|answer| answer.response.header(MAKER) == Some(nonce.as_str())))
    };
    if client.is_conditional()? {
        return match client.call(&put.header("if-none-match", "*")) {
            Ok(_) => Ok(true),
            // Perhaps by the same request, whose answer was lost.
            Err(failure) if failure.is_unmet() => is_ours(),
            Err(failure) => Err(failure),
        };
    }
    if get(client, key)?.is_some() {
        return Ok(false);
    }
    client.call(&put)?;
    // Of several who do this at once the last one to store counts, if none takes longer.
    client.host.pause(SETTLE);
    is_ours()
}

/// Removes an object, if it is there.
pub(crate) fn delete<H: Host>(client: &Client<H>, key: &str) -> Result<()> {
    match client.call(&Call::new("DELETE", key)) {
        Err(failure) if !failure.is_absence() => Err(failure),
        _ => Ok(()),
    }
}

/// Removes every object under a prefix, one by one: to remove many in one request takes an MD5 or a checksum, which stores
/// differ in.
pub(crate) fn delete_prefix<H: Host>(client: &Client<H>, prefix: &str) -> Result<()> {
    let below = format!("{prefix}/");
    let mut page = list::Page::first(&below);
    loop {
        let answer = list::fetch(client, &page)?;
        let text = answer.text();
        let listed = list::Listed::read(client, &text);
        let calls = listed.objects.iter().map(|object| Call::new("DELETE", &object.key));
        all_or_none(client, calls, REMOVED_AT_ONCE)?;
        match listed.token {
            Some(token) => page.token = Some(token),
            None => return Ok(()),
        }
    }
}
