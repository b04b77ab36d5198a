//! What the component exports, made from WIT. The only file with unsafe code, all of it generated.
#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::indexing_slicing, reason = "generated code")]

wit_bindgen::generate!({
    world: "lighter:keyvalue-host/host",
    // The interfaces are those that are imported.
    path: ["../../drivers/keyvalue/wit/deps/keyvalue", "../../crates/wasi/wit/deps/config", "wit"],
    generate_all,
});

/// The store.
pub struct Host;

export!(Host);
