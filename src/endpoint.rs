//! Endpoints: the rows of the table in [`api`](crate::api), with the access that each requires. The answers to other
//! methods, of a read-only registry and to an unknown caller follow from that.

use crate::auth::Caller;
use crate::config::Config;
use crate::error::Result;
use crate::http::Method::{self, Get, Head};
use crate::http::{Request, Response};
use crate::location;
use crate::repository::Repository;
use crate::route::{Path, Pieces, Route};
use crate::signers::{LazySigners, Signers};
use lighter_storage::Storage;

/// The methods that read.
pub const READ: &[Method] = &[Get, Head];

/// The access that a request requires, if access control is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// None: the request is harmless, or part of how a caller gets credentials.
    None,
    /// To have logged in.
    Login,
    /// To list the repositories.
    Catalog,
    /// To run the commands of an operator.
    Admin,
    /// To pull from the repository.
    Pull,
    /// To push to the repository.
    Push,
    /// To push to the repository, or to have begun this upload while a token allowed it.
    Upload,
    /// To delete from the repository.
    Delete,
}

/// A path with its endpoints.
pub struct Resource<S: 'static> {
    /// The path.
    pub path: Path,
    /// The endpoints. The first one requires the least access.
    pub endpoints: &'static [Endpoint<S>],
}

/// The function that answers some methods at a path.
pub struct Endpoint<S: 'static> {
    /// The methods. An endpoint that answers GET also answers HEAD.
    pub methods: &'static [Method],
    /// The access that the endpoint requires.
    pub access: Access,
    /// The function that answers.
    pub answer: Answer<S>,
}

/// A function that answers a request that was admitted.
pub enum Answer<S: 'static> {
    /// For the registry.
    Registry(fn(&mut Call<S>) -> Result<Response>),
    /// For a repository.
    Repository(fn(&Repository<S>, &mut Call<S>) -> Result<Response>),
}

/// An admitted request, and what is needed to answer it.
pub struct Call<'a, 'r, S> {
    /// The request.
    pub request: &'a mut Request<'r>,
    /// The caller.
    pub caller: Caller<'a>,
    /// The last part of the path, if that varies: a digest, a reference or an upload's id, not yet checked.
    pub last: &'a str,
    /// The storage.
    pub storage: &'a S,
    /// The configuration.
    pub config: &'a Config,
    /// The signers, which are made when they are first needed.
    pub signers: &'a LazySigners,
}

impl<'a, S: Storage> Call<'a, '_, S> {
    /// Returns the signers of tokens and of the state of uploads.
    pub fn signers(&self) -> Result<&'a Signers> {
        self.signers.get(self.storage, self.config)
    }

    /// Returns the beginning of a `Location`, before the path.
    pub fn base(&self) -> String {
        location::base(self.config, self.request)
    }

    /// Returns the beginning of a `Link`, before the path.
    pub fn prefix(&self) -> String {
        location::prefix(self.config, self.request)
    }
}

impl<S: Storage> Resource<S> {
    /// Finds the resource that a decoded path names.
    pub fn find(path: &str) -> Option<(&'static Self, Route<'_>)> {
        let path = Pieces::of(path)?;
        Self::TABLE.iter().find_map(|resource| Some((resource, resource.path.read(&path)?)))
    }

    /// The endpoint for a method.
    pub fn endpoint(&self, method: &Method) -> Option<&'static Endpoint<S>> {
        self.endpoints.iter().find(|endpoint| endpoint.methods.contains(method))
    }

    /// The access that a request with any other method requires.
    pub fn least_access(&self) -> Access {
        self.endpoints.first().map_or(Access::Login, |endpoint| endpoint.access)
    }

    /// The methods that a configuration permits, as the `Allow` header lists them.
    pub fn allow(&self, config: &Config) -> String {
        let mut allow = String::new();
        for endpoint in self.endpoints {
            for method in endpoint.methods {
                if endpoint.forbidden(method, config).is_none() {
                    allow.push_str(if allow.is_empty() { "" } else { ", " });
                    allow.push_str(method.as_str());
                }
            }
        }
        // `Allow` could be empty (RFC 9110, 10.2.1), but few clients expect that.
        if allow.is_empty() { "GET, HEAD".to_owned() } else { allow }
    }
}

impl<S> Endpoint<S> {
    /// The reason why a configuration does not permit this endpoint, or `None` if it does.
    pub fn forbidden(&self, method: &Method, config: &Config) -> Option<&'static str> {
        if config.read_only && self.access != Access::None && !READ.contains(method) {
            return Some("the registry is read-only");
        }
        (!config.delete && self.access == Access::Delete).then_some("deleting is switched off")
    }
}
