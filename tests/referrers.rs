//! `/v2/<name>/referrers/<digest>`: the referrers of a manifest, by any way that they were stored.

use std::collections::BTreeSet;
use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::client::Response;
use crate::content::{sha256, sha512};
use crate::images::{INDEX, MANIFEST};
use crate::manifests::{image, put, server_with_blobs};
use crate::server::Server;

/// The digest that clients probe with.
const ZERO: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn referrers(server: &Server, query: &str) -> Response {
    server.get(&format!("/v2/a/b/referrers/{}{query}", sha256(image().as_bytes()))).send()
}

/// The digests that an answer lists.
fn listed(answer: &Response) -> Vec<String> {
    let index: Value = serde_json::from_slice(&answer.body).unwrap();
    let manifests = index["manifests"].as_array().unwrap();
    manifests.iter().map(|manifest| manifest["digest"].as_str().unwrap().to_owned()).collect()
}

/// An artifact about a manifest.
fn artifact(subject: &str, kind: &str) -> String {
    json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": format!("application/vnd.example.{kind}"),
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(b"{}"), "size": 2},
        "layers": [],
        "subject": {"mediaType": MANIFEST, "digest": sha256(subject.as_bytes()), "size": subject.len()},
        "annotations": {"org.example.kind": kind},
    })
    .to_string()
}

/// Pushes an artifact about the image by its digest, which is returned.
fn attach(server: &Server, kind: &str) -> String {
    let artifact = artifact(&image(), kind);
    let digest = sha256(artifact.as_bytes());
    assert_eq!(put(server, &digest, MANIFEST, &artifact).status(), "201 Created");
    digest
}

