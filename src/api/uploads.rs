//! `/v2/<name>/blobs/uploads/` and the uploads under it.

use super::upload_session::{self, Session};
use super::{blobs, parse_digest};
use crate::auth::Action;
use crate::endpoint::{Access, Answer, Call, Endpoint, READ, Resource};
use crate::error::{Code, Error, Result};
use crate::garbage::outside::{Outside as _, System};
use crate::http::range::Chunk;
use crate::http::{Method, Request, Response};
use crate::name::Name;
use crate::push;
use crate::repository::Repository;
use crate::route::Path;
use crate::upload::{self, Upload};
use lighter_hash::{Algorithm, Digest};
use lighter_storage::Storage;

impl<S: Storage> Resource<S> {
    /// The uploads of a repository. Their path is read before that of a blob, whose digest is not `uploads`.
    pub const UPLOADS: Self = Self {
        path: Path::Of("/blobs/uploads/"),
        endpoints: &[Endpoint {
            methods: &[Method::Post],
            access: Access::Push,
            answer: Answer::Repository(start),
        }],
    };

    /// An upload.
    pub const UPLOAD: Self = Self {
        path: upload_session::PATH,
        endpoints: &[
            Endpoint { methods: READ, access: Access::Upload, answer: Answer::Repository(status) },
            Endpoint {
                methods: &[Method::Patch],
                access: Access::Upload,
                answer: Answer::Repository(append),
            },
            Endpoint {
                methods: &[Method::Put],
                access: Access::Upload,
                answer: Answer::Repository(complete),
            },
            Endpoint {
                methods: &[Method::Delete],
                access: Access::Upload,
                answer: Answer::Repository(cancel),
            },
        ],
    };
}

/// `POST`: starts an upload (OCI Distribution Spec, end-4a); with `digest`, receives the whole blob
/// (end-4b); with `mount`, takes it from another repository (end-11), or from any if there is no `from`.
fn start<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    if let Some(mounted) = mount(repository, call)? {
        return Ok(mounted);
    }
    let digest = call.request.query.get("digest").map(parse_digest).transpose()?;
    let announced = call.request.query.get("digest-algorithm").map(algorithm).transpose()?;
    let (session, upload) = Session::start(repository, call, announced)?;
    let refuse = |error| session.refuse(error);
    let upload = match digest {
        Some(digest) => match receive_whole(upload, &digest, call.request).map_err(refuse)? {
            Some(upload) => upload,
            None => return Ok(created(repository, call, &digest)),
        },
        None => upload,
    };
    let offset = upload.suspend().map_err(refuse)?;
    Ok(Response::new(202).with_headers(session.progress(offset)))
}

/// Receives a whole blob. Returns the upload if the request has no body: some clients name the digest here and send
/// the bytes later.
fn receive_whole<'a, S: Storage>(
    upload: Upload<'a, S>,
    digest: &Digest,
    request: &mut Request,
) -> upload::Result<Option<Upload<'a, S>>> {
    let length = request.content_length();
    let Some(mut upload) = upload.put_at(0, digest, length, &mut request.body)? else { return Ok(None) };
    upload.hash_with(digest.algorithm())?;
    if let Err(error) = upload.receive(&mut request.body) {
        upload.abort()?;
        return Err(error);
    }
    if upload.offset() == 0 && *digest != Digest::of(digest.algorithm(), &[]) {
        return Ok(Some(upload));
    }
    upload.commit(digest)?;
    Ok(None)
}

/// `GET` and `HEAD`: the status of an upload (OCI Distribution Spec, end-13).
fn status<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    let (session, offset) = Session::look_up(repository, call)?;
    Ok(Response::new(204).with_headers(session.progress(offset)))
}

/// `PATCH`: receives further bytes (OCI Distribution Spec, end-5), streamed or as a chunk with
/// `Content-Range`.
fn append<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    let session = Session::resume(repository, call)?;
    check_content_type(call.request)?;
    let chunk = chunk(&session, call.request)?;
    let appended = append_chunk(&session, chunk, call.request);
    let offset = appended.map_err(|error| session.refuse(error))?;
    Ok(Response::new(202).with_headers(session.progress(offset)))
}

/// Appends a request's body to an upload, and checks its length against the chunk, if the request names one. Returns
/// the upload's new offset.
fn append_chunk<S: Storage>(
    session: &Session<S>,
    chunk: Option<Chunk>,
    request: &mut Request,
) -> upload::Result<u64> {
    let fits = |length| chunk.is_none_or(|chunk| chunk.length() == length);
    if request.content_length().is_some_and(|length| !fits(length)) {
        return Err(upload::Error::WrongLength { offset: session.received()? });
    }
    let first = chunk.map_or(session.signed(), |chunk| chunk.first);
    let (upload, received) = session.hold()?.receive_at(first, session.announced(), &mut request.body)?;
    let offset = upload.suspend()?;
    if fits(received) { Ok(offset) } else { Err(upload::Error::WrongLength { offset }) }
}

