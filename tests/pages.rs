//! `/ui/`: the pages, as a browser gets them.

use insta::assert_snapshot;

use crate::access::{credentials, options};
use crate::client::Response;
use crate::gallery::fill;
use crate::images::MANIFEST;
use crate::manifests::{image, put, server_with_blobs};
use crate::server::{SECRET, Server};

/// The fields of the form on a page.
pub(crate) fn form(page: &Response) -> String {
    let fields = page.text().split("<input type=\"hidden\" name=\"").skip(1).map(field).collect::<Vec<_>>();
    assert_eq!(fields.len(), 3, "{page}");
    fields.join("&")
}

fn field(rest: &str) -> String {
    let (name, rest) = rest.split_once("\" value=\"").unwrap();
    format!("{name}={}", rest.split('"').next().unwrap().replace(':', "%3A").replace('=', "%3D"))
}

/// The headers of an answer, without its body.
fn head(answer: &Response) -> String {
    answer.to_string().split_once("\n\n").map_or_else(|| answer.to_string(), |(head, _)| head.to_owned())
}

#[test]
fn a_page_comes_with_everything_that_protects_it() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    let page = server.get("/ui/a/b").send();
    assert_snapshot!(head(&page).lines().filter(|line| !line.starts_with("content-length")).collect::<Vec<_>>().join("\n"), @"
    200 OK
    cache-control: no-store
    content-security-policy: default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'
    content-type: text/html; charset=utf-8
    cross-origin-opener-policy: same-origin
    referrer-policy: same-origin
    x-content-type-options: nosniff
    x-frame-options: DENY
    ");
    let line = format!("docker pull {}/a/b:v1", server.address());
    assert!(page.text().contains(&line), "{page}");
    for (target, media_type) in [("/ui/_style.css", "text/css"), ("/ui/_icon.svg", "image/svg+xml")] {
        let file = server.get(target).send();
        assert_eq!((file.status(), file.header("content-type")), ("200 OK", media_type));
        assert_eq!(file.header("x-content-type-options"), "nosniff");
    }
}

#[test]
fn everything_has_a_page() {
    let server = Server::start();
    fill(&server);
    let shows = |target: &str, texts: &[&str]| {
        let page = server.get(target).send();
        assert_eq!(page.status(), "200 OK", "{target}");
        for text in texts {
            assert!(page.text().contains(text), "{target} has no {text}: {page}");
        }
    };
    shows("/ui/", &["/ui/charts/app", "/ui/team/app/worker", "/ui/?in=library"]);
    shows("/ui/?q=work", &["worker"]);
    shows("/ui/team/app", &["9 tags", "Image index", "linux/arm64", "pushed", "are stored"]);
    shows(
        "/ui/team/app:latest",
        &["podman pull", "linux/amd64", "Attestation of", "SPDX-2.3", "Sigstore bundle", ">1.10.0</a>"],
    );
    shows(
        "/ui/library/alpine:3.22",
        &["apk add --no-cache", "/docker-entrypoint.sh", "8443/tcp", "maintainer", "101:101"],
    );
    shows("/ui/charts/app:0.4.1", &["Helm chart", "helm pull --plain-http oci://", "The app and its worker"]);
    shows("/ui/notes/handbook:v1", &["Artifact", "oras pull --plain-http", "index.json", "chapters"]);
}

#[test]
fn what_is_not_there_has_a_page_that_says_so() {
    let server = server_with_blobs();
    for (target, status) in [
        ("/ui/none", "404 Not Found"),
        ("/ui/a/b:none", "404 Not Found"),
        ("/ui/a/b@sha256:0", "400 Bad Request"),
        ("/ui/A", "400 Bad Request"),
    ] {
        let page = server.get(target).send();
        assert_eq!((page.status(), page.header("content-type")), (status, "text/html; charset=utf-8"));
    }
    let off = Server::with_secret(SECRET).env("REGISTRY_UI_ENABLED", "false").start();
    for target in ["/ui/", "/ui/_style.css", "/ui/a"] {
        let refused = off.get(target).header("Accept", "text/html").send();
        assert_eq!((refused.status(), refused.header("content-type")), ("404 Not Found", "application/json"));
    }
    assert_eq!(off.get("/").header("Accept", "text/html").send().header("content-length"), "0");
}

#[test]
fn a_browser_is_led_from_the_root() {
    let server = Server::start();
    let root = server.get("/").header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8").send();
    assert_eq!(root.status(), "200 OK");
    assert!(root.text().contains("0; url=/ui/"), "{root}");
    assert_eq!(server.get("/").header("Accept", "*/*").send().header("content-length"), "0");
}

#[test]
fn a_tag_is_deleted_by_its_own_form_alone() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    put(&server, "v2", MANIFEST, &image());
    let form = form(&server.get("/ui/a/b:v1/delete").send());
    let send = |target: &str, name: &str, value: &str| {
        server.post(target).header(name, value).body(form.as_str()).send().status().to_owned()
    };
    assert_eq!(send("/ui/a/b:v1/delete", "Sec-Fetch-Site", "cross-site"), "403 Forbidden");
    assert_eq!(send("/ui/a/b:v1/delete", "Origin", "https://evil.example"), "403 Forbidden");
    assert_eq!(send("/ui/a/b:v2/delete", "Sec-Fetch-Site", "same-origin"), "403 Forbidden");
    assert_eq!(server.post("/ui/a/b:v1/delete").send().status(), "403 Forbidden");
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().status(), "200 OK");
    let origin = format!("http://{}", server.address());
    assert_eq!(send("/ui/a/b:v1/delete", "Origin", &origin), "303 See Other");
    assert_eq!(server.get("/v2/a/b/manifests/v1").send().status(), "404 Not Found");
    assert_eq!(server.get("/v2/a/b/manifests/v2").send().status(), "200 OK");
}

#[test]
fn a_registry_that_deletes_nothing_has_no_form() {
    for (name, value) in [
        ("REGISTRY_STORAGE_DELETE_ENABLED", "false"),
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true"),
    ] {
        let stored = server_with_blobs();
        put(&stored, "v1", MANIFEST, &image());
        let form = form(&stored.get("/ui/a/b:v1/delete").send());
        let server = Server::with_secret(SECRET).env(name, value).on_data_of(&stored).start();
        assert!(!server.get("/ui/a/b:v1").send().text().contains("Delete"));
        assert_eq!(server.get("/ui/a/b:v1/delete").send().status(), "405 Method Not Allowed");
        assert_eq!(server.post("/ui/a/b:v1/delete").body(form).send().status(), "405 Method Not Allowed");
    }
}

#[test]
fn pages_ask_for_a_password_and_the_api_for_a_token() {
    let server = options().start();
    let asked = server.get("/ui/").send();
    assert_eq!(
        (asked.status(), asked.header("www-authenticate")),
        ("401 Unauthorized", r#"Basic realm="Lighter""#)
    );
    let asked = server.get("/v2/_catalog").send();
    assert!(asked.header("www-authenticate").starts_with("Bearer realm="), "{asked}");
    let bob = |target: &str| server.get(target).header("Authorization", &credentials("bob")).send();
    assert_eq!(bob("/ui/").status(), "200 OK");
    // Whether there is such a repository makes no difference.
    assert_eq!(bob("/ui/team/app").status(), "403 Forbidden");
    assert_eq!(bob("/ui/team/app").text(), bob("/ui/team/none").text());
    assert_eq!(bob("/ui/_login").header("location"), "/ui/");
}
