//! Bytes that arrive a chunk at a time: a request's body, or stored content on its way through.

#[cfg(target_family = "wasm")]
use wasi::io::streams::{InputStream, StreamError};

/// A source of bytes.
pub trait Stream {
    /// Waits for the next bytes, or none at the end. A chunk is never empty. Errs with a text for
    /// the log when the source broke off.
    fn next(&mut self) -> Result<Option<Vec<u8>>, String>;

    /// Moves the next bytes to where they go, at most `most`, and returns how many, or none at the end. What a chunk has
    /// beyond `most` is dropped. A stream of the host's has the host move them. Errs with a text for the log when
    /// either side broke off.
    fn forward(&mut self, into: &mut dyn Sink, most: u64) -> Result<Option<u64>, String> {
        let Some(mut bytes) = self.next()? else { return Ok(None) };
        bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        into.write(&bytes)?;
        Ok(Some(bytes.len() as u64))
    }
}

/// Where bytes go.
pub trait Sink {
    /// Takes bytes. Errs with a text for the log if it takes no more.
    fn write(&mut self, bytes: &[u8]) -> Result<(), String>;

    /// Has the host move bytes from its stream, at most `most`, and returns how many, or none at the stream's end.
    #[cfg(target_family = "wasm")]
    fn splice(&mut self, from: &InputStream, most: u64) -> Result<Option<u64>, String>;
}

impl<S: Stream + ?Sized> Stream for &mut S {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        (**self).next()
    }

    fn forward(&mut self, into: &mut dyn Sink, most: u64) -> Result<Option<u64>, String> {
        (**self).forward(into, most)
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

/// Moves so many bytes of a source to where they go. Errs as [`read_exactly`] does.
pub fn forward_exactly(
    source: &mut dyn Stream,
    into: &mut dyn Sink,
    mut length: u64,
    ends_early: &str,
) -> Result<(), String> {
    while length > 0 {
        length -= source.forward(into, length)?.ok_or(ends_early)?;
    }
    Ok(())
}

/// How much of a host's stream is asked for at a time, in bytes.
#[cfg(target_family = "wasm")]
const READ_SIZE: u64 = 1 << 20;

#[cfg(target_family = "wasm")]
impl Stream for InputStream {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        loop {
            match self.blocking_read(READ_SIZE) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Ok(Some(bytes)),
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
            }
        }
    }

    fn forward(&mut self, into: &mut dyn Sink, most: u64) -> Result<Option<u64>, String> {
        into.splice(self, most)
    }
}
