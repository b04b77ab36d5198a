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
//!       revisions/<algorithm>/<hex>/mirrored            when it came from an upstream; Lighter's own
//!       tags/<tag>/current/link                         what the tag points to
//!       tags/<tag>/index/<algorithm>/<hex>/link         what it ever pointed to
//!       tags/<tag>/repairs/<n>/link                     what an immutable tag points to after its nth repair; Lighter's own
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
//!   collection/<id>/began                               a collection is announced, see `docs/collection.md`
//!   collection/<id>.<nonce>/digests                     what is just being removed
//!   collection/ended.<time>.<nonce>/at                  the trace of the last removal
//!   collector/<id>/progress                             how far the collection is
//!   collector/<id>/marks/<run>                          what it has found to be referenced
//!   collector/<id>/pushed/<hex>                         which manifests were pushed meanwhile
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

const BLOBS: &str = "docker/registry/v2/blobs";
const REPOSITORIES: &str = "docker/registry/v2/repositories";

/// The beginning of the names of a repository's own parts. No repository's name begins with it.
pub const OWN: &str = "_";

/// The part of a repository with the links to blobs.
const LAYERS: &str = "_layers";

/// The part of a repository with the manifests and tags. A repository that has it is listed.
pub const MANIFESTS: &str = "_manifests";

/// The part of a repository with the referrers of its manifests; Lighter's own.
const REFERRERS: &str = "_referrers";

/// The part of a repository with its uploads.
const UPLOADS: &str = "_uploads";

/// The last name, in byte order, before that of a repository's manifests.
pub const BEFORE_MANIFESTS: &str = LAYERS;

/// The secret that signs `_state`.
pub const HTTP_SECRET: &str = "lighter/http-secret";

/// The progress of the purging of uploads.
pub const PURGE: &str = "lighter/purge";

/// Every collection of garbage that is announced, in the middle of a batch, or has just ended has a name under this prefix.
pub const COLLECTION: &str = "lighter/collection";

/// What collections keep for themselves has a name under this prefix.
pub const COLLECTOR: &str = "lighter/collector";

/// The links from digests that are not canonical, by the first two digits.
pub const ALIASES: &str = "lighter/digests/sha512";

/// The content of a blob or manifest, by its canonical digest.
pub fn blob(canonical: &Digest) -> String {
    let hex = canonical.hex();
    let shard = hex.get(..2).unwrap_or_default();
    [BLOBS, canonical.algorithm().as_str(), shard, hex, "data"].join("/")
}

/// The prefix of all content.
pub fn blobs() -> String {
    format!("{BLOBS}/{}", Algorithm::Sha256.as_str())
}

/// The canonical digest of the content under a key, as all content is enumerated. Returns `None` for a foreign name.
pub fn blob_digest(key: &str) -> Option<Digest> {
    let (directory, _) = key.rsplit_once('/')?;
    let digest = listed_digest(Algorithm::Sha256, directory.rsplit_once('/')?.1)?;
    (blob(&digest) == key).then_some(digest)
}

/// A place in the order of all content: before all whose digests begin with some hexadecimal digits.
pub fn contents_from(hex: &str) -> String {
    format!("{}/{}/{hex}", blobs(), hex.get(..2).unwrap_or_default())
}

/// Everything of a collection, a batch or a trace, by its name under [`COLLECTION`].
pub fn collection(name: &str) -> String {
    format!("{COLLECTION}/{name}")
}

/// When a collection was announced.
pub fn collection_began(id: &str) -> String {
    format!("{}/began", collection(id))
}

/// What a batch is about to remove.
pub fn collection_batch(name: &str) -> String {
    format!("{}/digests", collection(name))
}

/// When something was removed.
pub fn collection_trace(name: &str) -> String {
    format!("{}/at", collection(name))
}

/// Everything that a collection keeps for itself.
pub fn collector(id: &str) -> String {
    format!("{COLLECTOR}/{id}")
}

