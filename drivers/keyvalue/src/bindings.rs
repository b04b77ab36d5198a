//! What the component imports, and what it exports as a driver, made from WIT. The only file with unsafe
//! code, all of it generated.
#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::indexing_slicing, reason = "generated code")]

wit_bindgen::generate!({
    world: "host",
    path: "wit",
    generate_all,
});

#[cfg(feature = "driver")]
pub mod driver {
    use crate::environment::Environment;

    wit_bindgen::generate!({
        world: "driver",
        path: "wit",
    });

    export!(Environment);
}
