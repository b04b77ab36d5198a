//! `lighter:storage/key-value`: a value is a file.

use crate::bindings::Driver;
use crate::bindings::exports::lighter::storage::key_value::{Error, Guest};
use crate::directory::root;

impl Guest for Driver {
    fn get(key: String) -> Result<Option<Vec<u8>>, Error> {
        let root = root()?;
        root.read(&root.path(&key)?)
    }

    fn set(key: String, value: Vec<u8>) -> Result<(), Error> {
        let root = root()?;
        root.replace(&root.path(&key)?, &value)
    }

    fn create(key: String, value: Vec<u8>) -> Result<bool, Error> {
        let root = root()?;
        root.put_new(&root.path(&key)?, &value)
    }

    fn delete(key: String) -> Result<(), Error> {
        let root = root()?;
        root.remove(&root.path(&key)?)
    }

    fn delete_prefix(prefix: String) -> Result<(), Error> {
        let root = root()?;
        root.remove_tree(&root.path(&prefix)?)
    }

    fn list(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>, Error> {
        let root = root()?;
        root.directories(&root.path(&prefix)?, after.as_deref(), limit as usize)
    }
}
