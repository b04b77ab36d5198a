//! Mirrored repositories over storage in memory, whose manifests are as old as a test says.

use super::super::apply::tests::{Aged, index};
use super::super::{Rule, apply};
use super::*;
use crate::garbage::look::Trace;
use crate::garbage::tests::stores::Still;
use crate::immutable_tags::ImmutableTags;
use crate::upstream::Upstreams;
use lighter_hash::Algorithm;

/// What is kept of two upstreams, by the members of the first one.
fn keeping(members: &str, immutable: &str) -> Keeping {
    let document = format!(
        r#"{{"hub": {{"url": "https://a.example"{members}}}, "other": {{"url": "https://b.example"}}}}"#
    );
    Keeping {
        immutable_tags: ImmutableTags::parse(immutable).unwrap(),
        upstreams: Some(Upstreams::parse(&document).unwrap()),
        ..Keeping::default()
    }
}

/// No tag is immutable.
const NONE: &str = "!*:*";

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A manifest of a layer.
fn image(layer: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"layers":[{{"digest":"{}"}}]}}"#,
        Digest::of(Algorithm::Sha256, layer.as_bytes())
    )
}

/// Stores a manifest that was pulled so many days ago, with a tag unless that is empty. Returns its digest.
fn store(storage: &Aged, repository: &str, content: &str, tag: &str, days: u64) -> Digest {
    let (name, digest) = (name(repository), Digest::of(Algorithm::Sha256, content.as_bytes()));
    let repository = Repository::new(storage, &name);
    repository.put_manifest(content.as_bytes(), &digest, &digest, None).unwrap();
    if !tag.is_empty() {
        repository.move_tag(tag, &digest).unwrap();
    }
    storage.ages.borrow_mut().insert(layout::blob(&digest), Some(days * DAY));
    digest
}

/// The same, of a manifest that came from an upstream.
fn mirror(storage: &Aged, repository: &str, content: &str, tag: &str, days: u64) -> Digest {
    let digest = store(storage, repository, content, tag, days);
    storage.set(&layout::mirrored(&name(repository), &digest), b"1").unwrap();
    digest
}

fn blob(storage: &Aged, content: &str) {
    storage
        .put(&layout::blob(&Digest::of(Algorithm::Sha256, content.as_bytes())), content.as_bytes())
        .unwrap();
}

/// Applies the rules to all repositories, as `gc` does.
fn collect(storage: &Aged, keeping: &Keeping, grace: u64, is_dry: bool) -> Vec<String> {
    let (mut lines, mut troubles) = (Vec::new(), Vec::new());
    let caches =
        Caches::measure(storage, keeping, grace, &mut |trouble| troubles.push(trouble.to_owned())).unwrap();
    let (still, mut at) = (Still::default(), String::new());
    while let Some(name) = repositories::after(storage, &at, &mut || {}).unwrap() {
        let rule = Rule { cached: caches.of(&name), ..Rule::default() };
        let report = &mut |finding: &super::super::Finding| lines.push(finding.to_string());
        apply(
            &Repository::new(storage, &name),
            &rule,
            &keeping.immutable_tags,
            is_dry,
            &mut Trace::new(&still),
            report,
        )
        .unwrap();
        at = name.to_string();
    }
    assert_eq!(troubles, [""; 0]);
    lines
}

fn has(storage: &Aged, repository: &str, digest: &Digest) -> bool {
    Repository::new(storage, &name(repository)).has_manifest(digest).unwrap()
}

