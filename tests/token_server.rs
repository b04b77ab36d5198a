//! The tokens of an outside token server: the component has its keys, and the test acts as the token server.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use insta::assert_snapshot;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};

use crate::client::Response;
use crate::content::sha256;
use crate::images::INDEX;
use crate::server::Server;

/// A token server.
struct TokenServer(SigningKey);

impl TokenServer {
    fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    /// Its keys, as it publishes them.
    fn jwks(&self) -> String {
        let point = self.0.verifying_key().to_sec1_point(false);
        let [x, y] = [point.x().unwrap(), point.y().unwrap()].map(|half| URL_SAFE_NO_PAD.encode(half));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "x": x, "y": y}]}).to_string()
    }

    /// A token for these claims.
    fn token(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature: Signature = self.0.sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

fn header() -> Value {
    json!({"typ": "JWT", "alg": "ES256", "kid": "one"})
}

/// The `access` claim for these actions on a repository.
fn claims(repository: &str, actions: &[&str]) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    json!({
        "iss": "issuer", "sub": "ann", "aud": "registry", "iat": now, "nbf": now, "exp": now + 300, "jti": "1",
        "access": [{"type": "repository", "name": repository, "actions": actions}]
    })
}

fn server(keys: &TokenServer) -> Server {
    let options = Server::without_secret().token_server();
    fs::write(options.data().join("jwks.json"), keys.jwks()).unwrap();
    let options = options.env("REGISTRY_AUTH", "token").env("REGISTRY_AUTH_TOKEN_ISSUER", "issuer");
    let options = options.env("REGISTRY_AUTH_TOKEN_REALM", "https://auth.example.com/token");
    let options = options.env("REGISTRY_AUTH_TOKEN_SERVICE", "registry");
    options.env("REGISTRY_AUTH_TOKEN_JWKS", "/var/lib/registry/jwks.json").start()
}

fn push(server: &Server, repository: &str, token: &str) -> Response {
    let target = format!("/v2/{repository}/blobs/uploads/?digest={}", sha256(b"hello"));
    server.post(&target).header("Authorization", &format!("Bearer {token}")).body("hello").send()
}

#[test]
fn clients_are_sent_to_the_token_server() {
    over_files!();
    let server = server(&TokenServer::new(1));
    assert_snapshot!(server.get("/v2/").send(), @r#"
    401 Unauthorized
    content-length: 139
    content-type: application/json
    www-authenticate: Bearer realm="https://auth.example.com/token",service="registry"

    {"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":"log in, or get a token with the scope of the challenge"}]}
    "#);
    let mount = server.post("/v2/a/blobs/uploads/?mount=x&from=b").send();
    assert_eq!(mount.status(), "401 Unauthorized");
    let scope = r#"scope="repository:a:pull,push repository:b:pull""#;
    assert!(mount.header("www-authenticate").ends_with(scope), "{mount}");
    // Passwords are its business alone.
    let refused = server.get("/v2/").header("Authorization", "Basic YW5uOnBhc3M=").send();
    assert_eq!(refused.status(), "401 Unauthorized");
    assert_eq!(server.get("/token").send().status(), "404 Not Found");
}

#[test]
fn its_tokens_count() {
    over_files!();
    let keys = TokenServer::new(1);
    let server = server(&keys);
    let token = keys.token(&header(), &claims("a", &["pull", "push"]));
    assert_eq!(push(&server, "a", &token).status(), "201 Created");
    let bearer = format!("Bearer {token}");
    assert_eq!(server.get("/v2/").header("Authorization", &bearer).send().status(), "200 OK");
    let blob = format!("/v2/a/blobs/{}", sha256(b"hello"));
    assert_eq!(server.get(&blob).header("Authorization", &bearer).send().text(), "hello");
    for (method, target) in [("DELETE", &*blob), ("GET", "/v2/b/tags/list"), ("GET", "/v2/_catalog")] {
        let refused = server.request(method, target).header("Authorization", &bearer).send();
        assert_eq!(refused.status(), "401 Unauthorized", "{method} {target}");
        assert!(refused.header("www-authenticate").ends_with("error=\"insufficient_scope\""), "{refused}");
    }
    let everything = keys.token(&header(), &claims("b", &["*"]));
    assert_eq!(push(&server, "b", &everything).status(), "201 Created");
}

