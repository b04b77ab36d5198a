//! The check before every endpoint: who the caller is, and whether the caller may send the request.

use crate::api::{token, upload_session};
use crate::auth::{
    Action, Auth, Backend, Caller, Credentials, Requirement, basic_challenge, challenge, may_finish,
    token::TokenError, unauthorized,
};
use crate::config::Config;
use crate::endpoint::Access;
use crate::error::{Code, Error, Result};
use crate::http::Request;
use crate::location;
use crate::name::Name;
use crate::signers::{LazySigners, Signers};
use lighter_storage::Storage;

/// The check whether a request is admitted.
pub struct Gate<'a, S> {
    /// The configuration, with access control if it is on.
    pub config: &'a Config,
    /// The storage, which keeps the secret.
    pub storage: &'a S,
    /// The signers of tokens and of the state of uploads.
    pub signers: &'a LazySigners,
    /// Whether a page is asked for. A browser cannot get a token, so it is asked for a password.
    pub is_page: bool,
}

impl<'a, S: Storage> Gate<'a, S> {
    /// Identifies the caller of a request, and fails unless the caller has the required access. `name` and `last` are
    /// the repository and the last part of the path. Wrong credentials are refused even if none are needed, because a
    /// client that sends credentials expects them to count.
    pub fn admit(
        &self,
        access: Access,
        name: Option<&Name>,
        last: &str,
        request: &Request,
    ) -> Result<Caller<'a>> {
        let Some(auth) = &self.config.auth else { return Ok(Caller::unlimited()) };
        let Some(requirement) = requirement(access, name) else { return Ok(Caller::unlimited()) };
        let upload = name.filter(|_| access == Access::Upload).map(|name| (name, last));
        let caller = match self.identify(auth, upload, request) {
            Err(error) if error.code() == Code::Unauthorized => {
                return Err(self.ask(error, auth, requirement, request, "invalid_token"));
            }
            caller => caller?,
        };
        if caller.meets(requirement) {
            return Ok(caller);
        }
        // Only a token with more rights helps, if the token service would give one.
        if caller.has_name() && !auth.could_meet(&caller, requirement) {
            return Err(Error::new(Code::Denied, "you are not allowed to do this"));
        }
        let reason = if caller.has_token() { "insufficient_scope" } else { "" };
        let error = unauthorized("log in, or get a token with the scope of the challenge");
        Err(self.ask(error, auth, requirement, request, reason))
    }

    /// Identifies the caller. `upload` is the repository and the id of the upload that the request is about, if any.
    fn identify(
        &self,
        auth: &'a Auth,
        upload: Option<(&Name, &str)>,
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
            // A token that expired during an upload still lets the client finish it.
            Err(TokenError::Expired(claims)) => match (upload, self.signers()) {
                (Some((name, id)), Ok(signers))
                    if upload_session::state(&signers.states, name, id, request)
                        .is_some_and(|upload| may_finish(&upload, &claims)) =>
                {
                    Ok(auth.bearer(*claims))
                }
                _ => Err(unauthorized("the token has expired").with_source("an expired token")),
            },
            Err(TokenError::Invalid(why)) => {
                Err(unauthorized("the token is not valid for this registry").with_source(why))
            }
        }
    }

    /// Adds the challenge to an error. The token service is named by an absolute URL, because clients accept no other.
    fn ask(
        &self,
        error: Error,
        auth: &Auth,
        requirement: Requirement,
        request: &Request,
        reason: &str,
    ) -> Error {
        if self.is_page && auth.has_token_service() {
            return error.with_header("WWW-Authenticate", basic_challenge(auth));
        }
        let own =
            || location::absolute(self.config, request).unwrap_or_default() + &token::PATH.write("", "");
        let realm = auth.realm.clone().unwrap_or_else(own);
        let from = request.query.get("from");
        error.with_header("WWW-Authenticate", challenge(&realm, &auth.service, requirement, from, reason))
    }

    fn signers(&self) -> Result<&'a Signers> {
        self.signers.get(self.storage, self.config)
    }
}

/// The requirement for some access to a repository or to the registry; `None` if every caller has the access.
fn requirement(access: Access, name: Option<&Name>) -> Option<Requirement<'_>> {
    // A repository without a name matches no rule.
    let repository = |action| Requirement::Repository(action, name.map_or("", Name::as_str));
    Some(match access {
        Access::None => return None,
        Access::Login => Requirement::Login,
        Access::Catalog => Requirement::Catalog,
        Access::Admin => Requirement::Admin,
        Access::Pull => repository(Action::Pull),
        Access::Push | Access::Upload => repository(Action::Push),
        Access::Delete => repository(Action::Delete),
    })
}
