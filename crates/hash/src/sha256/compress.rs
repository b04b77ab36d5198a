//! The compression function of SHA-256 (FIPS 180-4, 6.2.2), in a form that WebAssembly hosts run well.
//!
//! `sha2` has one with SIMD. This one has the same schedule, with four words in a vector, but is laid out for
//! compilers that do not reorder: four rounds are one pass of a loop, which keeps the whole state in registers,
//! and the words of the next pass are ready before it begins. It limits the speed of a push.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) use super::simd::compress;
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(super) use sha2::block_api::compress256 as compress;
