//! The registry over a directory, which also accepts the tokens of an outside token server, and its commands.
#![cfg(target_family = "wasm")]

use lighter_filesystem::{Filesystem, Host};
use lighter_token_server::TOKEN_SERVER;
use lighter_wasi::{Handler, environment};

static REGISTRY: Handler<Filesystem<Host>> = Handler::new(environment).with_token_server(TOKEN_SERVER);

lighter_wasi::export_handler!(REGISTRY);
lighter_wasi::export_command!(REGISTRY);
