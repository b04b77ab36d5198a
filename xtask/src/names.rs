//! The names of a component's parts: for people who debug it, a twentieth of what is shipped, and what
//! `strip = true` leaves alone.

use anyhow::{Context, Result};

/// What a binary begins with: its magic number and version.
const HEADER: usize = 8;

/// The section that has the names.
const NAMES: &[u8] = b"component-name";

/// Returns a component without the names of its parts. Everything else stays as it is.
pub(crate) fn without_names(component: &[u8]) -> Result<Vec<u8>> {
    let (header, mut rest) = component.split_at_checked(HEADER).context("a component has a header")?;
    let mut kept = header.to_vec();
    while let Some((id, after)) = rest.split_first() {
        let (length, content) = leb128(after).context("a section of a component says how long it is")?;
        let next = content.get(length..).context("a section of a component is as long as it says")?;
        let is_names = *id == 0 && leb128(content).is_some_and(|(_, name)| name.starts_with(NAMES));
        if !is_names {
            kept.extend_from_slice(rest.strip_suffix(next).unwrap_or(rest));
        }
        rest = next;
    }
    Ok(kept)
}

/// Reads a number of WebAssembly's binary format, and returns it with what follows.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        number |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(place + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{leb128, without_names};

    #[test]
    fn names_go_and_all_else_stays() {
        let named = wat::parse_str("(component $named (core module (func)))").unwrap();
        let bare = without_names(&named).unwrap();
        assert_eq!(bare, wat::parse_str("(component (core module (func)))").unwrap());
        assert!(bare.len() < named.len());
        assert_eq!(without_names(&bare).unwrap(), bare);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let named = wat::parse_str("(component $named)").unwrap();
        assert!(without_names(&named[..named.len() - 1]).is_err());
        assert!(without_names(b"").is_err());
    }

    #[test]
    fn numbers_have_up_to_five_bytes() {
        assert_eq!(leb128(&[0x05, 0xff]), Some((5, &[0xff][..])));
        assert_eq!(leb128(&[0xe5, 0x8e, 0x26]), Some((624_485, &[][..])));
        assert_eq!(leb128(&[0x80]), None);
    }
}
