//! Where the links of pages lead: to other pages of the registry. Only this file makes a [`Link`].

use crate::http::query::encode;
use crate::name::Name;
use crate::route::{PAGES, Path};

/// The page about a repository.
pub const REPOSITORY: Path = Path::Page;
/// The page about a tag, or about content.
pub const CONTENT: Path = Path::PageOf("");
/// The page that asks whether to delete a tag or a manifest.
pub const DELETE: Path = Path::PageOf("/delete");
/// The list of repositories.
pub const HOME: Path = Path::Whole(PAGES);
/// The stylesheet.
pub const STYLE: Path = Path::Whole("/ui/_style.css");
/// The icon.
pub const ICON: Path = Path::Whole("/ui/_icon.svg");
/// Where a browser is asked for a password.
pub const LOGIN: Path = Path::Whole("/ui/_login");

/// A link to a page: an absolute path.
pub struct Link(String);

impl Link {
    /// The path, and the query if it has one.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Adds a parameter, unless it is empty.
    #[must_use]
    pub fn with(self, name: &'static str, value: &str) -> Self {
        if value.is_empty() {
            return self;
        }
        let sign = if self.0.contains('?') { "&" } else { "?" };
        Self([&self.0, sign, name, "=", &encode(value)].concat())
    }
}

/// Where the pages are, as the caller's browser sees it.
pub struct Links {
    /// The path before that of every page.
    pub prefix: String,
}

impl Links {
    /// A page of which there is one.
    pub fn whole(&self, path: Path) -> Link {
        self.of(path, "", "")
    }

    /// The page about a repository.
    pub fn repository(&self, name: &Name) -> Link {
        self.of(REPOSITORY, name.as_str(), "")
    }

    /// The page about a tag, or about content of a repository.
    pub fn content(&self, name: &Name, reference: &str) -> Link {
        self.of(CONTENT, name.as_str(), reference)
    }

    /// The page that asks whether to delete a tag or a manifest.
    pub fn delete(&self, name: &Name, reference: &str) -> Link {
        self.of(DELETE, name.as_str(), reference)
    }

    fn of(&self, path: Path, name: &str, last: &str) -> Link {
        Link([&self.prefix, &*path.write(name, last)].concat())
    }
}
