//! Stored bytes on their way out.

#[cfg(target_family = "wasm")]
use wasi::io::streams::InputStream;

use crate::{Sink, Stream};

/// Stored bytes on their way out: `variant content` of `wit/blobs.wit`, and a third way inside a component.
pub enum Content {
    /// All of them, in memory.
    Bytes(Vec<u8>),
    /// A stream of the host's. What sends it has the host carry the bytes, so that none enters the component.
    #[cfg(target_family = "wasm")]
    Host(InputStream),
    /// Any other stream. The bytes pass through the component, a chunk at a time, unless its `forward` is better.
    Chunks(Box<dyn Stream>),
}

impl Stream for Content {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        match self {
            Self::Bytes(bytes) => bytes.next(),
            #[cfg(target_family = "wasm")]
            Self::Host(stream) => stream.next(),
            Self::Chunks(chunks) => chunks.next(),
        }
    }

    fn forward(&mut self, into: &mut dyn Sink, most: u64) -> Result<Option<u64>, String> {
        match self {
            Self::Bytes(bytes) => bytes.forward(into, most),
            #[cfg(target_family = "wasm")]
            Self::Host(stream) => stream.forward(into, most),
            Self::Chunks(chunks) => chunks.forward(into, most),
        }
    }
}
