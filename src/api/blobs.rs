//! `/v2/<name>/blobs/<digest>`.

use super::{etag, parse_digest};
use crate::endpoint::{Access, Answer, Call, Endpoint, READ, Resource};
use crate::error::{Code, Error, Result};
use crate::http::range::ByteRange;
use crate::http::{Body, Method, Request, Response};
use crate::repository::{Blob, Repository, Served};
use crate::route::Path;
use lighter_hash::Digest;
use lighter_storage::Storage;

/// The path of a blob.
pub const PATH: Path = Path::OneOf("/blobs", "<digest>");

impl<S: Storage> Resource<S> {
    /// A blob.
    pub const BLOB: Self = Self {
        path: PATH,
        endpoints: &[
            Endpoint { methods: READ, access: Access::Pull, answer: Answer::Repository(get) },
            Endpoint {
                methods: &[Method::Delete],
                access: Access::Delete,
                answer: Answer::Repository(delete),
            },
        ],
    };
}

/// `DELETE`: removes a blob from the repository (OCI Distribution Spec, end-10). Its bytes stay for other
/// repositories, or until garbage collection.
fn delete<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    let blob = repository.blob(&parse_digest(call.last)?)?.ok_or_else(|| Error::from(Code::BlobUnknown))?;
    repository.unlink_blob(&blob.canonical)?;
    Ok(Response::new(202))
}

/// An answer about a blob.
fn headers(status: u16, requested: &Digest) -> Response {
    Response::new(status)
        .with_header("Docker-Content-Digest", requested.as_str())
        .with_header("ETag", etag(requested))
        // The content of a digest never changes.
        .with_header("Cache-Control", "max-age=31536000")
}

/// An answer with a blob, or a part of it.
pub(super) fn of_content(status: u16, requested: &Digest) -> Response {
    headers(status, requested)
        .with_header("Accept-Ranges", "bytes")
        .with_header("Content-Type", "application/octet-stream")
}

/// `GET` and `HEAD`: a blob, or one range of it (OCI Distribution Spec, end-2).
fn get<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    let requested = parse_digest(call.last)?;
    let blob = repository.blob(&requested)?.ok_or_else(|| Error::from(Code::BlobUnknown))?;
    serve(repository, call.request, &requested, &blob)
}

/// Answers with a blob that was found.
pub(super) fn serve<S: Storage>(
    repository: &Repository<S>,
    request: &Request,
    requested: &Digest,
    blob: &Blob,
) -> Result<Response> {
    let etag = etag(requested);
    if request.has_current(&etag) {
        return Ok(headers(304, requested));
    }
    // Only a GET has ranges (RFC 9110, section 14.2); a HEAD describes the whole blob.
    let may_have_range = request.method == Method::Get && request.may_have_range(&etag);
    let range = request.header("range").filter(|_| may_have_range);
    let (status, offset, length) = match ByteRange::parse(range, blob.size) {
        ByteRange::Whole => (200, 0, blob.size),
        ByteRange::Part { offset, length } => (206, offset, length),
        ByteRange::Unsatisfiable => {
            let detail = format!("the blob has {} bytes", blob.size);
            return Err(Error::new(Code::RangeInvalid, detail)
                .with_header("Content-Range", format!("bytes */{}", blob.size)));
        }
    };
    let mut response = of_content(status, requested);
    if status == 206 {
        let last = offset + length - 1;
        response = response.with_header("Content-Range", format!("bytes {offset}-{last}/{}", blob.size));
    }
    if request.method == Method::Head || length == 0 {
        return Ok(response.with_header("Content-Length", length.to_string()));
    }
    match repository.serve(blob, offset, length)? {
        // The client asks there again with its range. The URL expires, so nobody may keep this answer.
        Served::At(url) => Ok(Response::new(307)
            .with_header("Location", url)
            .with_header("Docker-Content-Digest", requested.as_str())),
        Served::Content(content) => {
            response.body = Body::Content(content, length);
            Ok(response)
        }
    }
}
