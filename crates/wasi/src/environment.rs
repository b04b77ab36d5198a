//! The source of a component's configuration.

use wasi::cli::environment::get_environment;

use crate::bindings::variables::wasi::config::store::{Error, get_all};
use crate::files;
use lighter_storage::Environment;

/// A function that returns an environment. Errs, for the log, if it cannot be read.
pub type Source = fn() -> Result<Environment, String>;

/// Returns the environment of WASI.
pub fn environment() -> Result<Environment, String> {
    Ok(Environment { variables: get_environment(), read_elsewhere: Vec::new(), read_file: files::read })
}

/// Returns the environment, with the host's variables added. Errs if they cannot be read, because they may restrict
/// access.
///
/// Spin has variables (`wasi:config`): they may be secret, come from a vault, and be set without a change to the
/// manifest. One named `registry_http_secret` is `REGISTRY_HTTP_SECRET`, unless that is set in the environment.
pub fn environment_with_variables() -> Result<Environment, String> {
    let mut environment = environment()?;
    let variables = get_all().map_err(|error| match error {
        Error::Upstream(reason) | Error::Io(reason) => {
            format!("the host's variables cannot be read: {reason}")
        }
    })?;
    let named = variables.into_iter().map(|(name, value)| (name.to_ascii_uppercase(), value));
    environment.add(named.filter(|(name, _)| name.starts_with("REGISTRY_")));
    Ok(environment)
}
