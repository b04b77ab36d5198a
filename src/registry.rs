//! A request on its way to its answer: route, check, dispatch, and the one place where an error
//! becomes a response.

use std::sync::OnceLock;

use crate::access_log::{Entry, log};
use crate::api::{base, blobs, catalog, manifests, referrers, tags, token, uploads};
use crate::auth::token::Key;
use crate::auth::{Action, Auth, Caller, Purpose, TokenServer};
use crate::clock;
use crate::config::{self, Config};
use crate::error::{Code, Error, Result};
use crate::http::Method::{self, Delete, Get, Head, Patch, Post, Put};
use crate::http::query::decode;
use crate::http::{Request, Response};
use crate::keys;
use crate::location;
use crate::name::Name;
use crate::purge::Purge;
use crate::repository::Repository;
use crate::route::Route;
use crate::upload_state::Secret;
use lighter_storage::{Environment, Open, Storage};

/// The length of a secret that the registry makes, in bytes.
const SECRET_LENGTH: usize = 32;

/// A registry over some storage. It keeps nothing between requests but what signs.
pub struct Registry<'a, S> {
    storage: S,
    config: &'a Config,
    signers: OnceLock<Signers>,
    purge: Purge,
}

/// What signs, all by one secret.
struct Signers {
    states: Secret,
    tokens: Key,
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
        Self { storage, config, signers: OnceLock::new(), purge: Purge::default() }
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
        let caller = self.admit(&route, name.as_ref(), request)?;
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

    /// Finds out who sends a request, and fails unless they may.
    fn admit(&self, route: &Route, name: Option<&Name>, request: &Request) -> Result<Caller<'_>> {
        let Some(auth) = &self.config.auth else { return Ok(Caller::anyone()) };
        if matches!(route, Route::Health | Route::Token) {
            return Ok(Caller::anyone());
        }
        let action = match (route, &request.method) {
            (Route::Uploads { .. } | Route::Upload { .. }, _) => Action::Push,
            (_, Delete) => Action::Delete,
            (_, Post | Put | Patch) => Action::Push,
            _ => Action::Pull,
        };
        let purpose = match name {
            Some(name) => Purpose::Repository(action, name.as_str()),
            None if *route == Route::Catalog => Purpose::Catalog,
            None => Purpose::Login,
        };
        let (realm, from) = (|| self.realm(auth, request), request.query.get("from"));
        // An upload that began with a good token is finished with it.
        let upload = || match (route, name) {
            (Route::Upload { id, .. }, Some(name)) => {
                uploads::state(&self.signers().ok()?.states, name, id, request)
            }
            _ => None,
        };
        let key = || self.signers().map(|signers| signers.tokens.clone());
        let caller = auth.identify(request, key, upload).map_err(|error| match error.code() {
            Code::Unauthorized => {
                let challenge = auth.challenge(&realm(), purpose, from, "invalid_token");
                error.with_header("WWW-Authenticate", challenge)
            }
            _ => error,
        })?;
        auth.permit(&caller, purpose, realm, from)?;
        Ok(caller)
    }

    /// Where tokens are had: a whole URL, since clients take no other.
    fn realm(&self, auth: &Auth, request: &Request) -> String {
        let own = || location::absolute(self.config, request).unwrap_or_default() + "/token";
        auth.realm.clone().unwrap_or_else(own)
    }

    fn token_service(&self) -> Result<&Auth> {
        let auth = self.config.auth.as_ref().filter(|auth| auth.has_token_service());
        auth.ok_or_else(no_such_endpoint)
    }

    /// What signs: by the configured secret, or the one that storage keeps. Whoever needs the first one
    /// makes it; of several at once, all use the one that was stored.
    fn signers(&self) -> Result<&Signers> {
        if let Some(signers) = self.signers.get() {
            return Ok(signers);
        }
        let secret = match &self.config.http_secret {
            Some(secret) => secret.clone().into_bytes(),
            None => self.kept_secret()?,
        };
        let (states, tokens) = (Secret::new(&secret), Key::new(&secret));
        Ok(self.signers.get_or_init(|| Signers { states, tokens }))
    }

    fn kept_secret(&self) -> Result<Vec<u8>> {
        if let Some(secret) = self.storage.get(keys::HTTP_SECRET)? {
            return stored_secret(secret);
        }
        if self.config.read_only && self.config.auth.is_some() {
            let source = "a read-only registry keeps no secret, and without one it can make no tokens; set \
                          REGISTRY_HTTP_SECRET";
            return Err(Error::from(Code::Unavailable).log(source));
        }
        let mut secret = [0; SECRET_LENGTH];
        getrandom::fill(&mut secret).map_err(|error| Error::internal(error.to_string()))?;
        // Nothing that is signed in a read-only registry can be used there, so that it need not be kept.
        if self.config.read_only || self.storage.create(keys::HTTP_SECRET, &secret)? {
            return Ok(secret.to_vec());
        }
        stored_secret(self.storage.get(keys::HTTP_SECRET)?.unwrap_or_default())
    }
}

/// Takes a secret from storage. A short one was not made here, and signing with it would be no
/// better than not signing.
fn stored_secret(secret: Vec<u8>) -> Result<Vec<u8>> {
    if secret.len() == SECRET_LENGTH {
        return Ok(secret);
    }
    let source = format!(
        "{} in storage is not {SECRET_LENGTH} bytes long; remove it to have a new one made",
        keys::HTTP_SECRET
    );
    Err(Error::from(Code::Unavailable).log(source))
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
