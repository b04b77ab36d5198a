//! As much of XML as the protocol has: elements, and text.

use std::borrow::Cow;

/// Each tag, without its brackets, and the text behind it, up to the next tag. A list has thousands, so this is one pass.
pub(crate) fn tags(xml: &str) -> impl Iterator<Item = (&str, &str)> {
    xml.split('<').filter_map(|tag| tag.split_once('>'))
}

/// The text of the first element of a name.
pub(crate) fn text(xml: &str, name: &str) -> Option<String> {
    tags(xml).find(|(tag, _)| *tag == name).map(|(_, text)| unescape(text).into_owned())
}

/// What stands for a character after a `&`, up to the `;`.
fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(number.ok()?)
        }
    }
}

/// The text that is written so.
pub(crate) fn unescape(mut text: &str) -> Cow<'_, str> {
    let mut plain = String::new();
    while let Some((before, after)) = text.split_once('&') {
        plain.push_str(before);
        let escaped = after.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest)));
        text = match escaped {
            Some((character, rest)) => {
                plain.push(character);
                rest
            }
            None => {
                plain.push('&');
                after
            }
        };
    }
    if plain.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(plain + text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found() {
        let xml = "<?xml?><A a=\"b\"><B>1</B><C>\n<B>2 &amp; &#34;3&#x22; &x &lt;</B></C></A>";
        let texts =
            |name| tags(xml).filter(|(tag, _)| *tag == name).map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts("B"), ["1", "2 &amp; &#34;3&#x22; &x &lt;"]);
        assert_eq!((texts("C"), texts("/C")), (vec!["\n"], vec![""]));
        assert_eq!(text(xml, "B").unwrap(), "1");
        assert_eq!(text(xml, "D"), None);
        assert_eq!(text("<A", "A"), None);
        assert_eq!(unescape("2 &amp; &#34;3&#x22; &x &lt;"), "2 & \"3\" &x <");
        assert_eq!(unescape("&amp;"), "&");
        assert_eq!(unescape("&#xFFFFFFFF;&"), "&#xFFFFFFFF;&");
    }
}
