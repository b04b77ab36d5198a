//! `/v2/<name>/manifests/<reference>`.

use serde_json::{Value, json};

use super::digest;
use crate::digest::Algorithm;
use crate::error::{Code, Error, Result};
use crate::hash;
use crate::http::{Request, Response};
use crate::keys;
use crate::manifest::{MANIFEST_MAX, Manifest, media_type};
use crate::name::is_tag;
use crate::repository::{Reference, Repository};
use crate::storage::Storage;
use crate::stream::Stream;

/// `GET` and `HEAD`: a manifest (OCI Distribution Spec, end-3). It is served whatever `Accept` says:
/// no client is helped by a 404 for something that is there.
pub fn get<S: Storage, B>(
    repository: &Repository<S>,
    requested: &str,
    request: &Request<B>,
) -> Result<Response<S::Content>> {
    let unknown = || Error::new(Code::ManifestUnknown, json!({ "reference": requested }));
    let (digest, blob) = repository.manifest(&reference(requested)?)?.ok_or_else(unknown)?;
    let etag = format!("\"{digest}\"");
    let headers = |status| {
        Response::new(status)
            .with_header("Docker-Content-Digest", digest.as_str())
            .with_header("ETag", etag.as_str())
    };
    if request.has_current(&etag) {
        return Ok(headers(304));
    }
    let mut stored = repository.storage().read(&keys::blob(&blob.canonical), 0, blob.size)?;
    let mut content = Vec::new();
    while (content.len() as u64) < blob.size {
        let bytes = stored.next().map_err(Error::internal)?;
        content.extend(bytes.ok_or_else(|| Error::internal("a manifest's content ends early"))?);
    }
    Ok(headers(200).with_bytes(&media_type(&content), content))
}

/// `PUT`: stores a manifest whose blobs are all here (OCI Distribution Spec, end-7).
pub fn put<S: Storage, B: Stream>(
    repository: &Repository<S>,
    requested: &str,
    request: &mut Request<B>,
) -> Result<Response<S::Content>> {
    let reference = reference(requested)?;
    let content = receive(request)?;
    let canonical = hash::digest(Algorithm::Sha256, &content);
    let (digest, tag) = match reference {
        Reference::Tag(tag) => (canonical.clone(), Some(tag)),
        Reference::Digest(digest) if hash::digest(digest.algorithm(), &content) == digest => (digest, None),
        Reference::Digest(_) => {
            return Err(Error::new(Code::DigestInvalid, "the manifest has another digest"));
        }
    };
    let manifest = Manifest::parse(&content, request.header("content-type"))
        .map_err(|wrong| Error::new(Code::ManifestInvalid, wrong))?;
    let missing = missing(repository, &manifest)?;
    if !missing.is_empty() {
        return Err(Error::many(Code::ManifestBlobUnknown, missing));
    }
    repository.put_manifest(&content, &digest, &canonical, tag.as_deref())?;
    Ok(Response::new(201)
        .with_header("Location", format!("/v2/{}/manifests/{digest}", repository.name()))
        .with_header("Docker-Content-Digest", digest.as_str()))
}

/// Reads a reference from a path.
fn reference(text: &str) -> Result<Reference> {
    if text.contains(':') {
        digest(text).map(Reference::Digest)
    } else if is_tag(text) {
        Ok(Reference::Tag(text.to_owned()))
    } else {
        Err(Error::new(
            Code::TagInvalid,
            "a tag has 1 to 128 of A-Z a-z 0-9 _ . - and begins with none of . -",
        ))
    }
}

/// Receives a whole manifest. Only here is a body held in memory.
fn receive<B: Stream>(request: &mut Request<B>) -> Result<Vec<u8>> {
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
fn missing<S: Storage>(repository: &Repository<S>, manifest: &Manifest) -> Result<Vec<Value>> {
    let mut missing = Vec::new();
    for digest in &manifest.blobs {
        if repository.blob(digest)?.is_none() {
            missing.push(json!({ "digest": digest.as_str() }));
        }
    }
    for digest in &manifest.manifests {
        if !repository.has_manifest(digest)? {
            missing.push(json!({ "digest": digest.as_str() }));
        }
    }
    Ok(missing)
}
