//! The tables of endpoints (`src/lib.rs`) and of error codes (`src/error.rs`), row by row.
//!
//! Both are read from the source, so every row must have a request here; the table of endpoints is the one that answers
//! requests. The tests of a resource show most answers in full; the answers that appear nowhere else come first.

use std::fmt::Write;
use std::fs;

use insta::assert_snapshot;
use lighter::endpoint::Resource;
use lighter_storage::Memory;

use crate::access::{credentials, form, options};
use crate::client::{Request, Response};
use crate::content::sha256;
use crate::images::MANIFEST;
use crate::manifests::{image, put, server_with_blobs};
use crate::mirror;
use crate::server::Server;

const UUID: &str = "5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11";

#[test]
fn lists_have_heads() {
    let server = server_with_blobs();
    for tag in ["v1", "v2"] {
        put(&server, tag, MANIFEST, &image());
    }
    assert_snapshot!(server.head("/").send(), @"
    200 OK
    cache-control: no-cache
    content-length: 0
    ");
    assert_snapshot!(server.head("/v2/_catalog").send(), @"
    200 OK
    content-length: 25
    content-type: application/json
    ");
    assert_snapshot!(server.head("/v2/a/b/tags/list?n=1").send(), @r#"
    200 OK
    content-length: 29
    content-type: application/json
    link: </v2/a/b/tags/list?last=v1&n=1>; rel="next"
    "#);
    assert_snapshot!(server.head(&format!("/v2/a/b/referrers/{}", sha256(b""))).send(), @"
    200 OK
    content-length: 89
    content-type: application/vnd.oci.image.index.v1+json
    ");
}

/// The cells of the rows of a table in a module's documentation.
pub(crate) fn rows(source: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let cells = |line: &'static str| line.split('|').map(str::trim).collect();
    source.lines().filter_map(|line| line.strip_prefix("//! | `")).map(cells)
}

fn server_with_image() -> Server {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    server
}

#[test]
fn every_endpoint_answers_its_methods() {
    let mut answers = String::new();
    for row in rows(include_str!("../src/lib.rs")) {
        let endpoint = row[0].trim_end_matches('`');
        // A server for each, so that nothing depends on what the row before has deleted.
        let server = match endpoint {
            "/token" => options().start(),
            "/v2/_lighter/<command>" => {
                Server::with_secret("s").env("REGISTRY_HTTP_COMMANDS_ENABLED", "true").start()
            }
            _ => server_with_image(),
        };
        for method in row[1].split(' ') {
            let answer = ask(&server, method, endpoint).send();
            writeln!(answers, "{method} {endpoint}: {}", answer.status()).unwrap();
        }
    }
    assert_snapshot!(answers, @"
    GET /: 200 OK
    HEAD /: 200 OK
    GET /v2/: 200 OK
    HEAD /v2/: 200 OK
    POST /v2/<name>/blobs/uploads/: 202 Accepted
    GET /v2/<name>/blobs/uploads/<uuid>: 204 No Content
    HEAD /v2/<name>/blobs/uploads/<uuid>: 204 No Content
    PATCH /v2/<name>/blobs/uploads/<uuid>: 202 Accepted
    PUT /v2/<name>/blobs/uploads/<uuid>: 201 Created
    DELETE /v2/<name>/blobs/uploads/<uuid>: 204 No Content
    GET /v2/<name>/blobs/<digest>: 200 OK
    HEAD /v2/<name>/blobs/<digest>: 200 OK
    DELETE /v2/<name>/blobs/<digest>: 202 Accepted
    GET /v2/<name>/manifests/<reference>: 200 OK
    HEAD /v2/<name>/manifests/<reference>: 200 OK
    PUT /v2/<name>/manifests/<reference>: 201 Created
    DELETE /v2/<name>/manifests/<reference>: 202 Accepted
    GET /v2/<name>/tags/list: 200 OK
    HEAD /v2/<name>/tags/list: 200 OK
    GET /v2/<name>/referrers/<digest>: 200 OK
    HEAD /v2/<name>/referrers/<digest>: 200 OK
    GET /v2/_catalog: 200 OK
    HEAD /v2/_catalog: 200 OK
    POST /v2/_lighter/<command>: 200 OK
    GET /token: 200 OK
    POST /token: 200 OK
    GET /ui/: 200 OK
    HEAD /ui/: 200 OK
    GET /ui/_style.css: 200 OK
    HEAD /ui/_style.css: 200 OK
    GET /ui/_icon.svg: 200 OK
    HEAD /ui/_icon.svg: 200 OK
    GET /ui/_login: 303 See Other
    HEAD /ui/_login: 303 See Other
    GET /ui/<name>: 200 OK
    HEAD /ui/<name>: 200 OK
    GET /ui/<name>:<reference>: 200 OK
    HEAD /ui/<name>:<reference>: 200 OK
    GET /ui/<name>:<reference>/delete: 200 OK
    HEAD /ui/<name>:<reference>/delete: 200 OK
    POST /ui/<name>:<reference>/delete: 303 See Other
    ");
}

/// The documented endpoints are those that answer.
#[test]
fn the_documentation_has_the_endpoints_that_are_there() {
    let documented: Vec<(String, String)> = rows(include_str!("../src/lib.rs"))
        .map(|row| (row[0].trim_end_matches('`').to_owned(), row[1].to_owned()))
        .collect();
    let methods = |resource: &Resource<Memory>| {
        let methods = resource.endpoints.iter().flat_map(|endpoint| endpoint.methods);
        methods.map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    let there: Vec<(String, String)> = Resource::<Memory>::TABLE
        .iter()
        .map(|resource| (resource.path.to_string(), methods(resource)))
        .collect();
    assert_eq!(documented, there);
}

/// The README lists the existing endpoints.
#[test]
fn the_readme_has_the_same_endpoints() {
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    let (_, section) = include_str!("../README.md").split_once("## What it answers").unwrap();
    for line in section.lines().skip_while(|line| !line.starts_with("|--")).skip(1) {
        let Some(cells) = line.strip_prefix("| ") else { break };
        let cells: Vec<&str> = cells.split('|').map(str::trim).collect();
        let methods = cells[1].split(", ");
        // A row without an endpoint belongs to the one above.
        match told.last_mut().filter(|_| cells[0].is_empty()) {
            Some((_, all)) => all.extend(methods),
            None => told.push((
                cells[0].trim_matches('`').replace("<tag or digest>", "<reference>"),
                methods.collect(),
            )),
        }
    }
    told.sort();
    let mut there: Vec<(String, Vec<&str>)> = rows(include_str!("../src/lib.rs"))
        .map(|row| (row[0].trim_end_matches('`').to_owned(), row[1].split(' ').collect()))
        .collect();
    there.sort();
    assert_eq!(told, there);
}

/// A good request for a row of the endpoint table.
fn ask(server: &Server, method: &str, endpoint: &str) -> Request {
    let target = endpoint.replace("<name>", "a/b").replace("<reference>", "v1");
    let target = target.replace("<digest>", &sha256(b"hello")).replace("<command>", "usage");
    match (method, endpoint) {
        (_, "/v2/<name>/blobs/uploads/<uuid>") => {
            let started = server.post("/v2/a/b/blobs/uploads/").send();
            server.request(method, &started.completed_by(&sha256(b"abc"))).body(match method {
                "PATCH" | "PUT" => "abc",
                _ => "",
            })
        }
        ("POST", "/token") => server.post(&target).body(form("ann")),
        ("POST", "/ui/<name>:<reference>/delete") => {
            server.post(&target).body(crate::pages::form(&server.get(&target).send()))
        }
        ("PUT", _) => server.put(&target).header("Content-Type", MANIFEST).body(image()),
        _ => server.request(method, &target),
    }
}

#[test]
fn every_code_has_a_request_that_it_answers() {
    over_files!();
    let source = include_str!("../src/error.rs");
    let codes = source.split("(\"").skip(1).filter_map(|rest| rest.split_once("\", "));
    let codes: Vec<&str> = codes
        .map(|(code, _)| code)
        .filter(|code| code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        .collect();
    assert_eq!(codes.len(), 19, "{codes:?}");
    let server = server_with_blobs();
    let mut answers = String::new();
    for code in codes {
        let answer = provoke(&server, code);
        assert!(
            answer.text().starts_with(&format!(r#"{{"errors":[{{"code":"{code}","message":""#)),
            "{answer}"
        );
        assert_eq!(answer.header("content-type"), "application/json", "{answer}");
        writeln!(answers, "{code}: {}", answer.status()).unwrap();
    }
    assert_snapshot!(answers, @"
    BLOB_UNKNOWN: 404 Not Found
    BLOB_UPLOAD_INVALID: 400 Bad Request
    BLOB_UPLOAD_UNKNOWN: 404 Not Found
    DENIED: 403 Forbidden
    DIGEST_INVALID: 400 Bad Request
    MANIFEST_BLOB_UNKNOWN: 400 Bad Request
    MANIFEST_INVALID: 400 Bad Request
    MANIFEST_UNKNOWN: 404 Not Found
    NAME_INVALID: 400 Bad Request
    NAME_UNKNOWN: 404 Not Found
    PAGINATION_NUMBER_INVALID: 400 Bad Request
    RANGE_INVALID: 416 Range Not Satisfiable
    SIZE_INVALID: 400 Bad Request
    TAG_INVALID: 400 Bad Request
    TOOMANYREQUESTS: 429 Too Many Requests
    UNAUTHORIZED: 401 Unauthorized
    UNAVAILABLE: 503 Service Unavailable
    UNKNOWN: 500 Internal Server Error
    UNSUPPORTED: 405 Method Not Allowed
    ");
}

/// A request that is answered with a code.
fn provoke(server: &Server, code: &str) -> Response {
    let started = server.post("/v2/a/b/blobs/uploads/").send();
    let missing = sha256(b"nobody has this");
    match code {
        "BLOB_UNKNOWN" => server.get(&format!("/v2/a/b/blobs/{missing}")).send(),
        "BLOB_UPLOAD_INVALID" => server.patch(&format!("/v2/a/b/blobs/uploads/{UUID}")).body("abc").send(),
        "BLOB_UPLOAD_UNKNOWN" => server.get(&format!("/v2/a/b/blobs/uploads/{UUID}")).send(),
        "DENIED" => options()
            .start()
            .get("/v2/team/app/tags/list")
            .header("Authorization", &credentials("bob"))
            .send(),
        "DIGEST_INVALID" => server.put(&started.completed_by(&missing)).body("abc").send(),
        "MANIFEST_BLOB_UNKNOWN" => put(server, "v1", MANIFEST, &crate::images::manifest(b"missing")),
        "MANIFEST_INVALID" => put(server, "v1", MANIFEST, "{}"),
        "MANIFEST_UNKNOWN" => server.get("/v2/a/b/manifests/v1").send(),
        "NAME_INVALID" => server.get("/v2/A/tags/list").send(),
        "NAME_UNKNOWN" => server.get("/v2/c/tags/list").send(),
        "PAGINATION_NUMBER_INVALID" => server.get("/v2/_catalog?n=x").send(),
        "RANGE_INVALID" => {
            server.patch(&started.location()).header("Content-Range", "3-5").body("abc").send()
        }
        "SIZE_INVALID" => server.patch(&started.location()).header("Content-Range", "0-5").body("abc").send(),
        "TAG_INVALID" => put(server, "-v1", MANIFEST, &image()),
        "TOOMANYREQUESTS" => {
            let limit = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n";
            mirror::of(mirror::hostile(limit), "").start().get("/v2/up/a/manifests/v1").send()
        }
        "UNAUTHORIZED" => options().start().get("/v2/team/app/tags/list").send(),
        "UNAVAILABLE" => {
            let nowhere =
                Server::with_secret("s").env("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/nowhere");
            nowhere.start().get("/v2/a/b/tags/list").send()
        }
        "UNKNOWN" => {
            let digest = sha256(b"no link can be written to it");
            let link = format!("repositories/a/b/_layers/{}/link", digest.replace(':', "/"));
            fs::create_dir_all(server.root().join(link)).unwrap();
            let push = server.post(&format!("/v2/a/b/blobs/uploads/?digest={digest}"));
            push.body("no link can be written to it").send()
        }
        "UNSUPPORTED" => server.post("/v2/").send(),
        code => panic!("no request here is answered with {code}"),
    }
}
