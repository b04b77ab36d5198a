//! What an attacker sends: forged tokens, broken headers, guessed passwords. Also, what must stay secret.

use std::env;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use lighter::auth::token::Claims;
use sha2::Sha256;

use super::{Caller, SCOPE, basic, claims, credentials, entries, now, options, password, signed, token};
use crate::client::Response;
use crate::content::sha256;
use crate::habits::expect;
use crate::server::{SECRET, Server};

const TARGET: &str = "/v2/team/app/tags/list";

/// A token whose header says that it is signed in some way, with a signature of HMAC-SHA256.
fn with_header(header: &str, key: &[u8]) -> String {
    let claims = serde_json::to_vec(&claims(0, SCOPE)).unwrap();
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(&message).finalize();
    format!("Bearer {message}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()))
}

/// The key of the tests' registries.
fn key() -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(b"lighter: tokens");
    mac.finalize().into_bytes().to_vec()
}

fn server_with_image() -> Server {
    let server = options().start();
    Caller::user(&server, "ann").push_image("team/app", &["v1"]);
    server
}

#[track_caller]
fn expect_refused(answer: &Response) {
    assert_eq!(answer.status(), "401 Unauthorized", "{answer}");
    assert!(answer.text().contains(r#""code":"UNAUTHORIZED""#), "{answer}");
    let challenge = answer.header("www-authenticate");
    let end = r#",service="lighter",scope="repository:team/app:pull",error="invalid_token""#;
    assert!(challenge.ends_with(end), "{challenge}");
}

#[test]
fn forged_tokens_are_refused_and_the_log_says_why() {
    const UNSIGNED: &str = "the token is not signed with HS256 as this registry signs";
    const FOREIGN: &str = "the token is not signed with this registry's key";
    const BROKEN: &str = "the token is not three parts in base64url";
    let server = server_with_image();
    let good = claims(0, SCOPE);
    let made = |claims: &Claims| signed(SECRET, claims);
    // The tests sign as the registry does.
    expect(Caller::with(&server, &made(&good)).send("GET", TARGET), "200 OK");
    let own = r#"{"alg":"HS256","typ":"JWT"}"#;
    expect(Caller::with(&server, &with_header(own, &key())).send("GET", TARGET), "200 OK");

    let (message, _) = with_header(r#"{"alg":"none"}"#, b"")
        .rsplit_once('.')
        .map(|(m, s)| (m.to_owned(), s.to_owned()))
        .unwrap();
    let right = made(&good);
    let audience = |service: &str| Claims { aud: vec![service.into()], ..good.clone() };
    for (why, authorization) in [
        (UNSIGNED, format!("{message}.")),
        (UNSIGNED, with_header(r#"{"alg":"none"}"#, &key())),
        (UNSIGNED, with_header(r#"{"alg":"HS512","typ":"JWT"}"#, &key())),
        (UNSIGNED, with_header(r#"{"alg":"RS256","typ":"JWT"}"#, &key())),
        (UNSIGNED, with_header(r#"{"typ":"JWT","alg":"HS256"}"#, &key())),
        (UNSIGNED, with_header(r#"{"alg":"HS256","typ":"JWT","jwk":{"kty":"oct","k":""}}"#, b"")),
        (FOREIGN, with_header(own, SECRET.as_bytes())),
        (FOREIGN, with_header(own, b"")),
        (FOREIGN, signed("another secret", &good)),
        (FOREIGN, right[..right.len() - 4].to_owned()),
        (BROKEN, right[..right.rfind('.').unwrap()].to_owned()),
        (BROKEN, right[..20].to_owned()),
        (BROKEN, format!("{right}=")),
        (BROKEN, format!("{right} x")),
        ("the token is too long", format!("Bearer {}", "x".repeat(17 * 1024))),
        ("the token comes from another issuer", made(&Claims { iss: "another".into(), ..good.clone() })),
        ("the token is for another service", made(&audience("another"))),
        ("the token is for another service", made(&audience(""))),
        ("the token is not valid yet", made(&Claims { nbf: now() + 200, ..good.clone() })),
        ("an expired token", made(&claims(400, SCOPE))),
    ] {
        expect_refused(&Caller::with(&server, &authorization).send("GET", TARGET));
        server.logged(why);
    }
    // Clocks may be a minute apart.
    let early = made(&Claims { nbf: now() + 50, iat: now() + 50, exp: now() + 350, ..good.clone() });
    expect(Caller::with(&server, &early).send("GET", TARGET), "200 OK");
    expect(Caller::with(&server, &made(&claims(350, SCOPE))).send("GET", TARGET), "200 OK");
    // Neither is a token of the registry's for what it is not.
    for scope in [
        "registry:catalog:*",
        "repository:team/ap:pull",
        "repository:team/app/x:pull",
        "registry:team/app:pull",
    ] {
        let refused = Caller::with(&server, &made(&claims(0, scope))).send("GET", TARGET);
        assert!(refused.header("www-authenticate").ends_with(r#",error="insufficient_scope""#), "{refused}");
    }
}

#[test]
fn a_token_opens_what_it_names_and_nothing_else() {
    let server = server_with_image();
    let ann = Caller::user(&server, "ann");
    ann.push_image("team/other", &["v1"]);
    let pull = ann.with_token("scope=repository:team/app:pull");
    expect(pull.send("GET", "/v2/team/app/manifests/v1"), "200 OK");
    for (method, target) in [
        ("GET", "/v2/team/other/manifests/v1"),
        ("POST", "/v2/team/app/blobs/uploads/"),
        ("PUT", "/v2/team/app/manifests/v2"),
        ("DELETE", "/v2/team/app/manifests/v1"),
        ("GET", "/v2/_catalog"),
    ] {
        let refused = pull.send(method, target);
        assert_eq!(refused.status(), "401 Unauthorized", "{method} {target}: {refused}");
        assert!(refused.header("www-authenticate").ends_with(r#"error="insufficient_scope""#), "{refused}");
    }
}

#[test]
fn broken_credentials_are_refused() {
    let server = server_with_image();
    for authorization in [
        "Bearer",
        "Bearer ",
        "Bearer .",
        "Bearer ..",
        "bearer x.y.z",
        "Bearer\tx",
        "Basic",
        "Basic ",
        "Basic *",
        "Basic YW5u",
        "Basic YW5uOg",
        "Negotiate x",
        "Digest username=\"ann\"",
        "ann",
        "x",
        "",
        // Not UTF-8, once decoded.
        "Basic /zp4",
    ] {
        expect_refused(&Caller::with(&server, authorization).send("GET", TARGET));
    }
    // In any case, as RFC 7235 has it.
    let right = credentials("ann");
    expect(Caller::with(&server, &right.replace("Basic", "bAsIc")).send("GET", TARGET), "200 OK");
    // Two headers are refused, because it is unclear which one counts. So is a header that is not text.
    let twice = Caller::with(&server, &right).request("GET", TARGET).header("Authorization", "Basic Og==");
    expect_refused(&twice.send());
    let send = |value: &[u8]| {
        let stream = TcpStream::connect(server.address()).unwrap();
        let head = format!("GET {TARGET} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\nAuthorization: ");
        (&stream).write_all(&[head.as_bytes(), value, b"\r\n\r\n"].concat()).unwrap();
        Response::read(&mut BufReader::new(&stream), true, &mut Vec::new()).unwrap()
    };
    // Spin does not even hand it on, and says that that is its own fault.
    let no_text =
        if env::var_os("LIGHTER_SPIN").is_some() { "500 Internal Server Error" } else { "401 Unauthorized" };
    assert_eq!(send(b"Basic \xff\xfe").status(), no_text);
    assert_eq!(send(right.as_bytes()).status(), "200 OK");
    // As long as it is, the registry refuses it, or its host does.
    let long = send(format!("Bearer {}", "x".repeat(100 * 1024)).as_bytes());
    assert!(matches!(&long.status()[..3], "400" | "401" | "431"), "{long}");
    expect(Caller::with(&server, &right).send("GET", TARGET), "200 OK");
}

/// Every wrong password takes a second, so all are sent at once.
#[test]
fn guessing_takes_its_time_and_learns_nothing() {
    let server = server_with_image();
    let long = "x".repeat(5000);
    let guesses = [
        ("ann", "wrong"),
        ("nobody", "wrong"),
        ("", &*password("ann")),
        ("ann", ""),
        ("ANN", &password("ann")),
        ("ann ", &password("ann")),
        ("ann:", &password("ann")),
        ("\u{e9}\u{202e}\r\n\u{0}", "\u{e9}"),
        ("ann", "the password: of ann\u{0}"),
        (&long, &long),
        ("ann", &long),
    ];
    thread::scope(|scope| {
        let guess = |name: &str, password: &str| {
            let start = Instant::now();
            let caller = Caller::with(&server, &basic(name, password));
            (caller.send("GET", TARGET), start.elapsed())
        };
        let guesses: Vec<_> =
            guesses.map(|(name, password)| scope.spawn(move || guess(name, password))).into_iter().collect();
        for asked in guesses {
            let (answer, took) = asked.join().unwrap();
            expect_refused(&answer);
            assert!(answer.text().contains("the name or the password is wrong"), "{answer}");
            assert!(took >= Duration::from_secs(1), "{took:?}: {answer}");
        }
    });
    // A name in the log is one line of text.
    server.logged(r#"\u{202e}"#);
}

#[test]
fn no_secret_is_told() {
    let server = options().start();
    let ann = Caller::user(&server, "ann");
    ann.push_image("team/app", &["v1"]);
    let issued = ann.send("GET", &format!("/token?scope={SCOPE}"));
    let token = token(&issued);
    let bearer = Caller::with(&server, &format!("Bearer {token}"));
    let started = bearer.send("POST", "/v2/team/app/blobs/uploads/");
    let form = format!("grant_type=password&username=ann&password={}", "wrong but secret".replace(' ', "+"));
    let mut answers = vec![
        ann.send("GET", "/v2/"),
        bearer.send("GET", "/v2/"),
        bearer.send("GET", "/v2/none/of/ours/tags/list"),
        bearer.send("GET", "/token"),
        Caller::with(&server, &format!("Bearer {token}x")).send("GET", "/v2/"),
        Caller::with(&server, &format!("Token {token}")).send("GET", "/v2/"),
        Caller::with(&server, &format!("Basic {token}")).send("GET", "/token"),
        bearer.request("PUT", &started.completed_by(&sha256(b"abc"))).body("abd").send(),
    ];
    thread::scope(|scope| {
        let basic = basic("ann", "wrong but secret");
        let (get, post) = (Caller::with(&server, &basic), server.post("/token").body(form));
        let asked = [scope.spawn(move || get.send("GET", "/v2/")), scope.spawn(|| post.send())];
        answers.extend(asked.map(|asked| asked.join().unwrap()));
    });
    expect(server.get("/").send(), "200 OK");
    server.logged("GET / ");
    let hashes = entries();
    let hash = hashes.split([':', ',']).nth(1).unwrap();
    let encoded = STANDARD.encode("ann:the password");
    let signature = token.rsplit('.').next().unwrap();
    for secret in ["of ann", "wrong but secret", hash, signature, SECRET, &encoded[..14]] {
        assert!(!server.log().contains(secret), "{secret} is in the log:\n{}", server.log());
        for answer in &answers {
            assert!(!answer.to_string().contains(secret), "{secret} is in an answer:\n{answer}");
        }
    }
}
