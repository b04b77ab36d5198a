//! `/v2/<name>/manifests/<reference>`.

use super::{etag, parse_digest};
use crate::endpoint::{Access, Answer, Call, Endpoint, READ, Resource};
use crate::error::{Code, Detail, Error, Result};
use crate::garbage::outside::System;
use crate::http::{Method, Request, Response};
use crate::inventory::Missing;
use crate::manifest::{MANIFEST_MAX, Manifest, media_type_of};
use crate::name::is_tag;
use crate::push::{self, Pushed};
use crate::repository::{Deletion, Reference, Repository};
use crate::route::Path;
use crate::ui::frame::harmless;
use lighter_hash::{Algorithm, Digest};
use lighter_storage::{Storage, Stream};

/// What a push to an immutable tag is told.
const STAYS: &str = "it names another manifest, and stays with it; push under another tag";

/// The path of a manifest.
pub const PATH: Path = Path::OneOf("/manifests", "<reference>");

impl<S: Storage> Resource<S> {
    /// A manifest.
    pub const MANIFEST: Self = Self {
        path: PATH,
        endpoints: &[
            Endpoint { methods: READ, access: Access::Pull, answer: Answer::Repository(get) },
            Endpoint { methods: &[Method::Put], access: Access::Push, answer: Answer::Repository(put) },
            Endpoint {
                methods: &[Method::Delete],
                access: Access::Delete,
                answer: Answer::Repository(delete),
            },
        ],
    };
}

/// `GET` and `HEAD`: a manifest (OCI Distribution Spec, end-3). It is served whatever `Accept` says:
/// a 404 for an existing manifest would help no client.
fn get<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    serve(repository, call).map(|(response, _)| response)
}

/// The same, with the digest of what was found.
pub(super) fn serve<S: Storage>(
    repository: &Repository<S>,
    call: &mut Call<S>,
) -> Result<(Response, Digest)> {
    let requested = call.last;
    let digest = repository.named(&reference(requested)?)?.ok_or_else(|| unknown(requested))?;
    if call.request.has_current(&etag(&digest)) && repository.has_manifest(&digest)? {
        return Ok((headers(304, &digest), digest));
    }
    let content = repository.load_manifest(&digest)?.ok_or_else(|| unknown(requested))?;
    Ok((of_content(&digest, content), digest))
}

/// An answer about a manifest.
fn headers(status: u16, digest: &Digest) -> Response {
    Response::new(status)
        .with_header("Docker-Content-Digest", digest.as_str())
        .with_header("ETag", etag(digest))
}

/// An answer with a manifest.
pub(super) fn of_content(digest: &Digest, content: Vec<u8>) -> Response {
    let media_type = media_type_of(&content);
    headers(200, digest).with_headers(harmless(&media_type)).with_bytes(&media_type, content)
}

