//! `/token`: the token service (distribution's `token` authentication, and its OAuth2 form).

use serde::Serialize;

use crate::auth::token::{ResourceActions, TokenKey};
use crate::auth::{Auth, Caller, LIFETIME, authorization, basic, basic_challenge};
use crate::clock::rfc3339;
use crate::endpoint::{Access, Answer, Call, Endpoint, Resource};
use crate::error::{Code, Error, Result, no_such_endpoint};
use crate::http::query::Query;
use crate::http::{Method, Request, Response};
use crate::json::json_body;
use crate::route::Path;
use lighter_storage::{Storage, Stream};

/// The path of the token service.
pub const PATH: Path = Path::Whole("/token");

impl<S: Storage> Resource<S> {
    /// The token service, if access control is on.
    pub const TOKEN: Self = Self {
        path: PATH,
        endpoints: &[
            Endpoint { methods: &[Method::Get], access: Access::None, answer: Answer::Registry(get) },
            Endpoint { methods: &[Method::Post], access: Access::None, answer: Answer::Registry(post) },
        ],
    };
}

/// The longest form that is read, in bytes.
const FORM_MAX: usize = 16 * 1024;

/// The most scopes of one request: more than any client asks for.
const SCOPES_MAX: usize = 100;

#[derive(Serialize)]
struct Issued<'a> {
    token: &'a str,
    access_token: &'a str,
    expires_in: u64,
    issued_at: String,
    scope: String,
}

/// `GET`: gives a token, for a name and a password that come as `Basic`, or without them for an anonymous
/// caller.
fn get<S: Storage>(call: &mut Call<S>) -> Result<Response> {
    let (auth, key) = service(call)?;
    let caller = match authorization(call.request).map_err(|error| ask(auth, error))? {
        None => Ok(auth.anonymous()),
        Some(header) => {
            let (scheme, value) = header.split_once(' ').unwrap_or((header, ""));
            let credentials = basic(value).filter(|_| scheme.eq_ignore_ascii_case("basic"));
            let (name, password) =
                credentials.ok_or_else(|| ask(auth, malformed("send Authorization: Basic")))?;
            if name.is_empty() && password.is_empty() {
                Ok(auth.anonymous())
            } else {
                auth.log_in(&name, &password)
            }
        }
    };
    issue(auth, key, &caller.map_err(|error| ask(auth, error))?, &call.request.query)
}

/// `POST`: the same, for a name and a password in a form (OAuth2, RFC 6749, 4.3).
fn post<S: Storage>(call: &mut Call<S>) -> Result<Response> {
    let (auth, key) = service(call)?;
    let form = form(call.request)?;
    match form.get("grant_type") {
        Some("password") => {}
        // This registry gives out no refresh tokens; the client then falls back to the password.
        Some("refresh_token") => {
            return Err(malformed("this registry gives no refresh tokens; log in with a password"));
        }
        _ => return Err(malformed("grant_type must be password")),
    }
    let (name, password) =
        (form.get("username").unwrap_or_default(), form.get("password").unwrap_or_default());
    let caller = auth.log_in(name, password).map_err(|error| ask(auth, error))?;
    issue(auth, key, &caller, &form)
}

/// Returns the access control that gives tokens, and the key that signs them. Errs if this registry gives no tokens.
fn service<'a, S: Storage>(call: &Call<'a, '_, S>) -> Result<(&'a Auth, &'a TokenKey)> {
    let auth = call.config.auth.as_ref().filter(|auth| auth.has_token_service());
    Ok((auth.ok_or_else(no_such_endpoint)?, &call.signers()?.tokens))
}

fn issue(auth: &Auth, key: &TokenKey, caller: &Caller, parameters: &Query) -> Result<Response> {
    if parameters.get("service").is_some_and(|service| service != auth.service) {
        return Err(malformed(&format!("unknown service; this registry is {:?}", auth.service)));
    }
    // OAuth2 puts several scopes into one parameter.
    let scopes = parameters.all("scope").flat_map(str::split_ascii_whitespace).map(scope);
    let scopes = scopes.take(SCOPES_MAX + 1).collect::<Result<Vec<ResourceActions>>>()?;
    if scopes.len() > SCOPES_MAX {
        return Err(malformed(&format!("at most {SCOPES_MAX} scopes can be asked for")));
    }
    let claims = auth.grant(caller, &scopes);
    let token = &key.sign(&claims);
    let granted = claims
        .access
        .iter()
        .map(|access| format!("{}:{}:{}", access.kind, access.name, access.actions.join(",")));
    let body = json_body(&Issued {
        token,
        access_token: token,
        expires_in: LIFETIME,
        issued_at: rfc3339(claims.iat),
        scope: granted.collect::<Vec<_>>().join(" "),
    });
    Ok(Response::new(200).with_bytes("application/json", body).with_header("Cache-Control", "no-store"))
}

/// Reads `repository:NAME:ACTION,ACTION`. A type may have a class, `repository(plugin)`, which does not affect
/// rights.
fn scope(text: &str) -> Result<ResourceActions> {
    let wrong = || malformed(&format!("{text:?} is not a scope, such as repository:a/b:pull,push"));
    let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
    let (name, actions) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let kind = kind.split_once('(').map_or(kind, |(kind, _)| kind);
    if kind.is_empty() || name.is_empty() {
        return Err(wrong());
    }
    let actions = actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned).collect();
    Ok(ResourceActions { kind: kind.to_owned(), name: name.to_owned(), actions })
}

fn form(request: &mut Request) -> Result<Query> {
    let mut form = Vec::new();
    while let Some(bytes) = request.body.next().map_err(|_| malformed("the form broke off"))? {
        form.extend(bytes);
        if form.len() > FORM_MAX {
            return Err(malformed("the form is too long").with_status(413));
        }
    }
    let form = String::from_utf8(form).map_err(|_| malformed("the form is not UTF-8"))?;
    Ok(Query::parse(&form))
}

/// Adds the header that makes a client ask for a password.
fn ask(auth: &Auth, error: Error) -> Error {
    error.with_header("WWW-Authenticate", basic_challenge(auth))
}

fn malformed(detail: &str) -> Error {
    Error::new(Code::Unsupported, detail).with_status(400)
}
