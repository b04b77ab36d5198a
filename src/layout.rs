//! The storage layout: the only place that builds keys and knows their parts.
//!
//! It is distribution's (`registry/storage/paths.go`), so either registry serves what the other wrote:
//!
//! ```text
//! docker/registry/v2/
//!   blobs/sha256/<hex, first two>/<hex>/data            the content of layers, configs and manifests
//!   repositories/<name>/
//!     _layers/<algorithm>/<hex>/link                    this repository has that blob
//!     _layers/keep                                      makes `_layers` exist; Lighter's own
//!     _manifests/
//!       revisions/<algorithm>/<hex>/link                this repository has that manifest
//!       tags/<tag>/current/link                         what the tag points to
//!       tags/<tag>/index/<algorithm>/<hex>/link         what it ever pointed to
//!       tags/<tag>/fresh                                when to ask its upstream again; Lighter's own
//!     _referrers/
//!       <algorithm>/<hex>/<algorithm>/<hex>/link        the first is the subject of the second; Lighter's own
//!       complete                                        every manifest was searched for subjects; Lighter's own
//!     _uploads/<uuid>/
//!       data                                            the bytes received so far
//!       startedat                                       when: RFC 3339 in UTC, to the second
//!       hashstates/<algorithm>/<offset>                 the hash of the bytes up to the offset, see `hash`
//!       purge                                           its size when it was first found to be old; Lighter's own
//! lighter/
//!   digests/sha512/<hex, first two>/<hex>/link          which content has that digest
//!   purge                                               how far the purging of uploads is, see `purge`
//!   http-secret                                         what signs `_state`, unless it is configured
//! ```
//!
//! The value of every `link` is a digest: that of a blob or manifest is the canonical one, `sha256:<hex>`;
//! that of a tag is the one by which its manifest was pushed. Content is stored once, under
//! its SHA-256, whatever the digest that a repository links it by. Names that begin with `_` cannot
//! be repositories, so nothing here is ambiguous. Lighter's own keys lie where distribution does not
//! look.

use crate::name::Name;
use lighter_hash::{Algorithm, Digest};

const ROOT: &str = "docker/registry/v2";

/// The beginning of the names of a repository's own parts. No repository's name begins with it.
pub const OWN: &str = "_";

/// The part of a repository with the links to blobs.
const LAYERS: &str = "_layers";

/// The part of a repository with the manifests and tags. A repository that has it is listed.
pub const MANIFESTS: &str = "_manifests";

/// The last name, in byte order, before that of a repository's manifests.
pub const BEFORE_MANIFESTS: &str = LAYERS;

/// The secret that signs `_state`.
pub const HTTP_SECRET: &str = "lighter/http-secret";

/// The progress of the purging of uploads.
pub const PURGE: &str = "lighter/purge";

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

/// The link from a digest that is not canonical to the canonical one.
pub fn alias(digest: &Digest) -> String {
    let hex = digest.hex();
    let shard = hex.get(..2).unwrap_or_default();
    format!("lighter/digests/{}/{shard}/{hex}/link", digest.algorithm().as_str())
}

/// A repository's link to a blob.
pub fn layer_link(name: &Name, digest: &Digest) -> String {
    format!("{}/{LAYERS}/{}", repository(name), link(digest))
}

/// What makes `_layers` exist in a repository without blobs. distribution's collector
/// ignores a repository without that directory (2.8) or stops there (3). It reads only values that are called `link`.
pub fn layers_keep(name: &Name) -> String {
    format!("{}/{LAYERS}/keep", repository(name))
}

/// A repository's link to a manifest.
pub fn revision_link(name: &Name, digest: &Digest) -> String {
    format!("{}/{MANIFESTS}/revisions/{}", repository(name), link(digest))
}

/// A repository's links to manifests, under the digests of an algorithm.
pub fn revisions(name: &Name, algorithm: Algorithm) -> String {
    format!("{}/{MANIFESTS}/revisions/{}", repository(name), algorithm.as_str())
}

