//! The answers of a repository that comes from an upstream.
//!
//! What is stored answers, in the same way as anywhere else. Here is only what comes before that, and what comes after
//! it if there is nothing.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{blobs, etag, manifests, parse_digest, referrers, tags};
use crate::access_log::log;
use crate::clock;
use crate::endpoint::{Access, Call};
use crate::error::{Code, Error, Result};
use crate::garbage::outside::System;
use crate::http::page::PageQuery;
use crate::http::range::ByteRange;
use crate::http::{Body, Method, Request, Response};
use crate::json::read_json;
use crate::media_type::OCI_INDEX;
use crate::mirror::{self, Listing, Mirror, Opened, Passed, Source};
use crate::name::{Name, is_tag};
use crate::push;
use crate::repository::{Reference, Repository};
use crate::route::Path;
use crate::upstream::{Failure, next_page};
use lighter_hash::Digest;
use lighter_storage::{Content, Storage};

/// The parameter that names an upstream (OCI Distribution Spec, "Registry Proxying").
const NAMESPACE: &str = "ns";

/// The function that answers from what is stored.
type Stored<S> = fn(&Repository<S>, &mut Call<S>) -> Result<Response>;

/// Finds the upstream of a repository, if it has one, and the name that the repository is stored under. Another
/// namespace is unknown: what is stored here under the same name is something else.
pub fn find<S: Storage>(
    mirror: &'static Mirror<S>,
    name: Name,
    request: &Request,
) -> Result<(Name, Option<Source<S>>)> {
    let namespace = request.query.get(NAMESPACE);
    let Some(origin) = mirror.find(&name, namespace) else {
        if namespace.is_some() {
            return Err(Error::new(Code::NameUnknown, "this registry is no mirror of the namespace"));
        }
        return Ok((name, None));
    };
    let name = Name::parse(&origin.local).map_err(|wrong| Error::new(Code::NameInvalid, wrong))?;
    Ok((name.clone(), Some(Source::new(mirror, origin.upstream, origin.remote, name))))
}

/// Answers a request to a mirrored repository, which was admitted.
pub fn answer<S: Storage>(
    source: &Source<S>,
    path: Path,
    access: Access,
    stored: Stored<S>,
    repository: &Repository<S>,
    call: &mut Call<S>,
) -> Result<Response> {
    let answered = match (access, path) {
        (Access::Pull, blobs::PATH) => blob(source, stored, repository, call),
        (Access::Pull, manifests::PATH) => manifest(source, repository, call),
        (Access::Pull, tags::PATH) => list_tags(source, stored, repository, call),
        (Access::Pull, referrers::PATH) => list_referrers(source, stored, repository, call),
        (Access::Push | Access::Upload, _) => {
            let detail = format!("the repository is a mirror of {}; push there", source.namespace());
            Err(Error::new(Code::Unsupported, detail).with_header("Allow", "GET, HEAD"))
        }
        (Access::Delete, manifests::PATH) => {
            stored(repository, call).and_then(|response| Ok(source.forget(call.last).map(|()| response)?))
        }
        _ => stored(repository, call),
    };
    if call.request.query.get(NAMESPACE).is_none() {
        return answered;
    }
    answered.map(|response| response.with_header("OCI-Namespace", source.namespace()))
}

/// Turns a failure into an answer. `unknown` is that for what the upstream does not have. A client that may not have
/// something learns no more than that: it can still ask the upstream itself.
fn refuse(error: mirror::Error, unknown: Error) -> Error {
    let failure = match error {
        mirror::Error::Storage(error) => return error.into(),
        mirror::Error::Upstream(failure) => failure,
    };
    let source = failure.to_string();
    match failure {
        Failure::Unknown => unknown,
        Failure::Refused(_) => unknown.with_source(source),
        Failure::Limited(after) => {
            let headers = after.map(|after| ("Retry-After", after)).into_iter().collect();
            let detail = "the upstream was asked too often";
            Error::new(Code::TooManyRequests, detail).with_headers(headers).with_source(source)
        }
        Failure::Down(_) => {
            let detail = "the upstream cannot be reached, or does not answer as it should";
            Error::new(Code::Unavailable, detail).with_source(source)
        }
    }
}

