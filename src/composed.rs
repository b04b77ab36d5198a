//! The registry as a component of its own, which is composed with a storage driver.

use crate::imported::{self, Imported};

crate::export_registry!(Imported, imported::environment);
