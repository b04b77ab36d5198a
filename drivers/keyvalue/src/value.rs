//! Values.

use lighter_storage::Result;

use crate::bucket::Bucket;
use crate::key::{Kind, stored};
use crate::{cell, index};

const KIND: Kind = Kind::Value;

pub(crate) fn get(bucket: &impl Bucket, key: &str) -> Result<Option<Vec<u8>>> {
    bucket.get(&stored(KIND, key))
}

pub(crate) fn set(bucket: &impl Bucket, key: &str, value: &[u8]) -> Result<()> {
    bucket.set(&stored(KIND, key), value)?;
    index::add(bucket, key)
}

pub(crate) fn create(bucket: &impl Bucket, key: &str, value: &[u8]) -> Result<bool> {
    let created = cell::create(bucket, KIND, key, value)?;
    // Also where another has created it, who may have crashed before this.
    index::add(bucket, key)?;
    Ok(created)
}

/// Removes a value. Its name stays in the index, which shows prefixes alone.
pub(crate) fn delete(bucket: &impl Bucket, key: &str) -> Result<()> {
    cell::delete(bucket, KIND, key)
}

pub(crate) fn delete_prefix(bucket: &impl Bucket, prefix: &str) -> Result<()> {
    index::remove(bucket, prefix, &|keys| cell::delete_many(bucket, KIND, keys))
}
