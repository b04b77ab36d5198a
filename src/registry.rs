//! The way from a request to its answer: route, admit, answer, complete. It is the only place where an error becomes a
//! response.

use std::sync::Once;

use crate::access_log::{LogEntry, log};
use crate::api::mirrored;
use crate::auth::TokenServer;
use crate::clock;
use crate::config::{self, Config};
use crate::endpoint::{Answer, Call, Resource};
use crate::error::{Code, Error, Result, no_such_endpoint};
use crate::gate::Gate;
use crate::http::Method;
use crate::http::query::decode;
use crate::http::{Request, Response};
use crate::location;
use crate::mirror::Mirror;
use crate::name::Name;
use crate::purge::Purge;
use crate::repository::Repository;
use crate::route::{Path, Route};
use crate::signers::LazySigners;
use crate::ui::frame::refusal;
use lighter_fetch::Ask;
use lighter_storage::{Environment, Open, Settings, Storage};

/// A registry over a storage. Between requests it keeps only the signers and the time of the next purge.
pub struct Registry<'a, S: 'static> {
    storage: &'a S,
    config: &'a Config,
    mirror: Option<&'static Mirror<S>>,
    signers: LazySigners,
    purge: Purge,
    /// Whether the notices of the configuration were logged.
    noticed: Once,
}

/// Makes the settings of a product: of the registry, its storage, and the outside server of tokens if it takes those. Errs,
/// for the log, with the variable that is wrong.
pub fn settings<S: Open>(
    environment: Environment,
    server: Option<&TokenServer>,
) -> core::result::Result<Settings, String> {
    let of_server = server.map_or(&[][..], |server| server.variables);
    config::settings(environment, [S::VARIABLES, of_server])
}

impl<S: Open + 'static> Registry<'static, S> {
    /// Opens the storage that an environment configures, and makes a registry that lives as long as its process or
    /// instance. `server` is given if this product accepts the tokens of an outside server; `fetch` asks the upstreams,
    /// if there are any. Errs, for the log, with the variable that is wrong.
    pub fn open(
        environment: Environment,
        server: Option<&TokenServer>,
        fetch: &'static dyn Ask,
    ) -> core::result::Result<Self, String> {
        let settings = settings::<S>(environment, server)?;
        let storage: &S = Box::leak(Box::new(S::open(&settings)?));
        let config: &Config = Box::leak(Box::new(Config::read(&settings, server)?));
        let mut registry = Self::new(storage, config);
        if let Some(upstreams) = &config.keeping.upstreams {
            registry.mirror = Some(Box::leak(Box::new(Mirror::new(storage, upstreams, fetch))));
        }
        Ok(registry)
    }
}

