//! A server that is killed while clients push: what was acknowledged is there, and nothing is ever
//! half there.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use crate::client::Request;
use crate::content::{noise, sha256};
use crate::images::{MANIFEST, manifest};
use crate::server::{SECRET, Server};

const CLIENTS: u64 = 3;
const ROUNDS: u64 = 5;

/// What a client did until the server was gone.
#[derive(Default)]
struct Pushed {
    /// The layers that the registry said it has.
    layers: Vec<Vec<u8>>,
    /// The image that it said the tag points to.
    tagged: Option<String>,
    /// The layer that was on its way.
    last: Vec<u8>,
}

#[test]
fn what_was_acknowledged_outlives_the_server() {
    let mut server = Server::start();
    for round in 0..ROUNDS {
        let next = Server::with_secret(SECRET).on_data_of(&server);
        let address = server.address();
        let (acknowledged, answers) = channel();
        let pushed: Vec<Pushed> = thread::scope(|scope| {
            let client = |number| {
                let acknowledged = acknowledged.clone();
                scope.spawn(move || push_until_the_end(address, round, number, &acknowledged))
            };
            let clients: Vec<_> = (0..CLIENTS).map(client).collect();
            drop(acknowledged);
            // It ends at another step in each round.
            for _ in 0..20 + round {
                answers.recv().unwrap();
            }
            drop(server);
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        server = next.start();
        for (number, pushed) in (0..CLIENTS).zip(&pushed) {
            check(&server, &repository(round, number), pushed);
        }
    }
}

fn repository(round: u64, client: u64) -> String {
    format!("r{round}/c{client}")
}

/// Pushes one image after the other under one tag, and says so at every answer.
fn push_until_the_end(address: SocketAddr, round: u64, client: u64, acknowledged: &Sender<()>) -> Pushed {
    let mut pushed = Pushed::default();
    let repository = repository(round, client);
    let uploads = format!("/v2/{repository}/blobs/uploads/");
    let mut push = || -> io::Result<()> {
        let request = |method: &str, target: &str| Request::new(address, method, target);
        let config = request("POST", &format!("{uploads}?digest={}", sha256(b"{}"))).body("{}").try_send()?;
        assert_eq!(config.status(), "201 Created", "{config}");
        for number in 0.. {
            pushed.last = noise(round * 10_000 + client * 1_000 + number, 200_000).into_bytes();
            let started = request("POST", &uploads).try_send()?;
            let _ = acknowledged.send(());
            let patched = request("PATCH", &started.location()).body(pushed.last.clone()).try_send()?;
            let _ = acknowledged.send(());
            let put = request("PUT", &patched.completed_by(&sha256(&pushed.last))).try_send()?;
            assert_eq!(put.status(), "201 Created", "{put}");
            pushed.layers.push(pushed.last.clone());
            let _ = acknowledged.send(());
            let image = manifest(&pushed.last);
            let put = request("PUT", &format!("/v2/{repository}/manifests/latest"));
            let put = put.header("Content-Type", MANIFEST).body(image.clone()).try_send()?;
            assert_eq!(put.status(), "201 Created", "{put}");
            pushed.tagged = Some(image);
            let _ = acknowledged.send(());
        }
        Ok(())
    };
    let _ = push().expect_err("the server is killed");
    pushed
}

fn check(server: &Server, repository: &str, pushed: &Pushed) {
    for layer in &pushed.layers {
        let blob = server.get(&format!("/v2/{repository}/blobs/{}", sha256(layer))).send();
        assert_eq!(blob.status(), "200 OK", "{repository} lost a layer");
        assert!(blob.body == *layer, "{repository} has a layer changed");
    }

    // The last layer is there or not.
    let digest = sha256(&pushed.last);
    let target = format!("/v2/{repository}/blobs/{digest}");
    let blob = server.get(&target).send();
    assert!(blob.status() == "404 Not Found" || blob.body == pushed.last, "{repository} has half a layer");

    // The tag points to the image that was acknowledged or to the one after it.
    let image = server.get(&format!("/v2/{repository}/manifests/latest")).send();
    let either = match image.status() {
        "404 Not Found" => pushed.tagged.is_none(),
        _ => Some(image.text()) == pushed.tagged || image.text() == manifest(&pushed.last),
    };
    assert!(either, "{repository}: {image}");

    // Whatever was broken off can be done again.
    let again = server.post(&format!("/v2/{repository}/blobs/uploads/?digest={digest}"));
    assert_eq!(again.body(pushed.last.clone()).send().status(), "201 Created");
    assert!(server.get(&target).send().body == pushed.last, "{repository} has a layer changed");
    let config = server.head(&format!("/v2/{repository}/blobs/{}", sha256(b"{}"))).send();
    if config.status() == "200 OK" {
        let put = server.put(&format!("/v2/{repository}/manifests/latest")).header("Content-Type", MANIFEST);
        assert_eq!(put.body(manifest(&pushed.last)).send().status(), "201 Created");
    }
}
