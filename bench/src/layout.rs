//! The paths of distribution's layout, below the directory of a registry's data.

use crate::work::Blob;

/// The file of a blob or manifest.
pub(crate) fn content(blob: &Blob) -> String {
    let hex = hex(blob);
    format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", hex.get(..2).unwrap_or_default())
}

/// A repository's link to a blob.
pub(crate) fn layer(repository: &str, blob: &Blob) -> String {
    format!("docker/registry/v2/repositories/{repository}/_layers/sha256/{}/link", hex(blob))
}

/// A repository's link to a manifest.
pub(crate) fn revision(repository: &str, manifest: &Blob) -> String {
    format!("docker/registry/v2/repositories/{repository}/_manifests/revisions/sha256/{}/link", hex(manifest))
}

/// What a tag points to.
pub(crate) fn tag(repository: &str, tag: &str) -> String {
    format!("docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}/current/link")
}

fn hex(blob: &Blob) -> &str {
    blob.digest.trim_start_matches("sha256:")
}