/// `PUT`: completes an upload, perhaps with the last bytes in the body (OCI Distribution Spec, end-6). Only the
/// beginning of a `Content-Range` counts: the digest proves the rest, and some clients count one byte too many, or
/// send the header without a body.
fn complete<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    let session = Session::resume(repository, call)?;
    let missing = || Error::new(Code::DigestInvalid, "complete the upload with the parameter digest");
    let request = &mut *call.request;
    let digest = parse_digest(request.query.get("digest").ok_or_else(missing)?)?;
    let first = chunk(&session, request)?.map_or(session.signed(), |chunk| chunk.first);
    let (length, body) = (request.content_length(), &mut request.body);
    let put = session.hold().and_then(|upload| upload.put_at(first, &digest, length, body));
    let completed = put.and_then(|upload| match upload {
        Some(upload) => {
            let (upload, received) = upload.receive_at(first, digest.algorithm(), body)?;
            upload.complete(received, &digest)
        }
        None => Ok(()),
    });
    completed.map_err(|error| session.refuse(error))?;
    Ok(created(repository, call, &digest))
}

/// `DELETE`: cancels an upload (OCI Distribution Spec, end-14), unless another request is writing to it.
fn cancel<S: Storage>(repository: &Repository<S>, call: &mut Call<S>) -> Result<Response> {
    let session = Session::resume(repository, call)?;
    match Upload::cancel(repository, session.id()) {
        Ok(()) => Ok(Response::new(204).with_header("Docker-Upload-UUID", session.id())),
        Err(upload::Error::Busy) => {
            let detail = "another request is writing to this upload; cancel it when that one has ended, which takes \
                          a minute at most if it broke off";
            Err(Error::new(Code::BlobUploadInvalid, detail).with_status(409))
        }
        Err(error) => Err(session.refuse(error)),
    }
}

/// Mounts a blob from another repository. Returns `None` if it cannot: the client then gets an upload, never an
/// error. A blob that the caller may not pull counts as missing.
fn mount<S: Storage>(repository: &Repository<S>, call: &Call<S>) -> Result<Option<Response>> {
    let (caller, request) = (&call.caller, &*call.request);
    let Some(digest) = request.query.get("mount").and_then(|digest| Digest::parse(digest).ok()) else {
        return Ok(None);
    };
    let since = System.now();
    let found = match request.query.get("from").map(Name::parse) {
        Some(Ok(from)) if caller.may(Action::Pull, from.as_str()) => repository.other(&from).blob(&digest)?,
        // Without access control, the blob of any repository will do.
        None if caller.is_unlimited() => repository.find_anywhere(&digest)?,
        _ => None,
    };
    let Some(blob) = found else { return Ok(None) };
    let is_mounted = push::blob(repository, &System, since, &digest, &blob.canonical)?;
    Ok(is_mounted.then(|| created(repository, call, &digest)))
}

/// The answer to a request that created a blob.
fn created<S: Storage>(repository: &Repository<S>, call: &Call<S>, digest: &Digest) -> Response {
    let path = blobs::PATH.write(repository.name().as_str(), digest.as_str());
    Response::new(201)
        .with_header("Location", call.base() + &path)
        .with_header("Docker-Content-Digest", digest.as_str())
}

/// Checks the algorithm that a client announces, before it sends all the bytes.
fn algorithm(name: &str) -> Result<Algorithm> {
    let detail = "digest-algorithm must be sha256 or sha512";
    Algorithm::parse(name).ok_or_else(|| Error::new(Code::DigestInvalid, detail))
}

/// Checks that a body has the media type of plain bytes, regardless of case and parameters (RFC 9110, section
/// 8.3.1).
fn check_content_type(request: &Request) -> Result<()> {
    let content_type = request.header("content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if content_type.is_empty() || media_type.eq_ignore_ascii_case("application/octet-stream") {
        return Ok(());
    }
    let detail = "send the bytes as Content-Type: application/octet-stream, or without one";
    Err(Error::new(Code::BlobUploadInvalid, detail).with_source(format!("PATCH of type {content_type:?}")))
}

/// Reads `Content-Range`, if a request has one.
fn chunk<S: Storage>(session: &Session<S>, request: &Request) -> Result<Option<Chunk>> {
    let Some(header) = request.header("content-range") else { return Ok(None) };
    let Some(chunk) = Chunk::parse(header) else {
        let offset = session.received().map_err(|error| session.refuse(error))?;
        let detail = "Content-Range is FIRST-LAST, the positions of the chunk's first and last byte";
        return Err(Error::new(Code::RangeInvalid, detail).with_headers(session.progress(offset)));
    };
    Ok(Some(chunk))
}
