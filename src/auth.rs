//! Access control: who sends a request, and what they may do.
//!
//! The main road is that of the Docker token authentication: a request without credentials is
//! answered with 401 and a `Bearer` challenge, which sends the client to the token service
//! ([`crate::api::token`]). That checks a password once, and gives a short-lived token that says what
//! its bearer may do. A password with every request (`Basic`) is accepted too, and costs a bcrypt
//! each time.
//!
//! Instead, an outside token server may make the tokens. The registry then has only its public keys.

mod caller;
mod challenge;
mod credentials;
mod passwords;
mod rules;
pub mod token;
pub(crate) mod variables;

use std::time::{Duration, Instant};

use uuid::Uuid;

pub use self::caller::{Caller, Requirement};
pub use self::challenge::{basic_challenge, challenge};
pub use self::credentials::{Credentials, authorization, basic};
pub use self::passwords::Passwords;
pub use self::rules::{Action, Rules};
use self::token::{Claims, LEEWAY, Parts, ResourceActions, TokenError, TokenKey};
use crate::clock::{rfc3339, seconds};
use crate::error::{Code, Error, Result};
use crate::upload_state::UploadState;
use lighter_storage::Settings;

/// How long a token is valid, in seconds. Docker refuses one that is valid for less than 60.
pub const LIFETIME: u64 = 300;

/// How long an upload that began with a valid token may take, in seconds.
const UPLOAD_LIFETIME: u64 = 24 * 3600;

/// The least time before a wrong password is answered. It slows down guessing, and hides how long the check took.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Access control, as it is configured.
#[derive(Debug)]
pub struct Auth {
    /// The name of this registry, which tokens are made for.
    pub service: String,
    /// The name of the issuer of tokens.
    pub issuer: String,
    /// The URL of the token service, if it is not this registry's own.
    pub realm: Option<String>,
    /// The name that a client shows to its user when it asks for a password.
    pub basic_realm: String,
    /// The least time before a wrong password is answered: [`PATIENCE`], or less in tests.
    pub patience: Duration,
    /// What decides who may do what.
    pub backend: Backend,
}

/// What decides who may do what.
#[derive(Debug)]
pub enum Backend {
    /// The registry decides, by passwords and rules.
    Rules(Passwords, Rules),
    /// An outside token server decides; these are its keys.
    TokenServer(Box<dyn VerifyToken>),
}

/// The keys of an outside token server.
pub trait VerifyToken: core::fmt::Debug + Send + Sync {
    /// Checks that a token is signed by the server, at a time in seconds since 1970. `header` is JSON (RFC
    /// 7515, 4) that is not trusted yet, `message` the signed part. Errs with the reason, for the log.
    fn verify(
        &self,
        header: &[u8],
        message: &[u8],
        signature: &[u8],
        now: u64,
    ) -> core::result::Result<(), &'static str>;
}

/// How the keys of an outside token server are read. A product that accepts its tokens provides this.
pub struct TokenServer {
    /// The names of the variables that `open` reads.
    pub variables: &'static [&'static str],
    /// Reads the keys. Errs, for the log, with the variable that is wrong.
    pub open: fn(&Settings) -> core::result::Result<Box<dyn VerifyToken>, String>,
}

