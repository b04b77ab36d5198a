//! Pages of long lists: each continues where the previous one ended, to the end and without a gap.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::server::Server;
use crate::tags::tag;

/// Far more than fit on a page, or into a batch that is read at once.
const MANY: usize = 3000;

/// Where a `Link` leads.
pub(crate) fn target(link: &str) -> String {
    let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(r#">; rel="next""#));
    target.unwrap_or_else(|| panic!("not a link to the next page: {link}")).to_owned()
}

/// Collects a whole list by following its links from the first page. Each page has this many entries.
pub(crate) fn follow(server: &Server, first: &str, member: &str, page: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(target_of_page) = next {
        let answer = server.get(&target_of_page).send();
        assert_eq!(answer.status(), "200 OK", "{target_of_page}: {answer}");
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let entries = body[member].as_array().unwrap();
        next = answer.find("link").map(target);
        assert!(entries.len() == page || next.is_none() && entries.len() < page, "{answer}");
        all.extend(entries.iter().map(|entry| entry.as_str().unwrap().to_owned()));
    }
    all
}

/// Lays out a copy of a tag, as if it had been pushed, which would take long.
fn copy_tag(root: &Path, repository: &str, name: &str, link: &[u8]) {
    let current = root.join("repositories").join(repository).join("_manifests/tags").join(name);
    let current = current.join("current");
    fs::create_dir_all(&current).unwrap();
    fs::write(current.join("link"), link).unwrap();
}

fn link(server: &Server) -> Vec<u8> {
    fs::read(server.root().join("repositories/a/_manifests/tags/t0/current/link")).unwrap()
}

#[test]
fn thousands_of_tags_are_listed_page_by_page() {
    over_files!();
    let server = Server::with_secret("s").in_memory().start();
    tag(&server, "a", "t0");
    let link = link(&server);
    (1..MANY).for_each(|n| copy_tag(&server.root(), "a", &format!("t{n}"), &link));
    let mut expected: Vec<String> = (0..MANY).map(|n| format!("t{n}")).collect();
    expected.sort();
    assert_eq!(follow(&server, "/v2/a/tags/list?n=100", "tags", 100), expected);
    // One from the middle is the same as by the way there.
    let last = &expected[1234];
    let page = server.get(&format!("/v2/a/tags/list?n=100&last={last}")).send();
    let page: Value = serde_json::from_slice(&page.body).unwrap();
    assert_eq!(page["tags"], serde_json::json!(expected[1235..1335]));
}

#[test]
fn thousands_of_repositories_are_listed_page_by_page() {
    over_files!();
    let server = Server::with_secret("s").in_memory().start();
    tag(&server, "a", "t0");
    let link = link(&server);
    // In many directories, of which some are repositories themselves.
    let names: Vec<String> = (1..MANY)
        .map(|n| match n % 3 {
            0 => format!("r{}", n / 3),
            1 => format!("r{}/b{n}", n % 40),
            _ => format!("r{}/x/y{n}", n % 40),
        })
        .collect();
    names.iter().for_each(|name| copy_tag(&server.root(), name, "t0", &link));
    let mut expected: Vec<Vec<&str>> = names.iter().map(|name| name.split('/').collect()).collect();
    expected.push(vec!["a"]);
    expected.sort();
    let expected: Vec<String> = expected.into_iter().map(|name| name.join("/")).collect();
    assert_eq!(follow(&server, "/v2/_catalog?n=100", "repositories", 100), expected);
    // A page has at most 1000, and 100 if the client does not say.
    assert_eq!(follow(&server, "/v2/_catalog?n=5000", "repositories", 1000), expected);
    assert_eq!(follow(&server, "/v2/_catalog", "repositories", 100), expected);
}
