//! The storage interfaces, made from `wit/` at the top, and the variables of a host, made from `wit/` here. The only
//! file with unsafe code, apart from the exports by this crate's macros; all of it is generated.
#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::indexing_slicing, reason = "generated code")]

/// The interfaces that a storage driver exports.
pub mod exported {
    wit_bindgen::generate!({
        world: "driver",
        path: "../../wit",
        with: {
            "wasi:io/error@0.2.12": ::wasi::io::error,
            "wasi:io/poll@0.2.12": ::wasi::io::poll,
            "wasi:io/streams@0.2.12": ::wasi::io::streams,
        },
        pub_export_macro: true,
    });
}

/// The variables that a host has beside its environment.
pub mod variables {
    wit_bindgen::generate!({
        world: "variables",
        path: "wit",
        generate_all,
    });
}