impl<'a, S: Storage + 'static> Registry<'a, S> {
    /// Makes a registry, which is no mirror.
    pub fn new(storage: &'a S, config: &'a Config) -> Self {
        Self {
            storage,
            config,
            mirror: None,
            signers: LazySigners::default(),
            purge: Purge::default(),
            noticed: Once::new(),
        }
    }

    /// Makes it a mirror, too.
    #[must_use]
    pub fn with_mirror(self, mirror: &'static Mirror<S>) -> Self {
        Self { mirror: Some(mirror), ..self }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        self.config
    }

    /// Answers a request. Also returns the entry for the log.
    pub fn handle(&self, mut request: Request) -> (Response, LogEntry) {
        let mut is_page = false;
        let answer = self.answer(&mut request, &mut is_page);
        let page = is_page.then(|| location::prefix(self.config, &request));
        complete(answer, request, page.as_deref())
    }

    /// Whether an upload was begun for a mirrored blob since the last time. Then abandoned ones should be looked for.
    pub fn has_kept(&self) -> bool {
        self.mirror.is_some_and(Mirror::take_begun)
    }

    /// Looks for abandoned uploads. It is called after the answer to a request that started an upload. Returns lines
    /// for the log.
    pub fn purge(&self) -> Vec<String> {
        let step = |purging| self.purge.step(self.storage, purging, clock::seconds());
        self.config.purging.as_ref().map(step).unwrap_or_default()
    }

    /// Answers a request, and says whether a page was asked for.
    fn answer(&self, request: &mut Request, is_page: &mut bool) -> Result<Response> {
        let path = decode(&request.path).ok_or_else(no_such_endpoint)?;
        // Load balancers ask for `/`, even if the registry has a prefix.
        let path = if path == "/" {
            &path
        } else {
            path.strip_prefix(&self.config.prefix).ok_or_else(no_such_endpoint)?
        };
        let (resource, Route { name, last }) = Resource::find(path).ok_or_else(no_such_endpoint)?;
        if resource.path.is_page() && !self.config.pages {
            return Err(no_such_endpoint());
        }
        *is_page = resource.path.is_page();
        // The first request of nearly every client, and few of all requests: some hosts make an instance for each.
        if resource.path == Path::Whole("/v2/") {
            self.noticed.call_once(|| self.config.notices.iter().cloned().for_each(log));
        }
        let not_allowed = || Error::from(Code::Unsupported).with_header("Allow", resource.allow(self.config));
        let endpoint = resource.endpoint(&request.method);
        if let Some(why) = endpoint.and_then(|endpoint| endpoint.forbidden(&request.method, self.config)) {
            return Err(not_allowed().with_detail(why));
        }
        let name = name.map(Name::parse).transpose();
        let name = name.map_err(|wrong| Error::new(Code::NameInvalid, wrong))?;
        // The rules are about the name that a mirrored repository is stored under.
        let (name, source) = match (self.mirror, name) {
            (Some(mirror), Some(name)) => {
                let (name, source) = mirrored::find(mirror, name, request)?;
                (Some(name), source)
            }
            (_, name) => (name, None),
        };
        // A caller without access does not learn which methods exist.
        let access = endpoint.map_or_else(|| resource.least_access(), |endpoint| endpoint.access);
        let (storage, config, signers) = (self.storage, self.config, &self.signers);
        let caller = Gate { config, storage, signers, is_page: *is_page }.admit(
            access,
            name.as_ref(),
            last,
            request,
        )?;
        let call = &mut Call { request, caller, last, storage, config, signers };
        match (&endpoint.ok_or_else(not_allowed)?.answer, &name) {
            (Answer::Registry(answer), _) => answer(call),
            (Answer::Repository(answer), Some(name)) => {
                let repository = &Repository::new(storage, name);
                match source {
                    Some(source) => {
                        mirrored::answer(&source, resource.path, access, *answer, repository, call)
                    }
                    None => answer(repository, call),
                }
            }
            (Answer::Repository(_), None) => Err(no_such_endpoint()),
        }
    }
}

/// Answers any request to a misconfigured registry. The reason is for the log.
pub fn misconfigured(reason: &str, request: Request) -> (Response, LogEntry) {
    let error = Error::new(Code::Unavailable, "the registry is misconfigured; see its log");
    complete(Err(error.with_source(reason)), request, None)
}

/// Adds the headers that every answer has, and fills in the entry for the log. `page` is where the pages begin, if one
/// was asked for.
fn complete(answer: Result<Response>, request: Request, page: Option<&str>) -> (Response, LogEntry) {
    let mut entry = LogEntry::of(request.method.as_str(), request.path);
    let response = answer.unwrap_or_else(|error| {
        entry.code = Some(error.code().to_string());
        entry.error = error.source().map(str::to_owned);
        refuse(error, page)
    });
    let response = response.with_header("Docker-Distribution-API-Version", "registry/2.0");
    let is_head = request.method == Method::Head;
    let response = if is_head { response.without_body() } else { response.with_content_length() };
    entry.status = response.status;
    entry.received = request.body.received();
    entry.sent = response.body.length();
    entry.upload = response.header("Docker-Upload-UUID").map(str::to_owned);
    entry.digest = response.header("Docker-Content-Digest").map(str::to_owned);
    (response, entry)
}

/// Turns an error into a response.
fn refuse(error: Error, page: Option<&str>) -> Response {
    let response = match page {
        Some(prefix) => refusal(&error, prefix),
        None => Response::new(error.status()).with_bytes("application/json", error.envelope()),
    };
    response.with_headers(error.into_headers())
}

#[cfg(test)]
pub(crate) mod tests;
