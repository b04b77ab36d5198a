//! Lighter.
