//! Media types, and which of them are manifests that the registry reads.

/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// A Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// A Docker image manifest, schema 1, without signatures. distribution stores them in this form.
pub const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+json";
/// A Docker image manifest, schema 1, with its signatures.
pub const DOCKER_SCHEMA1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
/// Content of an unknown type (RFC 2046, section 4.5.1). Not `application/json`, which is also a name of schema 1.
pub const UNKNOWN: &str = "application/octet-stream";

/// Layers that are fetched from their `urls` and need not be in the registry.
const FOREIGN: [&str; 4] = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];

/// The kind of manifest that a media type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A manifest that names a config and layers.
    Image,
    /// A manifest that names other manifests, or other content that it is an index of.
    Index,
    /// A manifest of Docker's schema 1, which can be pulled but not pushed.
    Schema1,
}

/// A media type without its parameters.
pub fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Whether two media types are the same: case is ignored (RFC 9110, section 8.3.1), and so are
/// parameters, since no type that registries use has any.
pub fn same(one: &str, other: &str) -> bool {
    essence(one).eq_ignore_ascii_case(essence(other))
}

/// Finds a manifest's type among those that the registry reads. Returns it in its usual spelling.
pub fn known(media_type: &str) -> Option<(&'static str, Kind)> {
    const KNOWN: [(&str, Kind); 6] = [
        (OCI_MANIFEST, Kind::Image),
        (OCI_INDEX, Kind::Index),
        (DOCKER_MANIFEST, Kind::Image),
        (DOCKER_LIST, Kind::Index),
        (DOCKER_SCHEMA1, Kind::Schema1),
        (DOCKER_SCHEMA1_SIGNED, Kind::Schema1),
    ];
    let media_type = essence(media_type);
    KNOWN.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(media_type))
}

/// Whether a layer of this type need not be in the registry.
pub fn is_foreign(media_type: &str) -> bool {
    let media_type = essence(media_type);
    FOREIGN.iter().any(|foreign| foreign.eq_ignore_ascii_case(media_type))
}

/// Whether a media type that a manifest gives itself can stand in a header.
pub fn is_header_value(media_type: &str) -> bool {
    !media_type.is_empty() && media_type.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_compared_as_such() {
        for same_as in ["a/b", "A/B", "a/b; charset=utf-8", " a/b ;x=y"] {
            assert!(same("a/b", same_as), "{same_as}");
        }
        for other in ["", "a", "a/bc", "a/b+json"] {
            assert!(!same("a/b", other), "{other}");
        }
        let spelled = "Application/vnd.OCI.image.index.v1+JSON; charset=utf-8";
        assert_eq!(known(spelled), Some((OCI_INDEX, Kind::Index)));
        assert_eq!(known("application/json"), None);
        assert!(is_foreign(&FOREIGN[2].to_uppercase()));
    }
}
