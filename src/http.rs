//! HTTP as the registry speaks it, independent of the host.

pub mod page;
pub mod query;
pub mod range;
pub mod request;
pub mod response;

pub use query::Query;
pub use request::{Method, Request};
pub use response::{Body, Response};
