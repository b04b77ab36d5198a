//! Descriptors: how content is named (OCI Image Spec, "Descriptors").

use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::members::Members;
use lighter_hash::Digest;

/// A descriptor of content, as far as a registry reads or writes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The content's media type, or empty if the descriptor has none.
    pub media_type: String,
    /// The content's digest.
    pub digest: Digest,
    /// The content's size in bytes, if the descriptor has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Whether the descriptor has `urls`, where the content can be fetched instead.
    #[serde(skip)]
    pub has_urls: bool,
    /// The type of an artifact. Only written: a list of referrers takes it from the manifest itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The annotations, in their original spelling. Only written, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Box<RawValue>>,
}

impl Descriptor {
    /// Reads a descriptor of a manifest. Errs with what is wrong, for the client. A size that is not a number is
    /// ignored.
    pub fn read(json: &RawValue) -> Result<Self, String> {
        let members = Members::read(json.get(), &["mediaType", "digest", "size", "urls"])
            .map_err(|error| format!("a descriptor: {error}"))?;
        let digest = members.get::<String>("digest")?.ok_or("a descriptor has no digest")?;
        Ok(Self {
            media_type: members.get("mediaType")?.unwrap_or_default(),
            digest: Digest::parse(&digest)?,
            size: members.get_if_valid("size"),
            has_urls: !members.get::<Vec<IgnoredAny>>("urls")?.unwrap_or_default().is_empty(),
            artifact_type: None,
            annotations: None,
        })
    }

    /// Reads the digest of a descriptor, regardless of its other members.
    pub fn digest_in(json: &RawValue) -> Option<Digest> {
        let digest: String = Members::read(json.get(), &["digest"]).ok()?.get_if_valid("digest")?;
        Digest::parse(&digest).ok()
    }

    /// Reads the media type of a descriptor, regardless of its other members.
    pub fn media_type_in(json: &RawValue) -> Option<String> {
        Members::read(json.get(), &["mediaType"]).ok()?.get_if_valid("mediaType")
    }
}
