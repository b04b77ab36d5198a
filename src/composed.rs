//! The registry as a component of its own, which is composed with a storage driver.

use wasi::cli::environment::get_environment;

use crate::storage::driver::Driver;

crate::export_registry!(Driver, get_environment);
