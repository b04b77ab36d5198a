//! The endpoints. Each file has its rows of the table, and the functions that answer.

pub mod base;
pub mod blobs;
pub mod catalog;
pub mod commands;
pub mod manifests;
pub mod mirrored;
pub mod pages;
pub mod referrers;
pub mod tags;
pub mod token;
pub mod upload_session;
pub mod uploads;

use crate::endpoint::Resource;
use crate::error::{Code, Detail, Error, Result};
use lighter_hash::Digest;
use lighter_storage::Storage;

impl<S: Storage> Resource<S> {
    /// All that the registry answers. A path names the first of those that it could be of.
    pub const TABLE: &'static [Self] = &[
        Self::HEALTH,
        Self::BASE,
        Self::UPLOADS,
        Self::UPLOAD,
        Self::BLOB,
        Self::MANIFEST,
        Self::TAGS,
        Self::REFERRERS,
        Self::CATALOG,
        Self::COMMANDS,
        Self::TOKEN,
        Self::PAGES,
        Self::STYLE,
        Self::ICON,
        Self::LOGIN,
        Self::PAGE,
        Self::CONTENT_PAGE,
        Self::DELETE_PAGE,
    ];
}

/// The entity tag of content.
fn etag(digest: &Digest) -> String {
    ["\"", digest.as_str(), "\""].concat()
}

