//! An upload as its client sees it: `_state`, `Location` and `Range`.
//!
//! The client holds a `Location` whose `_state` is signed: it says what the client believes of the upload. The
//! store decides.

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

/// Where an upload is.
pub const PATH: Path = Path::OneOf("/blobs/uploads", "<uuid>");

/// The upload that a request is about, and what its client knows of it.
pub struct Session<'a, S> {
    repository: &'a Repository<'a, S>,
    secret: &'a Secret,
    /// What the path of a `Location` begins with.
    base: String,
    state: UploadState,
}

impl<'a, S: Storage> Session<'a, S> {
    /// Starts an upload, which its client will complete with an algorithm if it says so.
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

    /// The session of a client that brings a `_state`, as it must to change an upload.
    pub fn resume(repository: &'a Repository<'a, S>, call: &Call<'a, '_, S>) -> Result<Self> {
        let (secret, id) = (&call.signers()?.states, upload_id(call.last)?);
        let token = call.request.query.get("_state").ok_or_else(|| {
            let detail = "use the Location of the previous answer as it is, with its _state";
            Error::new(Code::BlobUploadInvalid, detail).log("no _state")
        })?;
        let state = check_state(secret, repository.name(), id, token)?;
        Ok(Self { repository, secret, base: call.base(), state })
    }

    /// The session of a client that asks how far an upload is, and how far that is. The `_state` of any earlier step
    /// will do, and so will the upload's id alone.
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

    /// How many bytes the client knows to be stored: those that its `_state` was signed for.
    pub fn signed(&self) -> u64 {
        self.state.offset
    }

    /// The algorithm that the client said it would complete with.
    pub fn announced(&self) -> Algorithm {
        self.state.algorithm.as_deref().and_then(Algorithm::parse).unwrap_or(Algorithm::Sha256)
    }

    /// How many bytes of the upload are proven to be stored.
    pub fn received(&self) -> upload::Result<u64> {
        Upload::received(self.repository, self.id(), Some(self.signed()))
    }

    /// Holds the upload, to write to it.
    pub fn hold(&self) -> upload::Result<Upload<'a, S>> {
        Upload::resume(self.repository, self.id(), self.signed())
    }

    /// The headers that tell a client how many bytes its upload has, and how to continue. `Range` is inclusive, so
    /// `0-0` is both nothing and one byte; clients parse it, and none sends `0--1`.
    pub fn progress(&self, offset: u64) -> Vec<(&'static str, String)> {
        let state = UploadState { offset, ..self.state.clone() };
        let (base, path) = (&self.base, PATH.write(&state.name, &state.uuid));
        vec![
            ("Location", format!("{base}{path}?_state={}", encode(&self.secret.seal(&state)))),
            ("Docker-Upload-UUID", state.uuid),
            ("Range", format!("0-{}", offset.saturating_sub(1))),
        ]
    }

    /// Tells the client what is wrong, and how to continue where it can.
    pub fn refuse(&self, error: upload::Error) -> Error {
        match error {
            upload::Error::Unknown => Code::BlobUploadUnknown.into(),
            upload::Error::Busy => match self.received() {
                Ok(offset) => self.out_of_order(offset).log("another request is writing to this upload"),
                // Not by this function: it would ask again.
                Err(upload::Error::Storage(error)) => error.into(),
                Err(_) => Code::BlobUploadUnknown.into(),
            },
            upload::Error::OutOfOrder { offset } => self.out_of_order(offset),
            upload::Error::WrongLength { offset } => {
                let detail = "Content-Range and the body have different lengths";
                Error::new(Code::SizeInvalid, detail).with_headers(self.progress(offset))
            }
            upload::Error::WrongDigest => {
                let detail = "the content has another digest; the upload is cancelled";
                Error::new(Code::DigestInvalid, detail)
            }
            upload::Error::Broken(source) => {
                let detail = "the body broke off; ask for the upload's status to go on";
                Error::new(Code::BlobUploadInvalid, detail).log(source)
            }
            upload::Error::Storage(error) => error.into(),
        }
    }

    fn out_of_order(&self, offset: u64) -> Error {
        let detail = format!("the upload has {offset} bytes; go on from there");
        Error::new(Code::RangeInvalid, detail).with_headers(self.progress(offset))
    }
}

/// The state of an upload of which its client knows nothing to be stored.
fn first_state(name: &Name, id: &str, started_at: String) -> UploadState {
    let (name, uuid) = (name.to_string(), id.to_owned());
    UploadState { name, uuid, offset: 0, started_at, algorithm: None }
}

/// The state of the upload that a request is about, if it brings a genuine one.
pub fn state(secret: &Secret, name: &Name, id: &str, request: &Request) -> Option<UploadState> {
    check_state(secret, name, id, request.query.get("_state")?).ok()
}

/// Checks a `_state` against the path that it came with. The client learns that it is wrong, the log in what way.
fn check_state(secret: &Secret, name: &Name, id: &str, token: &str) -> Result<UploadState> {
    let invalid = |why: &str| {
        Error::new(Code::BlobUploadInvalid, "this _state is not one of this upload's here; start again")
            .log(why)
    };
    // base64url has none, so it is of the URL that a client has put together.
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

/// Checks an upload's id: those of this registry and of distribution are UUIDs with hyphens.
fn upload_id(id: &str) -> Result<&str> {
    let valid = id.len() == 36 && Uuid::try_parse(id).is_ok();
    if valid { Ok(id) } else { Err(Code::BlobUploadUnknown.into()) }
}
