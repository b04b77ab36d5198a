//! The storage interfaces, made from `wit/`. The only file with unsafe code beside what the macros here export,
//! all of it generated.
#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::indexing_slicing, reason = "generated code")]

/// What the registry imports of a storage driver.
#[cfg(feature = "imported")]
pub mod imported {
    wit_bindgen::generate!({
        world: "registry",
        path: "wit",
        with: {
            "wasi:io/error@0.2.12": ::wasi::io::error,
            "wasi:io/poll@0.2.12": ::wasi::io::poll,
            "wasi:io/streams@0.2.12": ::wasi::io::streams,
        },
    });
}

/// What a storage driver exports.
#[cfg(feature = "exported")]
pub mod exported {
    wit_bindgen::generate!({
        world: "driver",
        path: "wit",
        with: {
            "wasi:io/error@0.2.12": ::wasi::io::error,
            "wasi:io/poll@0.2.12": ::wasi::io::poll,
            "wasi:io/streams@0.2.12": ::wasi::io::streams,
        },
        pub_export_macro: true,
    });
}