/// Checks a digest from a path or query.
fn parse_digest(text: &str) -> Result<Digest> {
    Digest::parse(text).map_err(|wrong| Error::new(Code::DigestInvalid, Detail::Malformed(wrong)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::endpoint::{Access, Answer};
    use crate::route::{Path, Route};
    use lighter_storage::Memory;

    const TABLE: &[Resource<Memory>] = Resource::TABLE;

    /// What a path names: the resource as its path is documented, the repository, and what stands last.
    fn find(path: &str) -> Option<(String, Option<&str>, &str)> {
        let (resource, Route { name, last }) = Resource::<Memory>::find(path)?;
        Some((resource.path.to_string(), name, last))
    }

    #[test]
    fn every_resource_has_its_path() {
        for (path, resource, name, last) in [
            ("/", "/", None, ""),
            ("/v2", "/v2/", None, ""),
            ("/v2/", "/v2/", None, ""),
            ("/token", "/token", None, ""),
            ("/v2/_catalog", "/v2/_catalog", None, ""),
            ("/v2/_lighter/check", "/v2/_lighter/<command>", None, "check"),
            ("/v2/a/blobs/uploads", "/v2/<name>/blobs/uploads/", Some("a"), ""),
            ("/v2/a/blobs/uploads/", "/v2/<name>/blobs/uploads/", Some("a"), ""),
            ("/v2/a/b/blobs/uploads/u", "/v2/<name>/blobs/uploads/<uuid>", Some("a/b"), "u"),
            ("/v2/a/blobs/sha256:ab", "/v2/<name>/blobs/<digest>", Some("a"), "sha256:ab"),
            ("/v2/a/manifests/v1", "/v2/<name>/manifests/<reference>", Some("a"), "v1"),
            ("/v2/a/tags/list", "/v2/<name>/tags/list", Some("a"), ""),
            ("/v2/a/referrers/sha256:ab", "/v2/<name>/referrers/<digest>", Some("a"), "sha256:ab"),
            ("/ui/", "/ui/", None, ""),
            ("/ui/_style.css", "/ui/_style.css", None, ""),
            ("/ui/a/b", "/ui/<name>", Some("a/b"), ""),
            ("/ui/a/b:v1", "/ui/<name>:<reference>", Some("a/b"), "v1"),
            ("/ui/a@sha256:ab", "/ui/<name>:<reference>", Some("a"), "sha256:ab"),
            ("/ui/a/b:v1/delete", "/ui/<name>:<reference>/delete", Some("a/b"), "v1"),
        ] {
            assert_eq!(find(path), Some((resource.to_owned(), name, last)), "{path}");
            if path != "/" && !path.ends_with('/') {
                assert_eq!(find(&format!("{path}/")), find(path), "{path}/");
                assert_eq!(find(&format!("{path}//")), None, "{path}//");
            }
        }
    }

    #[test]
    fn names_may_look_like_resources() {
        for (path, resource, name, last) in [
            ("/v2/blobs/blobs/d", "/v2/<name>/blobs/<digest>", "blobs", "d"),
            ("/v2/tags/list/tags/list", "/v2/<name>/tags/list", "tags/list", ""),
            ("/v2/tags/list/manifests/v1", "/v2/<name>/manifests/<reference>", "tags/list", "v1"),
            ("/v2/manifests/manifests/v1", "/v2/<name>/manifests/<reference>", "manifests", "v1"),
            ("/v2/blobs/uploads/blobs/uploads/", "/v2/<name>/blobs/uploads/", "blobs/uploads", ""),
            ("/v2/a/blobs/uploads/blobs/d", "/v2/<name>/blobs/<digest>", "a/blobs/uploads", "d"),
            ("/ui/ui", "/ui/<name>", "ui", ""),
            ("/ui/a/delete", "/ui/<name>", "a/delete", ""),
            ("/ui/delete:delete", "/ui/<name>:<reference>", "delete", "delete"),
            ("/ui/delete:delete/delete", "/ui/<name>:<reference>/delete", "delete", "delete"),
            ("/v2/ui/a/manifests/v1", "/v2/<name>/manifests/<reference>", "ui/a", "v1"),
        ] {
            assert_eq!(find(path), Some((resource.to_owned(), Some(name), last)), "{path}");
        }
    }

    #[test]
    fn other_paths_name_nothing() {
        for path in [
            "",
            "//",
            "/v1/",
            "/v2x",
            "/v2/a",
            "/v2/tags/list",
            "/v2/a/b/c",
            "/v2//",
            "v2/",
            "/v2/blobs/d",
            "/v2/a/blobs/uploads//",
            "/v2/_lighter",
            "/v2/_lighter/",
            "/v2/_lighter//",
            "/v2/_lighter/a/check",
            "/ui/a:b/c",
            "/uix",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
    }

    #[test]
    fn a_path_is_read_as_it_is_written() {
        for resource in TABLE {
            for name in ["a", "a/b", "blobs", "blobs/uploads", "tags/list", "manifests/manifests"] {
                let path = resource.path.write(name, "sha256:ab");
                let (name, last) = match resource.path {
                    Path::Whole(_) => (None, ""),
                    Path::Below(..) => (None, "sha256:ab"),
                    Path::Of(_) | Path::Page => (Some(name), ""),
                    Path::OneOf(..) | Path::PageOf(_) => (Some(name), "sha256:ab"),
                };
                assert_eq!(find(&path), Some((resource.path.to_string(), name, last)), "{path}");
            }
        }
    }

    #[test]
    fn what_is_of_a_repository_requires_access_to_it() {
        for resource in TABLE {
            let of_repository = !matches!(resource.path, Path::Whole(_) | Path::Below(..));
            for endpoint in resource.endpoints {
                let of_all =
                    matches!(endpoint.access, Access::None | Access::Login | Access::Catalog | Access::Admin);
                let asks = !of_all;
                let answers = matches!(endpoint.answer, Answer::Repository(_));
                assert_eq!((asks, answers), (of_repository, of_repository), "{}", resource.path);
            }
        }
    }

    #[test]
    fn the_configuration_decides_what_is_allowed() {
        let config = |delete, read_only| Config { delete, read_only, ..Config::default() };
        let allowed = |resource: Resource<Memory>| {
            [(true, false), (false, false), (true, true)]
                .map(|(delete, read_only)| resource.allow(&config(delete, read_only)))
        };
        assert_eq!(allowed(Resource::BLOB), ["GET, HEAD, DELETE", "GET, HEAD", "GET, HEAD"]);
        assert_eq!(allowed(Resource::MANIFEST), ["GET, HEAD, PUT, DELETE", "GET, HEAD, PUT", "GET, HEAD"]);
        let upload = "GET, HEAD, PATCH, PUT, DELETE";
        assert_eq!(allowed(Resource::UPLOAD), [upload, upload, "GET, HEAD"]);
        assert_eq!(allowed(Resource::UPLOADS), ["POST", "POST", "GET, HEAD"]);
        assert_eq!(allowed(Resource::TOKEN), ["GET, POST"; 3]);
    }
}
