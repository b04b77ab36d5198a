//! A registry as a team has it: images of several platforms, a chart, notes, and what refers to an image.

use serde_json::{Value, json};

use crate::content::{noise, push_blob, sha256};
use crate::images::{CONFIG, INDEX, LAYER, MANIFEST};
use crate::server::Server;

/// Puts a manifest under a tag, or under its digest if there is none, and returns its descriptor.
pub(crate) fn push(server: &Server, repository: &str, tag: &str, manifest: &Value) -> Value {
    let content = manifest.to_string();
    let digest = sha256(content.as_bytes());
    let reference = if tag.is_empty() { &digest } else { tag };
    let media_type = manifest["mediaType"].as_str().unwrap();
    let put = server.put(&format!("/v2/{repository}/manifests/{reference}"));
    let stored = put.header("Content-Type", media_type).body(content.as_str()).send();
    assert_eq!(stored.status(), "201 Created", "{stored}");
    json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
}

/// Puts a blob, and returns its descriptor.
pub(crate) fn blob(server: &Server, repository: &str, media_type: &str, content: &[u8]) -> Value {
    let digest = push_blob(server, repository, content);
    json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
}

/// An image for a platform. The seed decides on its layers but the first one.
fn image(server: &Server, repository: &str, architecture: &str, version: &str, seed: u64) -> Value {
    let config = json!({
        "created": "2026-11-20T09:31:12.512Z", "author": "The team", "architecture": architecture, "os": "linux",
        "config": {
            "User": "101:101",
            "ExposedPorts": { "8080/tcp": {}, "8443/tcp": {} },
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", format!("APP_VERSION={version}"), "LANG=C.UTF-8"],
            "Entrypoint": ["/docker-entrypoint.sh"],
            "Cmd": ["serve", "--port", "8080"],
            "WorkingDir": "/srv/app",
            "StopSignal": "SIGQUIT",
            "Labels": {
                "org.opencontainers.image.source": "https://git.example.com/team/app",
                "org.opencontainers.image.licenses": "Apache-2.0",
                "maintainer": "The team <team@example.com>",
            },
        },
        "history": [
            { "created_by": "/bin/sh -c #(nop) ADD file:4f7b0d3e in / " },
            { "created_by": "/bin/sh -c #(nop)  CMD [\"/bin/sh\"]", "empty_layer": true },
            { "created_by": format!("ENV APP_VERSION={version}"), "empty_layer": true },
            { "created_by": "RUN /bin/sh -c set -eux; addgroup -S -g 101 app && adduser -S -D -H -u 101 -G app app; apk add --no-cache ca-certificates tzdata curl # buildkit" },
            { "created_by": "COPY --chown=101:101 dist/ /srv/app/ # buildkit" },
            { "created_by": "EXPOSE map[8080/tcp:{} 8443/tcp:{}]", "empty_layer": true },
            { "created_by": "ENTRYPOINT [\"/docker-entrypoint.sh\"]", "empty_layer": true },
        ],
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let base = if architecture == "amd64" { (1, 342_311) } else { (2, 330_144) };
    let layers: Vec<Value> = [base, (seed, 81_200 + seed), (seed + 1000, 210_000 + 7 * seed)]
        .map(|(seed, length)| blob(server, repository, LAYER, &noise(seed, length).into_bytes()))
        .to_vec();
    let config = blob(server, repository, CONFIG, config.to_string().as_bytes());
    json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers })
}

