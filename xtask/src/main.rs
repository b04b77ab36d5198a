//! Builds, composes, serves and tests Lighter.
fn main() {}
