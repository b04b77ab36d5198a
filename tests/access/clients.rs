//! `oci-client` and `skopeo`: how they respond to a request for credentials.

use std::process::Command;

use insta::assert_snapshot;
use oci_client::client::{Config, ImageLayer};
use oci_client::secrets::RegistryAuth;
use oci_client::{Reference, errors::Result};
use tempfile::TempDir;

use super::{Caller, options, password, token};
use crate::clients::{client, reference};
use crate::images::{CONFIG, LAYER};
use crate::process::installed;

fn run<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

fn push(image: &Reference, auth: &RegistryAuth) -> Result<()> {
    let layers = [ImageLayer::new(&b"a layer"[..], LAYER.into(), None)];
    let config = Config::new(&b"{}"[..], CONFIG.into(), None);
    // A client keeps its tokens: each time it is another one.
    run(client(false).push(image, &layers, config, auth, None)).map(|_| ())
}

fn pull(image: &Reference, auth: &RegistryAuth) -> Result<usize> {
    run(client(false).pull(image, auth, vec![LAYER])).map(|image| image.layers.len())
}

fn user(name: &str) -> RegistryAuth {
    RegistryAuth::Basic(name.into(), password(name))
}

#[test]
fn oci_client_does_what_it_may() {
    let server = options().start();
    let image = |name| reference(&server, name);
    let nobody = RegistryAuth::Anonymous;
    push(&image("public/app:v1"), &user("ann")).unwrap();
    push(&image("team/app:v1"), &user("cy")).unwrap();
    push(&image("home/bob/app:v1"), &user("bob")).unwrap();
    assert_eq!(pull(&image("public/app:v1"), &nobody).unwrap(), 1);
    assert_eq!(pull(&image("home/bob/app:v1"), &user("bob")).unwrap(), 1);
    let wrong = RegistryAuth::Basic("ann".into(), "wrong".into());
    let of = |error: Result<usize>| {
        error.unwrap_err().to_string().replace(&server.address().to_string(), "<registry>")
    };
    let pushed = |name, auth: RegistryAuth| of(push(&image(name), &auth).map(|()| 0));
    let pulled = |name, auth: RegistryAuth| of(pull(&image(name), &auth));
    assert_snapshot!(pushed("public/app:v2", RegistryAuth::Anonymous), @r#"Server error: url http://<registry>/v2/public/app/blobs/uploads/, code: 401, message: {"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":"log in, or get a token with the scope of the challenge"}]}"#);
    assert_snapshot!(pushed("team/app:v2", user("bob")), @r#"Server error: url http://<registry>/v2/team/app/blobs/uploads/, code: 403, message: {"errors":[{"code":"DENIED","message":"requested access to the resource is denied","detail":"you are not allowed to do this"}]}"#);
    assert_snapshot!(pulled("team/app:v1", RegistryAuth::Anonymous), @"Not authorized: url http://<registry>/v2/team/app/manifests/v1");
    assert_snapshot!(pulled("team/app:v1", user("bob")), @"Registry error: url http://<registry>/v2/team/app/manifests/v1, envelope: OCI API errors: [OCI API error: requested access to the resource is denied]");
    assert_snapshot!(pulled("team/app:v1", wrong), @"Not authorized: url http://<registry>/v2/team/app/manifests/v1");
}

#[test]
fn oci_client_brings_a_token() {
    let server = options().start();
    push(&reference(&server, "team/app:v1"), &user("ann")).unwrap();
    push(&reference(&server, "team/other:v1"), &user("ann")).unwrap();
    let issued = Caller::user(&server, "ann").send("GET", "/token?scope=repository:team/app:pull");
    let token = RegistryAuth::Bearer(token(&issued));
    assert_eq!(pull(&reference(&server, "team/app:v1"), &token).unwrap(), 1);
    pull(&reference(&server, "team/other:v1"), &token).unwrap_err();
    push(&reference(&server, "team/app:v2"), &token).unwrap_err();
}

/// Runs `skopeo copy`, and returns what it says if it fails.
fn copy(arguments: &[&str]) -> std::result::Result<(), String> {
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]);
    let output = skopeo.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn skopeo_does_what_it_may() {
    if !installed("skopeo") {
        return;
    }
    let server = options().start();
    Caller::user(&server, "ann").push_image("public/app", &["v1"]);
    Caller::user(&server, "ann").push_image("team/app", &["v1"]);
    let image = |name: &str| format!("docker://{}/{name}:v1", server.address());
    let (ann, bob) = (format!("ann:{}", password("ann")), format!("bob:{}", password("bob")));
    let (public, team) = (image("public/app"), image("team/app"));
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let local = format!("dir:{}", directory.path().display());
    // Pulled without a name, and pushed by a user with the right.
    copy(&["--src-no-creds", &public, &local]).unwrap();
    copy(&["--src-creds", &ann, &team, &local]).unwrap();
    copy(&["--dest-creds", &bob, &local, &image("home/bob/app")]).unwrap();
    copy(&["--src-no-creds", "--dest-creds", &bob, &public, &image("home/bob/other")]).unwrap();
    copy(&["--src-creds", &ann, "--dest-creds", &ann, &team, &image("public/other")]).unwrap();
    // From what its user may not pull, the other side gives the blobs to who may, and no mount does.
    copy(&["--src-creds", &ann, "--dest-creds", &bob, &team, &image("home/bob/team")]).unwrap();
    // What fails is taken away.
    let nowhere = format!("{local}/nowhere");
    for (arguments, said) in [
        (&["--src-no-creds", &team, &nowhere][..], "unauthorized"),
        (&["--src-creds", &bob, &team, &nowhere], "denied"),
        (&["--dest-no-creds", &local, &public], "unauthorized"),
        (&["--dest-creds", &bob, &local, &public], "denied"),
        (&["--dest-creds", &bob, &local, &image("home/ann/app")], "403 (Forbidden)"),
        (&["--src-creds", "ann:wrong", &public, &nowhere], "unauthorized"),
    ] {
        let error = copy(arguments).unwrap_err();
        assert!(error.contains(said), "skopeo copy {arguments:?}: {error}");
    }
}
