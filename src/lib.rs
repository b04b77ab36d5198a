//! Lighter is an OCI container registry that is one WebAssembly component.
//!
//! | endpoint | methods | what it is | |
//! |---|---|---|---|
//! | `/` | GET HEAD | the registry answers | [`api::base`] |
//! | `/v2/` | GET HEAD | this is a registry | [`api::base`] |
//! | `/v2/<name>/blobs/uploads/` | POST | start an upload, push at once, mount | [`api::uploads`] |
//! | `/v2/<name>/blobs/uploads/<uuid>` | GET HEAD PATCH PUT DELETE | an upload | [`api::uploads`] |
//! | `/v2/<name>/blobs/<digest>` | GET HEAD DELETE | a blob | [`api::blobs`] |
//! | `/v2/<name>/manifests/<reference>` | GET HEAD PUT DELETE | a manifest | [`api::manifests`] |
//! | `/v2/<name>/tags/list` | GET HEAD | the tags | [`api::tags`] |
//! | `/v2/<name>/referrers/<digest>` | GET HEAD | the referrers of a manifest | [`api::referrers`] |
//! | `/v2/_catalog` | GET HEAD | the repositories | [`api::catalog`] |
//! | `/v2/_lighter/<command>` | POST | the commands of an operator, if they are on | [`api::commands`] |
//! | `/token` | GET POST | the token service, if access control is on | [`api::token`] |
//! | `/ui/` | GET HEAD | the list of repositories, as a page | [`api::pages`] |
//! | `/ui/_style.css` | GET HEAD | the stylesheet of the pages | [`api::pages`] |
//! | `/ui/_icon.svg` | GET HEAD | the icon of the pages | [`api::pages`] |
//! | `/ui/_login` | GET HEAD | asks a browser for a password | [`api::pages`] |
//! | `/ui/<name>` | GET HEAD | the page about a repository | [`api::pages`] |
//! | `/ui/<name>:<reference>` | GET HEAD | the page about a tag, a manifest or a blob | [`api::pages`] |
//! | `/ui/<name>:<reference>/delete` | GET HEAD POST | asks whether to delete a tag or a manifest, and does it | [`api::pages`] |
//!
//! A request passes from [`registry`] through [`api`] and [`repository`] or [`upload`] to a
//! [`Storage`](lighter_storage::Storage). All of that is plain Rust that does not depend on a host or a storage driver.
//! `components/` combines a registry, a driver and the connection to a host (`crates/wasi`) into a product.

pub mod access_log;
pub mod api;
pub mod auth;
pub mod catalog;
pub mod clock;
pub mod command;
pub mod config;
pub mod descriptor;
pub mod duration;
pub mod endpoint;
pub mod error;
pub mod garbage;
pub mod gate;
pub mod http;
pub mod immutable_tags;
pub mod inventory;
pub mod json;
pub mod layout;
pub mod location;
pub mod manifest;
pub mod media_type;
pub mod members;
pub mod mirror;
pub mod name;
pub mod pattern;
pub mod purge;
pub mod push;
pub mod referrer;
pub mod referrers;
pub mod registry;
pub mod repositories;
pub mod repository;
pub mod retention;
pub mod route;
pub mod signers;
pub mod size;
pub mod ui;
pub mod upload;
pub mod upload_proof;
pub mod upload_state;
pub mod upstream;
