//! Rules and small repositories, and what is removed from these.

use super::super::Rules;
use super::super::contents::{Manifest, Tag};
use super::*;
use crate::name::Name;

fn rule(members: &str) -> Rule {
    let rules = Rules::parse(&format!(r#"{{"repositories": {{"*": {{{members}}}}}}}"#)).unwrap();
    rules.of(&Name::parse("a").unwrap()).unwrap().clone()
}

fn digest(name: &str) -> Digest {
    Digest::of(Algorithm::Sha256, name.as_bytes())
}

/// The tag by which something belongs to a manifest.
fn tag_of(name: &str) -> String {
    digest(name).as_str().replace(':', "-")
}

/// Manifests as `NAME:DAYS>NAMED,NAMED@SUBJECT`, where `?` stands for an age that is not known, and tags as `NAME=MANIFEST`,
/// with a `!` at the end if immutable, and `{NAME}` for the tag that belongs to a manifest.
fn contents(manifests: &str, tags: &str) -> (Contents, Vec<String>) {
    let words: Vec<(&str, &str)> =
        manifests.split_whitespace().map(|word| word.split_once(':').unwrap()).collect();
    let place = |name: &str| words.iter().position(|(other, _)| *other == name).unwrap() as u32;
    let manifest = |(name, rest): &(&str, &str)| {
        let (rest, subject) =
            rest.split_once('@').map_or((*rest, None), |(rest, of)| (rest, Some(place(of))));
        let (age, names) = rest.split_once('>').unwrap_or((rest, ""));
        Manifest {
            digest: digest(name),
            age: age.parse::<u64>().ok().map(|days| days * DAY),
            names: names.split(',').filter(|name| !name.is_empty()).map(place).collect(),
            subject,
            is_readable: true,
            is_removed: false,
            is_mirrored: false,
        }
    };
    let tag = |word: &str| {
        let (tag, is_immutable) = word.strip_suffix('!').map_or((word, false), |tag| (tag, true));
        let (name, manifest) = tag.split_once('=').unwrap();
        let name = match name.strip_prefix('{').and_then(|name| name.split_once('}')) {
            Some((owner, ending)) => tag_of(owner) + ending,
            None => name.to_owned(),
        };
        Tag { name, manifest: place(manifest), is_immutable }
    };
    let all = words.iter().map(manifest).collect();
    let names = words.iter().map(|(name, _)| (*name).to_owned()).collect();
    (Contents::of(all, tags.split_whitespace().map(tag).collect()), names)
}

/// The removals, as `TAG TAG / MANIFEST MANIFEST`.
fn removed(members: &str, manifests: &str, tags: &str) -> String {
    let (contents, names) = contents(manifests, tags);
    let removals = decide(&rule(members), &contents);
    let tags: Vec<_> = removals.tags.iter().map(|(at, _)| contents.tags[*at].name.clone()).collect();
    let manifests: Vec<_> = removals.manifests.iter().map(|at| names[*at].clone()).collect();
    format!("{} / {}", tags.join(" "), manifests.join(" ")).trim().to_owned()
}

#[test]
fn tags_are_kept_by_number_age_and_name() {
    let manifests = "a:1 b:2 c:3 d:40 e:?";
    let tags = "v1=a v2=b v3=c old=d unknown=e";
    for (members, expected) in [
        ("", "/"),
        (r#""keep_newest": 2"#, "v3 old unknown /"),
        (r#""keep_newest": 4"#, "unknown /"),
        (r#""keep_newest": 9"#, "/"),
        (r#""keep_days": 3"#, "v3 old unknown /"),
        (r#""keep_days": 4"#, "old unknown /"),
        (r#""keep_tags": ["v*"]"#, "old unknown /"),
        (r#""keep_tags": ["nothing"]"#, "v1 v2 v3 old unknown /"),
        (r#""keep_newest": 1, "keep_days": 3, "keep_tags": ["old"]"#, "v3 unknown /"),
        (r#""keep_newest": 1, "keep_tags": ["v1"]"#, "v2 v3 old unknown /"),
        // Manifests go only if the rule says so.
        (r#""keep_newest": 1, "keep_untagged_days": 3"#, "v2 v3 old unknown / c d e"),
        (r#""keep_untagged_days": 3"#, "/"),
    ] {
        assert_eq!(removed(members, manifests, tags), expected, "{members}");
    }
}

#[test]
fn tags_of_one_age_are_kept_together() {
    assert_eq!(removed(r#""keep_newest": 1"#, "a:5 b:5 c:6", "x=a y=a z=b older=c"), "older /");
    assert_eq!(removed(r#""keep_newest": 2"#, "a:5 b:? c:?", "x=a y=b z=c"), "/");
}

#[test]
fn an_immutable_tag_is_kept() {
    let members = r#""keep_newest": 1, "keep_untagged_days": 1"#;
    assert_eq!(removed(members, "a:5 b:50 c:50", "x=a y=b! z=c"), "z / c");
}

#[test]
fn what_is_kept_keeps_what_it_names_and_what_refers_to_it() {
    let members = r#""keep_days": 10, "keep_untagged_days": 7"#;
    for (manifests, tags, expected) in [
        ("a:50 b:3 c:?", "", "/ a c"),
        // An index with a tag, one that is young, and one that goes, before what it names.
        ("c:50 i:5>c", "v1=i", "/"),
        ("c:50 i:5>c", "", "/"),
        ("c:50 i:50>c", "", "/ i c"),
        ("c:50 i:50>c", "v1=i", "v1 / i c"),
        ("c:50 i:50>c j:3>c", "v1=i v2=j", "v1 / i"),
        ("c:50 i:50>c", "v1=i v2=c", "v1 v2 / i c"),
        ("d:50 c:50>d i:5>c", "v1=i", "/"),
        ("d:50 c:50>d i:50>c", "", "/ i c d"),
        // Referrers, and referrers of these.
        ("a:5 r:50@a s:50@r", "v1=a", "/"),
        ("s:50@r r:50@a a:50", "", "/ a r s"),
        ("r:50>d@a d:50 a:5", "v1=a", "/"),
        // A referrer does not keep its subject, but a young one stays.
        ("a:50 r:3@a", "", "/ a"),
        ("a:50 r:5@a", "sbom=r", "/ a"),
        ("a:50 r:50@a", "sbom=r", "sbom / a r"),
        // Referrers of what an index names.
        ("c:50 r:50@c i:5>c", "v1=i", "/"),
        // A circle is possible: an index that refers to what is in an index in it.
        ("i:50>x@c x:50>c c:50", "", "/ c i x"),
        ("i:50>x@c x:50>c c:5", "", "/"),
    ] {
        let mut found = removed(members, manifests, tags);
        if expected == "/ c i x" {
            let mut words: Vec<&str> = found.split(' ').collect();
            words.sort_unstable();
            found = words.join(" ");
        }
        assert_eq!(found, expected, "{manifests} {tags}");
    }
}

#[test]
fn a_tag_that_belongs_to_a_manifest_stays_and_goes_with_it() {
    let members = r#""keep_newest": 1, "keep_untagged_days": 7"#;
    // The fallback tag of referrers, and a signature of cosign's.
    assert_eq!(removed(members, "a:20 b:30 i:10>r r:50@a s:10", "v2=a v1=b {a}=i {a}.sig=s"), "v1 / b");
    let gone = removed(members, "b:20 a:30 i:25>r r:50@a s:25", "v2=b v1=a {a}=i {a}.sig=s");
    assert_eq!(gone, format!("v1 {} {}.sig / a i s r", tag_of("a"), tag_of("a")));
    // Its manifest is not there: perhaps not yet.
    let (young, old) = ("a:1 s:3", "a:1 s:8");
    let tag = format!("{}.sig=s", tag_of("absent"));
    assert_eq!(removed(members, young, &format!("v1=a {tag}")), "/");
    assert_eq!(removed(members, old, &format!("v1=a {tag}")), format!("{}.sig / s", tag_of("absent")));
    assert_eq!(removed(r#""keep_newest": 1"#, old, &format!("v1=a {tag}")), "/");
    // Others only look like it.
    let other = format!("{}x", tag_of("a"));
    assert_eq!(removed(r#""keep_newest": 1"#, "a:1 s:3", &format!("v1=a {other}=s")), format!("{other} /"));
    assert_eq!(removed(r#""keep_tags": ["v1"]"#, "a:1 s:3", "v1=a sha256-ab=s"), "sha256-ab /");
}

#[test]
fn as_long_as_one_manifest_cannot_be_read_all_stay() {
    let (mut contents, _) = contents("a:50 b:50", "v1=b v2=a");
    contents.unreadable = Some(digest("a"));
    let removals = decide(&rule(r#""keep_tags": ["v1"], "keep_untagged_days": 1"#), &contents);
    assert_eq!((removals.tags.len(), removals.manifests), (1, Vec::new()));
}

#[test]
fn what_was_removed_is_not_removed_again() {
    let (mut contents, _) = contents("a:50>b b:50", "");
    contents.manifests[0].is_removed = true;
    let removals = decide(&rule(r#""keep_untagged_days": 1"#), &contents);
    assert_eq!(removals.manifests, [1]);
}

/// Every small repository, with a rule that removes as much as it can: nothing that is kept lacks anything.
#[test]
fn nothing_that_is_kept_lacks_what_it_names() {
    let rule = rule(r#""keep_days": 10, "keep_untagged_days": 10"#);
    for code in 0..4_u32.pow(6) {
        // Of three pairs of manifests, the later one names the earlier, in two cases of four, refers to it, or neither. Each of
        // three manifests is young, old, has a tag, or had one.
        let digit = |place: u32| (code / 4_u32.pow(place)) % 4;
        let manifest = |at: u32| {
            let pairs = [(1, 0, 0), (2, 0, 1), (2, 1, 2)];
            let kind = |wanted| {
                let own = pairs.iter().filter(move |(later, _, pair)| *later == at && digit(*pair) == wanted);
                own.map(|(_, earlier, _)| *earlier)
            };
            Manifest {
                digest: digest(&at.to_string()),
                age: Some(if digit(3 + at) == 0 { 1 } else { 20 } * DAY),
                names: kind(1).chain(kind(3)).collect(),
                subject: kind(2).next(),
                is_readable: true,
                is_removed: false,
                is_mirrored: false,
            }
        };
        let tag = |at: u32| Tag { name: format!("t{at}"), manifest: at, is_immutable: digit(3 + at) == 2 };
        let tags = (0..3).filter(|at| digit(3 + at) >= 2).map(tag).collect();
        let contents = &Contents::of((0..3).map(manifest).collect(), tags);
        let removals = decide(&rule, contents);
        let kept_by = |at: u32| {
            let referrers = (0..3).filter(move |r| contents.manifests[*r as usize].subject == Some(at));
            contents.manifests[at as usize].names.iter().copied().chain(referrers)
        };
        // Of three, a circle has two or three.
        let has_circle =
            (0..3).any(|a| kept_by(a).any(|b| kept_by(b).any(|c| c == a || kept_by(c).any(|d| d == a))));
        let goes = |at: &u32| removals.manifests.contains(&(*at as usize));
        for at in 0..3 {
            let manifest = &contents.manifests[at as usize];
            if goes(&at) {
                assert!(
                    digit(3 + at) == 1 || digit(3 + at) == 3,
                    "{code}: {at} is young, or has an immutable tag"
                );
                // It comes before all that it keeps, unless they keep each other.
                let place = |at: u32| removals.manifests.iter().position(|other| *other == at as usize);
                let is_before = |named: &u32| place(*named).is_none_or(|named| Some(named) > place(at));
                assert!(
                    has_circle || manifest.names.iter().all(is_before),
                    "{code}: {:?}",
                    removals.manifests
                );
            } else {
                assert!(!manifest.names.iter().any(goes), "{code}: {at} is kept without what it names");
            }
            if manifest.subject.is_some_and(|subject| !goes(&subject)) {
                assert!(!goes(&at), "{code}: {at} goes without its subject");
            }
        }
        for (at, _) in &removals.tags {
            assert!(!contents.tags[*at].is_immutable);
        }
        let tagged =
            contents.tags.iter().enumerate().filter(|(at, _)| !removals.tags.iter().any(|(t, _)| t == at));
        assert!(
            tagged.into_iter().all(|(_, tag)| !goes(&tag.manifest)),
            "{code}: a tag is left without its manifest"
        );
    }
}
