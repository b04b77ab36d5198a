//! For tests: an object store in memory that speaks the protocol of S3.
//!
//! It is as strict as the strictest real store is in each thing: it checks signatures and the hash of a payload like AWS,
//! wants parts of one size like R2, and refuses what any store is known to refuse. What stores differ in is an
//! [`Options`]. It logs every request, and fails on demand in each way that a [`Fault`] names.
//!
//! A test talks to it over a socket ([`Store::serve`]) or calls it ([`Store::meet`]).

mod bucket;
mod fault;
mod list;
mod multipart;
mod others;
mod request;
mod server;
mod signature;
mod store;
mod time;
mod xml;

pub use self::fault::{Fault, Outcome};
pub use self::request::{Body, Request, Response};
pub use self::server::Server;
pub use self::store::{Options, Store};

#[cfg(test)]
mod tests;
