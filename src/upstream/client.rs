//! Requests to upstreams: the login, redirects, and what is tried again.

use core::fmt;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::login::{self, Challenge};
use super::{Upstream, Url};
use crate::clock;
use lighter_fetch::{Ask, Error, Request, Response, Scheme, Timeouts};

/// The most redirects that are followed.
const REDIRECTS: usize = 5;

/// How long to wait before a request is sent again.
const PAUSE: Duration = Duration::from_millis(200);

/// The most bytes of a token service's answer.
const TOKEN_ANSWER: usize = 64 * 1024;

/// The most logins that are remembered; then all are forgotten.
const LOGINS: usize = 64;

/// A token is not used in its last seconds.
const TOKEN_MARGIN: u64 = 5;

/// Why an upstream has not given what it was asked for. The texts are for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It has no such thing.
    Unknown,
    /// It does not let this registry have it.
    Refused(String),
    /// It was asked too often, with its `Retry-After`, if that is a number.
    Limited(Option<String>),
    /// It cannot be reached, or its answer is of no use.
    Down(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("the upstream does not have it"),
            Self::Refused(why) => write!(f, "the upstream refuses: {why}"),
            Self::Limited(_) => f.write_str("the upstream was asked too often"),
            Self::Down(why) => write!(f, "the upstream is down: {why}"),
        }
    }
}

/// What asks upstreams. Between requests it remembers their logins, which are no part of what is stored.
pub struct Client {
    fetch: &'static dyn Ask,
    logins: Mutex<Vec<Login>>,
}

/// An `Authorization` that an upstream takes for a repository, until a time in seconds since 1970.
struct Login {
    namespace: String,
    repository: String,
    authorization: String,
    until: u64,
}

/// A question to an upstream.
pub struct Question<'a> {
    /// The upstream.
    pub upstream: &'a Upstream,
    /// The repository's name there.
    pub repository: &'a str,
    /// The method, GET or HEAD.
    pub method: &'static str,
    /// What follows the repository's name in the path, encoded.
    pub path: &'a str,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
}

impl Client {
    /// Makes a client.
    pub fn new(fetch: &'static dyn Ask) -> Self {
        Self { fetch, logins: Mutex::default() }
    }

    /// Asks an upstream, and returns its answer, whose status is 200, 206 or 416. If it asks for a login, that is done, and
    /// the question asked once more.
    pub fn ask(&self, question: &Question) -> Result<Response, Failure> {
        let Question { upstream, repository, path, .. } = question;
        let url = upstream.url.join(&format!("/v2/{repository}{path}"));
        let mut login = self.login_of(upstream, repository);
        let mut has_logged_in = false;
        loop {
            let (from, response) = self.follow(question, &url, login.as_deref())?;
            if response.status != 401 {
                return judge(response);
            }
            let challenge = Challenge::of(&response).filter(|_| from.is_same_server(&url));
            drop(response);
            let challenge =
                challenge.ok_or_else(|| Failure::Refused("401, and no way to log in".to_owned()))?;
            if has_logged_in {
                return Err(Failure::Refused("401, after a login".to_owned()));
            }
            has_logged_in = true;
            login = Some(self.log_in(upstream, repository, &challenge)?);
        }
    }

