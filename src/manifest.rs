//! Manifests: their types and references. Their bytes are never changed.
//!
//! A manifest that is pushed is read strictly: the client learns what is wrong with it. A stored manifest may come
//! from another registry or an older version, so it is read leniently, and only as far as needed.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::descriptor::Descriptor;
use crate::media_type::{self, DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, Kind, OCI_INDEX, OCI_MANIFEST};
use crate::members::{self, Members};
use lighter_hash::Digest;

/// The largest manifest, in bytes. The OCI Distribution Spec asks for at least this much.
pub const MANIFEST_MAX: u64 = 4 * 1024 * 1024;

/// The members of a manifest that a registry reads.
const MEMBERS: &[&str] =
    &["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "signatures"];

/// The reason why a manifest of schema 1 is refused. distribution 3 refuses it too.
const SCHEMA1: &str = "this is a Docker manifest of schema 1, which cannot be pushed: \
                       push the image as Docker schema 2 or OCI";

/// A manifest, as far as a registry reads it.
#[derive(Debug)]
pub struct Manifest {
    /// The config and layers of an image that must be in the repository, each once.
    pub blobs: Vec<Descriptor>,
    /// The entries of an index that must be in the repository, each once: manifests, or the blobs of a BuildKit cache
    /// or a containerd checkpoint.
    pub entries: Vec<Descriptor>,
    /// The digest of the manifest that this one refers to. That manifest need not be in the repository.
    pub subject: Option<Digest>,
}

impl Manifest {
    /// Reads a manifest that a client pushes as a media type. Errs with what is wrong, for the
    /// client.
    ///
    /// A manifest of a type that is not known is stored as it is, as long as it is a JSON object. Such a
    /// manifest must name its type itself, because nothing else stores it. So must a Docker manifest.
    pub fn parse(content: &[u8], content_type: Option<&str>) -> Result<Self, String> {
        let text = members::text(content);
        let members = Members::read(&text, MEMBERS).map_err(|error| format!("not a manifest: {error}"))?;
        let sent_as = media_type::essence(content_type.unwrap_or_default());
        let said: String = members.get("mediaType")?.unwrap_or_default();
        if !said.is_empty() && !media_type::is_header_value(&said) {
            return Err(format!("the manifest's mediaType {said:?} is not a media type"));
        }
        if !sent_as.is_empty() && !said.is_empty() && !media_type::same(sent_as, &said) {
            return Err(format!("the manifest's mediaType is {said}, its Content-Type is {sent_as}"));
        }
        let stands_for = |text: &str| media_type::known(text).map(|(_, kind)| kind);
        let stored_as = type_of(&members).unwrap_or_default();
        if [sent_as, &stored_as].into_iter().any(|text| stands_for(text) == Some(Kind::Schema1)) {
            return Err(SCHEMA1.to_owned());
        }
        if !sent_as.is_empty() && !media_type::same(sent_as, &stored_as) {
            return Err(format!("a manifest of type {sent_as} must say so in its mediaType"));
        }
        if stored_as.is_empty() {
            return Err("the manifest has no mediaType, and nothing else in it shows its type".to_owned());
        }
        match stands_for(&stored_as) {
            Some(Kind::Index) => Self::index(&members),
            Some(_) => Self::image(&members),
            None => {
                let subject = members.json("subject").and_then(Descriptor::digest_in);
                Ok(Self { blobs: Vec::new(), entries: Vec::new(), subject })
            }
        }
    }

    fn image(members: &Members) -> Result<Self, String> {
        check_version(members)?;
        if members.json("manifests").is_some() {
            return Err("an image manifest must not have manifests".to_owned());
        }
        let config = members.json("config").ok_or("an image manifest must have a config")?;
        let mut blobs = vec![Descriptor::read(config)?];
        let layers = descriptors(members, "layers")?.into_iter();
        blobs.extend(layers.filter(|layer| !layer.has_urls || !media_type::is_foreign(&layer.media_type)));
        Ok(Self { blobs: each_once(blobs), entries: Vec::new(), subject: subject(members)? })
    }

    fn index(members: &Members) -> Result<Self, String> {
        check_version(members)?;
        if members.json("config").is_some() || members.json("layers").is_some() {
            return Err("an index must not have a config or layers".to_owned());
        }
        let entries = each_once(descriptors(members, "manifests")?);
        Ok(Self { blobs: Vec::new(), entries, subject: subject(members)? })
    }
}

fn check_version(members: &Members) -> Result<(), String> {
    if members.get::<u64>("schemaVersion")? == Some(2) {
        return Ok(());
    }
    Err("schemaVersion must be 2".to_owned())
}

fn subject(members: &Members) -> Result<Option<Digest>, String> {
    let subject = members.json("subject").map(Descriptor::read).transpose();
    subject.map(|subject| subject.map(|subject| subject.digest))
}

fn descriptors(members: &Members, name: &str) -> Result<Vec<Descriptor>, String> {
    let list: Vec<&RawValue> = members.get(name)?.unwrap_or_default();
    list.into_iter().map(Descriptor::read).collect()
}

fn each_once(mut descriptors: Vec<Descriptor>) -> Vec<Descriptor> {
    let mut seen = BTreeSet::new();
    descriptors.retain(|descriptor| seen.insert(descriptor.digest.to_string()));
    descriptors
}

/// The media type of a stored manifest. distribution's layout stores no type beside the content, so the
/// type is derived from the content, as in distribution: from `mediaType`, or else from the members.
///
/// A manifest that shows no type is [`media_type::UNKNOWN`]; distribution answers such a manifest with a 500. It is
/// never served as an image, which a client would read as one without layers.
pub fn media_type_of(content: &[u8]) -> String {
    let text = members::text(content);
    let stored_as = Members::read(&text, MEMBERS).ok().and_then(|members| type_of(&members));
    stored_as.unwrap_or_else(|| media_type::UNKNOWN.to_owned())
}

/// Finds the type of a manifest. Members that do not decide the type may be invalid.
fn type_of(members: &Members) -> Option<String> {
    let said = members.get_if_valid::<String>("mediaType").filter(|said| !said.is_empty());
    let Some(said) = said else { return shape(members).map(str::to_owned) };
    match media_type::known(&said) {
        Some((_, Kind::Schema1)) => Some(schema1(members).to_owned()),
        Some((known, _)) => Some(known.to_owned()),
        None => Some(said).filter(|said| media_type::is_header_value(said)),
    }
}

/// Derives the type of a manifest without `mediaType` from its members.
fn shape(members: &Members) -> Option<&'static str> {
    let begins = |name, with| members.json(name).is_some_and(|json| json.get().starts_with(with));
    if members.get_if_valid("schemaVersion") == Some(1) {
        return Some(schema1(members));
    }
    if begins("manifests", '[') {
        return Some(OCI_INDEX);
    }
    if begins("config", '{') || begins("layers", '[') {
        return Some(OCI_MANIFEST);
    }
    // `null`: an empty list, as a program in Go writes it.
    (members.has("manifests") && members.json("manifests").is_none()).then_some(OCI_INDEX)
}

/// The type of a manifest of schema 1. distribution stored only the payload and signed it again for each answer; other
/// tools stored the signatures.
fn schema1(members: &Members) -> &'static str {
    if members.json("signatures").is_some() { DOCKER_SCHEMA1_SIGNED } else { DOCKER_SCHEMA1 }
}

/// The digests that a stored index names.
pub fn index_entries(content: &[u8]) -> Vec<Digest> {
    let text = members::text(content);
    let members = Members::read(&text, MEMBERS).ok();
    let entries: Option<Vec<&RawValue>> = members.and_then(|members| members.get_if_valid("manifests"));
    entries.unwrap_or_default().into_iter().filter_map(Descriptor::digest_in).collect()
}

#[cfg(test)]
mod tests;