#[test]
fn its_token_for_the_list_shows_every_repository() {
    over_files!();
    let keys = TokenServer::new(1);
    let server = server(&keys);
    let bearer = format!("Bearer {}", keys.token(&header(), &claims("a", &["push"])));
    let put = server.put("/v2/a/manifests/v1").header("Content-Type", INDEX).header("Authorization", &bearer);
    assert_eq!(put.body(r#"{"schemaVersion":2,"manifests":[]}"#).send().status(), "201 Created");
    let mut claims = claims("catalog", &["*"]);
    claims["access"][0]["type"] = json!("registry");
    let bearer = format!("Bearer {}", keys.token(&header(), &claims));
    let listed = server.get("/v2/_catalog").header("Authorization", &bearer).send();
    assert_eq!(listed.text().trim(), r#"{"repositories":["a"]}"#);
}

#[test]
fn others_tokens_do_not() {
    over_files!();
    let keys = TokenServer::new(1);
    let server = server(&keys);
    let good = claims("a", &["push"]);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        keys.token(&header(), &claims)
    };
    let hmac = {
        // The public key as the secret of an HMAC: what a server believes that lets the token choose.
        use hmac::{Hmac, KeyInit, Mac};
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&json!({"alg": "HS256", "kid": "one"})), part(&good));
        let hmac = Hmac::<sha2::Sha256>::new_from_slice(keys.jwks().as_bytes()).unwrap();
        let signature = hmac.chain_update(&message).finalize().into_bytes();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    for (what, token) in [
        ("another key", TokenServer::new(2).token(&header(), &good)),
        ("another key's name", keys.token(&json!({"alg": "ES256", "kid": "two"}), &good)),
        ("no algorithm", keys.token(&json!({"alg": "none", "kid": "one"}), &good)),
        ("another algorithm", keys.token(&json!({"alg": "RS256", "kid": "one"}), &good)),
        ("an HMAC", hmac),
        ("another issuer", with("iss", json!("x"))),
        ("another service", with("aud", json!(["x"]))),
        ("not yet", with("nbf", json!(9_999_999_999_u64))),
        ("no longer", with("exp", json!(1_000_000_000))),
        ("nothing", String::new()),
    ] {
        let refused = push(&server, "a", &token);
        assert_eq!(refused.status(), "401 Unauthorized", "{what}");
        assert!(refused.header("www-authenticate").ends_with("error=\"invalid_token\""), "{what}: {refused}");
    }
    assert_eq!(push(&server, "a", &keys.token(&header(), &good)).status(), "201 Created");
}

#[test]
fn without_keys_nothing_is_served() {
    over_files!();
    let server = Server::without_secret().token_server().env("REGISTRY_AUTH", "token");
    let server = server.env("REGISTRY_AUTH_TOKEN_ISSUER", "i").env("REGISTRY_AUTH_TOKEN_SERVICE", "s");
    let server = server.env("REGISTRY_AUTH_TOKEN_REALM", "https://auth.example.com/token").start();
    assert_eq!(server.get("/v2/").send().status(), "503 Service Unavailable");
    server.logged("neither REGISTRY_AUTH_TOKEN_JWKS nor REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE is set");
    // The component that is served by default says which one it takes.
    let server = Server::without_secret().env("REGISTRY_AUTH", "token").start();
    assert_eq!(server.get("/v2/").send().status(), "503 Service Unavailable");
    server.logged("REGISTRY_AUTH is token, and this component has passwords only");
}
