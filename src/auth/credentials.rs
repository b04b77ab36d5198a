//! The credentials of a request: `Authorization`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::unauthorized;
use crate::error::Result;
use crate::http::Request;

/// The credentials of a request.
pub enum Credentials<'a> {
    /// Nothing, or an empty name with an empty password.
    None,
    /// A name and a password (`Basic`, RFC 7617).
    Password(String, String),
    /// A token (`Bearer`, RFC 6750).
    Token(&'a str),
}

impl<'a> Credentials<'a> {
    /// Reads the credentials of a request. Errs if they are malformed or have an unknown scheme.
    pub fn of(request: &'a Request<'_>) -> Result<Self> {
        let Some(header) = authorization(request)? else { return Ok(Self::None) };
        let (scheme, value) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("bearer") {
            return Ok(Self::Token(value.trim()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(unauthorized("send Authorization: Bearer, with a token from the token service"));
        }
        match basic(value) {
            Some((name, password)) if name.is_empty() && password.is_empty() => Ok(Self::None),
            Some((name, password)) => Ok(Self::Password(name, password)),
            None => Err(unauthorized("send Authorization as RFC 7617 says")),
        }
    }
}

/// Returns the `Authorization` header of a request. Errs if it is not text, or if there are several: the registry
/// cannot know which one counts.
pub fn authorization<'a>(request: &'a Request<'_>) -> Result<Option<&'a str>> {
    match (request.count("authorization"), request.header("authorization")) {
        (0, _) => Ok(None),
        (1, Some(header)) => Ok(Some(header)),
        _ => Err(unauthorized("send a single Authorization header, as plain text")),
    }
}

/// Reads the name and the password of a `Basic` header.
pub fn basic(value: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}