#[test]
fn what_was_measured_is_recalled() {
    let storage = Aged::default();
    mirror(&storage, "hub/a", &image("old"), "v1", 45);
    mirror(&storage, "hub/a", &image("young"), "v2", 3);
    let size = image("young").len();
    let document = |second: &str| {
        let document = format!(
            r#"{{"hub": {{"url": "https://a.example", "size": {size}}}, "other": {{"url": "https://b.example"{second}}}}}"#
        );
        Keeping { upstreams: Some(Upstreams::parse(&document).unwrap()), ..Keeping::default() }
    };
    let keeping = document(r#", "size": 1"#);
    let measured = Caches::measure(&storage, &keeping, 0, &mut |_| panic!("a trouble")).unwrap();
    let text = measured.remembered().unwrap();
    assert!(text.bytes().all(|b| b.is_ascii_digit() || b == b'.'), "{text}");
    let recalled = Caches::recall(&keeping, &text).unwrap();
    assert_eq!((recalled.measured, &recalled.over), (measured.measured, &measured.over));
    assert_eq!(recalled.over.len(), 1);
    // It is of other limits, of later, or of nothing.
    assert!(Caches::recall(&document(""), &text).is_none());
    let later = clock::seconds() + 60;
    for wrong in ["", "x", "1", "1.2", "1.2.x", "1.2.3.4", &format!("{later}..")] {
        assert!(Caches::recall(&keeping, wrong).is_none(), "{wrong}");
    }
    let none = Keeping::default();
    let nothing = Caches::measure(&storage, &none, 0, &mut |_| panic!("a trouble")).unwrap();
    assert_eq!(nothing.remembered(), None);
}

#[test]
fn what_was_not_pulled_for_so_many_days_goes() {
    let storage = Aged::default();
    let old = mirror(&storage, "hub/a", &image("old"), "v1", 45);
    let young = mirror(&storage, "hub/a", &image("young"), "v2", 29);
    let child = mirror(&storage, "hub/a", &image("child"), "", 90);
    let list = mirror(&storage, "hub/a", &index("list", &[&child]), "list", 3);
    let pushed = store(&storage, "hub/a", &image("pushed"), "mine", 400);
    let fixed = mirror(&storage, "hub/a", &image("fixed"), "fixed", 400);
    let other = mirror(&storage, "other/a", &image("other"), "v1", 400);
    let local = mirror(&storage, "own/a", &image("own"), "v1", 400);
    let keeping = keeping(r#", "keep_days": 30"#, "hub/a:fixed");
    let before = storage.memory.keys();
    let why = "not pulled for 45 days; what came from a.example is kept for 30 days";
    let expected = |what| [format!("hub/a:v1 {what}: {why}"), format!("hub/a@{old} {what}: {why}")];
    assert_eq!(collect(&storage, &keeping, 0, true), expected("would be removed"));
    assert_eq!(storage.memory.keys(), before);
    assert_eq!(collect(&storage, &keeping, 0, false), expected("removed"));
    assert!(!has(&storage, "hub/a", &old));
    for digest in [young, child, list, pushed, fixed] {
        assert!(has(&storage, "hub/a", &digest));
    }
    assert!(has(&storage, "other/a", &other) && has(&storage, "own/a", &local));
    // Its record went with it.
    assert!(!storage.memory.keys().iter().any(|key| key.contains("/hub/") && key.contains(old.hex())));
    assert_eq!(collect(&storage, &keeping, 0, false), [""; 0]);
}

#[test]
fn an_old_index_goes_with_what_only_it_names() {
    let storage = Aged::default();
    let children = ["a", "b"].map(|text| mirror(&storage, "hub/a", &image(text), "", 31));
    let list = mirror(&storage, "hub/a", &index("list", &[&children[0], &children[1]]), "v1", 31);
    assert_eq!(collect(&storage, &keeping(r#", "keep_days": 30"#, NONE), 0, false).len(), 4);
    assert!(![&list, &children[0], &children[1]].into_iter().any(|digest| has(&storage, "hub/a", digest)));
}

#[test]
fn what_was_pulled_longest_ago_goes_until_the_rest_fits() {
    let (storage, text) = (Aged::default(), |size: usize| "x".repeat(size));
    let layers = [text(5000), text(6000), text(7000)];
    layers.iter().for_each(|layer| blob(&storage, layer));
    let [a, b, c] = [("hub/a", 0, 9), ("hub/b", 1, 7), ("hub/c", 2, 8)].map(|(repository, layer, days)| {
        (repository, mirror(&storage, repository, &image(&layers[layer]), "v1", days))
    });
    // This shares the largest layer, and is young.
    let d = ("hub/d", mirror(&storage, "hub/d", &index(&image(&layers[2]), &[]), "v1", 1));
    let shared = mirror(&storage, "hub/d", &image(&layers[2]), "v2", 8);
    store(&storage, "own", &image(&text(9)), "v1", 99);
    for (size, gone) in [(30_000, &[][..]), (18_300, &[&a]), (13_300, &[&a, &c]), (1, &[&a, &c, &b, &d])] {
        let keeping = keeping(&format!(r#", "size": {size}"#), NONE);
        let lines = collect(&storage, &keeping, 0, false);
        for (repository, digest) in [&a, &b, &c, &d] {
            let is_gone = gone.iter().any(|(name, _)| name == repository);
            assert_eq!(has(&storage, repository, digest), !is_gone, "{size}: {repository}: {lines:#?}");
        }
        assert!(lines.iter().all(|line| line.contains("what came from a.example has")), "{lines:#?}");
        assert_eq!(collect(&storage, &keeping, 0, false), [""; 0]);
    }
    assert!(!has(&storage, "hub/d", &shared));
    assert!(has(&storage, "own", &Digest::of(Algorithm::Sha256, image(&text(9)).as_bytes())));
}

#[test]
fn what_is_within_the_grace_period_stays_whatever_the_size() {
    let storage = Aged::default();
    let digest = mirror(&storage, "hub/a", &image("a"), "v1", 1);
    let keeping = keeping(r#", "size": 1"#, NONE);
    assert_eq!(collect(&storage, &keeping, 2 * DAY, false), [""; 0]);
    assert!(has(&storage, "hub/a", &digest));
    let lines = collect(&storage, &keeping, DAY / 2, false);
    assert_eq!(lines[0], "hub/a:v1 removed: not pulled for 1 days; what came from a.example has 1 B at most");
}

#[test]
fn what_was_pushed_counts_and_stays() {
    let storage = Aged::default();
    let pushed = store(&storage, "hub/a", &image("pushed"), "v1", 99);
    let keeping = keeping(r#", "keep_days": 1, "size": 1"#, NONE);
    assert_eq!(collect(&storage, &keeping, 0, false), [""; 0]);
    assert!(has(&storage, "hub/a", &pushed));
}

#[test]
fn an_unreadable_manifest_keeps_its_repository() {
    let storage = Aged::default();
    mirror(&storage, "hub/a", &image("a"), "v1", 99);
    let broken = mirror(&storage, "hub/a", &image("b"), "", 99);
    storage.memory.put(&layout::blob(&broken), b"else").unwrap();
    let lines = collect(&storage, &keeping(r#", "keep_days": 1"#, NONE), 0, false);
    assert!(lines.iter().any(|line| line.starts_with("hub/a stays: all its manifests do")), "{lines:#?}");
    let lines = collect(&storage, &keeping(r#", "size": 1"#, NONE), 0, false);
    assert!(!lines.iter().any(|line| line.contains("removed")), "{lines:#?}");
}

/// What a crash has left before the manifest was stored.
#[test]
fn a_record_without_a_manifest_is_removed() {
    let storage = Aged::default();
    mirror(&storage, "hub/a", &image("a"), "v1", 0);
    let key = |text: &str| layout::mirrored(&name("hub/a"), &Digest::of(Algorithm::Sha256, text.as_bytes()));
    storage.set(&key("old"), b"1000").unwrap();
    storage.set(&key("young"), clock::seconds().to_string().as_bytes()).unwrap();
    let keeping = keeping(r#", "keep_days": 1"#, NONE);
    collect(&storage, &keeping, 0, true);
    assert!(storage.get(&key("old")).unwrap().is_some());
    collect(&storage, &keeping, 0, false);
    assert!(storage.get(&key("old")).unwrap().is_none());
    assert!(storage.get(&key("young")).unwrap().is_some());
}
