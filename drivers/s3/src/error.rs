//! Why a request to the store failed, and what that is in the contract.

use lighter_fetch::Error as FetchError;
use lighter_storage::Error;

use crate::xml;

/// What a store says that it does not have, or cannot do.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    /// For the log: method, key, status, code, the id of the request. It has no query, and so no signature.
    pub(crate) text: String,
}

#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// The store answers with a status, and perhaps a code.
    Refused { status: u16, code: String },
    /// There is no answer.
    Unanswered(FetchError),
}

impl Failure {
    /// Reads what a store says with a status, or in an answer that has an error inside.
    pub(crate) fn refused(what: &str, status: u16, request_id: Option<&str>, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body);
        let code = xml::text(&body, "Code").unwrap_or_default();
        let message = xml::text(&body, "Message").unwrap_or_default();
        let id = request_id.map(|id| format!(", request {id}")).unwrap_or_default();
        let text = format!("{what}: {status} {code} {message}{id}");
        Self { cause: Cause::Refused { status, code }, text }
    }

    pub(crate) fn unanswered(what: &str, error: FetchError) -> Self {
        Self { text: format!("{what}: {error}"), cause: Cause::Unanswered(error) }
    }

    /// The condition of a request does not hold.
    pub(crate) fn unmet(what: &str) -> Self {
        Self::refused(what, 412, None, b"")
    }

    fn status(&self) -> u16 {
        match &self.cause {
            Cause::Refused { status, .. } => *status,
            Cause::Unanswered(_) => 0,
        }
    }

    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(&self.cause, Cause::Refused { code, .. } if code == wanted)
    }

    /// Whether there is no such object. The answer to a HEAD has no code.
    pub(crate) fn is_absence(&self) -> bool {
        self.status() == 404 && !self.is("NoSuchBucket")
    }

    /// Whether the condition of a request does not hold.
    pub(crate) fn is_unmet(&self) -> bool {
        self.status() == 412
    }

    /// Whether an object does not have the range that was asked for.
    pub(crate) fn is_out_of_range(&self) -> bool {
        self.status() == 416
    }

    /// Whether the payload is not what was signed.
    pub(crate) fn is_other_content(&self) -> bool {
        let codes = ["XAmzContentSHA256Mismatch", "InvalidDigest", "BadDigest"];
        self.status() == 400 && codes.iter().any(|code| self.is(code))
    }

    /// Why the stream that was to be sent broke off, if that is it.
    pub(crate) fn broken_source(&self) -> Option<String> {
        match &self.cause {
            Cause::Unanswered(FetchError::Source(why)) => Some(why.clone()),
            _ => None,
        }
    }

    /// Whether the store refuses for a reason of its own, and would refuse again.
    pub(crate) fn is_refusal(&self) -> bool {
        (400..500).contains(&self.status()) || self.status() == 501
    }

    /// Whether the same request may succeed a moment later. It may have been carried out.
    pub(crate) fn is_passing(&self) -> bool {
        match &self.cause {
            Cause::Refused { status, code } => {
                matches!(status, 409 | 429 | 500 | 502 | 503 | 504)
                    || matches!(
                        code.as_str(),
                        "SlowDown" | "RequestTimeout" | "InternalError" | "ServiceUnavailable"
                    )
            }
            Cause::Unanswered(error) => {
                matches!(error, FetchError::NotConnected(_) | FetchError::TimedOut(_) | FetchError::Broken(_))
            }
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let is_passing = failure.is_passing();
        let Failure { cause, text } = failure;
        let hint = match &cause {
            Cause::Refused { status: 507, .. } => return Self::NoSpace(text),
            Cause::Refused { code, .. } if matches!(code.as_str(), "QuotaExceeded" | "XMinioStorageFull") => {
                return Self::NoSpace(text);
            }
            Cause::Refused { code, .. } if code == "NoSuchBucket" => "create the bucket, or name another one",
            Cause::Refused { status: 404, .. } => return Self::NotFound,
            Cause::Refused { code, .. } if code == "RequestTimeTooSkewed" => "set the clock",
            Cause::Refused { code, .. } if code == "SignatureDoesNotMatch" => "check the secret key",
            Cause::Refused { status: 401 | 403, .. } => "check the key, its rights and the region",
            Cause::Unanswered(FetchError::Denied(_)) => "let the host allow requests to the store",
            Cause::Unanswered(FetchError::Tls(_)) => "the host must trust the store's certificate",
            Cause::Unanswered(FetchError::NotConnected(_)) => {
                "check the endpoint, and whether the store runs"
            }
            // It was sent again several times. A node of a store that has just started may fail so for longer.
            _ if is_passing => "the store cannot serve for the moment: see its log",
            _ => return Self::Other(text),
        };
        Self::AccessDenied(format!("{text}; {hint}"))
    }
}
