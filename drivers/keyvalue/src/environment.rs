//! The environment of a host that has variables beside it.
//!
//! Spin has them: they may be secret, come from a vault, and be set without a change to the manifest. One named
//! `registry_http_secret` is `REGISTRY_HTTP_SECRET`, unless that is set in the environment.

use lighter::component;
use lighter::storage::Environment;

use crate::bindings::wasi::config::store::{Error, get_all};

/// Returns what is set. Errs, for the log, if the variables cannot be read: they may be what keeps others out.
pub(crate) fn environment() -> Result<Environment, String> {
    let mut environment = component::environment()?;
    let variables = get_all().map_err(|error| match error {
        Error::Upstream(reason) | Error::Io(reason) => {
            format!("the host's variables cannot be read: {reason}")
        }
    })?;
    let named = variables.into_iter().map(|(name, value)| (name.to_ascii_uppercase(), value));
    environment.add(named.filter(|(name, _)| name.starts_with("REGISTRY_")));
    Ok(environment)
}
