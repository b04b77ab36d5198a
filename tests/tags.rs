//! `/v2/<name>/tags/list`: all tags, and pages of them.

use std::fs;

use insta::assert_snapshot;

use crate::server::Server;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

pub(crate) fn tag(server: &Server, repository: &str, tag: &str) {
    let index = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[]}}"#);
    let put =
        server.put(&format!("/v2/{repository}/manifests/{tag}")).header("Content-Type", INDEX).body(index);
    assert_eq!(put.send().status(), "201 Created", "{tag}");
}

fn server_with(tags: &[&str]) -> Server {
    let server = Server::start();
    tags.iter().for_each(|name| tag(&server, "a/b", name));
    server
}

#[test]
fn tags_are_listed_in_byte_order() {
    let server = server_with(&["v1", "latest", "v10", "_x", "V2", "v2", "1.0-rc.1"]);
    assert_snapshot!(server.get("/v2/a/b/tags/list").send(), @r#"
    200 OK
    content-length: 70
    content-type: application/json

    {"name":"a/b","tags":["1.0-rc.1","V2","_x","latest","v1","v10","v2"]}
    "#);
}

#[test]
fn a_page_names_the_next_one() {
    let server = server_with(&["a", "b", "c", "d", "e"]);
    assert_snapshot!(server.get("/v2/a/b/tags/list?n=2").send(), @r#"
    200 OK
    content-length: 32
    content-type: application/json
    link: </v2/a/b/tags/list?last=b&n=2>; rel="next"

    {"name":"a/b","tags":["a","b"]}
    "#);
    assert_snapshot!(server.get("/v2/a/b/tags/list?last=b&n=2").send(), @r#"
    200 OK
    content-length: 32
    content-type: application/json
    link: </v2/a/b/tags/list?last=d&n=2>; rel="next"

    {"name":"a/b","tags":["c","d"]}
    "#);
    assert_snapshot!(server.get("/v2/a/b/tags/list?last=d&n=2").send(), @r#"
    200 OK
    content-length: 28
    content-type: application/json

    {"name":"a/b","tags":["e"]}
    "#);
}

#[test]
fn the_last_page_names_none_even_if_it_is_full() {
    let server = server_with(&["a", "b", "c", "d"]);
    assert_eq!(server.get("/v2/a/b/tags/list?last=b&n=2").send().find("link"), None);
    assert_eq!(server.get("/v2/a/b/tags/list?n=4").send().find("link"), None);
    assert!(server.get("/v2/a/b/tags/list?n=3").send().find("link").is_some());
}

#[test]
fn last_need_not_be_a_tag() {
    let server = server_with(&["a", "c"]);
    assert_snapshot!(server.get("/v2/a/b/tags/list?last=b").send(), @r#"
    200 OK
    content-length: 28
    content-type: application/json

    {"name":"a/b","tags":["c"]}
    "#);
    assert_snapshot!(server.get("/v2/a/b/tags/list?last=zzz").send(), @r#"
    200 OK
    content-length: 25
    content-type: application/json

    {"name":"a/b","tags":[]}
    "#);
    assert_eq!(server.get("/v2/a/b/tags/list?last=%2e%2e%2f").send().status(), "200 OK");
}

#[test]
fn no_tags_are_listed_if_none_are_asked_for() {
    let server = server_with(&["a"]);
    assert_snapshot!(server.get("/v2/a/b/tags/list?n=0").send(), @r#"
    200 OK
    content-length: 25
    content-type: application/json

    {"name":"a/b","tags":[]}
    "#);
}

#[test]
fn a_number_that_is_none_is_refused() {
    let server = server_with(&["a"]);
    assert_snapshot!(server.get("/v2/a/b/tags/list?n=many").send(), @r#"
    400 Bad Request
    content-length: 139
    content-type: application/json

    {"errors":[{"code":"PAGINATION_NUMBER_INVALID","message":"invalid number of results requested","detail":"n must be a number, 0 or more"}]}
    "#);
    for n in ["-1", "1.5", "0x1", "%2B1", "1a"] {
        let answer = server.get(&format!("/v2/a/b/tags/list?n={n}")).send();
        assert_eq!(answer.status(), "400 Bad Request", "{n}: {answer}");
    }
}

#[test]
fn a_number_that_is_too_large_is_made_smaller() {
    let server = server_with(&["a"]);
    for n in ["1000", "1001", "4294967296", "99999999999999999999999"] {
        let answer = server.get(&format!("/v2/a/b/tags/list?n={n}")).send();
        assert_eq!(answer.status(), "200 OK", "{n}: {answer}");
    }
}

#[test]
fn a_page_has_at_most_1000_tags() {
    over_files!();
    let server = Server::with_secret("s").in_memory().start();
    tag(&server, "a/b", "t0000");
    // As if they had been pushed, which would take long.
    let tags = server.root().join("repositories/a/b/_manifests/tags");
    let link = fs::read(tags.join("t0000/current/link")).unwrap();
    for n in 1..1002 {
        let current = tags.join(format!("t{n:04}/current"));
        fs::create_dir_all(&current).unwrap();
        fs::write(current.join("link"), &link).unwrap();
    }
    let page = server.get("/v2/a/b/tags/list?n=5000").send();
    assert_eq!(page.header("link"), r#"</v2/a/b/tags/list?last=t0999&n=1000>; rel="next""#);
    let next = server.get("/v2/a/b/tags/list?last=t0999&n=1000").send();
    assert_snapshot!(next, @r#"
    200 OK
    content-length: 40
    content-type: application/json

    {"name":"a/b","tags":["t1000","t1001"]}
    "#);
    // Without a number it is all of them, as many clients expect.
    let all = server.get("/v2/a/b/tags/list").send();
    assert_eq!(all.find("link"), None);
    assert_eq!(
        String::from_utf8(all.body).unwrap().matches("\"t").count(),
        1002 + "\"tags".matches("\"t").count()
    );
}

#[test]
fn a_slash_at_the_end_of_a_list_makes_no_difference() {
    let server = server_with(&["a", "b"]);
    let zero = format!("sha256:{}", "0".repeat(64));
    for (list, query) in [
        ("/v2/a/b/tags/list", ""),
        ("/v2/a/b/tags/list", "?n=1"),
        ("/v2/_catalog", ""),
        (&*format!("/v2/a/b/referrers/{zero}"), ""),
    ] {
        let (with, without) = (format!("{list}/{query}"), format!("{list}{query}"));
        let answer = server.get(&with).send();
        assert_eq!(answer.status(), "200 OK", "{with}: {answer}");
        assert_eq!(answer.to_string(), server.get(&without).send().to_string(), "{with}");
    }
}

#[test]
fn a_repository_that_is_not_there_is_unknown() {
    let server = server_with(&["a"]);
    assert_snapshot!(server.get("/v2/a/c/tags/list").send(), @r#"
    404 Not Found
    content-length: 111
    content-type: application/json

    {"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry","detail":{"name":"a/c"}}]}
    "#);
    // What is above a repository is none.
    assert_eq!(server.get("/v2/a/tags/list").send().status(), "404 Not Found");
}
