//! The endpoints, a file for each resource. Each function takes a request that was routed here and
//! returns its answer.

pub mod base;
pub mod blobs;
pub mod catalog;
pub mod manifests;
pub mod referrers;
pub mod tags;
pub mod token;
pub mod uploads;

use crate::error::{Code, Detail, Error, Result};
use lighter_hash::Digest;

/// Checks a digest from a path or query.
fn digest(text: &str) -> Result<Digest> {
    Digest::parse(text).map_err(|wrong| Error::new(Code::DigestInvalid, Detail::Malformed(wrong)))
}
