//! The storage layout: the only place that builds keys.
//!
//! It is distribution's (`registry/storage/paths.go`), so that either serves what the other wrote:
//!
//! ```text
//! docker/registry/v2/
//!   blobs/sha256/<hex, first two>/<hex>/data            the content of layers, configs and manifests
//!   repositories/<name>/
//!     _layers/<algorithm>/<hex>/link                    this repository has that blob
//!     _manifests/
//!       revisions/<algorithm>/<hex>/link                this repository has that manifest
//!       tags/<tag>/current/link                         what the tag points to
//!       tags/<tag>/index/<algorithm>/<hex>/link         what it ever pointed to
//!     _uploads/<uuid>/
//!       data                                            the bytes received so far
//!       startedat                                       when: RFC 3339 in UTC, to the second
//!       hashstates/<algorithm>/<offset>                 the hash after so many bytes, see `hash`
//! lighter/
//!   http-secret                                         what signs `_state`, unless it is configured
//! ```
//!
//! The value of every `link` is a canonical digest, `sha256:<hex>`. Content is stored once, under
//! its SHA-256, whatever the digest that a repository links it by. Names that begin with `_` cannot
//! be repositories, so nothing here is ambiguous. What is ours alone lies outside the tree that
//! distribution reads.

use crate::digest::{Algorithm, Digest};
use crate::name::Name;

const ROOT: &str = "docker/registry/v2";

/// The secret that signs `_state`.
pub const HTTP_SECRET: &str = "lighter/http-secret";

/// The content of a blob or manifest, by its canonical digest.
pub fn blob(canonical: &Digest) -> String {
    let hex = canonical.hex();
    let shard = hex.get(..2).unwrap_or_default();
    format!("{ROOT}/blobs/{}/{shard}/{hex}/data", canonical.algorithm().as_str())
}

/// Everything of a repository.
pub fn repository(name: &Name) -> String {
    format!("{ROOT}/repositories/{name}")
}

/// A repository's link to a blob.
pub fn layer_link(name: &Name, digest: &Digest) -> String {
    format!("{}/_layers/{}", repository(name), link(digest))
}

/// A repository's link to a manifest.
pub fn revision_link(name: &Name, digest: &Digest) -> String {
    format!("{}/_manifests/revisions/{}", repository(name), link(digest))
}

/// All tags of a repository.
pub fn tags(name: &Name) -> String {
    format!("{}/_manifests/tags", repository(name))
}

/// What a tag points to.
pub fn tag_link(name: &Name, tag: &str) -> String {
    format!("{}/{tag}/current/link", tags(name))
}

/// An entry of a tag's history.
pub fn tag_index_link(name: &Name, tag: &str, digest: &Digest) -> String {
    format!("{}/{tag}/index/{}", tags(name), link(digest))
}

/// Everything of an upload.
pub fn upload(name: &Name, id: &str) -> String {
    format!("{}/_uploads/{id}", repository(name))
}

/// An upload's bytes.
pub fn upload_data(name: &Name, id: &str) -> String {
    format!("{}/data", upload(name, id))
}

/// When an upload was started.
pub fn upload_started_at(name: &Name, id: &str) -> String {
    format!("{}/startedat", upload(name, id))
}

/// An upload's hash after so many bytes.
pub fn upload_hash_state(name: &Name, id: &str, algorithm: Algorithm, offset: u64) -> String {
    format!("{}/hashstates/{}/{offset}", upload(name, id), algorithm.as_str())
}

fn link(digest: &Digest) -> String {
    format!("{}/{}/link", digest.algorithm().as_str(), digest.hex())
}
