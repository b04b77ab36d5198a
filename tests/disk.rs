//! What lies on disk: distribution's layout, byte for byte, and what becomes of a damaged one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::content::{hex, push_blob, sha256, sha512};
use crate::server::Server;

/// Every file below a directory, by its path, with what it contains.
pub(crate) fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// A line for each file: the path, and the content if it is text, else its size.
fn listing(server: &Server) -> String {
    let mut listing = String::new();
    for (path, content) in files(server.data()) {
        let path = path.strip_prefix("docker/registry/v2/").unwrap_or(&path);
        match str::from_utf8(&content) {
            Ok(text) if text.is_ascii() => writeln!(listing, "{path} = {text}").unwrap(),
            _ => writeln!(listing, "{path}: {} bytes", content.len()).unwrap(),
        }
    }
    listing
}
