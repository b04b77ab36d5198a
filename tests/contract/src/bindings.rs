//! What the component imports and exports. The only file with unsafe code, all of it generated.
#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::indexing_slicing, reason = "generated code")]

wit_bindgen::generate!({
    world: "registry",
    path: "../../wit",
    with: {
        "wasi:io/error@0.2.12": wasi::io::error,
        "wasi:io/poll@0.2.12": wasi::io::poll,
        "wasi:io/streams@0.2.12": wasi::io::streams,
    },
});

/// The component, as the host calls it.
pub(crate) struct Component;

wasi::http::proxy::export!(Component with_types_in wasi);
