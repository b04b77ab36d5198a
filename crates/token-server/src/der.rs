//! Reading DER (X.690), as far as certificates and keys need it.

/// An integer.
pub(crate) const INTEGER: u8 = 0x02;
/// A string of bits.
const BIT_STRING: u8 = 0x03;
/// The name of an algorithm or a curve.
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
/// A structure.
pub(crate) const SEQUENCE: u8 = 0x30;

/// The elements that are still to be read. Every function that reads returns `None` if the bytes are not DER, or if
/// the next element is not the requested one.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

/// An element: its tag, its content, and its whole encoding.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) encoded: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Opens a structure that takes up all of some bytes.
    pub(crate) fn structure(der: &'a [u8]) -> Option<Self> {
        let mut reader = Self(der);
        let structure = reader.sequence()?;
        reader.end()?;
        Some(structure)
    }

    /// Reads the next element, with a length below 16 MiB.
    pub(crate) fn element(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
                // There is only one way to write a length: the shortest.
                let shortest = bytes.first() != Some(&0) && length > 0x7f;
                (shortest.then_some(length)?, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        let encoded = self.0.get(..self.0.len() - rest.len())?;
        self.0 = rest;
        Some(Element { tag, content, encoded })
    }

    /// Reads the next element, which has the given tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        self.element().filter(|element| element.tag == tag)
    }

    /// Reads the next element if it has the given tag.
    pub(crate) fn take_if(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.0.first() == Some(&tag) { self.element() } else { None }
    }

    /// Opens the next element, a structure.
    pub(crate) fn sequence(&mut self) -> Option<Self> {
        self.take(SEQUENCE).map(|sequence| Self(sequence.content))
    }

    /// Reads an integer that is not negative, big-endian and without zeros at its beginning.
    pub(crate) fn unsigned(&mut self) -> Option<&'a [u8]> {
        match self.take(INTEGER)?.content {
            [0] => Some(&[]),
            [0, rest @ ..] if rest.first()? > &0x7f => Some(rest),
            rest if matches!(rest.first()?, 1..=0x7f) => Some(rest),
            _ => None,
        }
    }

    /// Reads a string of bits, in whole bytes.
    pub(crate) fn bits(&mut self) -> Option<&'a [u8]> {
        self.take(BIT_STRING)?.content.strip_prefix(&[0])
    }

    /// Checks that nothing is left.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_has_one_encoding() {
        let element = |der: &[u8]| Reader(der).element().map(|element| element.content.len());
        assert_eq!(element(&[4, 0]), Some(0));
        assert_eq!(element(&[4, 2, 1, 1, 9]), Some(2));
        assert_eq!(element(&[&[4, 0x81, 0x80][..], &[0; 128]].concat()), Some(128));
        assert_eq!(element(&[&[4, 0x82, 1, 0][..], &[0; 256]].concat()), Some(256));
        for wrong in [
            &[][..],
            &[4],
            &[4, 1],
            &[4, 2, 1],
            &[4, 0x80, 0, 0],
            &[4, 0x81],
            &[4, 0x81, 1, 1],
            &[4, 0x82, 0, 1, 1],
            &[4, 0x84, 0, 0, 0, 1, 1],
            &[4, 0x83, 0xff, 0xff, 0xff, 1],
        ] {
            assert_eq!(element(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn integers_are_shortest_and_not_negative() {
        let unsigned = |content: &[u8]| {
            let der = [&[INTEGER, u8::try_from(content.len()).unwrap()], content].concat();
            Reader(&der).unsigned().map(<[u8]>::to_vec)
        };
        assert_eq!(unsigned(&[0]), Some(vec![]));
        assert_eq!(unsigned(&[1]), Some(vec![1]));
        assert_eq!(unsigned(&[0, 0x80]), Some(vec![0x80]));
        assert_eq!(unsigned(&[0x7f, 0]), Some(vec![0x7f, 0]));
        for wrong in [&[][..], &[0, 0], &[0, 1], &[0x80], &[0xff, 1]] {
            assert_eq!(unsigned(wrong), None, "{wrong:?}");
        }
    }
}
