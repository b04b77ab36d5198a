//! The state of an upload, as the last writer has left it.

use crate::content::Content;

/// Stands in place of the blob that an upload is published as, if it is removed. No key has this character.
pub(crate) const ABORTED: &str = "~";

/// An upload's state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    /// When the writer has shown a sign of life, in seconds since 1970.
    pub(crate) time: u64,
    /// Whether the writer still has the lease.
    pub(crate) held: bool,
    /// The blob that it is being published as, or that it is being removed.
    pub(crate) target: Option<String>,
    /// The writers that had not released the lease when another acquired it. They may not know yet.
    pub(crate) superseded: Vec<u32>,
    /// The bytes that lie in chunks.
    pub(crate) content: Content,
    /// The bytes after them that are too few for a chunk.
    pub(crate) tail: Vec<u8>,
}

impl State {
    pub(crate) fn new(time: u64, id: String) -> Self {
        Self {
            time,
            held: true,
            target: None,
            superseded: Vec::new(),
            content: Content::new(id),
            tail: Vec::new(),
        }
    }

    /// Whether the upload is being removed.
    pub(crate) fn is_aborted(&self) -> bool {
        self.target.as_deref() == Some(ABORTED)
    }

    pub(crate) fn size(&self) -> u64 {
        self.content.size() + self.tail.len() as u64
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let Self { time, held, target, superseded, content, tail } = self;
        let target = target.as_deref().unwrap_or_default();
        let superseded: String = superseded.iter().map(|number| format!(" {number}")).collect();
        let held = u8::from(*held);
        let text = format!("{} {time} {held}{superseded}\n{target}\n{}", tail.len(), content.write());
        [text.as_bytes(), tail].concat()
    }

    pub(crate) fn read(stored: &[u8]) -> Option<Self> {
        let end = stored.iter().position(|byte| *byte == b'\n')?;
        let mut fields = str::from_utf8(stored.get(..end)?).ok()?.split(' ');
        let tail: usize = fields.next()?.parse().ok()?;
        let time = fields.next()?.parse().ok()?;
        let held = fields.next()? == "1";
        let superseded = fields.map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let (text, tail) =
            stored.get(end + 1..)?.split_at_checked(stored.len().checked_sub(end + 1 + tail)?)?;
        let (target, content) = str::from_utf8(text).ok()?.split_once('\n')?;
        let target = Some(target.to_owned()).filter(|target| !target.is_empty());
        Some(Self { time, held, target, superseded, content: Content::read(content)?, tail: tail.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Run;

    #[test]
    fn what_was_written_is_read() {
        let mut state = State::new(1_700_000_000, "id".into());
        assert_eq!(State::read(&state.write()).as_ref(), Some(&state));
        state.tail = b"\n1 2 3\n".to_vec();
        state.held = false;
        state.target = Some("a/b".into());
        state.superseded = vec![1, 3];
        state.content.runs =
            vec![Run { writer: 1, chunk: 4, bytes: 9 }, Run { writer: 7, chunk: 8, bytes: 8 }];
        assert_eq!(State::read(&state.write()).as_ref(), Some(&state));
        assert_eq!(state.size(), 24);
    }

    #[test]
    fn what_is_broken_is_none() {
        let stored = State::new(1, "1234".repeat(8)).write();
        for broken in [&b""[..], b"\n", b"0 1 1\n", b"9 1 1\n\nid\n", &stored[..stored.len() - 1 - 32]] {
            assert_eq!(State::read(broken), None, "{broken:?}");
        }
    }
}
