//! Realistic images: layers of real `.tar.gz`, configs, manifests, and an index of two
//! platforms, as an OCI image layout.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::content::{DigestSink, hex, noise, sha256};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The manifest of an image that has the config `{}` and one layer.
pub(crate) fn manifest(layer: &[u8]) -> String {
    format!(
        concat!(
            r#"{{"schemaVersion":2,"mediaType":"{}","#,
            r#""config":{{"mediaType":"{}","digest":"{}","size":2}},"#,
            r#""layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{}}}]}}"#
        ),
        MANIFEST,
        CONFIG,
        sha256(b"{}"),
        sha256(layer),
        layer.len()
    )
}

/// An OCI image layout in a directory.
pub(crate) struct Layout(PathBuf);

/// A layer in the layout.
struct Layer {
    descriptor: Value,
    diff_id: String,
}

impl Layout {
    /// Makes an image of two platforms: a base layer of over 100 MB and some configuration that
    /// both have, and a program for each.
    pub(crate) fn of_two_platforms(directory: &Path) -> Self {
        let layout = Self(directory.to_owned());
        fs::create_dir_all(layout.blobs()).unwrap();

        let base = layout.layer(&[
            ("usr/lib/big.bin", 110_000_000),
            ("usr/lib/small.bin", 70_000),
            ("etc/os-release", 200),
        ]);
        let configuration = layout.layer(&[("etc/passwd", 800), ("etc/group", 400), ("etc/hosts", 20)]);
        let amd64 = layout.layer(&[("usr/bin/program", 5_000_000)]);
        let arm64 = layout.layer(&[("usr/bin/program", 4_000_000), ("usr/bin/helper", 3_000)]);
        let manifests = [
            layout.image("amd64", &[&base, &configuration, &amd64]),
            layout.image("arm64", &[&base, &configuration, &arm64]),
        ];
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        let mut named = layout.add(INDEX, index.to_string().as_bytes());
        named["annotations"] = json!({ "org.opencontainers.image.ref.name": "v1" });
        let index = json!({ "schemaVersion": 2, "manifests": [named] });
        fs::write(directory.join("index.json"), index.to_string()).unwrap();
        fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        layout
    }

    /// A layout that a tool has written.
    pub(crate) fn at(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    fn image(&self, architecture: &str, layers: &[&Layer]) -> Value {
        let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let config = json!({
            "created": "2026-01-01T00:00:00Z", "architecture": architecture, "os": "linux",
            "config": { "Cmd": ["/usr/bin/program"], "Env": ["PATH=/usr/bin"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let config = self.add(CONFIG, config.to_string().as_bytes());
        let layers: Vec<&Value> = layers.iter().map(|layer| &layer.descriptor).collect();
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        let mut manifest = self.add(MANIFEST, manifest.to_string().as_bytes());
        manifest["platform"] = json!({ "architecture": architecture, "os": "linux" });
        manifest
    }

    /// Packs files of these names and sizes.
    fn layer(&self, files: &[(&str, u64)]) -> Layer {
        let packing = self.blobs().join("packing");
        let compressed = Hashing { inner: File::create(&packing).unwrap(), hash: Sha256::new() };
        // Fast: what is in it cannot be compressed.
        let tar = Hashing { inner: GzEncoder::new(compressed, Compression::fast()), hash: Sha256::new() };
        let mut tar = tar::Builder::new(tar);
        for (seed, (name, size)) in (1..).zip(files) {
            let mut header = tar::Header::new_gnu();
            header.set_size(*size);
            header.set_mode(0o755);
            tar.append_data(&mut header, name, noise(seed, *size)).unwrap();
        }
        let tar = tar.into_inner().unwrap();
        let diff_id = format!("sha256:{}", hex(&tar.hash.finalize()));
        let compressed = tar.inner.finish().unwrap();
        let digest = hex(&compressed.hash.finalize());
        let size = compressed.inner.metadata().unwrap().len();
        fs::rename(packing, self.blobs().join(&digest)).unwrap();
        let descriptor = json!({ "mediaType": LAYER, "digest": format!("sha256:{digest}"), "size": size });
        Layer { descriptor, diff_id }
    }

    /// Adds a small blob, and returns its descriptor.
    fn add(&self, media_type: &str, content: &[u8]) -> Value {
        let digest = hex(&Sha256::digest(content));
        fs::write(self.blobs().join(&digest), content).unwrap();
        json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": content.len() })
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.0.join("blobs/sha256")
    }

    /// The JSON of a blob.
    pub(crate) fn json(&self, digest: &str) -> Value {
        let hex = digest.strip_prefix("sha256:").unwrap();
        serde_json::from_slice(&fs::read(self.blobs().join(hex)).unwrap()).unwrap()
    }

    /// The digest of the layout's top-level manifest.
    pub(crate) fn digest(&self) -> String {
        let index: Value = serde_json::from_slice(&fs::read(self.0.join("index.json")).unwrap()).unwrap();
        index["manifests"][0]["digest"].as_str().unwrap().to_owned()
    }

    /// The digests of all blobs, each of which is checked to have it.
    pub(crate) fn digests(&self) -> BTreeSet<String> {
        let check = |entry: io::Result<fs::DirEntry>| {
            let path = entry.unwrap().path();
            let mut digest = DigestSink::default();
            io::copy(&mut File::open(&path).unwrap(), &mut digest).unwrap();
            let digest = digest.finish();
            assert!(
                digest.ends_with(path.file_name().unwrap().to_str().unwrap()),
                "{} is {digest}",
                path.display()
            );
            digest
        };
        fs::read_dir(self.blobs()).unwrap().map(check).collect()
    }

    /// The digests of one of the index's images: its manifest, config and layers.
    pub(crate) fn digests_of(&self, architecture: &str) -> BTreeSet<String> {
        let index = self.json(&self.digest());
        let manifests = index["manifests"].as_array().unwrap();
        let of = |manifest: &&Value| manifest["platform"]["architecture"] == architecture;
        let manifest = manifests.iter().find(of).unwrap()["digest"].as_str().unwrap();
        let image = self.json(manifest);
        let layers = image["layers"].as_array().unwrap();
        let blobs = layers.iter().chain([&image["config"]]).map(|blob| blob["digest"].as_str().unwrap());
        blobs.chain([manifest]).map(str::to_owned).collect()
    }
}

/// A writer that hashes the bytes that it passes on.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
