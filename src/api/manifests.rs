//! `/v2/<name>/manifests/<reference>`.

use super::digest;
use crate::config::Validation;
use crate::digest::Algorithm;
use crate::error::{Code, Detail, Error, Result};
use crate::hash;
use crate::http::{Request, Response};
use crate::manifest::{MANIFEST_MAX, Manifest, Part, Referrer, media_type};
use crate::name::is_tag;
use crate::repository::{Reference, Repository};
use crate::storage::Storage;
use crate::stream::Stream;

/// `GET` and `HEAD`: a manifest (OCI Distribution Spec, end-3). It is served whatever `Accept` says:
/// no client is helped by a 404 for something that is there.
pub fn get<S: Storage>(repository: &Repository<S>, requested: &str, request: &Request) -> Result<Response> {
    let found = repository.manifest(&reference(requested)?)?;
    let (digest, blob) = found.ok_or_else(|| unknown(requested))?;
    let etag = format!("\"{digest}\"");
    let headers = |status| {
        Response::new(status)
            .with_header("Docker-Content-Digest", digest.as_str())
            .with_header("ETag", etag.as_str())
    };
    if request.has_current(&etag) {
        return Ok(headers(304));
    }
    let content = repository.content(&blob)?.ok_or_else(|| unknown(requested))?;
    Ok(headers(200).with_bytes(&media_type(&content), content))
}

/// `PUT`: stores a manifest whose blobs are all here (OCI Distribution Spec, end-7a), under a tag or, by
/// digest, under all that the parameters `tag` name (end-7b).
pub fn put<S: Storage>(
    repository: &Repository<S>,
    requested: &str,
    request: &mut Request,
    validation: Validation,
) -> Result<Response> {
    let reference = reference(requested)?;
    let parameters: Vec<String> = request.query.all("tag").map(checked_tag).collect::<Result<_>>()?;
    let content = receive(request)?;
    let canonical = hash::digest(Algorithm::Sha256, &content);
    let (digest, tags, announced) = match reference {
        Reference::Tag(tag) => (canonical.clone(), vec![tag], Vec::new()),
        Reference::Digest(digest) if hash::digest(digest.algorithm(), &content) == digest => {
            (digest, parameters.clone(), parameters)
        }
        Reference::Digest(_) => {
            return Err(Error::new(Code::DigestInvalid, "the manifest has another digest"));
        }
    };
    let manifest = Manifest::parse(&content, request.header("content-type"))
        .map_err(|wrong| Error::new(Code::ManifestInvalid, wrong))?;
    let missing = missing(repository, &manifest, validation)?;
    if !missing.is_empty() {
        return Err(Error::many(Code::ManifestBlobUnknown, missing));
    }
    repository.put_manifest(&content, &digest, &canonical, manifest.subject.as_ref(), &tags)?;
    let subject = manifest.subject.map(|subject| ("OCI-Subject", subject.to_string()));
    Ok(Response::new(201)
        .with_header("Location", format!("/v2/{}/manifests/{digest}", repository.name()))
        .with_header("Docker-Content-Digest", digest.as_str())
        .with_headers(subject.into_iter().collect())
        .with_headers(announced.into_iter().map(|tag| ("OCI-Tag", tag)).collect()))
}

/// `DELETE`: removes a tag alone, or a manifest with all its tags (OCI Distribution Spec, end-9).
pub fn delete<S: Storage>(repository: &Repository<S>, requested: &str) -> Result<Response> {
    let reference = reference(requested)?;
    let (_, manifest) = repository.manifest(&reference)?.ok_or_else(|| unknown(requested))?;
    match reference {
        Reference::Tag(tag) => repository.delete_tag(&tag)?,
        Reference::Digest(_) => {
            let referrer = repository.content(&manifest)?.and_then(|content| Referrer::of(&content));
            let subject = referrer.and_then(|referrer| referrer.subject);
            repository.delete_manifest(&manifest.canonical, subject.as_ref())?;
        }
    }
    Ok(Response::new(202))
}

fn unknown(requested: &str) -> Error {
    Error::new(Code::ManifestUnknown, Detail::Member("reference", requested.to_owned()))
}

/// Reads a reference from a path.
fn reference(text: &str) -> Result<Reference> {
    if text.contains(':') {
        digest(text).map(Reference::Digest)
    } else {
        checked_tag(text).map(Reference::Tag)
    }
}

fn checked_tag(text: &str) -> Result<String> {
    let detail = "a tag has 1 to 128 of A-Z a-z 0-9 _ . - and begins with none of . -";
    if is_tag(text) { Ok(text.to_owned()) } else { Err(Error::new(Code::TagInvalid, detail)) }
}

/// Receives a whole manifest. Only here is a body held in memory.
fn receive(request: &mut Request) -> Result<Vec<u8>> {
    let too_large = || {
        Error::new(Code::SizeInvalid, format!("a manifest has at most {MANIFEST_MAX} bytes")).with_status(413)
    };
    if request.content_length().is_some_and(|length| length > MANIFEST_MAX) {
        return Err(too_large());
    }
    let mut content = Vec::new();
    let broken_off = |source: String| Error::new(Code::ManifestInvalid, "the body broke off").log(source);
    while let Some(bytes) = request.body.next().map_err(broken_off)? {
        content.extend(bytes);
        if content.len() as u64 > MANIFEST_MAX {
            return Err(too_large());
        }
    }
    Ok(content)
}

/// Names what a manifest refers to and the repository lacks.
///
/// A blob that is shorter than the manifest says was perhaps cut off, by a crash of another registry. If
/// it was, it is removed and counts as absent: then it is pushed again. If not, the manifest is
/// wrong, which is its client's business, and none of its other sizes counts: reading blobs costs.
fn missing<S: Storage>(
    repository: &Repository<S>,
    manifest: &Manifest,
    validation: Validation,
) -> Result<Vec<Detail>> {
    let (mut missing, mut sizes_count) = (Vec::new(), true);
    for Part { digest, size } in manifest.blobs.iter().filter(|_| validation.images) {
        let mut found = repository.blob(digest)?;
        if let Some(blob) = found.take_if(|blob| sizes_count && size.is_some_and(|size| size > blob.size))
            && !repository.remove_if_broken(&blob)?
        {
            (found, sizes_count) = (Some(blob), false);
        }
        if found.is_none() {
            missing.push(Detail::Member("digest", digest.to_string()));
        }
    }
    for digest in manifest.manifests.iter().filter(|_| validation.indexes) {
        if !repository.has_manifest(digest)? {
            missing.push(Detail::Member("digest", digest.to_string()));
        }
    }
    Ok(missing)
}
