//! The pages: what is in the registry, for people with a browser.
//!
//! A page is made from what the API reads, by the same rules, and has no script. Everything that comes from an image is
//! hostile: [`Html`](html::Html) escapes it, cuts it off, and isolates its direction; a [`Link`](links::Link) leads only
//! to other pages. What a page reads is bounded, however much there is.

pub mod blob;
pub mod delete;
pub mod frame;
pub mod html;
pub mod image;
pub mod kind;
pub mod links;
pub mod manifest;
pub mod parts;
pub mod platforms;
pub mod related;
pub mod repositories;
pub mod summary;
pub mod tags;
pub mod units;
