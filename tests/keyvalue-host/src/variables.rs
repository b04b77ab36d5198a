//! `wasi:config/store`: the lines of a file, each `name=value`.

use std::fs;
use std::io::ErrorKind;

use crate::bindings::Host;
use crate::bindings::exports::wasi::config::store::{Error, Guest};

const FILE: &str = "/var/lib/registry/variables";

impl Guest for Host {
    fn get(key: String) -> Result<Option<String>, Error> {
        Ok(Self::get_all()?.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value))
    }

    fn get_all() -> Result<Vec<(String, String)>, Error> {
        let text = match fs::read_to_string(FILE) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(|error| Error::Io(error.to_string()))?,
        };
        let variables = text.lines().filter_map(|line| line.split_once('='));
        Ok(variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}
