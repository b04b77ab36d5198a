//! `/v2/<name>/blobs/uploads/` and the uploads under it.
//!
//! An upload's client holds a `Location` whose `_state` is signed: it says what the client believes
//! of the upload. The store decides.

use uuid::Uuid;

use super::digest;
use crate::auth::{Action, Caller};
use crate::error::{Code, Error, Result};
use crate::http::query::encode;
use crate::http::range::Chunk;
use crate::http::{Request, Response};
use crate::keys;
use crate::name::Name;
use crate::repository::Repository;
use crate::upload::{Upload, next};
use crate::upload_proof as proof;
use crate::upload_state::{Secret, UploadState};
use lighter_hash::{self as hash, Algorithm, Digest};
use lighter_storage::{self as storage, Storage};

/// `POST`: starts an upload (OCI Distribution Spec, end-4a); with `digest`, receives the whole blob at
/// once (end-4b); with `mount`, takes it from another repository (end-11), from any one if `from` names none.
pub fn start<S: Storage>(
    repository: &Repository<S>,
    secret: &Secret,
    caller: &Caller,
    request: &mut Request,
) -> Result<Response> {
    if let Some(mounted) = mount(repository, caller, request)? {
        return Ok(mounted);
    }
    let digest = request.query.get("digest").map(digest).transpose()?;
    let announced = request.query.get("digest-algorithm").map(algorithm).transpose()?;
    let (mut upload, started_at) = Upload::start(repository)?;
    if let Some(digest) = digest {
        upload.hash_with(digest.algorithm())?;
        if let Err(error) = upload.receive(&mut request.body) {
            upload.abort()?;
            return Err(error);
        }
        // Some clients name the digest here and send the bytes later.
        if upload.offset() > 0 || digest == hash::digest(digest.algorithm(), &[]) {
            upload.commit(&digest)?;
            return Ok(created(repository.name(), &digest));
        }
    }
    let state = UploadState {
        name: repository.name().to_string(),
        uuid: upload.id().to_owned(),
        offset: 0,
        started_at,
        algorithm: announced.filter(|a| *a != Algorithm::Sha256).map(|a| a.as_str().to_owned()),
    };
    upload.suspend()?;
    Ok(Response::new(202).with_headers(progress(secret, state, 0)))
}

/// `GET` and `HEAD`: how far an upload is (OCI Distribution Spec, end-13). The `Location` of any
/// earlier step will do, and so will the upload's id alone.
pub fn status<S: Storage>(
    repository: &Repository<S>,
    secret: &Secret,
    id: &str,
    request: &Request,
) -> Result<Response> {
    let id = upload_id(id)?;
    let state = match request.query.get("_state") {
        Some(token) => Some(check_state(secret, repository.name(), id, token)?),
        None => None,
    };
    let received = proof::received(repository, id, state.as_ref().map(|state| state.offset))?;
    let offset = received.ok_or_else(unknown)?;
    let state = match state {
        Some(state) => state,
        None => stored_state(repository, id)?,
    };
    Ok(Response::new(204).with_headers(progress(secret, state, offset)))
}

/// `PATCH`: receives further bytes (OCI Distribution Spec, end-5), streamed or as a chunk with
/// `Content-Range`.
pub fn append<S: Storage>(
    repository: &Repository<S>,
    secret: &Secret,
    id: &str,
    request: &mut Request,
) -> Result<Response> {
    let state = required_state(repository, secret, id, request)?;
    let content_type = request.header("content-type").unwrap_or_default();
    if !content_type.is_empty() && !is_of_bytes(content_type) {
        let detail = "send the bytes as Content-Type: application/octet-stream, or without one";
        return Err(
            Error::new(Code::BlobUploadInvalid, detail).log(format!("PATCH of type {content_type:?}"))
        );
    }
    let chunk = chunk(repository, secret, &state, request)?;
    let fits = |length| chunk.is_none_or(|chunk| chunk.length() == length);
    if request.content_length().is_some_and(|length| !fits(length)) {
        return Err(wrong_length(progress(secret, state.clone(), standing(repository, &state)?)));
    }
    let first = chunk.map(|chunk| chunk.first);
    let progress = receive(repository, secret, &state, request, first, announced(&state))
        .and_then(|(upload, received)| {
            let progress = progress(secret, state.clone(), upload.suspend()?);
            if fits(received) { Ok(progress) } else { Err(wrong_length(progress)) }
        })
        .map_err(|error| located(repository, secret, &state, error))?;
    Ok(Response::new(202).with_headers(progress))
}

/// Whether a media type is that of bytes. Its case does not count, nor do parameters (RFC 9110, section 8.3.1).
fn is_of_bytes(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/octet-stream")
}

