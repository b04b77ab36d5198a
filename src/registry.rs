//! A request on its way to its answer: route, check, dispatch, and the one place where an error
//! becomes a response.

use crate::access_log::{Entry, log};
use crate::api::{base, blobs, catalog, manifests, referrers, tags, token, uploads};
use crate::auth::{Auth, TokenServer};
use crate::clock;
use crate::config::{self, Config};
use crate::error::{Code, Error, Result};
use crate::gate::Gate;
use crate::http::Method::{self, Delete, Get, Head, Patch, Post, Put};
use crate::http::query::decode;
use crate::http::{Request, Response};
use crate::location;
use crate::name::Name;
use crate::purge::Purge;
use crate::repository::Repository;
use crate::route::Route;
use crate::signers::{LazySigners, Signers};
use lighter_storage::{Environment, Open, Storage};

/// A registry over some storage. It keeps nothing between requests but what signs.
pub struct Registry<'a, S> {
    storage: S,
    config: &'a Config,
    signers: LazySigners,
    purge: Purge,
}

impl<S: Open> Registry<'static, S> {
    /// Opens the storage that an environment leads to, and puts a registry together, which lives as long as its process
    /// or instance. `server` is there where the tokens of an outside server can be taken. Logs what of the configuration
    /// needs attention. Errs, for the log, with the variable that is wrong.
    pub fn open(
        environment: Environment,
        server: Option<&TokenServer>,
    ) -> core::result::Result<Self, String> {
        let of_server = server.map_or(&[][..], |server| server.variables);
        let settings = config::settings(environment, [S::VARIABLES, of_server])?;
        let storage = S::open(&settings)?;
        let mut config = Config::read(&settings, server)?;
        config.notices.drain(..).for_each(log);
        Ok(Self::new(storage, Box::leak(Box::new(config))))
    }
}

impl<'a, S: Storage> Registry<'a, S> {
    /// Puts a registry together.
    pub fn new(storage: S, config: &'a Config) -> Self {
        Self { storage, config, signers: LazySigners::default(), purge: Purge::default() }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        self.config
    }

    /// Answers a request. Returns what to log of it, too.
    pub fn handle(&self, mut request: Request) -> (Response, Entry) {
        let answer = self.dispatch(&mut request);
        let (response, mut entry) = complete(answer, &request);
        entry.received = request.body.received();
        let response = response
            .with_location_base(&location::base(self.config, &request))
            .with_link_base(&location::prefix(self.config, &request));
        (response, entry)
    }

    /// Looks for uploads that nobody completes, once the answer was sent to a request that has started another
    /// one. Returns what to log of it.
    pub fn purge(&self) -> Vec<String> {
        let step = |purging| self.purge.step(&self.storage, purging, clock::seconds());
        self.config.purging.as_ref().map(step).unwrap_or_default()
    }

    fn dispatch(&self, request: &mut Request) -> Result<Response> {
        let path = decode(&request.path).ok_or_else(no_such_endpoint)?;
        // Load balancers ask for `/`, wherever the registry is.
        let path = if path == "/" {
            &path
        } else {
            path.strip_prefix(&self.config.prefix).ok_or_else(no_such_endpoint)?
        };
        let route = Route::parse(path).ok_or_else(no_such_endpoint)?;
        self.permit(&route, &request.method)?;
        let name = route.name().map(Name::parse).transpose();
        let name = name.map_err(|wrong| Error::new(Code::NameInvalid, wrong))?;
        let caller = self.gate().admit(&route, name.as_ref(), request)?;
        let Some(name) = name else {
            return match (&route, &request.method) {
                (Route::Health, Get | Head) => Ok(base::health()),
                (Route::Base, Get | Head) => Ok(base::version()),
                (Route::Catalog, Get | Head) => catalog::list(&self.storage, &caller, request),
                (Route::Token, Get) => token::get(self.token_service()?, &self.signers()?.tokens, request),
                (Route::Token, Post) => token::post(self.token_service()?, &self.signers()?.tokens, request),
                (route, _) => Err(not_allowed(route.allow())),
            };
        };
        let states = || self.signers().map(|signers| &signers.states);
        let repository = &Repository::new(&self.storage, &name);
        match (&route, &request.method) {
            (Route::Uploads { .. }, Post) => uploads::start(repository, states()?, &caller, request),
            (Route::Upload { id, .. }, Get | Head) => uploads::status(repository, states()?, id, request),
            (Route::Upload { id, .. }, Patch) => uploads::append(repository, states()?, id, request),
            (Route::Upload { id, .. }, Put) => uploads::complete(repository, states()?, id, request),
            (Route::Upload { id, .. }, Delete) => uploads::cancel(repository, states()?, id, request),
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
        if self.config.read_only && !reads && *route != Route::Token {
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

    fn token_service(&self) -> Result<&Auth> {
        let auth = self.config.auth.as_ref().filter(|auth| auth.has_token_service());
        auth.ok_or_else(no_such_endpoint)
    }

    fn gate(&self) -> Gate<'_, S> {
        Gate { config: self.config, storage: &self.storage, signers: &self.signers }
    }

    fn signers(&self) -> Result<&Signers> {
        self.signers.get(&self.storage, self.config)
    }
}

/// Answers any request to a registry that is configured wrongly. The reason is for the log.
pub fn misconfigured(reason: &str, request: &Request) -> (Response, Entry) {
    let error = Error::new(Code::Unavailable, "the registry is misconfigured; see its log");
    complete(Err(error.log(reason)), request)
}

/// Gives an answer what every answer has, and says what to log of it.
fn complete(answer: Result<Response>, request: &Request) -> (Response, Entry) {
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
fn refuse(error: Error) -> Response {
    let (status, envelope) = (error.status(), error.envelope());
    Response::new(status).with_bytes("application/json", envelope).with_headers(error.into_headers())
}

#[cfg(test)]
mod tests;
