use super::*;
use crate::media_type::{DOCKER_LIST, DOCKER_MANIFEST, UNKNOWN};

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn parse(content: &str, content_type: &str) -> Result<Manifest, String> {
    Manifest::parse(content.as_bytes(), Some(content_type))
}

fn named(descriptors: &[Descriptor]) -> Vec<(&str, Option<u64>)> {
    descriptors.iter().map(|named| (named.digest.as_str(), named.size)).collect()
}

#[test]
fn an_image_refers_to_its_config_and_layers() {
    let content = format!(
        r#"{{"schemaVersion":2,"config":{{"digest":"{A}","size":7}},"layers":[{{"digest":"{B}","size":"8"}},{{"digest":"{B}"}}]}}"#
    );
    let manifest = parse(&content, "Application/vnd.oci.image.MANIFEST.v1+json; charset=utf-8").unwrap();
    assert_eq!(named(&manifest.blobs), [(A, Some(7)), (B, None)]);
    assert_eq!(media_type_of(content.as_bytes()), OCI_MANIFEST);
    // Such a manifest would be served as another type.
    assert!(parse(&content, DOCKER_MANIFEST).unwrap_err().contains("must say so"));
}

#[test]
fn an_index_refers_to_its_entries() {
    let content = format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{A}"}},{{"digest":"{A}"}}]}}"#);
    let manifest = Manifest::parse(content.as_bytes(), None).unwrap();
    assert_eq!((manifest.blobs.len(), named(&manifest.entries)), (0, vec![(A, None)]));
    assert_eq!(media_type_of(content.as_bytes()), OCI_INDEX);
    assert!(parse(&content, OCI_MANIFEST).is_err());
}

#[test]
fn what_may_be_left_out_may_be_null() {
    let image = format!(
        r#"{{"schemaVersion":2,"mediaType":null,"artifactType":null,"manifests":null,"subject":null,"annotations":null,"layers":null,"config":{{"mediaType":null,"digest":"{A}","size":null,"urls":null,"annotations":null}}}}"#
    );
    let manifest = parse(&image, OCI_MANIFEST).unwrap();
    assert_eq!(named(&manifest.blobs), [(A, None)]);
    assert_eq!(media_type_of(image.as_bytes()), OCI_MANIFEST);
    let index = r#"{"schemaVersion":2,"manifests":null,"config":null,"layers":null}"#;
    assert_eq!(parse(index, OCI_INDEX).unwrap().entries.len(), 0);
    assert_eq!(media_type_of(index.as_bytes()), OCI_INDEX);
    let no_config = r#"{"schemaVersion":2,"config":null,"layers":[]}"#;
    assert_eq!(parse(no_config, OCI_MANIFEST).unwrap_err(), "an image manifest must have a config");
}

