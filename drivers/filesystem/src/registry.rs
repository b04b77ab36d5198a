//! A component that is the whole registry, with its storage linked in.

use wasi::cli::environment::get_environment;

use crate::storage::Filesystem;

lighter::export!(Filesystem, get_environment);
