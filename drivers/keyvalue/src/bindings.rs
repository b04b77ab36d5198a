//! What the component imports, made from WIT. The only file with unsafe code, all of it generated.
#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::indexing_slicing, reason = "generated code")]

wit_bindgen::generate!({
    world: "host",
    path: "wit",
    generate_all,
});
