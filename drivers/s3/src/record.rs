//! The record of an upload: who holds it, of what its bytes consist, and the notes about exactly these.
//!
//! It is text, a line for each thing:
//!
//! ```text
//! lighter upload 1
//! writer 5f0c…            who wrote this
//! held                    and holds the upload
//! turn 3                  how many writers there have been
//! beat 17                 how often the record was written
//! chunk 8388608           the size of each part, in bytes
//! upload 2~abc…           the upload in parts, as the store names it
//! part "9bb5…"            the tag of a part, in their order
//! tail 2.9 1234 "77de…" "77de…"   the bytes after the parts: where they are, how many, their tag, and that of the part
//!                         that they are as well, or `-`
//! base 8388608 8388608 "…"      the first bytes are those of the object under the upload's key: how many count, how many it
//!                         has, its tag
//! old "…"                 the tag of an object under the upload's key that has no meaning any more
//! note 01ab… KEY          a note: its value in hexadecimal digits, its key
//! ```

use lighter_storage::Note;

use crate::sign::hex;

const FIRST_LINE: &str = "lighter upload 1";

/// The record of an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Who wrote it.
    pub(crate) writer: String,
    /// Whether its writer holds the upload.
    pub(crate) held: bool,
    /// How many writers there have been.
    pub(crate) turn: u64,
    /// How often it was written. A tag is mostly the content's MD5, so a record that is written again to show that its
    /// writer is at work must differ.
    pub(crate) beat: u64,
    /// The size of each part, in bytes. It never changes.
    pub(crate) chunk: u64,
    /// The upload in parts.
    pub(crate) upload: Option<String>,
    /// The tags of the parts.
    pub(crate) parts: Vec<String>,
    pub(crate) tail: Option<Tail>,
    pub(crate) base: Option<Base>,
    /// The tag of an object under the upload's key that has no meaning any more.
    pub(crate) old: Option<String>,
    /// Notes about exactly these bytes.
    pub(crate) notes: Vec<Note>,
}

/// The last bytes of an upload, which are fewer than a part has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The turn in which they were stored, and the beat.
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) etag: String,
    /// Its tag as a part, if it is one, too.
    pub(crate) part: Option<String>,
}

/// The first bytes of an upload, where they are an object already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// How many bytes count.
    pub(crate) size: u64,
    /// How many there are.
    pub(crate) whole: u64,
    pub(crate) etag: String,
}

impl Record {
    /// How many bytes the upload has.
    pub(crate) fn offset(&self) -> u64 {
        let base = self.base.as_ref().map_or(0, |base| base.size);
        base + self.parts.len() as u64 * self.chunk + self.tail.as_ref().map_or(0, |tail| tail.size)
    }

    /// Writes it.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\n");
        let mut line = |name: &str, value: &str| {
            text.push_str(name);
            if !value.is_empty() {
                text.push(' ');
                text.push_str(value);
            }
            text.push('\n');
        };
        line("writer", &self.writer);
        if self.held {
            line("held", "");
        }
        line("turn", &self.turn.to_string());
        line("beat", &self.beat.to_string());
        line("chunk", &self.chunk.to_string());
        if let Some(upload) = &self.upload {
            line("upload", upload);
        }
        for part in &self.parts {
            line("part", part);
        }
        if let Some(Tail { name, size, etag, part }) = &self.tail {
            line("tail", &format!("{name} {size} {etag} {}", part.as_deref().unwrap_or("-")));
        }
        if let Some(Base { size, whole, etag }) = &self.base {
            line("base", &format!("{size} {whole} {etag}"));
        }
        if let Some(old) = &self.old {
            line("old", old);
        }
        for (key, value) in &self.notes {
            line("note", &format!("{} {key}", hex(value)));
        }
        text.into_bytes()
    }

    /// Reads it. None if it is no record of this version.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut lines = core::str::from_utf8(bytes).ok()?.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let mut record = Self::default();
        for line in lines {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            let words = &mut value.split(' ');
            let mut word = || words.next().map(str::to_owned);
            match name {
                "writer" => record.writer = word()?,
                "held" => record.held = true,
                "turn" => record.turn = word()?.parse().ok()?,
                "beat" => record.beat = word()?.parse().ok()?,
                "chunk" => record.chunk = word()?.parse().ok()?,
                "upload" => record.upload = Some(word()?),
                "part" => record.parts.push(word()?),
                "tail" => {
                    let (name, size) = (word()?, word()?.parse().ok()?);
                    let (etag, part) = (word()?, word().filter(|part| part != "-"));
                    record.tail = Some(Tail { name, size, etag, part });
                }
                "base" => {
                    let (size, whole) = (word()?.parse().ok()?, word()?.parse().ok()?);
                    record.base = Some(Base { size, whole, etag: word()? });
                }
                "old" => record.old = Some(word()?),
                "note" => {
                    let value = unhex(&word()?)?;
                    record.notes.push((word()?, value));
                }
                _ => return None,
            }
        }
        Some(record).filter(|record| record.chunk > 0 && !record.writer.is_empty())
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |letter: u8| char::from(letter).to_digit(16).map(|digit| digit as u8);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Record {
        Record {
            writer: "a1".to_owned(),
            held: true,
            turn: 3,
            beat: 17,
            chunk: 100,
            upload: Some("1+/=x~".to_owned()),
            parts: vec!["\"a\"".to_owned(), "\"b\"".to_owned()],
            tail: Some(Tail {
                name: "2.9".to_owned(),
                size: 7,
                etag: "\"c\"".to_owned(),
                part: Some("\"d\"".to_owned()),
            }),
            base: Some(Base { size: 50, whole: 60, etag: "\"e\"".to_owned() }),
            old: Some("\"f\"".to_owned()),
            notes: vec![("a/b".to_owned(), b"\0\xff".to_vec()), ("c".to_owned(), Vec::new())],
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let none = Record { writer: "a".to_owned(), chunk: 1, ..Record::default() };
        let tail = full().tail.map(|tail| Tail { part: None, ..tail });
        for record in [full(), none, Record { held: false, tail, ..full() }] {
            assert_eq!(Record::read(&record.write()), Some(record));
        }
        assert_eq!(full().offset(), 257);
    }

    #[test]
    fn what_is_no_record_is_none() {
        let text = String::from_utf8(full().write()).unwrap();
        for (from, to) in [
            ("upload 1", "upload 2"),
            ("chunk 100", "chunk 0"),
            ("chunk 100", "chunk x"),
            ("old", "new"),
            ("00ff", "0ff"),
            ("00ff", "0g"),
            ("writer a1", "writer "),
        ] {
            assert!(text.contains(from));
            assert_eq!(Record::read(text.replacen(from, to, 1).as_bytes()), None, "{to}");
        }
        assert_eq!(Record::read(b"\xff"), None);
        assert_eq!(Record::read(b""), None);
    }
}
