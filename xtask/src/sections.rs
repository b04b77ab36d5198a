//! The sections of a component's binary, to leave some out and put others in their place.

use anyhow::{Context, Result};

/// The length of a binary's header: its magic number and version.
const HEADER: usize = 8;

/// Sections that a host does not need. The names of a component's parts are a twentieth of its size, and `strip = true`
/// does not remove them.
const CUSTOM: u8 = 0;
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;

/// The section with the names.
const NAMES: &[u8] = b"component-name";

/// The replacement of a section, by its id and content.
type Change<'a> = dyn FnMut(u8, &[u8]) -> Result<Option<Vec<u8>>> + 'a;

/// Returns a component without the names of its parts, otherwise unchanged.
pub(crate) fn without_names(component: &[u8]) -> Result<Vec<u8>> {
    changed(component, &mut |id, content| {
        let is_names = id == CUSTOM && number(content).is_some_and(|(_, name)| name.starts_with(NAMES));
        Ok((!is_names).then(|| content.to_owned()))
    })
}

/// Returns a component with its core modules replaced, at any depth.
pub(crate) fn with_modules(
    component: &[u8],
    change: &mut dyn FnMut(&[u8]) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    changed(component, &mut |id, content| match id {
        CORE_MODULE => change(content).map(Some),
        COMPONENT => with_modules(content, change).map(Some),
        _ => Ok(Some(content.to_owned())),
    })
}

/// Returns a component with what each section becomes; none is left out.
fn changed(component: &[u8], change: &mut Change) -> Result<Vec<u8>> {
    let (header, mut rest) = component.split_at_checked(HEADER).context("the component has no header")?;
    let mut changed = header.to_vec();
    while let Some((id, after)) = rest.split_first() {
        let (length, content) = number(after).context("a section of the component has no valid length")?;
        let (content, next) =
            content.split_at_checked(length).context("a section of the component is cut off")?;
        if let Some(content) = change(*id, content)? {
            changed.push(*id);
            push_number(&mut changed, content.len());
            changed.extend(content);
        }
        rest = next;
    }
    Ok(changed)
}

/// Reads a number of WebAssembly's binary format (LEB128), and returns it with what follows.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut number = 0;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        number |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(place + 1..)?));
        }
    }
    None
}

/// Writes a number as [`number`] reads it.
fn push_number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_and_all_else_stays() {
        let named = wat::parse_str("(component $named (core module (func)))").unwrap();
        let bare = without_names(&named).unwrap();
        assert_eq!(bare, wat::parse_str("(component (core module (func)))").unwrap());
        assert!(bare.len() < named.len());
        assert_eq!(without_names(&bare).unwrap(), bare);
    }

    #[test]
    fn modules_are_changed_at_any_depth() {
        let module = |number: usize| format!("(core module (func (result i32) i32.const {number}))");
        let nested = |inner: usize, outer: usize| {
            let text = format!("(component (component {}) {})", module(inner), module(outer));
            without_names(&wat::parse_str(text).unwrap()).unwrap()
        };
        let mut lengths = Vec::new();
        let changed = with_modules(&nested(1, 2), &mut |old| {
            lengths.push(old.len());
            Ok(wat::parse_str("(module (func (result i32) i32.const 300))")?)
        });
        assert_eq!(changed.unwrap(), nested(300, 300));
        assert_eq!(lengths.len(), 2);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let named = wat::parse_str("(component $named)").unwrap();
        assert!(without_names(&named[..named.len() - 1]).is_err());
        assert!(without_names(b"").is_err());
    }

    #[test]
    fn numbers_have_up_to_five_bytes() {
        assert_eq!(number(&[0x05, 0xff]), Some((5, &[0xff][..])));
        assert_eq!(number(&[0xe5, 0x8e, 0x26]), Some((624_485, &[][..])));
        assert_eq!(number(&[0x80]), None);
        for n in [0, 1, 127, 128, 300, 16_383, 16_384, 624_485, u32::MAX as usize] {
            let mut bytes = Vec::new();
            push_number(&mut bytes, n);
            assert_eq!(number(&bytes), Some((n, &[][..])));
        }
    }
}
