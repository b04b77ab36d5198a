//! Access control: the rights of callers, and how clients get them.

mod clients;
mod endpoints;
mod forged;
mod rights;
mod settings;
mod tokens;
mod unfinished;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lighter::auth::token::{Claims, ResourceActions, TokenKey};
use serde_json::Value;

use crate::client::{Request, Response};
use crate::content::sha256;
use crate::habits::expect;
use crate::images::MANIFEST;
use crate::manifests::image;
use crate::server::{Options, SECRET, Server};

/// Ann may do everything to the public and the team's repositories, Cy is in a group that may push there, and Bob has
/// only the rights of every user: those below `home/bob/`.
pub(crate) const RULES: &str = r#"{
    "groups": { "ci": ["cy"] },
    "catalog": ["authenticated"],
    "admin": ["user:ann"],
    "repositories": {
        "public/*": { "anonymous": ["pull"], "user:ann": ["*"] },
        "team/*": { "user:ann": ["*"], "group:ci": ["pull", "push"] },
        "home/{user}/*": { "authenticated": ["*"] }
    }
}"#;

const SCOPE: &str = "repository:team/app:pull,push,delete";

/// The password of a user.
pub(crate) fn password(name: &str) -> String {
    format!("the password: of {name}")
}

/// The output of `htpasswd -nbB -C 4`.
pub(crate) fn entry(name: &str, password: &str) -> String {
    let hash = bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap();
    format!("{name}:{}", hash.format_for_version(bcrypt::Version::TwoY))
}

fn entries() -> String {
    ["ann", "bob", "cy"].map(|name| entry(name, &password(name))).join(",")
}

/// A server with these users and without rules.
fn with_users() -> Options {
    let options = Server::with_secret(SECRET).env("REGISTRY_AUTH", "htpasswd");
    options.env("REGISTRY_AUTH_HTPASSWD_ENTRIES", &entries())
}

pub(crate) fn options() -> Options {
    with_users().env("REGISTRY_AUTH_RULES", RULES)
}

/// The right credentials of a user.
pub(crate) fn credentials(name: &str) -> String {
    basic(name, &password(name))
}

/// The form that asks for a token for a user.
pub(crate) fn form(name: &str) -> String {
    let password = password(name).replace(' ', "+").replace(':', "%3A");
    format!("grant_type=password&service=lighter&username={name}&password={password}")
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

/// A client, with the `Authorization` that it sends.
struct Caller<'a> {
    server: &'a Server,
    authorization: Option<String>,
}

impl<'a> Caller<'a> {
    fn nobody(server: &'a Server) -> Self {
        Self { server, authorization: None }
    }

    fn user(server: &'a Server, name: &str) -> Self {
        Self { server, authorization: Some(credentials(name)) }
    }

    fn with(server: &'a Server, authorization: &str) -> Self {
        Self { server, authorization: Some(authorization.to_owned()) }
    }

    fn request(&self, method: &str, target: &str) -> Request {
        let request = self.server.request(method, target);
        match &self.authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        }
    }

    fn send(&self, method: &str, target: &str) -> Response {
        self.request(method, target).send()
    }

    /// Gets a token, and uses it from then on.
    fn with_token(&self, query: &str) -> Self {
        let issued = expect(self.send("GET", &format!("/token?service=lighter&{query}")), "200 OK");
        Self::with(self.server, &format!("Bearer {}", token(&issued)))
    }

    fn push_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        let target = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        expect(self.request("POST", &target).body(bytes).send(), "201 Created");
        digest
    }

    /// Pushes the image that the tests have, under some tags.
    fn push_image(&self, repository: &str, tags: &[&str]) {
        for bytes in [&b"{}"[..], b"hello"] {
            self.push_blob(repository, bytes);
        }
        for tag in tags {
            let put = self.request("PUT", &format!("/v2/{repository}/manifests/{tag}"));
            expect(put.header("Content-Type", MANIFEST).body(image()).send(), "201 Created");
        }
    }
}

/// The token in an answer of the token service.
fn token(issued: &Response) -> String {
    let body: Value = serde_json::from_slice(&issued.body).unwrap();
    assert_eq!(body["token"], body["access_token"]);
    body["token"].as_str().unwrap().to_owned()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The claims of a token that Ann got this many seconds ago for a scope.
fn claims(seconds_ago: u64, scope: &str) -> Claims {
    let mut scope = scope.split(':').map(str::to_owned);
    let mut part = || scope.next().unwrap();
    let (kind, name, actions) = (part(), part(), part());
    let made = now() - seconds_ago;
    Claims {
        iss: "lighter".into(),
        sub: "ann".into(),
        aud: vec!["lighter".into()],
        exp: made + 300,
        nbf: made,
        iat: made,
        jti: "1".into(),
        access: vec![ResourceActions {
            kind,
            name,
            actions: actions.split(',').map(str::to_owned).collect(),
        }],
    }
}

/// A token, signed as the registry with a secret signs it.
fn signed(secret: &str, claims: &Claims) -> String {
    format!("Bearer {}", TokenKey::new(secret.as_bytes()).sign(claims))
}
