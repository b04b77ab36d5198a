//! Errors, as the client and the log see them.
//!
//! A function that answers a request returns [`Error`]. Storage has its own error, which is
//! converted here; that of an [upload](crate::upload::Error) is converted where its session is known. The code decides
//! the status and the message, `detail` is for the client, and `source` is only for the log.

use core::fmt;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::json::json_body;
use lighter_storage as storage;

/// The error codes of the OCI Distribution Spec and of distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the table below says what each one means")]
pub enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    Denied,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    PaginationNumberInvalid,
    RangeInvalid,
    SizeInvalid,
    TagInvalid,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unknown,
    Unsupported,
}

impl Code {
    /// The code's name on the wire, its usual status, and its message.
    fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::BlobUnknown => ("BLOB_UNKNOWN", 404, "blob unknown to registry"),
            Self::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", 400, "blob upload invalid"),
            Self::BlobUploadUnknown => ("BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry"),
            Self::Denied => ("DENIED", 403, "requested access to the resource is denied"),
            Self::DigestInvalid => ("DIGEST_INVALID", 400, "provided digest did not match uploaded content"),
            Self::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", 400, "blob unknown to registry"),
            Self::ManifestInvalid => ("MANIFEST_INVALID", 400, "manifest invalid"),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", 404, "manifest unknown"),
            Self::NameInvalid => ("NAME_INVALID", 400, "invalid repository name"),
            Self::NameUnknown => ("NAME_UNKNOWN", 404, "repository name not known to registry"),
            Self::PaginationNumberInvalid => {
                ("PAGINATION_NUMBER_INVALID", 400, "invalid number of results requested")
            }
            Self::RangeInvalid => ("RANGE_INVALID", 416, "invalid content range"),
            Self::SizeInvalid => ("SIZE_INVALID", 400, "provided length did not match content length"),
            Self::TagInvalid => ("TAG_INVALID", 400, "manifest tag did not match URI"),
            Self::TooManyRequests => ("TOOMANYREQUESTS", 429, "too many requests"),
            Self::Unauthorized => ("UNAUTHORIZED", 401, "authentication required"),
            Self::Unavailable => ("UNAVAILABLE", 503, "service unavailable"),
            Self::Unknown => ("UNKNOWN", 500, "unknown error"),
            Self::Unsupported => ("UNSUPPORTED", 405, "The operation is unsupported."),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().0)
    }
}

/// The detail of an error that the client sees.
#[derive(Debug)]
pub enum Detail {
    /// A sentence.
    Text(String),
    /// An object with one member, such as `{"digest": "sha256:…"}`.
    Member(&'static str, String),
    /// The reason why a digest is malformed.
    Malformed(&'static str),
    /// A manifest that another one names and the repository does not have: `{"digest": "sha256:…"}`.
    MissingManifest(String),
    /// A sentence in place of the usual message of the code: most clients show the message alone.
    Message(String),
}

impl Detail {
    /// The message, if the usual one of the code would mislead.
    fn message(&self) -> Option<&str> {
        match self {
            Self::Malformed(_) => Some("malformed digest"),
            Self::MissingManifest(_) => Some("manifest unknown to registry"),
            Self::Message(text) => Some(text),
            Self::Text(_) | Self::Member(..) => None,
        }
    }
}

impl From<&str> for Detail {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Detail {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Serialize for Detail {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) | Self::Message(text) => serializer.serialize_str(text),
            Self::Malformed(text) => serializer.serialize_str(text),
            Self::Member(name, value) => member(serializer, name, value),
            Self::MissingManifest(digest) => member(serializer, "digest", digest),
        }
    }
}

fn member<S: Serializer>(serializer: S, name: &str, value: &str) -> core::result::Result<S::Ok, S::Error> {
    let mut object = serializer.serialize_map(Some(1))?;
    object.serialize_entry(name, value)?;
    object.end()
}

/// The error of a request that could not be fulfilled. It is as small as a pointer, since nearly every function may return
/// one: moving it is a tenth of the component otherwise.
#[derive(Debug)]
pub struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: Code,
    status: u16,
    details: Vec<Detail>,
    headers: Vec<(&'static str, String)>,
    source: Option<String>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    errors: Vec<WireError<'a>>,
}

#[derive(Serialize)]
struct WireError<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a Detail>,
}

