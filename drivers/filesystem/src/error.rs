//! From the host's error codes to the contract's errors.

use lighter::storage::Error;
use wasi::filesystem::types::ErrorCode;

use crate::directory::is_of_directory;

/// Says what was done to what, when it failed with a code.
pub(crate) fn failed(what: &'static str, path: &str) -> impl Fn(ErrorCode) -> Error {
    move |code| {
        let text = format!("{what} {path}: {}", code.name());
        match code {
            ErrorCode::NoEntry => Error::NotFound,
            ErrorCode::InsufficientSpace | ErrorCode::Quota => Error::NoSpace(text),
            // What hosts say of a read-only file system, too.
            ErrorCode::Io => Error::AccessDenied(format!("{text}, an I/O error or a read-only file system")),
            ErrorCode::NoDevice => Error::AccessDenied(format!("{text}: the directory is gone")),
            ErrorCode::Access | ErrorCode::NotPermitted | ErrorCode::ReadOnly => Error::AccessDenied(text),
            _ => Error::Other(text),
        }
    }
}

/// The same, where a directory is no more than nothing.
pub(crate) fn absent_or_failed(what: &'static str, path: &str) -> impl Fn(ErrorCode) -> Error {
    let failed = failed(what, path);
    move |code| if is_of_directory(code) { Error::NotFound } else { failed(code) }
}
