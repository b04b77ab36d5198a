//! JSON as answers have it, and as others have written it.

use serde::{Deserialize, Serialize};

/// Writes a JSON body, with the newline at its end that distribution sends.
#[expect(clippy::expect_used, reason = "what is written here has string keys and cannot fail")]
pub fn json_body(document: &impl Serialize) -> Vec<u8> {
    let mut body = serde_json::to_vec(document).expect("serializable");
    body.push(b'\n');
    body
}

/// Reads JSON that came as bytes. Returns `None` if it is not of that form, or not UTF-8. All JSON is read as text: a parser of
/// bytes would be a second one in the component.
pub fn read_json<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    serde_json::from_str(str::from_utf8(json).ok()?).ok()
}