/// An image for two platforms with an attestation, as BuildKit pushes it.
fn platforms(server: &Server, repository: &str, version: &str, tags: &[&str], seed: u64) -> Value {
    let mut entries: Vec<Value> = Vec::new();
    for (number, architecture) in (0..).zip(["amd64", "arm64"]) {
        let manifest = image(server, repository, architecture, version, seed + number);
        let mut entry = push(server, repository, "", &manifest);
        entry["platform"] = json!({ "os": "linux", "architecture": architecture });
        entries.push(entry);
    }
    let statement = json!({ "_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2", "subject": entries[0]["digest"] });
    let statement =
        blob(server, repository, "application/vnd.in-toto+json", statement.to_string().as_bytes());
    let config = blob(server, repository, CONFIG, br#"{"architecture":"unknown","os":"unknown"}"#);
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [statement] });
    let mut attestation = push(server, repository, "", &manifest);
    attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
    attestation["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": entries[0]["digest"],
    });
    entries.push(attestation);
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": entries,
        "annotations": { "org.opencontainers.image.version": version, "org.opencontainers.image.revision": "6f1c2b7d9a" },
    });
    tags.iter().for_each(|tag| _ = push(server, repository, tag, &index));
    push(server, repository, "", &index)
}

/// Lets an artifact of one file refer to a manifest.
fn refer(server: &Server, repository: &str, subject: &Value, media_type: &str, content: &Value) {
    let empty = blob(server, repository, "application/vnd.oci.empty.v1+json", b"{}");
    let file = blob(server, repository, media_type, content.to_string().as_bytes());
    push(
        server,
        repository,
        "",
        &json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": media_type, "config": empty, "layers": [file],
            "subject": subject, "annotations": { "org.opencontainers.image.created": "2026-11-20T09:33:00Z" },
        }),
    );
}

/// Fills a registry.
pub(crate) fn fill(server: &Server) {
    platforms(server, "team/app", "1.8.0", &["1.8.0", "1.8"], 10);
    platforms(server, "team/app", "1.9.0", &["1.9.0"], 20);
    platforms(server, "team/app", "1.9.1", &["1.9.1", "1.9"], 30);
    let newest = platforms(server, "team/app", "1.10.0", &["1.10.0", "1.10", "1", "latest"], 40);
    let sbom = json!({
        "spdxVersion": "SPDX-2.3", "name": "team/app",
        "packages": [{ "name": "busybox", "versionInfo": "1.37.0" }, { "name": "ca-certificates", "versionInfo": "20260101" }],
    });
    refer(server, "team/app", &newest, "application/spdx+json", &sbom);
    let bundle =
        json!({ "verificationMaterial": { "tlogEntries": [] }, "dsseEnvelope": { "payload": "eyJ9" } });
    refer(server, "team/app", &newest, "application/vnd.dev.sigstore.bundle.v0.3+json", &bundle);
    for (seed, repository, tag) in [
        (50, "library/alpine", "3.22"),
        (60, "library/alpine", "3.21"),
        (70, "library/nginx", "1.29-alpine"),
        (80, "library/postgres", "18"),
        (90, "team/app/worker", "2.4.0"),
        (100, "team/site", "2026-11"),
        (110, "home/ann/scratch", "try"),
    ] {
        let manifest = image(server, repository, "amd64", tag, seed);
        push(server, repository, tag, &manifest);
    }
    for version in ["0.4.0", "0.4.1"] {
        let chart = json!({ "name": "app", "version": version, "apiVersion": "v2", "appVersion": "1.10.0", "description": "The app and its worker" });
        let config = blob(
            server,
            "charts/app",
            "application/vnd.cncf.helm.config.v1+json",
            chart.to_string().as_bytes(),
        );
        let content = noise(7, 14_211).into_bytes();
        let layer =
            blob(server, "charts/app", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", &content);
        push(
            server,
            "charts/app",
            version,
            &json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] }),
        );
    }
    let empty = blob(server, "notes/handbook", "application/vnd.oci.empty.v1+json", b"{}");
    let mut file =
        blob(server, "notes/handbook", "application/json", br#"{"title":"Handbook","chapters":[1,2,3]}"#);
    file["annotations"] = json!({ "org.opencontainers.image.title": "index.json" });
    push(
        server,
        "notes/handbook",
        "v1",
        &json!({ "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.example.notes", "config": empty, "layers": [file] }),
    );
}
