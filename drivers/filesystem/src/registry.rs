//! A component that is the whole registry, with its storage linked in.
#![allow(unsafe_code, reason = "what exports the handler is generated")]

use lighter::component::Component;
use wasi::exports::http::incoming_handler::Guest;
use wasi::http::types::{IncomingRequest, ResponseOutparam};

use crate::storage::Filesystem;

static COMPONENT: Component<Filesystem> = Component::new(|| Filesystem);

struct Registry;

impl Guest for Registry {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        COMPONENT.handle(request, out);
    }
}

wasi::http::proxy::export!(Registry with_types_in wasi);
