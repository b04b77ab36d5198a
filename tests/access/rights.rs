//! The effects of rights beyond a single answer: the list of repositories, mounts, uploads.

use insta::assert_snapshot;

use super::{Caller, SCOPE, options, password, with_users};
use crate::content::sha256;
use crate::habits::expect;

#[test]
fn a_list_of_repositories_has_what_the_caller_may_pull() {
    let server = options().start();
    let ann = Caller::user(&server, "ann");
    let bob = Caller::user(&server, "bob");
    for repository in ["public/a", "public/b", "team/a", "team/b", "home/ann/a"] {
        ann.push_image(repository, &["v1"]);
    }
    bob.push_image("home/bob/a", &["v1"]);
    let with_token = |name| Caller::user(&server, name).with_token("scope=registry:catalog:*");
    for (caller, listed) in [
        (&ann, r#"["home/ann/a","public/a","public/b","team/a","team/b"]"#),
        (&bob, r#"["home/bob/a","public/a","public/b"]"#),
        (&with_token("ann"), r#"["home/ann/a","public/a","public/b","team/a","team/b"]"#),
        (&with_token("bob"), r#"["home/bob/a","public/a","public/b"]"#),
    ] {
        assert_eq!(
            caller.send("GET", "/v2/_catalog").text().trim(),
            format!(r#"{{"repositories":{listed}}}"#)
        );
    }
    // Pages are of what is shown, and end where it ends.
    let mut target = "/v2/_catalog?n=1".to_owned();
    let mut pages = String::new();
    loop {
        let page = bob.send("GET", &target);
        pages += &page.text();
        let Some(link) = page.find("link") else { break };
        target = link[1..link.find('>').unwrap()].to_owned();
    }
    assert_snapshot!(pages, @r#"
    {"repositories":["home/bob/a"]}
    {"repositories":["public/a"]}
    {"repositories":["public/b"]}
    "#);
    // A token for a repository is none for the list.
    let other = ann.with_token(&format!("scope={SCOPE}")).send("GET", "/v2/_catalog");
    assert!(other.header("www-authenticate").ends_with(r#",error="insufficient_scope""#), "{other}");
}

#[test]
fn a_blob_is_mounted_from_where_the_caller_may_pull() {
    let server = options().start();
    let digest = Caller::user(&server, "ann").push_blob("team/app", b"hello");
    let cy = Caller::user(&server, "cy");
    let mounted = cy.send("POST", &format!("/v2/home/cy/x/blobs/uploads/?mount={digest}&from=team%2Fapp"));
    expect(mounted, "201 Created");
    // docker asks for both in one token.
    let scope = "scope=repository:home/cy/y:pull,push&scope=repository:team/app:pull";
    let both = cy.with_token(scope);
    let mounted = both.send("POST", &format!("/v2/home/cy/y/blobs/uploads/?mount={digest}&from=team%2Fapp"));
    expect(mounted, "201 Created");
    assert_eq!(both.send("GET", &format!("/v2/home/cy/y/blobs/{digest}")).text(), "hello");
    // The challenge names both, too.
    let asked = server.post(&format!("/v2/home/cy/y/blobs/uploads/?mount={digest}&from=team%2Fapp")).send();
    let challenge = asked.header("www-authenticate");
    let scope = r#"scope="repository:home/cy/y:pull,push repository:team/app:pull""#;
    assert!(challenge.ends_with(scope), "{challenge}");
}

#[test]
fn what_the_caller_may_not_pull_is_not_there_to_mount() {
    let server = options().start();
    let ann = Caller::user(&server, "ann");
    let digest = ann.push_blob("team/app", b"hello");
    let unknown = sha256(b"nobody has this");
    let bob = Caller::user(&server, "bob");
    let mount = |caller: &Caller, query: &str| {
        let posted = caller.send("POST", &format!("/v2/home/bob/x/blobs/uploads/?mount={query}"));
        // Nothing was linked, and the upload is one like any other.
        for digest in [&digest, &unknown] {
            expect(bob.send("HEAD", &format!("/v2/home/bob/x/blobs/{digest}")), "404 Not Found");
        }
        expect(caller.send("DELETE", &posted.location()), "204 No Content");
        (posted.status().to_owned(), posted.to_string(), posted.location().len())
    };
    let expected = mount(&bob, &format!("{unknown}&from=team%2Fapp"));
    assert_eq!(expected.0, "202 Accepted");
    let narrow = bob.with_token("scope=repository:home/bob/x:pull,push");
    for caller in [&bob, &narrow] {
        for query in [
            format!("{digest}&from=team%2Fapp"),
            format!("{digest}&from=team%2Fnone"),
            format!("{digest}&from=Bad"),
            // Without a repository to take it from, it would be from any.
            digest.clone(),
            unknown.clone(),
        ] {
            assert_eq!(mount(caller, &query), expected, "{query}");
        }
    }
    // Not even who may pull all of it has it taken from anywhere.
    let posted = ann.send("POST", &format!("/v2/team/other/blobs/uploads/?mount={digest}"));
    expect(posted, "202 Accepted");
}

#[test]
fn cancelling_an_upload_takes_no_right_to_delete() {
    let server = options().start();
    let cy = Caller::user(&server, "cy");
    let token = cy.with_token("scope=repository:team/app:pull,push");
    for caller in [&cy, &token] {
        let started = caller.send("POST", "/v2/team/app/blobs/uploads/");
        expect(caller.send("DELETE", &started.location()), "204 No Content");
        let digest = caller.push_blob("team/app", b"hello");
        expect(caller.send("DELETE", &format!("/v2/team/app/blobs/{digest}")), "403 Forbidden");
    }
}

#[test]
fn without_rules_whoever_has_a_name_may_do_everything() {
    let server = super::with_users().start();
    let bob = Caller::user(&server, "bob");
    bob.push_image("any/where", &["v1"]);
    expect(bob.send("DELETE", "/v2/any/where/manifests/v1"), "202 Accepted");
    expect(Caller::user(&server, "cy").send("GET", "/v2/_catalog"), "200 OK");
    expect(Caller::nobody(&server).send("GET", "/v2/any/where/tags/list"), "401 Unauthorized");
    // The password has a colon, and the name ends at the first.
    assert!(password("bob").contains(':'));
}

#[test]
fn commands_are_for_whoever_the_rules_name() {
    let server = options().start();
    let [ann, bob, nobody] =
        [Caller::user(&server, "ann"), Caller::user(&server, "bob"), Caller::nobody(&server)];
    ann.push_image("team/app", &["v1"]);
    let usage = expect(ann.send("POST", "/v2/_lighter/usage"), "200 OK");
    assert!(usage.text().starts_with("{\"repository\":\"team/app\","), "{usage}");
    expect(ann.with_token("scope=registry:admin:*").send("POST", "/v2/_lighter/usage"), "200 OK");
    expect(ann.with_token("scope=registry:catalog:*").send("POST", "/v2/_lighter/usage"), "401 Unauthorized");
    expect(bob.with_token("scope=registry:admin:*").send("POST", "/v2/_lighter/usage"), "403 Forbidden");
    // Whether a command exists is told to nobody else.
    for command in ["usage", "check?remove", "none"] {
        let target = format!("/v2/_lighter/{command}");
        expect(bob.send("POST", &target), "403 Forbidden");
        let refused = expect(nobody.send("POST", &target), "401 Unauthorized");
        assert!(refused.header("www-authenticate").contains("scope=\"registry:admin:*\""), "{refused}");
    }
}

#[test]
fn without_rules_nobody_runs_commands() {
    let server = with_users().start();
    expect(Caller::user(&server, "ann").send("POST", "/v2/_lighter/usage"), "403 Forbidden");
    let off = options().env("REGISTRY_HTTP_COMMANDS_ENABLED", "false").start();
    expect(Caller::user(&off, "ann").send("POST", "/v2/_lighter/usage"), "404 Not Found");
}
