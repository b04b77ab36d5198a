//! What a stored manifest or config has to show. It is read leniently: a member of another type counts as missing.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::kind::{self, Kind};
use crate::manifest::media_type_of;
use crate::members::Members;
use lighter_hash::Digest;

/// The longest manifest that is read for a row of a table, in bytes. Real ones are far shorter.
pub const ROW_MAX: u64 = 256 * 1024;

/// The most descriptors of one manifest that are counted for a row of a table.
pub const COUNTED_MAX: usize = 1000;

/// The most pairs of one object that a page shows.
pub const PAIRS_MAX: usize = 100;

/// The annotation of an entry of an index that is no platform.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// A descriptor.
#[derive(Default)]
pub struct Part<'a> {
    /// The media type, or nothing.
    pub media_type: String,
    /// The digest, if it is one.
    pub digest: Option<Digest>,
    /// The size in bytes that the descriptor states.
    pub size: Option<u64>,
    /// The type of an artifact, or nothing.
    pub artifact_type: String,
    /// The annotations.
    pub annotations: Pairs<'a>,
    platform: Option<&'a str>,
}

impl<'a> Part<'a> {
    /// Reads a descriptor.
    pub fn read(json: &'a RawValue) -> Self {
        const NAMES: &[&str] = &["mediaType", "digest", "size", "artifactType", "annotations", "platform"];
        let Ok(members) = Members::read(json.get(), NAMES) else { return Self::default() };
        let text = |name| members.get_if_valid::<String>(name).unwrap_or_default();
        Self {
            media_type: text("mediaType"),
            digest: Digest::parse(&text("digest")).ok(),
            size: members.get_if_valid("size"),
            artifact_type: text("artifactType"),
            annotations: members.get_if_valid("annotations").unwrap_or_default(),
            platform: members.json("platform").map(RawValue::get),
        }
    }

    /// The platform, as `linux/arm64/v8`, or nothing. An attestation, which BuildKit stores as an image for an unknown
    /// platform, is for none.
    pub fn platform(&self) -> String {
        let platform = self.platform.map(platform).unwrap_or_default();
        if platform.starts_with("unknown/") || self.annotations.contains_key(REFERENCE_TYPE) {
            return String::new();
        }
        platform
    }
}

/// Reads a platform, as an index or a config has it.
pub fn platform(json: &str) -> String {
    let Ok(members) = Members::read(json, &["os", "architecture", "variant"]) else {
        return String::new();
    };
    let mut platform = String::new();
    for name in ["os", "architecture", "variant"] {
        if let Some(part) = members.get_if_valid::<String>(name).filter(|part| !part.is_empty()) {
            platform += if platform.is_empty() { "" } else { "/" };
            platform += &part;
        }
    }
    platform
}

/// A manifest.
pub struct Parts<'a> {
    /// The media type.
    pub media_type: String,
    /// What it is.
    pub kind: Kind,
    /// The type of an artifact, or nothing.
    pub artifact_type: String,
    /// The config of an image, or of an artifact.
    pub config: Option<Part<'a>>,
    /// The layers of an image, or the files of an artifact.
    pub layers: Vec<&'a RawValue>,
    /// The entries of an index.
    pub entries: Vec<&'a RawValue>,
    /// The manifest that it refers to.
    pub subject: Option<Digest>,
    /// The annotations.
    pub annotations: Pairs<'a>,
}

impl<'a> Parts<'a> {
    /// Reads the text of a manifest.
    pub fn read(text: &'a str) -> Self {
        const NAMES: &[&str] =
            &["artifactType", "config", "layers", "manifests", "subject", "annotations", "blobs"];
        let media_type = media_type_of(text.as_bytes());
        let Ok(members) = Members::read(text, NAMES) else {
            let kind = kind::of(&media_type, "", "", "");
            let (config, layers, entries, subject) = (None, Vec::new(), Vec::new(), None);
            let (artifact_type, annotations) = (String::new(), Pairs::default());
            return Self { media_type, kind, artifact_type, config, layers, entries, subject, annotations };
        };
        let list = |name| members.get_if_valid::<Vec<&RawValue>>(name).unwrap_or_default();
        let config = members.json("config").map(Part::read);
        let mut layers = list("layers");
        if layers.is_empty() {
            // As artifacts once had them.
            layers = list("blobs");
        }
        let artifact_type: String = members.get_if_valid("artifactType").unwrap_or_default();
        let first = layers.first().map(|layer| Part::read(layer).media_type).unwrap_or_default();
        let config_type = config.as_ref().map_or("", |config| &config.media_type);
        Self {
            kind: kind::of(&media_type, &artifact_type, &first, config_type),
            media_type,
            artifact_type,
            config,
            layers,
            entries: list("manifests"),
            subject: members.json("subject").and_then(|subject| Part::read(subject).digest),
            annotations: members.get_if_valid("annotations").unwrap_or_default(),
        }
    }

    /// The config and the layers, as far as they are counted.
    pub fn blobs(&self) -> Vec<Part<'a>> {
        let mut blobs: Vec<Part> =
            self.layers.iter().take(COUNTED_MAX).map(|json| Part::read(json)).collect();
        blobs.extend(self.config.as_ref().map(|config| Part {
            digest: config.digest.clone(),
            size: config.size,
            ..Part::default()
        }));
        blobs
    }

    /// The bytes of the config and the layers, as the manifest states them: what a client without any of it pulls.
    pub fn size(&self) -> u64 {
        self.blobs().iter().filter_map(|blob| blob.size).fold(0, u64::saturating_add)
    }
}

/// The members of an object, with their values as JSON.
pub type Pairs<'a> = BTreeMap<String, &'a RawValue>;

/// A value as text: what a string says, and any other value as JSON.
pub fn text_of(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_odd_counts_as_missing() {
        let read = |text: &str| {
            let parts = Parts::read(text);
            (parts.kind.name, parts.layers.len(), parts.entries.len(), parts.size())
        };
        assert_eq!(read("not JSON"), ("Artifact", 0, 0, 0));
        assert_eq!(read(r#"{"layers":7,"manifests":{},"config":[],"annotations":7}"#), ("Artifact", 0, 0, 0));
        let odd = r#"{"layers":[{"size":"8"},7,{"size":-1},{"size":5}],"config":{"size":1}}"#;
        assert_eq!(read(odd), ("Artifact", 4, 0, 6));
        let huge = r#"{"layers":[{"size":18446744073709551615},{"size":5}]}"#;
        assert_eq!(Parts::read(huge).size(), u64::MAX);
    }

    #[test]
    fn platforms_are_named() {
        let of = |json: &str| Part::read(&RawValue::from_string(json.to_owned()).unwrap()).platform();
        assert_eq!(
            of(r#"{"platform":{"architecture":"arm64","os":"linux","variant":"v8"}}"#),
            "linux/arm64/v8"
        );
        assert_eq!(of(r#"{"platform":{"architecture":"unknown","os":"unknown"}}"#), "");
        assert_eq!(of(r#"{"platform":{"architecture":7,"os":"linux"}}"#), "linux");
        assert_eq!(of(r#"{"platform":7}"#), "");
    }
}
