//! A mirror whose store takes nothing more: clients get all the same what the upstream has.

use super::*;
use crate::registry::tests::recorded::Recorded;

/// All calls that write something new.
const WRITES: [&str; 6] = ["set", "set-volatile", "create", "put", "create-upload", "append"];

type Full = Bench<Recorded<Memory>>;

/// A mirror of an upstream with an image, whose tag is checked each time, and that image.
fn with_image(layer: &[u8]) -> Full {
    let bench = Full::over(Server::start(open), r#", "ttl": "0""#);
    bench.push_image("a", "v1", layer);
    bench
}

fn keys(bench: &Full) -> Vec<String> {
    bench.storage.inner().keys()
}

#[test]
fn an_image_is_pulled_through_a_store_that_is_full() {
    let layer = vec![5; 1_000_000];
    let bench = with_image(&layer);
    bench.storage.refuse(&WRITES);
    for _ in 0..2 {
        bench.pull(&layer);
        // Nothing is remembered, so all is asked for again: as a tag, as a digest, and both blobs.
        assert_eq!(bench.upstream.take_lines().len(), 4);
        assert_eq!(keys(&bench), [""; 0]);
        assert!(!bench.mirror.take_begun());
    }
    // There is room again.
    bench.storage.refuse(&[]);
    bench.pull(&layer);
    assert!(keys(&bench).contains(&layout::blob(&Digest::of(Algorithm::Sha256, &layer))));
}

/// Whichever call it is that fails first.
#[test]
fn a_manifest_is_passed_on_whatever_is_refused() {
    for refused in ["set", "put", "set-volatile"] {
        let bench = with_image(LAYER);
        bench.storage.refuse(&[refused]);
        let got = bench.get("/v2/up/a/manifests/v1");
        assert_eq!((got.status, got.text()), (200, &*image(LAYER)), "{refused}");
        assert_eq!(got.header("Content-Type"), Some(OCI_MANIFEST));
        let by_digest = digest(image(LAYER).as_bytes());
        assert_eq!(got.header("Docker-Content-Digest"), Some(&*by_digest));
        let head = bench.ask(Head, "/v2/up/a/manifests/v1", ("X", "y"), 0);
        let length = image(LAYER).len().to_string();
        assert_eq!((head.status, head.header("Content-Length")), (200, Some(&*length)), "{refused}");
    }
    let bench = with_image(LAYER);
    bench.storage.refuse(&WRITES);
    let immutable_tags = ImmutableTags::parse("up/*:*").unwrap();
    let config = Config { keeping: Keeping { immutable_tags, ..Keeping::default() }, ..open() };
    let got = bench.ask_with(&config, Get, "/v2/up/a/manifests/v1", ("X", "y"), usize::MAX);
    assert_eq!((got.status, got.text()), (200, &*image(LAYER)));
    assert_eq!(bench.get("/v2/up/a/manifests/none").status, 404);
}

/// The upstream goes first, whether or not the tag has moved there.
#[test]
fn a_tag_that_is_stored_is_served_from_a_full_store() {
    let bench = with_image(LAYER);
    bench.pull(LAYER);
    bench.storage.refuse(&WRITES);
    bench.pull(LAYER);
    let stored = keys(&bench);
    bench.push_image("a", "v1", b"other");
    assert_eq!(bench.get("/v2/up/a/manifests/v1").text(), image(b"other"));
    assert_eq!(keys(&bench), stored);
    // It is not even remembered that the upstream is down.
    bench.upstream.act(|_| Some(Vec::new()));
    assert_eq!(bench.get("/v2/up/a/manifests/v1").text(), image(LAYER));
}

/// A blob that fails in the middle of its way is passed on to its end, and verified.
#[test]
fn a_blob_goes_on_when_the_store_becomes_full() {
    for refused in ["create-upload", "append", "commit"] {
        let layer = vec![4; 1_000_000];
        let bench = with_image(&layer);
        let target = format!("/v2/up/a/blobs/{}", digest(&layer));
        bench.storage.refuse(&[refused]);
        let got = bench.get(&target);
        assert!(got.status == 200 && got.body == layer && got.cut.is_none(), "{refused}: {:?}", got.cut);
        assert_eq!(keys(&bench), [""; 0], "{refused}");

        let lie = vec![3; layer.len()];
        bench.upstream.act(move |_| {
            let head = format!("HTTP/1.1 200 X\r\nContent-Length: {}\r\n\r\n", lie.len());
            Some([head.as_bytes(), &lie].concat())
        });
        let cut = bench.get(&target).cut.unwrap();
        assert!(cut.contains("do not match"), "{refused}: {cut}");
    }
}

/// Nobody would have the rest.
#[test]
fn a_blob_that_nobody_takes_and_no_store_is_given_up() {
    let layer = vec![2; 3_000_000];
    let bench = with_image(&layer);
    let target = format!("/v2/up/a/blobs/{}", digest(&layer));
    bench.storage.refuse(&WRITES);
    let got = bench.ask(Get, &target, ("X", "y"), 1_500_000);
    assert_eq!(got.cut.as_deref(), Some("the client has left"));
    assert_eq!(keys(&bench), [""; 0]);
}

/// It is there, only that this repository has it cannot be written down.
#[test]
fn a_blob_of_another_repository_needs_no_room() {
    let bench = with_image(LAYER);
    bench.pull(LAYER);
    bench.push_image("b", "v1", LAYER);
    bench.storage.refuse(&WRITES);
    bench.upstream.take_lines();
    let target = format!("/v2/up/b/blobs/{}", digest(LAYER));
    assert_eq!(bench.get(&target).body, LAYER);
    let part = bench.ask(Get, &target, ("Range", "bytes=2-5"), usize::MAX);
    assert_eq!((part.status, &*part.body), (206, &LAYER[2..6]));
    let asked = bench.upstream.take_lines();
    assert!(asked.iter().all(|line| line.starts_with("HEAD ")), "{asked:?}");
}