/// `PUT`: completes an upload, with the last bytes in the body or none (OCI Distribution Spec,
/// end-6). Of a `Content-Range`, only where it begins counts: the digest proves the rest, and clients
/// are seen to count one too many, or to send one without a body.
pub fn complete<S: Storage>(
    repository: &Repository<S>,
    secret: &Secret,
    id: &str,
    request: &mut Request,
) -> Result<Response> {
    let state = required_state(repository, secret, id, request)?;
    let missing = || Error::new(Code::DigestInvalid, "complete the upload with the parameter digest");
    let digest = digest(request.query.get("digest").ok_or_else(missing)?)?;
    let first = chunk(repository, secret, &state, request)?.map(|chunk| chunk.first);
    receive(repository, secret, &state, request, first, digest.algorithm())
        .and_then(|(upload, received)| {
            // The client may have sent what was dropped. The digest of less than that would end the upload.
            if upload.is_cut() && received == 0 {
                return Err(out_of_order(secret, state.clone(), upload.suspend()?));
            }
            upload.commit(&digest)
        })
        .map_err(|error| located(repository, secret, &state, error))?;
    Ok(created(repository.name(), &digest))
}

/// Receives the bytes of a request into an upload, where the first one belongs at an offset, or else at
/// that of the `_state`. Returns the upload and how many bytes came. If they do not continue it, or break off,
/// the upload keeps what did arrive, and the error says from where to go on.
fn receive<'a, S: Storage>(
    repository: &'a Repository<'a, S>,
    secret: &Secret,
    state: &UploadState,
    request: &mut Request,
    first: Option<u64>,
    algorithm: Algorithm,
) -> Result<(Upload<'a, S>, u64)> {
    let mut upload = resume(repository, state)?;
    // Where nothing is appended, it does not matter what the client believes.
    if first.unwrap_or(state.offset) != upload.offset() && next(&mut request.body)?.is_some() {
        return Err(out_of_order(secret, state.clone(), upload.suspend()?));
    }
    upload.hash_with(algorithm)?;
    match upload.receive(&mut request.body) {
        Ok(received) => Ok((upload, received)),
        Err(error) => {
            upload.suspend()?;
            Err(error)
        }
    }
}

/// `DELETE`: cancels an upload (OCI Distribution Spec, end-14).
pub fn cancel<S: Storage>(
    repository: &Repository<S>,
    secret: &Secret,
    id: &str,
    request: &Request,
) -> Result<Response> {
    let state = required_state(repository, secret, id, request)?;
    match Upload::cancel(repository, &state.uuid) {
        Ok(()) => {}
        Err(storage::Error::NotFound) => return Err(unknown()),
        Err(storage::Error::Busy) => return Err(busy()),
        Err(error) => return Err(error.into()),
    }
    Ok(Response::new(204).with_header("Docker-Upload-UUID", state.uuid))
}

/// Gives the repository a blob that another one has. None if that cannot be: the client then gets an
/// upload, never an error. What the caller may not pull is not there.
fn mount<S: Storage>(
    repository: &Repository<S>,
    caller: &Caller,
    request: &Request,
) -> Result<Option<Response>> {
    let Some(digest) = request.query.get("mount").and_then(|digest| Digest::parse(digest).ok()) else {
        return Ok(None);
    };
    let found = match request.query.get("from").map(Name::parse) {
        Some(Ok(from)) if caller.may(Action::Pull, from.as_str()) => {
            Repository::new(repository.storage(), &from).blob(&digest)?
        }
        // Any repository's will do, as long as everyone may read all of them.
        None if caller.is_unlimited() => repository.stored(&digest)?,
        _ => None,
    };
    let Some(blob) = found else { return Ok(None) };
    repository.link_blob(&digest, &blob.canonical)?;
    Ok(Some(created(repository.name(), &digest)))
}

/// The answer to whatever made a blob.
fn created(name: &Name, digest: &Digest) -> Response {
    Response::new(201)
        .with_header("Location", format!("/v2/{name}/blobs/{digest}"))
        .with_header("Docker-Content-Digest", digest.as_str())
}

/// The headers that tell a client where its upload stands and how to go on. `Range` is inclusive, so
/// that `0-0` is both nothing and one byte; clients parse it, and no one sends `0--1`.
fn progress(secret: &Secret, state: UploadState, offset: u64) -> Vec<(&'static str, String)> {
    let state = UploadState { offset, ..state };
    let (name, id, token) = (&state.name, &state.uuid, encode(&secret.seal(&state)));
    vec![
        ("Location", format!("/v2/{name}/blobs/uploads/{id}?_state={token}")),
        ("Docker-Upload-UUID", id.clone()),
        ("Range", format!("0-{}", offset.saturating_sub(1))),
    ]
}

/// The state that a client brings, where it must bring one.
fn required_state<S: Storage>(
    repository: &Repository<S>,
    secret: &Secret,
    id: &str,
    request: &Request,
) -> Result<UploadState> {
    let id = upload_id(id)?;
    let token = request.query.get("_state").ok_or_else(|| {
        let detail = "use the Location of the previous answer as it is, with its _state";
        Error::new(Code::BlobUploadInvalid, detail).log("no _state")
    })?;
    check_state(secret, repository.name(), id, token)
}

/// The state of the upload that a request is about, if it brings a genuine one.
pub fn state(secret: &Secret, name: &Name, id: &str, request: &Request) -> Option<UploadState> {
    check_state(secret, name, id, request.query.get("_state")?).ok()
}