/// Whether an answer says that nothing is stored.
fn is_missing<T>(answer: &Result<T>, code: Code) -> bool {
    answer.as_ref().is_err_and(|error| error.code() == code)
}

fn blob<S: Storage>(
    source: &Source<S>,
    stored: Stored<S>,
    repository: &Repository<S>,
    call: &mut Call<S>,
) -> Result<Response> {
    let answer = stored(repository, call);
    if !is_missing(&answer, Code::BlobUnknown) {
        return answer;
    }
    let digest = parse_digest(call.last)?;
    let refuse = |error| refuse(error, Code::BlobUnknown.into());
    // It came with another repository. Only whether this one has it, too, the upstream must say.
    let since = clock::seconds();
    if let Some(blob) = repository.find_anywhere(&digest)? {
        source.blob_size(&digest).map_err(refuse)?;
        let linked = push::blob(repository, &System, since, &digest, &blob.canonical);
        if let Err(why) = &linked {
            source.tell_passed_on(&digest, why);
        }
        if linked.unwrap_or(true) {
            return blobs::serve(repository, call.request, &digest, &blob);
        }
    }
    let request = &*call.request;
    if request.method == Method::Head {
        let size = source.blob_size(&digest).map_err(refuse)?;
        return Ok(blobs::of_content(200, &digest).with_header("Content-Length", size.to_string()));
    }
    let range = request.header("range").filter(|range| {
        // `bytes=0-` asks for all of it, which is worth storing.
        let part = ByteRange::parse(Some(range), u64::MAX);
        let is_part = matches!(part, ByteRange::Part { length, .. } if length < u64::MAX);
        is_part && request.may_have_range(&etag(&digest))
    });
    match source.open(&digest, range).map_err(refuse)? {
        Opened::Whole(mut keep) => {
            let (mut response, size) = (blobs::of_content(200, &digest), keep.size());
            if size == 0 {
                let broken = |why| refuse(mirror::Error::Upstream(Failure::Down(why)));
                keep.finish().map_err(broken)?;
            } else {
                response.body = Body::Content(Content::Chunks(Box::new(keep)), size);
            }
            Ok(response)
        }
        Opened::Part { content, offset, length, size } => {
            let last = offset + length - 1;
            let mut response = blobs::of_content(206, &digest)
                .with_header("Content-Range", format!("bytes {offset}-{last}/{size}"));
            response.body = Body::Content(content, length);
            Ok(response)
        }
        Opened::Unsatisfiable(size) => {
            let headers = size.map(|size| ("Content-Range", format!("bytes */{size}")));
            let error = Error::new(Code::RangeInvalid, "the blob has fewer bytes");
            Err(error.with_headers(headers.into_iter().collect()))
        }
    }
}

/// Answers with a manifest, and has it count as pulled.
fn manifest<S: Storage>(
    source: &Source<S>,
    repository: &Repository<S>,
    call: &mut Call<S>,
) -> Result<Response> {
    let (response, manifest) = find_manifest(source, repository, call)?;
    if let Err(error) = source.trace(repository, &manifest) {
        log(format!("{}: the pull leaves no trace: {error}", call.request.path));
    }
    Ok(response)
}

fn find_manifest<S: Storage>(
    source: &Source<S>,
    repository: &Repository<S>,
    call: &mut Call<S>,
) -> Result<(Response, Digest)> {
    let reference = manifests::reference(call.last)?;
    let requested = call.last;
    let refuse = |error| refuse(error, manifests::unknown(requested));
    let immutable = &call.config.keeping.immutable_tags;
    let is_immutable = matches!(&reference, Reference::Tag(tag) if immutable.include(repository.name(), tag));
    let pass = |Passed { content, digest }| (manifests::of_content(&digest, content), digest);
    if let Reference::Tag(tag) = &reference
        && !is_immutable
    {
        match source.refresh(repository, tag) {
            Ok(None) => {}
            Ok(Some(passed)) => return Ok(pass(passed)),
            Err(mirror::Error::Upstream(failure)) if failure != Failure::Unknown => {
                let answer = manifests::serve(repository, call);
                return as_stored(failure, Code::ManifestUnknown, answer, call).map_err(refuse)?;
            }
            Err(error) => return Err(refuse(error)),
        }
    }
    let answer = manifests::serve(repository, call);
    if !is_missing(&answer, Code::ManifestUnknown) {
        return answer;
    }
    match source.fetch(repository, &reference, is_immutable).map_err(refuse)? {
        Some(passed) => Ok(pass(passed)),
        None => manifests::serve(repository, call),
    }
}