/// A client in Go sees these layers, so they must be in the repository.
#[test]
fn members_are_those_that_a_client_in_go_sees() {
    let content = format!(
        r#"{{"schemaVersion":1,"SchemaVersion":2,"config":7,"Config":{{"Digest":"{A}"}},"layers":[],"LAYERS":[{{"digest":"x","digest":"{B}"}}]}}"#
    );
    let manifest = parse(&content, OCI_MANIFEST).unwrap();
    assert_eq!(named(&manifest.blobs), [(A, None), (B, None)]);
    assert_eq!(media_type_of(content.as_bytes()), OCI_MANIFEST);
    let content =
        format!(r#"{{"schemaVersion":2,"Manifests":[],"mediaType":"x/y","MediaType":"{OCI_INDEX}"}}"#);
    assert!(parse(&content, OCI_INDEX).is_ok());
    assert_eq!(media_type_of(content.as_bytes()), OCI_INDEX);
}

#[test]
fn a_foreign_layer_may_be_elsewhere() {
    let layer = |media_type: &str, urls: &str| {
        let content = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{A}"}},"layers":[{{"mediaType":"{media_type}","digest":"{B}","urls":{urls}}}]}}"#
        );
        parse(&content, OCI_MANIFEST).unwrap().blobs.len()
    };
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    assert_eq!(layer(foreign, r#"["https://example.com/layer"]"#), 1);
    for none in ["[]", "null"] {
        assert_eq!(layer(foreign, none), 2, "{none}");
    }
    assert_eq!(layer("application/vnd.oci.image.layer.v1.tar", r#"["https://example.com/layer"]"#), 2);
}

#[test]
fn an_unknown_type_is_not_looked_into() {
    let content = r#"{"mediaType":"application/vnd.example+json","layers":"none","schemaVersion":1}"#;
    let manifest = parse(content, "application/vnd.example+json").unwrap();
    assert!(manifest.blobs.is_empty());
    assert_eq!(media_type_of(content.as_bytes()), "application/vnd.example+json");
    assert!(parse("{}", "application/vnd.example+json").is_err());
}

#[test]
fn a_manifest_is_never_said_to_be_of_a_type_that_it_is_not() {
    for (content, expected) in [
        // Members that do not decide the type may be invalid.
        (r#"{"schemaVersion":2,"config":{},"layers":[{"urls":null,"digest":7}],"subject":[]}"#, OCI_MANIFEST),
        (r#"{"mediaType":7,"schemaVersion":"2","manifests":["x"]}"#, OCI_INDEX),
        (r#"{"mediaType":"","layers":[]}"#, OCI_MANIFEST),
        (
            r#"{"mediaType":"Application/vnd.docker.distribution.manifest.LIST.v2+json;a=b","layers":0}"#,
            DOCKER_LIST,
        ),
        (r#"{"mediaType":"x/y","mediaType":"a/b","config":{}}"#, "a/b"),
        (r#"{"schemaVersion":1,"name":"a","fsLayers":[],"history":[]}"#, DOCKER_SCHEMA1),
        (r#"{"schemaVersion":1,"fsLayers":null,"signatures":[{}]}"#, DOCKER_SCHEMA1_SIGNED),
        (
            r#"{"schemaVersion":1,"mediaType":"application/vnd.docker.distribution.manifest.v1+prettyjws"}"#,
            DOCKER_SCHEMA1,
        ),
        // Nothing shows the type.
        ("not json", UNKNOWN),
        ("", UNKNOWN),
        ("[]", UNKNOWN),
        ("{}", UNKNOWN),
        (r#"{"schemaVersion":2}"#, UNKNOWN),
        (r#"{"schemaVersion":2,"config":[],"layers":{},"manifests":7}"#, UNKNOWN),
        // The type would break the header.
        (r#"{"mediaType":"a\r\nX: y","config":{},"layers":[]}"#, UNKNOWN),
    ] {
        assert_eq!(media_type_of(content.as_bytes()), expected, "{content}");
    }
    // Go also reads text that is not UTF-8.
    assert_eq!(media_type_of(b"{\"annotations\":{\"author\":\"Andr\xe9\"},\"layers\":[]}"), OCI_MANIFEST);
}

#[test]
fn schema_1_is_refused_by_its_name() {
    let content = r#"{"schemaVersion":1,"name":"a","fsLayers":[],"history":[],"signatures":[{}]}"#;
    for content_type in [DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, "application/json", ""] {
        assert!(parse(content, content_type).unwrap_err().contains("schema 1"), "{content_type}");
    }
    let named = format!(r#"{{"mediaType":"{DOCKER_SCHEMA1}"}}"#);
    assert!(parse(&named, DOCKER_SCHEMA1).unwrap_err().contains("schema 1"));
}

#[test]
fn what_is_not_a_manifest_is_refused() {
    for content in [
        "",
        "null",
        "[]",
        "1",
        "{",
        "{}",
        r#"{"schemaVersion":1,"config":{"digest":"x"}}"#,
        r#"{"schemaVersion":2}"#,
        r#"{"schemaVersion":2,"config":{}}"#,
        r#"{"schemaVersion":2,"config":{"digest":"../../etc/passwd"}}"#,
        r#"{"schemaVersion":2,"config":[]}"#,
        r#"{"schemaVersion":2,"config":{"digest":"x"},"manifests":[]}"#,
        r#"{"schemaVersion":2,"config":{},"layers":[null]}"#,
        r#"{"mediaType":1}"#,
        r#"{"mediaType":"a\r\nX: y"}"#,
    ] {
        assert!(parse(content, OCI_MANIFEST).is_err(), "{content}");
        assert!(Manifest::parse(content.as_bytes(), None).is_err(), "{content}");
    }
    let content =
        format!(r#"{{"schemaVersion":2,"mediaType":"{DOCKER_MANIFEST}","config":{{"digest":"{A}"}}}}"#);
    assert!(parse(&content, OCI_MANIFEST).unwrap_err().contains("Content-Type"));
}
