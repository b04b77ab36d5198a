//! Access control: who sends a request, and what they may do.
//!
//! The main road is that of the Docker token authentication: a request without credentials is
//! answered with 401 and a `Bearer` challenge, which sends the client to the token service
//! ([`crate::api::token`]). That checks a password once, and gives a short-lived token that says what
//! its bearer may do. A password with every request (`Basic`) is accepted too, and costs a bcrypt
//! each time.
//!
//! Instead, an outside token server may make the tokens: then all that is here are its public keys.

mod passwords;
mod rules;
pub mod token;
pub(crate) mod variables;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

pub use self::passwords::Passwords;
pub use self::rules::{Action, Rules};
use self::token::{Access, Claims, Key, LEEWAY, Refused};
use crate::clock::rfc3339;
use crate::error::{Code, Error, Result};
use crate::http::Request;
use crate::name::Name;
use crate::upload_state::UploadState;
use lighter_storage::Settings;

/// How long a token is good, in seconds. Docker takes none that is good for less than 60.
pub const LIFETIME: u64 = 300;

/// How much longer an upload may take that began while its token was good, in seconds.
const UPLOAD_LIFETIME: u64 = 24 * 3600;

/// A wrong password is not answered earlier, so that guessing takes its time, and time tells nothing.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// Access control, as it is configured.
#[derive(Debug)]
pub struct Auth {
    /// What tokens are made for: the name of this registry.
    pub service: String,
    /// Who makes them.
    pub issuer: String,
    /// Where they are had, if not at this registry's own token service.
    pub realm: Option<String>,
    /// What a client shows to the person who is to log in.
    pub basic_realm: String,
    /// How long a wrong password takes at least: [`PATIENCE`], but in tests of other things.
    pub patience: Duration,
    /// Who decides.
    pub by: By,
}

/// Who decides who may do what.
#[derive(Debug)]
pub enum By {
    /// The registry, by these.
    Rules(Passwords, Rules),
    /// A token server, whose keys these are.
    TokenServer(Box<dyn VerifyToken>),
}

/// The keys of an outside token server.
pub trait VerifyToken: core::fmt::Debug + Send + Sync {
    /// Checks that a token is signed by the server, at a time in seconds since 1970. `header` is JSON (RFC
    /// 7515, 4) that nothing vouches for, `message` what is signed. Errs with the reason, for the log.
    fn verify(
        &self,
        header: &[u8],
        message: &[u8],
        signature: &[u8],
        now: u64,
    ) -> core::result::Result<(), &'static str>;
}

/// How those are found. A product that takes the tokens of an outside server hands it in.
pub struct TokenServer {
    /// The names of the variables that it reads.
    pub variables: &'static [&'static str],
    /// Reads the keys. Errs, for the log, with the variable that is wrong.
    pub open: fn(&Settings) -> core::result::Result<Box<dyn VerifyToken>, String>,
}

/// Who sends a request, as far as that is known, and so what they may do.
pub struct Caller<'a> {
    may: May<'a>,
    /// Who they are; empty for those without a name.
    name: String,
    /// Whether they have shown credentials, if only a token for those without a name.
    is_known: bool,
}

