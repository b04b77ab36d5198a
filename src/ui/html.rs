//! The text of a page. What is written is either markup, which is part of this program, or text, which is escaped:
//! there is no third way, so nothing that a client pushed can become markup.

use super::links::Link;

/// The most bytes of JSON that a page shows.
const JSON_MAX: usize = 128 * 1024;

/// The deepest level of JSON that is indented.
const DEPTH_MAX: usize = 12;

/// A page that is being written.
#[derive(Default)]
pub struct Html(String);

impl Html {
    /// Writes markup.
    #[inline(never)] // once, and not at each of its hundreds of uses
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Writes text, between tags or in an attribute that is quoted.
    #[inline(never)]
    pub fn text(&mut self, text: &str) -> &mut Self {
        text.chars().for_each(|c| self.char(c));
        self
    }

    fn char(&mut self, c: char) {
        match c {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\'' => self.0.push_str("&#39;"),
            c if misleads(c) => self.0.push('\u{fffd}'),
            c => self.0.push(c),
        }
    }

    /// Writes the first `max` characters of text, and a sign that there are more.
    #[inline(never)]
    pub fn cut(&mut self, text: &str, max: usize) -> &mut Self {
        match text.char_indices().nth(max) {
            None => self.text(text),
            Some((end, _)) => self.text(text.get(..end).unwrap_or_default()).text("…"),
        }
    }

    /// Writes a number.
    #[inline(never)]
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.text(&number.to_string())
    }

    /// Writes the opening tag of a link. Links lead only to other pages of the registry.
    #[inline(never)]
    pub fn link(&mut self, link: &Link) -> &mut Self {
        self.raw("<a href=\"").text(link.as_str()).raw("\">")
    }

    /// Writes a field whose whole text is selected when it gets the focus, to be copied from.
    pub fn copyable(&mut self, label: &str, text: &str) -> &mut Self {
        self.raw("<label class=\"copy\"><span>").text(label).raw("</span><input readonly value=\"");
        self.text(text).raw("\"></label>")
    }

    /// Writes JSON, indented, as far as there is room for it. Text that is not JSON is written in some form, too.
    pub fn json(&mut self, json: &str) -> &mut Self {
        let end = self.0.len() + JSON_MAX;
        let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
        self.raw("<pre tabindex=\"0\">");
        for c in json.trim().chars() {
            if self.0.len() > end {
                self.raw("…");
                break;
            }
            if in_string {
                in_string = is_escaped || c != '"';
                is_escaped = c == '\\' && !is_escaped;
                self.char(c);
                continue;
            }
            match c {
                '"' => {
                    in_string = true;
                    self.char(c);
                }
                '{' | '[' => {
                    depth += 1;
                    self.char(c);
                    self.line(depth);
                }
                '}' | ']' => {
                    depth = depth.saturating_sub(1);
                    self.line(depth);
                    self.char(c);
                }
                ',' => {
                    self.char(c);
                    self.line(depth);
                }
                ':' => _ = self.raw(": "),
                c if c.is_ascii_whitespace() => {}
                c => self.char(c),
            }
        }
        self.raw("</pre>")
    }

    fn line(&mut self, depth: usize) {
        self.0.push('\n');
        (0..depth.min(DEPTH_MAX)).for_each(|_| self.0.push_str("  "));
    }

    /// Writes a part that was written apart.
    pub fn append(&mut self, part: Self) -> &mut Self {
        self.0.push_str(&part.0);
        self
    }

    /// Ends the page.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// Whether a text has a part. The search is large, so it is here once.
#[inline(never)]
pub fn has(text: &str, part: &str) -> bool {
    text.contains(part)
}

/// Whether a character has no shape of its own and changes how others look: the controls, and the signs that turn the
/// direction of text.
fn misleads(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        '\u{feff}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Html)) -> String {
        let mut html = Html::default();
        write(&mut html);
        String::from_utf8(html.into_bytes()).unwrap()
    }

    #[test]
    fn text_never_becomes_markup() {
        assert_eq!(
            written(|html| _ = html.raw("<b>").text("<script>alert('1' && \"2\")</script>").raw("</b>")),
            "<b>&lt;script&gt;alert(&#39;1&#39; &amp;&amp; &quot;2&quot;)&lt;/script&gt;</b>"
        );
        assert_eq!(
            written(|html| _ = html.copyable("\"><", "' onfocus=x \"")),
            "<label class=\"copy\"><span>&quot;&gt;&lt;</span>\
             <input readonly value=\"&#39; onfocus=x &quot;\"></label>"
        );
    }

    #[test]
    fn what_has_no_shape_is_shown() {
        for c in ['\0', '\u{1b}', '\r', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200f}', '\u{feff}'] {
            assert_eq!(written(|html| _ = html.text(&format!("a{c}b"))), "a\u{fffd}b", "{c:?}");
        }
        assert_eq!(written(|html| _ = html.text("ä\n\t文 \u{1f980}")), "ä\n\t文 \u{1f980}");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(written(|html| _ = html.cut("äöü", 3)), "äöü");
        assert_eq!(written(|html| _ = html.cut("äöü<", 3)), "äöü…");
    }

    #[test]
    fn json_is_indented_and_escaped() {
        let shown = written(|html| _ = html.json(r#"{"a":[1, "x\",<b>:{"],"b":{}}"#));
        let expected = "<pre tabindex=\"0\">{\n  &quot;a&quot;: [\n    1,\n    &quot;x\\&quot;,&lt;b&gt;:{&quot;\n  ],\n  \
                        &quot;b&quot;: {\n    \n  }\n}</pre>";
        assert_eq!(shown, expected);
        for hostile in ["[".repeat(70_000), "\u{202e}".repeat(70_000), "]},\\\"".repeat(10_000)] {
            assert!(written(|html| _ = html.json(&hostile)).len() < JSON_MAX + 200);
        }
    }
}
