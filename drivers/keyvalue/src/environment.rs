//! The environment, with the host's variables in it.
//!
//! Spin has variables beside the environment: they may be secret, come from a vault, and be set
//! without a change to the manifest. One named `registry_http_secret` is `REGISTRY_HTTP_SECRET` in the
//! registry's environment, unless that is set there.

use std::env;

use lighter::config::UNREADABLE;

use crate::bindings::wasi::config::store::{Error, get_all};

/// Returns what is set. An empty variable counts as not set.
pub(crate) fn variables() -> Vec<(String, String)> {
    let mut variables: Vec<_> = env::vars().filter(|(_, value)| !value.is_empty()).collect();
    match get_all() {
        Ok(all) => {
            let set = variables.len();
            for (name, value) in all {
                let name = name.to_ascii_uppercase();
                let is_set = variables.iter().take(set).any(|(other, _)| *other == name);
                if name.starts_with("REGISTRY_") && !value.is_empty() && !is_set {
                    variables.push((name, value));
                }
            }
        }
        Err(Error::Upstream(reason) | Error::Io(reason)) => {
            variables.push((UNREADABLE.to_owned(), format!("the host's variables cannot be read: {reason}")));
        }
    }
    variables
}

/// The environment of the registry that the driver is composed with.
#[cfg(feature = "driver")]
pub(crate) struct Environment;

#[cfg(feature = "driver")]
impl crate::bindings::driver::exports::wasi::cli::environment::Guest for Environment {
    fn get_environment() -> Vec<(String, String)> {
        variables()
    }

    fn get_arguments() -> Vec<String> {
        Vec::new()
    }

    fn initial_cwd() -> Option<String> {
        None
    }
}
