//! Manifests: what they are and what they refer to. Their bytes are never changed.

use core::fmt;
use std::collections::BTreeSet;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::digest::Digest;

/// The largest manifest, in bytes. The OCI Distribution Spec asks for at least this much.
pub const MANIFEST_MAX: u64 = 4 * 1024 * 1024;

/// The media type of an OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Layer types that are fetched from their `urls` and need not be here.
const FOREIGN: [&str; 4] = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];

/// A manifest, as far as a registry reads it.
#[derive(Debug)]
pub struct Manifest {
    media_type: String,
    /// The config and layers that must be in the repository, each once.
    pub blobs: Vec<Part>,
    /// The manifests of an index, which must be in the repository, each once.
    pub manifests: Vec<Digest>,
    /// The manifest that this one is about. It need not be in the repository.
    pub subject: Option<Digest>,
}

/// A config or a layer, as a manifest names it.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes, if the manifest says one.
    pub size: Option<u64>,
}

/// What a registry reads of a manifest of a type that it knows.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
}

/// What it reads of one of any type, where each member may be anything.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    artifact_type: Option<Box<RawValue>>,
    config: Option<Box<RawValue>>,
    subject: Option<Box<RawValue>>,
    annotations: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    /// A number, or else it is passed over.
    size: Option<Box<RawValue>>,
    #[serde(default)]
    urls: Vec<String>,
}

/// The little that is read where the type alone is wanted, or where the rest may be anything.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Typed {
    #[serde(default)]
    media_type: String,
    manifests: Option<IgnoredAny>,
}

impl Manifest {
    /// Reads a manifest that a client pushes as some media type. Errs with what is wrong, for the
    /// client.
    ///
    /// A manifest of a type that is not known is stored as it is, as long as it is a JSON object. It
    /// has to name its type itself, since nothing else keeps it, and so has one of Docker's.
    pub fn parse(content: &[u8], content_type: Option<&str>) -> Result<Self, String> {
        let typed: Typed = serde_json::from_slice(content).map_err(not_json)?;
        let sent_as =
            content_type.map(|t| t.split(';').next().unwrap_or_default().trim()).unwrap_or_default();
        if !sent_as.is_empty() && !typed.media_type.is_empty() && sent_as != typed.media_type {
            let said = typed.media_type;
            return Err(format!("the manifest's mediaType is {said}, its Content-Type is {sent_as}"));
        }
        let media_type = typed.served_as();
        if !sent_as.is_empty() && sent_as != media_type {
            return Err(format!("a manifest of type {sent_as} must say so in its mediaType"));
        }
        if !is_known(&media_type) {
            let subject = Referrer::of(content).and_then(|referrer| referrer.subject);
            return Ok(Self { media_type, blobs: Vec::new(), manifests: Vec::new(), subject });
        }
        let document: Document = serde_json::from_slice(content).map_err(not_json)?;
        if document.schema_version != Some(2) {
            return Err("schemaVersion must be 2".to_owned());
        }
        let is_index = matches!(media_type.as_str(), OCI_INDEX | DOCKER_LIST);
        if is_index && (document.config.is_some() || document.layers.is_some()) {
            return Err("an index has no config and no layers".to_owned());
        }
        if !is_index && document.manifests.is_some() {
            return Err("an image manifest has no manifests".to_owned());
        }
        if !is_index && document.config.is_none() {
            return Err("an image manifest has a config".to_owned());
        }
        let here =
            |layer: &Descriptor| layer.urls.is_empty() || !FOREIGN.contains(&layer.media_type.as_str());
        let layers = document.layers.unwrap_or_default().into_iter().filter(here);
        Ok(Self {
            media_type,
            blobs: parts(document.config.into_iter().chain(layers))?,
            manifests: parts(document.manifests.unwrap_or_default())?.into_iter().map(|p| p.digest).collect(),
            subject: document.subject.map(|subject| Digest::parse(&subject.digest)).transpose()?,
        })
    }

