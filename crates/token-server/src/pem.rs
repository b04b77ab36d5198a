//! The textual encoding of certificates and keys (RFC 7468).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The label of a certificate.
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";
/// The label of a key, a `SubjectPublicKeyInfo`.
pub(crate) const PUBLIC_KEY: &str = "PUBLIC KEY";

/// Finds the certificates and keys in a text: each label with its bytes. Other text is ignored. An item errs with a
/// sentence for the log if its block is broken.
pub(crate) fn blocks(text: &str) -> impl Iterator<Item = Result<(&'static str, Vec<u8>), String>> {
    let mut lines = text.lines().map(str::trim);
    std::iter::from_fn(move || {
        let label = lines.by_ref().find_map(|line| match line {
            "-----BEGIN CERTIFICATE-----" => Some(CERTIFICATE),
            "-----BEGIN PUBLIC KEY-----" => Some(PUBLIC_KEY),
            _ => None,
        })?;
        let mut base64 = String::new();
        for line in lines.by_ref() {
            let Some(end) = line.strip_prefix("-----END ") else {
                base64.push_str(line);
                continue;
            };
            if end.strip_suffix("-----") != Some(label) {
                break;
            }
            let bytes = STANDARD.decode(&base64);
            let broken = |_| format!("a {label} of the bundle is not base64");
            return Some(bytes.map_err(broken).map(|bytes| (label, bytes)));
        }
        Some(Err(format!("a {label} of the bundle has no end")))
    })
}
