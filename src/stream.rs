//! Bytes that arrive a chunk at a time: a request's body, or stored content on its way through.

/// A source of bytes.
pub trait Stream {
    /// Waits for the next bytes, or none at the end. A chunk is never empty. Errs with a text for
    /// the log when the source broke off.
    fn next(&mut self) -> Result<Option<Vec<u8>>, String>;
}

impl<S: Stream> Stream for &mut S {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        (**self).next()
    }
}

/// Content in memory is a stream of one chunk.
impl Stream for Vec<u8> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        Ok(Some(core::mem::take(self)).filter(|bytes| !bytes.is_empty()))
    }
}
