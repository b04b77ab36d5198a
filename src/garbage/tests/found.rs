//! Digests in manifests, as they may be written.

use crate::garbage::references::Finder;

fn found(content: &[u8], piece: usize) -> Vec<String> {
    let mut finder = Finder::default();
    content.chunks(piece).for_each(|bytes| finder.update(bytes));
    finder.finish().iter().map(ToString::to_string).collect()
}

#[test]
fn digests_are_found_wherever_they_stand() {
    let one = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let two = format!("sha512:{}", "fedcba9876543210".repeat(8));
    let escaped: String = one.bytes().map(|byte| format!("\\u{byte:04X}")).collect();
    for (content, expected) in [
        (format!(r#"{{"a":"{one}"}}"#), vec![&one]),
        (format!(r#"{{"{one}":[{{"b":"{two}"}}]}}"#), vec![&one, &two]),
        (format!(r#"{{"a":"{escaped}"}}"#), vec![&one]),
        (format!(r#"{{"a":"{}"}}"#, one.replace(':', "\\u003a")), vec![&one]),
        (format!(r#"{{"a":"\"{one}\\"}}"#), vec![&one]),
        (format!(r#"{{"a":"\n{one}\/{two}"}}"#), vec![&one, &two]),
        // In the text of another manifest, escaped twice.
        (format!(r#"{{"v1Compatibility":"{{\"id\":\"{one}\"}}"}}"#), vec![&one]),
        // No JSON.
        (format!("\\u {one}"), vec![&one]),
        (format!("\\u00zz {one}\\"), vec![&one]),
        (format!("\u{fffd}{one}"), vec![&one]),
        (format!("{}{one}{}", "a".repeat(5000), "b".repeat(5000)), vec![&one]),
        (format!("sha256:{one}{two}"), vec![&one, &two]),
        (one[..70].to_owned(), vec![]),
        (one.to_uppercase(), vec![]),
        (String::new(), vec![]),
    ] {
        for piece in [1, 7, 64, 100_000] {
            let found = found(content.as_bytes(), piece);
            assert!(expected.iter().all(|digest| found.contains(digest)), "{content} in {piece}: {found:?}");
            assert!(found.iter().all(|digest| expected.contains(&digest)), "{content} in {piece}: {found:?}");
        }
    }
}
