//! Sizes and times, as people read them.

use super::html::Html;
use crate::clock::{rfc3339, seconds};
use crate::size::in_units;

/// Writes a number of bytes: to a tenth, in units of a thousand, and exactly where one points at it.
pub fn size(html: &mut Html, bytes: u64) {
    html.raw("<span class=\"size\" title=\"").number(bytes).raw(" bytes\">");
    html.text(&short(bytes)).raw("</span>");
}

/// A number of bytes, to a tenth.
pub fn short(bytes: u64) -> String {
    in_units(bytes, 1000, &["kB", "MB", "GB", "TB"])
}

/// Writes how long ago something was.
pub fn ago(html: &mut Html, age: u64) {
    let (number, unit) = match age {
        0..60 => (0, "just now"),
        60..3600 => (age / 60, "minute"),
        3600..86_400 => (age / 3600, "hour"),
        86_400..5_184_000 => (age / 86_400, "day"),
        5_184_000..63_072_000 => (age / 2_592_000, "month"),
        _ => (age / 31_536_000, "year"),
    };
    let at = rfc3339(seconds().saturating_sub(age));
    html.raw("<time datetime=\"").text(&at).raw("\" title=\"").text(&at).raw("\">");
    if number > 0 {
        html.number(number).raw(" ");
    }
    html.text(unit).raw(match number {
        0 => "</time>",
        1 => " ago</time>",
        _ => "s ago</time>",
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_to_a_tenth() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (1_000_000, "1.0 MB"),
            (3_422_311, "3.4 MB"),
            (12_000_000_000, "12.0 GB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(short(bytes), text);
        }
    }

    #[test]
    fn ages_have_one_unit() {
        for (age, text) in [
            (3, ">just now<"),
            (60, ">1 minute ago<"),
            (7300, ">2 hours ago<"),
            (86_400 * 40, ">40 days ago<"),
            (86_400 * 70, ">2 months ago<"),
            (u64::MAX, " years ago<"),
        ] {
            let mut html = Html::default();
            ago(&mut html, age);
            let html = String::from_utf8(html.into_bytes()).unwrap();
            assert!(html.contains(text), "{html}");
        }
    }
}