/// Checks a `_state` against the path that it came with. The client is told that it is wrong, the log
/// in what way.
fn check_state(secret: &Secret, name: &Name, id: &str, token: &str) -> Result<UploadState> {
    let invalid = |why: &str| {
        Error::new(Code::BlobUploadInvalid, "this _state is not one of this upload's here; start again")
            .log(why)
    };
    // base64url has none, so that it is of the URL that a client has put together.
    if token.contains('?') {
        let detail = "the URL has a second `?`: the Location has a query already, so add a parameter by `&`, as in \
                      LOCATION&digest=DIGEST";
        return Err(Error::new(Code::BlobUploadInvalid, detail).log("_state has a `?` in it"));
    }
    let state = secret.open(token).map_err(invalid)?;
    if state.name != name.as_str() {
        return Err(invalid("_state is another repository's"));
    }
    if state.uuid != id {
        return Err(invalid("_state is another upload's"));
    }
    Ok(state)
}

/// The state of an upload that is known by its id alone.
fn stored_state<S: Storage>(repository: &Repository<S>, id: &str) -> Result<UploadState> {
    let started_at = repository.storage().get(&keys::upload_started_at(repository.name(), id))?;
    Ok(UploadState {
        name: repository.name().to_string(),
        uuid: id.to_owned(),
        offset: 0,
        started_at: String::from_utf8(started_at.unwrap_or_default()).unwrap_or_default(),
        algorithm: None,
    })
}

/// Checks the algorithm that a client says it will complete with, before it sends all the bytes.
fn algorithm(name: &str) -> Result<Algorithm> {
    let detail = "digest-algorithm is sha256 or sha512";
    Algorithm::parse(name).ok_or_else(|| Error::new(Code::DigestInvalid, detail))
}

/// The algorithm that the client said it would complete with.
fn announced(state: &UploadState) -> Algorithm {
    state.algorithm.as_deref().and_then(Algorithm::parse).unwrap_or(Algorithm::Sha256)
}

/// Checks an upload's id: those that are ours and distribution's are UUIDs with hyphens.
fn upload_id(id: &str) -> Result<&str> {
    let valid = id.len() == 36 && Uuid::try_parse(id).is_ok();
    if valid { Ok(id) } else { Err(unknown()) }
}

fn unknown() -> Error {
    Error::from(Code::BlobUploadUnknown)
}

/// Reads `Content-Range`.
fn chunk<S: Storage>(
    repository: &Repository<S>,
    secret: &Secret,
    state: &UploadState,
    request: &Request,
) -> Result<Option<Chunk>> {
    let Some(header) = request.header("content-range") else { return Ok(None) };
    let Some(chunk) = Chunk::parse(header) else {
        let detail = "Content-Range is FIRST-LAST, the positions of the chunk's first and last byte";
        let here = progress(secret, state.clone(), standing(repository, state)?);
        return Err(Error::new(Code::RangeInvalid, detail).with_headers(here));
    };
    Ok(Some(chunk))
}

/// How far an upload is proven, for a client that brings a `_state`.
fn standing<S: Storage>(repository: &Repository<S>, state: &UploadState) -> Result<u64> {
    proof::received(repository, &state.uuid, Some(state.offset))?.ok_or_else(unknown)
}

fn wrong_length(progress: Vec<(&'static str, String)>) -> Error {
    let detail = "Content-Range and the body have different lengths";
    Error::new(Code::SizeInvalid, detail).with_headers(progress)
}

/// Holds an upload, to write to it.
fn resume<'a, S: Storage>(repository: &'a Repository<'a, S>, state: &UploadState) -> Result<Upload<'a, S>> {
    match Upload::resume(repository, &state.uuid, state.offset) {
        Ok(upload) => Ok(upload),
        Err(storage::Error::NotFound) => Err(unknown()),
        Err(error) => Err(error.into()),
    }
}

/// Tells a client whose upload another request holds, or has taken over, from where to go on.
fn located<S: Storage>(
    repository: &Repository<S>,
    secret: &Secret,
    state: &UploadState,
    error: Error,
) -> Error {
    if error.code() != Code::RangeInvalid || error.has_headers() {
        return error;
    }
    match standing(repository, state) {
        Ok(offset) => {
            out_of_order(secret, state.clone(), offset).log("another request is writing to this upload")
        }
        Err(error) => error,
    }
}

/// An upload that is being written to is not cancelled under its writer.
fn busy() -> Error {
    let detail = "another request is writing to this upload; cancel it when that one has ended, which takes \
                  a minute at most if it broke off";
    Error::new(Code::BlobUploadInvalid, detail).with_status(409)
}

/// The bytes do not continue the upload. The headers let the client go on from where it stands.
fn out_of_order(secret: &Secret, state: UploadState, offset: u64) -> Error {
    let detail = format!("the upload has {offset} bytes; go on from there");
    Error::new(Code::RangeInvalid, detail).with_headers(progress(secret, state, offset))
}
