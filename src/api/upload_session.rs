//! An upload as its client sees it: `_state`, `Location` and `Range`.
//!
//! The client holds a `Location` with a signed `_state`: what the client believes about the upload. The storage
//! decides.

use uuid::Uuid;

use crate::endpoint::Call;
use crate::error::{Code, Error, Result};
use crate::http::Request;
use crate::http::query::encode;
use crate::name::Name;
use crate::repository::Repository;
use crate::route::Path;
use crate::upload::{self, Upload};
use crate::upload_state::{Secret, UploadState};
use lighter_hash::Algorithm;
use lighter_storage::Storage;

/// The path of an upload.
pub const PATH: Path = Path::OneOf("/blobs/uploads", "<uuid>");

/// The upload that a request is about, and what its client knows about it.
pub struct Session<'a, S> {
    repository: &'a Repository<'a, S>,
    secret: &'a Secret,
    /// The beginning of a `Location`, before the path.
    base: String,
    state: UploadState,
}

impl<'a, S: Storage> Session<'a, S> {
    /// Starts an upload. `announced` is the algorithm that the client says it will complete with.
    pub fn start(
        repository: &'a Repository<'a, S>,
        call: &Call<'a, '_, S>,
        announced: Option<Algorithm>,
    ) -> Result<(Self, Upload<'a, S>)> {
        let secret = &call.signers()?.states;
        let (upload, started_at) = Upload::start(repository)?;
        let algorithm = announced.filter(|algorithm| *algorithm != Algorithm::Sha256);
        let state = UploadState {
            algorithm: algorithm.map(|algorithm| algorithm.as_str().to_owned()),
            ..first_state(repository.name(), upload.id(), started_at)
        };
        Ok((Self { repository, secret, base: call.base(), state }, upload))
    }

    /// Returns the session of a client that sends a `_state`, which it must in order to change an upload.
    pub fn resume(repository: &'a Repository<'a, S>, call: &Call<'a, '_, S>) -> Result<Self> {
        let (secret, id) = (&call.signers()?.states, upload_id(call.last)?);
        let token = call.request.query.get("_state").ok_or_else(|| {
            let detail = "use the Location of the previous answer as it is, with its _state";
            Error::new(Code::BlobUploadInvalid, detail).with_source("no _state")
        })?;
        let state = check_state(secret, repository.name(), id, token)?;
        Ok(Self { repository, secret, base: call.base(), state })
    }

    /// Returns the session of a client that asks for an upload's status, and the upload's offset. The client may send
    /// the `_state` of any earlier step, or the upload's id alone.
    pub fn look_up(repository: &'a Repository<'a, S>, call: &Call<'a, '_, S>) -> Result<(Self, u64)> {
        let (secret, id) = (&call.signers()?.states, upload_id(call.last)?);
        let token = call.request.query.get("_state");
        let brought = token.map(|token| check_state(secret, repository.name(), id, token)).transpose()?;
        let signed = brought.as_ref().map(|state| state.offset);
        let state = brought.unwrap_or_else(|| first_state(repository.name(), id, String::new()));
        let mut session = Self { repository, secret, base: call.base(), state };
        let offset = Upload::received(repository, id, signed).map_err(|error| session.refuse(error))?;
        if signed.is_none() {
            session.state.started_at = Upload::started_at(repository, id)?;
        }
        Ok((session, offset))
    }

    /// The upload's id.
    pub fn id(&self) -> &str {
        &self.state.uuid
    }

    /// The number of bytes that the client knows to be stored: the offset in its `_state`.
    pub fn signed(&self) -> u64 {
        self.state.offset
    }

    /// The digest algorithm that the client announced.
    pub fn announced(&self) -> Algorithm {
        self.state.algorithm.as_deref().and_then(Algorithm::parse).unwrap_or(Algorithm::Sha256)
    }

    /// The number of the upload's bytes that are proven to be stored.
    pub fn received(&self) -> upload::Result<u64> {
        Upload::received(self.repository, self.id(), Some(self.signed()))
    }

