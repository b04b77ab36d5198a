//! The registry as a component of its own, which is composed with a storage driver.

use wasi::cli::environment::get_environment;

use crate::component::Content;
use crate::storage::driver::{self, Driver};

impl From<driver::Content> for Content {
    fn from(content: driver::Content) -> Self {
        match content {
            driver::Content::Stream(stream) => Self::Stream(stream),
            chunks => Self::Chunks(Box::new(chunks)),
        }
    }
}

crate::export_registry!(Driver, get_environment);