    /// Sends a request, and follows redirects. No login goes to another server. Returns who has answered, too.
    fn follow(
        &self,
        question: &Question,
        url: &Url,
        login: Option<&str>,
    ) -> Result<(Url, Response), Failure> {
        let mut at = url.clone();
        for _ in 0..=REDIRECTS {
            let mut headers = question.headers.clone();
            if let Some(login) = login.filter(|_| at.is_same_server(url)) {
                headers.push(("authorization", login.to_owned()));
            }
            let response = self.send(question.upstream, question.method, &at, headers)?;
            if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
                return Ok((at, response));
            }
            let to = response.header("location").and_then(|location| at.resolve(location));
            let to = to.ok_or_else(|| Failure::Down("it redirects to what is no URL".to_owned()))?;
            if at.scheme == Scheme::Https && to.scheme == Scheme::Http {
                return Err(Failure::Down("it redirects from https to http".to_owned()));
            }
            at = to;
        }
        Err(Failure::Down(format!("it redirects more than {REDIRECTS} times")))
    }

    /// Sends a request, and once more if the first one found nobody, or somebody who is busy.
    fn send(
        &self,
        upstream: &Upstream,
        method: &'static str,
        url: &Url,
        mut headers: Vec<(&'static str, String)>,
    ) -> Result<Response, Failure> {
        headers.push(("user-agent", concat!("lighter/", env!("CARGO_PKG_VERSION")).to_owned()));
        let target = if url.target.is_empty() { "/" } else { &url.target };
        let request = Request {
            method,
            scheme: url.scheme,
            authority: url.authority.clone(),
            target: target.to_owned(),
            headers,
            body: None,
            timeouts: Timeouts {
                connect: upstream.timeout.min(Timeouts::default().connect),
                first_byte: upstream.timeout,
                between_bytes: upstream.timeout,
            },
        };
        let is_worth_another = |answer: &Result<Response, Error>| match answer {
            Ok(response) => matches!(response.status, 502 | 503),
            Err(error) => matches!(error, Error::NotConnected(_) | Error::Broken(_)),
        };
        let mut answer = self.fetch.ask(&request);
        if is_worth_another(&answer) {
            drop(answer);
            thread::sleep(PAUSE);
            answer = self.fetch.ask(&request);
        }
        answer.map_err(|error| {
            let advice = match error {
                // Some hosts trust only the public ones, and a component cannot add to these.
                Error::Tls(_) => {
                    "; if no public authority has signed the upstream's certificate, put a proxy in front of it, as \
                     docs/mirror.md says"
                }
                _ => "",
            };
            Failure::Down(format!("{error}{advice}"))
        })
    }

    /// Logs in, and remembers the login.
    fn log_in(
        &self,
        upstream: &Upstream,
        repository: &str,
        challenge: &Challenge,
    ) -> Result<String, Failure> {
        let password = upstream.credentials.as_ref().map(|(username, password)| {
            format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
        });
        let (authorization, life) = match challenge {
            Challenge::Basic => {
                let none = || Failure::Refused("it asks for a password, and none is configured".to_owned());
                (password.ok_or_else(none)?, u64::MAX)
            }
            Challenge::Bearer { realm, service } => {
                let realm = upstream.url.resolve(realm).filter(|realm| upstream.url.may_share_with(realm));
                let realm = realm.ok_or_else(|| {
                    Failure::Refused("its token service is neither at its own host nor behind TLS".to_owned())
                })?;
                let url = login::token_url(&realm, service, repository);
                let headers = password.map(|password| ("authorization", password)).into_iter().collect();
                let mut response = self.send(upstream, "GET", &url, headers)?;
                match response.status {
                    200 => {}
                    401 | 403 => {
                        return Err(Failure::Refused("its token service refuses the login".to_owned()));
                    }
                    _ => {
                        return Err(match judge(response) {
                            Err(limited @ Failure::Limited(_)) => limited,
                            _ => Failure::Down("its token service gives no token".to_owned()),
                        });
                    }
                }
                let answer = response.read(TOKEN_ANSWER).map_err(|error| Failure::Down(error.to_string()))?;
                let none = || Failure::Down("its token service's answer has no token".to_owned());
                let (token, life) = login::token(&answer).ok_or_else(none)?;
                (format!("Bearer {token}"), life.saturating_sub(TOKEN_MARGIN))
            }
        };
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        if logins.len() >= LOGINS {
            logins.clear();
        }
        logins.retain(|login| !login.is_of(upstream, repository));
        logins.push(Login {
            namespace: upstream.namespace.clone(),
            repository: repository.to_owned(),
            authorization: authorization.clone(),
            until: clock::seconds().saturating_add(life),
        });
        Ok(authorization)
    }

    fn login_of(&self, upstream: &Upstream, repository: &str) -> Option<String> {
        let logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let login = logins.iter().find(|login| login.is_of(upstream, repository))?;
        (clock::seconds() < login.until).then(|| login.authorization.clone())
    }
}

impl Login {
    fn is_of(&self, upstream: &Upstream, repository: &str) -> bool {
        self.namespace == upstream.namespace && self.repository == repository
    }
}

/// What the status of an answer means.
fn judge(response: Response) -> Result<Response, Failure> {
    match response.status {
        200 | 206 | 416 => Ok(response),
        404 | 410 => Err(Failure::Unknown),
        401 | 403 => Err(Failure::Refused(format!("it answers with {}", response.status))),
        429 => {
            let after = response.header("retry-after");
            let after = after.filter(|after| !after.is_empty() && after.bytes().all(|b| b.is_ascii_digit()));
            Err(Failure::Limited(after.map(str::to_owned)))
        }
        status => Err(Failure::Down(format!("it answers with {status}"))),
    }
}
