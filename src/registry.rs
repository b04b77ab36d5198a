//! A request on its way to its answer: route, check, dispatch, and the one place where an error
//! becomes a response.

use crate::access_log::{Entry, log};
use crate::api::{base, blobs, catalog, manifests, referrers, tags, uploads};
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::http::Method::{self, Delete, Get, Head, Patch, Post, Put};
use crate::http::query::decode;
use crate::http::{Request, Response};
use crate::keys;
use crate::location;
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

    /// Answers a request. Returns what to log of it, too.
    pub fn handle<B: Stream>(&self, request: Request<B>) -> (Response<S::Content>, Entry) {
        let mut request = request.map_body(Counted::new);
        let answer = self.dispatch(&mut request);
        let (response, mut entry) = complete(answer, &request);
        entry.received = request.body.bytes;
        let response = response
            .with_location_base(&location::base(self.config, &request))
            .with_link_base(&location::prefix(self.config, &request));
        (response, entry)
    }

    fn dispatch<B: Stream>(&self, request: &mut Request<B>) -> Result<Response<S::Content>> {
        let path = decode(&request.path).ok_or_else(no_such_endpoint)?;
        // Load balancers ask for `/`, wherever the registry is.
        let path = if path == "/" {
            &path
        } else {
            path.strip_prefix(&self.config.prefix).ok_or_else(no_such_endpoint)?
        };
        let route = Route::parse(path).ok_or_else(no_such_endpoint)?;
        self.permit(&route, &request.method)?;
        let Some(name) = route.name() else {
            return match (&route, &request.method) {
                (Route::Health, Get | Head) => Ok(base::health()),
                (Route::Base, Get | Head) => {
                    // The first request of nearly every client, and few of all requests.
                    self.config.unknown.iter().for_each(|unknown| log(unknown.clone()));
                    Ok(base::version())
                }
                (Route::Catalog, Get | Head) => catalog::list(&self.storage, request),
                (route, _) => Err(not_allowed(route.allow())),
            };
        };
        let name = Name::parse(name).map_err(|wrong| Error::new(Code::NameInvalid, wrong))?;
        let repository = &Repository::new(&self.storage, &name);
        match (&route, &request.method) {
            (Route::Uploads { .. }, Post) => uploads::start(repository, &self.secret()?, request),
            (Route::Upload { id, .. }, Get | Head) => {
                uploads::status(repository, &self.secret()?, id, request)
            }
            (Route::Upload { id, .. }, Patch) => uploads::append(repository, &self.secret()?, id, request),
            (Route::Upload { id, .. }, Put) => uploads::complete(repository, &self.secret()?, id, request),
            (Route::Upload { id, .. }, Delete) => uploads::cancel(repository, &self.secret()?, id, request),
            (Route::Blob { digest, .. }, Get | Head) => blobs::get(repository, digest, request),
            (Route::Blob { digest, .. }, Delete) => blobs::delete(repository, digest),
            (Route::Manifest { reference, .. }, Get | Head) => manifests::get(repository, reference, request),
            (Route::Manifest { reference, .. }, Put) => {
                manifests::put(repository, reference, request, self.config.validation)
            }
            (Route::Manifest { reference, .. }, Delete) => manifests::delete(repository, reference),
            (Route::Tags { .. }, Get | Head) => tags::list(repository, request),
            (Route::Referrers { digest, .. }, Get | Head) => {
                referrers::list(repository, digest, request, !self.config.read_only)
            }
            (route, _) => Err(not_allowed(route.allow())),
        }
    }

    /// Refuses what the configuration does not permit.
    fn permit(&self, route: &Route, method: &Method) -> Result<()> {
        let reads = matches!(method, Get | Head);
        if self.config.read_only && !reads {
            return Err(not_allowed("GET, HEAD").detailed("the registry is read-only"));
        }
        if !self.config.delete
            && *method == Delete
            && matches!(route, Route::Blob { .. } | Route::Manifest { .. })
        {
            let allow = if matches!(route, Route::Blob { .. }) { "GET, HEAD" } else { "GET, HEAD, PUT" };
            return Err(not_allowed(allow).detailed("deleting is switched off"));
        }
        Ok(())
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
        // Nothing that is signed in a read-only registry can be used there, so that it need not be kept.
        if self.config.read_only || self.storage.create(keys::HTTP_SECRET, &secret)? {
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

/// Answers any request to a registry that is configured wrongly. The reason is for the log.
pub fn misconfigured<B, C>(reason: &str, request: &Request<B>) -> (Response<C>, Entry) {
    let error = Error::new(Code::Unavailable, "the registry is not configured rightly; its log says why");
    complete(Err(error.log(reason)), request)
}

/// Gives an answer what every answer has, and says what to log of it.
fn complete<B, C>(answer: Result<Response<C>>, request: &Request<B>) -> (Response<C>, Entry) {
    let mut entry = Entry::of(&request.method.to_string(), &request.path);
    let response = answer.unwrap_or_else(|error| {
        entry.code = Some(error.code().to_string());
        entry.error = error.source().map(str::to_owned);
        refuse(error)
    });
    let response = response.with_header("Docker-Distribution-API-Version", "registry/2.0");
    let is_head = request.method == Method::Head;
    let response = if is_head { response.without_body() } else { response.with_content_length() };
    entry.status = response.status;
    entry.sent = response.body.length();
    entry.upload = response.header("Docker-Upload-UUID").map(str::to_owned);
    entry.digest = response.header("Docker-Content-Digest").map(str::to_owned);
    (response, entry)
}

fn no_such_endpoint() -> Error {
    Error::new(Code::NameUnknown, "there is no such endpoint")
}

fn not_allowed(allow: &'static str) -> Error {
    Error::from(Code::Unsupported).with_header("Allow", allow)
}

/// The client's part of an error.
fn refuse<C>(error: Error) -> Response<C> {
    let (status, envelope) = (error.status(), error.envelope());
    Response::new(status).with_bytes("application/json", envelope).with_headers(error.into_headers())
}

/// A body whose bytes are counted as they come.
struct Counted<B> {
    body: B,
    bytes: u64,
}

impl<B> Counted<B> {
    fn new(body: B) -> Self {
        Self { body, bytes: 0 }
    }
}

impl<B: Stream> Stream for Counted<B> {
    fn next(&mut self) -> core::result::Result<Option<Vec<u8>>, String> {
        let next = self.body.next()?;
        self.bytes += next.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(next)
    }
}

#[cfg(test)]
mod tests;
