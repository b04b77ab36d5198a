//! `wasi:keyvalue`, over files.

use std::cell::RefCell;

use crate::bindings::Host;
use crate::bindings::exports::wasi::keyvalue::store::{Bucket, BucketBorrow, Error, KeyResponse};
use crate::bindings::exports::wasi::keyvalue::{atomics, batch, store};
use crate::files;

impl store::Guest for Host {
    type Bucket = Store;

    fn open(name: String) -> Result<Bucket, Error> {
        if name != "default" {
            return Err(Error::NoSuchStore);
        }
        files::open()?;
        Ok(Bucket::new(Store))
    }
}

/// The one store.
#[expect(unreachable_pub, reason = "it stands in the exported interface, which is public")]
pub struct Store;

impl store::GuestBucket for Store {
    fn get(&self, key: String) -> Result<Option<Vec<u8>>, Error> {
        files::get(&key)
    }

    fn set(&self, key: String, value: Vec<u8>) -> Result<(), Error> {
        files::set(&key, &value)
    }

    fn delete(&self, key: String) -> Result<(), Error> {
        files::delete(&key)
    }

    fn exists(&self, key: String) -> Result<bool, Error> {
        Ok(files::get(&key)?.is_some())
    }

    fn list_keys(&self, cursor: Option<String>) -> Result<KeyResponse, Error> {
        if cursor.is_some() {
            return Err(Error::Other("there are no cursors".to_owned()));
        }
        Ok(KeyResponse { keys: files::keys()?, cursor: None })
    }
}

impl atomics::Guest for Host {
    type Cas = Swap;

    fn increment(_: BucketBorrow<'_>, key: String, delta: i64) -> Result<i64, Error> {
        files::increment(&key, delta)
    }

    fn swap(cas: atomics::Cas, value: Vec<u8>) -> Result<(), atomics::CasError> {
        let Swap { key, seen } = cas.into_inner();
        let old = seen.into_inner();
        if files::swap(&key, old.as_deref(), &value).map_err(atomics::CasError::StoreError)? {
            return Ok(());
        }
        let seen = RefCell::new(files::get(&key).map_err(atomics::CasError::StoreError)?);
        Err(atomics::CasError::CasFailed(atomics::Cas::new(Swap { key, seen })))
    }
}

/// A compare-and-swap.
#[expect(unreachable_pub, reason = "it stands in the exported interface, which is public")]
pub struct Swap {
    key: String,
    seen: RefCell<Option<Vec<u8>>>,
}

impl atomics::GuestCas for Swap {
    fn new(_: BucketBorrow<'_>, key: String) -> Result<atomics::Cas, Error> {
        Ok(atomics::Cas::new(Self { key, seen: RefCell::new(None) }))
    }

    fn current(&self) -> Result<Option<Vec<u8>>, Error> {
        let value = files::get(&self.key)?;
        self.seen.borrow_mut().clone_from(&value);
        Ok(value)
    }
}

impl batch::Guest for Host {
    fn get_many(_: BucketBorrow<'_>, keys: Vec<String>) -> Result<Vec<(String, Option<Vec<u8>>)>, Error> {
        let mut found = Vec::new();
        for key in keys {
            if let Some(value) = files::get(&key)? {
                found.push((key, Some(value)));
            }
        }
        Ok(found)
    }

    fn set_many(_: BucketBorrow<'_>, values: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
        values.iter().try_for_each(|(key, value)| files::set(key, value))
    }

    fn delete_many(_: BucketBorrow<'_>, keys: Vec<String>) -> Result<(), Error> {
        keys.iter().try_for_each(|key| files::delete(key))
    }
}
