//! Digests: the names of content.

use core::fmt;

use serde::{Serialize, Serializer};

/// A digest algorithm that the OCI Image Spec registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256, the canonical algorithm: content is stored under it.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Finds an algorithm by the name that digests carry.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "sha256" => Some(Self::Sha256),
            "sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The name that digests carry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The number of hexadecimal digits of a digest.
    fn hex_length(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    /// The number of characters of a whole digest.
    pub fn text_length(self) -> usize {
        self.as_str().len() + 1 + self.hex_length()
    }
}

/// The digest of some content, well-formed: `sha256:` with 64 lower-case hexadecimal digits, or
/// `sha512:` with 128.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    text: String,
    algorithm: Algorithm,
}

impl Digest {
    /// Parses a digest. Errs with the reason, for the client.
    pub fn parse(digest: &str) -> Result<Self, &'static str> {
        let (algorithm, hex) = digest.split_once(':').ok_or("a digest is ALGORITHM:HEX")?;
        let algorithm =
            Algorithm::parse(algorithm).ok_or("the digest's algorithm is not sha256 or sha512")?;
        if hex.len() != algorithm.hex_length() || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(match algorithm {
                Algorithm::Sha256 => "a sha256 digest has 64 lower-case hexadecimal digits",
                Algorithm::Sha512 => "a sha512 digest has 128 lower-case hexadecimal digits",
            });
        }
        Ok(Self { text: digest.to_owned(), algorithm })
    }

    /// Writes the output of a hash function as a digest.
    pub(crate) fn of_output(algorithm: Algorithm, output: &[u8]) -> Self {
        const HEX: [char; 16] =
            ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        let mut text = String::with_capacity(algorithm.as_str().len() + 1 + output.len() * 2);
        text.push_str(algorithm.as_str());
        text.push(':');
        text.extend(
            output.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|n| HEX.get(usize::from(n))),
        );
        Self { text, algorithm }
    }

    /// The whole digest, `ALGORITHM:HEX`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the colon.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The part after the colon.
    pub fn hex(&self) -> &str {
        self.text.get(self.algorithm.as_str().len() + 1..).unwrap_or_default()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_checked() {
        let hex = "0123456789abcdef".repeat(4);
        let digest = Digest::parse(&format!("sha256:{hex}")).unwrap();
        assert_eq!((digest.algorithm(), digest.hex()), (Algorithm::Sha256, hex.as_str()));
        assert!(Digest::parse(&format!("sha512:{hex}{hex}")).is_ok());
        for bad in [
            String::new(),
            "sha256".into(),
            "sha256:".into(),
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{hex}0"),
            format!("sha256:{}", hex.to_uppercase()),
            format!("SHA256:{hex}"),
            format!("md5:{hex}"),
            format!("sha512:{hex}"),
            format!("sha256:../{}", &hex[3..]),
        ] {
            assert!(Digest::parse(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_output_is_written_as_a_digest() {
        let digest = Digest::of_output(Algorithm::Sha256, &[0x0f; 32]);
        assert_eq!(Digest::parse(digest.as_str()), Ok(digest.clone()));
        assert_eq!(digest.hex(), "0f".repeat(32));
    }
}
