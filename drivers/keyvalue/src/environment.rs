//! The environment, with the host's variables in it.
//!
//! Spin has variables beside the environment: they may be secret, come from a vault, and be set
//! without a change to the manifest. Where the registry is composed with this driver, one named
//! `registry_http_secret` is `REGISTRY_HTTP_SECRET` in its environment, unless that is set there.

use std::env;

use crate::bindings::Driver;
use crate::bindings::exports::wasi::cli::environment::Guest;
use crate::bindings::wasi::config::store::{Error, get_all};

/// By this the registry is told that there are variables which cannot be read. It must not serve
/// without them: they may be what keeps others out.
const UNREADABLE: &str = "LIGHTER_UNREADABLE";

impl Guest for Driver {
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
