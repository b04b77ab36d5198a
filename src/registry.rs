//! A request on its way to its answer: route, check, dispatch, and the one place where an error
//! becomes a response.

use crate::api::{base, blobs, manifests, tags, uploads};
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::http::query::decode;
use crate::http::{Method, Request, Response};
use crate::keys;
use crate::name::Name;
use crate::repository::Repository;
use crate::route::Route;
use crate::storage::Storage;
use crate::stream::Stream;
use crate::upload_state::Secret;

/// The length of a secret that the registry makes, in bytes.
const SECRET_LENGTH: usize = 32;

/// A registry over some storage. It keeps nothing between requests.
pub struct Registry<'a, S> {
    storage: S,
    config: &'a Config,
}

impl<'a, S: Storage> Registry<'a, S> {
    /// Puts a registry together.
    pub fn new(storage: S, config: &'a Config) -> Self {
        Self { storage, config }
    }

    /// Answers a request.
    pub fn handle<B: Stream>(&self, mut request: Request<B>) -> Response<S::Content> {
        let response = match self.dispatch(&mut request) {
            Ok(response) => response,
            Err(error) => refuse(&request, error),
        };
        let response = response.with_header("Docker-Distribution-API-Version", "registry/2.0");
        if request.method == Method::Head { response.without_body() } else { response.with_content_length() }
    }

    fn dispatch<B: Stream>(&self, request: &mut Request<B>) -> Result<Response<S::Content>> {
        let path = decode(&request.path).ok_or_else(no_such_endpoint)?;
        let route = Route::parse(&path).ok_or_else(no_such_endpoint)?;
        let name = |name| {
            let invalid = |wrong| Error::new(Code::NameInvalid, wrong);
            Name::parse(name).map_err(invalid)
        };
        let repository = |name| Repository::new(&self.storage, name);
        use Method::{Delete, Get, Head, Patch, Post, Put};
        match (&route, request.method.clone()) {
            (Route::Health, Get | Head) => Ok(base::health()),
            (Route::Base, Get | Head) => Ok(base::version()),
            (Route::Uploads { name: n }, Post) => {
                uploads::start(&repository(&name(n)?), &self.secret()?, request)
            }
            (Route::Upload { name: n, id }, Get | Head) => {
                uploads::status(&repository(&name(n)?), &self.secret()?, id, request)
            }
            (Route::Upload { name: n, id }, Patch) => {
                uploads::append(&repository(&name(n)?), &self.secret()?, id, request)
            }
            (Route::Upload { name: n, id }, Put) => {
                uploads::complete(&repository(&name(n)?), &self.secret()?, id, request)
            }
            (Route::Upload { name: n, id }, Delete) => {
                uploads::cancel(&repository(&name(n)?), &self.secret()?, id, request)
            }
            (Route::Blob { name: n, digest }, Get | Head) => {
                blobs::get(&repository(&name(n)?), digest, request)
            }
            (Route::Manifest { name: n, reference }, Get | Head) => {
                manifests::get(&repository(&name(n)?), reference, request)
            }
            (Route::Manifest { name: n, reference }, Put) => {
                manifests::put(&repository(&name(n)?), reference, request)
            }
            (Route::Tags { name: n }, Get | Head) => tags::list(&repository(&name(n)?), request),
            (route, _) => Err(Error::from(Code::Unsupported).with_header("Allow", route.allow())),
        }
    }

    /// What signs `_state`: the configured secret, or the one that storage keeps. Whoever needs the
    /// first one makes it; of several at once, all use the one that was stored.
    fn secret(&self) -> Result<Secret> {
        if let Some(secret) = &self.config.http_secret {
            return Ok(Secret::new(secret.as_bytes()));
        }
        if let Some(secret) = self.storage.get(keys::HTTP_SECRET)? {
            return stored_secret(&secret);
        }
        let mut secret = [0; SECRET_LENGTH];
        getrandom::fill(&mut secret).map_err(|error| Error::internal(error.to_string()))?;
        if self.storage.create(keys::HTTP_SECRET, &secret)? {
            return Ok(Secret::new(&secret));
        }
        stored_secret(&self.storage.get(keys::HTTP_SECRET)?.unwrap_or_default())
    }
}

/// Takes a secret from storage. A short one was not made here, and signing with it would be no
/// better than not signing.
fn stored_secret(secret: &[u8]) -> Result<Secret> {
    if secret.len() == SECRET_LENGTH {
        return Ok(Secret::new(secret));
    }
    let source = format!(
        "{} in storage is not {SECRET_LENGTH} bytes long; remove it to have a new one made",
        keys::HTTP_SECRET
    );
    Err(Error::from(Code::Unavailable).log(source))
}

fn no_such_endpoint() -> Error {
    Error::new(Code::NameUnknown, "there is no such endpoint").with_status(404)
}

/// Writes an error to the log and to the client, each in its own words. The query is left out of
/// the log: a `_state` in it lets whoever has it write.
fn refuse<B, C>(request: &Request<B>, error: Error) -> Response<C> {
    if let Some(source) = error.source() {
        eprintln!("{:?} {:?} {} {:?}: {source}", request.method, request.path, error.status(), error.code());
    }
    let (status, envelope) = (error.status(), error.envelope());
    Response::new(status).with_bytes("application/json", envelope).with_headers(error.into_headers())
}
