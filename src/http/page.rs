//! Pages of a listing (OCI Distribution Spec, "Listing Tags"): `n`, `last` and `Link`.

use super::Query;
use super::query::encode;
use crate::error::{Code, Error, Result};

/// The largest page (distribution's default for `tags.maxtags` and `catalog.maxentries`). A client
/// that asks for more gets this many and a `Link`: refusing it breaks clients.
pub const PAGE_MAX: u32 = 1000;

/// The page that a client asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// The most entries, if the client names a number; at most [`PAGE_MAX`].
    pub n: Option<u32>,
    /// Only entries after this one.
    pub last: Option<String>,
}

impl PageQuery {
    /// Reads `n` and `last`. An invalid number fails with `PAGINATION_NUMBER_INVALID`.
    pub fn parse(query: &Query) -> Result<Self> {
        let n = match query.get("n").filter(|n| !n.is_empty()) {
            None => None,
            Some(n) if n.bytes().all(|b| b.is_ascii_digit()) => {
                Some(n.parse().map_or(PAGE_MAX, |n: u32| n.min(PAGE_MAX)))
            }
            Some(_) => {
                return Err(Error::new(Code::PaginationNumberInvalid, "n must be a number, 0 or more"));
            }
        };
        Ok(Self { n, last: query.get("last").filter(|last| !last.is_empty()).map(str::to_owned) })
    }

    /// The value of the `Link` header to the page after `last`, on the same path. `kept` is a
    /// parameter that also applies to that page.
    pub fn next(path: &str, n: u32, last: &str, kept: Option<(&str, &str)>) -> String {
        let kept = kept.map(|(name, value)| format!("{name}={}&", encode(value))).unwrap_or_default();
        format!("<{path}?{kept}last={}&n={n}>; rel=\"next\"", encode(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_clamped_not_refused() {
        let page =
            |query| PageQuery::parse(&Query::parse(query)).map(|page| page.n).map_err(|error| error.code());
        assert_eq!(page(""), Ok(None));
        assert_eq!(page("n="), Ok(None));
        assert_eq!(page("n=0"), Ok(Some(0)));
        assert_eq!(page("n=7"), Ok(Some(7)));
        assert_eq!(page("n=10000"), Ok(Some(1000)));
        assert_eq!(page("n=99999999999999999999"), Ok(Some(1000)));
        for bad in ["n=-1", "n=x", "n=1.5", "n=%2B1"] {
            assert_eq!(page(bad), Err(Code::PaginationNumberInvalid), "{bad}");
        }
    }

    #[test]
    fn a_link_is_relative() {
        assert_eq!(
            PageQuery::next("/v2/_catalog", 2, "a/b", None),
            "</v2/_catalog?last=a%2Fb&n=2>; rel=\"next\""
        );
        let kept = Some(("artifactType", "a/b"));
        assert_eq!(PageQuery::next("/x", 2, "v1", kept), "</x?artifactType=a%2Fb&last=v1&n=2>; rel=\"next\"");
    }
}
