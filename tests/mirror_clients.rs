//! Clients that pull through a mirror: twice, and then without the upstream.

use std::fs;
use std::path::Path;

use oci_client::client::Config;
use tempfile::TempDir;

use crate::clients::{ANONYMOUS, client, layers, reference, run, sorted};
use crate::images::{CONFIG, LAYER, Layout};
use crate::mirror::of;
use crate::process::installed;
use crate::server::Server;
use crate::skopeo::{oci, skopeo};

/// How many requests for something of a repository a server has had.
fn requests(server: &Server, repository: &str) -> usize {
    server.log().matches(&format!("/v2/{repository}/")).count()
}

#[test]
fn oci_client_pulls_twice_and_then_without_the_upstream() {
    let upstream = Server::start();
    let client = client(false);
    let config = Config::new(&b"{}"[..], CONFIG.into(), None);
    run(client.push(&reference(&upstream, "a/b:v1"), &layers(), config, &ANONYMOUS, None));
    let mirror = of(upstream.address(), r#", "ttl": "1h""#).start();
    let image = reference(&mirror, "up/a/b:v1");
    let pull = || {
        let pulled = run(client.pull(&image, &ANONYMOUS, vec![LAYER]));
        assert!(sorted(pulled.layers) == sorted(layers()), "the layers came back changed");
        assert_eq!(&pulled.config.data[..], b"{}");
    };
    pull();
    let asked = requests(&upstream, "a/b");
    pull();
    assert_eq!(requests(&upstream, "a/b"), asked);
    drop(upstream);
    pull();
}

/// `registries.conf` names the mirror, as podman and CRI-O read it too. Nobody knows where the registry itself is.
#[test]
fn skopeo_is_sent_to_the_mirror_by_its_configuration() {
    if !installed("skopeo") {
        return;
    }
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let original = directory.path().join("original");
    let layout = Layout::of_two_platforms(&original);
    let upstream = Server::start();
    let pushed = format!("docker://{}/team/app:v1", upstream.address());
    skopeo(&["copy", "--all", "--dest-tls-verify=false", &oci(&original), &pushed]);
    let mirror = of(upstream.address(), r#", "ttl": "1h""#).start();
    let configuration = directory.path().join("registries.conf");
    let text = format!(
        concat!(
            "[[registry]]\nlocation = \"registry.invalid\"\n",
            "[[registry.mirror]]\nlocation = \"{}/up\"\ninsecure = true\n"
        ),
        mirror.address()
    );
    fs::write(&configuration, text).unwrap();
    let pull = |name: &str| {
        let copy = directory.path().join(name);
        let image = "docker://registry.invalid/team/app:v1";
        skopeo(&["--registries-conf", path(&configuration), "copy", "--all", image, &oci(&copy)]);
        assert_eq!(Layout::at(&copy).digest(), layout.digest());
        assert_eq!(Layout::at(&copy).digests(), layout.digests());
    };
    pull("first");
    let asked = requests(&upstream, "team/app");
    pull("second");
    assert_eq!(requests(&upstream, "team/app"), asked);
    drop(upstream);
    pull("third");
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
