//! What the component exports, made from `wit/`. The only file with unsafe code, all of it generated.
#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::indexing_slicing, reason = "generated code")]

use crate::driver::Driver;

wit_bindgen::generate!({
    world: "driver",
    path: "../../wit",
    with: {
        "wasi:io/error@0.2.12": wasi::io::error,
        "wasi:io/poll@0.2.12": wasi::io::poll,
        "wasi:io/streams@0.2.12": wasi::io::streams,
    },
});

export!(Driver);