/// How far a collection is.
pub fn collector_progress(id: &str) -> String {
    format!("{}/progress", collector(id))
}

/// A run of what a collection has found to be referenced.
pub fn collector_run(id: &str, run: &str) -> String {
    format!("{}/marks/{run}", collector(id))
}

/// The manifests that were pushed during a collection.
pub fn collector_journal(id: &str) -> String {
    format!("{}/pushed", collector(id))
}

/// An entry of that journal.
pub fn collector_entry(id: &str, name: &str) -> String {
    format!("{}/{name}", collector_journal(id))
}

/// Everything of a repository.
pub fn repository(name: &Name) -> String {
    [REPOSITORIES, name.as_str()].join("/")
}

/// The link from a digest that is not canonical to the canonical one.
pub fn alias(digest: &Digest) -> String {
    let hex = digest.hex();
    let shard = hex.get(..2).unwrap_or_default();
    ["lighter/digests", digest.algorithm().as_str(), shard, hex, "link"].join("/")
}

/// A repository's link to a blob.
pub fn layer_link(name: &Name, digest: &Digest) -> String {
    [REPOSITORIES, name.as_str(), LAYERS, digest.algorithm().as_str(), digest.hex(), "link"].join("/")
}

/// What makes `_layers` exist in a repository without blobs. distribution's collector
/// ignores a repository without that directory (2.8) or stops there (3). It reads only values that are called `link`.
pub fn layers_keep(name: &Name) -> String {
    [REPOSITORIES, name.as_str(), LAYERS, "keep"].join("/")
}

/// A repository's link to a manifest.
pub fn revision_link(name: &Name, digest: &Digest) -> String {
    [REPOSITORIES, name.as_str(), MANIFESTS, "revisions", digest.algorithm().as_str(), digest.hex(), "link"]
        .join("/")
}

/// When a manifest came from an upstream, in seconds since 1970, by its canonical digest.
pub fn mirrored(name: &Name, canonical: &Digest) -> String {
    format!("{}/{}/mirrored", revisions(name, canonical.algorithm()), canonical.hex())
}

/// A repository's links to manifests, under the digests of an algorithm.
pub fn revisions(name: &Name, algorithm: Algorithm) -> String {
    [REPOSITORIES, name.as_str(), MANIFESTS, "revisions", algorithm.as_str()].join("/")
}

/// A repository's links to blobs, under the digests of an algorithm.
pub fn layers(name: &Name, algorithm: Algorithm) -> String {
    [REPOSITORIES, name.as_str(), LAYERS, algorithm.as_str()].join("/")
}

/// All tags of a repository.
pub fn tags(name: &Name) -> String {
    [REPOSITORIES, name.as_str(), MANIFESTS, "tags"].join("/")
}

/// Everything of a tag.
pub fn tag(name: &Name, tag: &str) -> String {
    [REPOSITORIES, name.as_str(), MANIFESTS, "tags", tag].join("/")
}

/// What a tag points to, below the tag.
pub const TAG_LINK: &str = "current/link";

/// What a tag points to.
pub fn tag_link(name: &Name, tag: &str) -> String {
    [REPOSITORIES, name.as_str(), MANIFESTS, "tags", tag, TAG_LINK].join("/")
}

/// Whether a link of this size in bytes is a digest and nothing else, unless it is damaged in a way that keeps its size.
pub fn is_size_of_link(size: u64) -> bool {
    [Algorithm::Sha256, Algorithm::Sha512].iter().any(|algorithm| algorithm.text_length() as u64 == size)
}

/// A tag's history: what it has pointed to.
pub fn tag_index(name: &Name, tag: &str) -> String {
    [REPOSITORIES, name.as_str(), MANIFESTS, "tags", tag, "index"].join("/")
}

/// An entry of a tag's history.
pub fn tag_index_link(name: &Name, tag: &str, digest: &Digest) -> String {
    let (algorithm, hex) = (digest.algorithm().as_str(), digest.hex());
    [REPOSITORIES, name.as_str(), MANIFESTS, "tags", tag, "index", algorithm, hex, "link"].join("/")
}

