//! `skopeo`, a client for people: an image of two platforms goes in and comes out, byte for byte.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::content::sha256;
use crate::images::Layout;
use crate::process::installed;
use crate::server::Server;

pub(crate) fn skopeo(arguments: &[&str]) -> Output {
    // Not every machine has a policy.
    let output = Command::new("skopeo").arg("--insecure-policy").args(arguments).output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {}: {messages}", arguments.join(" "));
    output
}

pub(crate) fn oci(directory: &Path) -> String {
    format!("oci:{}:v1", directory.display())
}

#[test]
fn an_image_of_two_platforms_goes_in_and_comes_out() {
    if !installed("skopeo") {
        return;
    }
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
    let layout = Layout::of_two_platforms(&original);
    let server = Server::start();
    let image = format!("docker://{}/a/b:v1", server.address());

    skopeo(&["copy", "--all", "--dest-tls-verify=false", &oci(&original), &image]);
    skopeo(&["copy", "--all", "--src-tls-verify=false", &image, &oci(&copy)]);
    assert_eq!(Layout::at(&copy).digest(), layout.digest());
    assert_eq!(Layout::at(&copy).digests(), layout.digests());

    let tags = skopeo(&["list-tags", "--tls-verify=false", &format!("docker://{}/a/b", server.address())]);
    let tags: Value = serde_json::from_slice(&tags.stdout).unwrap();
    assert_eq!(tags["Tags"], json!(["v1"]));

    // Once more: everything is there, in another repository too.
    skopeo(&["copy", "--all", "--dest-tls-verify=false", &oci(&original), &image]);
    let elsewhere = format!("docker://{}/c:v1", server.address());
    let both = ["--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo(&[&["copy", "--all"], &both[..], &[&image, &elsewhere]].concat());
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &elsewhere]).stdout;
    assert_eq!(sha256(&raw), layout.digest());
}

#[test]
fn an_image_of_one_platform_goes_in_and_comes_out() {
    if !installed("skopeo") {
        return;
    }
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
    let layout = Layout::of_two_platforms(&original);
    let server = Server::start();
    let image = format!("docker://{}/a/b:v1", server.address());

    let arm64 = ["--override-os", "linux", "--override-arch", "arm64"];
    skopeo(&[&arm64[..], &["copy", "--dest-tls-verify=false", &oci(&original), &image]].concat());
    skopeo(&[&arm64[..], &["copy", "--src-tls-verify=false", &image, &oci(&copy)]].concat());
    assert_eq!(Layout::at(&copy).digests(), layout.digests_of("arm64"));

    // The same as docker would have pushed it.
    let docker = format!("docker://{}/a/b:docker", server.address());
    skopeo(
        &[&arm64[..], &["copy", "--format", "v2s2", "--dest-tls-verify=false", &oci(&original), &docker]]
            .concat(),
    );
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &docker]).stdout;
    let raw: Value = serde_json::from_slice(&raw).unwrap();
    assert_eq!(raw["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
}
