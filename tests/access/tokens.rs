//! The token service, as clients ask it.

use std::thread;

use insta::assert_snapshot;
use serde_json::Value;

use super::{Caller, basic, credentials, form, options, token};
use crate::client::Response;
use crate::content::sha256;
use crate::habits::{Client, expect};
use crate::server::Server;

const FORM: &str = "application/x-www-form-urlencoded";

/// The body of an answer, without the values that vary.
fn granted(answer: &Response) -> String {
    assert_eq!(answer.status(), "200 OK", "{answer}");
    assert_eq!(answer.header("cache-control"), "no-store", "{answer}");
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    body["scope"].as_str().unwrap().to_owned()
}

fn post(server: &Server, form: &str) -> Response {
    server.post("/token").header("Content-Type", FORM).body(form).send()
}

#[test]
fn docker_logs_in_and_pushes() {
    let server = options().start();
    let docker = Client { server: &server, headers: &[("User-Agent", "docker/27.3.1")] };
    let ping = docker.send("GET", "/v2/");
    let address = server.address().to_string();
    assert_snapshot!(ping.to_string().replace(&address, "<registry>"), @r#"
    401 Unauthorized
    content-length: 139
    content-type: application/json
    www-authenticate: Bearer realm="http://<registry>/token",service="lighter"

    {"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":"log in, or get a token with the scope of the challenge"}]}
    "#);

    // `docker login`: a token for nothing, and whether it opens the door.
    let credentials = credentials("ann");
    let login = "/token?account=ann&client_id=docker&offline_token=true&service=lighter";
    let issued = docker.request("GET", login).header("Authorization", &credentials).send();
    let mut body: Value = serde_json::from_slice(&issued.body).unwrap();
    assert!(body["issued_at"].as_str().unwrap().ends_with('Z'), "{body}");
    for varies in ["token", "access_token", "issued_at"] {
        body[varies] = format!("<{varies}>").into();
    }
    assert_snapshot!(body, @r#"{"access_token":"<access_token>","expires_in":300,"issued_at":"<issued_at>","scope":"","token":"<token>"}"#);
    let bearer = |issued: &Response| format!("Bearer {}", token(issued));
    let opened = docker.request("GET", "/v2/").header("Authorization", &bearer(&issued)).send();
    assert_snapshot!(opened, @"
    200 OK
    content-length: 2
    content-type: application/json

    {}
    ");

    // `docker push`
    let scope = "scope=repository%3Ateam%2Fapp%3Apush%2Cpull&service=lighter";
    let token = format!("/token?account=ann&{scope}");
    let issued = docker.request("GET", &token).header("Authorization", &credentials).send();
    assert_eq!(granted(&issued), "repository:team/app:pull,push");
    let pushed = bearer(&issued);
    let send = |method, target: &str, body: &'static [u8]| {
        docker.request(method, target).header("Authorization", &pushed).body(body).send()
    };
    let digest = sha256(b"hello");
    expect(send("HEAD", &format!("/v2/team/app/blobs/{digest}"), b""), "404 Not Found");
    let started = expect(send("POST", "/v2/team/app/blobs/uploads/", b""), "202 Accepted");
    let patched = expect(send("PATCH", &started.location(), b"hello"), "202 Accepted");
    expect(send("PUT", &patched.completed_by(&digest), b""), "201 Created");
    expect(send("HEAD", &format!("/v2/team/app/blobs/{digest}"), b""), "200 OK");
    Caller::with(&server, &pushed).push_image("team/app", &["v1"]);
}

