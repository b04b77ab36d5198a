//! The pages in a real browser: what one sees, clicks and types, in every look.

use std::env;
use std::path::PathBuf;

use serde_json::json;

use crate::access::{options, password};
use crate::chromium::Browser;
use crate::gallery::{blob, fill, push};
use crate::images::{CONFIG, LAYER, MANIFEST};
use crate::server::{SECRET, Server};
use crate::skip::skip;

/// Pages of every sort.
const PAGES: [&str; 9] = [
    "/ui/",
    "/ui/?q=nothing",
    "/ui/team/app",
    "/ui/team/app:latest",
    "/ui/library/alpine:3.22",
    "/ui/charts/app:0.4.1",
    "/ui/notes/handbook:v1",
    "/ui/team/app:latest/delete",
    "/ui/none",
];

fn address(server: &Server) -> String {
    format!("http://{}", server.address())
}

/// A filled registry, and a browser, unless there is none.
fn set() -> Option<(Server, Browser, String)> {
    let browser = Browser::start()?;
    let server = Server::start();
    fill(&server);
    let address = address(&server);
    Some((server, browser, address))
}

#[test]
fn one_walks_from_the_list_to_a_layer() {
    over_files!();
    let Some((server, mut browser, own)) = set() else { return };
    browser.open_through(&own, &format!("{own}/ui/"));
    browser.follow(".repository a", "alpine");
    assert_eq!(browser.place(), "/ui/library/alpine");
    let line = browser.eval("document.querySelector('input[readonly]').value");
    assert_eq!(line, format!("docker pull {}/library/alpine:3.22", server.address()));
    browser.follow(".tags a", "3.22");
    assert!(browser.text().contains("apk add --no-cache"));
    browser.follow("tbody a", "");
    assert!(browser.place().starts_with("/ui/library/alpine@sha256:"));
    assert!(browser.text().contains("crane") && browser.text().contains("kB"), "{}", browser.text());
    browser.follow(".way a", "Repositories");
    assert_eq!(browser.place(), "/ui/");
    browser.check_quiet(&own);
}

#[test]
fn one_searches_with_the_keyboard_alone() {
    over_files!();
    let Some((_server, mut browser, own)) = set() else { return };
    browser.open(&format!("{own}/ui/"));
    browser.press("Tab", 9);
    assert_eq!(browser.eval("document.activeElement.className"), "skip");
    browser.press("Enter", 13);
    browser.press("Tab", 9);
    assert_eq!(browser.eval("document.activeElement.name"), "q");
    browser.enter("worker");
    assert_eq!(browser.place(), "/ui/?q=worker");
    assert_eq!(
        browser.eval("[...document.querySelectorAll('.repository > a')].map(e => e.innerText).join()"),
        "worker"
    );
    browser.open(&format!("{own}/ui/team/app?q=1.9"));
    assert_eq!(
        browser.eval("[...document.querySelectorAll('.tags > li > a')].map(e => e.innerText).join()"),
        "1.9.1,1.9.0,1.9"
    );
    // The line to copy is selected when it gets the focus.
    while browser.eval("document.activeElement.readOnly") != true {
        browser.press("Tab", 9);
    }
    let all =
        browser.eval("(e => e.selectionEnd - e.selectionStart == e.value.length)(document.activeElement)");
    assert_eq!(all, true);
    browser.check_quiet(&own);
}

#[test]
fn one_deletes_a_tag() {
    over_files!();
    let Some((server, mut browser, own)) = set() else { return };
    browser.open(&format!("{own}/ui/team/app:1.8"));
    browser.follow(".actions a", "Delete this tag");
    assert!(browser.text().contains("cannot be undone"));
    browser.follow("a", "Keep it");
    assert_eq!(browser.place(), "/ui/team/app:1.8");
    browser.follow(".actions a", "Delete this tag");
    browser.follow("button", "Delete");
    assert_eq!(browser.place(), "/ui/team/app?deleted=1");
    assert!(browser.text().contains("Deleted.") && browser.text().contains("8 tags"));
    assert_eq!(server.get("/v2/team/app/manifests/1.8").send().status(), "404 Not Found");
    assert_eq!(server.get("/v2/team/app/manifests/1.8.0").send().status(), "200 OK");
    browser.check_quiet(&own);
}

/// Another site's page, with a good form of this one, cannot delete: the browser says where the form comes from.
#[test]
fn another_site_deletes_nothing() {
    over_files!();
    let Some((server, mut browser, own)) = set() else { return };
    let form = crate::pages::form(&server.get("/ui/team/app:1.8/delete").send());
    let fields = form.split('&').map(|field| field.replace("%3A", ":").replace("%3D", "=")).map(|field| {
        let (name, value) = field.split_once('=').unwrap();
        format!("<input name='{name}' value='{value}'>")
    });
    let fields = fields.collect::<String>();
    browser.open(&format!(
        "data:text/html,<form method=post action='{own}/ui/team/app:1.8/delete'>{fields}<button>Win</button></form>"
    ));
    browser.follow("button", "Win");
    assert!(browser.text().contains("Not allowed"), "{}", browser.text());
    assert_eq!(server.get("/v2/team/app/manifests/1.8").send().status(), "200 OK");
}