#[test]
fn what_is_pushed_about_an_image_is_listed() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    assert_snapshot!(referrers(&server, ""), @r#"
    200 OK
    content-length: 89
    content-type: application/vnd.oci.image.index.v1+json

    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}
    "#);
    let sbom = artifact(&image(), "sbom");
    assert_snapshot!(put(&server, &sha256(sbom.as_bytes()), MANIFEST, &sbom), @"
    201 Created
    content-length: 0
    docker-content-digest: sha256:f365249eb7033951b2b393d64d520e3905d612753fbc9ba6f49c56d3b611119b
    location: /v2/a/b/manifests/sha256:f365249eb7033951b2b393d64d520e3905d612753fbc9ba6f49c56d3b611119b
    oci-subject: sha256:08514d79cb8bf266e523753fa719a019c7bffce807dddb36a28dcaab1bbb8a57
    ");
    assert_snapshot!(referrers(&server, ""), @r#"
    200 OK
    content-length: 329
    content-type: application/vnd.oci.image.index.v1+json

    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:f365249eb7033951b2b393d64d520e3905d612753fbc9ba6f49c56d3b611119b","size":490,"artifactType":"application/vnd.example.sbom","annotations":{"org.example.kind":"sbom"}}]}
    "#);
    // Elsewhere nothing is known of it.
    let elsewhere = server.get(&format!("/v2/c/referrers/{}", sha256(image().as_bytes()))).send();
    assert_eq!(listed(&elsewhere), [""; 0]);
}

#[test]
fn for_every_digest_there_is_an_answer() {
    let server = server_with_blobs();
    // oras asks for this one, to find out whether a registry knows referrers.
    assert_snapshot!(server.get(&format!("/v2/a/b/referrers/{ZERO}")).send(), @r#"
    200 OK
    content-length: 89
    content-type: application/vnd.oci.image.index.v1+json

    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}
    "#);
    for target in [
        format!("/v2/not/here/referrers/{ZERO}"),
        format!("/v2/a/b/referrers/{}", sha512(b"")),
        format!("/v2/a/b/referrers/{ZERO}?n=&last=&artifactType=&x=y"),
    ] {
        let answer = server.get(&target).send();
        assert_eq!(answer.status(), "200 OK", "{target}: {answer}");
        assert_eq!(answer.header("content-type"), INDEX, "{target}");
        assert_eq!(listed(&answer), [""; 0], "{target}");
    }
    assert!(!server.root().join("repositories/not").exists(), "a question makes a repository");
}

#[test]
fn a_malformed_question_is_refused() {
    let server = server_with_blobs();
    assert_snapshot!(server.get("/v2/a/b/referrers/v1").send(), @r#"
    400 Bad Request
    content-length: 105
    content-type: application/json

    {"errors":[{"code":"DIGEST_INVALID","message":"malformed digest","detail":"a digest is ALGORITHM:HEX"}]}
    "#);
    for (target, code) in [
        (format!("/v2/A/referrers/{ZERO}"), "NAME_INVALID"),
        (format!("/v2/a/b/referrers/{ZERO}?n=x"), "PAGINATION_NUMBER_INVALID"),
        (format!("/v2/a/b/referrers/{ZERO}?last=x"), "DIGEST_INVALID"),
    ] {
        let refused = server.get(&target).send();
        assert_eq!(refused.status(), "400 Bad Request", "{target}: {refused}");
        assert!(refused.text().contains(code), "{target}: {refused}");
    }
}

#[test]
fn the_subject_may_come_later() {
    let server = server_with_blobs();
    let signature = artifact(&image(), "signature");
    let pushed = put(&server, "signature", MANIFEST, &signature);
    assert_eq!(pushed.header("oci-subject"), sha256(image().as_bytes()), "{pushed}");
    assert_eq!(listed(&referrers(&server, "")), [sha256(signature.as_bytes())]);
    put(&server, "v1", MANIFEST, &image());
    assert_eq!(listed(&referrers(&server, "")), [sha256(signature.as_bytes())]);
}

#[test]
fn those_of_one_type_are_listed_alone() {
    let server = server_with_blobs();
    let sbom = attach(&server, "sbom");
    attach(&server, "signature");
    let filtered = referrers(&server, "?artifactType=application%2Fvnd.example.sbom");
    assert_eq!(filtered.header("oci-filters-applied"), "artifactType", "{filtered}");
    assert_eq!(listed(&filtered), [sbom]);
    assert_snapshot!(referrers(&server, "?artifactType=application/vnd.example.none"), @r#"
    200 OK
    content-length: 89
    content-type: application/vnd.oci.image.index.v1+json
    oci-filters-applied: artifactType

    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}
    "#);
    let all = referrers(&server, "");
    assert_eq!((listed(&all).len(), all.find("oci-filters-applied")), (2, None), "{all}");
}

#[test]
fn the_type_is_that_of_the_config_where_an_image_has_none() {
    let server = server_with_blobs();
    let subject = json!({"mediaType": MANIFEST, "digest": sha256(image().as_bytes()), "size": 1});
    let about = image().replace("}]}", &format!(r#"}}],"subject":{subject}}}"#));
    // An index has no config, and says nothing.
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": subject});
    put(&server, "image", MANIFEST, &about);
    put(&server, "index", INDEX, &index.to_string());
    let answer: Value = serde_json::from_slice(&referrers(&server, "").body).unwrap();
    let types: BTreeSet<_> = answer["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|manifest| {
            (manifest["mediaType"].as_str().unwrap(), manifest.get("artifactType").and_then(Value::as_str))
        })
        .collect();
    let expected = [(INDEX, None), (MANIFEST, Some("application/vnd.oci.image.config.v1+json"))];
    assert_eq!(types, BTreeSet::from(expected));
}

#[test]
fn of_what_is_odd_no_more_is_told_than_clients_can_read() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    let subject = sha256(image().as_bytes());
    let odd = format!(
        r#"{{"mediaType":"a/b","subject":{{"digest":"{subject}"}},"config":[],"layers":7,"annotations":{{"x":1}}}}"#
    );
    assert_eq!(put(&server, "odd", "a/b", &odd).header("oci-subject"), subject);
    assert_snapshot!(referrers(&server, ""), @r#"
    200 OK
    content-length: 202
    content-type: application/vnd.oci.image.index.v1+json

    {"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"a/b","digest":"sha256:2746150114887930ff5d916e8f3a92a0d2019104589d461d867169ce776f1ca8","size":159}]}
    "#);
}

#[test]
fn pages_are_followed_by_their_links_to_the_end() {
    let server = server_with_blobs();
    let mut digests: Vec<_> = (0..7).map(|n| attach(&server, &format!("v{n}"))).collect();
    digests.sort();
    let first = referrers(&server, "?n=3");
    assert_eq!(listed(&first), digests[..3]);
    let target = format!("/v2/a/b/referrers/{}", sha256(image().as_bytes()));
    let link = format!(r#"<{target}?last={}&n=3>; rel="next""#, digests[2].replace(':', "%3A"));
    assert_eq!(first.header("link"), link);
    let mut found = Vec::new();
    let mut next = Some(format!("{target}?n=3"));
    while let Some(page) = next {
        let answer = server.get(&page).send();
        found.extend(listed(&answer));
        next = answer.find("link").map(crate::paging::target);
    }
    assert_eq!(found, digests);
    // The filter also applies to the next page.
    attach(&server, "sbom");
    let filtered = referrers(&server, "?n=0&artifactType=a%2Fb");
    assert_eq!((listed(&filtered).len(), filtered.find("link")), (0, None), "{filtered}");
    for (n, tag) in ["x", "y"].into_iter().enumerate() {
        let same = artifact(&image(), "same").replace(r#"kind":"same"#, &format!(r#"kind":"{n}"#));
        put(&server, tag, MANIFEST, &same);
    }
    let filtered = referrers(&server, "?n=1&artifactType=application%2Fvnd.example.same");
    assert!(filtered.header("link").contains("?artifactType=application%2Fvnd.example.same&last="));
    let last = server.get(&crate::paging::target(filtered.header("link"))).send();
    assert_eq!((listed(&last).len(), last.find("link")), (1, None), "{last}");
    assert_ne!(listed(&last), listed(&filtered));
}

#[test]
fn a_referrer_that_is_deleted_is_listed_no_more() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    let (sbom, signature) = (attach(&server, "sbom"), attach(&server, "signature"));
    let deleted = server.delete(&format!("/v2/a/b/manifests/{sbom}")).send();
    assert_eq!(deleted.status(), "202 Accepted", "{deleted}");
    assert_eq!(listed(&referrers(&server, "")), std::slice::from_ref(&signature));
    // Those of a manifest that is deleted stay: they can be asked for, and deleted, one by one.
    server.delete(&format!("/v2/a/b/manifests/{}", sha256(image().as_bytes()))).send();
    assert_eq!(listed(&referrers(&server, "")), [signature]);
    assert_eq!(attach(&server, "sbom"), sbom);
    assert_eq!(listed(&referrers(&server, "")).len(), 2);
}

#[test]
fn what_clients_keep_under_the_fallback_tag_is_merged() {
    over_files!();
    let server = server_with_blobs();
    let here = attach(&server, "sbom");
    let other = artifact(&image(), "signature");
    put(&server, "other", MANIFEST, &other);
    forget_links(&server);
    let entry = |digest: &str| json!({"mediaType": MANIFEST, "digest": digest, "size": 1});
    let entries = [&sha256(other.as_bytes()), &here, &sha256(b"gone")].map(|digest| entry(digest));
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries[..2]}).to_string();
    let tag = sha256(image().as_bytes()).replace(':', "-");
    assert_eq!(put(&server, &tag, INDEX, &index).status(), "201 Created");
    let mut expected = [sha256(other.as_bytes()), here.clone()];
    expected.sort();
    assert_eq!(listed(&referrers(&server, "")), expected);
    // The tag itself is served as it was pushed.
    assert_eq!(server.get(&format!("/v2/a/b/manifests/{tag}")).send().text(), index);
    // What it still names after it is deleted is not listed.
    server.delete(&format!("/v2/a/b/manifests/{}", sha256(other.as_bytes()))).send();
    assert_eq!(listed(&referrers(&server, "")), [here]);
}

/// Removes the links to referrers, as if all manifests had been searched before these were pushed. Only the fallback tag
/// can then find them.
fn forget_links(server: &Server) {
    let links = server.root().join("repositories/a/b/_referrers");
    fs::remove_dir_all(&links).unwrap();
    fs::create_dir_all(&links).unwrap();
    fs::write(links.join("complete"), "").unwrap();
}

#[test]
fn what_does_not_refer_to_an_image_is_not_its_referrer() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    let child = json!({"mediaType": MANIFEST, "digest": sha256(image().as_bytes()), "size": image().len()});
    let about_another = artifact("another", "sbom");
    put(&server, "sbom", MANIFEST, &about_another);
    let other = json!({"mediaType": MANIFEST, "digest": sha256(about_another.as_bytes()), "size": 1});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child, other]}).to_string();
    let digest = sha256(index.as_bytes());
    // Some tools tag what they push with its own digest.
    assert_eq!(put(&server, &digest.replace(':', "-"), INDEX, &index).status(), "201 Created");
    let none = server.get(&format!("/v2/a/b/referrers/{digest}")).send();
    assert_eq!(listed(&none), [""; 0]);
    // What does refer to it is.
    let sbom = artifact(&index, "sbom");
    put(&server, "sbom", MANIFEST, &sbom);
    assert_eq!(listed(&server.get(&format!("/v2/a/b/referrers/{digest}")).send()), [sha256(sbom.as_bytes())]);
}

