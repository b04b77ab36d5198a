//! What a manifest is, and the commands that get it.

use crate::media_type::{self, Kind as Form};

/// The programs that can pull something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tools {
    /// An image, for engines.
    Image,
    /// A chart.
    Helm,
    /// Anything else.
    Artifact,
}

/// What a manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// The programs that can pull it.
    pub tools: Tools,
}

const IMAGE_CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// The beginnings of types of artifacts, configs and layers, and what has them.
const KNOWN: &[(&str, &str)] = &[
    ("application/vnd.cncf.helm.", HELM),
    ("application/vnd.cncf.notary.signature", "Signature (Notation)"),
    ("application/vnd.dev.cosign.artifact.sig", "Signature (cosign)"),
    ("application/vnd.dev.cosign.artifact.sbom", "Bill of materials"),
    ("application/vnd.dev.cosign.simplesigning", "Signature (cosign)"),
    ("application/vnd.dev.sigstore.bundle", "Sigstore bundle"),
    ("application/vnd.dsse.envelope", "Attestation"),
    ("application/vnd.in-toto", "Attestation"),
    ("application/vnd.docker.attestation", "Attestation"),
    ("application/spdx", "Bill of materials (SPDX)"),
    ("text/spdx", "Bill of materials (SPDX)"),
    ("application/vnd.cyclonedx", "Bill of materials (CycloneDX)"),
    ("application/vnd.syft", "Bill of materials (Syft)"),
    ("application/sarif", "Scan report (SARIF)"),
    ("application/vnd.buildkit.cacheconfig", "Build cache"),
    ("application/vnd.docker.plugin", "Docker plugin"),
    ("application/vnd.wasm.config", "WebAssembly component"),
    ("application/vnd.cncf.flux.config", "Flux configuration"),
    ("application/vnd.cncf.openpolicyagent", "Policy (OPA)"),
    ("application/vnd.cncf.model", "Model"),
    ("application/vnd.devcontainers", "Dev container feature"),
    ("application/vnd.sylabs.sif", "Singularity image"),
];

const HELM: &str = "Helm chart";

/// The kind that one type stands for, if it is known.
fn known(media_type: &str) -> Option<Kind> {
    let media_type = media_type.to_ascii_lowercase();
    let (_, name) = KNOWN.iter().find(|(begin, _)| media_type.starts_with(begin))?;
    let tools = if *name == HELM { Tools::Helm } else { Tools::Artifact };
    Some(Kind { name, tools })
}

/// What a manifest is, by its media type and those that it names: of the artifact, the first layer and the config.
pub fn of(media_type: &str, artifact: &str, layer: &str, config: &str) -> Kind {
    let kind = |name, tools| Kind { name, tools };
    if let Some(kind) = [artifact, layer, config].into_iter().find_map(known) {
        return kind;
    }
    match media_type::known(media_type).map(|(_, form)| form) {
        Some(Form::Index) if artifact.is_empty() => kind("Image index", Tools::Image),
        Some(Form::Image) if artifact.is_empty() && is_image_config(config) => kind("Image", Tools::Image),
        Some(Form::Schema1) => kind("Image (Docker schema 1)", Tools::Image),
        _ => kind("Artifact", Tools::Artifact),
    }
}

/// Whether a config of this type is that of an image.
pub fn is_image_config(media_type: &str) -> bool {
    IMAGE_CONFIGS.iter().any(|config| media_type::same(config, media_type))
}

