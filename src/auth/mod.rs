//! Who may do what.

#[cfg(feature = "token-server")]
pub mod keys;
