//! The compression function of SHA-256 (FIPS 180-4, 6.2.2), as WebAssembly hosts run it well.
//!
//! `sha2` has one with SIMD. This is the same schedule, of four words in a vector, laid out for compilers that
//! do not reorder: four rounds are one pass of a loop, which leaves the whole state in registers, and the
//! words of the next pass are ready before it begins. Pushing is bound by it.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) use super::simd::compress;
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(super) use sha2::block_api::compress256 as compress;
