//! From the codes of a file system to the contract's errors.

use lighter_storage::Error;

use crate::disk::Code;

impl Code {
    /// Whether there is nothing under a path: also where a link leads in a circle.
    pub(crate) fn is_absence(self) -> bool {
        matches!(self, Self::NoEntry | Self::NotDirectory | Self::Loop)
    }

    /// Whether there is a directory where a file was wanted.
    pub(crate) fn is_of_directory(self) -> bool {
        matches!(self, Self::IsDirectory | Self::BadDescriptor)
    }

    /// The name that `wasi:filesystem` gives it.
    fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::BadDescriptor => "bad-descriptor",
            Self::Exist => "exist",
            Self::IllegalByteSequence => "illegal-byte-sequence",
            Self::InsufficientSpace => "insufficient-space",
            Self::Io => "io",
            Self::IsDirectory => "is-directory",
            Self::Loop => "loop",
            Self::NoDevice => "no-device",
            Self::NoEntry => "no-entry",
            Self::NotDirectory => "not-directory",
            Self::NotEmpty => "not-empty",
            Self::NotPermitted => "not-permitted",
            Self::Quota => "quota",
            Self::ReadOnly => "read-only",
            Self::Other(name) => name,
        }
    }
}

/// Says what was done to what, when it failed with a code.
pub(crate) fn failed(what: &'static str, path: &str) -> impl Fn(Code) -> Error {
    move |code| {
        let text = format!("{what} {path}: {}", code.name());
        match code {
            Code::NoEntry => Error::NotFound,
            Code::InsufficientSpace | Code::Quota => Error::NoSpace(text),
            // What hosts say of a read-only file system, too.
            Code::Io => Error::AccessDenied(format!("{text}, an I/O error or a read-only file system")),
            Code::NoDevice => Error::AccessDenied(format!("{text}: the directory is gone")),
            Code::Access | Code::NotPermitted | Code::ReadOnly => Error::AccessDenied(text),
            _ => Error::Other(text),
        }
    }
}

/// The same, where a directory is no more than nothing.
pub(crate) fn absent_or_failed(what: &'static str, path: &str) -> impl Fn(Code) -> Error {
    let failed = failed(what, path);
    move |code| if code.is_of_directory() { Error::NotFound } else { failed(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_the_operator_can_do() {
        let error = |code| failed("write", "a/b")(code);
        let denied = |text: &str| Error::AccessDenied(format!("write a/b: {text}"));
        assert_eq!(error(Code::NoEntry), Error::NotFound);
        assert_eq!(error(Code::InsufficientSpace), Error::NoSpace("write a/b: insufficient-space".into()));
        assert_eq!(error(Code::Quota), Error::NoSpace("write a/b: quota".into()));
        assert_eq!(error(Code::Io), denied("io, an I/O error or a read-only file system"));
        assert_eq!(error(Code::NoDevice), denied("no-device: the directory is gone"));
        assert_eq!(error(Code::NotPermitted), denied("not-permitted"));
        assert_eq!(error(Code::IllegalByteSequence), Error::Other("write a/b: illegal-byte-sequence".into()));
        assert_eq!(error(Code::Other("busy")), Error::Other("write a/b: busy".into()));
        assert_eq!(absent_or_failed("read", "a/b")(Code::BadDescriptor), Error::NotFound);
        assert!(Code::Loop.is_absence() && !Code::Exist.is_absence());
    }
}
