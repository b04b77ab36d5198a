//! The members of a JSON object, read as Go's `encoding/json` reads them: other registries and most
//! clients are written in Go, and all of them must read a manifest in the same way.
//!
//! - Names are compared without regard to case: `MediaType` is `mediaType`.
//! - If a name occurs twice, the last one counts.
//! - `null` is the same as a missing member.

use core::fmt;
use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::Error;
use serde_json::value::RawValue;

/// Returns bytes as the text that Go reads them as: what is not UTF-8 becomes U+FFFD.
pub fn text(json: &[u8]) -> Cow<'_, str> {
    // Nearly all is UTF-8, and checking that is several times as fast as looking for what to replace.
    str::from_utf8(json).map_or_else(|_| String::from_utf8_lossy(json), Cow::Borrowed)
}

/// Some members of an object. Each is parsed only when it is asked for.
pub struct Members<'a> {
    names: &'static [&'static str],
    values: Vec<Option<&'a RawValue>>,
}

impl<'a> Members<'a> {
    /// Finds the members of these names. Errs if the text is not one JSON object.
    pub fn read(json: &'a str, names: &'static [&'static str]) -> Result<Self, Error> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let members = serde::Deserializer::deserialize_map(&mut deserializer, Object { names })?;
        deserializer.end()?;
        Ok(members)
    }

    /// The JSON of a member.
    pub fn json(&self, name: &str) -> Option<&'a RawValue> {
        self.value(name).filter(|json| json.get() != "null")
    }

    /// Whether a member is present, even as `null`.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Reads a member. Errs with the reason if it has another type.
    pub fn get<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, String> {
        let read = self.json(name).map(|json| serde_json::from_str(json.get())).transpose();
        read.map_err(|error| format!("{name}: {error}"))
    }

    /// Reads a member. A member of another type counts as missing.
    pub fn get_if_valid<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        self.get(name).ok().flatten()
    }

    fn value(&self, name: &str) -> Option<&'a RawValue> {
        let place = self.names.iter().position(|known| *known == name)?;
        self.values.get(place).copied().flatten()
    }
}

/// Reads an object.
struct Object {
    names: &'static [&'static str],
}

impl<'de> Visitor<'de> for Object {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
        let mut values = vec![None; self.names.len()];
        while let Some(place) = map.next_key_seed(Place { names: self.names })? {
            match place.and_then(|place| values.get_mut(place)) {
                Some(value) => *value = Some(map.next_value()?),
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(Members { names: self.names, values })
    }
}

/// Reads a name as its place among the names that are looked for.
struct Place {
    names: &'static [&'static str],
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Place {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.names.iter().position(|known| known.eq_ignore_ascii_case(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Members<'_>, Error> {
        Members::read(json, &["mediaType", "size"])
    }

    #[test]
    fn members_are_those_that_go_reads() {
        for (json, media_type) in [
            (r#"{"mediaType":"a/b"}"#, Some("a/b")),
            (r#"{"MEDIATYPE":"a/b","x":{"mediaType":"c/d"}}"#, Some("a/b")),
            (r#"{"mediaType":"a/b","size":1,"MediaType":"c/d"}"#, Some("c/d")),
            (r#"{"media\u0054ype":"a/b"}"#, Some("a/b")),
            (r#"{"mediaType":null}"#, None),
            (r#"{"mediaType":"a/b","mediaType":null}"#, None),
            (r#"{"mediatype ":"a/b"}"#, None),
            ("{}", None),
        ] {
            let read = read(json).unwrap().get::<String>("mediaType").unwrap();
            assert_eq!(read.as_deref(), media_type, "{json}");
        }
    }

    #[test]
    fn a_member_of_another_type_is_an_error_or_left_out() {
        let members = read(r#"{"size":"8","mediaType":null}"#).unwrap();
        assert!(members.get::<u64>("size").unwrap_err().starts_with("size: "));
        assert_eq!(members.get_if_valid::<u64>("size"), None);
        assert_eq!((members.has("mediaType"), members.json("mediaType").is_some()), (true, false));
        assert_eq!(members.get::<String>("none"), Ok(None));
    }

    #[test]
    fn what_is_not_utf8_is_replaced() {
        assert_eq!(text("{\"ä\"".as_bytes()), "{\"ä\"");
        assert_eq!(text(b"a\xffb\xc3"), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn what_is_not_one_object_is_an_error() {
        for json in ["", "null", "[]", "7", "{", "{}{}", r#"{"size":}"#, r#"{"size":1,}"#] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
