//! Which resource a path names.

/// The resources of the registry. What a path says is not yet checked.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the path beside it")]
pub enum Route<'a> {
    /// `/`, which load balancers ask.
    Health,
    /// `/v2/`
    Base,
    /// `/token`
    Token,
    /// `/v2/<name>/blobs/uploads/`
    Uploads { name: &'a str },
    /// `/v2/<name>/blobs/uploads/<uuid>`
    Upload { name: &'a str, id: &'a str },
    /// `/v2/<name>/blobs/<digest>`
    Blob { name: &'a str, digest: &'a str },
    /// `/v2/<name>/manifests/<reference>`
    Manifest { name: &'a str, reference: &'a str },
    /// `/v2/<name>/tags/list`
    Tags { name: &'a str },
    /// `/v2/<name>/referrers/<digest>`
    Referrers { name: &'a str, digest: &'a str },
    /// `/v2/_catalog`
    Catalog,
}

impl<'a> Route<'a> {
    /// Finds the resource that a decoded path names. It is read from the right, so that repositories
    /// may be called `blobs` or `tags/list`.
    ///
    /// A slash at the end makes no difference: clients leave it out and put it in. distribution redirects
    /// them, which would turn a POST into a GET.
    pub fn parse(path: &'a str) -> Option<Self> {
        if path == "/" {
            return Some(Self::Health);
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        if path == "/token" {
            return Some(Self::Token);
        }
        let path = path.strip_prefix("/v2")?;
        if path.is_empty() {
            return Some(Self::Base);
        }
        let path = path.strip_prefix('/')?;
        if path == "_catalog" {
            return Some(Self::Catalog);
        }
        if let Some(name) = path.strip_suffix("/blobs/uploads") {
            return Some(Self::Uploads { name });
        }
        if let Some(name) = path.strip_suffix("/tags/list") {
            return Some(Self::Tags { name });
        }
        let (rest, last) = path.rsplit_once('/').filter(|(_, last)| !last.is_empty())?;
        if let Some(name) = rest.strip_suffix("/blobs/uploads") {
            return Some(Self::Upload { name, id: last });
        }
        if let Some(name) = rest.strip_suffix("/blobs") {
            return Some(Self::Blob { name, digest: last });
        }
        if let Some(name) = rest.strip_suffix("/referrers") {
            return Some(Self::Referrers { name, digest: last });
        }
        let name = rest.strip_suffix("/manifests")?;
        Some(Self::Manifest { name, reference: last })
    }

    /// The repository that the resource belongs to.
    pub fn name(&self) -> Option<&'a str> {
        match self {
            Self::Health | Self::Base | Self::Token | Self::Catalog => None,
            Self::Uploads { name }
            | Self::Upload { name, .. }
            | Self::Blob { name, .. }
            | Self::Manifest { name, .. }
            | Self::Tags { name }
            | Self::Referrers { name, .. } => Some(name),
        }
    }

    /// The methods that the resource answers, as the `Allow` header lists them.
    pub fn allow(&self) -> &'static str {
        match self {
            Self::Health | Self::Base | Self::Tags { .. } | Self::Referrers { .. } | Self::Catalog => {
                "GET, HEAD"
            }
            Self::Token => "GET, POST",
            Self::Blob { .. } => "GET, HEAD, DELETE",
            Self::Uploads { .. } => "POST",
            Self::Upload { .. } => "GET, HEAD, PATCH, PUT, DELETE",
            Self::Manifest { .. } => "GET, HEAD, PUT, DELETE",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_has_its_path() {
        for (path, route) in [
            ("/", Route::Health),
            ("/v2", Route::Base),
            ("/v2/", Route::Base),
            ("/token", Route::Token),
            ("/v2/a/blobs/uploads", Route::Uploads { name: "a" }),
            ("/v2/a/blobs/uploads/", Route::Uploads { name: "a" }),
            ("/v2/a/b/blobs/uploads/u", Route::Upload { name: "a/b", id: "u" }),
            ("/v2/a/blobs/sha256:ab", Route::Blob { name: "a", digest: "sha256:ab" }),
            ("/v2/a/manifests/v1", Route::Manifest { name: "a", reference: "v1" }),
            ("/v2/a/tags/list", Route::Tags { name: "a" }),
            ("/v2/a/referrers/sha256:ab", Route::Referrers { name: "a", digest: "sha256:ab" }),
            ("/v2/_catalog", Route::Catalog),
        ] {
            assert_eq!(Route::parse(path), Some(route), "{path}");
        }
        for path in [
            "/token",
            "/v2/a/b/blobs/uploads/u",
            "/v2/a/blobs/sha256:ab",
            "/v2/a/manifests/v1",
            "/v2/a/tags/list",
            "/v2/a/referrers/sha256:ab",
            "/v2/_catalog",
        ] {
            assert_eq!(Route::parse(&format!("{path}/")), Route::parse(path), "{path}/");
            assert_eq!(Route::parse(&format!("{path}//")), None, "{path}//");
        }
    }

    #[test]
    fn names_may_look_like_resources() {
        for (path, route) in [
            ("/v2/blobs/blobs/d", Route::Blob { name: "blobs", digest: "d" }),
            ("/v2/tags/list/tags/list", Route::Tags { name: "tags/list" }),
            ("/v2/tags/list/manifests/v1", Route::Manifest { name: "tags/list", reference: "v1" }),
            ("/v2/manifests/manifests/v1", Route::Manifest { name: "manifests", reference: "v1" }),
            ("/v2/blobs/uploads/blobs/uploads/", Route::Uploads { name: "blobs/uploads" }),
            ("/v2/a/blobs/uploads/blobs/d", Route::Blob { name: "a/blobs/uploads", digest: "d" }),
        ] {
            assert_eq!(Route::parse(path), Some(route), "{path}");
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
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
