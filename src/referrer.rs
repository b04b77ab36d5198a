//! Referrers: manifests that refer to another one, their subject.

use core::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::descriptor::Descriptor;
use crate::members::{self, Members};
use lighter_hash::Digest;

/// The parts of a manifest that a list of its subject's referrers shows.
#[derive(Debug)]
pub struct Referrer {
    /// The subject.
    pub subject: Option<Digest>,
    /// The manifest's artifact type, or the media type of an image's config. An index without the field has none.
    pub artifact_type: Option<String>,
    /// The annotations, in their original spelling.
    pub annotations: Option<Box<RawValue>>,
}

impl Referrer {
    /// Reads a stored manifest. Returns `None` if it is not a JSON object. Invalid members are left out: they
    /// would make the list of referrers unreadable for clients.
    pub fn of(content: &[u8]) -> Option<Self> {
        let text = members::text(content);
        let members = Members::read(&text, &["artifactType", "config", "subject", "annotations"]).ok()?;
        // An empty text counts as missing.
        let said = |text: &String| !text.is_empty();
        let config = || members.json("config").and_then(Descriptor::media_type_in);
        let artifact_type = members.get_if_valid("artifactType").filter(said).or_else(config);
        let annotations = members.get_if_valid::<StringMap>("annotations").and(members.json("annotations"));
        Some(Self {
            subject: members.json("subject").and_then(Descriptor::digest_in),
            artifact_type: artifact_type.filter(said),
            annotations: annotations.map(ToOwned::to_owned),
        })
    }
}

/// An object whose members are all strings, as annotations are. The members are only checked, not kept.
struct StringMap;

impl<'de> Deserialize<'de> for StringMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = StringMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with strings")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<StringMap, M::Error> {
                while members.next_entry::<IgnoredAny, String>()?.is_some() {}
                Ok(StringMap)
            }
        }
        deserializer.deserialize_map(Texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn of_a_referrer_is_read_what_can_be() {
        let of = |members: &str| Referrer::of(format!("{{{members}}}").as_bytes()).unwrap();
        let subject = format!(r#""subject":{{"digest":"{A}","size":"x","urls":7}}"#);
        let whole = of(&format!(
            r#"{subject},"artifactType":"a/b","config":{{"mediaType":"c/d"}},"annotations":{{"e":"f"}}"#
        ));
        assert_eq!(whole.subject.unwrap().as_str(), A);
        assert_eq!(whole.artifact_type.as_deref(), Some("a/b"));
        assert_eq!(whole.annotations.unwrap().get(), r#"{"e":"f"}"#);
        for odd in [r#""config":7"#, r#""layers":"none""#, r#""manifests":{}"#, r#""schemaVersion":"2""#] {
            assert!(of(&format!("{subject},{odd}")).subject.is_some(), "{odd}");
        }
        for annotations in ["7", "[]", r#"{"a":1}"#, r#"{"a":null}"#, r#""a""#, "null"] {
            let odd = of(&format!(r#"{subject},"annotations":{annotations}"#));
            assert!(odd.subject.is_some() && odd.annotations.is_none(), "{annotations}");
        }
        for (members, expected) in [
            (r#""artifactType":"","config":{"mediaType":"c/d"}"#, Some("c/d")),
            (r#""artifactType":7,"config":{"mediaType":"c/d"}"#, Some("c/d")),
            (r#""artifactType":null,"config":{"mediaType":"c/d"}"#, Some("c/d")),
            (r#""config":{}"#, None),
            (r#""config":{"mediaType":7}"#, None),
            (r#""subject":null,"config":null,"annotations":null"#, None),
        ] {
            assert_eq!(of(members).artifact_type.as_deref(), expected, "{members}");
        }
        assert!(Referrer::of(b"[]").is_none());
    }
}
