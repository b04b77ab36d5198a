//! `oci-client`, the crate that Rust programs use: images and an index go in and come out.

use std::sync::Once;

use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::{ImageIndexEntry, OciImageIndex, OciManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};

use crate::content::{noise, sha256};
use crate::images::{CONFIG, INDEX, LAYER, MANIFEST};
use crate::server::Server;

pub(crate) const ANONYMOUS: RegistryAuth = RegistryAuth::Anonymous;

pub(crate) fn client(monolithic: bool) -> Client {
    static PROVIDER: Once = Once::new();
    // The client wants to be able to speak TLS, even where it never does.
    PROVIDER.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
    Client::new(ClientConfig {
        protocol: ClientProtocol::Http,
        // Else it reads the certificates of the machine, which may have none.
        accept_invalid_certificates: true,
        use_monolithic_push: monolithic,
        // Else it would take one from the environment, for this host too.
        http_proxy: Some("http://proxy.invalid".into()),
        no_proxy: Some("127.0.0.1".into()),
        ..ClientConfig::default()
    })
}

pub(crate) fn run<T>(work: impl Future<Output = oci_client::errors::Result<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work).unwrap()
}

pub(crate) fn reference(server: &Server, image: &str) -> Reference {
    format!("{}/{image}", server.address()).parse().unwrap()
}

/// Layers of a few KB up to several of the client's chunks of 4 MiB.
pub(crate) fn layers() -> Vec<ImageLayer> {
    let layer = |(seed, size)| ImageLayer::new(noise(seed, size).into_bytes(), LAYER.into(), None);
    [(20, 3_000), (21, 1), (22, 10_000_000), (23, 4 * 1024 * 1024)].into_iter().map(layer).collect()
}

/// What layers have in them: a client pulls several at once.
pub(crate) fn sorted(layers: Vec<ImageLayer>) -> Vec<impl Ord> {
    let mut layers: Vec<_> = layers.into_iter().map(|layer| layer.data).collect();
    layers.sort();
    layers
}

fn push_and_pull(monolithic: bool) {
    let server = Server::start();
    let (client, image) = (client(monolithic), reference(&server, "a/b:v1"));
    let config = Config::new(&b"{}"[..], CONFIG.into(), None);
    let pushed = run(client.push(&image, &layers(), config, &ANONYMOUS, None));
    assert!(pushed.manifest_url.contains("/v2/a/b/manifests/sha256:"), "{}", pushed.manifest_url);

    let pulled = run(client.pull(&image, &ANONYMOUS, vec![LAYER]));
    assert!(sorted(pulled.layers) == sorted(layers()), "the layers came back changed");
    assert_eq!(&pulled.config.data[..], b"{}");
    let digest = run(client.fetch_manifest_digest(&image, &ANONYMOUS));
    assert_eq!(pulled.digest, Some(digest.clone()));
    assert!(pushed.manifest_url.ends_with(&digest), "{}", pushed.manifest_url);

    let (raw, _) = run(client.pull_manifest_raw(&image, &ANONYMOUS, &[MANIFEST]));
    assert_eq!(sha256(&raw), digest);
    assert_eq!(run(client.list_tags(&image, &ANONYMOUS, None, None)).tags, ["v1"]);
}

#[test]
fn an_image_is_pushed_in_chunks_and_pulled() {
    push_and_pull(false);
}

#[test]
fn an_image_is_pushed_in_one_piece_and_pulled() {
    push_and_pull(true);
}

#[test]
fn an_index_is_pushed_and_pulled() {
    let server = Server::start();
    let client = client(false);
    let mut manifests = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let config = format!(r#"{{"architecture":"{architecture}","os":"linux"}}"#);
        let image = reference(&server, &format!("a/b:{architecture}"));
        run(client.push(&image, &layers(), Config::new(config, CONFIG.into(), None), &ANONYMOUS, None));
        let (raw, digest) = run(client.pull_manifest_raw(&image, &ANONYMOUS, &[MANIFEST]));
        let entry = serde_json::json!({
            "mediaType": MANIFEST, "digest": digest, "size": raw.len(),
            "platform": { "architecture": architecture, "os": "linux" },
        });
        manifests.push(serde_json::from_value::<ImageIndexEntry>(entry).unwrap());
    }
    let index = OciImageIndex {
        schema_version: 2,
        media_type: Some(INDEX.into()),
        manifests,
        artifact_type: None,
        annotations: None,
    };
    let image = reference(&server, "a/b:v1");
    run(client.push_manifest_list(&image, &ANONYMOUS, index.clone()));

    let (pulled, _) = run(client.pull_manifest(&image, &ANONYMOUS));
    let OciManifest::ImageIndex(pulled) = pulled else { panic!("not an index: {pulled:?}") };
    assert_eq!(format!("{pulled:?}"), format!("{index:?}"));
    assert_eq!(run(client.list_tags(&image, &ANONYMOUS, None, None)).tags, ["amd64", "arm64", "v1"]);
}