/// `PUT`: stores a manifest whose blobs the repository has (OCI Distribution Spec, end-7a), under a tag, or by
/// digest under every tag that a parameter `tag` names (end-7b).
fn put<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    let reference = reference(call.last)?;
    let request = &mut *call.request;
    let parameters: Vec<String> = request.query.all("tag").map(checked_tag).collect::<Result<_>>()?;
    let content = receive(request)?;
    let canonical = Digest::of(Algorithm::Sha256, &content);
    let (digest, tags, announced) = match reference {
        Reference::Tag(tag) => (canonical.clone(), vec![tag], Vec::new()),
        Reference::Digest(digest) if Digest::of(digest.algorithm(), &content) == digest => {
            (digest, parameters.clone(), parameters)
        }
        Reference::Digest(_) => {
            return Err(Error::new(Code::DigestInvalid, "the manifest does not match the digest"));
        }
    };
    let is_fixed = |tag: &str| call.config.keeping.immutable_tags.include(repository.name(), tag);
    for tag in &tags {
        // Before anything is stored, and before an old client is told that its second attempt has the wrong type.
        if is_fixed(tag) && repository.held_by_tag(tag)?.is_some_and(|held| held != canonical) {
            return Err(immutable(tag, STAYS));
        }
    }
    let manifest = Manifest::parse(&content, request.header("content-type"))
        .map_err(|wrong| Error::new(Code::ManifestInvalid, wrong))?;
    let pushed = Pushed {
        content: &content,
        digest: &digest,
        canonical: &canonical,
        manifest: &manifest,
        validation: call.config.validation,
    };
    let missing_content = push::manifest(repository, &System, &pushed)?;
    if !missing_content.is_empty() {
        let missing = missing_content.into_iter().map(missing).collect();
        return Err(Error::many(Code::ManifestBlobUnknown, missing));
    }
    for tag in &tags {
        if !is_fixed(tag) {
            repository.move_tag(tag, &digest)?;
        } else if !repository.claim_tag(tag, &digest, &canonical)? {
            return Err(immutable(tag, STAYS));
        }
    }
    let subject = manifest.subject.map(|subject| ("OCI-Subject", subject.to_string()));
    Ok(Response::new(201)
        .with_header("Location", call.base() + &PATH.write(repository.name().as_str(), digest.as_str()))
        .with_header("Docker-Content-Digest", digest.as_str())
        .with_headers(subject.into_iter().collect())
        .with_headers(announced.into_iter().map(|tag| ("OCI-Tag", tag)).collect()))
}

/// `DELETE`: removes only a tag, or a manifest with all its tags (OCI Distribution Spec, end-9). A manifest that is
/// listed can be deleted even if its content is lost and a pull is answered with a 404.
fn delete<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    match repository.delete(&reference(call.last)?, &call.config.keeping.immutable_tags)? {
        Deletion::Done => Ok(Response::new(202)),
        Deletion::Absent => Err(unknown(call.last)),
        Deletion::Refused(tag) => Err(immutable(&tag, "it cannot be deleted")),
    }
}

/// The error for a tag that exists and stays as it is.
///
/// The status says that the request conflicts with what is stored, and not with the caller's rights. Of the codes that all
/// clients know it is the one that makes none of them try again: with `TAG_INVALID`, which ECR sends, skopeo and podman
/// convert the image to other formats and push those. docker, containerd and skopeo show the message, and never the detail.
fn immutable(tag: &str, why: &str) -> Error {
    Error::new(Code::Denied, Detail::Message(format!("the tag {tag} is immutable: {why}"))).with_status(409)
}

pub(super) fn unknown(requested: &str) -> Error {
    Error::new(Code::ManifestUnknown, Detail::Member("reference", requested.to_owned()))
}

/// Reads a reference from a path.
pub(super) fn reference(text: &str) -> Result<Reference> {
    if text.contains(':') {
        parse_digest(text).map(Reference::Digest)
    } else {
        checked_tag(text).map(Reference::Tag)
    }
}

fn checked_tag(text: &str) -> Result<String> {
    let detail = "a tag has 1 to 128 characters of A-Z a-z 0-9 _ . - and does not begin with . or -";
    if is_tag(text) { Ok(text.to_owned()) } else { Err(Error::new(Code::TagInvalid, detail)) }
}

/// Receives a whole manifest. This is the only body that is held in memory.
fn receive(request: &mut Request) -> Result<Vec<u8>> {
    let too_large = || {
        Error::new(Code::SizeInvalid, format!("a manifest has at most {MANIFEST_MAX} bytes")).with_status(413)
    };
    if request.content_length().is_some_and(|length| length > MANIFEST_MAX) {
        return Err(too_large());
    }
    let mut content = Vec::new();
    let broken_off =
        |source: String| Error::new(Code::ManifestInvalid, "the body broke off").with_source(source);
    while let Some(bytes) = request.body.next().map_err(broken_off)? {
        content.extend(bytes);
        if content.len() as u64 > MANIFEST_MAX {
            return Err(too_large());
        }
    }
    Ok(content)
}

fn missing(missing: Missing) -> Detail {
    match missing {
        Missing::Blob(digest) => Detail::Member("digest", digest.to_string()),
        Missing::Manifest(digest) => Detail::MissingManifest(digest.to_string()),
    }
}