enum May<'a> {
    /// Everything: there is no access control.
    Everything,
    /// What the rules say.
    Rules(&'a Rules),
    /// What a token says, and the rules that it was made by, if those are here.
    Token(Vec<Access>, Option<&'a Rules>),
}

impl<'a> Caller<'a> {
    /// Somebody, where there is no access control.
    pub fn anyone() -> Self {
        Self { may: May::Everything, name: String::new(), is_known: true }
    }

    fn of_rules(rules: &'a Rules, name: &str) -> Self {
        Self { may: May::Rules(rules), name: name.to_owned(), is_known: !name.is_empty() }
    }

    fn of_token(claims: Claims, rules: Option<&'a Rules>) -> Self {
        Self { may: May::Token(claims.access, rules), name: claims.sub, is_known: true }
    }

    /// Whether the caller is subject to no rule.
    pub fn is_unlimited(&self) -> bool {
        matches!(self.may, May::Everything)
    }

    /// Whether the caller may do something to a repository.
    pub fn may(&self, action: Action, repository: &str) -> bool {
        match &self.may {
            May::Everything => true,
            May::Rules(rules) => rules.allow(named(&self.name), repository, action),
            May::Token(access, _) => {
                access.iter().any(|access| access.allows("repository", repository, action.as_str()))
            }
        }
    }

    /// Whether a list of the repositories that the caller may have shows this one: one that they may
    /// pull. A token for the list names no repository.
    pub fn sees(&self, repository: &str) -> bool {
        match &self.may {
            May::Everything | May::Token(_, None) => true,
            May::Rules(rules) | May::Token(_, Some(rules)) => {
                rules.allow(named(&self.name), repository, Action::Pull)
            }
        }
    }

    /// Whether the caller may list the repositories.
    fn may_list(&self) -> bool {
        match &self.may {
            May::Everything => true,
            May::Rules(rules) => rules.allow_catalog(named(&self.name)),
            May::Token(access, _) => access.iter().any(|access| access.allows("registry", "catalog", "*")),
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// To find out whether this is a registry, and to log in.
    Login,
    /// To list the repositories.
    Catalog,
    /// To do something to a repository.
    Repository(Action, &'a str),
}

impl Auth {
    /// Finds out who sends a request. `upload` is the state of the upload that it is about, if it
    /// is about one and the state is genuine.
    ///
    /// Errs where credentials are wrong, since whoever sends any wants them to count, and where the key
    /// cannot be had.
    pub fn identify(
        &self,
        request: &Request,
        key: impl FnOnce() -> Result<Key>,
        upload: impl FnOnce() -> Option<UploadState>,
    ) -> Result<Caller<'_>> {
        let Some(header) = authorization(request)? else { return self.stranger() };
        let (scheme, value) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return match basic(value) {
                Some((name, password)) if name.is_empty() && password.is_empty() => self.stranger(),
                Some((name, password)) => self.log_in(&name, &password),
                None => Err(unauthorized("send Authorization as RFC 7617 says")),
            };
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(unauthorized("send Authorization: Bearer, with a token of the token service"));
        }
        let (claims, rules) = match &self.by {
            By::Rules(_, rules) => {
                (key()?.verify(value.trim(), &self.issuer, &self.service, now()), Some(rules))
            }
            By::TokenServer(keys) => (self.verify(&**keys, value.trim()), None),
        };
        match claims {
            Ok(claims) => Ok(Caller::of_token(claims, rules)),
            Err(Refused::Expired(claims))
                if upload().is_some_and(|upload| began(&upload, &claims, now())) =>
            {
                Ok(Caller::of_token(*claims, rules))
            }
            Err(Refused::Expired(_)) => Err(unauthorized("the token has expired").log("an expired token")),
            Err(Refused::Invalid(why)) => {
                Err(unauthorized("the token is not valid for this registry").log(why))
            }
        }
    }

    /// Whoever shows no credentials.
    pub fn stranger(&self) -> Result<Caller<'_>> {
        match &self.by {
            By::Rules(_, rules) => Ok(Caller::of_rules(rules, "")),
            By::TokenServer(_) => {
                Ok(Caller { may: May::Token(Vec::new(), None), name: String::new(), is_known: false })
            }
        }
    }

    /// Whoever shows a name and a password.
    pub fn log_in(&self, name: &str, password: &str) -> Result<Caller<'_>> {
        let start = Instant::now();
        let (passwords, rules) = match &self.by {
            By::Rules(passwords, rules) => (passwords, rules),
            By::TokenServer(_) => return Err(unauthorized("get a token of the token server")),
        };
        if !name.is_empty() && passwords.check(name, password) {
            return Ok(Caller::of_rules(rules, name));
        }
        std::thread::sleep(self.patience.saturating_sub(start.elapsed()));
        Err(unauthorized("the name or the password is wrong").log(format!("login failed for {name:?}")))
    }

    /// Checks a token of the token server.
    fn verify(&self, keys: &dyn VerifyToken, token: &str) -> core::result::Result<Claims, Refused> {
        let parts = token::Parts::of(token)?;
        let header = parts.header().ok_or(Refused::Invalid("the token's header cannot be read"))?;
        let verified = keys.verify(&header, parts.message.as_bytes(), &parts.signature, now());
        verified.map_err(Refused::Invalid)?;
        parts.claims(&self.issuer, &self.service, now())
    }

    /// Fails unless a caller may do what a request is for. `realm` is where tokens are had, `from` the
    /// repository that a blob is to be mounted from, if any.
    pub fn permit(
        &self,
        caller: &Caller,
        purpose: Purpose,
        realm: impl Fn() -> String,
        from: Option<&str>,
    ) -> Result<()> {
        let may = |caller: &Caller| match purpose {
            Purpose::Login => caller.is_known,
            Purpose::Catalog => caller.may_list(),
            Purpose::Repository(action, repository) => caller.may(action, repository),
        };
        if may(caller) {
            return Ok(());
        }
        // A wider token helps if the token service gives it.
        let could = match (&self.by, &caller.may) {
            (By::Rules(_, rules), May::Token(..)) => may(&Caller::of_rules(rules, &caller.name)),
            (By::Rules(..), _) => caller.name.is_empty(),
            (By::TokenServer(_), _) => true,
        };
        if !could && !caller.name.is_empty() {
            return Err(Error::new(Code::Denied, "you are not allowed to do this"));
        }
        let reason =
            if matches!(caller.may, May::Token(..)) && caller.is_known { "insufficient_scope" } else { "" };
        let error = Error::new(Code::Unauthorized, "log in, or get a token with the scope of the challenge");
        Err(error.with_header("WWW-Authenticate", self.challenge(&realm(), purpose, from, reason)))
    }

    /// Whether tokens are had here.
    pub fn has_token_service(&self) -> bool {
        matches!(self.by, By::Rules(..))
    }

    /// What a client is asked for (RFC 6750, 3): many take the scope of the token to ask for from here alone,
    /// where the token that they have is no good, too.
    pub fn challenge(&self, realm: &str, purpose: Purpose, from: Option<&str>, error: &str) -> String {
        let mut challenge = format!("Bearer realm=\"{realm}\",service=\"{}\"", self.service);
        for (name, value) in [("scope", &*scope(purpose, from)), ("error", error)] {
            if !value.is_empty() {
                challenge.push_str(&format!(",{name}=\"{value}\""));
            }
        }
        challenge
    }

    /// Makes the claims of a token for a caller: of what is asked for, what the rules allow. Returns
    /// what to sign, and when it was made.
    pub fn grant(&self, caller: &Caller, scopes: &[Access]) -> Claims {
        let granted = |asked: &Access| {
            let actions: Vec<String> = match asked.kind.as_str() {
                "repository" => Action::EACH
                    .into_iter()
                    .filter(|action| asked.actions.iter().any(|name| name == action.as_str() || name == "*"))
                    .filter(|action| caller.may(*action, &asked.name))
                    .map(|action| action.as_str().to_owned())
                    .collect(),
                "registry" if asked.name == "catalog" && caller.may_list() => vec!["*".to_owned()],
                _ => Vec::new(),
            };
            Access { actions, ..asked.clone() }
        };
        let now = now();
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

/// The scope of a token that would do.
fn scope(purpose: Purpose, from: Option<&str>) -> String {
    let (repository, actions) = match purpose {
        Purpose::Login => return String::new(),
        Purpose::Catalog => return "registry:catalog:*".to_owned(),
        Purpose::Repository(Action::Push, repository) => (repository, "pull,push"),
        Purpose::Repository(action, repository) => (repository, action.as_str()),
    };
    let scope = format!("repository:{repository}:{actions}");
    match from.map(Name::parse) {
        Some(Ok(from)) if from.as_str() != repository => format!("{scope} repository:{from}:pull"),
        _ => scope,
    }
}

/// Whether an upload began while a token was taken, and not too long ago: then its client may finish
/// it.
fn began(upload: &UploadState, claims: &Claims, now: u64) -> bool {
    // To the second, in UTC: such times are in the order of their letters.
    let began = upload.started_at.get(..19).unwrap_or_default().to_owned() + "Z";
    let allows = claims.access.iter().any(|access| access.allows("repository", &upload.name, "push"));
    allows
        && rfc3339(claims.iat.max(claims.nbf).saturating_sub(LEEWAY)) <= began
        && began <= rfc3339(claims.exp.saturating_add(LEEWAY))
        && rfc3339(now.saturating_sub(UPLOAD_LIFETIME)) <= began
}

/// The credentials of a request. Errs where they are no text, or several: which of them would count is
/// nothing to guess.
pub fn authorization<'a>(request: &'a Request<'_>) -> Result<Option<&'a str>> {
    match (request.count("authorization"), request.header("authorization")) {
        (0, _) => Ok(None),
        (1, Some(header)) => Ok(Some(header)),
        _ => Err(unauthorized("send one header Authorization, of text")),
    }
}

/// Reads the name and the password of a `Basic` header.
pub fn basic(value: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

fn named(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}

fn unauthorized(detail: &str) -> Error {
    Error::new(Code::Unauthorized, detail)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