/// A repository's links to blobs, under the digests of an algorithm.
pub fn layers(name: &Name, algorithm: Algorithm) -> String {
    format!("{}/{LAYERS}/{}", repository(name), algorithm.as_str())
}

/// All tags of a repository.
pub fn tags(name: &Name) -> String {
    format!("{}/{MANIFESTS}/tags", repository(name))
}

/// Everything of a tag.
pub fn tag(name: &Name, tag: &str) -> String {
    format!("{}/{tag}", tags(name))
}

/// What a tag points to.
pub fn tag_link(name: &Name, tag: &str) -> String {
    format!("{}/{tag}/current/link", tags(name))
}

/// An entry of a tag's history.
pub fn tag_index_link(name: &Name, tag: &str, digest: &Digest) -> String {
    format!("{}/{tag}/index/{}", tags(name), link(digest))
}

/// When the upstream of a tag is to be asked for it again, in seconds since 1970.
pub fn tag_fresh(name: &Name, tag: &str) -> String {
    format!("{}/{tag}/fresh", tags(name))
}

/// The referrers of a subject, by their digests of an algorithm.
pub fn referrers(name: &Name, subject: &Digest, algorithm: Algorithm) -> String {
    format!("{}/{}", subject_referrers(name, subject), algorithm.as_str())
}

/// The record that a manifest refers to a subject.
pub fn referrer_link(name: &Name, subject: &Digest, referrer: &Digest) -> String {
    format!("{}/{}", subject_referrers(name, subject), link(referrer))
}

/// The record that every manifest of a repository was searched for its subject.
pub fn referrers_complete(name: &Name) -> String {
    format!("{}/_referrers/complete", repository(name))
}

fn subject_referrers(name: &Name, subject: &Digest) -> String {
    format!("{}/_referrers/{}/{}", repository(name), subject.algorithm().as_str(), subject.hex())
}

/// The prefix of all repositories, or of those below a path.
pub fn repositories(below: &str) -> String {
    let slash = if below.is_empty() { "" } else { "/" };
    format!("{ROOT}/repositories{slash}{below}")
}

/// All uploads of a repository.
pub fn uploads(name: &Name) -> String {
    format!("{}/_uploads", repository(name))
}

/// Everything of an upload.
pub fn upload(name: &Name, id: &str) -> String {
    format!("{}/{id}", uploads(name))
}

/// An upload's bytes.
pub fn upload_data(name: &Name, id: &str) -> String {
    format!("{}/data", upload(name, id))
}

/// When an upload was started.
pub fn upload_started_at(name: &Name, id: &str) -> String {
    format!("{}/startedat", upload(name, id))
}

/// The size of an upload when it was first found to be old.
pub fn upload_purge_mark(name: &Name, id: &str) -> String {
    format!("{}/purge", upload(name, id))
}

/// An upload's hash of the bytes up to an offset.
pub fn upload_hash_state(name: &Name, id: &str, algorithm: Algorithm, offset: u64) -> String {
    format!("{}/{offset}", upload_hash_states(name, id, algorithm))
}

/// An upload's hashes by an algorithm.
pub fn upload_hash_states(name: &Name, id: &str, algorithm: Algorithm) -> String {
    format!("{}/hashstates/{}", upload(name, id), algorithm.as_str())
}

/// Whether a name below a repository is one of its own parts, and not another repository.
pub fn is_own(name: &str) -> bool {
    name.starts_with(OWN)
}

/// The link with a listed hexadecimal name, among those under a prefix.
pub fn link_in(prefix: &str, hex: &str) -> String {
    format!("{prefix}/{hex}/link")
}

/// The digest that a listed name stands for, among links or referrers under the digests of an algorithm. Returns `None`
/// for a foreign name.
pub fn listed_digest(algorithm: Algorithm, name: &str) -> Option<Digest> {
    Digest::parse(&format!("{}:{name}", algorithm.as_str())).ok()
}

fn link(digest: &Digest) -> String {
    link_in(digest.algorithm().as_str(), digest.hex())
}