#[test]
fn docker_pulls_without_a_name_and_may_not_push() {
    let server = options().start();
    Caller::user(&server, "ann").push_image("public/app", &["v1"]);
    let docker = Client { server: &server, headers: &[("User-Agent", "docker/27.3.1")] };
    expect(docker.send("GET", "/v2/"), "401 Unauthorized");
    let issued = docker.send("GET", "/token?scope=repository%3Apublic%2Fapp%3Apull&service=lighter");
    assert_eq!(granted(&issued), "repository:public/app:pull");
    let nobody = Caller::with(&server, &format!("Bearer {}", token(&issued)));
    expect(nobody.send("GET", "/v2/"), "200 OK");
    expect(nobody.send("HEAD", "/v2/public/app/manifests/v1"), "200 OK");
    assert_eq!(nobody.send("GET", &format!("/v2/public/app/blobs/{}", sha256(b"hello"))).text(), "hello");
    // A token for a push has no more rights, and the answer to the push asks for a login.
    let issued = docker.send("GET", "/token?scope=repository%3Apublic%2Fapp%3Apull%2Cpush&service=lighter");
    assert_eq!(granted(&issued), "repository:public/app:pull");
    let nobody = Caller::with(&server, &format!("Bearer {}", token(&issued)));
    let refused = nobody.send("POST", "/v2/public/app/blobs/uploads/");
    let challenge = refused.header("www-authenticate").replace(&server.address().to_string(), "<registry>");
    assert_eq!(refused.status(), "401 Unauthorized", "{refused}");
    assert_snapshot!(challenge, @r#"Bearer realm="http://<registry>/token",service="lighter",scope="repository:public/app:pull,push",error="insufficient_scope""#);
}

#[test]
fn a_wrong_password_gets_no_token() {
    let server = options().start();
    let get = || server.get("/token?service=lighter").header("Authorization", &basic("ann", "wrong")).send();
    let post = || post(&server, "grant_type=password&service=lighter&username=ann&password=wrong");
    thread::scope(|scope| {
        let post = scope.spawn(post);
        assert_snapshot!(get(), @r#"
        401 Unauthorized
        content-length: 118
        content-type: application/json
        www-authenticate: Basic realm="Lighter"

        {"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":"the name or the password is wrong"}]}
        "#);
        assert_snapshot!(post.join().unwrap(), @r#"
        401 Unauthorized
        content-length: 118
        content-type: application/json
        www-authenticate: Basic realm="Lighter"

        {"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":"the name or the password is wrong"}]}
        "#);
    });
}

#[test]
fn containerd_asks_by_a_form() {
    let server = options().start();
    let form =
        format!("client_id=containerd-client&scope=repository%3Ateam%2Fapp%3Apull%2Cpush&{}", form("cy"));
    let issued = post(&server, &form);
    assert_eq!(granted(&issued), "repository:team/app:pull,push");
    Caller::with(&server, &format!("Bearer {}", token(&issued))).push_image("team/app", &["v1"]);
    // Several scopes stand in one parameter.
    let more = form.replace("&grant_type", "+repository:home/cy/x:pull&grant_type");
    assert_eq!(granted(&post(&server, &more)), "repository:team/app:pull,push repository:home/cy/x:pull");
    // A form is accepted with any media type, and in chunks.
    let chunked = server.post("/token").chunked(std::io::Cursor::new(form.clone())).send();
    assert_eq!(granted(&chunked), "repository:team/app:pull,push");
    // With a token instead of a password it falls back to the other way.
    assert_snapshot!(post(&server, "grant_type=refresh_token&refresh_token=x&service=lighter"), @r#"
    400 Bad Request
    content-length: 151
    content-type: application/json

    {"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported.","detail":"this registry gives no refresh tokens; log in with a password"}]}
    "#);
}

#[test]
fn forms_that_are_none_are_refused() {
    let server = options().start();
    let right = form("ann");
    for (form, status) in [
        (Vec::new(), "400 Bad Request"),
        (b"grant_type=".to_vec(), "400 Bad Request"),
        (b"grant_type=client_credentials".to_vec(), "400 Bad Request"),
        (b"{\"grant_type\":\"password\"}".to_vec(), "400 Bad Request"),
        (vec![0xff; 100], "400 Bad Request"),
        (right.replace("lighter", "another").into(), "400 Bad Request"),
        (format!("{right}&scope=nonsense").into(), "400 Bad Request"),
        (format!("{right}&x={}", "x".repeat(16 * 1024)).into(), "413 Payload Too Large"),
        (vec![b'x'; 3 << 20], "413 Payload Too Large"),
        (right.into(), "200 OK"),
    ] {
        let start = String::from_utf8_lossy(&form[..form.len().min(80)]).into_owned();
        let answer = server.post("/token").header("Content-Type", FORM).body(form).send();
        assert_eq!(answer.status(), status, "{start}: {answer}");
        assert!(!answer.text().contains("password: of"), "{answer}");
    }
    // In a URL, where logs and proxies would see it, a password counts for nothing.
    let query = format!("/token?{}", form("ann"));
    expect(server.post(&query).send(), "400 Bad Request");
    let issued = server.get(&format!("{query}&scope={}", super::SCOPE)).send();
    assert_eq!(granted(&issued), "");
}

