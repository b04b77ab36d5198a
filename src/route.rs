//! The paths of endpoints: how one is read from a request, and how one is written for a client.

use core::fmt;

/// The beginning of all paths that the OCI Distribution Spec defines.
const API: &str = "/v2/";

/// The beginning of the paths of all pages but `/` itself.
pub const PAGES: &str = "/ui/";

/// What stands between a repository's name and a tag or a digest, as in the references that clients take.
const SIGNS: [char; 2] = [':', '@'];

/// The path of an endpoint. Its `Display` shows the parts that vary in angle brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// A fixed path, such as `/v2/_catalog`.
    Whole(&'static str),
    /// A fixed path, and last a part that varies, which the second text names.
    Below(&'static str, &'static str),
    /// A resource of which a repository has one: `/v2/<name>`, and then this.
    Of(&'static str),
    /// A resource of which a repository has many: `/v2/<name>`, then the first text, and last the part that varies, which
    /// the second text names: `("/blobs", "<digest>")`.
    OneOf(&'static str, &'static str),
    /// The page about a repository: `/ui/<name>`.
    Page,
    /// A page about a tag or about content of a repository: `/ui/<name>:<tag>` or `/ui/<name>@<digest>`, and then this.
    /// Neither sign can be in a name, so no repository is hidden by another's page.
    PageOf(&'static str),
}

/// The parts of a path that vary, not yet checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route<'a> {
    /// The repository's name, if the path has one.
    pub name: Option<&'a str>,
    /// The last part, if it varies: a digest, a reference or the id of an upload. Otherwise empty.
    pub last: &'a str,
}

/// A request's path, in the pieces that distinguish endpoints.
pub struct Pieces<'a> {
    whole: &'a str,
    /// What follows [`API`].
    below: &'a str,
    /// The parts of `below` before and after its last slash.
    split: (&'a str, &'a str),
    /// What follows [`PAGES`].
    page: &'a str,
}

impl<'a> Pieces<'a> {
    /// Splits a decoded path. It is read from the right, so repositories may be called `blobs` or `tags/list`.
    ///
    /// A slash at the end makes no difference: clients differ here. distribution redirects them, which would turn a
    /// POST into a GET.
    pub fn of(path: &'a str) -> Option<Self> {
        let whole = without_slash(path.starts_with('/').then_some(path)?);
        let below = whole.strip_prefix(API).unwrap_or_default();
        let split = below.rsplit_once('/').unwrap_or_default();
        let page = whole.strip_prefix(PAGES).unwrap_or_default();
        Some(Self { whole, below, split, page })
    }
}

impl Path {
    /// Reads a request's path, if it has this form.
    pub fn read<'a>(self, path: &Pieces<'a>) -> Option<Route<'a>> {
        match self {
            Self::Whole(whole) => (path.whole == without_slash(whole)).then(Route::default),
            Self::Below(above, _) => {
                let (before, last) = path.whole.rsplit_once('/')?;
                (before == above && !last.is_empty()).then_some(Route { name: None, last })
            }
            Self::Of(what) => {
                let name = path.below.strip_suffix(without_slash(what))?;
                Some(Route { name: Some(name), last: "" })
            }
            Self::OneOf(what, _) => {
                let (before, last) = path.split;
                let name = before.strip_suffix(what).filter(|_| !last.is_empty())?;
                Some(Route { name: Some(name), last })
            }
            Self::Page => {
                let is_name = |page: &&str| !page.is_empty() && !page.ends_with('/') && !page.contains(SIGNS);
                let name = Some(path.page).filter(is_name);
                name.map(|name| Route { name: Some(name), last: "" })
            }
            Self::PageOf(what) => {
                let (name, last) = path.page.strip_suffix(what)?.split_once(SIGNS)?;
                (!last.contains('/')).then_some(Route { name: Some(name), last })
            }
        }
    }

    /// Whether people look at what is there, with a browser.
    pub fn is_page(self) -> bool {
        match self {
            Self::Whole(whole) => whole.starts_with(PAGES),
            Self::Below(..) | Self::Of(_) | Self::OneOf(..) => false,
            Self::Page | Self::PageOf(_) => true,
        }
    }

    /// Writes a path, from which [`read`](Self::read) reads the same parts.
    pub fn write(self, name: &str, last: &str) -> String {
        match self {
            Self::Whole(whole) => whole.to_owned(),
            Self::Below(above, _) => [above, "/", last].concat(),
            Self::Of(what) => [API, name, what].concat(),
            Self::OneOf(what, _) => [API, name, what, "/", last].concat(),
            Self::Page => [PAGES, name].concat(),
            Self::PageOf(what) => {
                let sign = if last.contains(':') { "@" } else { ":" };
                [PAGES, name, sign, last, what].concat()
            }
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self {
            Self::OneOf(_, place) | Self::Below(_, place) => place,
            Self::PageOf(_) => "<reference>",
            _ => "",
        };
        f.write_str(&self.write("<name>", place))
    }
}

fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}
