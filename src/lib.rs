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
//! | `/v2/<name>/referrers/<digest>` | GET HEAD | what is about a manifest | [`api::referrers`] |
//! | `/v2/_catalog` | GET HEAD | the repositories | [`api::catalog`] |
//! | `/token` | GET POST | the token service, where there is access control | [`api::token`] |
//!
//! A request falls from [`registry`] through [`api`], [`repository`] or [`upload`], to [`storage`].
//! All of that is plain Rust and is tested natively; only on a WebAssembly host do the modules
//! exist that carry requests in and storage calls out. A registry is made of a [`storage::Storage`]:
//! one that is linked in, or a driver that is composed with it (the features `composed` and `imported`). Such
//! a driver, too, can be made of one (`exported`).

pub mod access_log;
pub mod api;
pub mod auth;
pub mod catalog;
pub mod clock;
pub mod config;
pub mod descriptor;
pub mod digest;
pub mod duration;
pub mod endpoint;
pub mod error;
pub mod gate;
pub mod hash;
pub mod http;
pub mod inventory;
pub mod layout;
pub mod location;
pub mod manifest;
pub mod media_type;
pub mod members;
pub mod name;
pub mod purge;
pub mod referrer;
pub mod referrers;
pub mod registry;
pub mod repository;
pub mod route;
pub mod signers;
pub mod storage;
pub mod stream;
pub mod upload;
pub mod upload_proof;
pub mod upload_state;

#[cfg(all(target_family = "wasm", any(feature = "imported", feature = "exported")))]
#[doc(hidden)]
pub mod bindings;
#[cfg(target_family = "wasm")]
pub mod component;
#[cfg(all(target_family = "wasm", feature = "composed"))]
mod composed;
#[cfg(all(target_family = "wasm", feature = "exported"))]
pub mod exported;
#[cfg(target_family = "wasm")]
pub mod files;
#[cfg(all(target_family = "wasm", feature = "imported"))]
pub mod imported;