impl<'a> WireError<'a> {
    fn of(code: &'a str, message: &'a str, detail: &'a Detail) -> Self {
        let is_all = matches!(detail, Detail::Message(_));
        Self { code, message: detail.message().unwrap_or(message), detail: Some(detail).filter(|_| !is_all) }
    }
}

/// The result of a function that answers a request.
pub type Result<T> = core::result::Result<T, Error>;

impl Error {
    /// An error with a detail for the client.
    pub fn new(code: Code, detail: impl Into<Detail>) -> Self {
        Self::from(code).with_detail(detail)
    }

    /// One error for each detail, all of one code.
    pub fn many(code: Code, details: Vec<Detail>) -> Self {
        let mut error = Self::from(code);
        error.0.details = details;
        error
    }

    /// An error of the registry, or of a component that it depends on. The client sees no details.
    pub fn internal(source: impl Into<String>) -> Self {
        Self::from(Code::Unknown).with_source(source)
    }

    /// Adds a detail for the client.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Detail>) -> Self {
        self.0.details.push(detail.into());
        self
    }

    /// Answers with another status than the code's own.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = status;
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.headers.push((name, value.into()));
        self
    }

    /// Adds headers to the answer.
    #[must_use]
    pub fn with_headers(mut self, headers: Vec<(&'static str, String)>) -> Self {
        self.0.headers.extend(headers);
        self
    }

    /// Adds the reason for the log, which the client does not see.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// The reason that the log shows besides the code.
    pub fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }

    /// Takes the headers that the answer carries.
    pub fn into_headers(self) -> Vec<(&'static str, String)> {
        self.0.headers
    }

    /// What went wrong, in words for a person.
    pub fn explanation(&self) -> &str {
        match self.0.details.first() {
            Some(Detail::Text(text)) => text,
            Some(Detail::Malformed(text)) => text,
            _ => self.0.code.row().2,
        }
    }

    /// The JSON envelope of the OCI Distribution Spec, "Error codes".
    pub fn envelope(&self) -> Vec<u8> {
        let (code, _, message) = self.0.code.row();
        let errors = match self.0.details.as_slice() {
            [] => vec![WireError { code, message, detail: None }],
            details => details.iter().map(|detail| WireError::of(code, message, detail)).collect(),
        };
        json_body(&Envelope { errors })
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        let (_, status, _) = code.row();
        let (details, headers) = (Vec::new(), Vec::new());
        Self(Box::new(Parts { code, status, details, headers, source: None }))
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::NoSpace(_) => Self::new(Code::Unavailable, "the registry's storage is full")
                .with_source(format!(
                    "{error}; make room or collect garbage, and clients will continue where they stopped"
                )),
            storage::Error::AccessDenied(_) => {
                Self::new(Code::Unavailable, "the registry's storage refuses access").with_source(format!(
                    "{error}; check that the storage exists, and that the server may write to it"
                ))
            }
            // Missing blobs and busy uploads that a client can cause are handled before this.
            error => Self::internal(error.to_string()),
        }
    }
}

/// The error for a path without an endpoint.
pub fn no_such_endpoint() -> Error {
    Error::new(Code::NameUnknown, "there is no such endpoint")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_envelope_is_the_specs() {
        let error = Error::from(Code::BlobUnknown);
        assert_eq!(
            String::from_utf8(error.envelope()).unwrap(),
            "{\"errors\":[{\"code\":\"BLOB_UNKNOWN\",\"message\":\"blob unknown to registry\"}]}\n"
        );
        let error = Error::many(
            Code::ManifestBlobUnknown,
            ["a", "b"].map(|digest| Detail::Member("digest", digest.into())).into(),
        );
        let body: Value = serde_json::from_slice(&error.envelope()).unwrap();
        assert_eq!(body["errors"][1]["detail"]["digest"], "b");
        assert_eq!(error.status(), 400);
        let error = Error::new(Code::Denied, Detail::Message("why".to_owned()));
        assert_eq!(
            String::from_utf8(error.envelope()).unwrap(),
            "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"why\"}]}\n"
        );
    }

    #[test]
    fn what_storage_says_stays_in_the_log() {
        let error = Error::from(storage::Error::Other("/secret/path".into()));
        assert!(!String::from_utf8(error.envelope()).unwrap().contains("secret"));
        assert!(error.source().unwrap().contains("/secret/path"));
    }
}