#[test]
fn pages_are_light_and_dark_and_fit_a_telephone() {
    over_files!();
    let Some((_server, mut browser, own)) = set() else { return };
    for (scheme, is_dark) in [("light", false), ("dark", true)] {
        browser.look(360, scheme);
        for page in PAGES {
            browser.open(&format!("{own}{page}"));
            let width = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(width <= 360, "{page} is {width} wide");
            let color = browser.eval("getComputedStyle(document.body).backgroundColor");
            let red =
                color.as_str().unwrap().trim_start_matches("rgb(").split(',').next().unwrap().parse::<u32>();
            assert_eq!(red.unwrap() < 128, is_dark, "{page} in {scheme}: {color}");
        }
    }
}

/// By axe-core, if the file is there: `npm install --prefix target/tools axe-core`.
#[test]
fn pages_are_accessible() {
    over_files!();
    let axe = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/node_modules/axe-core/axe.min.js");
    let Ok(axe) = std::fs::read_to_string(axe) else { return skip("axe-core is not in target/tools") };
    let Some((_server, mut browser, own)) = set() else { return };
    for scheme in ["light", "dark"] {
        browser.look(1000, scheme);
        for page in PAGES {
            browser.open(&format!("{own}{page}"));
            browser.eval(&format!("{axe};0"));
            let found = browser.eval(
                "axe.run().then(r => (r.passes.length < 10 ? [r.passes.length] : []).concat(r.violations.map(v => v.id + ' ' + v.impact + ': ' + v.nodes.map(n => n.html).join(' | '))))",
            );
            assert_eq!(found, json!([]), "{page} in {scheme}");
        }
    }
}

#[test]
fn one_logs_in_with_a_password() {
    over_files!();
    let Some(mut browser) = Browser::start() else { return };
    let server = options().start();
    let own = address(&server);
    browser.call("Fetch.enable", json!({ "handleAuthRequests": true }));
    browser.open(&format!("{own}/ui/"));
    assert!(browser.text().contains("Log in"), "{}", browser.text());
    browser.login = Some(("ann".to_owned(), password("ann")));
    browser.follow("main a", "Log in");
    assert_eq!(browser.place(), "/ui/");
    assert!(browser.text().contains("ann") && !browser.text().contains("Log in"), "{}", browser.text());
    // The browser sends the password from then on.
    browser.open(&format!("{own}/ui/?q=x"));
    assert!(browser.text().contains("No repository fits."), "{}", browser.text());
}

/// Whatever an image says, nothing of it runs, and nothing is loaded for it.
#[test]
fn hostile_images_do_nothing() {
    over_files!();
    let Some(mut browser) = Browser::start() else { return };
    let server = Server::start();
    let own = address(&server);
    for (number, attack) in [
        "<script>alert(1)</script>",
        "\"><img src=https://evil.example/x onerror=alert(1)>",
        "' autofocus onfocus='alert(1)",
        "</style></title></pre><svg onload=alert(1)>",
        "<base href=https://evil.example/><meta http-equiv=refresh content='0;url=https://evil.example'>",
    ]
    .into_iter()
    .enumerate()
    {
        let config = json!({
            "created": attack, "author": attack, "os": attack, "architecture": attack,
            "config": { "Cmd": [attack], "Env": [attack], "Labels": { attack: attack } },
            "history": [{ "created_by": attack }],
        });
        let config = blob(&server, "a", CONFIG, config.to_string().as_bytes());
        let layer = blob(&server, "a", LAYER, b"layer");
        let annotations = json!({ attack: attack });
        let image = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], "annotations": annotations });
        push(&server, "a", &format!("v{number}"), &image);
        browser.open(&format!("{own}/ui/a:v{number}"));
        assert!(browser.text().contains(attack), "{}", browser.text());
        browser.open(&format!("{own}/ui/a"));
    }
    browser.check_quiet(&own);
    // The content of a manifest, which says itself that it is a page, comes from the same origin.
    let page = json!({ "mediaType": "text/html", "x": "<script>document.title='run';alert(1)</script>" });
    push(&server, "a", "page", &page);
    browser.open(&format!("{own}/v2/a/manifests/page"));
    assert_ne!(browser.eval("document.title"), "run");
}

/// The pictures of `docs/pictures`, made anew if `LIGHTER_PICTURES` names a directory.
#[test]
fn pictures() {
    over_files!();
    let Some(directory) = env::var_os("LIGHTER_PICTURES").map(PathBuf::from) else {
        return skip("LIGHTER_PICTURES names no directory");
    };
    let server =
        Server::with_secret(SECRET).env("REGISTRY_HTTP_HOST", "https://registry.example.com").start();
    fill(&server);
    let Some(mut browser) = Browser::start() else { return };
    let own = address(&server);
    for scheme in ["light", "dark"] {
        for (name, page) in [
            ("tags", "/ui/team/app?q=1.1"),
            ("index", "/ui/team/app:latest"),
            ("image", "/ui/library/alpine:3.22"),
        ] {
            browser.look(900, scheme);
            browser.open(&format!("{own}{page}"));
            browser.picture(&directory.join(format!("{name}-{scheme}.png")));
        }
    }
}