#[test]
fn a_type_is_found_as_clients_write_it() {
    let server = server_with_blobs();
    let sbom = artifact(&image(), "x").replace("application/vnd.example.x", "application/spdx+json");
    put(&server, "sbom", MANIFEST, &sbom);
    attach(&server, "signature");
    // curl, and other clients that encode nothing, send the `+` as it is.
    for query in ["application/spdx+json", "application%2Fspdx%2Bjson", "application/SPDX%2bJSON"] {
        let found = referrers(&server, &format!("?n=1&artifactType={query}"));
        assert_eq!(found.header("oci-filters-applied"), "artifactType", "{query}: {found}");
        assert_eq!(listed(&found), [sha256(sbom.as_bytes())], "{query}");
    }
    put(&server, "other", MANIFEST, &sbom.replace(r#"kind":"x"#, r#"kind":"y"#));
    let first = referrers(&server, "?n=1&artifactType=application/spdx+json");
    assert!(first.header("link").contains("?artifactType=application%2Fspdx%2Bjson&last="), "{first}");
}

#[test]
fn the_fallback_tag_of_a_sha512_has_the_beginning_of_it() {
    over_files!();
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    let subject = sha512(image().as_bytes());
    let signature = artifact(&image(), "signature").replace(&sha256(image().as_bytes()), &subject);
    put(&server, "signature", MANIFEST, &signature);
    forget_links(&server);
    let digest = sha256(signature.as_bytes());
    let entry = json!({"mediaType": MANIFEST, "digest": digest, "size": signature.len()});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string();
    let tag = subject.replace(':', "-")[.."sha512-".len() + 64].to_owned();
    assert_eq!(put(&server, &tag, INDEX, &index).status(), "201 Created");
    assert_eq!(listed(&server.get(&format!("/v2/a/b/referrers/{subject}")).send()), [digest]);
}

#[test]
fn no_answer_is_larger_than_clients_take() {
    const LARGEST: usize = 4 * 1024 * 1024;
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    // The last one has an answer for itself.
    let sizes = [1_500_000, 1_500_000, 1_500_000, 1_500_000, 1_000, 1_000, LARGEST - 1_000];
    let mut pushed: Vec<String> = Vec::new();
    for (n, size) in sizes.into_iter().enumerate() {
        let large = artifact(&image(), &format!("v{n}"));
        let large = large.replace(r#""org.example.kind":""#, r#""org.example.kind":"@"#);
        let large = large.replace('@', &"x".repeat(size - large.len()));
        let answer = put(&server, &sha256(large.as_bytes()), MANIFEST, &large);
        assert_eq!(answer.status(), "201 Created", "{answer}");
        pushed.push(sha256(large.as_bytes()));
    }
    pushed.sort();
    let (mut found, mut answers) = (Vec::new(), 0);
    let mut next = Some(format!("/v2/a/b/referrers/{}", sha256(image().as_bytes())));
    while let Some(page) = next {
        let answer = server.get(&page).send();
        assert!(answer.body.len() <= LARGEST, "{page}: {} bytes", answer.body.len());
        found.extend(listed(&answer));
        next = answer.find("link").map(crate::paging::target);
        answers += 1;
    }
    assert_eq!(found, pushed);
    assert!((3..=5).contains(&answers), "{answers} answers");
}

#[test]
fn what_another_registry_stored_is_found_when_first_asked_for() {
    over_files!();
    let filled = server_with_blobs();
    put(&filled, "v1", MANIFEST, &image());
    let mut digests = vec![attach(&filled, "sbom"), attach(&filled, "signature")];
    digests.sort();
    // distribution leaves the same files, but for these.
    fs::remove_dir_all(filled.root().join("repositories/a/b/_referrers")).unwrap();
    let read_only = Server::with_secret("s").env("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true");
    let read_only = read_only.on_data_of(&filled).start();
    assert_eq!(listed(&referrers(&read_only, "")), digests);
    assert!(!filled.root().join("repositories/a/b/_referrers").exists(), "a read-only registry has written");
    assert_eq!(listed(&referrers(&filled, "?n=1")), digests[..1]);
    assert_eq!(listed(&referrers(&filled, "")), digests);
    // Once they were looked for they are known, whatever else there is by then.
    digests.push(attach(&filled, "later"));
    digests.sort();
    assert_eq!(listed(&referrers(&filled, "")), digests);
}

#[test]
fn a_subject_may_be_named_by_its_sha512() {
    let server = server_with_blobs();
    put(&server, "v1", MANIFEST, &image());
    let subject = sha512(image().as_bytes());
    let about = artifact(&image(), "sbom").replace(&sha256(image().as_bytes()), &subject);
    let digest = sha512(about.as_bytes());
    let pushed = put(&server, &digest, MANIFEST, &about);
    assert_eq!((pushed.status(), pushed.header("oci-subject")), ("201 Created", &*subject), "{pushed}");
    let answer = server.get(&format!("/v2/a/b/referrers/{subject}")).send();
    assert_eq!(listed(&answer), std::slice::from_ref(&digest));
    server.delete(&format!("/v2/a/b/manifests/{digest}")).send();
    assert_eq!(listed(&server.get(&format!("/v2/a/b/referrers/{subject}")).send()), [""; 0]);
}