    /// Opens the upload for writing, which no other request may do meanwhile.
    pub fn hold(&self) -> upload::Result<Upload<'a, S>> {
        Upload::resume(self.repository, self.id(), self.signed())
    }

    /// The headers that tell a client how many bytes its upload has, and how to continue. `Range` is inclusive, so
    /// `0-0` stands for no byte as well as for one; clients parse it, and would not understand `0--1`.
    pub fn progress(&self, offset: u64) -> Vec<(&'static str, String)> {
        let state = UploadState { offset, ..self.state.clone() };
        let (base, path) = (&self.base, PATH.write(&state.name, &state.uuid));
        vec![
            ("Location", format!("{base}{path}?_state={}", encode(&self.secret.seal(&state)))),
            ("Docker-Upload-UUID", state.uuid),
            ("Range", format!("0-{}", offset.saturating_sub(1))),
        ]
    }

    /// Turns an error of an upload into an answer that says what is wrong and, if possible, how to continue.
    pub fn refuse(&self, error: upload::Error) -> Error {
        match error {
            upload::Error::Unknown => Code::BlobUploadUnknown.into(),
            upload::Error::Busy => match self.received() {
                Ok(offset) => {
                    self.out_of_order(offset).with_source("another request is writing to this upload")
                }
                // Not through `refuse`, which would ask for the offset again.
                Err(upload::Error::Storage(error)) => error.into(),
                Err(_) => Code::BlobUploadUnknown.into(),
            },
            upload::Error::OutOfOrder { offset } => self.out_of_order(offset),
            upload::Error::WrongLength { offset } => {
                let detail = "Content-Range and the body have different lengths";
                Error::new(Code::SizeInvalid, detail).with_headers(self.progress(offset))
            }
            upload::Error::WrongDigest => {
                let detail = "the content does not match the digest; the upload is cancelled";
                Error::new(Code::DigestInvalid, detail)
            }
            upload::Error::Collected => {
                let detail = "the blob was just removed, as one that nothing referred to; send it again";
                Error::new(Code::Unavailable, detail).with_header("Retry-After", "1")
            }
            upload::Error::Broken(source) => {
                let detail = "the body broke off; ask for the upload's status to continue";
                Error::new(Code::BlobUploadInvalid, detail).with_source(source)
            }
            upload::Error::Storage(error) => error.into(),
        }
    }

    fn out_of_order(&self, offset: u64) -> Error {
        let detail = format!("the upload has {offset} bytes; continue from there");
        Error::new(Code::RangeInvalid, detail).with_headers(self.progress(offset))
    }
}

/// The state for a client that knows only the upload's id: nothing is known to be stored.
fn first_state(name: &Name, id: &str, started_at: String) -> UploadState {
    let (name, uuid) = (name.to_string(), id.to_owned());
    UploadState { name, uuid, offset: 0, started_at, algorithm: None }
}

/// The state of the upload that a request is about, if the request has a genuine one.
pub fn state(secret: &Secret, name: &Name, id: &str, request: &Request) -> Option<UploadState> {
    check_state(secret, name, id, request.query.get("_state")?).ok()
}

/// Checks a `_state` against the path that it came with. The client learns that it is wrong, the log also why.
fn check_state(secret: &Secret, name: &Name, id: &str, token: &str) -> Result<UploadState> {
    let invalid = |why: &str| {
        Error::new(Code::BlobUploadInvalid, "this _state does not belong to this upload; start again")
            .with_source(why)
    };
    // base64url has no `?`, so the client has put the URL together wrongly.
    if token.contains('?') {
        let detail = "the URL has a second `?`: the Location has a query already, so add a parameter by `&`, as in \
                      LOCATION&digest=DIGEST";
        return Err(Error::new(Code::BlobUploadInvalid, detail).with_source("_state has a `?` in it"));
    }
    let state = secret.open(token).map_err(invalid)?;
    if state.name != name.as_str() {
        return Err(invalid("_state belongs to another repository"));
    }
    if state.uuid != id {
        return Err(invalid("_state belongs to another upload"));
    }
    Ok(state)
}

/// Checks an upload's id. Both this registry and distribution use UUIDs with hyphens.
fn upload_id(id: &str) -> Result<&str> {
    let valid = id.len() == 36 && Uuid::try_parse(id).is_ok();
    if valid { Ok(id) } else { Err(Code::BlobUploadUnknown.into()) }
}
