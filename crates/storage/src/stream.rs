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

/// Takes so many bytes of a source, a chunk at a time. Errs with a text for the log when the source breaks off,
/// or ends before: `ends_early` says so.
pub fn read_exactly(
    source: &mut dyn Stream,
    mut length: u64,
    ends_early: &str,
    mut take: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), String> {
    while length > 0 {
        let mut bytes = source.next()?.ok_or(ends_early)?;
        bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        take(&bytes)?;
        length -= bytes.len() as u64;
    }
    Ok(())
}

/// How much of a host's stream is asked for at a time, in bytes.
#[cfg(target_family = "wasm")]
const READ_SIZE: u64 = 1 << 20;

#[cfg(target_family = "wasm")]
impl Stream for wasi::io::streams::InputStream {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        use wasi::io::streams::StreamError;
        loop {
            match self.blocking_read(READ_SIZE) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Ok(Some(bytes)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
            }
        }
    }
}
