//! The state of an upload, as the last writer has left it.

use crate::content::Content;

/// An upload's state.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    /// When the writer has shown a sign of life, in seconds since 1970.
    pub(crate) time: u64,
    /// Whether the writer holds the upload still.
    pub(crate) held: bool,
    /// The blob that it is being published as.
    pub(crate) target: Option<String>,
    /// The writers who had not let go when another went on. They may not know yet.
    pub(crate) robbed: Vec<u32>,
    /// The bytes that lie in chunks.
    pub(crate) content: Content,
    /// The bytes after them that are too few for a chunk.
    pub(crate) tail: Vec<u8>,
}

impl State {
    pub(crate) fn new(time: u64) -> Self {
        Self { time, held: true, target: None, robbed: Vec::new(), content: Content::new(), tail: Vec::new() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.content.size() + self.tail.len() as u64
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let Self { time, held, target, robbed, content, tail } = self;
        let target = target.as_deref().unwrap_or_default();
        let robbed: String = robbed.iter().map(|number| format!(" {number}")).collect();
        let held = u8::from(*held);
        let text = format!("{} {time} {held}{robbed}\n{target}\n{}", tail.len(), content.write());
        [text.as_bytes(), tail].concat()
    }

    pub(crate) fn read(stored: &[u8]) -> Option<Self> {
        let end = stored.iter().position(|byte| *byte == b'\n')?;
        let mut fields = str::from_utf8(stored.get(..end)?).ok()?.split(' ');
        let tail: usize = fields.next()?.parse().ok()?;
        let time = fields.next()?.parse().ok()?;
        let held = fields.next()? == "1";
        let robbed = fields.map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let (text, tail) =
            stored.get(end + 1..)?.split_at_checked(stored.len().checked_sub(end + 1 + tail)?)?;
        let (target, content) = str::from_utf8(text).ok()?.split_once('\n')?;
        let target = Some(target.to_owned()).filter(|target| !target.is_empty());
        Some(Self { time, held, target, robbed, content: Content::read(content)?, tail: tail.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Run;

    #[test]
    fn what_was_written_is_read() {
        let mut state = State::new(1_700_000_000);
        assert_eq!(State::read(&state.write()).as_ref(), Some(&state));
        state.tail = b"\n1 2 3\n".to_vec();
        state.held = false;
        state.target = Some("a/b".into());
        state.robbed = vec![1, 3];
        state.content.runs =
            vec![Run { writer: 1, chunk: 4, bytes: 9 }, Run { writer: 7, chunk: 8, bytes: 8 }];
        assert_eq!(State::read(&state.write()).as_ref(), Some(&state));
        assert_eq!(state.size(), 24);
    }

    #[test]
    fn what_is_broken_is_none() {
        let stored = State::new(1).write();
        for broken in [&b""[..], b"\n", b"0 1 1\n", b"9 1 1\n\nid\n", &stored[..stored.len() - 1 - 32]] {
            assert_eq!(State::read(broken), None, "{broken:?}");
        }
    }
}
