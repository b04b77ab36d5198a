use super::*;

fn upstreams(json: &str) -> Upstreams {
    Upstreams::parse(json).unwrap()
}

#[test]
fn a_repository_has_an_origin() {
    let all = upstreams(
        r#"{"docker.io": {}, "ghcr.io": {}, "ghcr.io/team": {"url": "http://a:5000/sub/", "namespace": "team"},
            "own": {"url": "http://127.0.0.1:5000"}}"#,
    );
    let find = |name, namespace| {
        let origin = all.find(name, namespace)?;
        Some(format!("{} {} {}", origin.upstream.url.authority, origin.remote, origin.local))
    };
    for (name, namespace, origin) in [
        (
            "docker.io/library/alpine",
            None,
            Some("registry-1.docker.io library/alpine docker.io/library/alpine"),
        ),
        ("docker.io/alpine", None, Some("registry-1.docker.io library/alpine docker.io/library/alpine")),
        ("alpine", Some("docker.io"), Some("registry-1.docker.io library/alpine docker.io/library/alpine")),
        ("docker.io/a/b", Some("docker.io"), Some("registry-1.docker.io a/b docker.io/a/b")),
        ("ghcr.io/a", None, Some("ghcr.io a ghcr.io/a")),
        ("ghcr.io/team/a", None, Some("a:5000 a ghcr.io/team/a")),
        ("a", Some("team"), Some("a:5000 a ghcr.io/team/a")),
        ("a", Some("127.0.0.1:5000"), Some("127.0.0.1:5000 a own/a")),
        ("own/a", None, Some("127.0.0.1:5000 a own/a")),
        ("docker.io", None, None),
        ("docker.iox/a", None, None),
        ("a/docker.io/b", None, None),
        ("alpine", None, None),
        ("alpine", Some("quay.io"), None),
        ("alpine", Some(""), None),
    ] {
        assert_eq!(find(name, namespace).as_deref(), origin, "{name} {namespace:?}");
    }
    let hub = upstreams(r#"{"": {"url": "https://docker.io"}}"#);
    let origin = hub.find("alpine", None).unwrap();
    assert_eq!((&*origin.remote, &*origin.local), ("library/alpine", "library/alpine"));
}

#[test]
fn what_is_wrong_is_named_without_secrets() {
    for (json, named) in [
        ("", "not JSON"),
        (r#"{"a": {"password": "hidden}}"#, "not JSON, in line 1"),
        ("[]", "not an object"),
        (r#"{"a": 1}"#, "\"a\": it is not an object"),
        (r#"{"A": {}}"#, "\"A\": it is not the beginning"),
        (r#"{"a:5000": {}}"#, "\"a:5000\": it is not the beginning"),
        (r#"{"": {}}"#, "needs a url"),
        (r#"{"a": {"url": "a"}}"#, "its url must be"),
        (r#"{"a": {"url": "https://hidden:hidden@a"}}"#, "its url must be"),
        (r#"{"a": {"url": "https://a?b"}}"#, "its url must be"),
        (r#"{"a": {"urls": ""}}"#, "unknown member \"urls\""),
        (r#"{"a": {"password": ["hidden"]}}"#, "its password is not a string"),
        (r#"{"a": {"password": "hidden"}}"#, "a password a username"),
        (r#"{"a": {"ttl": "1d"}}"#, "its ttl must be"),
        (r#"{"a": {"keep_days": 0}}"#, "\"a\": its keep_days must be a whole number from 1 to 1000000"),
        (r#"{"a": {"keep_days": "30"}}"#, "its keep_days must be"),
        (r#"{"a": {"size": "1GB"}}"#, "its size must be a whole number from 1"),
        (r#"{"a": {"size": 0}}"#, "its size must be"),
        (r#"{"a": {"size": null}}"#, "its size must be"),
        (r#"{"a": {"namespace": "a b"}}"#, "its namespace"),
        (r#"{"a": {"namespace": "x"}, "b": {"namespace": "x"}}"#, "two upstreams"),
    ] {
        let error = Upstreams::parse(json).unwrap_err();
        assert!(error.contains(named) && !error.contains("hidden"), "{json}: {error}");
    }
}

#[test]
fn a_next_page_has_a_query() {
    assert_eq!(next_page(r#"</v2/a/tags/list?last=b&n=1>; rel="next""#).as_deref(), Some("last=b&n=1"));
    assert_eq!(next_page(r#"<https://a/x?y=%20>; rel=next"#).as_deref(), Some("y=%20"));
    for none in [
        "",
        "</x>; rel=\"next\"",
        "</x?y>; rel=\"prev\"",
        "x?y",
        "</x?a b>; rel=\"next\"",
        "</x?%zz>; rel=\"next\"",
    ] {
        assert_eq!(next_page(none), None, "{none}");
    }
}

#[test]
fn a_pull_leaves_a_trace_after_some_time() {
    let traced =
        |members: &str| Upstreams::parse(&format!(r#"{{"a": {{{members}}}}}"#)).unwrap().all()[0].traced();
    assert_eq!(traced(""), None);
    assert_eq!(traced(r#""size": 5"#), Some(86_400));
    assert_eq!(traced(r#""keep_days": 1"#), Some(8_640));
    assert_eq!(traced(r#""keep_days": 30, "size": 5"#), Some(86_400));
}
