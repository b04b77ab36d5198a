//! JSON as answers have it.

use serde::Serialize;

/// Writes a JSON body, with the newline at its end that distribution sends.
#[expect(clippy::expect_used, reason = "what is written here has string keys and cannot fail")]
pub fn json_body(document: &impl Serialize) -> Vec<u8> {
    let mut body = serde_json::to_vec(document).expect("serializable");
    body.push(b'\n');
    body
}
