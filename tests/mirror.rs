//! The registry as a mirror: the shipped component asks real registries, by the real `wasmtime serve`.
//!
//! `src/mirror/tests` have what upstreams can do wrong, and count the requests that they get.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::access;
use crate::content::{DigestSink, noise, push_blob, sha256};
use crate::distribution::{Distribution, PROGRAM};
use crate::images::{Layout, MANIFEST, manifest};
use crate::process::{Process, installed};
use crate::server::{Options, SECRET, Server};
use crate::skopeo::{oci, skopeo};

const MIB: u64 = 1024 * 1024;

/// A mirror of one upstream, as `up/`, with further members of its configuration.
pub(crate) fn of(upstream: SocketAddr, members: &str) -> Options {
    let document = format!(r#"{{"up": {{"url": "http://{upstream}", "timeout": "5s"{members}}}}}"#);
    Server::with_secret(SECRET).env("REGISTRY_PROXY_UPSTREAMS", &document)
}

/// An upstream that answers every request with these bytes, and closes the connection.
pub(crate) fn hostile(answer: &[u8]) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (address, answer) = (listener.local_addr().unwrap(), answer.to_vec());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(&answer);
        }
    });
    address
}

/// A login is needed, one mirror is behind another, and at the end all but the last are gone.
#[test]
fn skopeo_pulls_through_a_chain_twice_and_then_without_the_upstreams() {
    if !installed("skopeo") {
        return;
    }
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let original = directory.path().join("original");
    let layout = Layout::of_two_platforms(&original);
    let upstream = access::options().start();
    let pushed = format!("docker://{}/team/app:v1", upstream.address());
    let login = ["--dest-creds", "ann:the password: of ann"];
    skopeo(
        &[&["copy", "--all", "--dest-tls-verify=false"], &login[..], &[&oci(&original), &pushed]].concat(),
    );

    let login = r#", "username": "ann", "password": "the password: of ann""#;
    let near = of(upstream.address(), login).start();
    let far = of(near.address(), r#", "ttl": "0""#).start();
    let image = format!("docker://{}/up/up/team/app:v1", far.address());
    let pull = |name: &str| {
        let copy = directory.path().join(name);
        skopeo(&["copy", "--all", "--src-tls-verify=false", &image, &oci(&copy)]);
        assert_eq!(Layout::at(&copy).digest(), layout.digest());
        assert_eq!(Layout::at(&copy).digests(), layout.digests());
    };
    pull("first");
    let requests = |server: &Server| server.log().matches("/v2/team/app/").count();
    let asked = requests(&upstream);
    pull("second");
    assert_eq!(requests(&upstream), asked);
    drop(upstream);
    drop(near);
    pull("third");
    far.logged("answered with what is stored: the upstream is down");
    assert!(!far.log().contains("of ann"), "{}", far.log());
}

#[test]
fn distribution_is_mirrored() {
    over_files!();
    if !installed(PROGRAM) {
        return;
    }
    let server = Server::start();
    let layer = noise(40, 3_000_000).into_bytes();
    push_blob(&server, "a/b", b"{}");
    let digest = push_blob(&server, "a/b", &layer);
    let put = server.put("/v2/a/b/manifests/v1").header("Content-Type", MANIFEST).body(manifest(&layer));
    assert_eq!(put.send().status(), "201 Created");
    let distribution = Distribution::start(&server);
    let mirror = of(distribution.address, r#", "ttl": "0""#).start();
    let pull = || {
        let pulled = mirror.get("/v2/up/a/b/manifests/v1").send();
        assert_eq!((pulled.text(), pulled.header("content-type")), (manifest(&layer), MANIFEST));
        assert_eq!(pulled.header("docker-content-digest"), sha256(manifest(&layer).as_bytes()));
        assert!(mirror.get(&format!("/v2/up/a/b/blobs/{digest}")).send().body == layer, "another layer");
    };
    let part = mirror.get(&format!("/v2/up/a/b/blobs/{digest}")).header("Range", "bytes=5-9").send();
    assert_eq!((part.status(), &*part.body), ("206 Partial Content", &layer[5..10]));
    pull();
    pull();
    assert_eq!(mirror.get("/v2/up/a/b/tags/list").send().text(), "{\"name\":\"up/a/b\",\"tags\":[\"v1\"]}\n");
    drop(distribution);
    pull();
    assert_eq!(mirror.get("/v2/up/a/b/manifests/v2").send().status(), "503 Service Unavailable");
}

/// The bytes go out as they come: the first ones long before the last ones are there.
#[test]
fn a_blob_streams_in_flat_memory() {
    let length = 256 * MIB;
    let layer = || noise(41, length);
    let digest = layer().digest();
    let upstream = Server::start();
    let put = upstream.post("/v2/a/blobs/uploads/").send();
    let put = upstream.put(&put.completed_by(&digest)).chunked(layer()).send();
    assert_eq!(put.status(), "201 Created", "{put}");
    let mirror = of(upstream.address(), "").start();
    for _ in 0..2 {
        let mut received = DigestSink::default();
        let blob = mirror.get(&format!("/v2/up/a/blobs/{digest}")).send_into(&mut received);
        assert_eq!(blob.header("content-length"), length.to_string());
        assert_eq!(received.finish(), digest);
    }
    assert!(mirror.peak_memory() < 100, "{} MiB", mirror.peak_memory());
    let log = upstream.log();
    assert_eq!(log.matches("GET /v2/a/blobs/").count(), 1, "{log}");
}

#[test]
fn a_client_that_leaves_loses_nothing() {
    over_files!();
    let layer = noise(42, 32 * MIB).into_bytes();
    let upstream = Server::start();
    let digest = push_blob(&upstream, "a", &layer);
    let mirror = of(upstream.address(), "").start();
    let mut client = TcpStream::connect(mirror.address()).unwrap();
    write!(client, "GET /v2/up/a/blobs/{digest} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    client.read_exact(&mut [0; 1000]).unwrap();
    client.shutdown(Shutdown::Both).unwrap();
    drop(client);
    mirror.logged("the blob is stored all the same");
    drop(upstream);
    assert!(mirror.get(&format!("/v2/up/a/blobs/{digest}")).send().body == layer);
}

#[test]
fn a_blob_that_lies_is_cut_off_and_not_stored() {
    over_files!();
    let digest = sha256(b"the truth");
    for (answer, why) in [
        ("Content-Length: 9\r\n\r\nthe truht", "do not match"),
        ("Content-Length: 10000000\r\n\r\nthe truth", "breaks off"),
    ] {
        let mirror = of(hostile(format!("HTTP/1.1 200 OK\r\n{answer}").as_bytes()), "").start();
        let got = mirror.get(&format!("/v2/up/a/blobs/{digest}")).try_send();
        assert!(got.is_err(), "{}", got.unwrap());
        mirror.logged(why);
        let stored = mirror.root().join("blobs");
        assert!(!stored.exists(), "{}", stored.display());
        let uploads = mirror.root().join("repositories/up/a/_uploads");
        let left = uploads.read_dir().map_or(0, Iterator::count);
        assert_eq!(left, 0, "{why}");
    }
}

#[test]
fn an_upstream_that_stalls_is_given_up() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let document =
        format!(r#"{{"up": {{"url": "http://{}", "timeout": "1s"}}}}"#, listener.local_addr().unwrap());
    let mirror = Server::with_secret(SECRET).env("REGISTRY_PROXY_UPSTREAMS", &document).start();
    let started = Instant::now();
    assert_eq!(mirror.get("/v2/up/a/manifests/v1").send().status(), "503 Service Unavailable");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

/// wasmtime trusts the public roots, and no component can add to them.
#[test]
fn a_certificate_that_the_host_does_not_trust_is_told() {
    over_files!();
    if !installed("openssl") {
        return;
    }
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let [key, certificate] = ["key", "certificate"].map(|name| directory.path().join(name));
    let mut made = Command::new("openssl");
    made.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]);
    made.args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"]).arg(&key).arg("-out").arg(&certificate);
    assert!(made.output().unwrap().status.success());
    let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let mut upstream = Command::new("openssl");
    upstream.args(["s_server", "-www", "-accept", &address.to_string(), "-key"]).arg(&key);
    let upstream = Process::start({
        upstream.arg("-cert").arg(&certificate);
        upstream
    });
    upstream.wait_for("ACCEPT");
    let document = format!(r#"{{"up": {{"url": "https://{address}"}}}}"#);
    let mirror = Server::with_secret(SECRET).env("REGISTRY_PROXY_UPSTREAMS", &document).start();
    for target in ["/v2/up/a/manifests/v1".to_owned(), format!("/v2/up/a/blobs/{}", sha256(b"x"))] {
        let got = mirror.get(&target).send();
        assert_eq!(got.status(), "503 Service Unavailable", "{got}");
        assert!(got.text().contains("the upstream cannot be reached"), "{got}");
    }
    let line = mirror.logged("TLS fails");
    assert!(line.contains("put a proxy in front of it"), "{line}");
}

#[test]
fn distributions_variables_name_one_upstream() {
    let upstream = Server::start();
    let digest = push_blob(&upstream, "a/b", b"content");
    let url = format!("http://{}", upstream.address());
    let mirror =
        Server::with_secret(SECRET).env("REGISTRY_PROXY_REMOTEURL", &url).env("REGISTRY_PROXY_TTL", "1h");
    let mirror = mirror.start();
    assert_eq!(mirror.get("/v2/").send().status(), "200 OK");
    mirror.logged("REGISTRY_PROXY_TTL: a tag is served for so long");
    assert_eq!(mirror.get(&format!("/v2/a/b/blobs/{digest}")).send().text(), "content");
    assert_eq!(mirror.post("/v2/a/b/blobs/uploads/").send().status(), "405 Method Not Allowed");
    for (name, value, why) in [
        ("REGISTRY_PROXY_USERNAME", "ann", "a username needs a password"),
        ("REGISTRY_PROXY_UPSTREAMS", "{}", "only one of REGISTRY_PROXY_UPSTREAMS"),
        ("REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED", "true", "a mirror stores what it fetches"),
    ] {
        let wrong =
            Server::with_secret(SECRET).env("REGISTRY_PROXY_REMOTEURL", &url).env(name, value).start();
        assert_eq!(wrong.get("/v2/").send().status(), "503 Service Unavailable", "{name}");
        wrong.logged(why);
    }
}
