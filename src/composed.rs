//! The registry as a component of its own, which is composed with a storage driver.
#![allow(unsafe_code, reason = "what exports the handler is generated")]

use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{IncomingRequest, ResponseOutparam};

use crate::component::{Component, Content};
use crate::storage::driver::{self, Driver};

static COMPONENT: Component<Driver> = Component::new(|| Driver);

struct Composed;

impl Guest for Composed {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        COMPONENT.handle(request, out);
    }
}

impl From<driver::Content> for Content {
    fn from(content: driver::Content) -> Self {
        match content {
            driver::Content::Stream(stream) => Self::Stream(stream),
            chunks => Self::Chunks(Box::new(chunks)),
        }
    }
}

wasi::http::proxy::export!(Composed with_types_in wasi);
