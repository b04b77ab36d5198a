//! `/v2/_catalog`: the repositories.

use std::fs;

use insta::assert_snapshot;

use crate::content::{push_blob, sha256};
use crate::paging::follow;
use crate::server::Server;
use crate::tags::tag;

fn server_with(repositories: &[&str]) -> Server {
    let server = Server::start();
    repositories.iter().for_each(|name| tag(&server, name, "v1"));
    server
}

#[test]
fn an_empty_registry_has_no_repositories() {
    let server = Server::start();
    assert_snapshot!(server.get("/v2/_catalog").send(), @r#"
    200 OK
    content-length: 20
    content-type: application/json

    {"repositories":[]}
    "#);
}

#[test]
fn repositories_are_listed_with_those_below_them() {
    // `-` comes before `/` among bytes, but a repository is followed by what is in it.
    let server = server_with(&["b", "a-b", "a/b/c", "a", "a/b"]);
    assert_snapshot!(server.get("/v2/_catalog").send(), @r#"
    200 OK
    content-length: 47
    content-type: application/json

    {"repositories":["a","a/b","a/b/c","a-b","b"]}
    "#);
}

#[test]
fn a_page_names_the_next_one() {
    let server = server_with(&["a", "a/b", "c"]);
    assert_snapshot!(server.get("/v2/_catalog?n=2").send(), @r#"
    200 OK
    content-length: 29
    content-type: application/json
    link: </v2/_catalog?last=a%2Fb&n=2>; rel="next"

    {"repositories":["a","a/b"]}
    "#);
    assert_snapshot!(server.get("/v2/_catalog?last=a%2Fb&n=2").send(), @r#"
    200 OK
    content-length: 23
    content-type: application/json

    {"repositories":["c"]}
    "#);
    assert_snapshot!(server.get("/v2/_catalog?n=0").send(), @r#"
    200 OK
    content-length: 20
    content-type: application/json

    {"repositories":[]}
    "#);
    for page in 1..=4 {
        let all = follow(&server, &format!("/v2/_catalog?n={page}"), "repositories", page);
        assert_eq!(all, ["a", "a/b", "c"], "in pages of {page}");
    }
}

#[test]
fn a_page_may_begin_anywhere() {
    let server = server_with(&["a", "a/b", "c"]);
    for (last, expected) in [
        ("a", r#"["a/b","c"]"#),
        ("a%2Fa", r#"["a/b","c"]"#),
        ("a%2Fb%2Fx", r#"["c"]"#),
        ("b", r#"["c"]"#),
        ("c", "[]"),
        ("zzz", "[]"),
        ("..%2F..%2Fsecret", r#"["a","a/b","c"]"#),
        ("", r#"["a","a/b","c"]"#),
    ] {
        let answer = server.get(&format!("/v2/_catalog?last={last}")).send();
        assert_eq!(answer.text(), format!("{{\"repositories\":{expected}}}\n"), "{last}");
    }
}

#[test]
fn a_number_that_is_none_is_refused() {
    let server = server_with(&["a"]);
    assert_snapshot!(server.get("/v2/_catalog?n=-1").send(), @r#"
    400 Bad Request
    content-length: 139
    content-type: application/json

    {"errors":[{"code":"PAGINATION_NUMBER_INVALID","message":"invalid number of results requested","detail":"n must be a number, 0 or more"}]}
    "#);
    for n in ["1001", "10000", "99999999999999999999999"] {
        let answer = server.get(&format!("/v2/_catalog?n={n}")).send();
        assert_eq!(answer.text(), "{\"repositories\":[\"a\"]}\n", "{n}: {answer}");
    }
}

#[test]
fn only_repositories_with_manifests_are_listed() {
    let server = server_with(&["a/b"]);
    push_blob(&server, "blobs-only", b"hello");
    server.post("/v2/upload/only/blobs/uploads/").send();
    let repositories = server.root().join("repositories");
    for odd in ["Upper/_manifests", "a/.hidden/_manifests", "a/_odd/_manifests", "a b/_manifests", "empty"] {
        fs::create_dir_all(repositories.join(odd)).unwrap();
    }
    fs::write(repositories.join("a/stray.5fd6e8dd-7cf1-4b8d-9f34-1f2b1e9f6c11.tmp"), "").unwrap();
    fs::write(repositories.join("file"), "").unwrap();
    assert_eq!(server.get("/v2/_catalog").send().text(), "{\"repositories\":[\"a/b\"]}\n");
}

#[test]
fn repositories_may_be_called_like_endpoints() {
    let names = ["blobs", "blobs/uploads", "catalog", "manifests/v1", "referrers", "tags/list", "v2"];
    let server = server_with(&names);
    assert_eq!(follow(&server, "/v2/_catalog?n=2", "repositories", 2), names);
    for name in names {
        let tags = server.get(&format!("/v2/{name}/tags/list?n=1")).send();
        assert_eq!(tags.text(), format!("{{\"name\":\"{name}\",\"tags\":[\"v1\"]}}\n"), "{name}");
        let referrers = server.get(&format!("/v2/{name}/referrers/{}", sha256(b""))).send();
        assert_eq!(referrers.status(), "200 OK", "{name}: {referrers}");
        let deleted = server.delete(&format!("/v2/{name}/manifests/v1")).send();
        assert_eq!(deleted.status(), "202 Accepted", "{name}: {deleted}");
    }
}