    /// The media type.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }
}

/// The media type of a stored manifest. distribution's layout keeps no type beside the content, so
/// it is found from the content, as distribution does.
pub fn media_type(content: &[u8]) -> String {
    serde_json::from_slice(content).map_or_else(|_| OCI_MANIFEST.to_owned(), Typed::served_as)
}

impl Typed {
    fn served_as(self) -> String {
        match self {
            Self { media_type, .. } if is_header_value(&media_type) => media_type,
            Self { manifests: Some(_), .. } => OCI_INDEX.to_owned(),
            _ => OCI_MANIFEST.to_owned(),
        }
    }
}

/// What a manifest says of itself to whoever asks for the referrers of its subject.
#[derive(Debug)]
pub struct Referrer {
    /// What it refers to.
    pub subject: Option<Digest>,
    /// Its own artifact type, or that of an image's config. An index without the field has none.
    pub artifact_type: Option<String>,
    /// Its annotations, as they are written.
    pub annotations: Option<Box<RawValue>>,
}

impl Referrer {
    /// Reads a stored manifest. None if it is not one. What is not what it should be is left out: whoever
    /// asks for the referrers of a subject could not read the answer for it.
    pub fn of(content: &[u8]) -> Option<Self> {
        let stored: About = serde_json::from_slice(content).ok()?;
        let subject: Option<Descriptor> = member(stored.subject.as_deref());
        let config = || member(stored.config.as_deref()).map(|config: Typed| config.media_type);
        // One that is empty counts as missing.
        let said = |text: &String| !text.is_empty();
        let artifact_type: Option<String> =
            member(stored.artifact_type.as_deref()).filter(said).or_else(config);
        Some(Self {
            subject: subject.and_then(|subject| Digest::parse(&subject.digest).ok()),
            artifact_type: artifact_type.filter(said),
            annotations: stored.annotations.filter(|json| member::<Texts>(Some(json)).is_some()),
        })
    }
}

