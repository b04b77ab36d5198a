//! Whatever is sent, nothing panics, no answer is a 5xx, and no text of a client becomes an invalid key.
//! The tests run natively, over the storage in memory; `fuzz/` continues from here.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do the functions that help it"
)]

#[path = "bad_input/entry.rs"]
mod entry;

use std::time::{Duration, Instant};

use lighter::config::Config;
use lighter::http::{Method, Request};
use lighter::registry::Registry;
use lighter_storage::Memory;
use proptest::collection::vec;
use proptest::prelude::*;

/// Text that is nearly a name, a digest, a range, a token or a path.
const NEARLY: &str = "(/v2/)?[a-z0-9._/%A-Z:\u{e4}\u{202e}-]{0,40}(/(blobs|manifests|tags/list|uploads|referrers)/?)?\
                      (sha256:[0-9a-fA-F]{60,66}|(bytes[ =])?[0-9]{0,21}-[0-9]{0,21}(/[0-9*]{0,5})?|[A-Za-z0-9_=-]{0,80})?";

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_taken_for_what_it_is_not(text in prop_oneof![any::<String>(), NEARLY]) {
        entry::texts(&text);
    }

    #[test]
    fn no_bytes_are_taken_for_a_manifest_that_are_none(
        bytes in vec(any::<u8>(), 0..200),
        cut in any::<proptest::sample::Index>(),
        put in "[\\[{\"\\\\0-9a:,\\]}]{0,4}",
    ) {
        entry::manifests(&bytes);
        // One that was right, with something in it.
        let mut text = r#"{"schemaVersion":2,"mediaType":"a/b","config":{"digest":"sha256:00","urls":[]},"layers":[],"subject":{"digest":""},"annotations":{"a":"b"}}"#.to_owned();
        text.insert_str(cut.index(text.len()), &put);
        entry::manifests(text.as_bytes());
    }

    #[test]
    fn no_session_is_answered_with_a_fault_of_ours(bytes in vec(any::<u8>(), 0..600)) {
        entry::session(&bytes);
    }
}

/// Pushes a manifest, and returns the status and how long that took.
fn push(mut content: Vec<u8>) -> (u16, Duration) {
    let (storage, config) = (Memory::default(), Config::default());
    let registry = Registry::new(&storage, &config);
    let started = Instant::now();
    let request = Request::new(Method::Put, "/v2/a/manifests/v1", Vec::new(), &mut content);
    (registry.handle(request).0.status, started.elapsed())
}

#[test]
fn deep_and_huge_manifests_are_refused_within_bounds() {
    let digest = |n: usize| format!(r#"{{"digest":"sha256:{n:064x}"}}"#);
    let layers: Vec<String> = (0..45_000).map(digest).collect();
    let huge = [
        ("[".repeat(4 << 20), 400),
        (r#"{"a":"#.repeat(800_000), 400),
        (format!(r#"{{"schemaVersion":2,"x":{}1{}}}"#, "[".repeat(2_000_000), "]".repeat(2_000_000)), 400),
        (format!(r#"{{"annotations":{}1{}}}"#, r#"{"a":"#.repeat(600_000), "}".repeat(600_000)), 400),
        (format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, layers.join(",")), 400),
        (format!(r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#, digest(0), layers.join(",")), 400),
        (format!(r#"{{"schemaVersion":2,"x":"{}"}}"#, "\\u0000".repeat(690_000)), 400),
        (" ".repeat((4 << 20) + 1), 413),
    ];
    for (content, expected) in huge {
        let start: String = content.chars().take(60).collect();
        let (status, took) = push(content.into_bytes());
        assert_eq!(status, expected, "{start}");
        // Unoptimised and on a busy machine, what grows with the size takes a fraction of this, and
        // what grows with its square far more.
        assert!(took < Duration::from_secs(20), "{start}: {took:?}");
    }
}

#[test]
fn no_path_leads_out_of_the_repositories() {
    let (storage, config) = (Memory::default(), Config::default());
    let registry = Registry::new(&storage, &config);
    for name in [
        "..",
        "../..",
        "a/../b",
        "a/..",
        "%2e%2e",
        "..%2f..",
        "a%2f..%2fb",
        "a%00b",
        "a\\..\\b",
        "A",
        "%C3%A4",
        "\u{ff0e}\u{ff0e}",
        "%EF%BC%8E%EF%BC%8E",
        "a//b",
        "_uploads",
        "a/_layers",
        "/",
        "",
        ".",
    ] {
        for target in [
            format!("/v2/{name}/blobs/uploads/"),
            format!("/v2/{name}/manifests/v1"),
            format!("/v2/a/manifests/{name}"),
            format!("/v2/a/blobs/uploads/{name}?_state=x"),
            format!("/v2/a/manifests/v1?tag={name}"),
        ] {
            // A DELETE that is refused before the name is read would show nothing of it.
            let may_delete = target.contains("/manifests/");
            for method in [Method::Post, Method::Put, Method::Patch, Method::Delete, Method::Get] {
                let mut body = br#"{"schemaVersion":2,"manifests":[]}"#.to_vec();
                let request = Request::new(method.clone(), &target, Vec::new(), &mut body);
                let status = registry.handle(request).0.status;
                assert!(status < 500, "{method} {target}: {status}");
                let refused = method == Method::Delete && may_delete && status == 405;
                assert!(!refused, "{method} {target}: {status}");
            }
        }
    }
    // What was right among these are a tag of `a` and its uploads.
    for key in storage.keys() {
        let right = key.starts_with("docker/registry/v2/repositories/a/")
            || key.starts_with("docker/registry/v2/blobs/")
            || key.starts_with("lighter/");
        assert!(right && !key.contains(".."), "{key}");
    }
}