/// The names of programs, and what to type to have each of them pull `reference`, of which the part before the tag or
/// the digest has `length` bytes.
pub fn commands(tools: Tools, host: &str, name: &str, reference: &str) -> Vec<(&'static str, String)> {
    let is_digest = reference.contains(':');
    let sign = if is_digest { "@" } else { ":" };
    // What listens on this machine has no certificate, and some programs want to be told that.
    let is_local = ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local));
    let (insecure, plain) = if is_local { ("--tls-verify=false ", "--plain-http ") } else { ("", "") };
    let image = [host, "/", name, sign, reference].concat();
    let line = |parts: &[&str]| parts.concat();
    match tools {
        Tools::Image => vec![
            ("docker", line(&["docker pull ", &image])),
            ("podman", line(&["podman pull ", insecure, &image])),
            ("crane", line(&["crane pull ", &image, " image.tar"])),
        ],
        Tools::Helm if is_digest => vec![("helm", line(&["helm pull ", plain, "oci://", &image]))],
        Tools::Helm => {
            let chart = [host, "/", name].concat();
            // A `+` of a version stands in the tag as a `_`.
            let version = reference.replace('_', "+");
            vec![
                ("helm", line(&["helm pull ", plain, "oci://", &chart, " --version ", &version])),
                ("oras", line(&["oras pull ", plain, &image])),
            ]
        }
        Tools::Artifact => vec![
            ("oras", line(&["oras pull ", plain, &image])),
            ("crane", line(&["crane manifest ", &image])),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_type::{DOCKER_MANIFEST, DOCKER_SCHEMA1, OCI_INDEX, OCI_MANIFEST};

    #[test]
    fn things_are_what_they_are() {
        let image = IMAGE_CONFIGS[0];
        for (media_type, artifact, layer, config, name) in [
            (OCI_MANIFEST, "", "application/vnd.oci.image.layer.v1.tar+gzip", image, "Image"),
            (DOCKER_MANIFEST, "", "", IMAGE_CONFIGS[1], "Image"),
            (OCI_INDEX, "", "", "", "Image index"),
            (DOCKER_SCHEMA1, "", "", "", "Image (Docker schema 1)"),
            (OCI_MANIFEST, "", "", "application/vnd.cncf.helm.config.v1+json", HELM),
            (OCI_MANIFEST, "", "application/vnd.in-toto+json", image, "Attestation"),
            (
                OCI_MANIFEST,
                "",
                "application/vnd.dev.cosign.simplesigning.v1+json",
                image,
                "Signature (cosign)",
            ),
            (OCI_MANIFEST, "application/SPDX+json", "", "", "Bill of materials (SPDX)"),
            (OCI_MANIFEST, "application/vnd.acme", "", image, "Artifact"),
            (OCI_INDEX, "application/vnd.acme", "", "", "Artifact"),
            (OCI_MANIFEST, "", "", "application/vnd.acme", "Artifact"),
            ("application/vnd.acme", "", "", "", "Artifact"),
        ] {
            assert_eq!(
                of(media_type, artifact, layer, config).name,
                name,
                "{media_type} {artifact} {config}"
            );
        }
    }

    #[test]
    fn commands_name_the_registry() {
        let lines = |tools, host, reference| {
            let lines = commands(tools, host, "a/b", reference).into_iter();
            lines.map(|(_, line)| line).collect::<Vec<_>>()
        };
        assert_eq!(
            lines(Tools::Image, "r.example.com", "v1"),
            [
                "docker pull r.example.com/a/b:v1",
                "podman pull r.example.com/a/b:v1",
                "crane pull r.example.com/a/b:v1 image.tar"
            ]
        );
        assert_eq!(
            lines(Tools::Image, "127.0.0.1:5000", "sha256:ab")[1],
            "podman pull --tls-verify=false 127.0.0.1:5000/a/b@sha256:ab"
        );
        assert_eq!(
            lines(Tools::Helm, "localhost:5000", "1.0_x")[0],
            "helm pull --plain-http oci://localhost:5000/a/b --version 1.0+x"
        );
        assert_eq!(lines(Tools::Helm, "r", "sha256:ab"), ["helm pull oci://r/a/b@sha256:ab"]);
        assert_eq!(lines(Tools::Artifact, "r", "v1")[0], "oras pull r/a/b:v1");
    }
}
