//! What access control costs: the same request with a token, and without one where everybody may do
//! everything.

use std::path::Path;

use anyhow::{Context, Result};

use super::HAMMER;
use super::client::{Connection, Content};
use super::peer::{Peer, Running};
use super::table::{Table, Unit};
use super::work::{Blob, Way, hammer, push};

/// A user `bench` whose password is `pass`.
const USER: &str = "--env=REGISTRY_AUTH_HTPASSWD_ENTRIES=\
                    bench:$2y$04$jsHUpgmJEStCPSPFeyKqPOvrORiYTO5dXMWhOPpYGehNY0/0XxIaW";
const PASSWORD: &str = "Authorization: Basic YmVuY2g6cGFzcw==\r\n";

/// Asks for a blob over and over, in turn with a token and without.
pub(crate) fn control(wasmtime: &Path, component: &Path, rounds: usize, scratch: &Path) -> Result<String> {
    let lighter = || Peer::lighter(wasmtime, component);
    let controlled = lighter().with_flags(USER).with_flags("--env=REGISTRY_AUTH=htpasswd");
    let data = scratch.join("access");
    let blob = Blob::noise(3, 1000);
    let target = format!("/v2/a/blobs/{}", blob.digest);
    push(&mut Connection::open(lighter().start(&data)?.address)?, "a", &blob, Way::Put)?;
    let names = ["with a token", "without"].map(str::to_owned);
    let mut table = Table::default();
    for _ in 0..rounds {
        for (peer, name) in [controlled.clone(), lighter()].iter().zip(&names) {
            let registry = peer.restart(&data)?;
            let headers = if name == "without" { String::new() } else { token(&registry)? };
            for connections in [1, 8] {
                let rate = hammer(&registry, connections, HAMMER, |connection| {
                    connection.ask("HEAD", &target, &headers)?.expect(200, "HEAD of a blob").map(drop)
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
    Ok(format!("\n{}", table.markdown(&names)))
}

/// Gets a token, and returns the header that shows it.
fn token(registry: &Running) -> Result<String> {
    let mut body = Vec::new();
    let target = "/token?service=lighter&scope=repository:a:pull";
    let mut connection = Connection::open(registry.address)?;
    connection
        .send("GET", target, PASSWORD, &Content::None, |bytes| body.extend_from_slice(bytes))?
        .expect(200, "the token service")?;
    let body = String::from_utf8(body)?;
    let (_, rest) = body.split_once("\"token\":\"").context("the token service gives no token")?;
    let (token, _) = rest.split_once('"').context("the token does not end")?;
    Ok(format!("Authorization: Bearer {token}\r\n"))
}