#[test]
fn a_token_has_what_was_asked_for_and_the_rules_allow() {
    let server = options().start();
    for (who, asked, scope) in [
        ("ann", "scope=repository:team/app:*", "repository:team/app:pull,push,delete"),
        ("cy", "scope=repository:team/app:*", "repository:team/app:pull,push"),
        ("cy", "scope=repository:team/app:push", "repository:team/app:push"),
        ("bob", "scope=repository:team/app:pull,push", ""),
        (
            "bob",
            "scope=repository:home/bob/x:pull&scope=repository:public/x:pull,push",
            "repository:home/bob/x:pull repository:public/x:pull",
        ),
        ("bob", "scope=repository:home/ann/x:pull", ""),
        // Several in one parameter, and plugins, as OAuth2 and docker have them.
        (
            "ann",
            "scope=repository:team/a:pull%20repository(plugin):team/b:pull",
            "repository:team/a:pull repository:team/b:pull",
        ),
        ("bob", "scope=registry:catalog:*", "registry:catalog:*"),
        // What there is not is not given.
        ("ann", "scope=registry:everything:*&scope=cloud:team/app:pull", ""),
        ("ann", "scope=repository:team/app:", ""),
        ("ann", "scope=repository:team/app:rule,Pull,,%2B", ""),
        ("ann", "scope=repository:team/app:pull,pull,pull", "repository:team/app:pull"),
        ("ann", "scope=&account=bob&client_id=x&offline_token=true", ""),
    ] {
        let issued = Caller::user(&server, who).send("GET", &format!("/token?service=lighter&{asked}"));
        assert_eq!(granted(&issued), scope, "{who}: {asked}");
    }
    let nobody = |query: &str| Caller::nobody(&server).send("GET", &format!("/token?{query}"));
    assert_eq!(
        granted(&nobody("scope=repository:public/a:*&scope=registry:catalog:*")),
        "repository:public/a:pull"
    );
    let empty = Caller::with(&server, "Basic Og==").send("GET", "/token?scope=repository:public/a:pull");
    assert_eq!(granted(&empty), "repository:public/a:pull");
}

#[test]
fn nonsense_is_refused_at_the_token_service() {
    let server = options().start();
    let many = "scope=repository:public/a:pull&".repeat(100);
    expect(server.get(&format!("/token?{many}")).send(), "200 OK");
    for (query, detail) in [
        ("service=another", "unknown service; this registry is"),
        ("service=", "unknown service; this registry is"),
        ("scope=repository", "is not a scope"),
        ("scope=repository:a", "is not a scope"),
        ("scope=:a:pull", "is not a scope"),
        ("scope=repository::pull", "is not a scope"),
        (&*format!("{many}scope=registry:catalog:*"), "at most 100 scopes"),
    ] {
        let answer = server.get(&format!("/token?{query}")).send();
        assert_eq!(answer.status(), "400 Bad Request", "{query}: {answer}");
        assert!(answer.text().contains(detail), "{query}: {answer}");
    }
    for authorization in ["Bearer x", "Basic *", "Basic YW5u", "Basic", "Negotiate x"] {
        let answer = server.get("/token").header("Authorization", authorization).send();
        assert_eq!(answer.status(), "400 Bad Request", "{authorization}: {answer}");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"Lighter\"", "{authorization}: {answer}");
    }
    for method in ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let answer = server.request(method, "/token").send();
        assert_eq!((answer.status(), answer.header("allow")), ("405 Method Not Allowed", "GET, POST"));
    }
}

#[test]
fn the_realm_is_where_the_client_found_the_registry() {
    let realm = |server: &Server, headers: &[(&str, &str)]| {
        let request =
            headers.iter().fold(server.get("/v2/"), |request, (name, value)| request.header(name, value));
        let challenge =
            request.send().header("www-authenticate").replace(&server.address().to_string(), "<registry>");
        challenge.split_once("realm=\"").unwrap().1.split_once('"').unwrap().0.to_owned()
    };
    let server = options().start();
    assert_eq!(realm(&server, &[]), "http://<registry>/token");
    let forwarded = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "r.example.com")];
    assert_eq!(realm(&server, &forwarded), "https://r.example.com/token");
    // Nothing breaks out of the quotes.
    for host in ["a\",service=\"x", "a b", "a/../b"] {
        assert_eq!(realm(&server, &[("X-Forwarded-Host", host)]), "/token", "{host}");
    }
    let set = |name, value| options().env(name, value).start();
    let host = set("REGISTRY_HTTP_HOST", "https://registry.example.com");
    assert_eq!(realm(&host, &forwarded), "https://registry.example.com/token");
    let named = set("REGISTRY_AUTH_TOKEN_REALM", "https://login.example.com/here");
    assert_eq!(realm(&named, &forwarded), "https://login.example.com/here");
    // Below a path, the token service is there too.
    let server = set("REGISTRY_HTTP_PREFIX", "/some/where");
    let challenge = server.get("/some/where/v2/").send().header("www-authenticate").to_owned();
    assert!(challenge.contains("/some/where/token\""), "{challenge}");
    expect(server.get("/some/where/token").send(), "200 OK");
    expect(server.get("/token").send(), "404 Not Found");
}
