//! The client of the tests.

pub(crate) use lighter_test_host::client::{Response, name_what_varies, write_chunk};

/// A request whose body, if it has one, is its own.
pub(crate) type Request = lighter_test_host::client::Request<'static>;
