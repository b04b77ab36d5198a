//! Descriptors: how content is named (OCI Image Spec, "Descriptors").

use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::members::Members;
use lighter_hash::Digest;

/// The name of some content, as far as a registry reads or writes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type. Empty if none is said.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes, if one is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Whether it is said where else the content is.
    #[serde(skip)]
    pub has_urls: bool,
    /// The type of an artifact. Not read: an answer about referrers has it from the manifest itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The annotations, as they are written. Not read either.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Box<RawValue>>,
}

impl Descriptor {
    /// Reads a descriptor of a manifest. Errs with what is wrong, for the client. A size that is not a number is
    /// passed over.
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

    /// Reads the digest of a descriptor, whatever else is in it.
    pub fn digest_in(json: &RawValue) -> Option<Digest> {
        let digest: String = Members::read(json.get(), &["digest"]).ok()?.get_if_valid("digest")?;
        Digest::parse(&digest).ok()
    }

    /// Reads the media type of a descriptor, whatever else is in it.
    pub fn media_type_in(json: &RawValue) -> Option<String> {
        Members::read(json.get(), &["mediaType"]).ok()?.get_if_valid("mediaType")
    }
}