/// Answers with what is stored because the upstream has failed, and says so in the log. Errs with the failure if nothing
/// is.
fn as_stored<T, S: Storage>(
    failure: Failure,
    missing: Code,
    answer: Result<T>,
    call: &Call<S>,
) -> mirror::Result<Result<T>> {
    if is_missing(&answer, missing) {
        return Err(failure.into());
    }
    log(format!("{} {}: answered with what is stored: {failure}", call.request.method, call.request.path));
    Ok(answer)
}

/// The tags, as upstreams list them. Docker Hub has `null` for none.
#[derive(Deserialize)]
struct Listed {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Referrers<'a> {
    #[serde(borrow)]
    manifests: Vec<&'a RawValue>,
}

fn list_tags<S: Storage>(
    source: &Source<S>,
    stored: Stored<S>,
    repository: &Repository<S>,
    call: &mut Call<S>,
) -> Result<Response> {
    PageQuery::parse(&call.request.query)?;
    let name = repository.name();
    let listing = source.list("/tags/list", &call.request.query.without(NAMESPACE)).and_then(|listing| {
        let listed: Listed = read_json(&listing.body).ok_or_else(no_list)?;
        Ok((listed.tags.unwrap_or_default(), listing))
    });
    match listing {
        Ok((mut tags, listing)) => {
            tags.retain(|tag| is_tag(tag));
            let link = link(&listing, tags::PATH.write(name.as_str(), ""), call);
            Ok(tags::page(name, tags, link))
        }
        Err(mirror::Error::Upstream(failure)) if failure != Failure::Unknown => {
            let answer = as_stored(failure, Code::NameUnknown, stored(repository, call), call);
            answer.map_err(|error| refuse(error, tags::unknown(name)))?
        }
        Err(error) => Err(refuse(error, tags::unknown(name))),
    }
}

fn no_list() -> mirror::Error {
    mirror::Error::Upstream(Failure::Down("its answer is no list".to_owned()))
}

/// The referrers. An upstream that has no such list answers with 404, and so does its mirror: a client then asks for the
/// tag that older registries have instead.
fn list_referrers<S: Storage>(
    source: &Source<S>,
    stored: Stored<S>,
    repository: &Repository<S>,
    call: &mut Call<S>,
) -> Result<Response> {
    let subject = parse_digest(call.last)?;
    let path = format!("/referrers/{subject}");
    let listing = source.list(&path, &call.request.query.without(NAMESPACE)).and_then(|listing| {
        let Referrers { manifests } = read_json(&listing.body).ok_or_else(no_list)?;
        let are_objects = manifests.iter().all(|manifest| manifest.get().starts_with('{'));
        if are_objects { Ok(listing) } else { Err(no_list()) }
    });
    match listing {
        Ok(listing) => {
            let mut headers =
                link(&listing, referrers::PATH.write(repository.name().as_str(), call.last), call);
            if listing.filters.as_deref() == Some("artifactType") {
                headers.push(("OCI-Filters-Applied", "artifactType".to_owned()));
            }
            Ok(Response::new(200).with_bytes(OCI_INDEX, listing.body).with_headers(headers))
        }
        Err(mirror::Error::Upstream(failure)) if failure != Failure::Unknown => {
            let answer = as_stored(failure, Code::ManifestUnknown, stored(repository, call), call);
            answer.map_err(|error| refuse(error, manifests::unknown(call.last)))?
        }
        Err(error) => Err(refuse(error, manifests::unknown(call.last))),
    }
}

/// The `Link` to the next page, here: with the query that the upstream has for it.
fn link<S: Storage>(listing: &Listing, path: String, call: &Call<S>) -> Vec<(&'static str, String)> {
    let query = listing.link.as_deref().and_then(next_page);
    let link = query.map(|query| ("Link", format!("<{}{path}?{query}>; rel=\"next\"", call.prefix())));
    link.into_iter().collect()
}
