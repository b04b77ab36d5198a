//! The cost of access control: the same request with a token, and without one while access control is off.

use std::path::Path;

use anyhow::{Context, Result};
use lighter_test_host::client::Connection;

use crate::HAMMER;
use crate::peer::{Lighter, Peer, Running};
use crate::table::{Table, Unit};
use crate::work::{Blob, Way, expect, hammer, push};

/// A user `bench` whose password is `pass`.
const USER: &str = "REGISTRY_AUTH_HTPASSWD_ENTRIES=\
                    bench:$2y$04$jsHUpgmJEStCPSPFeyKqPOvrORiYTO5dXMWhOPpYGehNY0/0XxIaW";
const PASSWORD: &str = "Basic YmVuY2g6cGFzcw==";

/// Requests a blob repeatedly, in turn with a token and without.
pub(crate) fn control(lighter: &Lighter, rounds: usize, scratch: &Path) -> Result<String> {
    let controlled = Peer::lighter(lighter.with(|serve| serve.env("REGISTRY_AUTH=htpasswd").env(USER)));
    let open = Peer::lighter(lighter.clone());
    let data = scratch.join("access");
    let blob = Blob::noise(3, 1000);
    let target = format!("/v2/a/blobs/{}", blob.digest);
    push(&mut Connection::open(open.start(&data)?.address)?, "a", &blob, Way::Put)?;
    let names = ["with a token", "without"].map(str::to_owned);
    let mut table = Table::default();
    for _ in 0..rounds {
        for (peer, name) in [&controlled, &open].into_iter().zip(&names) {
            let registry = peer.restart(&data)?;
            let token = if name == "without" { None } else { Some(token(&registry)?) };
            for connections in [1, 8] {
                let rate = hammer(&registry, connections, HAMMER, |connection| {
                    let mut request = connection.request("HEAD", &target);
                    if let Some(token) = &token {
                        request = request.header("Authorization", token);
                    }
                    expect(connection.send(request)?, 200, "HEAD of a blob").map(drop)
                })?;
                table.add(
                    &format!("HEAD of a blob, {connections} at once"),
                    Unit::Rate,
                    name,
                    rate.per_second,
                );
            }
        }
    }
    Ok(format!("\n{}", table.markdown(&names, |_| true)))
}

/// Gets a token, and returns the value of the `Authorization` header with it.
fn token(registry: &Running) -> Result<String> {
    let target = "/token?service=lighter&scope=repository:a:pull";
    let mut connection = Connection::open(registry.address)?;
    let request = connection.request("GET", target).header("Authorization", PASSWORD);
    let body = expect(connection.send(request)?, 200, "the token service")?.text();
    let (_, rest) = body.split_once("\"token\":\"").context("the token service gives no token")?;
    let (token, _) = rest.split_once('"').context("the token does not end")?;
    Ok(format!("Bearer {token}"))
}