/// What an immutable tag points to since its link was found to be damaged for the nth time.
pub fn tag_repair(name: &Name, tag: &str, number: u32) -> String {
    format!("{}/{tag}/repairs/{number}/link", tags(name))
}

/// When the upstream of a tag is to be asked for it again, in seconds since 1970.
pub fn tag_fresh(name: &Name, tag: &str) -> String {
    format!("{}/{tag}/fresh", tags(name))
}

/// The referrers of a subject, by their digests of an algorithm.
pub fn referrers(name: &Name, subject: &Digest, algorithm: Algorithm) -> String {
    [REPOSITORIES, name.as_str(), REFERRERS, subject.algorithm().as_str(), subject.hex(), algorithm.as_str()]
        .join("/")
}

/// The record that a manifest refers to a subject.
pub fn referrer_link(name: &Name, subject: &Digest, referrer: &Digest) -> String {
    link_in(&referrers(name, subject, referrer.algorithm()), referrer.hex())
}

/// The record that every manifest of a repository was searched for its subject.
pub fn referrers_complete(name: &Name) -> String {
    [REPOSITORIES, name.as_str(), REFERRERS, "complete"].join("/")
}

/// The prefix of all repositories, or of those below a path.
pub fn repositories(below: &str) -> String {
    let slash = if below.is_empty() { "" } else { "/" };
    [REPOSITORIES, slash, below].concat()
}

/// All uploads of a repository.
pub fn uploads(name: &Name) -> String {
    [REPOSITORIES, name.as_str(), UPLOADS].join("/")
}

/// Everything of an upload.
pub fn upload(name: &Name, id: &str) -> String {
    [REPOSITORIES, name.as_str(), UPLOADS, id].join("/")
}

/// An upload's bytes.
pub fn upload_data(name: &Name, id: &str) -> String {
    [REPOSITORIES, name.as_str(), UPLOADS, id, "data"].join("/")
}

/// When an upload was started.
pub fn upload_started_at(name: &Name, id: &str) -> String {
    [REPOSITORIES, name.as_str(), UPLOADS, id, "startedat"].join("/")
}

/// The size of an upload when it was first found to be old.
pub fn upload_purge_mark(name: &Name, id: &str) -> String {
    [REPOSITORIES, name.as_str(), UPLOADS, id, "purge"].join("/")
}

/// An upload's hash of the bytes up to an offset.
pub fn upload_hash_state(name: &Name, id: &str, algorithm: Algorithm, offset: u64) -> String {
    [&*upload_hash_states(name, id, algorithm), &*offset.to_string()].join("/")
}

/// An upload's hashes by an algorithm.
pub fn upload_hash_states(name: &Name, id: &str, algorithm: Algorithm) -> String {
    [REPOSITORIES, name.as_str(), UPLOADS, id, "hashstates", algorithm.as_str()].join("/")
}

/// Whether a name below a repository is one of its own parts, and not another repository.
pub fn is_own(name: &str) -> bool {
    name.starts_with(OWN)
}

/// The link with a listed hexadecimal name, among those under a prefix.
pub fn link_in(prefix: &str, hex: &str) -> String {
    [prefix, hex, "link"].join("/")
}

/// The digest that the value of a link names, or `None` if the link is empty or malformed, as a crash of distribution can
/// leave it.
pub fn digest_in_link(value: &[u8]) -> Option<Digest> {
    Digest::parse(str::from_utf8(value).ok()?.trim()).ok()
}

/// The digest that a listed name stands for, among links or referrers under the digests of an algorithm. Returns `None`
/// for a foreign name.
pub fn listed_digest(algorithm: Algorithm, name: &str) -> Option<Digest> {
    Digest::parse(&format!("{}:{name}", algorithm.as_str())).ok()
}
