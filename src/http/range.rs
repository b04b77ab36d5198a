//! Ranges: the range of a blob to be read, and that of an upload's chunk.

/// The part of content that a `Range` header asks for (RFC 9110, section 14).
#[derive(Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// All of it: the header is missing or malformed, has another unit than bytes, or asks for several ranges.
    Whole,
    /// A part of at least one byte.
    Part {
        /// The first byte's position.
        offset: u64,
        /// The number of bytes.
        length: u64,
    },
    /// None of the requested bytes exist, or the range ends before it begins.
    Unsatisfiable,
}

impl ByteRange {
    /// Reads a `Range` header for content of `size` bytes. A range that ends beyond the content is shortened, which
    /// regctl relies on.
    pub fn parse(header: Option<&str>, size: u64) -> Self {
        let range = header.and_then(|header| header.strip_prefix("bytes="));
        let Some((first, last)) = range.and_then(|range| range.trim().split_once('-')) else {
            return Self::Whole;
        };
        let (first, last) = match (position(first), position(last)) {
            (Some(first), Some(last)) if first > last => return Self::Unsatisfiable,
            (Some(first), Some(last)) => (first, last),
            (Some(first), None) if last.is_empty() => (first, u64::MAX),
            (None, Some(suffix)) if first.is_empty() => match suffix {
                0 => return Self::Unsatisfiable,
                _ => (size.saturating_sub(suffix), u64::MAX),
            },
            _ => return Self::Whole,
        };
        if first >= size {
            return Self::Unsatisfiable;
        }
        Self::Part { offset: first, length: last.min(size - 1) - first + 1 }
    }
}

/// The positions of a chunk's first and last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The position of the first byte.
    pub first: u64,
    /// The position of the last byte, at or after the first.
    pub last: u64,
}

impl Chunk {
    /// Reads an upload's `Content-Range`. The OCI Distribution Spec writes `first-last`; clients
    /// also send HTTP's own `bytes first-last/size` and `bytes=first-last`.
    pub fn parse(header: &str) -> Option<Self> {
        let range = header.strip_prefix("bytes").map_or(header, |rest| rest.trim_start_matches(['=', ' ']));
        let range = range.split_once('/').map_or(range, |(range, _)| range);
        let (first, last) = range.split_once('-')?;
        let chunk = Self { first: position(first)?, last: position(last)? };
        (chunk.first <= chunk.last).then_some(chunk)
    }

    /// The number of bytes. The full range of `u64` has one more than fits, but no upload is that long.
    pub fn length(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

/// Reads decimal digits only: `u64::from_str` would accept a `+`.
fn position(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_blob() {
        let part = |offset, length| ByteRange::Part { offset, length };
        for (header, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=0-9", part(0, 10)),
            ("bytes=0-10", part(0, 10)),
            ("bytes=9-", part(9, 1)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-30", part(0, 10)),
            ("bytes=10-", ByteRange::Unsatisfiable),
            ("bytes=10-12", ByteRange::Unsatisfiable),
            ("bytes=-0", ByteRange::Unsatisfiable),
            ("bytes=5-4", ByteRange::Unsatisfiable),
            ("bytes=0-1,3-4", ByteRange::Whole),
            ("bytes=a-b", ByteRange::Whole),
            ("bytes=-", ByteRange::Whole),
            ("bytes=+1-2", ByteRange::Whole),
            ("bytes=99999999999999999999-", ByteRange::Whole),
            ("items=0-1", ByteRange::Whole),
            ("0-1", ByteRange::Whole),
        ] {
            assert_eq!(ByteRange::parse(Some(header), 10), expected, "{header}");
        }
        assert_eq!(ByteRange::parse(None, 10), ByteRange::Whole);
        assert_eq!(ByteRange::parse(Some("bytes=0-0"), 0), ByteRange::Unsatisfiable);
    }

    #[test]
    fn ranges_of_a_chunk() {
        for header in ["5-9", "bytes 5-9/10", "bytes 5-9/*", "bytes=5-9", "bytes 5-9"] {
            assert_eq!(Chunk::parse(header), Some(Chunk { first: 5, last: 9 }), "{header}");
        }
        for header in
            ["", "-", "5-", "-9", "9-5", "a-b", "5", "bytes", "+5-9", "5--9", "0-99999999999999999999"]
        {
            assert_eq!(Chunk::parse(header), None, "{header}");
        }
        assert_eq!(Chunk { first: 0, last: u64::MAX }.length(), u64::MAX);
    }
}
