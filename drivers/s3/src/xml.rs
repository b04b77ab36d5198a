//! As much of XML as the protocol has: elements without attributes, and text.

/// The content of the first element of a name.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    elements(xml, name).next()
}

/// The content of each element of a name, in their order. None has one of its own name inside.
pub(crate) fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    core::iter::from_fn(move || {
        let (_, after) = rest.split_once(open.as_str())?;
        let (content, after) = after.split_once(close.as_str())?;
        rest = after;
        Some(content)
    })
}

/// The text of the first element of a name.
pub(crate) fn text(xml: &str, name: &str) -> Option<String> {
    element(xml, name).map(unescape)
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

fn unescape(mut text: &str) -> String {
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
    plain + text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found() {
        let xml = "<?xml?><A><B>1</B><C><B>2 &amp; &#34;3&#x22; &x &lt;</B></C></A>";
        assert_eq!(elements(xml, "B").collect::<Vec<_>>(), ["1", "2 &amp; &#34;3&#x22; &x &lt;"]);
        assert_eq!(element(xml, "C").and_then(|c| text(c, "B")).unwrap(), "2 & \"3\" &x <");
        assert_eq!(element(xml, "D"), None);
        assert_eq!(element("<A>", "A"), None);
        assert_eq!(text("<A>&#xFFFFFFFF;&</A>", "A").unwrap(), "&#xFFFFFFFF;&");
    }
}