/// An object whose members are all texts, as annotations are. They are not kept.
struct Texts;

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Texts, M::Error> {
                while members.next_entry::<IgnoredAny, String>()?.is_some() {}
                Ok(Texts)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A member of a manifest, if it is what it should be.
fn member<T: DeserializeOwned>(json: Option<&RawValue>) -> Option<T> {
    serde_json::from_slice(json?.get().as_bytes()).ok()
}

/// The digests of the manifests that a stored index names.
pub fn index_entries(content: &[u8]) -> Vec<Digest> {
    let index: Option<Document> = serde_json::from_slice(content).ok();
    let entries = index.and_then(|index| index.manifests).unwrap_or_default();
    entries.iter().filter_map(|entry| Digest::parse(&entry.digest).ok()).collect()
}

fn is_known(media_type: &str) -> bool {
    matches!(media_type, OCI_MANIFEST | OCI_INDEX | DOCKER_MANIFEST | DOCKER_LIST)
}

/// Whether a text from a manifest can stand in a header.
fn is_header_value(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
}

fn parts(descriptors: impl IntoIterator<Item = Descriptor>) -> Result<Vec<Part>, String> {
    let (mut parts, mut seen) = (Vec::new(), BTreeSet::new());
    for descriptor in descriptors {
        let part = Part {
            digest: Digest::parse(&descriptor.digest)?,
            size: descriptor.size.and_then(|size| size.get().parse().ok()),
        };
        if seen.insert(descriptor.digest) {
            parts.push(part);
        }
    }
    Ok(parts)
}

fn not_json(error: serde_json::Error) -> String {
    format!("not a manifest: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn parse(content: &str, content_type: &str) -> Result<Manifest, String> {
        Manifest::parse(content.as_bytes(), Some(content_type))
    }

    #[test]
    fn an_image_refers_to_its_config_and_layers() {
        let content = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{A}","size":7}},"layers":[{{"digest":"{B}","size":"8"}},{{"digest":"{B}"}}]}}"#
        );
        let manifest = parse(&content, "application/vnd.oci.image.manifest.v1+json; charset=utf-8").unwrap();
        assert_eq!(manifest.media_type(), OCI_MANIFEST);
        let part = |digest, size| Part { digest: Digest::parse(digest).unwrap(), size };
        assert_eq!(manifest.blobs, [part(A, Some(7)), part(B, None)]);
        assert_eq!(media_type(content.as_bytes()), OCI_MANIFEST);
        // It would be served as another type.
        assert!(parse(&content, DOCKER_MANIFEST).unwrap_err().contains("must say so"));
    }

    #[test]
    fn an_index_refers_to_manifests() {
        let content = format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{A}"}}]}}"#);
        let manifest = Manifest::parse(content.as_bytes(), None).unwrap();
        assert_eq!((manifest.media_type(), manifest.manifests.len()), (OCI_INDEX, 1));
        assert_eq!(media_type(content.as_bytes()), OCI_INDEX);
        assert!(parse(&content, OCI_MANIFEST).is_err());
    }

    #[test]
    fn a_foreign_layer_may_be_elsewhere() {
        let layer = |media_type: &str, urls: &str| {
            let content = format!(
                r#"{{"schemaVersion":2,"config":{{"digest":"{A}"}},"layers":[{{"mediaType":"{media_type}","digest":"{B}","urls":{urls}}}]}}"#
            );
            parse(&content, OCI_MANIFEST).unwrap().blobs.len()
        };
        for foreign in FOREIGN {
            assert_eq!(layer(foreign, r#"["https://example.com/layer"]"#), 1, "{foreign}");
            assert_eq!(layer(foreign, "[]"), 2, "{foreign}");
        }
        assert_eq!(layer("application/vnd.oci.image.layer.v1.tar", r#"["https://example.com/layer"]"#), 2);
    }

    #[test]
    fn an_unknown_type_is_not_looked_into() {
        let content = r#"{"mediaType":"application/vnd.example+json","layers":"none"}"#;
        let manifest = parse(content, "application/vnd.example+json").unwrap();
        assert_eq!(manifest.media_type(), "application/vnd.example+json");
        assert!(manifest.blobs.is_empty());
        assert!(parse("{}", "application/vnd.example+json").is_err());
    }

    #[test]
    fn of_a_referrer_is_read_what_can_be() {
        let of = |members: &str| Referrer::of(format!("{{{members}}}").as_bytes()).unwrap();
        let subject = format!(r#""subject":{{"digest":"{A}"}}"#);
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
        ] {
            assert_eq!(of(members).artifact_type.as_deref(), expected, "{members}");
        }
        assert!(Referrer::of(b"[]").is_none());
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        for content in [
            "",
            "null",
            "[]",
            "1",
            "{",
            "{}",
            r#"{"schemaVersion":1,"config":{"digest":"x"}}"#,
            r#"{"schemaVersion":2}"#,
            r#"{"schemaVersion":2,"config":{"digest":"../../etc/passwd"}}"#,
            r#"{"schemaVersion":2,"config":[]}"#,
            r#"{"schemaVersion":2,"config":{"digest":"x"},"manifests":[]}"#,
            r#"{"mediaType":1}"#,
        ] {
            assert!(parse(content, OCI_MANIFEST).is_err(), "{content}");
        }
        let content =
            format!(r#"{{"schemaVersion":2,"mediaType":"{DOCKER_MANIFEST}","config":{{"digest":"{A}"}}}}"#);
        assert!(parse(&content, OCI_MANIFEST).unwrap_err().contains("Content-Type"));
    }

    #[test]
    fn a_stored_type_cannot_break_a_header() {
        assert_eq!(media_type(br#"{"mediaType":"a\r\nX: y"}"#), OCI_MANIFEST);
        assert_eq!(media_type(b"not json"), OCI_MANIFEST);
    }
}
