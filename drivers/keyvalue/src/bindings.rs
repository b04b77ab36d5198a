//! What the component imports, and what it exports as a driver, made from WIT. The only file with unsafe
//! code, all of it generated.
#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::indexing_slicing, reason = "generated code")]

wit_bindgen::generate!({
    world: "lighter:keyvalue/host",
    path: ["../../wit", "wit"],
    generate_all,
});

#[cfg(feature = "driver")]
pub mod driver {
    use crate::driver::Driver;

    wit_bindgen::generate!({
        world: "lighter:keyvalue/driver",
        path: ["../../wit", "wit"],
        with: {
            "wasi:io/error@0.2.12": ::wasi::io::error,
            "wasi:io/poll@0.2.12": ::wasi::io::poll,
            "wasi:io/streams@0.2.12": ::wasi::io::streams,
        },
    });

    export!(Driver);
}