impl Auth {
    /// Returns the caller of a request without credentials.
    pub fn anonymous(&self) -> Caller<'_> {
        match &self.backend {
            Backend::Rules(_, rules) => Caller::of_rules(rules, ""),
            Backend::TokenServer(_) => Caller::without_token(),
        }
    }

    /// Returns the caller with a name and a password. If they are wrong, it fails after [`patience`](Self::patience).
    pub fn log_in(&self, name: &str, password: &str) -> Result<Caller<'_>> {
        let start = Instant::now();
        let (passwords, rules) = match &self.backend {
            Backend::Rules(passwords, rules) => (passwords, rules),
            Backend::TokenServer(_) => return Err(unauthorized("get a token from the token server")),
        };
        if !name.is_empty() && passwords.check(name, password) {
            return Ok(Caller::of_rules(rules, name));
        }
        std::thread::sleep(self.patience.saturating_sub(start.elapsed()));
        Err(unauthorized("the name or the password is wrong")
            .with_source(format!("login failed for {name:?}")))
    }

    /// Checks a token of this registry, which a key has signed, and returns its claims.
    pub fn verify(&self, token: &str, key: &TokenKey) -> core::result::Result<Claims, TokenError> {
        key.verify(token, &self.issuer, &self.service, seconds())
    }

    /// Checks a token of the token server, and returns its claims.
    pub fn verify_outside(
        &self,
        token: &str,
        keys: &dyn VerifyToken,
    ) -> core::result::Result<Claims, TokenError> {
        let parts = Parts::of(token)?;
        let header = parts.header().ok_or(TokenError::Invalid("the token's header cannot be read"))?;
        let verified = keys.verify(&header, parts.message.as_bytes(), &parts.signature, seconds());
        verified.map_err(TokenError::Invalid)?;
        parts.claims(&self.issuer, &self.service, seconds())
    }

    /// Returns the caller with a token, whose claims were verified.
    pub fn bearer(&self, claims: Claims) -> Caller<'_> {
        Caller::of_token(claims, self.rules())
    }

    /// Whether the token service could give a caller a token that meets a requirement. An outside token server is
    /// assumed to.
    pub fn could_meet(&self, caller: &Caller, requirement: Requirement) -> bool {
        caller.could_meet(requirement, self.rules())
    }

    /// Whether this registry gives tokens.
    pub fn has_token_service(&self) -> bool {
        self.rules().is_some()
    }

    fn rules(&self) -> Option<&Rules> {
        match &self.backend {
            Backend::Rules(_, rules) => Some(rules),
            Backend::TokenServer(_) => None,
        }
    }

    /// Returns the claims of a token for a caller: the requested scopes, as far as the rules allow them.
    pub fn grant(&self, caller: &Caller, scopes: &[ResourceActions]) -> Claims {
        let granted = |asked: &ResourceActions| {
            let actions: Vec<String> = match asked.kind.as_str() {
                "repository" => Action::EACH
                    .into_iter()
                    .filter(|action| asked.actions.iter().any(|name| name == action.as_str() || name == "*"))
                    .filter(|action| caller.may(*action, &asked.name))
                    .map(|action| action.as_str().to_owned())
                    .collect(),
                "registry" if asked.name == "catalog" && caller.may_list() => vec!["*".to_owned()],
                "registry" if asked.name == "admin" && caller.may_administer() => vec!["*".to_owned()],
                _ => Vec::new(),
            };
            ResourceActions { actions, ..asked.clone() }
        };
        let now = seconds();
        Claims {
            iss: self.issuer.clone(),
            sub: caller.name.clone(),
            aud: vec![self.service.clone()],
            exp: now + LIFETIME,
            nbf: now,
            iat: now,
            jti: Uuid::new_v4().to_string(),
            access: scopes.iter().map(granted).filter(|access| !access.actions.is_empty()).collect(),
        }
    }
}

/// Whether an upload began while a token was valid, and not more than a day ago: then its client may finish it.
pub fn may_finish(upload: &UploadState, claims: &Claims) -> bool {
    // To the second, in UTC: such times can be compared as text.
    let began = upload.started_at.get(..19).unwrap_or_default().to_owned() + "Z";
    let allows = claims.access.iter().any(|access| access.allows("repository", &upload.name, "push"));
    allows
        && rfc3339(claims.iat.max(claims.nbf).saturating_sub(LEEWAY)) <= began
        && began <= rfc3339(claims.exp.saturating_add(LEEWAY))
        && rfc3339(seconds().saturating_sub(UPLOAD_LIFETIME)) <= began
}

/// The error for wrong or missing credentials.
pub fn unauthorized(detail: &str) -> Error {
    Error::new(Code::Unauthorized, detail)
}
