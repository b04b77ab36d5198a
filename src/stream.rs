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

/// A stream whose chunks are large, but for the last: what comes in small pieces is gathered. Docker
/// sends pieces of 32 KiB, and for each a storage call would cost more than the copy.
pub struct Gathered<'a, S> {
    stream: &'a mut S,
    broken: Option<String>,
}

impl<'a, S> Gathered<'a, S> {
    /// A chunk has no fewer bytes.
    const SIZE_MIN: usize = 256 * 1024;

    /// Gathers what comes from a stream.
    pub fn new(stream: &'a mut S) -> Self {
        Self { stream, broken: None }
    }
}

impl<S: Stream> Stream for Gathered<'_, S> {
    /// What came before the source broke off is returned first.
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        let Some(mut gathered) = self.stream.next()? else { return Ok(None) };
        while gathered.len() < Self::SIZE_MIN {
            match self.stream.next() {
                Ok(Some(bytes)) => gathered.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(broken) => {
                    self.broken = Some(broken);
                    break;
                }
            }
        }
        Ok(Some(gathered))
    }
}

/// Content in memory is a stream of one chunk.
impl Stream for Vec<u8> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
        Ok(Some(core::mem::take(self)).filter(|bytes| !bytes.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many pieces of so many bytes, and then an end or none.
    struct Pieces(usize, usize, Result<(), &'static str>);

    impl Stream for Pieces {
        fn next(&mut self) -> Result<Option<Vec<u8>>, String> {
            if self.0 == 0 {
                return self.2.map(|()| None).map_err(str::to_owned);
            }
            self.0 -= 1;
            Ok(Some(vec![b'x'; self.1]))
        }
    }

    #[test]
    fn small_pieces_are_gathered() {
        for (pieces, size, expected) in [
            (0, 1, vec![]),
            (3, 1000, vec![3000]),
            (10, 100_000, vec![300_000, 300_000, 300_000, 100_000]),
            (2, 400_000, vec![400_000, 400_000]),
        ] {
            let mut pieces = Pieces(pieces, size, Ok(()));
            let mut gathered = Gathered::new(&mut pieces);
            let lengths: Vec<usize> =
                core::iter::from_fn(|| gathered.next().unwrap()).map(|bytes| bytes.len()).collect();
            assert_eq!(lengths, expected);
        }
    }

    #[test]
    fn what_came_before_a_break_is_not_lost() {
        let mut pieces = Pieces(2, 5, Err("gone"));
        let mut gathered = Gathered::new(&mut pieces);
        assert_eq!(gathered.next().unwrap().unwrap().len(), 10);
        assert_eq!(gathered.next(), Err("gone".to_owned()));
    }
}
