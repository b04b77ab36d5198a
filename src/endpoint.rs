//! What an endpoint is: a row of the table that [`api`](crate::api) joins, with what it requires of its caller. What
//! is answered to other methods, by a read-only registry and to an unknown caller follows from that.

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

/// What a request requires of its caller, where access control is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: it is how a caller is asked for credentials, or harmless.
    None,
    /// To have logged in.
    Login,
    /// To list the repositories.
    Catalog,
    /// To pull from the repository.
    Pull,
    /// To push to the repository.
    Push,
    /// To push to the repository, or to have begun this upload when a token allowed it.
    Upload,
    /// To delete from the repository.
    Delete,
}

/// A path, and all that can be done there.
pub struct Resource<S: 'static> {
    /// The path.
    pub path: Path,
    /// What is answered there. The first of them is the one that requires the least.
    pub endpoints: &'static [Endpoint<S>],
}

/// What can be done at a path by some methods.
pub struct Endpoint<S: 'static> {
    /// The methods. Where a GET is answered, so is a HEAD.
    pub methods: &'static [Method],
    /// What it requires.
    pub access: Access,
    /// What answers.
    pub answer: Answer<S>,
}

/// A function that answers a request that was admitted.
pub enum Answer<S: 'static> {
    /// For the registry.
    Registry(fn(&mut Call<S>) -> Result<Response>),
    /// For a repository.
    Repository(fn(&Repository<S>, &mut Call<S>) -> Result<Response>),
}

/// A request that was admitted, and what it takes to answer it.
pub struct Call<'a, 'r, S> {
    /// The request.
    pub request: &'a mut Request<'r>,
    /// Who sends it.
    pub caller: Caller<'a>,
    /// What stands last in its path, where that varies: a digest, a reference or an upload's id, not yet checked.
    pub last: &'a str,
    /// The storage.
    pub storage: &'a S,
    /// The configuration.
    pub config: &'a Config,
    /// What signs, once it was needed.
    pub signers: &'a LazySigners,
}

impl<'a, S: Storage> Call<'a, '_, S> {
    /// What signs tokens and the state of uploads.
    pub fn signers(&self) -> Result<&'a Signers> {
        self.signers.get(self.storage, self.config)
    }

    /// What goes before a path in a `Location`.
    pub fn base(&self) -> String {
        location::base(self.config, self.request)
    }

    /// What goes before a path in a `Link`.
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

    /// What a request of any other method requires.
    pub fn least_access(&self) -> Access {
        self.endpoints.first().map_or(Access::Login, |endpoint| endpoint.access)
    }

    /// The methods that a configuration permits, as the `Allow` header lists them.
    pub fn allow(&self, config: &Config) -> String {
        let of =
            |endpoint: &'static Endpoint<S>| endpoint.methods.iter().map(move |method| (endpoint, method));
        let permitted = |(endpoint, method): (&Endpoint<S>, &'static Method)| {
            endpoint.forbidden(method, config).is_none().then_some(method)
        };
        let methods: Vec<&Method> = self.endpoints.iter().flat_map(of).filter_map(permitted).collect();
        // It may be empty (RFC 9110, 10.2.1), which few clients expect.
        let methods = if methods.is_empty() { READ.iter().collect() } else { methods };
        methods.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl<S> Endpoint<S> {
    /// Why a configuration does not permit a method here, if it does not.
    pub fn forbidden(&self, method: &Method, config: &Config) -> Option<&'static str> {
        if config.read_only && self.access != Access::None && !READ.contains(method) {
            return Some("the registry is read-only");
        }
        (!config.delete && self.access == Access::Delete).then_some("deleting is switched off")
    }
}
