//! A process that runs for as long as a test does.

pub(crate) use lighter_test_host::process::Process;

pub(crate) use crate::skip::installed;
