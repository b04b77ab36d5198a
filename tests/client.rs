//! The client of the tests.

pub(crate) use lighter_test_host::client::{Response, name_what_varies, write_chunk};

/// A request that owns its body, if it has one.
pub(crate) type Request = lighter_test_host::client::Request<'static>;
