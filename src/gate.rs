//! The one check before every endpoint: who sends a request, and whether they may.

use crate::api::upload_session;
use crate::auth::{
    Action, Auth, Backend, Caller, Credentials, Requirement, challenge, may_finish, token::TokenError,
    unauthorized,
};
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::http::Method::{Delete, Patch, Post, Put};
use crate::http::{Method, Request};
use crate::location;
use crate::name::Name;
use crate::route::Route;
use crate::signers::{LazySigners, Signers};
use crate::storage::Storage;

/// What decides whether a request is admitted.
pub struct Gate<'a, S> {
    /// The configuration, with access control if that is on.
    pub config: &'a Config,
    /// Where the secret is kept.
    pub storage: &'a S,
    /// What has signed tokens and the state of uploads.
    pub signers: &'a LazySigners,
}

impl<'a, S: Storage> Gate<'a, S> {
    /// Finds out who sends a request for what a route and a repository name, and fails unless they may. Wrong
    /// credentials are refused even where none are needed: a client that sends some wants them to count.
    pub fn admit(&self, route: &Route, name: Option<&Name>, request: &Request) -> Result<Caller<'a>> {
        let Some(auth) = &self.config.auth else { return Ok(Caller::unlimited()) };
        let Some(requirement) = requirement(route, name, &request.method) else {
            return Ok(Caller::unlimited());
        };
        let caller = match self.identify(auth, route, name, request) {
            Err(error) if error.code() == Code::Unauthorized => {
                return Err(self.ask(error, auth, requirement, request, "invalid_token"));
            }
            caller => caller?,
        };
        if caller.meets(requirement) {
            return Ok(caller);
        }
        // A wider token helps if the token service gives it.
        if caller.has_name() && !auth.could_meet(&caller, requirement) {
            return Err(Error::new(Code::Denied, "you are not allowed to do this"));
        }
        let reason = if caller.has_token() { "insufficient_scope" } else { "" };
        let error = unauthorized("log in, or get a token with the scope of the challenge");
        Err(self.ask(error, auth, requirement, request, reason))
    }

    fn identify(
        &self,
        auth: &'a Auth,
        route: &Route,
        name: Option<&Name>,
        request: &Request,
    ) -> Result<Caller<'a>> {
        let token = match Credentials::of(request)? {
            Credentials::None => return Ok(auth.anonymous()),
            Credentials::Password(name, password) => return auth.log_in(&name, &password),
            Credentials::Token(token) => token,
        };
        let claims = match &auth.backend {
            Backend::Rules(..) => auth.verify(token, &self.signers()?.tokens),
            Backend::TokenServer(keys) => auth.verify_outside(token, &**keys),
        };
        match claims {
            Ok(claims) => Ok(auth.bearer(claims)),
            // An upload that began with a valid token is finished with it.
            Err(TokenError::Expired(claims)) => match (route, name, self.signers()) {
                (Route::Upload { id, .. }, Some(name), Ok(signers))
                    if upload_session::state(&signers.states, name, id, request)
                        .is_some_and(|upload| may_finish(&upload, &claims)) =>
                {
                    Ok(auth.bearer(*claims))
                }
                _ => Err(unauthorized("the token has expired").log("an expired token")),
            },
            Err(TokenError::Invalid(why)) => {
                Err(unauthorized("the token is not valid for this registry").log(why))
            }
        }
    }

    /// Adds to an error what the client is asked for. Tokens are had at a whole URL, since clients take no other.
    fn ask(
        &self,
        error: Error,
        auth: &Auth,
        requirement: Requirement,
        request: &Request,
        reason: &str,
    ) -> Error {
        let own = || location::absolute(self.config, request).unwrap_or_default() + "/token";
        let realm = auth.realm.clone().unwrap_or_else(own);
        let from = request.query.get("from");
        error.with_header("WWW-Authenticate", challenge(&realm, &auth.service, requirement, from, reason))
    }

    fn signers(&self) -> Result<&'a Signers> {
        self.signers.get(self.storage, self.config)
    }
}

/// What a request requires of its caller; `None` if anyone may send it.
fn requirement<'a>(route: &Route, name: Option<&'a Name>, method: &Method) -> Option<Requirement<'a>> {
    let action = match (route, method) {
        (Route::Health | Route::Token, _) => return None,
        (Route::Uploads { .. } | Route::Upload { .. }, _) => Action::Push,
        (_, Delete) => Action::Delete,
        (_, Post | Put | Patch) => Action::Push,
        _ => Action::Pull,
    };
    Some(match name {
        Some(name) => Requirement::Repository(action, name.as_str()),
        None if *route == Route::Catalog => Requirement::Catalog,
        None => Requirement::Login,
    })
}
